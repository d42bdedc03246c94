# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shared functions of the readers of spikes: files of planes, read a part at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.geometry.depth_values import unit_problem
from spike_depth_ros.io.raw_check import head_problem
from spike_depth_ros.io.recording import NpyFile
from spike_depth_ros.io.vidar import Axes, RawLayout, read_part, read_series
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes
from spike_training.datasets.clip import Depth, Grey, Matrix
from spike_training.datasets.readers import files
from spike_training.errors import DataSetError, FrameError, one_line


def dat_planes(
    path: Path, layout: RawLayout, axes: Axes = 'thw'
) -> tuple[int, Callable[[int, int], PackedPlanes]]:
    """Open the planes of a Vidar ``.dat`` file.

    Args:
        path: The file.
        layout: Its layout.
        axes: Of its bits; ``hwt`` is read into memory.

    Returns:
        Number of planes, and a function that reads those from a start up to before a stop.

    Raises:
        DataSetError: The file is not a whole number of planes.
    """
    if axes == 'hwt':
        try:
            series = read_series(path, layout)
        except (OSError, ValueError) as error:
            raise DataSetError(one_line(error)) from error
        return len(series), lambda start, stop: series[start:stop]
    size = path.stat().st_size
    planes, rest = divmod(size, layout.plane_bytes)
    if rest or not planes:
        problem = head_problem(path, layout) or 'is that the sensor size?'
        raise DataSetError(
            f'{path}: {size} bytes are {planes} planes of {layout} and {rest} bytes more; '
            f'{problem}'
        )

    def load(start: int, stop: int) -> PackedPlanes:
        with _one_frame(path):
            return read_part(path, layout, start, stop)

    return planes, load


def padded_layout(geometry: Geometry, row_bytes: int = 0) -> RawLayout:
    """Return the layout of Vidar's rows of a length; 0: that of the width.

    Raises:
        DataSetError: They are shorter than the width.
    """
    padding = (row_bytes or geometry.row_bytes) - geometry.row_bytes
    if padding < 0:
        raise DataSetError(
            f'option row_bytes is {row_bytes}, expected {geometry.row_bytes} or more for rows of '
            f'{geometry.width} pixels'
        )
    return RawLayout(geometry, padding=padding)


def naive_npy_planes(
    path: Path, geometry: Geometry
) -> tuple[int, Callable[[int, int], PackedPlanes]]:
    """Open the planes of a ``.npy`` file unpacked from a ``.dat`` in the wrong row and bit order.

    Args:
        path: ``[planes, H, W]`` of 0 and 1, the bottom row first, each group of 8 columns
            reversed.
        geometry: Sensor size, and bit order of the planes that are read.

    Returns:
        Number of planes, and a function that reads those from a start up to before a stop, in the
        correct order.

    Raises:
        DataSetError: The file is damaged or of another shape.
    """
    try:
        stored = NpyFile(path)
    except Exception as error:  # of a damaged header, numpy's reader has many kinds
        raise DataSetError(f'{path}: cannot be read: {one_line(error)}') from error
    shape, expected = stored.shape, (geometry.height, geometry.width)
    if len(shape) != 3 or shape[1:] != expected or not shape[0] or geometry.width % 8:
        raise DataSetError(
            f'{path}: {list(shape)}, expected [planes, {geometry.height}, {geometry.width}]'
        )

    def load(start: int, stop: int) -> PackedPlanes:
        with _one_frame(path):
            found = stored.read(start, stop)[:, ::-1]
            groups = (found != 0).reshape(*found.shape[:2], -1, 8)[..., ::-1]
            return packing.pack(groups.reshape(found.shape), geometry.bit_order)

    return shape[0], load


def depth_file(
    path: Path, encoding: files.DepthEncoding, geometry: Geometry
) -> Callable[[], Depth]:
    """Return a function that reads a depth map, which must be of the sensor's size."""
    return lambda: _of_sensor(path, 'depth', files.read_depth(path, encoding), geometry)


def image_file(path: Path, geometry: Geometry) -> Callable[[], Grey]:
    """Return a function that reads a grey image, which must be of the sensor's size."""
    return lambda: _of_sensor(
        path, 'picture', files.read_rgb(path).astype(np.float32).mean(axis=2) / 255, geometry
    )


def _of_sensor(path: Path, what: str, found: Depth, geometry: Geometry) -> Depth:
    """Refuse a map or picture of another size than the sensor's."""
    if found.shape != (geometry.height, geometry.width):
        raise FrameError(
            f'{path}: {what} {list(found.shape)}, expected the sensor size '
            f'{[geometry.height, geometry.width]}'
        )
    return found


def centred_camera(fx: float, geometry: Geometry) -> Matrix | None:
    """Return the matrix of a camera with the principal point in the middle of the sensor.

    Return None for a focal length of 0, which means unknown.
    """
    if fx == 0:
        return None
    return Calibration.centred(fx, geometry.width, geometry.height).matrix


def check_depth(name: str, read: Callable[[], Depth], plausible_m: tuple[float, float]) -> None:
    """Check the unit of a recording's depth on one map; a damaged map is ignored.

    Raises:
        DataSetError: The median is not plausible.
    """
    try:
        depth = read()
    except files.UnitError as error:
        raise DataSetError(f'{name}: {error}') from error
    except FrameError:
        return
    if problem := unit_problem(depth, plausible_m):
        raise DataSetError(f'{name}: {problem}; {files.UNIT}')


@contextlib.contextmanager
def _one_frame(path: Path) -> Iterator[None]:
    """Convert errors of a file that was readable before to FrameError."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise FrameError(f'{path}: cannot be read: {one_line(error)}') from error
