# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Readers of recorded streams: ``.dat``, ``.npy``, ``.npz``, and raw bytes from a pipe."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import os
import select
import stat
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, cast, get_args

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base.errors import OneLineError, check_regular, special_file
from spike_depth_ros.geometry.calibration import (
    MAX_BASELINE_M,
    MIN_BASELINE_M,
    check_focal_lengths,
)
from spike_depth_ros.geometry.depth_values import resolve, unit_problem
from spike_depth_ros.io import vidar
from spike_depth_ros.io.raw_check import likely_size, rest_problem
from spike_depth_ros.io.vidar import Axes, Packing, RawLayout, RowOrder
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import BitOrder, Geometry, PackedPlanes

MIN_RATE_HZ, MAX_RATE_HZ = 1e-3, 1e6
"""Valid plane rates of a recording, planes a second."""

MAX_ARCHIVE_BYTES = 1 << 31
"""Largest total size of the arrays of an .npz, expanded, bytes; they are read into memory."""

Eye = Literal['left', 'right']
"""Eye of a recording of two cameras; of one camera it is the left one."""

_BLOCK_BYTES = 1 << 24

STORAGE_SUFFIXES = ('.mcap', '.db3')
"""Suffixes of the files of a bag."""


class RecordingError(OneLineError):
    """Error of a recording that cannot be read; the message has reason and remedy."""


@dataclasses.dataclass(frozen=True)
class TrueDepth:
    """True depth at some planes of a recording.

    Attributes:
        depth: ``[maps, height, width]`` float32 metres along the optical axis; NaN where unknown,
            +Inf where it is beyond the range, or sky.
        planes: Index of the plane of each map, ascending, ``[maps]``.
    """

    depth: npt.NDArray[np.float32]
    planes: npt.NDArray[np.int64]

    def checked(self) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """Yield plane and depth of each map, ``[height, width]``.

        Raises:
            RecordingError: A map seems to be in another unit.
        """
        for plane, depth in zip(map(int, self.planes), self.depth, strict=True):
            if problem := unit_problem(depth):
                raise RecordingError(
                    f'"depth" of the recording, plane {plane}: {problem}: store metres as float, '
                    'or millimetres as uint16'
                )
            yield plane, depth

    def nearest(self, plane: int) -> npt.NDArray[np.float32]:
        """Return the map nearest to a plane, ``[height, width]``."""
        nearest: npt.NDArray[np.float32] = self.depth[np.abs(self.planes - plane).argmin()]
        return nearest


@dataclasses.dataclass(frozen=True)
class Recording:
    """Recorded stream.

    Attributes:
        planes: Packed planes ``[planes, height, row_bytes]`` uint8, top row first; may be a view.
        geometry: Sensor size and bit order.
        rate_hz: Planes a second; None: not in the file.
        camera_matrix: Camera matrix, ``[3, 3]`` pixels; None: not in the file.
        truth: True depth; None: not in the file, as that of the right eye.
        relative_depth: Labels of which 1 / depth is known up to scale and shift, in place of true
            depth; None: not in the file.
        baseline_m: Distance of the two eyes of the file, metres; None: it has one. The eyes are
            rectified: their rows are the same, and so are focal length and row of the principal
            point of their camera matrices.
        part: Function that reads planes from a first one up to before a last one from a raw file,
            which may be cut meanwhile; None: all planes are in memory.
        layout: Layout of the raw file; None: it is none, or in memory.
        assumed: Name of an array whose axes were assumed to be ``thw``; empty: there is none.
    """

    planes: PackedPlanes
    geometry: Geometry
    rate_hz: float | None = None
    camera_matrix: npt.NDArray[np.float64] | None = None
    truth: TrueDepth | None = None
    relative_depth: TrueDepth | None = None
    baseline_m: float | None = None
    part: Callable[[int, int], PackedPlanes] | None = None
    layout: RawLayout | None = None
    assumed: str = ''

    def read(self, first: int, stop: int) -> PackedPlanes:
        """Return planes from a first one up to before a last one.

        A mapped file that is cut while it is read would end the process (SIGBUS).

        Raises:
            vidar.TruncatedError: The file was cut.
            OSError: The file cannot be read.
        """
        stop = min(stop, len(self.planes))
        return self.planes[first:stop] if self.part is None else self.part(first, stop)


