# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Charts of the report, of one model or several."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from spike_depth_ros.evaluation.report.plots import COLOURS, GREY, Chart, thinned
from spike_depth_ros.evaluation.results import ModelRun, Stream

INTERVAL = 0.68
"""Nominal coverage of the uncertainty's interval."""

Figure = dict[str, str]
"""Chart of a page: ``title``, ``svg``, and ``text`` below it."""

DRAWN_SHARE = 0.005
"""Smallest share of the pixels of a drawn bin; smaller bins are only in the tables."""

By = Literal['by_distance', 'by_uncertainty']

AXES: dict[By, tuple[str, str, float]] = {
    'by_distance': ('true depth, m', ' m', 1.0),
    'by_uncertainty': ('uncertainty over depth, %', ' %', 100.0),
}
"""Label of the axis, unit, and factor to that unit, by kind of bins."""


def bin_names(by: By, rows: Sequence[Mapping[str, float]]) -> list[str]:
    """Return the names of bins, with their unit."""
    _, unit, factor = AXES[by]
    names = []
    for row in rows:
        low, high = row['from'] * factor, row['to'] * factor
        names.append(f'> {low:g}{unit}' if math.isinf(high) else f'{low:g}–{high:g}{unit}')
    return names


def error_by(by: By, runs: Sequence[ModelRun]) -> Figure:
    """Draw the relative error in each bin."""
    left_out = any(len(_drawn(by, run)) < len(_rows(by, run)) for run in runs)
    return {
        'title': 'Relative error',
        'svg': _bars(by, 'abs_rel', 'Abs Rel', runs).svg(),
        'text': f'Bins of less than {100 * DRAWN_SHARE:g} % of the pixels are in the table only.'
        if left_out
        else '',
    }


def coverage_by(by: By, runs: Sequence[ModelRun]) -> Figure:
    """Draw the share of the truth within the interval in each bin."""
    chart = _bars(by, 'interval_coverage', 'share of pixels', runs)
    chart.level(INTERVAL, label='68 %')
    return {
        'title': 'Truth within the 68 % interval',
        'svg': chart.svg(),
        'text': 'An interval that can be trusted holds 68 % in every bin.',
    }


def _bars(by: By, key: str, label: str, runs: Sequence[ModelRun]) -> Chart:
    """Draw bars of every model side by side, over the bins with pixels of any model."""
    axis, unit, _ = AXES[by]
    by_model = [_drawn(by, run) for run in runs]
    edges = sorted({(row['from'], row['to']) for rows in by_model for row in rows})
    names = bin_names(by, [{'from': low, 'to': high} for low, high in edges])
    top = max((row[key] for rows in by_model for row in rows), default=1.0)
    high = 1.0 if key == 'interval_coverage' else 1.1 * top
    chart = Chart(axis, label, (0, max(len(edges), 1)), (0, high))
    chart.name_x([name.replace(unit, '') for name in names])
    width = 0.8 / len(runs)
    for number, (run, rows) in enumerate(zip(runs, by_model, strict=True)):
        places = [edges.index((row['from'], row['to'])) + 0.1 + number * width for row in rows]
        ends = [place + width for place in places]
        name = run.label if len(runs) > 1 else ''
        chart.bars(places, ends, [row[key] for row in rows], COLOURS[number % 4], name)
    return chart


def _drawn(by: By, run: ModelRun) -> list[dict[str, float]]:
    return [row for row in _rows(by, run) if row['share'] >= DRAWN_SHARE]


def _rows(by: By, run: ModelRun) -> list[dict[str, float]]:
    rows: list[dict[str, float]] = getattr(run.scores.breakdown, by).rows()
    return rows


def sparsification(runs: Sequence[ModelRun]) -> Figure:
    """Draw the error of the remaining pixels while the most uncertain ones are removed."""
    curves = [run.scores.breakdown.sparsification() for run in runs]
    top = max(max(curve['by_uncertainty']) for curve in curves)
    chart = Chart('share of pixels removed', 'mean Abs Rel of the rest', (0, 1), (0, 1.1 * top))
    for number, (run, curve) in enumerate(zip(runs, curves, strict=True)):
        colour, name = COLOURS[number % 4], f'{run.label}: ' if len(runs) > 1 else ''
        chart.line(
            curve['removed'], curve['by_uncertainty'], colour, f'{name}most uncertain first'
        )
        chart.line(
            curve['removed'], curve['oracle'], colour, f'{name}largest error first', dashed=True
        )
    if len(runs) == 1:
        chart.level(curves[0]['by_uncertainty'][0], label='at random')
    return {
        'title': 'Sparsification',
        'svg': chart.svg(),
        'text': 'The area between a solid and its dashed line is the AUSE.',
    }


def reliability(runs: Sequence[ModelRun]) -> Figure:
    """Draw the share of the truth within multiples of the interval."""
    chart = Chart('multiple of the half-width', 'share of the truth within', (0, 4), (0, 1))
    multiples = np.linspace(0, 4, 81)
    # For 68 % at 1, the scale of a normal error is 1, that of a Laplace one 1 / ln(1 / 0.32).
    normal = [math.erf(m * 0.99446 / math.sqrt(2)) for m in multiples]
    laplace = 1 - (1 - INTERVAL) ** multiples
    chart.line(multiples, normal, GREY, 'normal errors')
    chart.line(multiples, laplace, GREY, 'Laplace errors', dashed=True)
    for number, run in enumerate(runs):
        curve = run.scores.breakdown.interval_curve()
        label = run.label if len(runs) > 1 else 'measured'
        chart.line([0, *curve['multiple']], [0, *curve['coverage']], COLOURS[number % 4], label)
    chart.points([1], [INTERVAL], '#111827', '68 % at 1')
    return {
        'title': 'Reliability of the interval',
        'svg': chart.svg(),
        'text': 'Above the dot the interval is wider than it needs to be, below it too narrow.',
    }


def timeline(stream: Stream, runs: Sequence[ModelRun]) -> list[Figure]:
    """Draw error, uncertainty and flicker of each window, with the gaps of the stream."""
    end = max(float(run.scores.columns['time_s'][-1]) for run in runs)
    size = (1060, 240)
    charts = []
    for title, name, label in (
        ('Error of each window', 'abs_rel', 'Abs Rel'),
        ('Uncertainty of each window', 'median_relative_uncertainty', 'uncertainty / depth'),
        ('Change since the window before', 'flicker', 'median |Δ ln depth|'),
    ):
        values = [run.scores.columns[name] for run in runs]
        known = [value[~np.isnan(value)] for value in values]
        if not any(len(value) for value in known):
            continue
        top = max(float(value.max()) for value in known if len(value))
        chart = Chart('seconds', label, (0, end), (0, 1.1 * top), size)
        chart.marks([time_s for time_s, _ in stream.gaps], label='gap in the stream')
        for number, run in enumerate(runs):
            time_s = run.scores.columns['time_s']
            x, y = time_s, values[number]
            if name == 'abs_rel':  # the truth is sparse: its points are joined
                x, y = x[~np.isnan(y)], y[~np.isnan(y)]
            x, y = thinned(x, y)
            colour, legend = COLOURS[number % 4], run.label if len(runs) > 1 else ''
            chart.line(x, y, colour, legend)
            if len(x) <= 200:
                chart.points(x, y, colour)
        charts.append({'title': title, 'svg': chart.svg(), 'text': ''})
    return charts
