# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metres from the known height of the camera above the floor."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np

from spike_depth_ros.estimator import HeightScale, Prediction
from spike_depth_ros.geometry.floor import CameraPose, Floor, FloorFinder
from spike_depth_ros.tasks.depth import BEYOND, TOO_NEAR

TIMEOUT_S = 5.0
"""Default time without a floor from which predictions have a note, seconds."""

WINDOWS = 31
"""Windows with a floor whose median is the factor."""

JUMP = 1.25
"""Ratio to the factor, or its inverse, from which a window's own factor is a jump."""

ELSEWHERE = 0.7
"""Uncertainty of the logarithm of the scale where nothing in view is floor.

The network's scale differs from the floor to the rest of the view. Multiplied by the share of the
searched pixels that are not on the floor, and added in squares to the spread of the floor, it
makes the interval hold 68 % of the generated scenes that it is fitted on, by
``benchmarks.scale_from_height --scenes 200 --split calibration``.
"""

MAX_TILT_RAD = 0.15
"""Median tilt of the floor against the stated pose from which predictions have a note."""

NO_FOCAL_LENGTH = (
    'no metres from the height of the camera without its focal length: publish camera_info with K'
)
NOT_IN_VIEW = (
    'by its pitch and roll the camera sees no floor: check them, a positive pitch looks down'
)
NOT_YET = 'no floor found yet: metres are those of the model'
LOST = 'no floor found for longer than scale_timeout_s: the last factor is used'
HELD = 'the height of the floor jumps, as by stairs or a table: the last factor is used'
TILTED = (
    f'the floor is tilted by more than {MAX_TILT_RAD:g} rad: check pitch and roll of the camera'
)


class ScaleFromHeight:
    """Scale of predictions from the camera's height above the floor.

    Each window in which the floor is found gives a factor: the stated height over the predicted
    one. Their running median is applied. A window whose own factor jumps is left out, until
    jumps to one factor have lasted for ``timeout_s``.

    Args:
        pose: Pose of the camera.
        timeout_s: Time without a floor from which predictions have a note, and after which a jump
            is taken for a change of the scale, seconds of the stream.
    """

    def __init__(self, pose: CameraPose, timeout_s: float = TIMEOUT_S) -> None:
        self._height_m = pose.height_m
        self._timeout_ns = round(1e9 * timeout_s)
        self._finder = FloorFinder(pose)
        self.reset()

    def reset(self) -> None:
        """Forget the windows so far, as after a change of the model."""
        self._floors: collections.deque[Floor] = collections.deque(maxlen=WINDOWS)
        self._jumps: collections.deque[Floor] = collections.deque(maxlen=WINDOWS)
        self._newest_ns = self._found_ns = self._jumping_ns = 0

    def apply(
        self, prediction: Prediction, matrix: Sequence[float] | None, time_ns: int
    ) -> Prediction:
        """Scale the prediction of the next window.

        Args:
            prediction: Prediction of the model.
            matrix: Camera matrix K of the sensor, of the rectified camera where depth is
                rectified, row by row, pixels; None: not calibrated.
            time_ns: Time of the window's reference plane, nanoseconds.

        Returns:
            The scaled prediction; as given, with a note, without a focal length or before the
            first floor.
        """
        if matrix is None or not (matrix[0] > 0 and matrix[4] > 0):
            return prediction.noted(NO_FOCAL_LENGTH)
        k = prediction.camera_matrix(matrix, 3)
        near, far = prediction.depth_range
        depth = prediction.depth
        floor = self._finder.find(depth, k, (TOO_NEAR * near, BEYOND * far))
        held = self._update(floor, time_ns)
        in_view = self._finder.sees_floor((depth.shape[0], depth.shape[1]), k)
        if not self._floors:
            return prediction.noted(NOT_YET if in_view else NOT_IN_VIEW)
        scale = self._scale(floor, time_ns)
        notes = {
            NOT_IN_VIEW: not in_view,
            LOST: time_ns - self._found_ns > self._timeout_ns,
            HELD: held,
            TILTED: scale.tilt_rad > MAX_TILT_RAD,
        }
        scaled = prediction.scaled(scale.factor, scale.uncertainty, 'height')
        scaled = dataclasses.replace(scaled, height=scale)
        return scaled.noted(*(note for note, applies in notes.items() if applies))

    def _update(self, floor: Floor | None, time_ns: int) -> bool:
        """Take the floor of the next window, if any; return True if its factor is held off."""
        if time_ns < self._newest_ns:  # the stream restarted
            self._found_ns = self._jumping_ns = time_ns
        self._newest_ns = time_ns
        if floor is None:
            return False
        if self._floors and _jumps(floor, self._floors):
            if not self._jumps or _jumps(floor, self._jumps):
                self._jumps.clear()
                self._jumping_ns = time_ns
            self._jumps.append(floor)
            if time_ns - self._jumping_ns < self._timeout_ns:
                return True
            self._floors = self._jumps.copy()
        else:
            self._floors.append(floor)
        self._jumps.clear()
        self._found_ns = time_ns
        return False

    def _scale(self, floor: Floor | None, time_ns: int) -> HeightScale:
        heights = np.log([each.height for each in self._floors])
        middle = float(np.median(heights))
        between = 1.4826 * float(np.median(np.abs(heights - middle)))
        within = float(np.median([each.spread for each in self._floors]))
        inliers = float(np.median([each.inliers for each in self._floors]))
        return HeightScale(
            factor=self._height_m / math.exp(middle),
            uncertainty=math.hypot(between, within, ELSEWHERE * (1 - inliers)),
            inliers=floor.inliers if floor is not None else 0.0,
            age_s=(time_ns - self._found_ns) / 1e9,
            tilt_rad=float(np.median([each.tilt_rad for each in self._floors])),
        )


def _jumps(floor: Floor, others: Iterable[Floor]) -> bool:
    ratio = floor.height / float(np.median([each.height for each in others]))
    return not 1 / JUMP < ratio < JUMP
