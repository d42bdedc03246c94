# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The curves of a stage: small charts, one for each thing that is worth watching."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from spike_depth_ros.evaluation.report.plots import COLOURS, GREY, RED, Chart, thinned
from spike_training.reports.run_page.folder import Series, StageFolder

SIZE = (360, 230)

Levels = Callable[[Mapping[str, Any]], list[tuple[float, str]]]
"""From a stage's settings: heights of dashed lines, with their labels."""


def _nothing(settings: Mapping[str, Any]) -> list[tuple[float, str]]:
    return []


@dataclasses.dataclass(frozen=True)
class Panel:
    """One chart.

    Attributes:
        title: Over it.
        axis: Along its vertical axis.
        names: What is drawn, by the name without ``train/`` or ``validation/``, and what it is
            called in the legend; empty: not at all, as the only one.
        text: Under it: how to read it.
        limits: Ends of the vertical axis; None: whatever the values are.
        levels: Dashed lines.
    """

    title: str
    axis: str
    names: Mapping[str, str]
    text: str = ''
    limits: tuple[float, float] | None = None
    levels: Levels = _nothing


def _kept(settings: Mapping[str, Any]) -> list[tuple[float, str]]:
    if settings['kind'] != 'cross_domain':
        return []
    low, high = settings['adapt']['kept_bounds']
    return [(low, 'bounds'), (high, '')]


def _drift(settings: Mapping[str, Any]) -> list[tuple[float, str]]:
    bound = math.log(settings['adapt']['drift_bound'])
    return [(bound, 'bounds'), (-bound, '')]


def _collapse(settings: Mapping[str, Any]) -> list[tuple[float, str]]:
    return [(settings['adapt']['uncertainty_bound'], 'bound')]


def _guess(settings: Mapping[str, Any]) -> list[tuple[float, str]]:
    return [(0.5, 'a guess')]


PANELS = (
    Panel('Loss', 'loss', {'loss': ''}, 'What is minimised; its parts follow.'),
    Panel(
        'Relative error',
        'mean of |d − t| / t',
        {'error': 'this network', 'teacher_error': 'teacher of RGB'},
        'On labelled source scenes.',
    ),
    Panel('Depth on labels, L_sup', 'loss', {'sup': ''}),
    Panel('Edges of depth', 'loss', {'edges': ''}),
    Panel(
        'Uncertainty, L_unc',
        'loss',
        {'unc': 'on labels', 'unc_pseudo': 'on pseudo labels'},
    ),
    Panel(
        'Depth on pseudo labels, L_SCP', 'loss', {'scp': ''}, 'Of the target; no label is read.'
    ),
    Panel('Coarse distillation, L_CKD', 'divergence, nats', {'ckd': ''}),
    Panel('Fine distillation, L_FKD', 'loss', {'fkd': ''}),
    Panel(
        'What there is to distil',
        'nats',
        {'spread': 'between images', 'fit': 'left to learn'},
        'Near 0 between images, the coarse distillation means nothing.',
    ),
    Panel(
        'Kept by the filter',
        'share of positions',
        {'kept_coarse': 'coarse', 'kept_fine': 'fine', 'kept': 'pseudo labels'},
        limits=(0, 1),
        levels=_kept,
    ),
    Panel(
        'Alignment, L_SCA', 'as printed', {'sca': ''}, 'At a guess −1.386 for each discriminator.'
    ),
    Panel(
        'Discriminator',
        'share it gets right',
        {'discriminator_accuracy': ''},
        'Near 1 it wins: the domains are not aligned.',
        limits=(0, 1),
        levels=_guess,
    ),
    Panel(
        'Criterion without target labels',
        'lower is better',
        {'teacher_criterion': 'teacher', 'student_criterion': 'student'},
        'Error on the source plus disagreement of views of the target.',
    ),
    Panel(
        'Drift of the scale',
        'log of median depth / start',
        {'log_depth_drift': 'of the teacher', 'drift': 'removed'},
        'On the target.',
        levels=_drift,
    ),
    Panel('Median uncertainty', 'relative', {'median_uncertainty': ''}, 'On the target.'),
    Panel(
        'Uncertainty over that of the start',
        'ratio',
        {'uncertainty_ratio': ''},
        'Towards 0 it collapses.',
        levels=_collapse,
    ),
    Panel('Teacher from student', 'relative distance', {'ema_distance': ''}, 'Of the parameters.'),
    Panel('Norm of the gradient', 'before clipping', {'gradient': ''}),
    Panel('Speed', 'images a second', {'images_per_s': ''}),
    Panel(
        'Time that making the batches takes',
        'share',
        {'data_share': ''},
        limits=(0, 1),
    ),
)