def is_bag(path: Path) -> bool:
    """Return True for a folder, or a storage file of a bag."""
    return path.is_dir() or path.suffix in STORAGE_SUFFIXES


def open_recording(
    path: Path,
    size: tuple[int, int] | None = None,
    bit_order: BitOrder | None = None,
    row_order: RowOrder | None = None,
    allow_partial: bool = False,
    eye: Eye = 'left',
    packing: Packing | None = None,
    skip_columns: int | None = None,
    axes: Axes | None = None,
) -> Recording:
    """Open a recording by its suffix.

    ``.npz`` is either an archive of this package (``packed``, ``width``, ``bit_order`` and
    optionally ``rate_hz``, ``K``, ``depth``, ``depth_planes``; see docs/reference/wire_format.md)
    or holds exactly one unpacked stream; ``.npy`` is an unpacked stream: ``[planes, height,
    width]`` of 0 and 1. Any other suffix is raw packed planes (Vidar ``.dat``). An archive of two
    eyes also has ``packed_right``, ``K_right`` and ``baseline_m``.

    Args:
        path: The file.
        size: Sensor (width, height) in pixels; raw files need it, for others it is checked.
        bit_order: Bit order of a raw file; None: ``little``.
        row_order: Row order of a raw file; None: ``bottom_up``.
        allow_partial: Leave out an incomplete last plane of a raw file.
        eye: Eye of an archive of two.
        packing: Packing of a raw file; None: ``rows``.
        skip_columns: Columns at the left of each row of a raw file or an unpacked stream that are
            no pixels; ``size`` is without them. None: 0.
        axes: Axes of an unpacked stream, or of the bits of a raw file; None: those that fit
            ``size``, else ``thw``.

    Raises:
        RecordingError: Missing, unreadable, of another size or not a spike stream, or it has no
            right eye, or an option of raw files is given for another one.
    """
    if eye not in get_args(Eye):
        raise RecordingError(f'{path}: eye {eye!r}; expected {" or ".join(get_args(Eye))}')
    if is_bag(path):
        raise RecordingError(
            f'{path}: is a bag; expected .dat, .npy or .npz: play it with spike_player, or '
            'evaluate a model on it with evaluate_bag'
        )
    if not path.exists():
        raise RecordingError(f'{path}: no such file')
    if kind := special_file(path):
        raise RecordingError(
            f'{path}: is {kind}; expected a file: write the planes to one first (spike_player '
            'and spike_camera read pipes)'
        )
    if path.suffix in ('.npy', '.npz'):
        _refuse_options(path, bit_order, row_order, allow_partial, packing)
    unpacked = _Unpacked(size, skip_columns or 0, axes)
    try:
        if path.suffix == '.npz':
            recording = _open_npz(path, eye, unpacked)
        elif eye == 'right':
            raise RecordingError(f'{path}: has one eye; expected an archive of two, .npz')
        elif path.suffix == '.npy':
            recording = _open_npy(path, unpacked)
        elif size is None:
            raise RecordingError(
                f'{path}: the sensor size of a raw recording is unknown; give it, '
                f'for example --size 400x250{likely_size(path)}'
            )
        else:
            layout = raw_layout(size, bit_order, row_order, packing, skip_columns)
            return _open_raw(path, layout, axes, allow_partial)
    except (OSError, ValueError) as error:
        # One line, also with names and texts of a damaged file.
        reason = ' '.join(str(error).removeprefix(f'{path}: ').split())
        raise RecordingError(f'{path}: {reason}') from error
    found = (recording.geometry.width, recording.geometry.height)
    if size is not None and size != found:
        raise RecordingError(
            f'{path}: its planes are {found[0]}x{found[1]}; expected {size[0]}x{size[1]} as given'
        )
    return recording


def raw_layout(
    size: tuple[int, int],
    bit_order: BitOrder | None = None,
    row_order: RowOrder | None = None,
    packing: Packing | None = None,
    skip_columns: int | None = None,
) -> RawLayout:
    """Return the layout of a raw file or pipe, by default that of Vidar.

    Args:
        size: Sensor (width, height) in pixels.
        bit_order: As for :func:`open_recording`.
        row_order: As there.
        packing: As there.
        skip_columns: As there.

    Raises:
        ValueError: The size or the number of skipped columns is out of range.
    """
    geometry = Geometry(size[1], size[0], bit_order or 'little')
    return RawLayout(geometry, row_order or 'bottom_up', packing or 'rows', skip_columns or 0)


