# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of Vidar ``.dat`` recordings: raw packed planes without a header.

A plane is ``height`` rows of ``ceil(width / 8)`` bytes, bottom row first; in a byte the least
significant bit is the leftmost pixel.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Literal

import numpy as np

from spike_depth_ros.errors import OneLineError
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes

RowOrder = Literal['bottom_up', 'top_down']
"""First row of a plane in a file: the bottom or the top row."""


class TruncatedError(OneLineError):
    """Error of a file that ends within a plane."""


def read_dat(
    path: Path,
    geometry: Geometry,
    row_order: RowOrder = 'bottom_up',
    allow_partial: bool = False,
) -> PackedPlanes:
    """Map a recording of raw packed planes into memory; nothing is copied.

    Args:
        path: The file.
        geometry: Sensor size and bit order, which the file does not contain.
        row_order: First row of a plane; a Vidar camera's is ``bottom_up``.
        allow_partial: Leave out an incomplete last plane instead of refusing the file.

    Returns:
        ``[planes, height, row_bytes]`` uint8, top row first, a read-only view of the file.

    Raises:
        FileNotFoundError: There is no such file.
        TruncatedError: The size is not a whole number of planes.
        ValueError: The file is shorter than one plane.
    """
    size = path.stat().st_size
    planes, rest = divmod(size, geometry.plane_bytes)
    if planes == 0:
        raise ValueError(
            f'{path}: {size} bytes are less than one plane of {geometry.plane_bytes} bytes '
            f'({geometry.width}x{geometry.height}); check the sensor size'
        )
    if rest and not allow_partial:
        raise TruncatedError(
            f'{path}: {size} bytes are {planes} planes of {geometry.plane_bytes} bytes '
            f'({geometry.width}x{geometry.height}) and {rest} bytes more; check the sensor size, '
            'or leave out the last plane (--allow-partial) if the recording was cut short'
        )
    with path.open('rb') as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    data = np.frombuffer(mapped, np.uint8, planes * geometry.plane_bytes)
    return upright(data.reshape(planes, geometry.height, geometry.row_bytes), row_order)


def read_part(
    path: Path, geometry: Geometry, row_order: RowOrder, first: int, stop: int
) -> PackedPlanes:
    """Read some planes of a recording; unlike a mapped file it may become shorter meanwhile.

    Args:
        path: The file.
        geometry: Sensor size and bit order.
        row_order: First row of a plane.
        first: Number of the first plane.
        stop: One past the last plane.

    Returns:
        ``[stop - first, height, row_bytes]`` uint8, top row first.

    Raises:
        OSError: The file cannot be read.
        TruncatedError: It has become shorter.
    """
    wanted = (stop - first) * geometry.plane_bytes
    with path.open('rb') as file:
        file.seek(first * geometry.plane_bytes)
        data = file.read(wanted)
    if len(data) < wanted:
        planes = path.stat().st_size // geometry.plane_bytes
        raise TruncatedError(
            f'{path}: was cut while it was read: {planes} planes are left, expected {stop} or '
            'more: copy or record it again'
        )
    shape = (stop - first, geometry.height, geometry.row_bytes)
    return upright(np.frombuffer(data, np.uint8).reshape(shape), row_order)


def upright(planes: PackedPlanes, row_order: RowOrder) -> PackedPlanes:
    """Return a view of planes with the top row first.

    Args:
        planes: Packed planes, ``[planes, height, row_bytes]``.
        row_order: First row in ``planes``.
    """
    return planes[:, ::-1] if row_order == 'bottom_up' else planes
