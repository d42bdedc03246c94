# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The few windows of a recording that are worth a look: the best and the worst."""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spike_depth_ros.messages import FloatImage

if TYPE_CHECKING:
    from spike_depth_ros.evaluation.scores import Output

KEPT = 3
"""Windows that are kept at either end."""


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


class _Ranking:
    """The ``KEPT`` least and the ``KEPT`` largest; equal ones keep the order they came in."""

    def __init__(self) -> None:
        self._best: list[tuple[float, Moment]] = []
        self._worst: list[tuple[float, Moment]] = []

    def add(self, value: float, make: Callable[[], Moment]) -> None:
        if math.isnan(value):
            return
        for kept, key in ((self._best, value), (self._worst, -value)):
            if len(kept) < KEPT or key < kept[-1][0]:
                bisect.insort_right(kept, (key, make()), key=lambda pair: pair[0])
                del kept[KEPT:]

    def both(self) -> tuple[list[Moment], list[Moment]]:
        best = [moment for _, moment in self._best]
        named = {moment.number for moment in best}
        return best, [moment for _, moment in self._worst if moment.number not in named]


class Extremes:
    """The windows of least and largest error, or of uncertainty where no window has a truth."""

    def __init__(self) -> None:
        self._by_error = _Ranking()
        self._by_uncertainty = _Ranking()
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
        return (self._by_error if self._has_truth else self._by_uncertainty).both()
