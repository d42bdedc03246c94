# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded streams as packed planes: ``.dat``, ``.npy``, ``.npz``, and raw bytes from a pipe."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from spike_depth_ros import packing, vidar
from spike_depth_ros.chunk import BitOrder, Geometry, PackedPlanes
from spike_depth_ros.vidar import RowOrder


class RecordingError(ValueError):
    """A recording that cannot be read as spike planes; the message says why and how to mend it."""


@dataclasses.dataclass(frozen=True)
class TrueDepth:
    """True depth at some planes of a recording.

    Attributes:
        depth: ``[maps, height, width]`` float32 metres along the optical axis; NaN where unknown.
        planes: ``[maps]`` index of the plane that each map belongs to, ascending.
    """

    depth: npt.NDArray[np.float32]
    planes: npt.NDArray[np.int64]

    def nearest(self, plane: int) -> npt.NDArray[np.float32]:
        """The map whose plane is nearest."""
        nearest: npt.NDArray[np.float32] = self.depth[np.abs(self.planes - plane).argmin()]
        return nearest


@dataclasses.dataclass(frozen=True)
class Recording:
    """A recorded stream.

    Attributes:
        planes: Packed planes ``[planes, height, row_bytes]`` uint8, top row first; may be a view.
        geometry: Sensor size and bit order.
        rate_hz: Planes a second, where the file says it.
        camera_matrix: ``[3, 3]`` pixels, where the file has it.
        truth: True depth, where the file has it.
    """

    planes: PackedPlanes
    geometry: Geometry
    rate_hz: float | None = None
    camera_matrix: npt.NDArray[np.float64] | None = None
    truth: TrueDepth | None = None


def open_recording(
    path: Path,
    size: tuple[int, int] | None = None,
    bit_order: BitOrder = 'little',
    row_order: RowOrder = 'bottom_up',
    allow_partial: bool = False,
) -> Recording:
    """Open a recording by its suffix.

    ``.npz`` is either an archive of ours (``packed``, ``width``, ``bit_order`` and optionally
    ``rate_hz``, ``K``, ``depth``, ``depth_planes``; see docs/wire_format.md) or holds exactly one
    unpacked stream; ``.npy`` is an unpacked stream: ``[planes, height, width]`` of 0 and 1. Any
    other suffix is raw packed planes (Vidar ``.dat``).

    Args:
        path: The file.
        size: Sensor (width, height) in pixels; raw files need it, for others it is checked.
        bit_order: Bit order of a raw file.
        row_order: Row order of a raw file.
        allow_partial: Leave out an incomplete last plane of a raw file.

    Raises:
        RecordingError: Missing, unreadable, of another size or not a spike stream.
    """
    try:
        if path.suffix == '.npz':
            recording = _open_npz(path)
        elif path.suffix == '.npy':
            recording = _unpacked(np.load(path, mmap_mode='r', allow_pickle=False), str(path))
        elif size is None:
            raise RecordingError(
                f'{path}: a raw recording does not tell its sensor size; give it, '
                'for example --size 400x250'
            )
        else:
            geometry = Geometry(height=size[1], width=size[0], bit_order=bit_order)
            planes = vidar.read_dat(path, geometry, row_order, allow_partial)
            return Recording(planes, geometry)
    except FileNotFoundError as error:
        raise RecordingError(f'{path}: no such file') from error
    except RecordingError:
        raise
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise RecordingError(f'{path}: {str(error).removeprefix(f"{path}: ")}') from error
    found = (recording.geometry.width, recording.geometry.height)
    if size is not None and size != found:
        raise RecordingError(
            f'{path}: its planes are {found[0]}x{found[1]}, but {size[0]}x{size[1]} was asked for'
        )
    return recording