def _open_raw(path: Path, layout: RawLayout, axes: Axes | None, allow_partial: bool) -> Recording:
    if axes == 'hwt':
        if layout.row_bytes is not None and layout.columns % 8:
            # Bits of one pixel after another have no rows to pad.
            layout = dataclasses.replace(layout, packing='whole')
        return Recording(vidar.read_series(path, layout), layout.geometry)
    try:
        planes = vidar.read_dat(path, layout, allow_partial)
    except vidar.TruncatedError as error:
        raise vidar.TruncatedError(f'{error}{rest_problem(path, layout)}') from error
    part = functools.partial(vidar.read_part, path, layout)
    return Recording(planes, layout.geometry, part=part, layout=layout)


def _refuse_options(
    path: Path,
    bit_order: BitOrder | None,
    row_order: RowOrder | None,
    allow_partial: bool,
    packing: Packing | None,
) -> None:
    """Refuse options of raw files for one with a layout of its own."""
    layout = {
        'bit-order': bit_order,
        'row-order': row_order,
        'allow-partial': allow_partial,
        'packing': packing,
    }
    if given := [name for name, value in layout.items() if value]:
        raise RecordingError(
            f'{path}: has a layout of its own; expected a raw file with --{given[0]}: leave it out'
        )


class ByteStream(Protocol):
    """Source of bytes: a binary stream, or a pipe that may have none at the moment."""

    def read(self, size: int, /) -> bytes | None:
        """Read at most ``size`` bytes; none at the end, None if there are none at the moment."""
        ...


class WaitingPipe:
    """Pipe with a timeout of each read, so that the process can end.

    Args:
        source: A named pipe, opened without waiting for its writer, or an open file descriptor.
        wait_s: Longest wait for bytes in one call, seconds.

    Raises:
        OSError: The pipe cannot be opened.
    """

    def __init__(self, source: Path | int, wait_s: float = 0.2) -> None:
        self._is_own = isinstance(source, Path)
        if isinstance(source, Path):
            source = os.open(source, os.O_RDONLY | os.O_NONBLOCK)
        self._descriptor = source
        self._wait_s = wait_s

    def ready(self) -> bool:
        """Return True if bytes, or the end of the stream, arrive within ``wait_s``."""
        return bool(select.select([self._descriptor], [], [], self._wait_s)[0])

    def read(self, size: int, /) -> bytes | None:
        """Read at most ``size`` bytes; none at the end, None if none arrive within ``wait_s``."""
        return os.read(self._descriptor, size) if self.ready() else None

    def close(self) -> None:
        """Close the pipe, unless it was given as a descriptor."""
        if self._is_own:
            os.close(self._descriptor)


def open_pipe(source: str) -> WaitingPipe:
    """Open a named pipe, or standard input of the name ``-``.

    Raises:
        RecordingError: Standard input is closed.
        OSError: The pipe cannot be opened.
    """
    if source != '-':
        return WaitingPipe(Path(source))
    if sys.stdin is None:
        raise RecordingError('standard input is closed; pipe the planes into it')
    return WaitingPipe(sys.stdin.fileno())


def is_pipe(source: str | Path) -> bool:
    """Return True for a named pipe, and for ``-``, standard input."""
    path = Path(source)
    return str(source) == '-' or (path.exists() and stat.S_ISFIFO(path.stat().st_mode))


