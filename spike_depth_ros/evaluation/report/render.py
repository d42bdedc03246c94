# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Report of an evaluation: one self-contained HTML page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from spike_depth_ros import pictures
from spike_depth_ros.evaluation.controls import NETWORK, control_name
from spike_depth_ros.evaluation.intervals import LEVEL, MIN_WINDOWS, Interval, intervals
from spike_depth_ros.evaluation.report import charts
from spike_depth_ros.evaluation.report.page import (
    ASSETS,
    FIGURES,
    STRUCTURE,
    UNCERTAINTY,
    number,
    percent,
    render_page,
)
from spike_depth_ros.evaluation.report.pictures import best_and_worst, differing
from spike_depth_ros.evaluation.results import (
    ModelRun,
    Stream,
    columns,
    control_lines,
    differences,
)
from spike_depth_ros.metrics import Mean

COMPARED = {
    **{name: FIGURES[name] for name in ('abs_rel', 'sq_rel', 'rmse', 'rmse_log', 'delta1')},
    **{name: UNCERTAINTY[name] for name in ('interval_coverage', 'ause')},
}
MAX_BEYOND = 0.5
"""Largest share of true depth beyond the range of a model that is not warned of."""

LOWER_IS_BETTER = ('abs_rel', 'sq_rel', 'rmse', 'rmse_log', 'ause')

CONTROL_METRICS = {
    'abs_rel': FIGURES['abs_rel'],
    'delta1': FIGURES['delta1'],
    'abs_rel_median_scaled': 'scaled: Abs Rel ↓',
    'delta1_median_scaled': 'scaled: δ < 1.25 ↑',
    **STRUCTURE,
}

PLANE_COUNTERS = {
    'expected': 'expected, by the stamps',
    'received': 'received',
    'lost_in_transport': 'missing between stamps',
    'lost_in_queue': 'overwritten in the queue of the node',
    'missed_resubscribing': 'missed while the node subscribed again',
    'windowed': 'in a window',
    'skipped_by_policy': 'skipped by the policy',
    'overwritten': 'overwritten before their turn',
    'pending': 'left at the end: too few for one more window',
    'gaps': 'gaps (number)',
    'restarts': 'restarts of the stream (number)',
    'dropped': 'dropped (missing, overwritten or refused)',
}


def render(stream: Stream, runs: Sequence[ModelRun]) -> str:
    """Render the page.

    Args:
        stream: The recording.
        runs: At least one model.
    """
    seconds = stream.windows * stream.hop / stream.plane_rate_hz if stream.plane_rate_hz else 0
    names = ' and '.join(run.label for run in runs)
    lockstep = 'every window of the bag, in lockstep'
    live = 'what came out of the running node, drops included'
    differ = runs[0].scores.extremes.by_error and len(runs) > 1
    has_truth = _has_truth(runs)
    controls = {run.label: run.scores.controls.compare() for run in runs}
    return render_page(
        ASSETS / 'evaluation_report.html.j2',
        title=f'{names} on {stream.source}',
        subtitle=f'{stream.windows} windows, {lockstep if stream.mode == "lockstep" else live}'
        + (f'; {seconds:.2f} s of the stream.' if seconds else '.'),
        tiles=_tiles(stream, runs),
        warnings=warnings(stream, runs),
        lead=control_lines(runs),
        stream=stream,
        runs=runs,
        topics=', '.join(f'{role}: {name}' for role, name in stream.topics.items() if name),
        has_truth=has_truth,
        level=f'{LEVEL:.0%}',
        depth_cells=_depth_cells,
        controls={label: one for label, one in controls.items() if one is not None},
        control_name=control_name,
        differences=differences,
        compared=compared,
        draw=charts,
        differ=differ,
        examples=differing(runs) if differ else best_and_worst(runs),
        legend=pictures.LEGEND,
        NETWORK=NETWORK,
        COMPARED=COMPARED,
        CONTROL_METRICS=CONTROL_METRICS,
        PLANE_COUNTERS=PLANE_COUNTERS,
    )


def _has_truth(runs: Sequence[ModelRun]) -> bool:
    return any(run.scores.errors.images for run in runs)


