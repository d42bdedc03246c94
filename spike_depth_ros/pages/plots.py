# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Charts of all pages and pictures: one style of matplotlib, and SVG to put into a page."""

from __future__ import annotations

import functools
import io
import re
from html import escape
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = ('#1d5fd1', '#d1660b', '#0a8a5f', '#8a3ffc')
"""Of series, in their order."""

GREY = '#6b7280'
RED = '#dc2626'

_TEXT = '#374151'
_INCH = 72  # points
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 22, 12, 46
_CHARACTER, _LEGEND_LINE = 7, 17

_STYLE: Any = {
    'axes.axisbelow': True,
    'axes.edgecolor': '#9ca3af',
    'axes.grid': True,
    'axes.grid.axis': 'y',
    'axes.labelcolor': _TEXT,
    'axes.spines.left': False,
    'axes.spines.right': False,
    'axes.spines.top': False,
    'font.family': 'sans-serif',
    'font.sans-serif': ['DejaVu Sans'],
    'font.size': 11,
    'grid.color': '#e5e7eb',
    'legend.frameon': False,
    'lines.linewidth': 1.8,
    'lines.markersize': 5,
    # Points, about the width of a line: long lines do not make long pages.
    'path.simplify_threshold': 1.0,
    'text.color': _TEXT,
    'xtick.color': _TEXT,
    'xtick.major.pad': 7,
    'xtick.major.size': 0,
    'xtick.minor.size': 0,
    'ytick.color': _TEXT,
    'ytick.major.size': 0,
    # Text stays text; and the same chart has the same bytes.
    'svg.fonttype': 'none',
    'svg.hashsalt': 'spike_depth_ros',
}

style = functools.partial(matplotlib.rc_context, _STYLE)
"""Context, or decorator, in which charts are made and saved."""


def chart(x_label: str, y_label: str, size: tuple[float, float] = (440, 280)) -> Axes:
    """Make a chart to draw on.

    Args:
        x_label: Under the horizontal axis.
        y_label: Beside the vertical axis, along it.
        size: Width and height without legend, points.
    """
    axes = Figure((size[0] / _INCH, size[1] / _INCH)).subplots()
    axes.set(xlabel=x_label, ylabel=y_label)
    return axes


def svg(axes: Axes) -> str:
    """Return a chart as SVG for a page, under a legend of all that has a label."""
    figure: Any = axes.figure
    width, height = (_INCH * inches for inches in figure.get_size_inches())
    handles, labels = axes.get_legend_handles_labels()
    columns = int(width / (40 + _CHARACTER * max(map(len, labels), default=0))) or 1
    # Over the axes the legend hides nothing; the figure grows by its lines.
    legend = _LEGEND_LINE * -(-len(labels) // columns)
    height += legend
    figure.set_figheight(height / _INCH)
    # By hand: the layouts of matplotlib draw everything a second time.
    left, bottom = _LEFT / width, _BOTTOM / height
    figure.subplots_adjust(left, bottom, 1 - _RIGHT / width, 1 - (_TOP + legend) / height)
    if labels:
        place: Any = {'loc': 'lower left', 'bbox_to_anchor': (0, 1), 'borderaxespad': 0}
        axes.legend(handles, labels, ncol=columns, **place)
    file = io.StringIO()
    left_out = dict.fromkeys(('Creator', 'Date', 'Format', 'Type'))
    figure.savefig(file, format='svg', metadata=left_out)
    text = file.getvalue()
    # Without what a page must not have: a prolog, and the same names of groups in each chart.
    text = re.sub('<g id="[^"]*"', '<g', text[text.index('<svg') :])
    title = escape(f'{axes.get_ylabel()} over {axes.get_xlabel()}')
    return text.replace('<svg', f'<svg role="img" aria-label="{title}"', 1)


def plain(label: str) -> str:
    """Return a label, of a file for instance, that matplotlib shows as it is."""
    # It leaves out of legends what begins with _, and typesets what stands between dollars.
    return (f' {label}' if label.startswith('_') else label).replace('$', r'\$')
