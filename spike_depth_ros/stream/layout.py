# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stated sensor size and bit order of planes, compared with the planes themselves."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes
from spike_depth_ros.stream.health import (
    LAYOUT_BYTES,
    PLANE_SHARE,
    bit_order_fits,
    bit_order_misfit,
    find_row_bytes,
    plane_correlation,
    plane_layout,
)
from spike_depth_ros.stream.recording import Recording

CHECKED_PLANES = 256
"""Planes whose bit order is checked, in at most :data:`CHECKED_BYTES`."""

CHECKED_BYTES = 1 << 26
"""Bytes whose bit order is checked; more only of a single plane."""

FLIP = 'flip is_bigendian in the publisher'
"""Remedy for messages of the other bit order."""


_COMPARED_PLANES = 32  # by which two heights are compared
_MIN_ROWS = 8  # of a plane


def raw_file_problem(path: Path, recording: Recording) -> str:
    """Return what is clearly wrong with the stated size or bit order of a raw file.

    Args:
        path: The file.
        recording: Its planes, opened by the stated size; other files than raw ones know theirs.

    Returns:
        One line with the option to try; empty: they fit, or there is too little structure to know.

    Raises:
        vidar.TruncatedError: The file was cut.
        OSError: It cannot be read.
    """
    geometry = recording.geometry
    if recording.part is None:
        return ''
    size = _other_size([np.fromfile(path, np.uint8, LAYOUT_BYTES)], geometry)
    if size is not None:
        return (
            f'{path}: its bytes repeat as in planes of {size[0]}x{size[1]} pixels, not '
            f'{geometry.width}x{geometry.height}: try --size {size[0]}x{size[1]}'
        )
    fits, misfit = check_bit_order(recording)
    if fits is not False:
        return ''
    other = 'big' if geometry.bit_order == 'little' else 'little'
    return f'{path}: {stripes(misfit)}: try --bit-order {other}'


def message_problem(planes: PackedPlanes, geometry: Geometry) -> str:
    """Return what is clearly wrong with the size or bit order that messages state.

    Args:
        planes: Consecutive planes of messages, ``[planes, height, row_bytes]``.
        geometry: Size and bit order by their messages.

    Returns:
        One line with what to correct; empty as :func:`raw_file_problem`.
    """
    few = planes[: -(-LAYOUT_BYTES // geometry.plane_bytes)]
    # A file's rows from the bottom may have been reversed by a wrong size.
    orders = (np.ascontiguousarray(one).reshape(-1) for one in (few, few[:, ::-1]))
    size = _other_size(orders, geometry)
    if size is not None:
        return (
            f'spikes: their bytes repeat as in planes of {size[0]}x{size[1]} pixels, not '
            f'{geometry.width}x{geometry.height} as in their messages: correct width, step and '
            'camera_info of the camera driver'
        )
    fits, misfit = check_bit_order(Recording(planes, geometry))
    return '' if fits is not False else f'spikes: {stripes(misfit)}: {FLIP}'


def check_bit_order(recording: Recording) -> tuple[bool | None, float]:
    """Check the bit order of a recording by the stripes of its picture.

    Returns:
        Whether it is right, None: undetermined; and its misfit over that of the other one.

    Raises:
        vidar.TruncatedError: The file was cut.
        OSError: It cannot be read.
    """
    geometry = recording.geometry
    number = min(CHECKED_PLANES, max(1, CHECKED_BYTES // geometry.plane_bytes))
    planes = np.ascontiguousarray(recording.read(0, number))
    misfit = bit_order_misfit(packing.spike_counts(planes, geometry.width, geometry.bit_order))
    return bit_order_fits(misfit), misfit


def stripes(misfit: float) -> str:
    """Describe a picture of the wrong bit order."""
    return (
        f'the picture has 8-pixel stripes ({misfit:.1f} times rougher than with the other order)'
    )


def _other_size(
    sequences: Iterable[npt.NDArray[np.uint8]], geometry: Geometry
) -> tuple[int, int] | None:
    """Return the size that bytes clearly repeat by in place of the stated one; None: it fits."""
    found: dict[tuple[int, int], float] = {}
    for data in sequences:
        layout = plane_layout(data)
        if layout is None or layout[1] < _MIN_ROWS:
            continue
        row_bytes, rows = layout
        # Of small planes the estimate may be wrong by one row.
        if row_bytes == geometry.row_bytes and abs(rows - geometry.height) < 2:
            return None
        # Of few planes, in which a fast picture hardly moves, and as many bytes of either size.
        few = [data[: _COMPARED_PLANES * max(row_bytes * rows, geometry.plane_bytes)]]
        repeats = plane_correlation(few, row_bytes * rows)
        if row_bytes != geometry.row_bytes:
            likely = find_row_bytes([data], geometry.row_bytes, geometry.plane_bytes)
            clear = likely == row_bytes
        else:
            clear = plane_correlation(few, geometry.plane_bytes) < PLANE_SHARE * repeats
        if clear:
            found[8 * row_bytes, rows] = repeats
    return max(found, key=found.__getitem__) if found else None
