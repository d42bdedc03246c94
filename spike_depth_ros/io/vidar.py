# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of Vidar ``.dat`` recordings: raw packed planes without a header.

A plane is ``height`` rows of ``ceil(width / 8)`` bytes, bottom row first; in a byte the least
significant bit is the leftmost pixel. Other writers' files differ in what :class:`RawLayout` has.
"""

from __future__ import annotations

import dataclasses
import mmap
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base.errors import OneLineError
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes

RowOrder = Literal['bottom_up', 'top_down']
"""First row of a plane in a file: the bottom or the top row."""

Packing = Literal['rows', 'whole']
"""Where packing begins a byte: at each row, or only at each plane: rows are not padded."""

Axes = Literal['thw', 'hwt']
"""Order of an array's axes: planes, rows, columns; or rows, columns, planes."""

MAX_SKIPPED = 4096
"""Most columns that can be left out."""

MAX_SERIES_BYTES = 1 << 31
"""Largest raw file with the axes ``hwt``, which is read into memory, bytes."""

_BLOCK_BITS = 1 << 24


class TruncatedError(OneLineError):
    """Error of a file that ends within a plane."""


@dataclasses.dataclass(frozen=True)
class RawLayout:
    """Layout of raw planes in a file or a pipe.

    Attributes:
        geometry: Sensor size, without skipped columns, and bit order.
        row_order: First row of a plane; a Vidar camera's is ``bottom_up``.
        packing: Whether rows are padded to whole bytes.
        skip_columns: Columns at the left of each row that are no pixels.
        padding: Bytes at the end of each row that are no pixels.

    Raises:
        ValueError: The number of skipped columns is out of range.
    """

    geometry: Geometry
    row_order: RowOrder = 'bottom_up'
    packing: Packing = 'rows'
    skip_columns: int = 0
    padding: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.skip_columns <= MAX_SKIPPED:
            raise ValueError(
                f'{self.skip_columns} skipped columns: expected 0 to {MAX_SKIPPED}, '
                'where rows of 416 hold 400 pixels 16'
            )

    @property
    def columns(self) -> int:
        """Columns of a stored row, with those skipped."""
        return self.geometry.width + self.skip_columns

    @property
    def row_bytes(self) -> int | None:
        """Bytes of a stored row; None: rows begin within bytes."""
        if self.packing == 'whole' and self.columns % 8:
            return None
        return -(-self.columns // 8) + self.padding

    @property
    def plane_bytes(self) -> int:
        """Bytes of a stored plane."""
        row = self.row_bytes
        height = self.geometry.height
        return -(-height * self.columns // 8) if row is None else row * height

    @property
    def is_plain(self) -> bool:
        """True if planes are stored as they are read, but for the order of their rows."""
        return self.row_bytes is not None and self.skip_columns % 8 == 0

    def __str__(self) -> str:
        text = f'{self.geometry.width}x{self.geometry.height}'
        if self.skip_columns:
            text += f' behind {self.skip_columns} columns'
        return f'{text}, rows not padded' if self.row_bytes is None else text

    def planes(self, data: npt.NDArray[np.uint8]) -> PackedPlanes:
        """Return whole stored planes as packed ones; a view where the layout is plain.

        Args:
            data: Their bytes, of one or more planes.

        Returns:
            ``[planes, height, row_bytes]`` uint8, top row first.
        """
        height, width = self.geometry.height, self.geometry.width
        stored = data.reshape(-1, self.plane_bytes)
        if self.row_bytes is not None:
            rows = stored.reshape(len(stored), height, self.row_bytes)
            first, odd = divmod(self.skip_columns, 8)
            if not odd:
                return upright(rows[:, :, first : first + self.geometry.row_bytes], self.row_order)
        order = self.geometry.bit_order
        packed = np.empty((len(stored), height, self.geometry.row_bytes), np.uint8)
        step = max(1, _BLOCK_BITS // (8 * self.plane_bytes))  # bits take eight times the memory
        for start in range(0, len(stored), step):
            bits = np.unpackbits(stored[start : start + step], axis=1, bitorder=order)
            if self.row_bytes is not None:
                bits = bits.reshape(len(bits), height, 8 * self.row_bytes)
            else:
                bits = bits[:, : height * self.columns].reshape(len(bits), height, self.columns)
            shown = bits[:, :, self.skip_columns : self.skip_columns + width]
            packed[start : start + step] = packing.pack(shown, order)
        return upright(packed, self.row_order)


class _PlanesOfFile:
    """Planes of a file that is not plain, converted whenever they are read.

    Of an array it has what :class:`~spike_depth_ros.io.recording.Recording` promises: length,
    shape, slices, and conversion to a whole array.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, stored: npt.NDArray[np.uint8], layout: RawLayout) -> None:
        self._stored, self._layout = stored, layout
        geometry = layout.geometry
        self.shape = (len(stored), geometry.height, geometry.row_bytes)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> PackedPlanes:
        first, *others = index if isinstance(index, tuple) else (index,)
        chosen = self._stored[first]
        one = chosen.ndim == 1
        planes = self._layout.planes(chosen)
        where = (0 if one else slice(None), *others)
        found: PackedPlanes = planes[where]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[:], dtype)


def read_dat(path: Path, layout: RawLayout, allow_partial: bool = False) -> PackedPlanes:
    """Map a recording of raw packed planes into memory; nothing is copied.

    Args:
        path: The file.
        layout: Sensor size and so on, which the file does not contain.
        allow_partial: Leave out an incomplete last plane instead of refusing the file.

    Returns:
        ``[planes, height, row_bytes]`` uint8, top row first, a read-only view of the file; of a
        layout that is not plain, it is converted where it is read.

    Raises:
        FileNotFoundError: There is no such file.
        TruncatedError: The size is not a whole number of planes.
        ValueError: The file is shorter than one plane.
    """
    size = path.stat().st_size
    planes, rest = divmod(size, layout.plane_bytes)
    if planes == 0:
        raise ValueError(
            f'{path}: {size} bytes are less than one plane of {layout.plane_bytes} bytes '
            f'({layout}); check the sensor size'
        )
    if rest and not allow_partial:
        raise TruncatedError(
            f'{path}: {size} bytes are {planes} planes of {layout.plane_bytes} bytes '
            f'({layout}) and {rest} bytes more'
        )
    with path.open('rb') as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    data = np.frombuffer(mapped, np.uint8, planes * layout.plane_bytes)
    if layout.is_plain:
        return layout.planes(data)
    return cast(PackedPlanes, _PlanesOfFile(data.reshape(planes, -1), layout))


def read_part(path: Path, layout: RawLayout, first: int, stop: int) -> PackedPlanes:
    """Read some planes of a recording; unlike a mapped file it may become shorter meanwhile.

    Args:
        path: The file.
        layout: Its layout.
        first: Number of the first plane.
        stop: One past the last plane.

    Returns:
        ``[stop - first, height, row_bytes]`` uint8, top row first.

    Raises:
        OSError: The file cannot be read.
        TruncatedError: It has become shorter.
    """
    wanted = (stop - first) * layout.plane_bytes
    with path.open('rb') as file:
        file.seek(first * layout.plane_bytes)
        data = file.read(wanted)
    if len(data) < wanted:
        planes = path.stat().st_size // layout.plane_bytes
        raise TruncatedError(
            f'{path}: was cut while it was read: {planes} planes are left, expected {stop} or '
            'more: copy or record it again'
        )
    return layout.planes(np.frombuffer(data, np.uint8))


def read_series(path: Path, layout: RawLayout) -> PackedPlanes:
    """Read a raw file of the axes ``hwt``: of pixel after pixel, the bits of all planes.

    Args:
        path: The file; the number of planes is that of the bits of each pixel.
        layout: Its layout, without padding.

    Returns:
        ``[planes, height, row_bytes]`` uint8, top row first.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no whole number of planes, or too large.
    """
    size, pixels = path.stat().st_size, layout.geometry.height * layout.columns
    planes, rest = divmod(8 * size, pixels)
    if not planes or rest > 7 or size > MAX_SERIES_BYTES:
        raise ValueError(
            f'{path}: {size} bytes are {planes} planes of {layout} in the axes hwt and {rest} '
            f'bits more, expected whole planes and at most {MAX_SERIES_BYTES} bytes; check the '
            'sensor size'
        )
    data = np.fromfile(path, np.uint8)
    geometry, order = layout.geometry, layout.geometry.bit_order
    packed = np.empty((planes, geometry.height, geometry.row_bytes), np.uint8)
    of_row = layout.columns * planes
    for row in range(geometry.height):
        first = row * of_row
        some = data[first // 8 : -(-(first + of_row) // 8)]
        bits = np.unpackbits(some, bitorder=order)[first % 8 :][:of_row]
        columns = bits.reshape(layout.columns, planes)[layout.skip_columns :]
        packed[:, row] = packing.pack(columns.T[:, None], order)[:, 0]
    return upright(packed, layout.row_order)


def upright(planes: PackedPlanes, row_order: RowOrder) -> PackedPlanes:
    """Return a view of planes with the top row first.

    Args:
        planes: Packed planes, ``[planes, height, row_bytes]``.
        row_order: First row in ``planes``.
    """
    return planes[:, ::-1] if row_order == 'bottom_up' else planes
