# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two calibrated cameras side by side: rows that correspond, and depth of disparities."""

from __future__ import annotations

import dataclasses
import functools
import math
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from spike_depth_ros.geometry.calibration import (
    MAX_BASELINE_M,
    MIN_BASELINE_M,
    Calibration,
    CalibrationError,
    read_calibration,
)
from spike_depth_ros.geometry.rectification import OFF_CENTRE, Rectification, check_matrix

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]
_Depth = TypeVar('_Depth', float, Floats)

RANGE_STEP = 16
"""Search ranges are multiples of this many pixels, as the matcher asks for."""

LEAST_RANGE = 64
"""Narrowest search where the picture is wide enough, pixels: in narrower ones noise matches."""

LAST_DISPARITY = 2047
"""Largest disparity that the matcher's 16 bits hold, pixels."""

_OF_MATRIX = (0, 1, 2, 4, 5, 6, 8, 9, 10)
"""Places of the camera matrix in P."""

ANYWHERE = math.inf
"""Eyes may be cut out of wider pictures: their principal points lie anywhere."""

SAME_FOCAL = 1e-3
"""Largest relative difference of focal lengths that are equal."""

SAME_ROWS_PX = 0.1
"""Largest difference of the rows of equal principal points, pixels."""


@dataclasses.dataclass(frozen=True)
class StereoRig:
    """Calibrations of a left and a right camera, made together.

    The projections P say how rectified pictures are: the same rows, the right camera
    ``-P[3] / P[0]`` metres to the right of the left one.

    Attributes:
        left: The left camera, whose rectified frame depth belongs to.
        right: The right camera.

    Raises:
        CalibrationError: They are no pair of calibrated cameras.
    """

    left: Calibration
    right: Calibration

    def __post_init__(self) -> None:
        left, right = self.left, self.right
        if (left.width, left.height) != (right.width, right.height):
            raise CalibrationError(
                f'left camera of {left.width}x{left.height} pixels, right one of '
                f'{right.width}x{right.height}; expected one size'
            )
        for name, one in (('left', left), ('right', right)):
            if not all(map(math.isfinite, (*one.k, *one.r, *one.p, *one.d))):
                raise CalibrationError(f'{name} camera: expected finite numbers: calibrate again')
            if not (one.k[0] > 0 and one.p[0] > 0):
                raise CalibrationError(
                    f'{name} camera is not calibrated, its K or P is zeros: calibrate both '
                    'together, as camera_calibration does with two cameras'
                )
            projection = tuple(one.p[n] for n in _OF_MATRIX)
            for matrix, of_camera in (('K', one.k), ('P', projection)):
                values = np.array(of_camera).reshape(3, 3)
                check_matrix(f'{matrix} of the {name} camera', values, one, ANYWHERE)
        self._check_projections()
        _ = self.rectifications  # each checks its camera

    @classmethod
    def from_baseline(cls, baseline_m: float, fx_px: float, width: int, height: int) -> StereoRig:
        """Make the rig of two parallel cameras without distortion.

        Args:
            baseline_m: Distance from the left to the right camera, metres.
            fx_px: Focal length, pixels.
            width: Columns of both sensors, pixels.
            height: Rows.
        """
        left = Calibration.centred(fx_px, width, height)
        p = (*left.p[:3], -fx_px * baseline_m, *left.p[4:])
        return cls(left, dataclasses.replace(left, p=p))

    @classmethod
    def from_files(cls, left: Path, right: Path, width: int, height: int) -> StereoRig:
        """Read the calibrations of both cameras, as ``camera_calibration`` writes them.

        Args:
            left: File of the left camera.
            right: File of the right camera.
            width: Columns of both streams, pixels.
            height: Rows.

        Raises:
            CalibrationError: A file cannot be used, or they are no pair.
        """
        return cls(*(read_calibration(path, width, height) for path in (left, right)))

    @property
    def baseline_m(self) -> float:
        """Distance from the left to the right camera, metres."""
        return -self.right.p[3] / self.right.p[0]

    @property
    def fx_px(self) -> float:
        """Focal length of rectified pictures, pixels."""
        return self.left.p[0]

    @property
    def offset_px(self) -> float:
        """Disparity of what is infinitely far: left less right column of the principal points."""
        return self.left.p[2] - self.right.p[2]

    @functools.cached_property
    def rectifications(self) -> tuple[Rectification | None, Rectification | None]:
        """Rectifications of the left and the right camera; None: its pictures are rectified."""
        return _rectification('left', self.left), _rectification('right', self.right)

    @functools.cached_property
    def aligned(self) -> tuple[Rectification | None, Rectification | None]:
        """Rectifications after which what is infinitely far has a disparity of 0.

        Those of :attr:`rectifications`, the right one to the principal point of the left one.
        """
        left, right = self.rectifications
        if self.offset_px == 0:
            return left, right
        p = (*self.right.p[:2], self.left.p[2], *self.right.p[3:])
        return left, _rectification('right', dataclasses.replace(self.right, p=p), ANYWHERE)

    @functools.cached_property
    def seen_by_left(self) -> npt.NDArray[np.bool_]:
        """True for the rectified pixels that the left sensor has, ``[height, width]``."""
        size = self.left.height, self.left.width
        one = self.rectifications[0]
        return np.ones(size, np.bool_) if one is None else one.known(*size)

    def rectify(self, left: Picture, right: Picture) -> tuple[Picture, Picture]:
        """Rectify a pair of grey pictures, ``[height, width]``; black where there is none."""
        of_left, of_right = self.rectifications
        return (
            left if of_left is None else of_left.remap_picture(left),
            right if of_right is None else of_right.remap_picture(right),
        )

    def depth_of(self, disparity: _Depth) -> _Depth:
        """Return depth along the rectified axis, metres; +Inf or below 0: no such place.

        Args:
            disparity: Left less right column, pixels.
        """
        with np.errstate(divide='ignore'):
            return self.fx_px * self.baseline_m / (disparity - self.offset_px)

    def disparity_of(self, depth: _Depth) -> _Depth:
        """Return left less right column of places, pixels.

        Args:
            depth: Metres along the rectified axis, above 0.
        """
        return self.fx_px * self.baseline_m / depth + self.offset_px

    def search_range(self, min_depth_m: float) -> tuple[int, int]:
        """Return the lowest disparity and the number of disparities of a search, pixels.

        It may reach nearer than asked for.

        Args:
            min_depth_m: Depth of the nearest place that is searched, metres.

        Raises:
            ValueError: Not above 0, or the search is wider than the picture.
        """
        if not min_depth_m > 0:
            raise ValueError(f'nearest depth {min_depth_m:g} m: expected above 0')
        if not abs(self.offset_px) < LAST_DISPARITY:
            raise ValueError(
                f'what is infinitely far is at a disparity of {self.offset_px:g} pixels, expected '
                f'less than {LAST_DISPARITY} either way: calibrate both cameras together'
            )
        lowest = math.floor(self.offset_px)
        nearest = self.disparity_of(min_depth_m)
        most = RANGE_STEP * ((self.left.width - 1) // RANGE_STEP)
        if not most:
            raise ValueError(
                f'pictures of {self.left.width} columns: expected more than {RANGE_STEP}, the '
                'narrowest search'
            )
        number = RANGE_STEP * math.ceil(max(nearest - lowest, 1) / RANGE_STEP)
        if number > most or lowest + number > LAST_DISPARITY:
            widest = min(most, LAST_DISPARITY - lowest)
            least = self.depth_of(float(lowest + widest))
            raise ValueError(
                f'{min_depth_m:g} m is at a disparity of {nearest:.0f} pixels, expected at most '
                f'{lowest + widest}: expected a nearest depth of {1.01 * least:.2g} m or more'
            )
        return lowest, max(number, min(LEAST_RANGE, most))

    def _check_eyes(self) -> None:
        """Refuse the calibration of one eye at both, as of a driver or remapping that is wrong."""
        of_left, of_right = self.left.p[3], self.right.p[3]
        if of_left and of_right and math.isclose(of_left, of_right, rel_tol=SAME_FOCAL):
            raise CalibrationError(
                f'both eyes have the right calibration: P[3] is {of_left:g} of the left and '
                f'{of_right:g} of the right camera; expected 0 and a number below 0: give the '
                'left camera its own'
            )
        if of_left == of_right == self.right.p[7] == 0 and self.left == self.right:
            raise CalibrationError(
                'both eyes have the left calibration: P[3] of the right camera is 0, a baseline '
                'of 0 m; expected a number below 0: give the right camera its own, of both '
                'calibrated together'
            )

    def _check_projections(self) -> None:
        """Refuse projections whose rows do not correspond, or without a baseline."""
        left, right = self.left.p, self.right.p
        self._check_eyes()
        if right[3] > 0 or left[3] != 0:
            raise CalibrationError(
                f'P[3] is {left[3]:g} of the left and {right[3]:g} of the right camera; expected '
                '0 and a number below 0: exchange the cameras'
            )
        if not right[3] < 0:
            above = right[7] != 0
            raise CalibrationError(
                'P[3] of the right camera is 0, a baseline of 0 m: '
                + (
                    'expected cameras side by side, not one above the other'
                    if above
                    else 'calibrate both together, as camera_calibration does with two cameras'
                )
            )
        if not MIN_BASELINE_M <= self.baseline_m <= MAX_BASELINE_M:
            raise CalibrationError(
                f'a baseline of {self.baseline_m:g} m; expected {MIN_BASELINE_M:g} to '
                f'{MAX_BASELINE_M:g} metres from the left to the right camera'
            )
        focal = max(abs(right[n] / left[n] - 1) for n in (0, 5)) if left[5] > 0 else math.inf
        if focal > SAME_FOCAL or abs(right[6] - left[6]) > SAME_ROWS_PX:
            raise CalibrationError(
                f'P has fx, fy, cy of {left[0]:g}, {left[5]:g}, {left[6]:g} in the left and '
                f'{right[0]:g}, {right[5]:g}, {right[6]:g} in the right camera; expected equal '
                'ones: calibrate both together'
            )


def _rectification(
    name: str, camera: Calibration, off_centre: float = OFF_CENTRE
) -> Rectification | None:
    """Return the rectification of a camera; None: it shows what P says."""
    k, p = camera.matrix, np.array(camera.p).reshape(3, 4)
    r = np.array(camera.r).reshape(3, 3)
    turned = r.any() and not np.array_equal(r, np.eye(3))
    if not (any(camera.d) or turned or not np.array_equal(k, p[:, :3])):
        return None
    if not any(camera.d):
        camera = dataclasses.replace(camera, distortion_model='plumb_bob', d=(0.0,) * 5)
    try:
        return Rectification(camera, off_centre)
    except CalibrationError as error:
        raise CalibrationError(f'{name} camera: {error}') from None