def read_pipe(
    stream: BinaryIO, geometry: Geometry, planes: int, row_order: RowOrder = 'bottom_up'
) -> Iterator[PackedPlanes]:
    """Raw packed planes from a pipe, a socket file or standard input, block by block.

    Args:
        stream: Binary stream; ends the iteration at its end.
        geometry: Sensor size and bit order.
        planes: Planes in a block, at least 1; the last block may hold fewer.
        row_order: Which row of a plane comes first.

    Yields:
        ``[planes, height, row_bytes]`` uint8, top row first.

    Raises:
        vidar.TruncatedError: The stream ended within a plane; the whole planes were yielded.
    """
    wanted = planes * geometry.plane_bytes
    while True:
        block = bytearray()
        while len(block) < wanted and (piece := stream.read(wanted - len(block))):
            block += piece
        whole, rest = divmod(len(block), geometry.plane_bytes)
        if whole:
            data = np.frombuffer(block, np.uint8, whole * geometry.plane_bytes)
            shaped = data.reshape(whole, geometry.height, geometry.row_bytes)
            yield vidar.upright(shaped, row_order)
        if rest:
            raise vidar.TruncatedError(
                f'the stream ended within a plane: {rest} of {geometry.plane_bytes} bytes '
                f'({geometry.width}x{geometry.height}) were left over; check the sensor size'
            )
        if len(block) < wanted:
            return


def _open_npz(path: Path) -> Recording:
    with np.load(path, allow_pickle=False) as archive:
        if 'packed' in archive.files:
            return _open_own(archive, path)
        streams = [name for name in archive.files if archive[name].ndim == 3]
        if len(streams) != 1:
            raise RecordingError(
                f'{path}: holds {", ".join(archive.files) or "nothing"}; expected "packed" with '
                '"width", or exactly one array [planes, height, width] of 0 and 1'
            )
        return _unpacked(archive[streams[0]], f'{path}: {streams[0]}')


def _open_own(archive: Any, path: Path) -> Recording:
    # Our sample is stored in the order that compresses best; packets need whole planes in a row.
    packed = np.ascontiguousarray(archive['packed'])
    if 'width' not in archive.files or packed.dtype != np.uint8 or packed.ndim != 3:
        raise RecordingError(
            f'{path}: "packed" is {packed.dtype} {list(packed.shape)}; expected uint8 '
            '[planes, height, ceil(width / 8)], and an integer "width" beside it'
        )
    order = str(archive['bit_order']) if 'bit_order' in archive.files else 'little'
    geometry = Geometry(packed.shape[1], int(archive['width']), order)  # type: ignore[arg-type]
    if packed.shape[2] != geometry.row_bytes or len(packed) == 0:
        raise RecordingError(
            f'{path}: "packed" is {list(packed.shape)}, expected [planes, {geometry.height}, '
            f'{geometry.row_bytes}] for a width of {geometry.width}'
        )
    return Recording(
        packed,
        geometry,
        rate_hz=float(archive['rate_hz']) if 'rate_hz' in archive.files else None,
        camera_matrix=archive['K'].astype(np.float64) if 'K' in archive.files else None,
        truth=_truth(archive, geometry, path) if 'depth' in archive.files else None,
    )


def _truth(archive: Any, geometry: Geometry, path: Path) -> TrueDepth:
    depth = archive['depth']
    planes = np.asarray(archive['depth_planes'] if 'depth_planes' in archive.files else [0])
    if depth.shape != (len(planes), geometry.height, geometry.width):
        raise RecordingError(
            f'{path}: "depth" is {list(depth.shape)}, expected [{len(planes)}, '
            f'{geometry.height}, {geometry.width}] for its "depth_planes"'
        )
    metres = depth * np.float32(0.001) if depth.dtype == np.uint16 else depth.astype(np.float32)
    known = np.isfinite(metres) & (metres > 0)
    return TrueDepth(np.where(known, metres, np.float32(np.nan)), planes.astype(np.int64))


def _unpacked(spikes: npt.NDArray[Any], name: str) -> Recording:
    if spikes.ndim != 3 or spikes.size == 0 or spikes.dtype.kind not in 'bui':
        raise RecordingError(
            f'{name}: {spikes.dtype} {list(spikes.shape)}; expected [planes, height, width] of '
            '0 and 1 (bool or integers)'
        )
    if spikes.dtype.kind != 'b' and (spikes.max() > 1 or spikes.min() < 0):
        raise RecordingError(
            f'{name}: values {spikes.min()} to {spikes.max()}; expected 0 and 1 '
            '(grey frames become spikes by simulation, not by playing them)'
        )
    geometry = Geometry(spikes.shape[1], spikes.shape[2])
    return Recording(packing.pack(spikes), geometry)
