# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rendering of an adaptation's report and example windows as its page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from spike_depth_ros import pictures, preview
from spike_depth_ros.evaluation.report.page import number, percent, render_page
from spike_depth_ros.evaluation.report.pictures import as_png, pad_colour_bar
from spike_training.adaptation.candidates import load_network
from spike_training.adaptation.correction import firing_rates
from spike_training.adaptation.evidence import (
    FLAT,
    LIMITS,
    UNVARIED,
    WEIGHTS,
    WEIGHTS_IN_MOTION,
    find_limits,
)
from spike_training.adaptation.page import Shown
from spike_training.evaluation.predictors import predict
from spike_training.sampling.sample import Batch, Unlabelled

TEMPLATE = Path(__file__).with_name('adapt.html.j2')

ROWS = 5
"""Held-back windows on the page."""

PAIRS = 2
"""Windows of the recording, and matched scenes, beside the match."""

FloatImage = npt.NDArray[np.float32]


def render(report: Mapping[str, Any], shown: Shown) -> str:
    """Render the page as self-contained HTML.

    Args:
        report: Content of adapt.json.
        shown: Checkpoints and windows to show.
    """
    recordings, candidates = report['recordings'], report['rungs']
    measured, pairs = bool(recordings['windows_with_depth']), report['pairs']
    kind = 'measured' if measured else 'expected'
    known = candidates[0]['evidence'].items() if candidates else ()
    exposure = _brightest(shown.windows)
    windows, canonical_fx = _windows(shown, exposure)
    limits = find_limits(report['match']['distance'], measured=measured)
    in_motion = recordings['windows_with_depth_from_motion']
    improved = f'{math.expm1(limits[0]):+.1%} or less'
    if in_motion and limits[0] < LIMITS[0]:
        improved += f' ({math.expm1(LIMITS[0]):+.1%} if the error by motion changes by that)'
    return render_page(
        TEMPLATE,
        title=f'Adaptation {shown.out.stem}',
        subtitle=f'{shown.old.name} adapted to {", ".join(recordings["names"])}: '
        f'{recordings["duration_s"]:.3g} s at {recordings["rate_hz"]:.6g} planes/s, the last part '
        'held back.',
        tiles=_tiles(report, kind),
        warnings=report['warnings'],
        report=report,
        old=shown.old.name,
        out=shown.out.name,
        candidate=shown.name,
        kind=kind,
        error='error' if pairs is None else 'error in metres',
        improved=improved,
        worse=f'{math.expm1(limits[1]):+.1%}',
        weights=WEIGHTS_IN_MOTION if in_motion else WEIGHTS,
        flat=f'{math.expm1(FLAT):.0%}',
        unvaried=f'{math.expm1(UNVARIED):.0%}',
        change=_change,
        changes=[f'{100 * one["expected_change"]:+.1f} %' for one in candidates],
        seconds=[f'{one["seconds"]:.0f} s' for one in candidates],
        evidence={
            name: [FORMS.get(name, _change)(one['evidence'][name]) for one in candidates]
            for name, value in known
            if value is not None
        },
        windows=windows,
        recorded_fx=f'{shown.fx:.0f}' if math.isfinite(shown.fx) else '',
        canonical_fx=canonical_fx,
        match_panels=_match_panels(shown, exposure),
    )


def _change(value: float | None) -> str:
    """Format a log ratio as a relative change."""
    return number(None if value is None else 100 * math.expm1(value), '+.1f') + ' %'


FORMS: dict[str, Callable[[float | None], str]] = {
    'edges': lambda value: number(value, '+.3f'),
    'disorder': percent,
    'drift_spread': lambda value: _change(value).lstrip('+'),
}
"""Format of the evidence, by name; others are changes."""


def _tiles(report: Mapping[str, Any], kind: str) -> list[tuple[str, str]]:
    match, recordings = report['match'], report['recordings']
    tiles = [('verdict', report['verdict'])]
    for one in report['rungs']:
        if one['name'] == report['shown']:
            change = 'flat depth' if one['flat'] else f'{one["expected_change"]:+.0%}'
            error = 'error' if report['pairs'] is None else 'error in metres'
            tiles.append((f'{kind} change of the {error}, {one["name"]}', change))
    return [
        *tiles,
        (
            f'distance of the match, expected at most {match["full_distance"]:g}',
            f'{match["distance"]:.2f}',
        ),
        (
            f'held-back windows; {recordings["windows_with_depth_from_motion"]} with depth from '
            'the motion of the camera',
            str(recordings['held_back_windows']),
        ),
    ]