class PlanePipe:
    """Raw packed planes of a pipe, a socket file or standard input, block by block.

    Args:
        stream: Binary stream.
        layout: Layout of the planes.
        look: Called with the bytes of each block, and with none at the end of the stream.

    Attributes:
        ended: True: the stream is over.
    """

    def __init__(
        self,
        stream: ByteStream,
        layout: RawLayout,
        look: Callable[[bytes | bytearray], object] = lambda _: None,
    ) -> None:
        self.ended = False
        self._stream, self._layout, self._look = stream, layout, look
        self._block = bytearray()

    def read(self, planes: int) -> PackedPlanes | None:
        """Return the next block; None: the stream has no bytes at the moment, or has ended.

        Args:
            planes: Planes in the block, at least 1; the last one may hold fewer.

        Returns:
            ``[planes, height, row_bytes]`` uint8, top row first.

        Raises:
            vidar.TruncatedError: The stream ended within a plane; the whole planes were returned.
        """
        each = self._layout.plane_bytes
        wanted = planes * each
        while not self.ended and len(self._block) < wanted:
            piece = self._stream.read(wanted - len(self._block))
            if piece is None:
                return None
            self.ended = not piece
            self._block += piece
        whole, rest = divmod(len(self._block), each)
        block, self._block = self._block, self._block[whole * each :] if rest else bytearray()
        if whole:
            self._look(block)
            return self._layout.planes(np.frombuffer(block, np.uint8, whole * each))
        self._look(b'')
        if rest:
            self._block = bytearray()
            raise vidar.TruncatedError(
                f'the stream ended within a plane: {rest} of {each} bytes ({self._layout}) were '
                'left over; check the sensor size'
            )
        return None


def read_pipe(
    stream: ByteStream,
    layout: RawLayout,
    planes: int,
    keep_going: Callable[[], bool] = lambda: True,
    look: Callable[[bytes | bytearray], object] = lambda _: None,
) -> Iterator[PackedPlanes]:
    """Yield the blocks of a pipe, see :class:`PlanePipe`.

    Args:
        stream: Binary stream; ends the iteration at its end.
        layout: As there.
        planes: Planes in a block.
        keep_going: Called while the stream has no bytes; False ends the iteration, without the
            incomplete block.
        look: As there.

    Raises:
        vidar.TruncatedError: The stream ended within a plane; the whole planes were yielded.
    """
    pipe = PlanePipe(stream, layout, look)
    while True:
        block = pipe.read(planes)
        if block is not None:
            yield block
        elif pipe.ended or not keep_going():
            return


