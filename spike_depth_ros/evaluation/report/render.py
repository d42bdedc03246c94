# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Report of an evaluation: one self-contained HTML page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from spike_depth_ros.evaluation.controls import NETWORK, control_name
from spike_depth_ros.evaluation.intervals import LEVEL, MIN_WINDOWS, Interval, intervals
from spike_depth_ros.evaluation.metrics import Mean
from spike_depth_ros.evaluation.report import charts
from spike_depth_ros.evaluation.report.headings import (
    FIGURES,
    STRUCTURE,
    UNCERTAINTY,
    uncertainty_cells,
)
from spike_depth_ros.evaluation.report.pictures import best_and_worst, differing
from spike_depth_ros.evaluation.results import (
    ModelRun,
    Stream,
    columns,
    control_lines,
    differences,
)
from spike_depth_ros.pages import pictures
from spike_depth_ros.pages.blocks import (
    Block,
    Figures,
    Page,
    Section,
    Table,
    Text,
    number,
    numbers,
    percent,
)
from spike_depth_ros.pages.html import render_page

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
    return render_page(page_of(stream, runs))


def page_of(stream: Stream, runs: Sequence[ModelRun]) -> Page:
    """Return the page as blocks; the arguments are those of :func:`render`."""
    seconds = stream.windows * stream.hop / stream.plane_rate_hz if stream.plane_rate_hz else 0
    names = ' and '.join(run.label for run in runs)
    lockstep = 'every window of the bag, in lockstep'
    live = 'what came out of the running node, drops included'
    truth = _has_truth(runs)
    return Page(
        title=f'{names} on {stream.source}',
        subtitle=f'{stream.windows} windows, {lockstep if stream.mode == "lockstep" else live}'
        + (f'; {seconds:.2f} s of the stream.' if seconds else '.'),
        sections=[
            *(_depth(runs) if truth else ()),
            _examples(runs),
            *_controls(runs),
            *_which_is_better(runs),
            *(_by_distance(runs) if truth else ()),
            *(_uncertainty(runs) if truth else ()),
            _over_time(stream, runs),
            _planes(stream),
            _latency(stream, runs),
            _evaluated(stream, runs),
        ],
        tiles=_tiles(stream, runs),
        warnings=warnings(stream, runs),
        lead=[Text(line, 'bold') for line in control_lines(runs)],
    )


def _depth(runs: Sequence[ModelRun]) -> Iterator[Section]:
    scores = runs[0].scores
    other: Mean = 'images' if scores.mean == 'pixels' else 'pixels'
    means = (
        'means over all pixels of all windows'
        if scores.mean == 'pixels'
        else 'means over windows of each window’s own metric, as published tables do'
    )
    about = (
        f'Protocol: {scores.protocol.describe()}; {means}. In small print the mean over {other}, '
        f'and under it the {LEVEL:.0%} interval over blocks of windows of this recording. '
        'Boundary F1 and ordinal accuracy are of whole images, from the counts of all windows.'
    )
    rows = [
        [
            run.label,
            *_depth_cells(run, other),
            *numbers(run.scores.structure.metrics(), STRUCTURE),
            percent(run.scores.errors.coverage),
        ]
        for run in runs
    ]
    header = ['model', *FIGURES.values(), *STRUCTURE.values(), 'coverage']
    yield Section('Depth', [Text(about, 'quiet'), Table(header, rows)])


def _examples(runs: Sequence[ModelRun]) -> Section:
    by_error = runs[0].scores.extremes.by_error
    differ = by_error and len(runs) > 1
    title = 'Windows in which the models differ most' if differ else 'Best and worst windows'
    by = 'relative error' if by_error else 'median uncertainty, as there is no true depth'
    shown = differing(runs) if differ else best_and_worst(runs)
    return Section(title, [Text(f'By {by}. {pictures.LEGEND}', 'quiet'), *shown])


