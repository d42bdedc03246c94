# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small charts of histograms and lines, drawn with Pillow alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 460, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 46, 44
_TEXT, _FAINT, _GRID, _PAPER = (30, 33, 38), (105, 110, 120), (226, 229, 234), (255, 255, 255)
_SMALL, _TITLE = 12, 14
_DASH = 7


@dataclass(frozen=True)
class Series:
    """One line.

    Attributes:
        label: Its name in the legend.
        x: Places, ascending: as many as values, whose points are joined; or one more, the edges
            of a histogram's bins.
        y: Values; NaN leaves a gap.
        colour: Red, green, blue.
        dashed: Whether the line is dashed.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: tuple[int, int, int]
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """One chart.

    Attributes:
        title: Above it.
        x_label: Below it.
        series: What it shows.
        x_log: Whether the horizontal axis is logarithmic.
        note: A second line below the title.
        x_range: Ends of the horizontal axis; those of the series unless given.
        x_names: Categories: name k stands at x = k.
        y_top: Upper end of the vertical axis; a little above the series unless given.
    """

    title: str
    x_label: str
    series: Sequence[Series]
    x_log: bool = False
    note: str = ''
    x_range: tuple[float, float] | None = None
    x_names: Sequence[str] = ()
    y_top: float | None = None


def sheet(panels: Sequence[Panel], columns: int) -> Image.Image:
    """Panels in rows; the legend of each is within it."""
    rows = math.ceil(len(panels) / columns)
    image = Image.new('RGB', (columns * WIDTH, rows * HEIGHT), _PAPER)
    for k, panel in enumerate(panels):
        image.paste(_drawn(panel), (k % columns * WIDTH, k // columns * HEIGHT))
    return image


def _drawn(panel: Panel) -> Image.Image:
    image = Image.new('RGB', (WIDTH, HEIGHT), _PAPER)
    draw = ImageDraw.Draw(image)
    small, title = ImageFont.load_default(_SMALL), ImageFont.load_default(_TITLE)
    left, right, top, bottom = _LEFT, WIDTH - _RIGHT, _TOP, HEIGHT - _BOTTOM
    ends = panel.x_range or (
        min(series.x[0] for series in panel.series),
        max(series.x[-1] for series in panel.series),
    )
    highest = panel.y_top or 1.08 * max(float(np.nanmax(series.y)) for series in panel.series)

    def across(value: float) -> float:
        low, high, value = (math.log(v) if panel.x_log else v for v in (*ends, value))
        return left + (right - left) * min(max((value - low) / (high - low), 0), 1)

    def up(value: float) -> float:
        return bottom - (bottom - top) * value / highest

    draw.text((left, 8), panel.title, _TEXT, title)
    draw.text((left, 27), panel.note, _FAINT, small)
    for tick in _ticks(0, highest if panel.y_top else highest / 1.08):
        draw.line((left, up(tick), right, up(tick)), _GRID)
        draw.text((left - 6, up(tick)), f'{tick:g}', _FAINT, small, anchor='rm')
    for tick, name in _named_ticks(panel, ends):
        draw.line((across(tick), bottom, across(tick), bottom + 4), _FAINT)
        draw.text((across(tick), bottom + 6), name, _FAINT, small, anchor='ma')
    draw.line((left, bottom, right, bottom), _FAINT)
    draw.text(((left + right) / 2, HEIGHT - 18), panel.x_label, _FAINT, small, anchor='ma')
    for k, series in enumerate(panel.series):
        joined = len(series.x) == len(series.y)
        for line in _pieces(series) if joined else _steps(series):
            points = [(across(x), up(y)) for x, y in line]
            for x, y in points if joined else ():
                draw.ellipse((x - 3, y - 3, x + 3, y + 3), series.colour)
            if series.dashed:
                _dashed(draw, points, series.colour)
            else:
                draw.line(points, series.colour, 2)
        y = top + 10 + 16 * k
        ends_of_sample = [(right - 132, y), (right - 112, y)]
        if series.dashed:
            _dashed(draw, ends_of_sample, series.colour)
        else:
            draw.line(ends_of_sample, series.colour, 2)
        draw.text((right - 106, y), series.label, _TEXT, small, anchor='lm')
    return image


def _named_ticks(panel: Panel, ends: tuple[float, float]) -> list[tuple[float, str]]:
    """Places on the horizontal axis, and what stands below them."""
    if panel.x_names:
        return [(float(k), name) for k, name in enumerate(panel.x_names)]
    ticks = _log_ticks(*ends) if panel.x_log else _ticks(*ends)
    return [(tick, f'{tick:g}') for tick in ticks]


def _pieces(series: Series) -> list[list[tuple[float, float]]]:
    """The points of a line, broken where a value is missing."""
    lines: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(series.x, series.y, strict=True):
        if math.isnan(y):
            lines.append([])
        else:
            lines[-1].append((x, y))
    return [line for line in lines if line]


def _steps(series: Series) -> list[list[tuple[float, float]]]:
    """The corners of a histogram, broken where a value is missing."""
    lines: list[list[tuple[float, float]]] = [[]]
    for low, high, value in zip(series.x[:-1], series.x[1:], series.y, strict=True):
        if math.isnan(value):
            lines.append([])
        else:
            lines[-1] += [(low, value), (high, value)]
    return [line for line in lines if line]


def _dashed(
    draw: ImageDraw.ImageDraw,
    points: Sequence[tuple[float, float]],
    colour: tuple[int, int, int],
) -> None:
    """A broken line whose dashes run on around corners."""
    run = 0.0
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        length = math.hypot(x1 - x0, y1 - y0)
        for step in np.arange(0, length, 1):
            if (run + step) // _DASH % 2 == 0:
                share = step / length
                x, y = x0 + (x1 - x0) * share, y0 + (y1 - y0) * share
                draw.ellipse((x - 0.7, y - 0.7, x + 0.7, y + 0.7), colour)
        run += length


def _ticks(low: float, high: float) -> list[float]:
    step = 10.0 ** math.floor(math.log10((high - low) / 3))
    step *= next(k for k in (5, 2, 1) if (high - low) / (step * k) > 3 - 1e-9)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 9) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [m * 10.0**d for d in decades for m in (1, 2, 5)]
    return [tick for tick in ticks if low <= tick <= high]
