# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small charts as inline SVG: lines, points and bars."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from typing import Literal

import numpy as np
import numpy.typing as npt

COLOURS = ('#1d5fd1', '#d1660b', '#0a8a5f', '#8a3ffc')
"""Colours of the series, in their order."""

GREY = '#6b7280'
RED = '#dc2626'

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 42
_BESIDE_TICKS = 24
_LEGEND_LINE, _CHARACTER = 18, 6.6
_TEXT = 'font-size="12" fill="#374151"'

_Sign = Literal['line', 'dashed', 'dot']
_Entry = tuple[str, str, _Sign]
"""Entry of a legend: text, colour, and sign before it."""


class Chart:
    """Axes to draw on; later shapes cover earlier ones.

    Args:
        x_label: Label of the horizontal axis.
        y_label: Label of the vertical axis.
        x_range: Ends of the horizontal axis.
        y_range: Ends of the vertical axis; values outside are clipped.
        size: Width and height of the drawing, pixels.
    """

    def __init__(
        self,
        x_label: str,
        y_label: str,
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        size: tuple[int, int] = (440, 280),
    ) -> None:
        self._labels = (x_label, y_label)
        self._x_range, self._y_range = _proper(x_range), _proper(y_range)
        self._width, self._height = size
        # Long numbers need more room beside the label of the axis.
        longest = max((len(text) for _, text in _ticks(*self._y_range, 5)), default=0)
        self._left = max(_LEFT, math.ceil(_BESIDE_TICKS + _CHARACTER * longest))
        self._shapes: list[str] = []
        self._legend: list[_Entry] = []
        self._x_ticks: list[tuple[float, str]] | None = None

    def name_x(self, names: Sequence[str]) -> None:
        """Label categories instead of numbers: name k is centred at x = k + 0.5."""
        self._x_ticks = [(k + 0.5, name) for k, name in enumerate(names)]

    def line(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        colour: str,
        label: str = '',
        dashed: bool = False,
    ) -> None:
        """Draw a line through points; NaN breaks it."""
        xs, ys = np.asarray(x, float), np.asarray(y, float)
        dash = ' stroke-dasharray="5 4"' if dashed else ''
        for piece in _pieces(xs, ys):
            points = ' '.join(f'{self._x(a):.1f},{self._y(b):.1f}' for a, b in piece)
            self._shapes.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}" '
                f'stroke-width="1.8" stroke-linejoin="round"{dash}/>'
            )
        self._note(label, colour, 'dashed' if dashed else 'line')

    def points(self, x: npt.ArrayLike, y: npt.ArrayLike, colour: str, label: str = '') -> None:
        """Draw a dot at each point."""
        for a, b in zip(np.asarray(x, float), np.asarray(y, float), strict=True):
            if math.isfinite(a) and math.isfinite(b):
                self._shapes.append(
                    f'<circle cx="{self._x(a):.1f}" cy="{self._y(b):.1f}" r="2.6" '
                    f'fill="{colour}" fill-opacity="0.75"/>'
                )
        self._note(label, colour, 'dot')

    def bars(
        self, left: Sequence[float], right: Sequence[float], y: Sequence[float], colour: str,
        label: str = '',
    ) -> None:  # fmt: skip
        """Draw bars from the lower end of the vertical axis."""
        floor = self._y(self._y_range[0])
        for start, end, value in zip(left, right, y, strict=True):
            if math.isfinite(value):
                x, top = self._x(start), self._y(value)
                self._shapes.append(
                    f'<rect x="{x:.1f}" y="{top:.1f}" width="{self._x(end) - x:.1f}" '
                    f'height="{max(floor - top, 0):.1f}" fill="{colour}" fill-opacity="0.85"/>'
                )
        self._note(label, colour, 'line')

    def level(self, y: float, colour: str = GREY, label: str = '') -> None:
        """Draw a dashed horizontal line across the chart."""
        self.line(self._x_range, (y, y), colour, label, dashed=True)

    def marks(self, x: Sequence[float], colour: str = RED, label: str = '') -> None:
        """Draw vertical lines across the chart."""
        top, bottom = self._y(self._y_range[1]), self._y(self._y_range[0])
        for value in x:
            place = self._x(value)
            self._shapes.append(
                f'<line x1="{place:.1f}" x2="{place:.1f}" y1="{top:.1f}" y2="{bottom:.1f}" '
                f'stroke="{colour}" stroke-width="1.4" stroke-opacity="0.7"/>'
            )
        if len(x):
            self._note(label, colour, 'line')

    def svg(self) -> str:
        """Return the chart as SVG, with its legend below it."""
        legend = list(self._legend_lines())
        height = self._height + _LEGEND_LINE * len(legend)
        parts = [
            f'<svg viewBox="0 0 {self._width} {height}" role="img" '
            f'aria-label="{escape(self._labels[1])} over {escape(self._labels[0])}" '
            'font-family="inherit">',
            *self._grid(),
            *self._shapes,
            *self._axes(),
        ]
        for number, line in enumerate(legend):
            y = self._height + _LEGEND_LINE * number + 8
            parts += [self._entry(x, y, *entry) for x, entry in line]
        return ''.join([*parts, '</svg>'])

    def _x(self, value: float) -> float:
        low, high = self._x_range
        share = min(max((value - low) / (high - low), 0), 1)
        return self._left + share * (self._width - self._left - _RIGHT)

    def _y(self, value: float) -> float:
        low, high = self._y_range
        share = min(max((value - low) / (high - low), 0), 1)
        return self._height - _BOTTOM - share * (self._height - _TOP - _BOTTOM)

    def _note(self, label: str, colour: str, sign: _Sign) -> None:
        if label:
            self._legend.append((label, colour, sign))

    def _grid(self) -> Iterator[str]:
        left, right = self._left, self._width - _RIGHT
        for value, label in _ticks(*self._y_range, 5):
            y = self._y(value)
            yield (
                f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e7eb"/>'
                f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" {_TEXT}>{label}</text>'
            )

    def _axes(self) -> Iterator[str]:
        bottom, left, right = self._height - _BOTTOM, self._left, self._width - _RIGHT
        yield f'<line x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}" stroke="#9ca3af"/>'
        ticks = self._x_ticks or _ticks(*self._x_range, max(3, self._width // 90))
        for value, label in ticks:
            yield (
                f'<text x="{self._x(value):.1f}" y="{bottom + 16}" text-anchor="middle" '
                f'{_TEXT}>{escape(label)}</text>'
            )
        x_label, y_label = (escape(label) for label in self._labels)
        middle = (left + right) / 2
        yield (
            f'<text x="{middle:.1f}" y="{bottom + 34}" text-anchor="middle" {_TEXT}>'
            f'{x_label}</text>'
        )
        place = (_TOP + bottom) / 2
        yield (
            f'<text transform="translate(13 {place:.1f}) rotate(-90)" text-anchor="middle" '
            f'{_TEXT}>{y_label}</text>'
        )

    def _legend_lines(self) -> Iterator[list[tuple[float, _Entry]]]:
        line: list[tuple[float, _Entry]] = []
        x = float(self._left)
        for entry in self._legend:
            width = 34 + _CHARACTER * len(entry[0])
            if line and x + width > self._width:
                yield line
                line, x = [], float(self._left)
            line.append((x, entry))
            x += width
        if line:
            yield line

    def _entry(self, x: float, y: float, label: str, colour: str, sign: _Sign) -> str:
        dash = ' stroke-dasharray="5 4"' if sign == 'dashed' else ''
        shape = (
            f'<circle cx="{x + 9:.1f}" cy="{y}" r="4" fill="{colour}"/>'
            if sign == 'dot'
            else f'<line x1="{x:.1f}" x2="{x + 18:.1f}" y1="{y}" y2="{y}" stroke="{colour}" '
            f'stroke-width="3"{dash}/>'
        )
        return f'{shape}<text x="{x + 23:.1f}" y="{y + 4}" {_TEXT}>{escape(label)}</text>'


def thinned(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], points: int = 600
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Reduce a long line to the least and largest value of each of its parts.

    Args:
        x: Ascending, ``[N]``.
        y: ``[N]``; NaN where there is no value.
        points: Largest number of points to keep.

    Returns:
        At most ``points`` of the given points, in their order.
    """
    if len(x) <= points:
        return x, y
    kept: set[int] = set()
    for part in np.array_split(np.arange(len(x)), points // 2):
        known = part[~np.isnan(y[part])]
        chosen = known if len(known) else part
        kept |= {int(chosen[y[chosen].argmin()]), int(chosen[y[chosen].argmax()])}
    places = sorted(kept)
    return x[places], y[places]


def _pieces(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> Iterator[list[tuple[float, float]]]:
    pairs = zip(x.tolist(), y.tolist(), strict=True)
    for whole, piece in groupby(pairs, key=lambda pair: math.isfinite(pair[0] + pair[1])):
        if whole:
            yield list(piece)


def _proper(limits: tuple[float, float]) -> tuple[float, float]:
    """Return finite limits, the second above the first."""
    low, high = (float(limit) if math.isfinite(limit) else 0.0 for limit in limits)
    return (low, high) if high > low else (low, low + 1.0)


def _ticks(low: float, high: float, count: int) -> list[tuple[float, str]]:
    """Return about ``count`` round numbers between two ends, with their texts."""
    rough = (high - low) / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [(number * step, f'{number * step:.4g}') for number in range(first, last + 1)]
