# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth that is stored along the ray of each pixel, as rangefinders and renderers store it."""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base import opencv as cv2
from spike_depth_ros.geometry.calibration import Calibration, CalibrationError
from spike_depth_ros.geometry.rectification import FISHEYE, Rectification, check_matrix

DepthAlong = Literal['axis', 'ray']
"""What depth is measured along: the optical axis, or the ray from the camera to the place."""

MOST_PX = 0.1
"""Largest distance of a pixel from where its ray is seen, pixels."""


@functools.lru_cache(maxsize=4)  # of each map of a recording
def ray_lengths(calibration: Calibration) -> npt.NDArray[np.float32]:
    """Return how long the ray of each pixel of a sensor is where the optical axis is 1 long.

    Depth along the ray over this is depth along the optical axis. The centre of the top left pixel
    lies at (0, 0); distorted pixels have the rays that the lens bends to them.

    Args:
        calibration: The sensor.

    Returns:
        ``[height, width]``, 1 or more, read-only; NaN where a fisheye lens sees sideways or
        backwards.

    Raises:
        CalibrationError: No focal length is known, or the calibration cannot be used.
    """
    if not any(calibration.k):
        raise CalibrationError('no focal length is known, expected one for depth along the ray')
    k = calibration.matrix
    check_matrix('K', k, calibration)
    rows, columns = np.mgrid[: calibration.height, : calibration.width].astype(np.float64)
    x, y = (columns - k[0, 2]) / k[0, 0], (rows - k[1, 2]) / k[1, 1]
    if any(calibration.d):
        x, y = _undistorted(calibration, k, columns, rows)
    lengths = np.asarray(np.sqrt(1 + x**2 + y**2), np.float32)
    lengths.setflags(write=False)
    return lengths


def _undistorted(
    calibration: Calibration,
    k: npt.NDArray[np.float64],
    columns: npt.NDArray[np.float64],
    rows: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return x and y of the rays of distorted pixels, ``[2, height, width]``."""
    Rectification(calibration)  # refuses what cannot be undone
    d = np.array(calibration.d)
    fisheye = calibration.distortion_model in FISHEYE
    pixels = np.stack([columns.ravel(), rows.ravel()], axis=1)[:, None]
    stop = cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 200, 1e-10
    still, same = np.zeros(3), np.eye(3)
    if fisheye:
        rays = cv2.fisheye.undistortPoints(pixels, k, d, criteria=stop)
        seen = cv2.fisheye.distortPoints(rays, k, d)
    else:
        rays = cv2.undistortPointsIter(pixels, k, d, same, same, stop)
        points = np.concatenate([rays, np.ones((len(rays), 1, 1))], axis=2)
        seen = cv2.projectPoints(points, still, still, k, d)[0]
    with np.errstate(invalid='ignore'):
        wrong = ~(np.abs(seen - pixels).max(axis=(1, 2)) <= MOST_PX)
    rays[wrong] = np.nan
    if wrong.any() and not fisheye:
        raise CalibrationError(
            f'distortion {calibration.distortion_model} cannot be undone at {wrong.sum()} pixels, '
            'expected all of them for depth along the ray: store depth along the axis'
        )
    return np.asarray(rays[:, 0].T.reshape(2, *columns.shape), np.float64)
