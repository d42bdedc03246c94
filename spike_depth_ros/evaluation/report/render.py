# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Report of an evaluation: one self-contained HTML page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from spike_depth_ros import pictures
from spike_depth_ros.evaluation.controls import NETWORK, control_name
from spike_depth_ros.evaluation.intervals import LEVEL, MIN_WINDOWS, Interval, intervals
from spike_depth_ros.evaluation.report import charts as charts
from spike_depth_ros.evaluation.report.page import (
    FIGURES,
    STRUCTURE,
    UNCERTAINTY,
    asset,
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

COMPARED = ('abs_rel', 'sq_rel', 'rmse', 'rmse_log', 'delta1', 'interval_coverage', 'ause')
LOWER_IS_BETTER = ('abs_rel', 'sq_rel', 'rmse', 'rmse_log', 'ause')

_CONTROL_METRICS = {
    'abs_rel': FIGURES['abs_rel'],
    'delta1': FIGURES['delta1'],
    'abs_rel_median_scaled': 'scaled: Abs Rel ↓',
    'delta1_median_scaled': 'δ < 1.25 ↑',
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
    return render_page(
        asset('evaluation_report.html.j2'),
        title=f'{names} on {stream.source}',
        subtitle=f'{stream.windows} windows, {lockstep if stream.mode == "lockstep" else live}'
        + (f'; {seconds:.2f} s of the stream.' if seconds else '.'),
        lead=control_lines(runs),
        tiles=_tiles(stream, runs),
        warnings=warnings(stream, runs),
        has_truth=_has_truth(runs),
        depth=_depth(runs),
        controls=_controls(runs),
        comparison=_comparison(runs),
        distance=_distance(runs),
        uncertainty=_uncertainty(runs),
        time=_time(stream, runs),
        moments=_example_windows(runs),
        planes=_planes(stream),
        latency=_latency(stream, runs),
        facts=_facts(stream, runs),
    )


def _has_truth(runs: Sequence[ModelRun]) -> bool:
    return any(run.scores.errors.images for run in runs)


def _tiles(stream: Stream, runs: Sequence[ModelRun]) -> list[tuple[str, str]]:
    metrics = runs[0].scores.headline()
    if not _has_truth(runs):
        tiles = _of_each(runs, 'flicker', lambda values: percent(values['flicker']))
    elif len(runs) > 1:
        tiles = _of_each(runs, 'Abs Rel', lambda values: number(values['abs_rel']))
    else:
        tiles = [
            ('Abs Rel', number(metrics['abs_rel'])),
            ('RMSE', f'{number(metrics["rmse"], ".2f")} m'),
            ('δ < 1.25', number(metrics['delta1'])),
            ('AUSE', number(metrics['ause'])),
            ('truth within the 68 % interval', percent(metrics['interval_coverage'])),
        ]
    return [
        *tiles,
        ('windows, with truth', f'{stream.windows}, {stream.truth.used}'),
        ('planes dropped', str(stream.accounting.dropped)),
    ]


def _of_each(
    runs: Sequence[ModelRun], name: str, text: Callable[[dict[str, float]], str]
) -> list[tuple[str, str]]:
    """Return a tile for each model, with its name if there are several."""
    return [
        (f'{name} of {run.label}' if len(runs) > 1 else name, text(run.scores.headline()))
        for run in runs
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
        if errors.covered != errors.pixels:
            texts.append(f'{run.label}: {errors.headline(run.scores.mean)}')
    truth = stream.truth
    if not truth.received:
        texts.append('there is no true depth: errors are not evaluated')
    elif truth.used and not _has_truth(runs):
        texts.append(
            'not one pixel of the true depth counts: errors are not evaluated (0 and NaN are '
            'unknown; crop, cap and mask leave out more)'
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


def _depth(runs: Sequence[ModelRun]) -> dict[str, Any]:
    scores = runs[0].scores
    errors = scores.errors
    mean = {
        'pixels': 'means over all pixels of all windows',
        'images': 'means over windows of each window’s own metric, as published tables do',
    }[scores.mean]
    other = 'images' if scores.mean == 'pixels' else 'pixels'
    text = (
        f'Protocol: {errors.protocol.describe()}; {mean}. In small print the mean over {other}, '
        f'and under it the {LEVEL:.0%} interval over blocks of windows of this recording. '
        'Boundary F1 and ordinal accuracy are of whole images, from the counts of all windows.'
    )
    rows = []
    for run in runs:
        metrics = run.scores.errors.metrics(run.scores.mean)
        others = run.scores.errors.metrics(other)  # type: ignore[arg-type]
        spread = intervals(columns(run.scores), run.scores.mean)
        cells = [_cell(metrics[name], others[name], spread.get(name)) for name in FIGURES]
        structure = run.scores.structure.metrics()
        cells += [[number(structure[name])] for name in STRUCTURE]
        rows.append([run.label, *cells, percent(run.scores.errors.coverage)])
    head = ['model', *FIGURES.values(), *STRUCTURE.values(), 'coverage']
    return {'text': text, 'head': head, 'rows': rows}


def _controls(runs: Sequence[ModelRun]) -> dict[str, Any] | None:
    """Return a table for each model with controls; None if no model has any."""
    found = [(run.label, run.scores.controls.compare()) for run in runs]
    compared = [(label, one) for label, one in found if one is not None]
    if not compared:
        return None
    first = compared[0][1]
    text = (
        f'Model and controls on the same {first.windows} windows (of those with truth, one in '
        f'{first.window_step}; of their rows and columns, one in {first.pixel_step}), so that the '
        'model’s metrics differ a little from those above; boundary F1 more, as it depends on the '
        'resolution. The baselines use the median of this recording’s own true depth. Mean '
        'prediction: the average of the model’s depth maps. Shuffled input: the depth of the '
        'window half the recording away.'
    )
    parts = []
    for label, one in compared:
        rows = [
            [
                label if name == NETWORK else control_name(name),
                *(number(metrics[key]) for key in _CONTROL_METRICS),
            ]
            for name, metrics in one.metrics().items()
        ]
        parts.append({'title': label, 'head': ['', *_CONTROL_METRICS.values()], 'rows': rows})
    return {'text': text, 'parts': parts}


def _cell(value: float, other: float, spread: Interval | None) -> list[str]:
    """Return a metric and the smaller lines below it."""
    lines = [number(value), number(other)]
    if spread is not None and math.isfinite(spread.low):
        lines.append(f'{spread.low:.3f} … {spread.high:.3f}')
    return lines


def _comparison(runs: Sequence[ModelRun]) -> dict[str, Any] | None:
    if len(runs) < 2 or not runs[0].scores.errors.images:
        return None
    text = (
        'Both models have the same windows. The difference is the second less the first; its '
        f'{LEVEL:.0%} interval is a paired block bootstrap over windows of this recording: blocks '
        'of neighbouring windows, which resemble each other, are drawn together. Where the '
        'interval contains 0, the difference is not significant on this recording.'
    )
    parts = []
    for other in runs[1:]:
        found = differences(runs[0], other)
        rows = []
        for name in COMPARED:
            title = {**FIGURES, **UNCERTAINTY}[name]
            values = [run.scores.headline()[name] for run in (runs[0], other)]
            cells = compared(name, found[name], runs[0], other)
            rows.append([title, *map(number, values), *cells])
        head = ['metric', runs[0].label, other.label, 'difference', 'interval', 'better']
        parts.append(
            {'title': f'{other.label} against {runs[0].label}', 'head': head, 'rows': rows}
        )
    return {'text': text, 'parts': parts}


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


def _bin_table(by: charts.By, run: ModelRun) -> dict[str, Any]:
    rows = getattr(run.scores.breakdown, by).rows()
    head = ['bin', 'pixels', 'Abs Rel', 'RMSE', 'δ < 1.25', 'uncertainty', '68 % interval holds']
    cells = [
        [
            name,
            percent(row['share']),
            number(row['abs_rel']),
            f'{number(row["rmse"], ".2f")} m',
            number(row['delta1']),
            percent(row['relative_uncertainty']),
            percent(row['interval_coverage']),
        ]
        for name, row in zip(charts.bin_names(by, rows), rows, strict=True)
    ]
    return {'title': run.label, 'head': head, 'rows': cells}


def _distance(runs: Sequence[ModelRun]) -> dict[str, Any]:
    return {
        'charts': [charts.error_by('by_distance', runs), charts.coverage_by('by_distance', runs)],
        'parts': [_bin_table('by_distance', run) for run in runs],
    }


def _uncertainty(runs: Sequence[ModelRun]) -> dict[str, Any]:
    rows = []
    for run in runs:
        metrics = run.scores.uncertainty.metrics()
        cells = [
            percent(metrics[name]) if name == 'interval_coverage' else number(metrics[name])
            for name in UNCERTAINTY
        ]
        rows.append([run.label, *cells])
    return {
        'text': 'Relative to depth, over whole images as they are: no crop, cap or alignment. '
        'AUSE is 0 where the uncertainty orders pixels as their error does, AURG is 0 where it is '
        'useless.',
        'head': ['model', *UNCERTAINTY.values()],
        'rows': rows,
        'charts': [
            charts.sparsification(runs),
            charts.reliability(runs),
            charts.coverage_by('by_uncertainty', runs),
            charts.error_by('by_uncertainty', runs),
        ],
        'parts': [_bin_table('by_uncertainty', run) for run in runs],
    }


def _time(stream: Stream, runs: Sequence[ModelRun]) -> dict[str, Any]:
    rows = []
    for run in runs:
        metrics = run.scores.headline()
        rows.append([run.label, *(percent(metrics[name]) for name in ('flicker', 'change_error'))])
    return {
        'text': 'Flicker is the median relative change of a pixel’s depth from one window to the '
        'next; a moving scene changes too. The change error is what depth changed by and the '
        'truth did not, from one window with a truth to the next: mean over pixels.',
        'charts': charts.timeline(stream, runs),
        'head': ['model', 'flicker', 'change error'],
        'rows': rows,
    }


def _example_windows(runs: Sequence[ModelRun]) -> dict[str, Any]:
    by_error = runs[0].scores.extremes.by_error
    if by_error and len(runs) > 1:
        return {
            'title': 'Windows in which the models differ most',
            'text': f'By relative error. {pictures.LEGEND}',
            'list': differing(runs),
        }
    kind = 'relative error' if by_error else 'median uncertainty, as there is no true depth'
    return {
        'title': 'Best and worst windows',
        'text': f'By {kind}. {pictures.LEGEND}',
        'list': best_and_worst(runs),
    }


def _planes(stream: Stream) -> dict[str, Any]:
    accounting = stream.accounting
    rows = []
    for key, title in PLANE_COUNTERS.items():
        if key == 'pending':
            refused = sorted(accounting.refused.items())
            rows += [[f'refused: {reason}', str(count)] for reason, count in refused]
        rows.append([title, str(getattr(accounting, key))])
    rows.append(['dropped (missing, overwritten or refused)', str(accounting.dropped)])
    balanced = accounting.check() == (0, 0)
    return {
        'text': 'expected = received + missing; received = in a window + passed over + '
        'overwritten + refused + left. '
        + ('Both hold.' if balanced else 'THEY DO NOT HOLD: this is a defect.'),
        'rows': rows,
        'gaps': [[f'{time_s:.3f} s', str(count)] for time_s, count in stream.gaps],
    }


def _latency(stream: Stream, runs: Sequence[ModelRun]) -> dict[str, Any]:
    rows = [
        [f'{run.label}: {stage}', f'{median:.1f} ms', f'{high:.1f} ms']
        for run in runs
        for stage, (median, high) in run.times_ms.items()
    ]
    lockstep = (
        'Time that the model took for a window, on this machine. In lockstep nothing waits and '
        'nothing is dropped; what a running node would reach is measured live.'
    )
    live = (
        'As the depth node measured it: time to predict a window and to publish its depth, and '
        'age, from the last plane of a window to its published depth.'
    )
    return {'text': lockstep if stream.mode == 'lockstep' else live, 'rows': rows}


def _facts(stream: Stream, runs: Sequence[ModelRun]) -> list[list[str]]:
    topics = ', '.join(f'{role}: {name}' for role, name in stream.topics.items() if name)
    rows = [
        ['recording', stream.source],
        ['topics', topics],
        ['plane rate', f'{stream.plane_rate_hz:.6g} planes/s' if stream.plane_rate_hz else '–'],
        ['window', f'{stream.window} planes' + (f', hop {stream.hop}' if stream.hop else '')],
        ['protocol', f'{runs[0].scores.protocol.describe()}; mean over {runs[0].scores.mean}'],
    ]
    truth = stream.truth
    rows.append(
        [
            'true depth',
            f'{truth.received} images: {truth.used} used, {truth.unmatched} of no window, '
            f'{truth.superseded} superseded, {truth.unusable} unusable',
        ]
    )
    for run in runs:
        info = run.info
        data = ', '.join(info.datasets) or 'unknown'
        rows.append(
            [
                run.label,
                f'{info.architecture}, {info.stage}, {run.scale} scale, trained on {data}; '
                f'weights {info.weights_sha256[:16]}; {run.backend} on {run.device}',
            ]
        )
    return rows