def _controls(runs: Sequence[ModelRun]) -> Iterator[Section]:
    compared_by = {run.label: run.scores.controls.compare() for run in runs}
    found = {label: one for label, one in compared_by.items() if one is not None}
    if not found:
        return
    on = next(iter(found.values()))
    about = (
        f'Model and controls on the same {on.windows} windows (of those with truth, one in '
        f'{on.window_step}; of their rows and columns, one in {on.pixel_step}), so that the '
        'model’s metrics differ a little from those above; boundary F1 more, as it depends on the '
        'resolution. The baselines use the median of this recording’s own true depth. Mean '
        'prediction: the average of the model’s depth maps. Shuffled input: the depth of the '
        'window half the recording away.'
    )
    tables = [
        Table(
            ['', *CONTROL_METRICS.values()],
            [
                [label if name == NETWORK else control_name(name), *numbers(row, CONTROL_METRICS)]
                for name, row in one.metrics().items()
            ],
            label,
        )
        for label, one in found.items()
    ]
    yield Section('Controls', [Text(about, 'quiet'), *tables])


def _which_is_better(runs: Sequence[ModelRun]) -> Iterator[Section]:
    first, *others = runs
    if not others or not first.scores.errors.images:
        return
    about = (
        'Both models have the same windows. The difference is the second less the first; its '
        f'{LEVEL:.0%} interval is a paired block bootstrap over windows of this recording: blocks '
        'of neighbouring windows, which resemble each other, are drawn together. Where the '
        'interval contains 0, the difference is not significant on this recording.'
    )
    tables = []
    for run in others:
        one, two = first.scores.headline(), run.scores.headline()
        found = differences(first, run)
        rows = [
            [
                title,
                number(one[key]),
                number(two[key]),
                *compared(key, found[key], first, run),
            ]
            for key, title in COMPARED.items()
        ]
        header = ['metric', first.label, run.label, 'difference', 'interval', 'better']
        tables.append(Table(header, rows, f'{run.label} against {first.label}', names=True))
    yield Section('Which model is better', [Text(about, 'quiet'), *tables])


def _by_distance(runs: Sequence[ModelRun]) -> Iterator[Section]:
    about = 'Over all pixels with truth, as they are: no crop, cap or alignment.'
    drawn = [charts.error_by('by_distance', runs), charts.coverage_by('by_distance', runs)]
    tables = _bins('by_distance', runs)
    yield Section('By distance', [Text(about, 'quiet'), Figures(drawn), *tables])


def _bins(by: charts.By, runs: Sequence[ModelRun]) -> list[Table]:
    """Return a table of the metrics in bins for each model."""
    header = [
        'bin', 'pixels', 'Abs Rel', 'RMSE', 'δ < 1.25', 'uncertainty', '68 % interval holds',
    ]  # fmt: skip
    return [
        Table(
            header,
            [
                [
                    charts.bin_name(by, row),
                    percent(row['share']),
                    number(row['abs_rel']),
                    f'{number(row["rmse"], ".2f")} m',
                    number(row['delta1']),
                    percent(row['relative_uncertainty']),
                    percent(row['interval_coverage']),
                ]
                for row in getattr(run.scores.breakdown, by).rows()
            ],
            run.label,
        )
        for run in runs
    ]


def _uncertainty(runs: Sequence[ModelRun]) -> Iterator[Section]:
    about = (
        'Relative to depth, over whole images as they are: no crop, cap or alignment. AUSE is 0 '
        'where the uncertainty orders pixels as their error does, AURG is 0 where it is useless.'
    )
    rows = [[run.label, *uncertainty_cells(run.scores.uncertainty.metrics())] for run in runs]
    drawn = [
        charts.sparsification(runs),
        charts.reliability(runs),
        charts.coverage_by('by_uncertainty', runs),
        charts.error_by('by_uncertainty', runs),
    ]
    table = Table(['model', *UNCERTAINTY.values()], rows)
    tables = _bins('by_uncertainty', runs)
    yield Section('Uncertainty', [Text(about, 'quiet'), table, Figures(drawn), *tables])


