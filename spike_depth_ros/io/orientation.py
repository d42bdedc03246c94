# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Marks of pictures and videos that tell viewers to turn or mirror them.

Orientations are numbered as in EXIF: 1 as stored; 2, 4 mirrored; 3 turned by half; 5, 7 mirrored
and turned by a quarter; 6, 8 turned by a quarter, to the right and to the left.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

Pixels = TypeVar('Pixels', bound='npt.NDArray[Any]')

_EXIF_ORIENTATION = 0x0112

_TURNS: dict[int, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image[::-1].swapaxes(0, 1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: image[:, ::-1].swapaxes(0, 1),
}

QUARTER = (5, 6, 7, 8)
"""Orientations that exchange rows and columns."""

_MOST_TRACKS = 100
_SQUARE = 65536  # 1 as a fixed-point number of a video's matrix
_OF_MATRIX: dict[tuple[int, ...], int] = {
    (1, 0, 0, 1): 1,
    (0, 1, -1, 0): 6,
    (-1, 0, 0, -1): 3,
    (0, -1, 1, 0): 8,
}
_OF_DEGREES = {0: 1, 90: 6, 180: 3, 270: 8}


def exif_orientation(image: Image.Image) -> int:
    """Return the orientation of an open picture, 1 to 8; 1 where viewers find none."""
    try:
        stored = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # of damaged EXIF Pillow raises many kinds; viewers ignore it
        return 1
    return stored if isinstance(stored, int) and stored in _TURNS else 1


def check_upright(image: Image.Image) -> None:
    """Refuse a map or mask of which it is not known whether it is meant as stored or as shown.

    Raises:
        ValueError: Viewers turn it.
    """
    if (orientation := exif_orientation(image)) != 1:
        raise ValueError(
            f'viewers turn it (EXIF orientation {orientation}), expected none: remove the mark'
        )


def turn(image: Pixels, orientation: int) -> Pixels:
    """Turn stored pixels, ``[H, W, ...]``, to how viewers show them; a contiguous array."""
    return cast(Pixels, np.ascontiguousarray(_TURNS[orientation](image)))


def video_orientation(path: Path, degrees: float) -> int:
    """Return the orientation of a video, 1, 3, 6 or 8.

    Args:
        path: The file. The marks of .mp4, .mov and the like are read from it.
        degrees: How far its frames are turned to the right, by OpenCV; of other formats.

    Raises:
        ValueError: It is mirrored, slanted, or tracks of it are turned differently.
        OSError: It cannot be read.
    """
    with path.open('rb') as file:
        if file.read(8)[4:] not in (b'ftyp', b'moov', b'mdat', b'wide', b'free', b'skip'):
            found = {_OF_DEGREES.get(round(degrees) % 360)}
        else:
            size = path.stat().st_size
            found = {_OF_MATRIX.get(matrix) for matrix in _matrices(file, size)} or {1}
    if None in found or len(found) > 1:
        raise ValueError(
            'is marked as mirrored or slanted, expected none or a quarter or half turn: convert '
            'it, such as by ffmpeg -i IN OUT, which turns the frames'
        )
    return cast(int, found.pop())


def _matrices(file: BinaryIO, size: int) -> Iterator[tuple[int, ...]]:
    """Yield the signs of the matrix of each video track of a file of ISO 14496-12."""
    for kind, start, end in _boxes(file, 0, size):
        if kind != b'moov':
            continue
        whole = np.eye(3)
        for inner, first, last in _boxes(file, start, end):
            if inner == b'mvhd':
                whole = _matrix(file, first, 36)
            if inner == b'trak':
                tracks = {name: (a, b) for name, a, b in _boxes(file, first, last)}
                if b'tkhd' in tracks and _is_video(file, tracks.get(b'mdia')):
                    yield _signs((_matrix(file, tracks[b'tkhd'][0], 40) @ whole)[:2, :2])


def _signs(matrix: npt.NDArray[np.float64]) -> tuple[int, ...]:
    """Return -1, 0 and 1 of a matrix without its scale; viewers ignore a row of zeros."""
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    if not lengths.all():
        return (1, 0, 0, 1)
    return tuple(round(value) for value in (matrix / lengths).ravel().tolist())


def _is_video(file: BinaryIO, media: tuple[int, int] | None) -> bool:
    for kind, start, _ in _boxes(file, *(media or (0, 0))):
        if kind == b'hdlr':
            file.seek(start + 8)
            return file.read(4) == b'vide'
    return False


def _matrix(file: BinaryIO, start: int, offset: int) -> npt.NDArray[np.float64]:
    """Read the matrix of a header; numbers of version 1 are longer before it."""
    file.seek(start)
    version = file.read(1)
    file.seek(start + offset + (12 if version == b'\x01' else 0))
    content = file.read(36)
    if len(content) < 36:
        return np.eye(3)
    return np.array(struct.unpack('>9i', content), np.float64).reshape(3, 3) / _SQUARE


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of the content of each box."""
    for _ in range(_MOST_TRACKS * 10):
        if start + 8 > end:
            return
        file.seek(start)
        size, kind = struct.unpack('>I4s', file.read(8).ljust(8, b'\0'))
        content = start + 8
        if size == 1:
            (size,) = struct.unpack('>Q', file.read(8).ljust(8, b'\0'))
            content += 8
        if size == 0:
            size = end - start
        if size < content - start:
            return
        yield kind, content, min(start + size, end)
        start += size
