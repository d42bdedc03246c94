# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Camera calibrations: from messages, from YAML files of camera_calibration, from matrices."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import yaml

from spike_depth_ros.base.errors import OneLineError, one_line
from spike_depth_ros.base.safe_yaml import YamlLimitError, read_yaml

_Made = TypeVar('_Made')

_MATRICES = {
    'camera_matrix': ('k', 9),
    'rectification_matrix': ('r', 9),
    'projection_matrix': ('p', 12),
}

MIN_BASELINE_M, MAX_BASELINE_M = 1e-3, 10.0
"""Valid distances of two cameras, metres; more is one in centimetres or millimetres."""

MIN_FX_PX, MAX_FX_PX = 1.0, 1e6
"""Limits of a focal length: up to the first it is a share of the image, not pixels."""

FX_RANGE = f'pixels, above {MIN_FX_PX:g} and at most {MAX_FX_PX:g}'
"""Valid focal lengths, as errors tell them."""

_FY = {'k': 4, 'p': 5}
"""Index of the second focal length."""


class CalibrationError(OneLineError):
    """Error of a calibration that cannot be used."""


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Calibration of one camera, with the fields of sensor_msgs/CameraInfo.

    Where pictures are cut out of the sensor, it is that of the pictures: what is called sensor
    elsewhere is the part that is sent.

    Attributes:
        width: Columns of the sensor, pixels.
        height: Rows of the sensor, pixels.
        distortion_model: Model of the lens, such as ``plumb_bob``.
        d: Its coefficients; empty, or all 0: no distortion.
        k: Camera matrix of the sensor, 3 x 3, row by row, pixels; zeros: not calibrated.
        r: Rotation of rectification, 3 x 3; zeros: none.
        p: Projection of the rectified image, 3 x 4, pixels; zeros: not chosen.
        cut: How pictures are made of the full sensor, by region and binning; empty: they are it.
        is_region: They are a part of it, so that the principal point may lie anywhere.
    """

    width: int
    height: int
    distortion_model: str = ''
    d: tuple[float, ...] = ()
    k: tuple[float, ...] = (0.0,) * 9
    r: tuple[float, ...] = (0.0,) * 9
    p: tuple[float, ...] = (0.0,) * 12
    cut: str = ''
    is_region: bool = False

    @classmethod
    def from_message(cls, msg: Any) -> Calibration:
        """Read a CameraInfo, of rclpy or of rosbags, as the calibration of its pictures.

        A calibration is returned as it is.

        Its width, height, K and P are of the full sensor; ``roi`` and ``binning`` say how pictures
        are cut out of it (REP 104). K and P become those of ``image_geometry``, whose rays other
        nodes use: the principal point less the corner of the region, all over the binning.

        Raises:
            CalibrationError: The size is 0, or region or binning do not fit it.
        """
        if isinstance(msg, cls):
            return msg
        d, k, r, p = (tuple(map(float, values)) for values in (msg.d, msg.k, msg.r, msg.p))
        size, model = (int(msg.width), int(msg.height)), str(msg.distortion_model)
        if not all(size):
            raise CalibrationError(f'size {size[0]}x{size[1]}; expected that of the sensor')
        binning = tuple(max(1, int(getattr(msg, f'binning_{axis}', 0))) for axis in 'xy')
        roi = getattr(msg, 'roi', None)
        x, y, width, height = (
            0 if roi is None else int(getattr(roi, name))
            for name in ('x_offset', 'y_offset', 'width', 'height')
        )
        whole = not any((x, y, width, height)) or (x, y, width, height) == (0, 0, *size)
        if whole:
            width, height = size
        if whole and binning == (1, 1):
            return cls(*size, model, d, k, r, p)
        region = '' if whole else f'region {width}x{height} at ({x}, {y})'
        binned = '' if binning == (1, 1) else f'binning {binning[0]}x{binning[1]}'
        cut = f'{" and ".join(filter(None, (region, binned)))} of {size[0]}x{size[1]} pixels'
        columns, rows = width // binning[0], height // binning[1]
        inside = x + width <= size[0] and y + height <= size[1]
        if not (columns > 0 and rows > 0 and inside):
            raise CalibrationError(
                f'{cut}; expected a part of the sensor: set width, height, K and P of the full '
                'sensor (REP 104), or roi and binning to 0'
            )
        k, p = (_cut(matrix, (x, y), binning) for matrix in (k, p))
        return cls(columns, rows, model, d, k, r, p, cut, not whole)

    @property
    def size_text(self) -> str:
        """Size of the pictures, and how they are cut, for a message."""
        return f'{self.width}x{self.height}' + (f' ({self.cut})' if self.cut else '')

    @property
    def of_pictures(self) -> Calibration:
        """This calibration as that of pictures that are not rectified.

        Without distortion their P is K and their R the identity: ``image_geometry`` takes rays
        from P, which is of rectified pictures, and of these there are none.
        """
        k, identity = self.k, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
        p = tuple(self.p[n] for n in (0, 1, 2, 4, 5, 6, 8, 9, 10))
        if any(self.d) or (p == k and (self.r == identity or not any(self.r))):
            return self
        p = (*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0)
        return dataclasses.replace(self, r=identity, p=p)

    @classmethod
    def from_matrix(
        cls, matrix: npt.NDArray[np.float64] | None, width: int, height: int
    ) -> Calibration:
        """Make the calibration of a camera without distortion; None: uncalibrated."""
        if matrix is None:
            return cls(width, height)
        projection = np.hstack([matrix, np.zeros((3, 1))])
        k, r, p = (tuple(one.ravel().tolist()) for one in (matrix, np.eye(3), projection))
        return cls(width, height, 'plumb_bob', (0.0,) * 5, k, r, p)

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """Camera matrix, ``[3, 3]`` pixels; zeros: not calibrated."""
        return np.array(self.k).reshape(3, 3)

    @classmethod
    def centred(cls, fx_px: float, width: int, height: int) -> Calibration:
        """Make the calibration of a camera whose principal point is the centre of the image."""
        x, y = (width - 1) / 2, (height - 1) / 2
        return cls.from_matrix(
            np.array([[fx_px, 0, x], [0, fx_px, y], [0, 0, 1.0]]), width, height
        )


class LastGood(Generic[_Made]):
    """What is made of the newest calibrations of cameras; one that is bad leaves it as it was.

    Args:
        make: Makes it, or raises ValueError.

    Attributes:
        made: What the last good calibrations made; None: there were none.
        problem: Reason that the newest ones are refused, one line; empty: they are used.
        refused: How many were refused.
    """

    def __init__(self, make: Callable[..., _Made]) -> None:
        self.made: _Made | None = None
        self.problem = ''
        self.refused = 0
        self._make = make
        self._messages: tuple[Any, ...] = ()
        self._newest: tuple[Calibration, ...] = ()
        self._used: tuple[Calibration, ...] = ()

    def update(self, *messages: Any) -> None:
        """Take the newest CameraInfo of each camera; those alike cost nothing."""
        before = self._messages
        if before and all(one is two for one, two in zip(messages, before, strict=True)):
            return
        self._messages = messages
        newest, self._newest = self._newest, ()
        try:
            given = tuple(map(Calibration.from_message, messages))
            self._newest = given
            if given == newest:
                return
            if given != self._used:
                self.made, self._used = self._make(*given), given
            self.problem = ''
        except ValueError as error:
            self.refused += 1
            stays = '' if self.made is None else '; the last good calibration stays in use'
            self.problem = f'{error}{stays}'


def _cut(
    matrix: tuple[float, ...], corner: tuple[int, int], binning: tuple[int, ...]
) -> tuple[float, ...]:
    """Return K or P of the pictures that are cut out of a sensor; zeros stay."""
    if not any(matrix):
        return matrix
    columns = len(matrix) // 3
    cut = list(matrix)
    for row in range(2):
        start = row * columns
        cut[start + 2] -= corner[row]
        cut[start : start + columns] = [one / binning[row] for one in cut[start : start + columns]]
    return tuple(cut)


def is_focal_length(fx_px: float) -> bool:
    """Return True for a focal length in pixels; see :data:`FX_RANGE`."""
    return MIN_FX_PX < fx_px <= MAX_FX_PX


def check_focal_lengths(fx_px: float, fy_px: float, name: str) -> None:
    """Refuse focal lengths that are none in pixels.

    Raises:
        CalibrationError: They are refused.
    """
    if not min(fx_px, fy_px) > MIN_FX_PX:
        raise CalibrationError(
            f'{name} has focal lengths {fx_px:g} and {fy_px:g}; expected pixels above '
            f'{MIN_FX_PX:g}: calibrate again, or multiply those of a normalised matrix by width '
            'and height'
        )


def read_calibration(path: Path, width: int, height: int) -> Calibration:
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
        region = content.get('roi') or {}
        cut = [content.get(f'binning_{axis}') or 0 for axis in 'xy']
        if max(cut) > 1 or any((region if isinstance(region, dict) else {'': region}).values()):
            raise CalibrationError(
                f'{path}: has a binning or a roi; expected a calibration of the pictures: scale '
                'and shift its matrices, and leave these keys out'
            )
        found: dict[str, Any] = {}
        for key, (field, count) in _MATRICES.items():
            if key in content or key == 'camera_matrix':
                values = tuple(float(value) for value in content[key]['data'])
                if len(values) != count or not np.isfinite(values).all():
                    raise CalibrationError(
                        f'{path}: {key} has {len(values)} numbers, expected {count} finite ones'
                    )
                if field != 'r' and any(values):
                    check_focal_lengths(values[0], values[_FY[field]], f'{path}: {key}')
                found[field] = values
        distortion = content.get('distortion_coefficients') or {}
        found['d'] = tuple(float(value) for value in distortion.get('data') or [])
        if not np.isfinite(found['d']).all():
            raise CalibrationError(
                f'{path}: distortion_coefficients are {list(found["d"])}; expected finite numbers'
            )
        return Calibration(
            width, height, str(content.get('distortion_model', 'plumb_bob')), **found
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


def _whole(content: Any, key: str, path: Path) -> int:
    value = content[key]
    number = float(value)
    if not number.is_integer():
        raise CalibrationError(f'{path}: {key} is {value}; expected a whole number of pixels')
    return int(number)
