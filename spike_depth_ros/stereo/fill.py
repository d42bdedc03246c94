# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of pixels that both cameras do not measure: of the background beside, and of one camera.

Mostly the right camera does not see them, as something nearer hides them: beside an edge they are
at the depth of the background (Hirschmueller, "Stereo Processing by Semiglobal Matching and Mutual
Information", section 2.6). Farther from measured pixels, monocular depth is better.
"""

from __future__ import annotations

import collections
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

WINDOWS = 31
"""Pairs whose median is the factor."""

BESIDE_PX = 8.0
"""Distance from a measured pixel in which the weight of its depth falls by a factor e, pixels."""

MIN_SHARE = 0.01
"""Smallest share of pixels with both depths that give a pair's factor."""


class Factor(NamedTuple):
    """Factor on monocular depth.

    Attributes:
        value: The factor.
        uncertainty: Half-width of the 68 % interval of its logarithm, from pair to pair.
    """

    value: float
    uncertainty: float


class RunningFactor:
    """Running median of the ratio of measured to monocular depth, over pairs."""

    def __init__(self) -> None:
        self._logarithms: collections.deque[float] = collections.deque(maxlen=WINDOWS)

    def reset(self) -> None:
        """Forget the pairs so far, which are of another rig."""
        self._logarithms.clear()

    def update(
        self, measured: npt.NDArray[np.float32], predicted: npt.NDArray[np.float32]
    ) -> Factor | None:
        """Take the depths of the next pair, and return the factor.

        Args:
            measured: Metres, above 0, ``[height, width]``; NaN: not measured.
            predicted: Depth by one camera, above 0, of the same shape; NaN: unknown.

        Returns:
            The factor; None before the first pair with enough pixels that have both.
        """
        ratios = measured / predicted
        known = np.isfinite(ratios)
        if known.mean() >= MIN_SHARE:
            self._logarithms.append(math.log(float(np.median(ratios[known]))))
        if not self._logarithms:
            return None
        middle = float(np.median(self._logarithms))
        between = 1.4826 * float(np.median(np.abs(np.array(self._logarithms) - middle)))
        return Factor(math.exp(middle), between)


def fill(
    measured: npt.NDArray[np.float32], predicted: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Fill what is not measured.

    Args:
        measured: Metres, above 0, ``[height, width]``; NaN: not measured.
        predicted: Monocular depth in the same metres, above 0; NaN: unknown.

    Returns:
        Metres; measured pixels as they are, NaN where both are unknown.
    """
    known = ~np.isnan(measured)
    number = measured.shape[1]
    columns = np.arange(number)
    before = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, columns, number)[:, ::-1], axis=1)[:, ::-1]
    sides = np.stack([before, after])
    there = (sides >= 0) & (sides < number)
    at = sides.clip(0, number - 1)
    depths = np.where(there, np.take_along_axis(measured[None], at, axis=2), -np.inf)
    farther = np.argmax(depths, axis=0)[None]
    depth, column = (np.take_along_axis(one, farther, axis=0)[0] for one in (depths, at))
    weight = np.exp(-np.abs(column - columns) / np.float32(BESIDE_PX))
    weight[~there.any(axis=0)] = 0
    with np.errstate(invalid='ignore', divide='ignore'):
        beside = np.where(weight > 0, np.log(np.maximum(depth, 0)), 0)
        mixed = np.exp(weight * beside + (1 - weight) * np.log(predicted))
    filled: npt.NDArray[np.float32] = np.where(known, measured, mixed).astype(np.float32)
    return filled
