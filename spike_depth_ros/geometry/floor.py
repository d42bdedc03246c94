# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Floor in a depth image: the lowest plane that agrees with the stated pose of the camera."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

SEARCHED = 700
"""Number of pixels that are searched, about."""

HYPOTHESES = 128
"""Planes through three random pixels each."""

MIN_ANGLE_RAD = math.radians(4)
"""Least angle of a searched ray below the horizon: farther floor is too uncertain."""

TOLERANCE_RAD = math.radians(10)
"""Greatest tilt of a hypothesis against the stated pose."""

BAND = 0.08
"""Greatest relative distance in depth of an inlier from its plane."""

SPREAD_BANDS = 3
"""Distance from the plane up to which pixels count for the spread, over ``BAND``."""

LOWEST = 0.7
"""Share of the most inliers with which a lower plane is preferred: tables lie above the floor."""

TILT_WEIGHT = 0.5
"""Relative distance in depth of all inliers that costs the fit as much as a tilt of 1 rad."""

LEVEL_WEIGHT = 2.0
"""The same of the fit that gives the height: predicted floors bend upwards with distance, and a
plane that follows them is too low beneath the camera."""

MIN_INLIERS = 0.3
"""Smallest share of inliers less that of pixels below, weighted, with which a plane is a floor."""

BELOW_BANDS = 2
"""Relative distance in depth from which a pixel is below a plane, over ``BAND``."""

MAX_BELOW = 0.1
"""Largest share of pixels below a plane, weighted, with which it is a floor: nothing is under a
floor, but under the top of a table are its legs, the floor and the walls behind."""

MAX_FREE_TILT_RAD = 0.4
"""Largest tilt of the plane that is fitted without the stated tilt."""

MIN_SHARE = 0.05
"""Smallest share of the image below the horizon in which a floor can be in view."""

MIN_PIXELS = 50
"""Smallest number of searched pixels with depth."""

_Doubles = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class CameraPose:
    """Height and tilt of a camera above a level floor.

    The angles turn a level frame to the camera's body frame, both x forward, y left, z up
    (REP 103), about fixed axes: roll about x, then pitch about y. Heading does not matter.

    Attributes:
        height_m: Height of the optical centre above the floor, metres, above 0.
        pitch_rad: Rotation about y (left), -pi/2 to pi/2; positive: the camera looks down.
        roll_rad: Rotation about x (forward), -pi to pi; positive: its left side is raised.

    Raises:
        ValueError: A value is out of its range or not finite.
    """

    height_m: float
    pitch_rad: float = 0.0
    roll_rad: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.height_m < math.inf:
            raise ValueError(
                f'camera height {self.height_m:g} m: expected above 0: measure from the floor to '
                'the lens'
            )
        for name, value, most in (('pitch', self.pitch_rad, 0.5), ('roll', self.roll_rad, 1.0)):
            # Ends of ranges are often rounded.
            if not abs(value) <= most * math.pi + 1e-3:
                ends = '-pi/2 to pi/2' if name == 'pitch' else '-pi to pi'
                raise ValueError(f'camera {name} {value:g}: expected {ends}, in radians')

    @property
    def down(self) -> _Doubles:
        """Direction to the floor in the optical frame (x right, y down, z forward), ``[3]``."""
        pitch, roll = self.pitch_rad, self.roll_rad
        level = math.cos(pitch)
        return np.array([level * math.sin(roll), level * math.cos(roll), math.sin(pitch)])


@dataclasses.dataclass(frozen=True)
class Floor:
    """Floor that was found in a depth image.

    Attributes:
        height: Height of the camera above the plane, in the unit of depth.
        inliers: Share of the searched pixels on the plane, steep rays counting more, 0 to 1.
        spread: Half the 16th to 84th percentile of the logarithm of height over the pixels near
            it, by the stated tilt: of the errors of depth and of the tilt.
        tilt_rad: Angle between the stated normal and that of the plane, fitted without the stated
            tilt.
    """

    height: float
    inliers: float
    spread: float
    tilt_rad: float


@dataclasses.dataclass(frozen=True)
class _View:
    """Searched pixels of images of one size and camera.

    Attributes:
        shape: Rows and columns of the image.
        matrix: Camera matrix, row by row, pixels.
        pixels: Flat indices of the pixels, ``[N]``.
        rays: Their rays, ``[N, 3]``; x right, y down, z 1.
        weights: Sines of the rays' angles below the horizon, ``[N]``.
        share: Share of the image that is far enough below the horizon.
    """

    shape: tuple[int, int]
    matrix: tuple[float, ...]
    pixels: npt.NDArray[np.intp]
    rays: _Doubles
    weights: _Doubles
    share: float


