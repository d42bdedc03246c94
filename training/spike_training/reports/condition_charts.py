# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The curves of a network's errors over conditions, as one picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from spike_training.reports.line_chart import Panel, Series, sheet

SPIKE, LONG, FRAME = (29, 95, 209), (10, 138, 95), (209, 102, 11)
"""Colours of the cameras."""

LABELS = {
    'spike': ('spike', SPIKE),
    'spike_same_exposure': ('spike long', LONG),
    'frame': ('frame', FRAME),
}
"""Label and colour of each camera by its key in the report."""

FIGURES = {'abs_rel': ('AbsRel', None), 'delta1': ('delta1', 1.0)}
"""Title of each figure that is drawn, and the upper end of its axis."""

HEADROOM = 1.35
"""Of a vertical axis over its largest value, for the legend."""


def condition_charts(report: Mapping[str, Any]) -> npt.NDArray[np.uint8]:
    """Draw AbsRel and delta1 of each curve beside each other.

    Args:
        report: Content of ``curves.json``.

    Returns:
        RGB ``[H, W, 3]``.
    """
    panels = [_panel(curve, figure) for curve in report['curves'].values() for figure in FIGURES]
    return np.asarray(sheet(panels, len(FIGURES)))


def _panel(curve: Mapping[str, Any], figure: str) -> Panel:
    points = curve['points']
    series = [
        Series(label, range(len(points)), [_value(one[camera][figure]) for one in points], colour)
        for camera, (label, colour) in LABELS.items()
        if camera in points[0]
    ]
    name, top = FIGURES[figure]
    largest = max((y for one in series for y in one.y if not math.isnan(y)), default=1.0)
    return Panel(
        title=f'{name}, median-scaled',
        note='lower is better' if figure == 'abs_rel' else 'higher is better',
        x_label=curve['title'],
        series=series,
        x_range=(-0.4, len(points) - 0.6),
        x_names=[f'{one["value"]:g}' for one in points],
        y_top=top or HEADROOM * max(largest, 1e-6),
    )


def _value(figure: float | None) -> float:
    return math.nan if figure is None else figure