class NpyFile:
    """Array in a .npy file, of which parts are read; a mapped file that is cut ends the process.

    Args:
        path: The file.

    Attributes:
        shape: Shape of the array.
        dtype: Type of its values.
        is_fortran: True if a part of the first axis is spread over the whole file, which is read.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged or in another format; of a damaged header, numpy raises others.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        check_regular(path)
        with path.open('rb') as file:
            self.shape, self.is_fortran, self.dtype = _header(file)
            self._start = file.tell()
        if self.dtype.hasobject:
            raise ValueError('it holds Python objects')
        needed, found = math.prod(self.shape) * self.dtype.itemsize, path.stat().st_size
        if needed < 0 or found - self._start < needed:
            raise ValueError(
                f'its header declares {needed} bytes of data, the file has {found - self._start}'
            )

    def read(self, first: int, stop: int) -> npt.NDArray[Any]:
        """Read from a first index of the first axis up to before a last one.

        Raises:
            vidar.TruncatedError: The file was cut.
            OSError: The file cannot be read.
        """
        stop = min(stop, self.shape[0])
        if self.is_fortran:
            return self.whole()[first:stop]
        each = math.prod(self.shape[1:])
        return self._values(first * each, stop * each).reshape(stop - first, *self.shape[1:])

    def whole(self) -> npt.NDArray[Any]:
        """Read all of it; errors are those of :meth:`read`."""
        values = self._values(0, math.prod(self.shape))
        if self.is_fortran:
            return values.reshape(self.shape[::-1]).T
        return values.reshape(self.shape)

    def _values(self, first: int, stop: int) -> npt.NDArray[Any]:
        """Read values in the order of the file."""
        wanted = (stop - first) * self.dtype.itemsize
        with self._path.open('rb') as file:
            file.seek(self._start + first * self.dtype.itemsize)
            data = file.read(wanted)
        if len(data) < wanted:
            raise vidar.TruncatedError(
                f'{self._path}: was cut while it was read: {self._path.stat().st_size} bytes are '
                'left: copy or record it again'
            )
        return np.frombuffer(data, self.dtype)


@contextlib.contextmanager
def damage(path: Path, name: str = '') -> Iterator[None]:
    """Convert errors of numpy, zipfile and decompressors to a :class:`RecordingError`."""
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:  # zlib.error, struct.error, KeyError, TypeError, ...
        what = f'"{name}"' if name else 'the file'
        raise RecordingError(
            f'{path}: {what} is damaged or in another format ({error}); copy or record it again'
        ) from error


@dataclasses.dataclass(frozen=True)
class _Unpacked:
    """Options of an unpacked stream, see :func:`open_recording`."""

    size: tuple[int, int] | None
    skip_columns: int
    axes: Axes | None

    def refuse(self, path: Path) -> None:
        """Refuse options of unpacked streams for packed planes."""
        given = {'skip-columns': self.skip_columns, 'axes': self.axes}
        if names := [name for name, value in given.items() if value]:
            raise RecordingError(
                f'{path}: holds packed planes beside their width; expected one unpacked array '
                f'with --{names[0]}: leave it out'
            )


def _open_npy(path: Path, options: _Unpacked) -> Recording:
    if zipfile.is_zipfile(path):
        raise RecordingError(f'{path}: holds an archive; expected one array (or the suffix .npz)')
    with damage(path):
        spikes = NpyFile(path)
    return _unpacked(spikes, str(path), options)


def _open_npz(path: Path, eye: Eye, options: _Unpacked) -> Recording:
    with damage(path):
        # Archives are not mapped, and their sizes are checked before they are expanded.
        archive = np.load(path, mmap_mode='r', allow_pickle=False)  # noqa: TID251
    if isinstance(archive, np.ndarray):
        raise RecordingError(f'{path}: holds one array; expected an archive (or the suffix .npy)')
    with archive:
        shapes = _check_archive(archive, path)
        if {'packed', 'packed_right'} & {*archive.files}:
            options.refuse(path)
        if 'packed_right' in archive.files:
            return _open_pair(archive, path, eye, shapes)
        if eye == 'right':
            raise RecordingError(
                f'{path}: holds {", ".join(archive.files) or "nothing"}; expected two eyes, '
                '"packed" and "packed_right"'
            )
        if 'packed' in archive.files:
            return _open_own(archive, path)
        streams = [name for name, shape in shapes.items() if len(shape) == 3]
        if len(streams) != 1:
            raise RecordingError(
                f'{path}: holds {", ".join(archive.files) or "nothing"}; expected "packed" with '
                '"width", or exactly one array [planes, height, width] of 0 and 1'
            )
        return _unpacked(_array(archive, streams[0], path), f'{path}: {streams[0]}', options)


def _check_archive(archive: Any, path: Path) -> dict[str, tuple[int, ...]]:
    """Check the declared sizes of an archive before its arrays are read.

    Returns:
        Shape of each array by its name.
    """
    members = archive.zip.infolist()
    total = sum(member.file_size for member in members)
    if total > MAX_ARCHIVE_BYTES:
        raise RecordingError(
            f'{path}: its arrays expand to {total} bytes, expected at most {MAX_ARCHIVE_BYTES}: '
            'split it, or write its packed planes to a .dat file, which is not read at once'
        )
    shapes = {}
    for member in members:
        name = member.filename.removesuffix('.npy')
        with damage(path, name), archive.zip.open(member) as file:
            if not file.peek(6).startswith(b'\x93NUMPY'):
                continue
            shape, data_bytes = read_header(file)
            if file.tell() + data_bytes != member.file_size:
                raise ValueError(
                    f'its header declares {data_bytes} bytes of data, the archive has '
                    f'{member.file_size - file.tell()}'
                )
            shapes[name] = shape
    return shapes


def read_header(file: Any) -> tuple[tuple[int, ...], int]:
    """Read the header of an array in .npy format; return shape and bytes of its data."""
    shape, _, kind = _header(file)
    return shape, math.prod(shape) * kind.itemsize


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an array in .npy format; return shape, Fortran order or not, and type."""
    npy: Any = np.lib.format
    read = npy.read_array_header_1_0
    if npy.read_magic(file) != (1, 0):
        read = npy.read_array_header_2_0
    header: tuple[tuple[int, ...], bool, np.dtype[Any]] = read(file)
    return header


def _array(archive: Any, name: str, path: Path) -> npt.NDArray[Any]:
    with damage(path, name):
        return np.asarray(archive[name])