class FloorFinder:
    """Search for the floor by RANSAC; the same depth always gives the same floor.

    The plane is fitted to relative distances in depth, so that a factor on depth is a factor on
    its height.

    Args:
        pose: Pose of the camera; its height is not used.
    """

    def __init__(self, pose: CameraPose) -> None:
        self._down = pose.down
        self._tilts = _perpendicular(self._down)
        self._draws = np.random.default_rng(0).random((3, HYPOTHESES))
        self._view: _View | None = None

    def sees_floor(self, shape: tuple[int, int], matrix: Sequence[float]) -> bool:
        """Return True if a level floor would be in view.

        Args:
            shape: Rows and columns of the depth image.
            matrix: Its camera matrix K, row by row, pixels.
        """
        return self._of(shape, matrix).share >= MIN_SHARE

    def find(
        self,
        depth: npt.NDArray[np.float32],
        matrix: Sequence[float],
        limits: tuple[float, float] = (0.0, math.inf),
    ) -> Floor | None:
        """Find the floor.

        Args:
            depth: Depth along the optical axis in any unit, ``[rows, columns]``; NaN: unknown.
            matrix: Its camera matrix K, row by row, pixels.
            limits: Depths that are no measurement, and all beyond them, in the same unit.

        Returns:
            The floor; None if none agrees with the stated tilt.
        """
        view = self._of((depth.shape[0], depth.shape[1]), matrix)
        values = depth.ravel()[view.pixels].astype(np.float64)
        known = (values > limits[0]) & (values < limits[1])
        if view.share < MIN_SHARE or np.count_nonzero(known) < MIN_PIXELS:
            return None
        points = values[known, None] * view.rays[known]
        weights = view.weights[known]
        plane = self._best(points, weights)
        for _ in range(2):
            if plane is not None:
                plane = self._fit(points, weights, plane)
        free = plane
        for _ in range(6):  # the inliers change from fit to fit
            if free is not None:
                free = self._fit(points, weights, free, stiffness=0.0)
        if plane is None or free is None:
            return None
        inliers, below = (
            float(weight / weights.sum()) for weight in _support(points, weights, plane)
        )
        if inliers - below < MIN_INLIERS or below > MAX_BELOW:
            return None
        if self._tilt(plane) > TOLERANCE_RAD or self._tilt(free) > MAX_FREE_TILT_RAD:
            return None
        near = np.abs(points @ plane - 1) < SPREAD_BANDS * BAND
        low, high = np.percentile(np.log(points[near] @ self._down), [16, 84])
        level = self._fit(points, weights, plane, stiffness=LEVEL_WEIGHT)
        if level is None:
            return None
        height = 1 / math.sqrt(level @ level)
        return Floor(height, inliers, float(high - low) / 2, self._tilt(free))

    def _tilt(self, plane: _Doubles) -> float:
        return math.acos(min(float(plane @ self._down) / math.sqrt(plane @ plane), 1.0))

    def _best(self, points: _Doubles, weights: _Doubles) -> _Doubles | None:
        """Return the lowest of the planes with many inliers and little below them.

        Returns:
            Vector n with n @ point = 1; None if there is no such plane.
        """
        one, other, third = points[(self._draws * len(points)).astype(np.intp)]
        normals = np.cross(other - one, third - one)
        with np.errstate(divide='ignore', invalid='ignore'):
            planes = normals / np.einsum('ij,ij->i', normals, one)[:, None]
            lengths = np.linalg.norm(planes, axis=1)
            agree = planes @ self._down > math.cos(TOLERANCE_RAD) * lengths
        planes, lengths = planes[agree], lengths[agree]
        if not len(planes):
            return None
        inliers, below = _support(points, weights, planes.T)
        support = np.where(below <= MAX_BELOW * weights.sum(), inliers, 0.0)
        if not support.any():
            return None
        enough = support >= LOWEST * support.max()
        lowest: _Doubles = planes[enough][np.argmin(lengths[enough])]
        return lowest

    def _fit(
        self,
        points: _Doubles,
        weights: _Doubles,
        plane: _Doubles,
        stiffness: float = TILT_WEIGHT,
    ) -> _Doubles | None:
        """Fit a plane to the inliers of another one; the stated tilt counts as a measurement."""
        inlying = np.abs(points @ plane - 1) < BAND
        some, weight = points[inlying], weights[inlying, None]
        if len(some) < MIN_PIXELS // 2:
            return None
        weighted = some * weight
        stiff = stiffness**2 * float(weight.sum()) / float(plane @ self._down) ** 2
        left = some.T @ weighted + stiff * self._tilts.T @ self._tilts
        try:
            fitted: _Doubles = np.linalg.solve(left, weighted.sum(0))
        except np.linalg.LinAlgError:
            return None
        return fitted if fitted @ self._down > 0 else None

    def _of(self, shape: tuple[int, int], matrix: Sequence[float]) -> _View:
        view = self._view
        given = tuple(float(value) for value in matrix)
        if view is None or view.shape != shape or view.matrix != given:
            view = self._view = _make_view(shape, given, self._down)
        return view


def _make_view(shape: tuple[int, int], matrix: tuple[float, ...], down: _Doubles) -> _View:
    fx, _, cx, _, fy, cy = matrix[:6]
    rows, columns = np.indices(shape)
    rays = np.stack([(columns - cx) / fx, (rows - cy) / fy, np.ones(shape)], -1)
    sines = rays @ down / np.linalg.norm(rays, axis=-1)
    below = sines > math.sin(MIN_ANGLE_RAD)
    step = max(1, int(math.sqrt(np.count_nonzero(below) / SEARCHED)))
    grid = np.zeros_like(below)
    grid[step // 2 :: step, step // 2 :: step] = True
    pixels = np.flatnonzero(below & grid)
    return _View(
        shape, matrix, pixels, rays.reshape(-1, 3)[pixels], sines.ravel()[pixels],
        float(below.mean()),
    )  # fmt: skip


def _support(points: _Doubles, weights: _Doubles, planes: _Doubles) -> tuple[_Doubles, _Doubles]:
    """Return the weights of the pixels on planes, and of those clearly below them.

    Args:
        points: ``[N, 3]``.
        weights: ``[N]``.
        planes: One, ``[3]``, or several, ``[3, M]``.

    Returns:
        Two arrays ``[]`` or ``[M]``.
    """
    distances = points @ planes - 1
    return weights @ (np.abs(distances) < BAND), weights @ (distances > BELOW_BANDS * BAND)


def _perpendicular(direction: _Doubles) -> _Doubles:
    """Return two unit vectors perpendicular to a direction and to each other, ``[2, 3]``."""
    first = np.cross(direction, np.eye(3)[np.argmin(np.abs(direction))])
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(direction, first)])
