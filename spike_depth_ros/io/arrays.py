# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of pictures and depth maps: their size is read from the header before pixels are expanded.

What stored depth means, known, unknown or beyond, :mod:`.geometry.depth_values` decides.
Pillow reads pictures, because OpenCV fills the missing part of a truncated file with grey.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import struct
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base import opencv as cv2
from spike_depth_ros.base.errors import OneLineError, check_regular, one_line
from spike_depth_ros.geometry.depth_values import LARGEST_16, FloatImage, to_metres, unit_problem
from spike_depth_ros.io.orientation import check_upright, exif_orientation, turn
from spike_depth_ros.io.recording import NpyFile

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 100_000_000
"""Most pixels of a picture, map or frame that are expanded."""

WRITTEN_SUFFIXES = ('.png', '.npy', '.pfm')
"""Suffixes of depth maps that are written, too: .png of 16 bits, .npy and .pfm."""

_BEYOND_TEXT = 'spike_depth_ros', '65535 is beyond the range'
"""Keyword and text of our own .png files in which some depth is beyond the range."""

_PFM_HEADER = re.compile(rb'(P[fF])\s+(\d{1,9})\s+(\d{1,9})\s+(-?[\d.eE+-]+)(?:\r\n|\s)')
_PFM_HEADER_BYTES = 1024

_PGM_HEADER = re.compile(rb'P[25](?:(?:\s|#[^\r\n]*[\r\n])+(\d{1,9})){3}(?=\s)')
"""Header of a .pgm file; its last number is the largest value."""

_PGM_PIXEL_BYTES, _PGM_REST_BYTES = 16, 1 << 20
"""Most bytes of a pixel as text, and of comments, that are read of a .pgm file."""

_EXR_MAGIC = b'\x76\x2f\x31\x01'
_EXR_WINDOW = re.compile(rb'(?:data|display)Window\0box2i\0.{4}(.{16})', re.DOTALL)
_EXR_TILES = re.compile(rb'tiles\0tiledesc\0.{4}(.{8})', re.DOTALL)
_EXR_HEAD_BYTES, _EXR_PIXEL_BYTES = 1 << 20, 128
"""Bytes in which the header ends, and most bytes of a pixel in all channels, that are read."""


class ArrayFileError(OneLineError):
    """Picture or depth map that cannot be read, or whose unit is not known."""


class StoredDepth(NamedTuple):
    """Depth as a file has it.

    Attributes:
        values: Integers or floats; of a map that was checked ``[H, W]``, of 16 bits or more.
        sky: The value that is beyond the range; None: the file names none.
    """

    values: npt.NDArray[Any]
    sky: int | None = None


