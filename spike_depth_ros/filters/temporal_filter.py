# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Temporal filter of depth: less flicker where a scene stands still."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from spike_depth_ros.estimator import Prediction
from spike_depth_ros.geometry.depth_values import FloatImage
from spike_depth_ros.stream.window import Window


class TemporalFilter:
    """Exponential mean of log-depth over windows, pixel by pixel.

    The more the depth of a pixel changes, the less of the mean stays: nothing where it changes by
    its uncertainty or more, so that moving edges do not drag behind. Nothing stays after a gap in
    the stream, when time does not increase, and when the size changes.

    Args:
        time_constant_s: Time of the stream in which the weight of a window falls to 1 / e,
            seconds; 0: predictions stay as they are.

    Attributes:
        time_constant_s: The same; may be changed between windows.
    """

    def __init__(self, time_constant_s: float) -> None:
        self.time_constant_s = time_constant_s
        self.reset()

    def reset(self) -> None:
        """Forget the windows so far, as after a change of the model."""
        self._log: FloatImage | None = None
        self._newest_ns = self._segment = 0

    def apply(self, prediction: Prediction, window: Window) -> Prediction:
        """Filter the prediction of the next window; its relative uncertainty stays.

        Args:
            prediction: Prediction of the model.
            window: Its planes.
        """
        time_constant_s = self.time_constant_s  # another thread may change it
        if time_constant_s <= 0:
            self._log = None
            return prediction
        log = np.log(prediction.depth)
        before, elapsed_ns = self._log, window.reference_ns - self._newest_ns
        continues = window.segment == self._segment and elapsed_ns > 0
        self._log, self._newest_ns, self._segment = log, window.reference_ns, window.segment
        if before is None or before.shape != log.shape or not continues:
            return prediction
        change = log - before
        with np.errstate(divide='ignore', invalid='ignore'):
            ratio = change * prediction.depth / prediction.uncertainty
        kept = np.maximum(1 - ratio * ratio, 0)
        old = np.float32(-math.exp(-1e-9 * elapsed_ns / time_constant_s))
        # Pixels that the sensor does not see, now or before, are NaN.
        correction = np.nan_to_num(kept * change, copy=False, nan=0.0) * old
        log += correction
        factor = np.exp(correction, out=correction)
        return dataclasses.replace(
            prediction,
            depth=prediction.depth * factor,
            uncertainty=prediction.uncertainty * factor,
        )
