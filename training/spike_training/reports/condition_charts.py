# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Charts of a network's errors over conditions, in one figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spike_depth_ros.pages.plots import COLOURS

LABELS = {'spike': 'spike', 'spike_same_exposure': 'spike long', 'frame': 'frame'}
"""Label of each camera by its key in the report."""

FIGURES = {
    'abs_rel': ('AbsRel, median-scaled; lower is better', None),
    'delta1': ('delta1, median-scaled; higher is better', 1.0),
}
"""Title of each plotted metric, and the upper limit of its axis."""


def condition_charts(report: Mapping[str, Any]) -> Figure:
    """Draw AbsRel and delta1 of each curve beside each other; call and save it within ``style()``.

    Args:
        report: Content of ``curves.json``.
    """
    curves = list(report['curves'].values())
    figure = Figure((9.2, 3 * len(curves)), layout='constrained')
    rows = figure.subplots(len(curves), len(FIGURES), squeeze=False)
    for row, curve in zip(rows, curves, strict=True):
        for axes, name in zip(row, FIGURES, strict=True):
            _draw(axes, curve, name)
    return figure


def _draw(axes: Axes, curve: Mapping[str, Any], name: str) -> None:
    points = curve['points']
    for (camera, label), colour in zip(LABELS.items(), COLOURS, strict=False):
        if camera in points[0]:
            # None, where there is no value, becomes NaN.
            values = np.array([point[camera][name] for point in points], np.float64)
            axes.plot(values, 'o-', color=colour, label=label)
    axes.update_datalim([(0, 0)])
    title, top = FIGURES[name]
    axes.set_title(title, loc='left', fontsize='medium')
    axes.set_xlabel(curve['title'])
    axes.set_xticks(range(len(points)), [f'{point["value"]:g}' for point in points])
    axes.set_ylim(0, top)
    axes.legend()