WARNED = (_kept, _drift, _collapse)
"""Bounds that a stage warns of."""

RATE = 'learning_rate'


def curves(stage: StageFolder) -> list[dict[str, str]]:
    """The charts of a stage, those for which there is something to draw.

    What no panel knows gets one of its own, so that nothing recorded is left out.
    """
    names = [*dict.fromkeys(name.partition('/')[2] for name in stage.scalars)]
    rates = {name: name.removeprefix(RATE).strip('_/') for name in names if name.startswith(RATE)}
    known = {name for panel in PANELS for name in panel.names} | {*rates}
    others = [Panel(name, '', {name: ''}) for name in names if name not in known]
    speed = len(PANELS) - 3  # what is of interest to the maker of a run comes last
    panels = [
        *PANELS[:speed],
        *others,
        Panel('Learning rate', 'of a step', {n: label or 'main' for n, label in rates.items()}),
        *PANELS[speed:],
    ]
    return [chart for panel in panels if (chart := _draw(panel, stage)) is not None]


def _draw(panel: Panel, stage: StageFolder) -> dict[str, str] | None:
    lines = [*_lines(panel, stage)]
    if not lines:
        return None
    levels = panel.levels(stage.settings)
    values = np.concatenate([values for _, (_, values), _ in lines])
    limits = panel.limits or _limits(values, [level for level, _ in levels])
    chart = Chart('step', panel.axis, (0, max(stage.steps, 1)), limits, SIZE)
    for level, label in levels:
        chart.level(level, GREY, label)
    if panel.levels in WARNED:
        chart.marks([step for step, _ in stage.warnings], RED, 'warning')
    colours = dict(
        zip(dict.fromkeys(name for name, _, _ in lines), itertools.cycle(COLOURS), strict=False)
    )
    for name, (steps, found), (group, label) in lines:
        colour = colours[name]
        if group == 'validation':
            # Few, and what counts: points that no dash hides.
            chart.line(steps, found, colour, '' if len(steps) == 1 else label, dashed=True)
            chart.points(steps, found, colour, label if len(steps) == 1 else '')
        else:
            chart.line(*thinned(steps, found, 300), colour, label)
    return {'title': panel.title, 'svg': chart.svg(), 'text': panel.text}


def _lines(panel: Panel, stage: StageFolder) -> Iterator[tuple[str, Series, tuple[str, str]]]:
    """Name, series, group and label of what a panel draws of a stage."""
    drawn = {name.partition('/')[2] for name in stage.scalars} & panel.names.keys()
    several = len(drawn) > 1
    for name, label in panel.names.items():
        groups = [g for g in ('train', 'validation') if f'{g}/{name}' in stage.scalars]
        for group in groups:
            if _is_other(name, group, stage):
                continue
            series = stage.scalars[f'{group}/{name}']
            finite = np.isfinite(series[1])
            if not finite.any() or (name == 'drift' and not series[1][finite].any()):
                continue
            two = len(groups) > 1 and not _is_other(name, 'validation', stage)
            kind = {'train': 'training', 'validation': 'validation'}[group] if two else ''
            # A line that is alone needs no name.
            parts = [label if several else '', kind]
            yield name, series, (group, ', '.join(part for part in parts if part))


def _is_other(name: str, group: str, stage: StageFolder) -> bool:
    """Whether a figure of a validation is another quantity than that of training.

    The loss of a validation across domains is the criterion, which has a chart of its own.
    """
    return (name, group) == ('loss', 'validation') and (
        'validation/teacher_criterion' in stage.scalars
    )


def _limits(values: Any, levels: list[float]) -> tuple[float, float]:
    """Ends of an axis that single peaks do not flatten, from 0 where nothing is below."""
    known = values[np.isfinite(values)]
    low, high = float(known.min()), float(np.percentile(known, 98))
    high = max(high, *levels) if levels else high
    low = min(low, *levels, 0.0)
    top = max(float(known.max()), *levels) if levels else float(known.max())
    # A peak may be half as high again as the rest before it is cut off.
    high = top if top <= low + 1.5 * (high - low) else high
    margin = 0.06 * ((high - low) or abs(high) or 1.0)
    return (low - margin if low < 0 else low), high + margin
