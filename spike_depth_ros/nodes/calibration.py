# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Camera calibrations from YAML files of camera_calibration, and from plain matrices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from sensor_msgs.msg import CameraInfo

from spike_depth_ros.errors import OneLineError, one_line
from spike_depth_ros.safe_yaml import YamlLimitError, read_yaml

_MATRICES = {
    'camera_matrix': ('k', 9),
    'rectification_matrix': ('r', 9),
    'projection_matrix': ('p', 12),
}

_FY = {'k': 4, 'p': 5}
"""Index of the second focal length."""


class CalibrationError(OneLineError):
    """Error of a calibration file that cannot be used."""


def camera_info_from_yaml(path: Path, width: int, height: int) -> CameraInfo:
    """Read a calibration of ``camera_calibration`` or ``camera_info_manager``.

    Args:
        path: The file.
        width: Sensor width of the stream, pixels; compared with the file's.
        height: Sensor height of the stream, pixels; compared with the file's.

    Raises:
        CalibrationError: The file is missing, not a calibration, or for another image size.
    """
    try:
        content = read_yaml(path)
        size = (_whole(content, 'image_width', path), _whole(content, 'image_height', path))
        if size != (width, height):
            raise CalibrationError(
                f'{path}: calibrated for {size[0]}x{size[1]}; expected {width}x{height}, the size '
                'of the stream: choose the calibration of this camera'
            )
        info = CameraInfo(width=width, height=height)
        for key, (field, count) in _MATRICES.items():
            if key in content or key == 'camera_matrix':
                values = [float(value) for value in content[key]['data']]
                if len(values) != count or not np.isfinite(values).all():
                    raise CalibrationError(
                        f'{path}: {key} has {len(values)} numbers, expected {count} finite ones'
                    )
                if field != 'r' and any(values) and not min(values[0], values[_FY[field]]) > 0:
                    raise CalibrationError(
                        f'{path}: {key} has focal lengths {values[0]:g} and '
                        f'{values[_FY[field]]:g}; expected pixels above 0: calibrate again'
                    )
                setattr(info, field, values)
        info.distortion_model = str(content.get('distortion_model', 'plumb_bob'))
        distortion = content.get('distortion_coefficients') or {}
        info.d = [float(value) for value in distortion.get('data') or []]
        if not np.isfinite(info.d).all():
            raise CalibrationError(
                f'{path}: distortion_coefficients are {list(info.d)}; expected finite numbers'
            )
    except FileNotFoundError as error:
        raise CalibrationError(f'{path}: no such file; expected a calibration') from error
    except YamlLimitError as error:
        raise CalibrationError(str(error)) from error
    except CalibrationError:
        raise
    except (
        yaml.YAMLError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        ArithmeticError,
        OSError,
    ) as error:
        raise CalibrationError(
            f'{path}: not a camera calibration; expected YAML with image_width, image_height, '
            f'camera_matrix.data: {one_line(error)}'
        ) from error
    return info


def _whole(content: Any, key: str, path: Path) -> int:
    value = content[key]
    number = float(value)
    if not number.is_integer():
        raise CalibrationError(f'{path}: {key} is {value}; expected a whole number of pixels')
    return int(number)


def camera_info_from_matrix(
    matrix: npt.NDArray[np.float64] | None, width: int, height: int
) -> CameraInfo:
    """Make the camera info of a camera without distortion; None: uncalibrated (K of zeros)."""
    info = CameraInfo(width=width, height=height)
    if matrix is not None:
        info.k = [float(value) for value in matrix.ravel()]
        info.r = [float(value) for value in np.eye(3).ravel()]
        info.p = [float(value) for value in np.hstack([matrix, np.zeros((3, 1))]).ravel()]
        info.distortion_model = 'plumb_bob'
        info.d = [0.0] * 5
    return info
