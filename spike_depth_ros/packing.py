# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bit-packed spike planes to arrays and back, and spike counts straight from the packed bits.

Counting never unpacks single planes: planes are added as bit-sliced numbers (carry-save adders on
whole bytes, eight pixels an operation), and only the few digits of the sums are unpacked.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from spike_depth_ros.chunk import BitOrder, PackedPlanes

Counts: TypeAlias = 'npt.NDArray[np.unsignedinteger[Any]]'  # numpy 1.21 cannot subscript it
"""Spikes of each pixel: uint8, or uint16 where there may be more than 255."""


def pack(spikes: npt.ArrayLike, bit_order: BitOrder = 'little') -> PackedPlanes:
    """Pack planes of 0 / non-zero pixels, eight to a byte.

    Args:
        spikes: ``[..., height, width]`` of bool or numbers; any non-zero value is a spike.
        bit_order: Which bit of a byte is its leftmost pixel.

    Returns:
        ``[..., height, ceil(width / 8)]`` uint8; padding bits at a row's end are 0.
    """
    return np.packbits(np.asarray(spikes) != 0, axis=-1, bitorder=bit_order)


def unpack(
    packed: PackedPlanes, width: int, bit_order: BitOrder = 'little'
) -> npt.NDArray[np.uint8]:
    """Unpack planes to one byte a pixel.

    Args:
        packed: ``[..., height, ceil(width / 8)]`` uint8.
        width: Sensor width in pixels.
        bit_order: Which bit of a byte is its leftmost pixel.

    Returns:
        ``[..., height, width]`` uint8 of 0 and 1.

    Raises:
        ValueError: The rows are not ``ceil(width / 8)`` bytes long.
    """
    _check_row(packed, width)
    return np.unpackbits(packed, axis=-1, count=width, bitorder=bit_order)


def bin_edges(planes: int, bins: int = 32) -> npt.NDArray[np.int64]:
    """Which planes each bin of a window covers.

    Args:
        planes: Planes in the window, at least 1.
        bins: Number of bins, at least 1.

    Returns:
        ``[bins, 2]`` of first and one past the last plane. With at least as many planes as bins
        the bins tile the window and their lengths differ by at most one; with fewer, every bin is
        the one plane nearest to its centre.

    Raises:
        ValueError: ``planes`` or ``bins`` is below 1.
    """
    if planes < 1 or bins < 1:
        raise ValueError(f'{planes} planes in {bins} bins: expected at least 1 of each')
    index = np.arange(bins + 1)
    if planes >= bins:
        bounds = index * planes // bins
        return np.stack([bounds[:-1], bounds[1:]], axis=1)
    nearest = (2 * index[:-1] + 1) * planes // (2 * bins)
    return np.stack([nearest, nearest + 1], axis=1)


def bin_counts(
    packed: PackedPlanes,
    width: int,
    bit_order: BitOrder = 'little',
    bins: int = 32,
    out: Counts | None = None,
) -> tuple[Counts, npt.NDArray[np.int32]]:
    """Spikes of each pixel in each bin of a window: the input of the networks.

    Args:
        packed: Window of packed planes, ``[planes, height, ceil(width / 8)]`` uint8.
        width: Sensor width in pixels.
        bit_order: Which bit of a byte is its leftmost pixel.
        bins: Number of bins; see :func:`bin_edges`.
        out: Where to write the counts, ``[bins, height, width]`` uint8 or uint16 (a view into a
            padded buffer will do); None makes a new array.

    Returns:
        The counts, ``[bins, height, width]`` (uint8, or uint16 where a bin holds over 255 planes,
        or as ``out``), and the planes in each bin, ``[bins]`` int32.

    Raises:
        ValueError: Row length or ``out`` does not fit.
    """
    _check_row(packed, width)
    edges = bin_edges(len(packed), bins)
    lengths = edges[:, 1] - edges[:, 0]
    longest = int(lengths.max())
    if out is None:
        small = longest <= np.iinfo(np.uint8).max
        out = np.empty((bins, packed.shape[1], width), np.uint8 if small else np.uint16)
    elif out.shape != (bins, packed.shape[1], width) or longest > np.iinfo(out.dtype).max:
        raise ValueError(
            f'out is {out.dtype} {list(out.shape)}, expected [{bins}, {packed.shape[1]}, {width}] '
            f'of a type that holds {longest}'
        )
    for length in np.unique(lengths):
        chosen = np.flatnonzero(lengths == length)
        stack = _planes_of_bins(packed, edges[chosen, 0], int(length))
        _write_sum(stack, width, bit_order, out, chosen)
    return out, lengths.astype(np.int32)


def spike_counts(packed: PackedPlanes, width: int, bit_order: BitOrder = 'little') -> Counts:
    """Spikes of each pixel over a whole window, ``[height, width]``."""
    counts, _ = bin_counts(packed, width, bit_order, bins=1)
    return counts.reshape(packed.shape[1], width)


def _check_row(packed: PackedPlanes, width: int) -> None:
    if packed.shape[-1] != (width + 7) // 8:
        raise ValueError(
            f'rows of {packed.shape[-1]} bytes do not hold {width} pixels, '
            f'expected {(width + 7) // 8} bytes'
        )


def _planes_of_bins(
    packed: PackedPlanes, starts: npt.NDArray[np.int64], length: int
) -> PackedPlanes:
    """Planes of bins of one length, ``[length, bins, ...]``; a view where they tile."""
    if len(starts) == 1 or np.all(np.diff(starts) == length):
        tiled = packed[starts[0] : starts[0] + len(starts) * length]
        return tiled.reshape(len(starts), length, *packed.shape[1:]).swapaxes(0, 1)
    return packed[starts[None, :] + np.arange(length)[:, None]]


def _write_sum(
    stack: PackedPlanes,
    width: int,
    bit_order: BitOrder,
    out: Counts,
    chosen: npt.NDArray[np.int64],
) -> None:
    """Add ``[planes, bins, ...]`` and write pixel counts into ``out[chosen]``."""
    lowest, *higher = _bit_sliced_sum(stack)

    def bits(digit: PackedPlanes) -> npt.NDArray[np.uint8]:
        return np.unpackbits(digit, axis=-1, count=width, bitorder=bit_order)

    # From the highest digit down by doubling: numpy shifts bytes far slower than it adds them.
    total: Counts | None = None
    for digit in reversed(higher):
        if total is None:
            total = bits(digit).astype(out.dtype, copy=False)
        else:
            total += bits(digit)
        total += total
    if total is None:
        out[chosen] = bits(lowest)
    elif len(chosen) == len(out):
        np.add(total, bits(lowest), out=out)
    else:
        out[chosen] = total + bits(lowest)


def _bit_sliced_sum(stack: PackedPlanes) -> list[PackedPlanes]:
    """Binary digits, lowest first, of the sum of bit planes along axis 0.

    Full adders take three planes of one weight to one of that weight and one of the next; all
    triples of a weight are added in one array operation.
    """
    digits = []
    while len(stack):
        carries = []
        while len(stack) >= 3:
            third = len(stack) // 3
            a, b, c = stack[:third], stack[third : 2 * third], stack[2 * third : 3 * third]
            half = a ^ b
            carries.append((a & b) | (half & c))
            half ^= c
            rest = stack[3 * third :]
            stack = np.concatenate([half, rest]) if len(rest) else half
        if len(stack) == 2:
            carries.append((stack[0] & stack[1])[None])
            stack = (stack[0] ^ stack[1])[None]
        digits.append(stack[0])
        stack = np.concatenate(carries) if carries else stack[:0]
    return digits