def _open_pair(
    archive: Any, path: Path, eye: Eye, shapes: dict[str, tuple[int, ...]]
) -> Recording:
    """Open an eye of an archive of two."""
    missing = [name for name in ('packed', 'K', 'K_right', 'baseline_m') if name not in shapes]
    if missing:
        raise RecordingError(
            f'{path}: holds "packed_right" without {", ".join(missing)}; expected "packed", the '
            'camera matrices "K" and "K_right", and "baseline_m" beside it'
        )
    if shapes['packed_right'] != shapes['packed']:
        raise RecordingError(
            f'{path}: "packed_right" is {list(shapes["packed_right"])}, expected '
            f'{list(shapes["packed"])}, that of "packed": as many planes of the same sensor'
        )
    baseline_m = float(_number(archive, 'baseline_m', path, 'fiu', 'metres, one number'))
    if not MIN_BASELINE_M <= baseline_m <= MAX_BASELINE_M:
        raise RecordingError(
            f'{path}: "baseline_m" is {baseline_m:g}; expected metres from the left to the right '
            f'eye, {MIN_BASELINE_M:g} to {MAX_BASELINE_M:g}'
        )
    return dataclasses.replace(_open_own(archive, path, eye), baseline_m=baseline_m)


def _open_own(archive: Any, path: Path, eye: Eye = 'left') -> Recording:
    of_eye = '_right' if eye == 'right' else ''
    name, matrix = f'packed{of_eye}', f'K{of_eye}'
    # The shipped samples are in the order that compresses best; packets need contiguous planes.
    packed = np.ascontiguousarray(_array(archive, name, path))
    if 'width' not in archive.files or packed.dtype != np.uint8 or packed.ndim != 3:
        raise RecordingError(
            f'{path}: "{name}" is {packed.dtype} {list(packed.shape)}; expected uint8 '
            '[planes, height, ceil(width / 8)], and an integer "width" beside it'
        )
    order = str(_array(archive, 'bit_order', path)) if 'bit_order' in archive.files else 'little'
    width = int(_number(archive, 'width', path, 'iu', 'an integer'))
    geometry = Geometry(packed.shape[1], width, order)  # type: ignore[arg-type]
    if packed.shape[2] != geometry.row_bytes or len(packed) == 0:
        raise RecordingError(
            f'{path}: "{name}" is {list(packed.shape)}, expected [planes, {geometry.height}, '
            f'{geometry.row_bytes}] for a width of {geometry.width}'
        )
    maps = {
        name: _depth(archive, name, len(packed), geometry, path)
        for name in ('depth', 'relative_depth')
        if eye == 'left' and name in archive.files
    }
    return Recording(
        packed,
        geometry,
        rate_hz=_rate(archive, path) if 'rate_hz' in archive.files else None,
        camera_matrix=_camera_matrix(archive, matrix, path) if matrix in archive.files else None,
        truth=maps.get('depth'),
        relative_depth=maps.get('relative_depth'),
    )


def _number(archive: Any, name: str, path: Path, kinds: str, expected: str) -> float:
    value = _array(archive, name, path)
    if value.size != 1 or value.dtype.kind not in kinds:
        raise RecordingError(
            f'{path}: "{name}" is {value.dtype} {list(value.shape)}; expected {expected}'
        )
    return cast(float, value.item())


def _rate(archive: Any, path: Path) -> float:
    rate = float(_number(archive, 'rate_hz', path, 'fiu', 'planes a second, one number'))
    if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise RecordingError(
            f'{path}: "rate_hz" is {rate:g}; expected planes a second, {MIN_RATE_HZ:g} to '
            f'{MAX_RATE_HZ:g} (leave it out if it is unknown)'
        )
    return rate


def _camera_matrix(archive: Any, name: str, path: Path) -> npt.NDArray[np.float64]:
    matrix = _array(archive, name, path)
    if matrix.shape != (3, 3) or matrix.dtype.kind not in 'fiu' or not np.isfinite(matrix).all():
        raise RecordingError(
            f'{path}: "{name}" is {matrix.dtype} {list(matrix.shape)}; expected finite numbers '
            '[3, 3]'
        )
    if matrix.any():
        check_focal_lengths(float(matrix[0, 0]), float(matrix[1, 1]), f'{path}: "{name}"')
    return matrix.astype(np.float64)


