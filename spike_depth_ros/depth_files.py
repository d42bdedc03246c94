# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of single depth maps: .png of 16 bits, .npy and .pfm."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spike_depth_ros.checkpoint import FloatImage
from spike_depth_ros.errors import OneLineError, one_line

SUFFIXES = ('.png', '.npy', '.pfm')
"""Suffixes of depth maps."""

_LARGEST = 65535  # of 16 bits


class DepthFileError(OneLineError):
    """File that is no depth map, or whose unit is not known."""


def read_depth(path: Path, per_metre: float | None = None) -> FloatImage:
    """Read a depth map, ``[H, W]`` float32 metres.

    Args:
        path: A file with one of ``SUFFIXES``.
        per_metre: Stored value of one metre; None: 1, of floats alone.

    Raises:
        DepthFileError: The file is missing, damaged or no depth map, or has integers and
            ``per_metre`` is None.
    """
    try:
        stored = _read(path)
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
    return np.divide(stored, per_metre or 1.0, dtype=np.float64).astype(np.float32)


def write_depth(path: Path, metres: FloatImage, per_metre: float | None = None) -> None:
    """Write a depth map; holes, which are NaN, are 0 in a .png file.

    Args:
        path: A file with one of ``SUFFIXES``, whose folder exists.
        metres: ``[H, W]``.
        per_metre: Stored value of one metre in a .png file; the other files have metres.

    Raises:
        OSError: The file cannot be written.
    """
    if path.suffix.lower() == '.npy':
        with path.open('wb') as file:
            np.save(file, metres)
    elif path.suffix.lower() == '.pfm':
        header = f'Pf\n{metres.shape[1]} {metres.shape[0]}\n-1.0\n'.encode()
        path.write_bytes(header + metres[::-1].astype('<f4').tobytes())
    else:
        import cv2

        assert per_metre is not None  # needed for reading, too
        whole = np.rint(np.nan_to_num(metres, nan=0.0) * np.float32(per_metre))
        png = cv2.imencode('.png', whole.clip(0, _LARGEST).astype(np.uint16))[1]
        path.write_bytes(png.tobytes())


def _read(path: Path) -> npt.NDArray[Any]:
    suffix = path.suffix.lower()
    if suffix == '.npy':
        stored: npt.NDArray[Any] = np.load(path, allow_pickle=False)
        if not isinstance(stored, np.ndarray):
            raise ValueError('expected one array, not an archive')
        return stored
    if suffix == '.pfm':
        return _read_pfm(path.read_bytes())
    import cv2

    # Not imread, which crashes at names that are not valid UTF-8.
    content = np.frombuffer(path.read_bytes(), np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if len(content) else None
    if image is None:
        raise ValueError('damaged, or not a .png file')
    return np.asarray(image)


def _read_pfm(content: bytes) -> npt.NDArray[np.floating[Any]]:
    """Parse a portable float map of one channel, whose first row is the lowest."""
    header = re.match(rb'Pf\s+(\d+)\s+(\d+)\s+(-?[\d.eE+-]+)\s', content)
    if header is None:
        raise ValueError('expected a portable float map of one channel, Pf')
    width, height = int(header[1]), int(header[2])
    if len(content) - header.end() < width * height * 4:
        raise ValueError(f'it ends within its {width}x{height} floats')
    order = '<' if float(header[3]) < 0 else '>'
    values = np.frombuffer(content, f'{order}f4', width * height, header.end())
    return values.reshape(height, width)[::-1]
