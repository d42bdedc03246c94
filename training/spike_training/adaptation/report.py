# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Report of an adaptation, adapt.json, and what its page shows besides."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spike_depth_ros.base.results import write_atomically
from spike_depth_ros.evaluation.metrics import without_nan
from spike_training.adaptation.acceptance import (
    OLD,
    AcceptanceTest,
    Candidate,
    choose_shown,
    overall_verdict,
)
from spike_training.adaptation.candidates import Rescaled
from spike_training.adaptation.correction import describe_correction
from spike_training.adaptation.evidence import FULL_DISTANCE, choose, find_limits, is_flat
from spike_training.adaptation.findings import Findings
from spike_training.adaptation.page import Shown
from spike_training.adaptation.windows import Recorded

REPORT = 'adapt.json'

UNLIKELY = 3.0
"""Factor on the metres of the old network, or its inverse, above which it is told as unlikely."""


def list_warnings(
    recorded: Recorded, findings: Findings, scaled: Rescaled | None = None
) -> list[str]:
    """List what terminal and page warn of, before training."""
    found, opened, distance = [], recorded.opened, findings.match.distance
    if not recorded.measured and distance > FULL_DISTANCE:
        limit = math.expm1(find_limits(distance, measured=False)[0])
        found.append(
            f'the simulation does not match the recording well (distance {distance:.1f}, expected '
            f'at most {FULL_DISTANCE:g}), so that a candidate is improved only if its error is '
            f'expected to change by {limit:+.1%} or less, or depth from motion shows it'
        )
    if findings.upside_down:
        found.append(
            'depth is more certain, and the ground nearer, if the picture is turned by 180 '
            'degrees: is the camera mounted upside-down?'
        )
    if scaled is not None and not 1 / UNLIKELY <= scaled.factor <= UNLIKELY:
        found.append(
            f'depth by two eyes is {scaled.factor:.2g} times that of the old network: are '
            'baseline and focal length right?'
        )
    if opened.corrected_bit_order:
        found.append(
            'the planes had another bit order than stated; it was corrected in the recording: '
            'correct the driver, as the node decodes what messages state'
        )
    if opened.padded_row_bytes:
        found.append(
            f'rows are padded to {opened.padded_row_bytes} bytes; the padding was left out'
        )
    return found


def write_report(
    folder: Path,
    recorded: Recorded,
    findings: Findings,
    acceptance: AcceptanceTest,
    candidates: Sequence[Candidate],
    scaled: Rescaled | None = None,
) -> None:
    """Write the report of an adaptation whose candidates have been tested."""
    corrections, kept, shown = findings.corrections, choose(candidates), choose_shown(candidates)
    scores = {OLD: acceptance.scores, **{one.name: one.scores for one in candidates}}
    report = {
        'verdict': overall_verdict(candidates),
        'kept': None if kept is None else kept.name,
        'shown': None if shown is None else shown.name,
        'scale': acceptance.scale,
        'recordings': {
            'names': [clip.name for clip in recorded.opened.clips],
            'duration_s': recorded.opened.duration_s,
            'rate_hz': recorded.windows.rate_hz,
            'bit_order_corrected': recorded.opened.corrected_bit_order,
            'padded_row_bytes': recorded.opened.padded_row_bytes,
            'held_back_windows': sum(len(one.counts) for one in recorded.tested),
            'windows_with_depth': sum(len(one.counts) for one in recorded.measured),
            'windows_with_depth_from_motion': len(acceptance.moving),
            'looks_upside_down': findings.upside_down,
        },
        'pairs': None if recorded.pairs is None else _describe_pairs(recorded, scaled),
        'match': {**dataclasses.asdict(findings.match), 'full_distance': FULL_DISTANCE},
        'styles': dict(findings.shares),
        'warnings': list_warnings(recorded, findings, scaled),
        'correction': None if corrections is None else describe_correction(corrections.sensor),
        'matched_error': {
            name: {'scaled': one.matched.scaled, 'metres': one.matched.metres}
            for name, one in scores.items()
        },
        'measured_error': {
            name: {
                'scaled': one.measured.scaled,
                'metres': one.measured.metres,
                'bounded': one.measured.bounded,
            }
            for name, one in scores.items()
            if one.measured is not None
        },
        'rungs': [
            {
                'name': one.name,
                'verdict': one.verdict,
                'expected_change': one.expected_change,
                'flat': is_flat(one.evidence),
                'seconds': round(one.seconds, 1),
                'evidence': dataclasses.asdict(one.evidence),
            }
            for one in candidates
        ],
    }
    text = json.dumps(without_nan(report), indent=2, allow_nan=False)
    write_atomically(folder / REPORT, text.encode())


def _describe_pairs(recorded: Recorded, scaled: Rescaled | None) -> dict[str, Any]:
    """Return what the report tells about the pairs of two eyes."""
    pairs = recorded.pairs
    assert pairs is not None
    return {
        'baseline_m': pairs.rig.baseline_m,
        'fx_px': pairs.rig.fx_px,
        'number': pairs.number,
        'matched_share': pairs.matched,
        'depth': 'matched' if recorded.matched_decides else 'recorded',
        'scale_factor': None if scaled is None else scaled.factor,
    }


def shown_on_page(
    old: Path,
    out: Path,
    recorded: Recorded,
    acceptance: AcceptanceTest,
    candidate: Candidate | None,
) -> Shown:
    """Collect what the page shows.

    Args:
        old: Checkpoint that was adapted.
        out: File that an improvement is written to.
        recorded: The recordings.
        acceptance: Test of the candidates.
        candidate: The candidate to show, calibrated if it is kept; None if there is none.
    """
    return Shown(
        old=old,
        candidate=None if candidate is None else candidate.checkpoint,
        name='' if candidate is None else candidate.name,
        out=out,
        windows=recorded.tested,
        seen=acceptance.seen(
            acceptance.windows, corrected=candidate is not None and candidate.corrected
        ),
        scenes=acceptance.scenes,
        fx=recorded.fx,
        matched=[] if recorded.pairs is None else recorded.pairs.measured,
    )