def _over_time(stream: Stream, runs: Sequence[ModelRun]) -> Section:
    about = (
        'Flicker is the median relative change of a pixel’s depth from one window to the next; a '
        'moving scene changes too. The change error is what depth changed by and the truth did '
        'not, from one window with a truth to the next: mean over pixels.'
    )
    found = {run.label: run.scores.headline() for run in runs}
    rows = [
        [label, percent(one['flicker']), percent(one['change_error'])]
        for label, one in found.items()
    ]
    lines = Figures(charts.timeline(stream, runs), 'wide')
    table = Table(['model', 'flicker', 'change error'], rows)
    return Section('Over time', [Text(about, 'quiet'), lines, table])


def _planes(stream: Stream) -> Section:
    accounting = stream.accounting
    holds = accounting.check() == (0, 0)
    about = (
        'expected = received + missing; received = in a window + passed over + overwritten + '
        f'refused + left. {"Both hold." if holds else "THEY DO NOT HOLD: this is a defect."}'
    )
    rows = []
    for name, title in PLANE_COUNTERS.items():
        if name == 'pending':
            rows += [
                [f'refused: {reason}', str(count)]
                for reason, count in sorted(accounting.refused.items())
            ]
        rows.append([title, str(getattr(accounting, name))])
    blocks: list[Block] = [Text(about, 'quiet'), Table(['planes', 'number'], rows)]
    if stream.gaps:
        gaps = [[f'{time_s:.3f} s', str(planes)] for time_s, planes in stream.gaps]
        blocks.append(Table(['at', 'planes missing'], gaps, 'Gaps'))
    return Section('Every plane accounted for', blocks)


def _latency(stream: Stream, runs: Sequence[ModelRun]) -> Section:
    lockstep = (
        'Time that the model took for a window, on this machine. In lockstep nothing waits and '
        'nothing is dropped; what a running node would reach is measured live.'
    )
    live = (
        'As the depth node measured it: time to predict a window and to publish its depth, and '
        'age, from the last plane of a window to its published depth.'
    )
    rows = [
        [f'{run.label}: {stage}', f'{times[0]:.1f} ms', f'{times[1]:.1f} ms']
        for run in runs
        for stage, times in run.times_ms.items()
    ]
    table = Table(['', 'median', '99th percentile'], rows)
    about = lockstep if stream.mode == 'lockstep' else live
    return Section('Latency', [Text(about, 'quiet'), table])


def _evaluated(stream: Stream, runs: Sequence[ModelRun]) -> Section:
    truth, scores = stream.truth, runs[0].scores
    rate = f'{stream.plane_rate_hz:.6g} planes/s' if stream.plane_rate_hz else '–'
    hop = f', hop {stream.hop}' if stream.hop else ''
    topics = ', '.join(f'{role}: {name}' for role, name in stream.topics.items() if name)
    rows = [
        ['recording', stream.source],
        ['topics', topics],
        ['plane rate', rate],
        ['window', f'{stream.window} planes{hop}'],
        ['protocol', f'{scores.protocol.describe()}; mean over {scores.mean}'],
        [
            'true depth',
            f'{truth.received} images: {truth.used} used, {truth.unmatched} of no window, '
            f'{truth.superseded} superseded, {truth.unusable} unusable',
        ],
    ]
    for run in runs:
        info, trained = run.info, ', '.join(run.info.datasets) or 'unknown'
        rows.append([
            run.label,
            f'{info.architecture}, {info.stage}, {run.scale} scale, trained on {trained}; weights '
            f'{info.weights_sha256[:16]}; {run.backend} on {run.device}',
        ])  # fmt: skip
    return Section('What was evaluated', [Table(['', ''], rows, names=True)])


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