@torch.inference_mode()
def _windows(shown: Shown, exposure: float) -> tuple[list[dict[str, Any]], float]:
    """Return held-back windows, with one scale of depth and of uncertainty, and their fx."""
    chosen, seen = (_spread(batches, ROWS) for batches in (shown.windows, shown.seen))
    depths: dict[str, list[FloatImage]] = {}
    percents: list[FloatImage] = []
    for name, path, windows in (
        (shown.old.name, shown.old, chosen),
        (f'candidate {shown.name}', shown.candidate, seen),
    ):
        if path is None:
            continue
        info, network = load_network(path)
        outputs = [predict(network, one, 'spikes') for one in windows]
        metres = shown.fx / info.canonical_fx if math.isfinite(shown.fx) else 1.0
        depths[name] = [metres * output.depth[0, 0].numpy() for output in outputs]
        # Of the last network, the candidate.
        percents = [
            100
            * info.uncertainty_factor
            * info.relative_error(output.depth[0, 0].numpy(), output.uncertainty[0, 0].numpy())
            for output in outputs
        ]
    matched = _spread_depths(shown.matched, ROWS)
    seen_m = np.concatenate([np.ravel(one) for of in (*depths.values(), matched) for one in of])
    near, far = (float(value) for value in np.nanpercentile(seen_m, (1, 99)))
    far = max(far, 1.05 * near)
    most = max(float(np.percentile(np.stack(percents), 98)), 1.0)
    rows = []
    for k, window in enumerate(chosen):
        panels = [('picture', pad_colour_bar(_picture(window, exposure)))]
        if matched:
            both_eyes = pictures.depth_panel(matched[k], near, far)
            panels.append(('depth: both eyes, matched', both_eyes))
        panels += [
            (f'depth: {name}', pictures.depth_panel(of[k], near, far))
            for name, of in depths.items()
        ]
        uncertainty = pictures.uncertainty_panel(percents[k], most, '%')
        panels.append((f'uncertainty: {[*depths][-1]}', uncertainty))
        rows.append({'number': int(window.index[0]) + 1, 'panels': as_png(panels)})
    return rows, info.canonical_fx


def _match_panels(shown: Shown, exposure: float) -> list[dict[str, str]]:
    """Return windows of the recording and matched scenes, of the same exposure."""
    groups = {'recording': shown.windows, 'matched scene': [shown.scenes]}
    return as_png(
        [
            (
                f'{name}, mean rate {float(next(firing_rates([one])).mean()):.3f} spikes/plane',
                _picture(one, exposure),
            )
            for name, batches in groups.items()
            for one in _spread(batches, PAIRS)
        ]
    )


def _spread(batches: Sequence[Unlabelled], number: int) -> list[Unlabelled]:
    """Return windows in equal distances, first and last among them, as batches of one."""
    windows = [
        Unlabelled(here.counts[k : k + 1], here.planes_per_bin, here.index[k : k + 1])
        for here in (batch.to('cpu') for batch in batches)
        for k in range(len(here.counts))
    ]
    places = np.linspace(0, len(windows) - 1, min(number, len(windows)))
    return [windows[place] for place in places.round().astype(int).tolist()]


def _spread_depths(batches: Sequence[Batch], number: int) -> list[FloatImage]:
    """Return the depth of windows as :func:`_spread` chooses them; none without windows."""
    if not batches:
        return []
    depths: FloatImage = torch.cat([batch.depth[:, 0] for batch in batches]).cpu().numpy()
    places = np.linspace(0, len(depths) - 1, min(number, len(depths)))
    return [depths[place] for place in places.round().astype(int).tolist()]


def _brightest(windows: Sequence[Unlabelled]) -> float:
    """Return the firing rate that is shown white: 1 % of the pixels reach it."""
    rates = np.stack([*firing_rates(windows)])
    return max(float(np.percentile(rates, 99)), 1e-3)


def _picture(window: Unlabelled, exposure: float) -> npt.NDArray[np.uint8]:
    return pictures.spike_panel(preview.encode(next(firing_rates([window])) / exposure))
