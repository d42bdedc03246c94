# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The few windows of a recording that are worth a look: best, worst, and where models differ."""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from spike_depth_ros.stream.decode import FloatImage

if TYPE_CHECKING:
    from spike_depth_ros.evaluation.scores import Output

KEPT = 3
"""Windows that are kept at either end."""

T = TypeVar('T')


@dataclasses.dataclass(frozen=True)
class Moment:
    """A window with its images.

    Attributes:
        number: Of the window.
        time_s: Since the first window.
        abs_rel: Its relative error; NaN without truth.
        relative_uncertainty: Median of uncertainty over depth.
        depth: Metres, ``[H, W]``.
        uncertainty: Metres, same shape.
        truth: Metres, same shape; None where it is not known.
        preview: Grey picture of the spikes, ``[H, W]``; None where there is none.
    """

    number: int
    time_s: float
    abs_rel: float
    relative_uncertainty: float
    depth: FloatImage
    uncertainty: FloatImage
    truth: FloatImage | None
    preview: npt.NDArray[np.uint8] | None

    @classmethod
    def of(cls, output: Output, row: Mapping[str, float]) -> Moment:
        """A window that was scored."""
        return cls(
            number=output.number,
            time_s=row['time_s'],
            abs_rel=row['abs_rel'],
            relative_uncertainty=row['median_relative_uncertainty'],
            depth=output.depth,
            uncertainty=output.uncertainty,
            truth=output.truth,
            preview=output.preview(),
        )


class _Ranking(Generic[T]):
    """The ``KEPT`` least and the ``KEPT`` largest; equal ones keep the order they came in."""

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
        """Those of least value, if that is less than a limit."""
        return [item for value, item in self._least if value < below]

    def largest(self, above: float = -math.inf) -> list[T]:
        """Those of largest value, if that is more than a limit."""
        return [item for value, item in self._largest if -value > above]


class Extremes:
    """The windows of least and largest error, or of uncertainty where no window has a truth."""

    def __init__(self) -> None:
        self._by_error = _Ranking[Moment]()
        self._by_uncertainty = _Ranking[Moment]()
        self._has_truth = False

    def add(self, output: Output, row: Mapping[str, float]) -> None:
        """Keep a window if it is among the best or worst so far; only then its picture is made."""

        def make() -> Moment:
            return Moment.of(output, row)

        self._has_truth |= not math.isnan(row['abs_rel'])
        self._by_error.add(row['abs_rel'], make)
        if not self._has_truth:
            self._by_uncertainty.add(row['median_relative_uncertainty'], make)

    @property
    def by_error(self) -> bool:
        """Whether windows are ranked by their error."""
        return self._has_truth

    def best_and_worst(self) -> tuple[list[Moment], list[Moment]]:
        """Both ends, the most extreme first; a window is in one of them only."""
        ranking = self._by_error if self._has_truth else self._by_uncertainty
        best = ranking.least()
        named = {moment.number for moment in best}
        return best, [moment for moment in ranking.largest() if moment.number not in named]


class Contrasts:
    """The windows in which the errors of two models differ most, each with both models' images."""

    def __init__(self) -> None:
        self._by_difference = _Ranking[tuple[Moment, Moment]]()

    def add(
        self, one: tuple[Output, Mapping[str, float]], other: tuple[Output, Mapping[str, float]]
    ) -> None:
        """Look at a window.

        Args:
            one: What the first model said of it, and its row.
            other: What the second one said of it, and its row.
        """
        difference = other[1]['abs_rel'] - one[1]['abs_rel']
        self._by_difference.add(difference, lambda: (Moment.of(*one), Moment.of(*other)))

    def first_ahead(self) -> list[tuple[Moment, Moment]]:
        """Windows in which the first model's error is less, the clearest first."""
        return self._by_difference.largest(above=0)

    def second_ahead(self) -> list[tuple[Moment, Moment]]:
        """Windows in which the second model's error is less, the clearest first."""
        return self._by_difference.least(below=0)
