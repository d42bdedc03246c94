# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Errors of depth images against true depth, as sums and counts over all pixels seen.

Nothing is averaged per image or per batch: the sums run over pixels, so that how images are
grouped changes nothing and the results of several processes can be merged.

What counts: a pixel has truth where the true depth is finite and positive (NaN, infinity, 0 and
less mean: not measured). It is covered where the prediction is not NaN. Following REP 117, a
prediction of -Inf says 'nearer than the range' and +Inf 'beyond the range'; they are scored as the
range's limits.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]


def has_truth(truth: FloatArray) -> npt.NDArray[np.bool_]:
    """Where a depth image holds a measurement.

    Args:
        truth: True depth in metres, any shape.

    Returns:
        True where the depth is finite and positive; same shape.
    """
    return np.isfinite(truth) & (truth > 0)


def relative_error(
    prediction: FloatArray, truth: FloatArray, min_m: float, max_m: float
) -> npt.NDArray[np.float64]:
    """``|prediction - truth| / truth`` of every pixel.

    Args:
        prediction: Depth in metres; -Inf is taken as ``min_m``, +Inf as ``max_m``, NaN as missing.
        truth: True depth in metres, same shape as the prediction.
        min_m: Nearest depth that the predictor can tell, metres.
        max_m: Farthest depth that the predictor can tell, metres.

    Returns:
        Relative error, 0 or more, same shape; NaN where there is no truth or no prediction.

    Raises:
        ValueError: The shapes differ.
    """
    if prediction.shape != truth.shape:
        raise ValueError(
            f'prediction {list(prediction.shape)} and truth {list(truth.shape)} differ in shape: '
            'resize the prediction to the truth first'
        )
    predicted = np.asarray(prediction, dtype=np.float64)
    predicted = np.nan_to_num(predicted, nan=np.nan, neginf=min_m, posinf=max_m)
    true = np.where(has_truth(truth), truth, np.nan).astype(np.float64)
    error: npt.NDArray[np.float64] = np.abs(predicted - true) / true
    return error


@dataclasses.dataclass
class DepthErrors:
    """Depth errors accumulated over any number of images.

    Attributes:
        min_m: What a prediction of -Inf is scored as, metres.
        max_m: What a prediction of +Inf is scored as, metres.
        pixels: Pixels that had truth.
        covered: Pixels that had truth and a prediction.
        sum_abs_rel: Sum of ``|prediction - truth| / truth`` over the covered pixels.

    Raises:
        ValueError: The limits are not ``0 < min_m < max_m < infinity``.
    """

    min_m: float
    max_m: float
    pixels: int = 0
    covered: int = 0
    sum_abs_rel: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.min_m < self.max_m < math.inf:
            raise ValueError(
                f'depth range {self.min_m:g} to {self.max_m:g} m: expected 0 < min_m < max_m'
            )

    def add(self, prediction: FloatArray, truth: FloatArray) -> None:
        """Counts one image, or a batch of them.

        Args:
            prediction: Depth in metres, any shape; -Inf, +Inf and NaN as the module says.
            truth: True depth in metres, same shape.

        Raises:
            ValueError: The shapes differ.
        """
        error = relative_error(prediction, truth, self.min_m, self.max_m)
        covered = ~np.isnan(error)
        self.pixels += int(np.count_nonzero(has_truth(truth)))
        self.covered += int(np.count_nonzero(covered))
        self.sum_abs_rel += float(error[covered].sum())

    def merge(self, other: DepthErrors) -> None:
        """Adds what another accumulator counted, for instance another process's.

        Raises:
            ValueError: The other one scores infinite predictions by another range.
        """
        if (self.min_m, self.max_m) != (other.min_m, other.max_m):
            raise ValueError(
                f'depth ranges {self.min_m:g} to {self.max_m:g} m and {other.min_m:g} to '
                f'{other.max_m:g} m differ: only errors scored by one range can be merged'
            )
        self.pixels += other.pixels
        self.covered += other.covered
        self.sum_abs_rel += other.sum_abs_rel

    @property
    def abs_rel(self) -> float:
        """Mean relative error of the covered pixels, 0 or more; NaN where there are none."""
        return self.sum_abs_rel / self.covered if self.covered else math.nan

    @property
    def coverage(self) -> float:
        """Share of the pixels with truth that have a prediction, 0 to 1; NaN without truth."""
        return self.covered / self.pixels if self.pixels else math.nan
