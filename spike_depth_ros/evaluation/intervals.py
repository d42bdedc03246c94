# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How sure a figure of a recording is: block bootstrap over its windows, paired for two models.

Neighbouring windows show nearly the same scene, so that windows are no independent samples. Whole
blocks of consecutive windows are drawn instead (the circular block bootstrap of Politis and
Romano, 1992), the same ones for both models of a comparison. The interval speaks of other moments
of the same recording, not of other places.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from spike_depth_ros.metrics import Mean

RESAMPLES = 2000
LEVEL = 0.95
MIN_WINDOWS = 8
"""With fewer windows there is no interval."""

FIGURES = ('abs_rel', 'sq_rel', 'rmse', 'rmse_log', 'log10', 'delta1', 'delta2', 'delta3')
"""Depth figures that follow from those of each window."""

IMAGE_FIGURES = ('ause', 'aurg', 'rank_correlation')
"""Figures that are means over windows."""

Column = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Interval:
    """A figure with its bootstrap interval.

    Attributes:
        value: Of the recording as it is.
        low: Lower end; NaN where there are too few windows.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """For a difference: whether the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


def intervals(columns: Mapping[str, Column], mean: Mean, seed: int = 0) -> dict[str, Interval]:
    """Each figure of one model.

    Args:
        columns: ``covered`` and the figures, one number a window, NaN where it has none.
        mean: What depth figures are means over.
        seed: Of the draws.
    """
    scored = _scored(columns)
    draws = _Draws(_block_length(scored['abs_rel']), len(scored['abs_rel']), seed)
    return {
        name: draws.interval(functools.partial(figure, scored))
        for name, figure in _figures(mean).items()
    }


def paired_differences(
    one: Mapping[str, Column], other: Mapping[str, Column], mean: Mean, seed: int = 0
) -> dict[str, Interval]:
    """Each figure of the other model less that of the one, over the windows that both have.

    Args:
        one: Columns of a model, see :func:`intervals`.
        other: Columns of another one, row by row of the same windows.
        mean: What depth figures are means over.
        seed: Of the draws.

    Raises:
        ValueError: They are not of the same windows.
    """
    if not np.array_equal(one['window'], other['window']):
        raise ValueError('the two models were not scored on the same windows')
    both = ~(np.isnan(one['abs_rel']) | np.isnan(other['abs_rel']))
    first, second = _scored(one, both), _scored(other, both)
    difference = second['abs_rel'] - first['abs_rel']
    draws = _Draws(_block_length(difference), len(difference), seed)
    return {
        name: draws.interval(functools.partial(_difference, figure, first, second))
        for name, figure in _figures(mean).items()
    }


_Total = Callable[[Column], Column]
"""Sums a column over each draw: ``[windows] -> [draws]``."""

_Figure = Callable[[Mapping[str, Column], _Total], Column]


def _difference(
    figure: _Figure, first: Mapping[str, Column], second: Mapping[str, Column], total: _Total
) -> Column:
    return figure(second, total) - figure(first, total)


def _figures(mean: Mean) -> dict[str, _Figure]:
    def over_windows(name: str) -> _Figure:
        def figure(columns: Mapping[str, Column], total: _Total) -> Column:
            known = ~np.isnan(columns[name])
            sums: Column = total(np.where(known, columns[name], 0)) / total(known.astype(float))
            return sums

        return figure

    def over_pixels(name: str, pixels: str = 'covered') -> _Figure:
        power = 2 if name.startswith('rmse') else 1

        def figure(columns: Mapping[str, Column], total: _Total) -> Column:
            weight = columns[pixels]
            values = np.where(weight > 0, columns[name], 0)
            sums: Column = total(weight * values**power) / total(weight)
            return sums ** (1 / power)

        return figure

    depth = over_windows if mean == 'images' else over_pixels
    return {
        **{name: depth(name) for name in FIGURES},
        'interval_coverage': over_pixels('interval_coverage', 'unsure_covered'),
        **{name: over_windows(name) for name in IMAGE_FIGURES},
    }


def _scored(
    columns: Mapping[str, Column], which: npt.NDArray[np.bool_] | None = None
) -> dict[str, Column]:
    which = ~np.isnan(columns['abs_rel']) if which is None else which
    names = ('covered', 'unsure_covered', 'interval_coverage', *FIGURES, *IMAGE_FIGURES)
    return {name: columns[name][which] for name in names}


def _block_length(values: Column) -> int:
    """Windows in a block: twice the lag at which values stop resembling each other."""
    count = len(values)
    if count < MIN_WINDOWS:
        return 1
    centred = values - values.mean()
    variance = float(centred @ centred)
    lag = 1
    while lag < count // 8 and variance > 0:
        if float(centred[lag:] @ centred[:-lag]) / variance < 2 / math.sqrt(count):
            break
        lag += 1
    return min(max(2 * lag, math.ceil(math.pow(count, 1 / 3))), count // 4)


class _Draws:
    """Blocks of windows, drawn ``RESAMPLES`` times with wrap-around."""

    def __init__(self, block: int, count: int, seed: int) -> None:
        self._count = count
        self._block = block
        number = math.ceil(count / block) if count else 0
        generator = np.random.default_rng(seed)
        self._starts = generator.integers(0, max(count, 1), (RESAMPLES, number))

    def interval(self, figure: Callable[[_Total], Column]) -> Interval:
        if not self._count:
            return Interval(math.nan, math.nan, math.nan)
        with np.errstate(divide='ignore', invalid='ignore'):
            value = float(figure(lambda column: column.sum(keepdims=True))[0])
            drawn = figure(self._sums)
        if self._count < MIN_WINDOWS or np.isnan(drawn).any():
            return Interval(value, math.nan, math.nan)
        tail = 50 * (1 - LEVEL)
        low, high = np.percentile(drawn, [tail, 100 - tail])
        return Interval(value, float(low), float(high))

    def _sums(self, column: Column) -> Column:
        around = np.concatenate([[0.0], np.cumsum(np.concatenate([column, column]))])
        sums: Column = (around[self._starts + self._block] - around[self._starts]).sum(axis=1)
        return sums
