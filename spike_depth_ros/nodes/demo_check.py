# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of a recording against the options of the demo, before it is played."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spike_depth_ros.stream import health, packing
from spike_depth_ros.stream.recording import Recording

PLANES = 256
"""Planes whose bit order is checked."""


def wrong_size_of(path: Path, size: tuple[int, int] | None) -> str:
    """Compare the sensor size given for a raw file with the one that its bytes repeat by.

    Args:
        path: The recording.
        size: (width, height) in pixels; None: not given.

    Returns:
        One line with the size to try; empty if the sizes agree, the file has no clear period, or
        it is not a raw file.

    Raises:
        OSError: The file cannot be read.
    """
    if path.suffix in ('.npz', '.npy') or not path.is_file():
        return ''
    layout = health.plane_layout(np.fromfile(path, np.uint8, health.LAYOUT_BYTES))
    if layout is None:
        return ''
    if size is not None and layout[0] == -(-size[0] // 8) and abs(layout[1] - size[1]) < 2:
        return ''  # for small planes the estimate may be wrong by one row
    likely = f'{8 * layout[0]}x{layout[1]}'
    given = f', not {size[0]}x{size[1]}' if size is not None else ''
    return (
        f'{path.name}: its bytes repeat as in planes of {likely} pixels{given}: try --size '
        f'{likely} (make demo ... SIZE={likely})'
    )


def bit_order_of(path: Path, recording: Recording) -> str:
    """Check the bit order of a recording by the stripes of its picture; return one line."""
    geometry = recording.geometry
    planes = np.ascontiguousarray(recording.read(0, PLANES))
    counts = packing.spike_counts(planes, geometry.width, geometry.bit_order)
    misfit = health.bit_order_misfit(counts)
    fits = health.bit_order_fits(misfit)
    size = f'{path.name}: {geometry.width}x{geometry.height} pixels'
    if fits is False:
        other = 'big' if geometry.bit_order == 'little' else 'little'
        return (
            f'warning: {size}; the picture has 8-pixel stripes ({misfit:.1f} times rougher than '
            f'with the other order): try --bit-order {other} (make demo ... BIT_ORDER={other})'
        )
    text = 'fits the picture' if fits else 'cannot be checked on this picture'
    return f'{size}; bit order {geometry.bit_order} {text}'