def check_pixels(width: int, height: int) -> None:
    """Refuse a picture that is too large to be expanded.

    Raises:
        ValueError: It has more than :data:`MAX_PIXELS`.
    """
    if width * height > MAX_PIXELS:
        raise ValueError(f'{width}x{height} pixels, expected at most {MAX_PIXELS / 1e6:g} million')


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Make one error of the many kinds that decoders raise at damaged files.

    Args:
        path: The file.

    Raises:
        ArrayFileError: It is no file, or reading it failed, but for lack of memory.
    """
    try:
        check_regular(path)
        yield
    except MemoryError:  # the file is not damaged
        raise
    except Exception as error:
        raise ArrayFileError(f'{path}: cannot be read: {one_line(error)}') from error


class _PictureFile(io.BufferedReader):
    """File that is not asked for more than it has: a damaged length would take that memory."""

    def __init__(self, path: Path) -> None:
        self._path = os.fspath(path)  # for what Python and Pillow say of it
        super().__init__(io.FileIO(self._path))
        self._most = os.fstat(self.fileno()).st_size

    def __repr__(self) -> str:
        return repr(self._path)

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(-1 if size is None else min(size, self._most))


@contextlib.contextmanager
def open_picture(
    file: Path | IO[bytes], formats: tuple[str, ...] | None = None
) -> Iterator[Image.Image]:
    """Open a picture without decoding it, and close it at the end.

    Args:
        file: The file.
        formats: Names of the formats of Pillow that it may have; None: any.

    Raises:
        ValueError: It has more than :data:`MAX_PIXELS`.
        OSError: There is no such file, or it is no picture; at damage Pillow raises others, too.
    """
    from PIL import Image

    # Pillow warns of fewer pixels than are allowed here.
    warnings.simplefilter('ignore', Image.DecompressionBombWarning)
    own = _PictureFile(file) if isinstance(file, Path) else None
    with contextlib.ExitStack() as stack:
        source = file if own is None else stack.enter_context(own)
        try:
            image = Image.open(source, formats=formats)  # noqa: TID251 - the one place
        except Image.DecompressionBombError as error:
            raise ValueError(
                f'too many pixels, expected at most {MAX_PIXELS / 1e6:g} million ({error})'
            ) from None
        with image:
            check_pixels(*image.size)
            yield image


def picture_size(path: Path) -> tuple[int, int]:
    """Return rows and columns of a picture by its header.

    Raises:
        ArrayFileError: It cannot be read.
    """
    with reading(path), open_picture(path) as image:
        return image.height, image.width


def read_picture(path: Path) -> tuple[npt.NDArray[np.uint8], int]:
    """Read a picture as viewers show it, ``[H, W, 3]`` uint8 RGB, and its EXIF orientation.

    Raises:
        ArrayFileError: It is missing, damaged or not a picture of 8 bits.
    """
    with reading(path), open_picture(path) as image:
        image.load()
        orientation = exif_orientation(image)
    if image.mode not in ('L', 'P', 'RGB', 'RGBA'):
        raise ArrayFileError(f'{path}: pixels are {image.mode}, expected 8-bit grey or colour')
    return turn(np.asarray(image.convert('RGB')), orientation), orientation


def read_npy(path: Path) -> npt.NDArray[Any]:
    """Read the array of a .npy file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged, or has more than :data:`MAX_PIXELS` values.
    """
    stored = NpyFile(path)
    if math.prod(stored.shape) > MAX_PIXELS:
        raise ValueError(
            f'shape {list(stored.shape)}, expected at most {MAX_PIXELS / 1e6:g} million values'
        )
    return stored.whole()


def read_pfm(path: Path) -> npt.NDArray[np.float32]:
    """Read a portable float map, top row first, ``[H, W]`` or ``[H, W, 3]``.

    The format (Debevec's HDRShop): ``Pf`` or ``PF``, width and height, a scale whose sign gives
    the byte order (negative: little-endian), then rows of float32 from the bottom to the top.

    Raises:
        OSError: There is no such file.
        ValueError: It is not of that format, or too short.
    """
    with path.open('rb') as file:
        head = file.read(_PFM_HEADER_BYTES)
        header = _PFM_HEADER.match(head)
        if header is None:
            raise ValueError('expected a portable float map, Pf')
        channels = 3 if header[1] == b'PF' else 1
        width, height = int(header[2]), int(header[3])
        check_pixels(width, height)
        order = '<' if float(header[4]) < 0 else '>'
        expected = width * height * channels * 4
        head = head[header.end() :][:expected]
        content = head + file.read(expected - len(head))
    if len(content) < expected:
        raise ValueError(f'{len(content)} bytes of {width} x {height} floats, expected {expected}')
    values = np.frombuffer(content, f'{order}f4')
    image = values.astype(np.float32).reshape(height, width, channels)[::-1]
    return image if channels == 3 else image[:, :, 0]


def decode_png(file: IO[bytes]) -> StoredDepth:
    """Return the values of a .png file as they are stored.

    Raises:
        ValueError: It is damaged, has more than :data:`MAX_PIXELS`, or viewers turn it.
    """
    from PIL import UnidentifiedImageError

    try:
        with open_picture(file, ('PNG',)) as image:
            check_upright(image)
            values = np.asarray(image)
    except (UnidentifiedImageError, SyntaxError):
        raise ValueError('damaged, or not a .png file') from None
    except OSError as error:  # the file is cut
        raise ValueError(str(error)) from error
    key, text = _BEYOND_TEXT
    return StoredDepth(_of_16(image, values), LARGEST_16 if image.info.get(key) == text else None)


def encode_png(stored: npt.NDArray[np.uint16], has_beyond: bool) -> bytes:
    """Return the content of a .png file of 16 bits.

    Args:
        stored: Its values, ``[H, W]``.
        has_beyond: 65535 is beyond the range; a text chunk of the file says so.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    if has_beyond:
        text.add_text(*_BEYOND_TEXT)
    Image.fromarray(stored).save(file := io.BytesIO(), 'PNG', pnginfo=text)
    return file.getvalue()


def read_stored(path: Path) -> StoredDepth:
    """Read a depth map as it is stored, ``[H, W]`` integers of 16 bits or more, or floats.

    Args:
        path: A file with one of :data:`DEPTH_SUFFIXES`.

    Raises:
        ArrayFileError: The file is missing, damaged or no depth map.
    """
    read = _STORED.get(path.suffix.lower())
    if read is None:
        raise ArrayFileError(f'{path}: expected depth as {", ".join(DEPTH_SUFFIXES)}')
    with reading(path):
        stored = read(path)
    values = stored.values
    if values.ndim != 2:
        raise ArrayFileError(f'{path}: shape {list(values.shape)}, expected one channel of depth')
    if values.dtype.itemsize < 2 or values.dtype.kind not in 'uif':
        raise ArrayFileError(
            f'{path}: {values.dtype} is a picture of depth, expected 16-bit integers or floats'
        )
    return stored


def read_depth(path: Path, per_metre: float | None = None) -> FloatImage:
    """Read a depth map, ``[H, W]`` float32 metres; NaN unknown, +Inf beyond the range.

    Values are resolved by :func:`.depth_values.resolve`; those below 0 stay. 65535
    of a .png file is unknown, unless the package itself wrote the file.

    Args:
        path: A file with one of :data:`DEPTH_SUFFIXES`.
        per_metre: Stored value of one metre; None: 1, of floats alone.

    Raises:
        ArrayFileError: The file is missing, damaged or no depth map, has integers and
            ``per_metre`` is None, or seems to be in another unit.
    """
    stored = read_stored(path)
    kind = stored.values.dtype
    if kind.kind != 'f' and per_metre is None:
        raise ArrayFileError(
            f'{path}: {kind} without a unit: give the value of one metre, for example '
            '--per-metre 1000 for millimetres'
        )
    depth = to_metres(*stored, per_metre or 1.0, keep_negative=True)
    if problem := unit_problem(depth):
        raise ArrayFileError(
            f'{path}: {problem}: give the stored value of one metre, --per-metre, which is '
            f'{per_metre or 1.0:g} here and 1000 for millimetres'
        )
    return depth


def write_depth(path: Path, metres: FloatImage, per_metre: float | None = None) -> None:
    """Write a depth map; in a .png file NaN, a hole, is 0, and +Inf 65535 with a mark for it.

    Args:
        path: A file with one of :data:`WRITTEN_SUFFIXES`, whose folder exists.
        metres: ``[H, W]``.
        per_metre: Stored value of one metre in a .png file; the other files have metres.

    Raises:
        OSError: The file cannot be written.
    """
    if path.suffix.lower() == '.npy':
        # numpy itself does not say why a file cannot be written.
        np.save(content := io.BytesIO(), metres)
        path.write_bytes(content.getbuffer())
    elif path.suffix.lower() == '.pfm':
        header = f'Pf\n{metres.shape[1]} {metres.shape[0]}\n-1.0\n'.encode()
        path.write_bytes(header + metres[::-1].astype('<f4').tobytes())
    else:
        assert per_metre is not None  # needed for reading, too
        whole = np.rint(np.nan_to_num(metres, nan=0.0, posinf=np.inf) * np.float32(per_metre))
        stored = whole.clip(0, LARGEST_16).astype(np.uint16)
        path.write_bytes(encode_png(stored, bool(np.isposinf(metres).any())))


def _of_16(image: Image.Image, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return values of 16 bits of grey as such; some versions of Pillow read them into 32."""
    return values.astype(np.uint16) if image.mode == 'I' else values


def _png(path: Path) -> StoredDepth:
    with path.open('rb') as file:
        return decode_png(file)


def _pgm(path: Path) -> StoredDepth:
    with open_picture(path) as image:
        most = _PGM_PIXEL_BYTES * image.width * image.height + _PGM_REST_BYTES
    with path.open('rb') as file:
        content = file.read(most)
    header = _PGM_HEADER.match(content)
    if header is not None and 255 < int(header[1]) < 65535:
        # Pillow scales values to 65535, but depth is as stored.
        content = content[: header.start(1)] + b'65535' + content[header.end(1) :]
    with open_picture(io.BytesIO(content)) as image:
        return StoredDepth(_of_16(image, np.asarray(image)))


def _npy(path: Path) -> StoredDepth:
    values = read_npy(path)
    rows_columns = values.shape[-3:-1]
    if values.ndim > 2 and values.size == math.prod(rows_columns):  # with a channel, or a frame
        values = values.reshape(rows_columns)
    return StoredDepth(values)


def _pfm(path: Path) -> StoredDepth:
    return StoredDepth(read_pfm(path))


def _exr(path: Path) -> StoredDepth:
    # OpenCV reads this format only if this is set before its first use.
    os.environ.setdefault('OPENCV_IO_ENABLE_OPENEXR', '1')
    with path.open('rb') as file:
        head = file.read(_EXR_HEAD_BYTES)
        content = head + file.read(_EXR_PIXEL_BYTES * _exr_pixels(head))
    _exr_pixels(content)
    # Not imread, which crashes at names that are not valid UTF-8.
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)  # noqa: TID251
    if values is None:
        raise ValueError('not an OpenEXR file, damaged, or this OpenCV reads none')
    return StoredDepth(np.asarray(values))


def _exr_pixels(content: bytes) -> int:
    """Return the number of pixels that an OpenEXR file declares."""
    # Wherever they lie: readers of the format do not agree on how attributes follow each other.
    windows = [struct.unpack('<4i', found[1]) for found in _EXR_WINDOW.finditer(content)]
    sizes: list[tuple[int, int]] = [
        (right - left + 1, below - top + 1) for left, top, right, below in windows
    ]
    tiles = [struct.unpack('<2I', found[1]) for found in _EXR_TILES.finditer(content)]
    if not content.startswith(_EXR_MAGIC) or not sizes or min(map(min, sizes)) < 1:
        raise ValueError('not an OpenEXR file, or its header is damaged')
    for width, height in (*sizes, *tiles):
        check_pixels(width, height)
    return max(width * height for width, height in sizes)


_STORED: dict[str, Callable[[Path], StoredDepth]] = {
    '.png': _png,
    '.pgm': _pgm,
    '.npy': _npy,
    '.pfm': _pfm,
    '.exr': _exr,
}

DEPTH_SUFFIXES = (*_STORED,)
"""Suffixes of depth maps that are read."""
