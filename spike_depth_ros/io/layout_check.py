# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stated layout and bit order of planes, compared with the planes themselves."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from spike_depth_ros.io.raw_check import axes_fit, check_files, check_parts, head_problem
from spike_depth_ros.io.recording import Recording
from spike_depth_ros.io.vidar import RawLayout
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes
from spike_depth_ros.stream.health import (
    LAYOUT_BYTES,
    bit_order_fits,
    bit_order_misfit,
    plane_correlation,
)

CHECKED_PLANES = 256
"""Planes whose bit order is checked, in at most :data:`CHECKED_BYTES`."""

CHECKED_BYTES = 1 << 26
"""Bytes whose bit order is checked; more only of a single plane."""

FLIP = 'flip is_bigendian in the publisher'
"""Remedy for messages of the other bit order."""


def raw_file_problem(path: Path, recording: Recording) -> str:
    """Return what is clearly wrong with the stated layout of a raw file, or the axes of an array.

    Args:
        path: The file.
        recording: Its planes, opened by the stated layout; other files than raw ones know theirs.

    Returns:
        One line with the option to try; empty: they fit, or there is too little structure to know.

    Raises:
        vidar.TruncatedError: The file was cut.
        OSError: It cannot be read.
    """
    geometry, layout = recording.geometry, recording.layout
    if layout is None:
        doubt = axes_problem(recording)
        return f'{doubt}: try --axes hwt' if doubt else ''
    found = check_files([path], layout)
    if found is not None:
        return f'{path}: its {found}'
    if head := head_problem(path, layout):
        return f'{path}: {head}'
    fits, misfit = check_bit_order(recording)
    if fits is not False:
        return ''
    other = 'big' if geometry.bit_order == 'little' else 'little'
    return f'{path}: {stripes(misfit)}: try --bit-order {other}'


def axes_problem(recording: Recording) -> str:
    """Return why the axes that were assumed of an array are likely ``hwt``; empty: they fit."""
    planes, geometry = recording.planes, recording.geometry
    if not recording.assumed or axes_fit(planes, geometry) is not False:
        return ''
    return (
        f'{recording.assumed}: {len(planes)} planes of {geometry.width}x{geometry.height} were '
        'read, and the spikes are those of an array [height, width, planes]'
    )


def message_problem(planes: PackedPlanes, geometry: Geometry) -> str:
    """Return what is clearly wrong with the size or bit order that messages state.

    Args:
        planes: Consecutive planes of messages, ``[planes, height, row_bytes]``.
        geometry: Size and bit order by their messages.

    Returns:
        One line with what to correct; empty as :func:`raw_file_problem`.
    """
    few = planes[: -(-LAYOUT_BYTES // geometry.plane_bytes)]
    found = {}
    # A file's rows from the bottom may have been reversed by a wrong size.
    for order in (few, few[:, ::-1]):
        data = np.ascontiguousarray(order).reshape(-1)
        if (other := check_parts([data], RawLayout(geometry))) is not None:
            found[plane_correlation([data], other.layout.plane_bytes)] = other
    if found:
        return (
            f'spikes: their {found[max(found)].reason} as in their messages: correct width, step '
            'and camera_info of the camera driver'
        )
    fits, misfit = check_bit_order(Recording(planes, geometry))
    return '' if fits is not False else f'spikes: {stripes(misfit)}: {FLIP}'


class PipeCheck:
    """Comparison of the stated layout of a pipe with its first bytes, beside the stream.

    Args:
        layout: The stated layout.

    Attributes:
        warnings: What is clearly wrong, one line; comes from another thread.
    """

    def __init__(self, layout: RawLayout) -> None:
        self.warnings: list[str] = []
        self._layout, self._seen = layout, bytearray()
        self._wanted = max(LAYOUT_BYTES, 8 * layout.plane_bytes)
        self._thread: threading.Thread | None = None

    def look(self, block: bytes | bytearray) -> None:
        """Take the next bytes; of those at the beginning a thread makes the comparison.

        Args:
            block: Whole planes; none: the stream is over, and the comparison is waited for.
        """
        if self._thread is None:
            self._seen += block
            if block and len(self._seen) < self._wanted:
                return
            self._thread = threading.Thread(target=self._check, daemon=True)
            self._thread.start()
        if not block:
            self._thread.join()

    def _check(self) -> None:
        found = check_parts([np.frombuffer(self._seen, np.uint8)], self._layout)
        if found is not None:
            self.warnings.append(f'the stream: its {found}')


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
