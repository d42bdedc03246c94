# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Packing of spike planes, and spike counts computed from the packed bits.

Counting does not unpack single planes: planes are added as bit-sliced numbers (carry-save adders
on whole bytes, eight pixels per operation), and only the few digits of the sums are unpacked.
Counts of cells of pixels add the rows of a cell in the same way, and the pixels of a row inside
the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from spike_depth_ros.stream.chunk import BitOrder, PackedPlanes

Counts: TypeAlias = 'npt.NDArray[np.unsignedinteger[Any]]'  # numpy 1.21 cannot subscript it
"""Spikes of each pixel: uint8, or uint16 where there may be more than 255."""

CHUNK_BYTES = 1 << 21
"""Bytes of packed planes that are added at a time, so that the sums stay in a cache."""

FIELDS = (2, 4, 8)
"""Sides of cells, pixels, that are counted inside a byte; others are unpacked first."""


def pack(spikes: npt.ArrayLike, bit_order: BitOrder = 'little') -> PackedPlanes:
    """Pack planes of 0 / non-zero pixels, eight to a byte.

    Args:
        spikes: ``[..., height, width]`` of bool or numbers; any non-zero value is a spike.
        bit_order: Leftmost pixel of a byte, see :data:`BitOrder`.

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
        bit_order: Leftmost pixel of a byte, see :data:`BitOrder`.

    Returns:
        ``[..., height, width]`` uint8 of 0 and 1.

    Raises:
        ValueError: The rows are not ``ceil(width / 8)`` bytes long.
    """
    _check_row(packed, width)
    return np.unpackbits(packed, axis=-1, count=width, bitorder=bit_order)


def bin_edges(planes: int, bins: int = 32) -> npt.NDArray[np.int64]:
    """Compute the planes of each bin of a window.

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
    """Count the spikes of each pixel in each bin of a window: the input of the networks.

    Args:
        packed: Window of packed planes, ``[planes, height, ceil(width / 8)]`` uint8.
        width: Sensor width in pixels.
        bit_order: Leftmost pixel of a byte, see :data:`BitOrder`.
        bins: Number of bins; see :func:`bin_edges`.
        out: Output array, ``[bins, height, width]`` uint8 or uint16, which may be a view into a
            padded buffer; None: a new array.

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
    narrow = np.uint8 if longest <= np.iinfo(np.uint8).max else np.uint16
    if out is None:
        out = np.empty((bins, packed.shape[1], width), narrow)
    elif out.shape != (bins, packed.shape[1], width) or longest > np.iinfo(out.dtype).max:
        raise ValueError(
            f'out is {out.dtype} {list(out.shape)}, expected [{bins}, {packed.shape[1]}, {width}] '
            f'of a type that holds {longest}'
        )
    for chosen, (lowest, *higher) in _sums_of_planes(packed, edges):
        # From the highest digit down by doubling, as numpy adds bytes faster than it shifts them.
        total: Counts | None = None
        for digit in reversed(higher):
            bits = np.unpackbits(digit, axis=-1, count=width, bitorder=bit_order)
            if total is None:
                total = bits.astype(narrow, copy=False)
            else:
                total += bits
            total += total
        bits = np.unpackbits(lowest, axis=-1, count=width, bitorder=bit_order)
        if total is None:
            out[chosen] = bits
        elif isinstance(chosen, slice):
            np.add(total, bits, out=out[chosen])
        else:
            out[chosen] = total + bits
    return out, lengths.astype(np.int32)