def _tiles(stream: Stream, runs: Sequence[ModelRun]) -> list[tuple[str, str]]:
    found = {f' of {run.label}' if len(runs) > 1 else '': run.scores.headline() for run in runs}
    if not _has_truth(runs):
        tiles = [(f'flicker{of}', percent(values['flicker'])) for of, values in found.items()]
    else:
        tiles = [(f'Abs Rel{of}', number(values['abs_rel'])) for of, values in found.items()]
    if _has_truth(runs) and len(runs) == 1:
        tiles += [
            ('RMSE', f'{number(found[""]["rmse"], ".2f")} m'),
            ('δ < 1.25', number(found['']['delta1'])),
            ('AUSE', number(found['']['ause'])),
            ('truth within the 68 % interval', percent(found['']['interval_coverage'])),
        ]
    for run in runs:
        if run.pairs is not None:
            of = f' of {run.label}' if len(runs) > 1 else ''
            tiles.append((f'pixels matched{of}', percent(run.pairs.matched_share)))
            if run.pairs.matched.covered:
                metrics = run.pairs.matched.metrics(run.scores.mean)
                tiles.append((f'Abs Rel of matched pixels{of}', number(metrics['abs_rel'])))
    return [
        *tiles,
        ('windows, with truth', f'{stream.windows}, {stream.truth.used}'),
        ('planes dropped', str(stream.accounting.dropped)),
    ]


def warnings(stream: Stream, runs: Sequence[ModelRun]) -> list[str]:
    """Return reasons for less confidence in the metrics, one line each.

    Args:
        stream: The recording.
        runs: At least one model.
    """
    texts = list(stream.warnings)
    for run in runs:
        texts += [f'{run.label}: {note}' for note in run.notes]
        errors = run.scores.errors
        if run.info.stage == 'random':
            texts.append(f'{run.label}: the weights are random, depth means nothing')
        farthest = run.scores.depth_range[1]
        distances = run.scores.breakdown.by_distance.rows()
        beyond = sum(row['share'] for row in distances if row['from'] >= farthest)
        if beyond > MAX_BEYOND:
            texts.append(
                f'{run.label}: {beyond:.0%} of the true depth is beyond the range of the model, '
                f'{farthest:.3g} m: is it in metres (32FC1) or millimetres (16UC1)?'
            )
        if errors.covered != errors.pixels:
            texts.append(f'{run.label}: {errors.headline(run.scores.mean)}')
    truth = stream.truth
    if not truth.received:
        texts.append('there is no true depth: errors are not evaluated')
    elif truth.used and not _has_truth(runs):
        texts.append(
            'not one pixel of the true depth counts: errors are not evaluated (0, NaN and, of '
            '16 bits, 65535 are unknown; crop, cap and mask leave out more)'
        )
    if truth.unmatched:
        near = ''
        if truth.nearest_ns is not None:
            near = f' (the nearest {truth.nearest_ns / 1e6:.3g} ms from a window)'
        texts.append(f'true depth images that belong to no window: {truth.unmatched}{near}')
    if truth.superseded:
        texts.append(
            f'true depth images with another one nearer to their window: {truth.superseded}'
        )
    if truth.unusable:
        texts.append(f'true depth images that could not be used: {truth.unusable}')
    for reason, count in stream.packets_refused.items():
        texts.append(f'packets refused, {reason}: {count}')
    return texts


def _depth_cells(run: ModelRun, other: Mean) -> list[list[str]]:
    """Return each metric, its other mean and its interval as small print."""
    scores = run.scores
    metrics, others = scores.errors.metrics(scores.mean), scores.errors.metrics(other)
    found = intervals(columns(scores), scores.mean)
    cells = [[number(metrics[name]), number(others[name])] for name in FIGURES]
    for name, lines in zip(FIGURES, cells, strict=True):
        if name in found and math.isfinite(found[name].low):
            lines.append(f'{found[name].low:.3f} … {found[name].high:.3f}')
    return cells


def compared(name: str, found: Interval, one: ModelRun, other: ModelRun) -> tuple[str, str, str]:
    """Format a difference between two models.

    Args:
        name: Name of the metric, one of ``COMPARED``.
        found: Metric of ``other`` less that of ``one``.
        one: First model.
        other: Second model.

    Returns:
        The difference, its interval, and the label of the better model.
    """
    if not math.isfinite(found.low):
        return number(found.value, '+.4f'), '–', f'fewer than {MIN_WINDOWS} windows with truth'
    if name == 'interval_coverage':
        better = 'nearer to 68 % is better'
    elif not found.excludes_zero:
        better = 'not significant'
    else:
        better = (other if (found.value < 0) == (name in LOWER_IS_BETTER) else one).label
    return f'{found.value:+.4f}', f'{found.low:+.4f} … {found.high:+.4f}', better
