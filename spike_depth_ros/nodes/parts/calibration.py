# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of camera calibrations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo

from spike_depth_ros.geometry.calibration import Calibration, CalibrationError, read_calibration

__all__ = ['CalibrationError', 'camera_info_from_matrix', 'camera_info_from_yaml', 'set_fields']


def camera_info_from_yaml(path: Path, width: int, height: int) -> CameraInfo:
    """Read a file as :func:`spike_depth_ros.geometry.calibration.read_calibration` does.

    Raises:
        CalibrationError: As there.
    """
    info = CameraInfo(width=width, height=height)
    set_fields(info, read_calibration(path, width, height))
    return info


def camera_info_from_matrix(
    matrix: npt.NDArray[np.float64] | None, width: int, height: int
) -> CameraInfo:
    """Make the camera info of a camera without distortion; None: uncalibrated (K of zeros)."""
    info = CameraInfo(width=width, height=height)
    set_fields(info, Calibration.from_matrix(matrix, width, height))
    return info


def given_camera_info(path: str, fx_px: float, width: int, height: int) -> CameraInfo | None:
    """Make the camera info that parameters give; None: they give none.

    Args:
        path: Calibration file; empty: none.
        fx_px: Focal length in place of a calibration, pixels; 0: none.
        width: Columns of the sensor, pixels.
        height: Its rows.

    Raises:
        CalibrationError: The file cannot be used.
    """
    if path:
        return camera_info_from_yaml(Path(path), width, height)
    if not fx_px:
        return None
    info = CameraInfo(width=width, height=height)
    set_fields(info, Calibration.centred(fx_px, width, height))
    return info


def set_fields(info: CameraInfo, calibration: Calibration) -> None:
    """Set matrices and distortion of a message."""
    info.distortion_model = calibration.distortion_model
    info.d, info.k = list(calibration.d), calibration.k
    info.r, info.p = calibration.r, calibration.p
