# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Charts of the report, of one model or several."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes

from spike_depth_ros.evaluation.results import INTERVAL, ModelRun, Stream
from spike_depth_ros.pages.blocks import Figure
from spike_depth_ros.pages.plots import COLOURS, GREY, RED, chart, plain, style, svg

DRAWN_SHARE = 0.005
"""Smallest share of the pixels of a drawn bin; smaller bins are only in the tables."""

By = Literal['by_distance', 'by_uncertainty']

AXES: dict[By, tuple[str, str, float]] = {
    'by_distance': ('true depth, m', ' m', 1.0),
    'by_uncertainty': ('uncertainty over depth, %', ' %', 100.0),
}
"""Label of the axis, unit, and factor to that unit, by kind of bins."""


def bin_name(by: By, row: Mapping[str, float]) -> str:
    """Return the name of a bin, with its unit."""
    _, unit, factor = AXES[by]
    low, high = row['from'] * factor, row['to'] * factor
    return f'> {low:g}{unit}' if math.isinf(high) else f'{low:g}–{high:g}{unit}'


@style()
def error_by(by: By, runs: Sequence[ModelRun]) -> Figure:
    """Draw the relative error in each bin."""
    left_out = any(len(_drawn(by, run)) < len(_rows(by, run)) for run in runs)
    return Figure(
        'Relative error',
        svg(_bars(by, 'abs_rel', 'Abs Rel', runs)),
        text=f'Bins of less than {100 * DRAWN_SHARE:g} % of the pixels are in the table only.'
        if left_out
        else '',
    )


@style()
def coverage_by(by: By, runs: Sequence[ModelRun]) -> Figure:
    """Draw the share of the truth within the interval in each bin."""
    axes = _bars(by, 'interval_coverage', 'share of pixels', runs)
    axes.set_ylim(0, 1)
    axes.axhline(INTERVAL, color=GREY, linestyle='--', label='68 %')
    return Figure(
        'Truth within the 68 % interval',
        svg(axes),
        text='An interval that can be trusted holds 68 % in every bin.',
    )


def _bars(by: By, key: str, label: str, runs: Sequence[ModelRun]) -> Axes:
    """Draw bars of every model side by side, over the bins with pixels of any model."""
    axis, unit, _ = AXES[by]
    by_model = [_drawn(by, run) for run in runs]
    edges = sorted({(row['from'], row['to']) for rows in by_model for row in rows})
    names = [bin_name(by, {'from': low, 'to': high}) for low, high in edges]
    axes = chart(axis, label)
    axes.set_xticks(range(len(edges)), [name.replace(unit, '') for name in names])
    width = 0.8 / len(runs)
    for number, (run, rows) in enumerate(zip(runs, by_model, strict=True)):
        places = [edges.index((row['from'], row['to'])) + number * width - 0.4 for row in rows]
        heights = [row[key] for row in rows]
        colour, name = COLOURS[number % 4], _name(run, runs)
        axes.bar(places, heights, width, align='edge', color=colour, label=name)
    return axes


def _name(run: ModelRun, runs: Sequence[ModelRun]) -> str:
    """Return the name for the legend; empty for a single model."""
    return plain(run.label) if len(runs) > 1 else ''


def _drawn(by: By, run: ModelRun) -> list[dict[str, float]]:
    return [row for row in _rows(by, run) if row['share'] >= DRAWN_SHARE]


def _rows(by: By, run: ModelRun) -> list[dict[str, float]]:
    rows: list[dict[str, float]] = getattr(run.scores.breakdown, by).rows()
    return rows


@style()
def sparsification(runs: Sequence[ModelRun]) -> Figure:
    """Draw the error of the remaining pixels while the most uncertain ones are removed."""
    axes = chart('share of pixels removed', 'mean Abs Rel of the rest')
    for number, run in enumerate(runs):
        curve = run.scores.uncertainty.sparsification()
        colour, removed = COLOURS[number % 4], curve['removed']
        name = f'{_name(run, runs)}: '.removeprefix(': ')
        axes.plot(
            removed, curve['by_uncertainty'], color=colour, label=f'{name}most uncertain first'
        )
        axes.plot(removed, curve['oracle'], '--', color=colour, label=f'{name}largest error first')
        if len(runs) == 1:
            axes.axhline(curve['by_uncertainty'][0], color=GREY, linestyle='--', label='at random')
    axes.update_datalim([(0, 0)])
    axes.set(xlim=(0, 1), ylim=(0, None))
    return Figure(
        'Sparsification',
        svg(axes),
        text='The area between a solid and its dashed line is the AUSE.',
    )


@style()
def reliability(runs: Sequence[ModelRun]) -> Figure:
    """Draw the share of the truth within multiples of the interval."""
    axes = chart('multiple of the half-width', 'share of the truth within')
    multiples = np.linspace(0, 4, 81)
    # For 68 % at 1, the scale of a normal error is 1, that of a Laplace one 1 / ln(1 / 0.32).
    normal = [math.erf(m * 0.99446 / math.sqrt(2)) for m in multiples]
    laplace = 1 - (1 - INTERVAL) ** multiples
    axes.plot(multiples, normal, color=GREY, label='normal errors')
    axes.plot(multiples, laplace, '--', color=GREY, label='Laplace errors')
    for number, run in enumerate(runs):
        curve = run.scores.breakdown.interval_curve()
        label = _name(run, runs) or 'measured'
        x, y = [0, *curve['multiple']], [0, *curve['coverage']]
        axes.plot(x, y, color=COLOURS[number % 4], label=label)
    axes.plot(1, INTERVAL, 'o', color='#111827', label='68 % at 1')
    axes.set(xlim=(0, 4), ylim=(0, 1))
    return Figure(
        'Reliability of the interval',
        svg(axes),
        text='Above the dot the interval is wider than it needs to be, below it too narrow.',
    )


@style()
def timeline(stream: Stream, runs: Sequence[ModelRun]) -> list[Figure]:
    """Draw error, uncertainty and flicker of each window, with the gaps of the stream."""
    figures = []
    for title, key, label in (
        ('Error of each window', 'abs_rel', 'Abs Rel'),
        ('Uncertainty of each window', 'median_relative_uncertainty', 'uncertainty / depth'),
        ('Change since the window before', 'flicker', 'median |Δ ln depth|'),
    ):
        if all(np.isnan(run.scores.columns[key]).all() for run in runs):
            continue
        axes = chart('seconds', label, (1060, 240))
        for number, run in enumerate(runs):
            x, y = run.scores.columns['time_s'], run.scores.columns[key]
            if key == 'abs_rel':  # the truth is sparse: its points are joined
                x, y = x[~np.isnan(y)], y[~np.isnan(y)]
            marker, colour = 'o' if len(x) <= 200 else '', COLOURS[number % 4]
            axes.plot(x, y, marker=marker, color=colour, label=_name(run, runs))
        axes.update_datalim([(0, 0)])
        axes.set(xlim=(0, None), ylim=(0, None))
        if stream.gaps:
            times = [time_s for time_s, _ in stream.gaps]
            top = axes.get_ylim()[1]
            axes.vlines(times, 0, top, color=RED, zorder=1, label='gap in the stream')
        figures.append(Figure(title, svg(axes)))
    return figures
