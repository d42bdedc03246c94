# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of single depth maps: .png of 16 bits, .npy and .pfm."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spike_depth_ros.depth_values import LARGEST_16, FloatImage, resolve, unit_problem
from spike_depth_ros.errors import OneLineError, one_line
from spike_depth_ros.orientation import check_upright
from spike_depth_ros.picture_files import check_pixels, open_picture, read_npy

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = ('.png', '.npy', '.pfm')
"""Suffixes of depth maps."""

_BEYOND_TEXT = 'spike_depth_ros', '65535 is beyond the range'
"""Keyword and text of our own .png files in which some depth is beyond the range."""

_PFM_HEADER = re.compile(rb'(P[fF])\s+(\d{1,9})\s+(\d{1,9})\s+(-?[\d.eE+-]+)(?:\r\n|\s)')
_PFM_HEADER_BYTES = 1024


class DepthFileError(OneLineError):
    """File that is no depth map, or whose unit is not known."""


def read_depth(path: Path, per_metre: float | None = None) -> FloatImage:
    """Read a depth map, ``[H, W]`` float32 metres; NaN unknown, +Inf beyond the range.

    Values are resolved by :func:`spike_depth_ros.depth_values.resolve`; 65535 of a .png file is
    unknown, unless the package itself wrote the file.

    Args:
        path: A file with one of ``SUFFIXES``.
        per_metre: Stored value of one metre; None: 1, of floats alone.

    Raises:
        DepthFileError: The file is missing, damaged or no depth map, has integers and
            ``per_metre`` is None, or seems to be in another unit.
    """
    try:
        stored, sky = _read(path)
    except Exception as error:  # numpy and OpenCV raise many kinds at damaged files
        raise DepthFileError(f'{path}: cannot be read: {one_line(error)}') from None
    if stored.ndim != 2:
        raise DepthFileError(f'{path}: shape {list(stored.shape)}, expected one channel of depth')
    if stored.dtype.kind not in 'uif' or stored.dtype.itemsize < 2:
        raise DepthFileError(
            f'{path}: {stored.dtype} is a picture of depth, expected 16-bit integers or floats'
        )
    if stored.dtype.kind != 'f' and per_metre is None:
        raise DepthFileError(
            f'{path}: {stored.dtype} without a unit: give the value of one metre, for example '
            '--per-metre 1000 for millimetres'
        )
    metres = np.divide(stored, per_metre or 1.0, dtype=np.float64)
    depth = resolve(stored, metres, sky)
    if problem := unit_problem(depth):
        raise DepthFileError(
            f'{path}: {problem}: give the stored value of one metre, --per-metre, which is '
            f'{per_metre or 1.0:g} here and 1000 for millimetres'
        )
    return depth


def write_depth(path: Path, metres: FloatImage, per_metre: float | None = None) -> None:
    """Write a depth map; in a .png file NaN, a hole, is 0, and +Inf 65535 with a mark for it.

    Args:
        path: A file with one of ``SUFFIXES``, whose folder exists.
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


def sky_of(png: IO[bytes]) -> int | None:
    """Return the value that is beyond the range in a .png file; None: none, it does not say so.

    Args:
        png: The file, which may be damaged, or no .png file.
    """
    png.seek(0)
    try:
        with open_picture(png, ('PNG',)) as image:
            return _sky_of(image)
    except Exception:  # damage is reported by what reads the pixels
        return None


def _sky_of(image: Image.Image) -> int | None:
    key, text = _BEYOND_TEXT
    return LARGEST_16 if image.info.get(key) == text else None


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


def _read(path: Path) -> tuple[npt.NDArray[Any], int | None]:
    """Return the values of a file, and the one that is beyond the range."""
    suffix = path.suffix.lower()
    if suffix == '.npy':
        return read_npy(path), None
    if suffix == '.pfm':
        return read_pfm(path), None
    with path.open('rb') as file:
        return decode_png(file)


def decode_png(file: IO[bytes]) -> tuple[npt.NDArray[Any], int | None]:
    """Return the values of a .png file, and the one that is beyond the range; None: there is none.

    Raises:
        ValueError: It is damaged, has more than ``picture_files.MAX_PIXELS``, or viewers
            turn it.
    """
    from PIL import UnidentifiedImageError

    try:
        with open_picture(file, ('PNG',)) as image:
            check_upright(image)
            stored = np.asarray(image)
    except (UnidentifiedImageError, SyntaxError):
        raise ValueError('damaged, or not a .png file') from None
    except OSError as error:  # the file is cut
        raise ValueError(str(error)) from error
    # Older versions of Pillow read 16 bits of grey into 32.
    return stored.astype(np.uint16) if image.mode == 'I' else stored, _sky_of(image)