def cell_counts(
    packed: PackedPlanes,
    width: int,
    cell: int,
    out: Counts,
    bit_order: BitOrder = 'little',
    edge: int = 1,
) -> None:
    """Count the spikes of each cell of ``cell`` by ``cell`` pixels in each bin of a window.

    Where a cell reaches beyond the image, the last row and column of pixels are repeated.

    Args:
        packed: Window of packed planes, ``[planes, height, ceil(width / 8)]`` uint8.
        width: Sensor width in pixels.
        cell: Pixels per side of a cell, at least 1.
        out: Output array, ``[bins, rows, columns]``, of an unsigned integer type. Rows and columns
            beyond the image repeat the last pixel.
        bit_order: Leftmost pixel of a byte, see :data:`BitOrder`.
        edge: Rows, and columns, that are repeated together, a divisor of ``cell``: 2 repeats
            blocks of 2x2 pixels. Rows and columns left over at the end are left out.

    Raises:
        ValueError: The rows are not ``ceil(width / 8)`` bytes long, or a count may not fit
            ``out``.
    """
    _check_row(packed, width)
    bins, rows, columns = out.shape
    edges = bin_edges(len(packed), bins)
    longest = int((edges[:, 1] - edges[:, 0]).max())
    if longest * cell**2 > np.iinfo(out.dtype).max:
        raise ValueError(
            f'out is {out.dtype}, expected a type that holds {longest * cell**2}: {longest} '
            f'planes of {cell}x{cell} pixels'
        )
    digits = _sums_of_rows(packed, edges, pixels_of_cells(packed.shape[1], rows, cell, edge))
    across = pixels_of_cells(width, columns, cell, edge)
    if cell not in FIELDS:
        out[:] = _sums_of_columns(digits, across, bit_order, out.dtype)
        return
    whole = min(width // edge * edge // cell, columns)
    _write_fields(digits, cell, bit_order, out[:, :, :whole])
    # Cells beyond the image are all alike; before them there may be one that its edge cuts.
    beyond = min(-(-(width // edge * edge) // cell), columns)
    if whole < beyond:
        out[:, :, whole:beyond] = _sums_of_columns(
            digits, across[:, whole:beyond], bit_order, out.dtype
        )
    if beyond < columns:
        out[:, :, beyond:] = _sums_of_columns(digits, across[:, -1:], bit_order, out.dtype)


def spike_counts(packed: PackedPlanes, width: int, bit_order: BitOrder = 'little') -> Counts:
    """Count the spikes of each pixel over a whole window, ``[height, width]``."""
    counts, _ = bin_counts(packed, width, bit_order, bins=1)
    return counts.reshape(packed.shape[1], width)


def pixels_of_cells(size: int, cells: int, cell: int, edge: int = 1) -> npt.NDArray[np.intp]:
    """Compute the rows, or columns, of the pixels of each cell; edges are repeated.

    Args:
        size: Rows or columns of the sensor.
        cells: Number of cells.
        cell: Pixels per side of a cell.
        edge: Rows, or columns, that are repeated together, see :func:`cell_counts`.

    Returns:
        ``[cell, cells]``, 0 to below ``size``.
    """
    block, within = np.divmod(np.arange(cells) * cell + np.arange(cell)[:, None], edge)
    pixels: npt.NDArray[np.intp] = block.clip(max=size // edge - 1) * edge + within
    return pixels


def _check_row(packed: PackedPlanes, width: int) -> None:
    if packed.shape[-1] != (width + 7) // 8:
        raise ValueError(
            f'rows of {packed.shape[-1]} bytes do not hold {width} pixels, '
            f'expected {(width + 7) // 8} bytes'
        )


def _sums_of_planes(
    packed: PackedPlanes, edges: npt.NDArray[np.int64]
) -> Iterator[tuple[slice | npt.NDArray[np.intp], list[PackedPlanes]]]:
    """Add the planes of each bin, some bins at a time.

    Args:
        packed: ``[planes, height, row_bytes]`` uint8.
        edges: From :func:`bin_edges`.

    Yields:
        Indices of bins, and binary digits, lowest first, of their sums, each ``[bins, height,
        row_bytes]``.
    """
    starts, lengths = edges[:, 0], edges[:, 1] - edges[:, 0]
    for length in np.unique(lengths):
        same = np.flatnonzero(lengths == length)
        step = max(1, CHUNK_BYTES // (int(length) * max(1, packed[0].size)))
        for first in range(0, len(same), step):
            some = same[first : first + step]
            together = int(some[-1] - some[0]) == len(some) - 1
            chosen = slice(int(some[0]), int(some[-1]) + 1) if together else some
            stack = _planes_of_bins(packed, starts[some], int(length))
            digits = []
            carries = np.empty((len(stack) // 2, *stack.shape[1:]), np.uint8)
            digits.append(_add(stack, carries, overwrite=False))
            while len(carries):
                stack, carries = carries, carries[: len(carries) // 2].copy()
                digits.append(_add(stack, carries))
            yield chosen, digits


def _planes_of_bins(
    packed: PackedPlanes, starts: npt.NDArray[np.int64], length: int
) -> PackedPlanes:
    """Gather the planes of bins of one length, ``[length, bins, ...]``; a view if they tile."""
    if len(starts) == 1 or np.all(np.diff(starts) == length):
        tiled = packed[starts[0] : starts[0] + len(starts) * length]
        return tiled.reshape(len(starts), length, *packed.shape[1:]).swapaxes(0, 1)
    return packed[starts[None, :] + np.arange(length)[:, None]]


def _sums_of_rows(
    packed: PackedPlanes, edges: npt.NDArray[np.int64], inside: npt.NDArray[np.intp]
) -> PackedPlanes:
    """Add the planes of each bin, and of these sums the rows of each cell.

    Args:
        packed: ``[planes, height, row_bytes]`` uint8.
        edges: From :func:`bin_edges`.
        inside: Rows of each cell, ``[cell, cells]``.

    Returns:
        Binary digits, lowest first, ``[digits, bins, cells, row_bytes]``.
    """
    cell, cells = inside.shape
    highest = int((edges[:, 1] - edges[:, 0]).max()).bit_length()
    # Addends of each weight: carries from the weight below, then the cell's rows.
    stacks: list[PackedPlanes] = []
    carried = 0
    while carried or len(stacks) < highest:
        added = carried + (cell if len(stacks) < highest else 0)
        stacks.append(np.empty((added, len(edges), cells, packed.shape[2]), np.uint8))
        carried = added // 2
    for chosen, digits in _sums_of_planes(packed, edges):
        for weight, stack in enumerate(stacks[:highest]):
            for row, target in zip(inside, stack[-cell:], strict=True):
                if weight >= len(digits):
                    target[chosen] = 0
                elif isinstance(chosen, slice):
                    # The indices are in range; 'clip' writes to ``out`` without a copy.
                    np.take(digits[weight], row, axis=1, out=target[chosen], mode='clip')
                else:
                    target[chosen] = digits[weight][:, row]
    sums = np.empty((len(stacks), *stacks[0].shape[1:]), np.uint8)
    for weight, stack in enumerate(stacks):
        carries = stacks[weight + 1][: len(stack) // 2] if weight + 1 < len(stacks) else stack[:0]
        sums[weight] = _add(stack, carries)
    return sums


def _add(stack: PackedPlanes, carries: PackedPlanes, overwrite: bool = True) -> PackedPlanes:
    """Add bit planes of one weight.

    Full adders take three planes to one of the same weight and one of the next; all triples are
    added in one array operation.

    Args:
        stack: ``[n, ...]``, n at least 1.
        carries: ``[n // 2, ...]``; receives the planes of the next weight.
        overwrite: Allow to overwrite ``stack``.

    Returns:
        The digit of this weight, ``[...]``.
    """
    while len(stack) >= 3:
        third = len(stack) // 3
        a, b, c = stack[:third], stack[third : 2 * third], stack[2 * third : 3 * third]
        carry, carries = carries[:third], carries[third:]
        np.bitwise_and(a, b, out=carry)
        if overwrite:
            a ^= b
            np.bitwise_and(a, c, out=b)
            carry |= b
            c ^= a
            stack = stack[2 * third :]  # the sums, then the planes that made no triple
        else:
            left = np.empty((len(stack) - 2 * third, *stack.shape[1:]), np.uint8)
            half = np.bitwise_xor(a, b, out=left[:third])
            carry |= half & c
            half ^= c
            left[third:] = stack[3 * third :]
            stack, overwrite = left, True
    if len(stack) == 2:
        np.bitwise_and(stack[0], stack[1], out=carries[0])
        stack = stack[:1] ^ stack[1:]
    digit: PackedPlanes = stack[0]
    return digit


def _write_fields(digits: PackedPlanes, cell: int, bit_order: BitOrder, out: Counts) -> None:
    """Add the pixels of each cell inside its byte, and the digits.

    Args:
        digits: Binary digits, lowest first, ``[digits, bins, rows, row_bytes]``.
        cell: Pixels per side of a cell, one of ``FIELDS``.
        bit_order: Leftmost pixel of a byte, see :data:`BitOrder`.
        out: ``[bins, rows, columns]``; written to.
    """
    columns = out.shape[2]
    # As many digits as a byte holds the sum of.
    together = (255 // cell + 1).bit_length() - 1
    total = _bytes_of_fields(digits[:together], cell, bit_order)[:, :, :columns]
    for first in range(together, len(digits), together):
        more = _bytes_of_fields(digits[first : first + together], cell, bit_order)
        total = total + (more[:, :, :columns].astype(out.dtype) << first)
    out[:] = total


def _bytes_of_fields(
    digits: PackedPlanes, cell: int, bit_order: BitOrder
) -> npt.NDArray[np.uint8]:
    """Sum digits and the pixels of each cell, ``[bins, rows, row_bytes * 8 / cell]``."""
    *shape, row_bytes = digits.shape[1:]
    # Words, as numpy shifts bytes slowly; bits that a shift moves to another byte are masked out.
    kind = _widest_word(digits[0].size)
    fields = _spikes_in_fields(digits.reshape(len(digits), -1).view(kind), cell)
    parts = []
    for part in range(8 // cell):
        counts = fields >> kind.type(cell * part) if part else fields
        if cell < 8:
            counts = counts & _repeated((1 << cell) - 1, kind)
        total, *lower = counts[::-1]
        for digit in lower:
            total += total
            total += digit
        parts.append(total.view(np.uint8))
    if bit_order == 'big':
        parts.reverse()
    # Bytes of each part in turn: the leftmost is the lowest of a little-endian number.
    cells = parts[0].astype(f'<u{len(parts)}')
    for part in range(1, len(parts)):
        cells |= parts[part].astype(cells.dtype) << cells.dtype.type(8 * part)
    in_order: npt.NDArray[np.uint8] = cells.view(np.uint8)
    return in_order.reshape(*shape, row_bytes * len(parts))


def _spikes_in_fields(words: npt.NDArray[Any], cell: int) -> npt.NDArray[Any]:
    """Count the set bits in each field of ``cell`` (2, 4 or 8) bits of a byte."""
    kind = words.dtype
    # Pairs: 2a + b, less a, is a + b.
    counts: npt.NDArray[Any] = words - (words >> kind.type(1) & _repeated(0x55, kind))
    if cell >= 4:
        of_four = _repeated(0x33, kind)
        counts = (counts & of_four) + (counts >> kind.type(2) & of_four)
    if cell >= 8:
        counts = (counts + (counts >> kind.type(4))) & _repeated(0x0F, kind)
    return counts


def _widest_word(size: int) -> np.dtype[Any]:
    """Return the widest unsigned integer type whose size divides ``size`` bytes."""
    return np.dtype(f'u{next(width for width in (8, 4, 2, 1) if size % width == 0)}')


def _repeated(byte: int, kind: np.dtype[Any]) -> Any:
    """Return a word of one repeated byte."""
    return kind.type(int.from_bytes([byte] * kind.itemsize, 'little'))


def _sums_of_columns(
    digits: PackedPlanes,
    inside: npt.NDArray[np.intp],
    bit_order: BitOrder,
    kind: np.dtype[Any],
) -> Counts:
    """Add the pixels of each cell one by one.

    Args:
        digits: Binary digits, lowest first, ``[digits, bins, rows, row_bytes]``.
        inside: Columns of each cell, ``[cell, cells]``.
        bit_order: Leftmost pixel of a byte, see :data:`BitOrder`.
        kind: Type of the sums.

    Returns:
        ``[bins, rows, cells]``.
    """
    first, stop = int(inside.min()) // 8, int(inside.max()) // 8 + 1
    packed = np.ascontiguousarray(digits[..., first:stop])
    # Flat, as whole bytes are unpacked: row by row, short rows cost more than their bits.
    bits = np.unpackbits(packed, bitorder=bit_order)
    lowest, *higher = bits.reshape(*packed.shape[:3], 8 * (stop - first))
    pixels = np.zeros(lowest.shape, kind)
    for digit in reversed(higher):
        pixels += digit
        pixels += pixels
    pixels += lowest
    left, *others = inside - 8 * first
    counts: Counts = np.take(pixels, left, axis=2)
    for column in others:
        counts += np.take(pixels, column, axis=2)
    return counts
