# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Example windows of a recording: best, worst, and largest differences between models."""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from spike_depth_ros.geometry.depth_values import FloatImage

if TYPE_CHECKING:
    from spike_depth_ros.evaluation.scores import Output

KEPT = 3
"""Number of windows that are kept at either end."""

T = TypeVar('T')


@dataclasses.dataclass(frozen=True)
class Example:
    """Images and metrics of one window.

    Attributes:
        number: Number of the window, from 0.
        time_s: Time since the first window, seconds.
        abs_rel: Mean relative error; NaN without truth.
        relative_uncertainty: Median of uncertainty over depth.
        depth: Predicted depth, metres, ``[H, W]``.
        uncertainty: Half-width of the 68 % interval, metres, same shape.
        depth_range: Depths that -Inf and +Inf stand for, metres.
        truth: True depth, metres, same shape; None: unknown.
        preview: Grey picture of the spikes, ``[H, W]`` uint8; None: not made.
    """

    number: int
    time_s: float
    abs_rel: float
    relative_uncertainty: float
    depth: FloatImage
    uncertainty: FloatImage
    depth_range: tuple[float, float]
    truth: FloatImage | None
    preview: npt.NDArray[np.uint8] | None

    @classmethod
    def of(cls, output: Output, row: Mapping[str, float]) -> Example:
        """Make an example of a scored window."""
        return cls(
            number=output.number,
            time_s=row['time_s'],
            abs_rel=row['abs_rel'],
            relative_uncertainty=row['median_relative_uncertainty'],
            depth=output.depth,
            uncertainty=output.uncertainty,
            depth_range=output.depth_range,
            truth=output.truth,
            preview=output.preview(),
        )


class _Ranking(Generic[T]):
    """The ``KEPT`` least and the ``KEPT`` largest values; equal ones in order of arrival."""

    def __init__(self) -> None:
        self._least: list[tuple[float, T]] = []
        self._largest: list[tuple[float, T]] = []

    def add(self, value: float, make: Callable[[], T]) -> None:
        if math.isnan(value):
            return
        for kept, key in ((self._least, value), (self._largest, -value)):
            if len(kept) < KEPT or key < kept[-1][0]:
                bisect.insort_right(kept, (key, make()), key=lambda pair: pair[0])
                del kept[KEPT:]

    def least(self, below: float = math.inf) -> list[T]:
        """Return the items of least value, if it is below a limit."""
        return [item for value, item in self._least if value < below]

    def largest(self, above: float = -math.inf) -> list[T]:
        """Return the items of largest value, if it is above a limit."""
        return [item for value, item in self._largest if -value > above]


class Extremes:
    """Windows of least and largest error, or uncertainty if no window has a truth."""

    def __init__(self) -> None:
        self._by_error = _Ranking[Example]()
        self._by_uncertainty = _Ranking[Example]()
        self._has_truth = False

    def add(self, output: Output, row: Mapping[str, float]) -> None:
        """Keep a window if it is among the best or worst so far; others get no picture."""

        def make() -> Example:
            return Example.of(output, row)

        self._has_truth |= not math.isnan(row['abs_rel'])
        self._by_error.add(row['abs_rel'], make)
        if not self._has_truth:
            self._by_uncertainty.add(row['median_relative_uncertainty'], make)

    @property
    def by_error(self) -> bool:
        """True if windows are ranked by their error, False if by uncertainty."""
        return self._has_truth

    def best_and_worst(self) -> tuple[list[Example], list[Example]]:
        """Return best and worst windows, the most extreme first; no window is in both."""
        ranking = self._by_error if self._has_truth else self._by_uncertainty
        best = ranking.least()
        named = {example.number for example in best}
        return best, [example for example in ranking.largest() if example.number not in named]


class LargestDifferences:
    """Windows with the largest differences between the errors of two models."""

    def __init__(self) -> None:
        self._by_difference = _Ranking[tuple[Example, Example]]()

    def add(
        self, one: tuple[Output, Mapping[str, float]], other: tuple[Output, Mapping[str, float]]
    ) -> None:
        """Add a window.

        Args:
            one: Output and row of the first model.
            other: Output and row of the second model.
        """
        difference = other[1]['abs_rel'] - one[1]['abs_rel']
        self._by_difference.add(difference, lambda: (Example.of(*one), Example.of(*other)))

    def first_better(self) -> list[tuple[Example, Example]]:
        """Return windows in which the first model's error is less, largest difference first."""
        return self._by_difference.largest(above=0)

    def second_better(self) -> list[tuple[Example, Example]]:
        """Return windows in which the second model's error is less, largest difference first."""
        return self._by_difference.least(below=0)