def _depth(archive: Any, name: str, recorded: int, geometry: Geometry, path: Path) -> TrueDepth:
    depth = _array(archive, name, path)
    known_planes = 'depth_planes' in archive.files
    planes = _array(archive, 'depth_planes', path) if known_planes else np.zeros(1, np.int64)
    if planes.ndim != 1 or planes.size == 0 or planes.dtype.kind not in 'iu':
        raise RecordingError(
            f'{path}: "depth_planes" is {planes.dtype} {list(planes.shape)}; expected integers '
            f'[maps], the plane of each map in "{name}"'
        )
    if planes.min() < 0 or planes.max() >= recorded or (planes[1:] <= planes[:-1]).any():
        raise RecordingError(
            f'{path}: "depth_planes" are {planes.min()} to {planes.max()}; expected ascending '
            f'ones of 0 to {recorded - 1}, the planes of the recording'
        )
    # Of other integers the unit is not known.
    millimetres = depth.dtype.kind == 'u' and depth.dtype.itemsize == 2
    if depth.shape != (len(planes), geometry.height, geometry.width) or not (
        millimetres or depth.dtype.kind == 'f'
    ):
        raise RecordingError(
            f'{path}: "{name}" is {depth.dtype} {list(depth.shape)}, expected metres as float, or '
            f'millimetres as uint16, [{len(planes)}, {geometry.height}, {geometry.width}] for its '
            '"depth_planes"'
        )
    resolved = np.empty(depth.shape, np.float32)
    for one, stored in zip(resolved, depth, strict=True):  # each map has a unit of its own
        metres = stored * np.float32(0.001) if millimetres else stored.astype(np.float32)
        one[:] = resolve(stored, metres)
    return TrueDepth(resolved, planes.astype(np.int64))


def _unpacked(spikes: npt.NDArray[Any] | NpyFile, name: str, options: _Unpacked) -> Recording:
    if len(spikes.shape) != 3 or 0 in spikes.shape or spikes.dtype.kind not in 'bui':
        raise RecordingError(
            f'{name}: {spikes.dtype} {list(spikes.shape)}; expected [planes, height, width] of '
            '0 and 1 (bool or integers)'
        )
    axes = options.axes or _axes_by_size(spikes.shape, options)
    if axes == 'hwt' or (isinstance(spikes, NpyFile) and spikes.is_fortran):
        whole = spikes.read(0, spikes.shape[0]) if isinstance(spikes, NpyFile) else spikes
        spikes = np.moveaxis(whole, 2, 0) if axes == 'hwt' else whole
    planes, height, columns = spikes.shape
    width = columns - options.skip_columns
    if width < 1:
        raise RecordingError(
            f'{name}: {columns} columns; expected more than --skip-columns {options.skip_columns}'
        )
    geometry = Geometry(height, width)
    packed = np.empty((planes, height, geometry.row_bytes), np.uint8)
    # In blocks, so that the memory of packing does not grow with the recording.
    step = max(1, _BLOCK_BYTES // (height * columns))
    for first in range(0, planes, step):
        stop = first + step
        block = spikes.read(first, stop) if isinstance(spikes, NpyFile) else spikes[first:stop]
        if block.dtype.kind != 'b' and (block.max() > 1 or block.min() < 0):
            raise RecordingError(
                f'{name}: values {block.min()} to {block.max()}; expected 0 and 1 '
                '(grey frames become spikes by simulation, not by playing them)'
            )
        packed[first : first + step] = packing.pack(block[:, :, options.skip_columns :])
    # Of a cube any axis may be time; else they are given, or decided by the size.
    cube = planes == height == columns
    assumed = options.axes is None and (options.size is None or cube)
    return Recording(packed, geometry, assumed=name if assumed else '')


def _axes_by_size(shape: Sequence[int], options: _Unpacked) -> Axes:
    """Return the axes of an array by the sensor size that is given; without one, ``thw``."""
    if options.size is None:
        return 'thw'
    width, height = options.size
    stored = (height, width + options.skip_columns)
    return 'hwt' if tuple(shape[:2]) == stored != tuple(shape[1:]) else 'thw'
