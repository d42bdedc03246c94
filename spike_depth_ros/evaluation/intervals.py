# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bootstrap intervals of a recording's metrics: blocks of windows, paired for two models.

Neighbouring windows show nearly the same scene, so that windows are no independent samples. Blocks
of consecutive windows are drawn instead (the circular block bootstrap of Politis and Romano,
1992), the same ones for both models of a comparison. The interval holds for other times of the
same recording, not for other places.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from spike_depth_ros.evaluation.metrics import Mean

RESAMPLES = 2000
LEVEL = 0.95
MIN_WINDOWS = 8
"""Fewest windows for an interval."""

WINDOW_METRICS = ('abs_rel', 'sq_rel', 'rmse', 'rmse_log', 'log10', 'delta1', 'delta2', 'delta3')
"""Depth metrics that are computed from those of each window."""

IMAGE_METRICS = ('ause', 'aurg', 'rank_correlation')
"""Figures that are means over windows."""

Column = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Interval:
    """Metric with its bootstrap interval.

    Attributes:
        value: Metric of the recording.
        low: Lower end; NaN with too few windows.
        high: Upper end; likewise.
    """

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """For a difference: True if the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


def intervals(columns: Mapping[str, Column], mean: Mean, seed: int = 0) -> dict[str, Interval]:
    """Compute the interval of each metric of one model.

    Args:
        columns: ``covered`` and the metrics, ``[windows]`` each; NaN: the window has none.
        mean: Depth metrics are means over ``pixels`` or ``images``.
        seed: Seed of the draws.
    """
    scored = _scored(columns)
    bootstrap = _BlockBootstrap(_block_length(scored['abs_rel']), len(scored['abs_rel']), seed)
    return {
        name: bootstrap.interval(functools.partial(metric, scored))
        for name, metric in _metrics(mean).items()
    }


def paired_differences(
    one: Mapping[str, Column], other: Mapping[str, Column], mean: Mean
) -> dict[str, Interval]:
    """Compute the interval of the difference of each metric, second model less first.

    Args:
        one: Columns of the first model, see :func:`intervals`.
        other: Columns of the second model, of the same windows.
        mean: Depth metrics are means over ``pixels`` or ``images``.

    Raises:
        ValueError: The windows differ.
    """
    if not np.array_equal(one['window'], other['window']):
        raise ValueError('the two models have different windows; expected the same ones')
    both = ~(np.isnan(one['abs_rel']) | np.isnan(other['abs_rel']))
    first, second = _scored(one, both), _scored(other, both)
    difference = second['abs_rel'] - first['abs_rel']
    bootstrap = _BlockBootstrap(_block_length(difference), len(difference), seed=0)
    return {
        name: bootstrap.interval(functools.partial(_difference, metric, first, second))
        for name, metric in _metrics(mean).items()
    }


_Total = Callable[[Column], Column]
"""Function that sums a column over each draw: ``[windows] -> [draws]``."""

_Metric = Callable[[Mapping[str, Column], _Total], Column]


def _difference(
    metric: _Metric, first: Mapping[str, Column], second: Mapping[str, Column], total: _Total
) -> Column:
    return metric(second, total) - metric(first, total)


def _metrics(mean: Mean) -> dict[str, _Metric]:
    def over_windows(name: str) -> _Metric:
        def metric(columns: Mapping[str, Column], total: _Total) -> Column:
            known = ~np.isnan(columns[name])
            sums: Column = total(np.where(known, columns[name], 0)) / total(known.astype(float))
            return sums

        return metric

    def over_pixels(name: str, pixels: str = 'covered') -> _Metric:
        power = 2 if name.startswith('rmse') else 1

        def metric(columns: Mapping[str, Column], total: _Total) -> Column:
            weight = columns[pixels]
            values = np.where(weight > 0, columns[name], 0)
            sums: Column = total(weight * values**power) / total(weight)
            return sums ** (1 / power)

        return metric

    depth = over_windows if mean == 'images' else over_pixels
    return {
        **{name: depth(name) for name in WINDOW_METRICS},
        'interval_coverage': over_pixels('interval_coverage', 'unsure_covered'),
        **{name: over_windows(name) for name in IMAGE_METRICS},
    }


def _scored(
    columns: Mapping[str, Column], which: npt.NDArray[np.bool_] | None = None
) -> dict[str, Column]:
    which = ~np.isnan(columns['abs_rel']) if which is None else which
    names = ('covered', 'unsure_covered', 'interval_coverage', *WINDOW_METRICS, *IMAGE_METRICS)
    return {name: columns[name][which] for name in names}


def _block_length(values: Column) -> int:
    """Return the windows in a block: twice the lag at which autocorrelation vanishes."""
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


class _BlockBootstrap:
    """Circular block bootstrap: ``RESAMPLES`` draws of blocks of windows."""

    def __init__(self, block: int, count: int, seed: int) -> None:
        self._count = count
        self._block = block
        number = math.ceil(count / block) if count else 0
        generator = np.random.default_rng(seed)
        self._starts = generator.integers(0, max(count, 1), (RESAMPLES, number))

    def interval(self, metric: Callable[[_Total], Column]) -> Interval:
        if not self._count:
            return Interval(math.nan, math.nan, math.nan)
        with np.errstate(divide='ignore', invalid='ignore'):
            value = float(metric(lambda column: column.sum(keepdims=True))[0])
            drawn = metric(self._sums)
        if self._count < MIN_WINDOWS or np.isnan(drawn).any():
            return Interval(value, math.nan, math.nan)
        tail = 50 * (1 - LEVEL)
        low, high = np.percentile(drawn, [tail, 100 - tail])
        return Interval(value, float(low), float(high))

    def _sums(self, column: Column) -> Column:
        around = np.concatenate([[0.0], np.cumsum(np.concatenate([column, column]))])
        sums: Column = (around[self._starts + self._block] - around[self._starts]).sum(axis=1)
        return sums
