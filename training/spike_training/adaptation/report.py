# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Report of an adaptation, adapt.json, and what its page shows besides."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from spike_depth_ros.checkpoint import write_atomically
from spike_depth_ros.metrics import without_nan
from spike_training.adaptation.correction import Corrections, describe_correction
from spike_training.adaptation.gate import FULL_DISTANCE, find_limits, is_flat
from spike_training.adaptation.judgement import Judge
from spike_training.adaptation.matching import Match
from spike_training.adaptation.page import Shown
from spike_training.adaptation.windows import Recorded

REPORT = 'adapt.json'


class Findings(NamedTuple):
    """Findings about camera and places of recordings, before training.

    Attributes:
        match: Match of the simulation.
        shares: Share of each style of generated scenes.
        upside_down: True if the camera seems to be mounted upside-down.
        corrections: Corrections of the sensor; None: there is nothing to correct.
    """

    match: Match
    shares: Mapping[str, float]
    upside_down: bool
    corrections: Corrections | None


def list_warnings(recorded: Recorded, findings: Findings) -> list[str]:
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


def write_report(folder: Path, recorded: Recorded, findings: Findings, judge: Judge) -> None:
    """Write the report of an adaptation whose rungs have been judged."""
    corrections = findings.corrections
    report = {
        'verdict': judge.verdict,
        'kept': None if judge.kept is None else judge.kept.name,
        'shown': None if judge.shown is None else judge.shown.name,
        'scale': judge.scale,
        'recordings': {
            'names': [clip.name for clip in recorded.opened.clips],
            'duration_s': recorded.opened.duration_s,
            'rate_hz': recorded.windows.rate_hz,
            'bit_order_corrected': recorded.opened.corrected_bit_order,
            'padded_row_bytes': recorded.opened.padded_row_bytes,
            'held_back_windows': sum(len(one.counts) for one in recorded.judged),
            'windows_with_depth': sum(len(one.counts) for one in recorded.measured),
            'windows_with_depth_from_motion': len(judge.comparison.moving),
            'looks_upside_down': findings.upside_down,
        },
        'match': {**json.loads(findings.match.to_json()), 'full_distance': FULL_DISTANCE},
        'styles': dict(findings.shares),
        'warnings': list_warnings(recorded, findings),
        'correction': None if corrections is None else describe_correction(corrections.sensor),
        'matched_error': {
            name: {'scaled': scores.matched.scaled, 'metres': scores.matched.metres}
            for name, scores in judge.scores.items()
        },
        'measured_error': {
            name: {'scaled': scores.measured.scaled, 'metres': scores.measured.metres}
            for name, scores in judge.scores.items()
            if scores.measured is not None
        },
        'rungs': [
            {
                'name': rung.name,
                'verdict': rung.verdict,
                'expected_change': rung.expected_change,
                'flat': is_flat(rung.evidence),
                'seconds': round(rung.seconds, 1),
                'evidence': dataclasses.asdict(rung.evidence),
            }
            for rung in judge.rungs
        ],
    }
    text = json.dumps(without_nan(report), indent=2, allow_nan=False)
    write_atomically(folder / REPORT, text.encode())


def shown_on_page(
    old: Path, out: Path, recorded: Recorded, judge: Judge, calibrated: Path | None
) -> Shown:
    """Collect what the page shows; a kept candidate has calibrated uncertainty.

    Args:
        old: Checkpoint that was adapted.
        out: File that an improvement is written to.
        recorded: The recordings.
        judge: Judge of all rungs.
        calibrated: Checkpoint of the kept rung; None if there is none.
    """
    rung = judge.shown
    candidate = None if rung is None else rung.checkpoint
    corrected = rung is not None and rung.corrected
    return Shown(
        old=old,
        candidate=calibrated or candidate,
        name='' if rung is None else rung.name,
        out=out,
        windows=recorded.judged,
        seen=judge.windows_seen(corrected),
        scenes=judge.scenes,
        fx=recorded.fx,
    )
