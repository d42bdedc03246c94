# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Charts of a stage: training and validation curves, one chart for each group of scalars."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from spike_depth_ros.pages.blocks import Figure
from spike_depth_ros.pages.plots import COLOURS, GREY, RED, chart, style, svg
from spike_training.reports.run_page.folder import Series, StageFolder
from spike_training.settings.method import ScalarChart

SIZE = (360, 230)

FIRST_CHARTS = (ScalarChart('Loss', 'loss', {'loss': ''}, 'What is minimised; its parts follow.'),)
"""Charts before those of the method."""

LAST_CHARTS = (
    ScalarChart('Norm of the gradient', 'before clipping', {'gradient': ''}),
    ScalarChart('Speed', 'images a second', {'images_per_s': ''}),
    ScalarChart('Time that making the batches takes', 'share', {'data_share': ''}, limits=(0, 1)),
)
"""Charts after those of the method: diagnostics of the training itself."""

RATE = 'learning_rate'


def curves(stage: StageFolder) -> list[Figure]:
    """Draw the charts of a stage, except those without data.

    Scalars that are in no chart of its method get a chart of their own, so that all are shown.
    """
    names = [*dict.fromkeys(name.partition('/')[2] for name in stage.scalars)]
    rates = {name: name.removeprefix(RATE).strip('_/') for name in names if name.startswith(RATE)}
    charts = [*FIRST_CHARTS, *stage.method.charts]
    known = {name for chart in (*charts, *LAST_CHARTS) for name in chart.names} | {*rates}
    others = [ScalarChart(name, '', {name: ''}) for name in names if name not in known]
    charts += [
        *others,
        ScalarChart(
            'Learning rate', 'of a step', {n: label or 'main' for n, label in rates.items()}
        ),
        *LAST_CHARTS,
    ]
    return [drawn for chart in charts if (drawn := _draw(chart, stage)) is not None]


@style()
def _draw(panel: ScalarChart, stage: StageFolder) -> Figure | None:
    lines = [*_lines(panel, stage)]
    if not lines:
        return None
    levels = panel.levels(stage.config)
    values = np.concatenate([values for _, (_, values), _ in lines])
    limits = panel.limits or _limits(values, [level for level, _ in levels])
    axes = chart('step', panel.axis, SIZE)
    axes.set(xlim=(0, max(stage.steps, 1)), ylim=limits)
    for level, label in levels:
        axes.axhline(level, color=GREY, linestyle='--', label=label)
    if panel.marks_warnings and stage.warnings:
        marked = [step for step, _ in stage.warnings]
        axes.vlines(marked, *limits, color=RED, alpha=0.7, label='warning')
    colours = dict(
        zip(dict.fromkeys(name for name, _, _ in lines), itertools.cycle(COLOURS), strict=False)
    )
    for name, (steps, found), (group, label) in lines:
        # Validations are few but important: points, over a paler line of training.
        form = 'o--' if group == 'validation' else '-' if len(steps) > 1 else 'o'
        alpha = 1 if group == 'validation' else 0.6
        axes.plot(steps, found, form, color=colours[name], alpha=alpha, label=label)
    return Figure(panel.title, svg(axes), text=panel.text)


def _lines(
    panel: ScalarChart, stage: StageFolder
) -> Iterator[tuple[str, Series, tuple[str, str]]]:
    """Yield name, series, and group with label, of each line of a panel."""
    drawn = {name.partition('/')[2] for name in stage.scalars} & panel.names.keys()
    several = len(drawn) > 1
    for name, label in panel.names.items():
        groups = [g for g in ('train', 'validation') if f'{g}/{name}' in stage.scalars]
        for group in groups:
            if (name, group) == ('loss', 'validation') and not stage.config.validates_loss:
                continue
            series = stage.scalars[f'{group}/{name}']
            finite = np.isfinite(series[1])
            if not finite.any() or (not panel.draws_zeros and not series[1][finite].any()):
                continue
            two = len(groups) > 1 and (name != 'loss' or stage.config.validates_loss)
            kind = {'train': 'training', 'validation': 'validation'}[group] if two else ''
            # A single line needs no label.
            parts = [label if several else '', kind]
            yield name, series, (group, ', '.join(part for part in parts if part))


def _limits(values: Any, levels: list[float]) -> tuple[float, float]:
    """Return robust ends of an axis, which cut off single peaks; from 0 if no value is below."""
    known = values[np.isfinite(values)]
    low, high = float(known.min()), float(np.percentile(known, 98))
    high = max(high, *levels) if levels else high
    low = min(low, *levels, 0.0)
    top = max(float(known.max()), *levels) if levels else float(known.max())
    # A peak of up to 1.5 times the range of the rest is not cut off.
    high = top if top <= low + 1.5 * (high - low) else high
    margin = 0.06 * ((high - low) or abs(high) or 1.0)
    return (low - margin if low < 0 else low), high + margin
