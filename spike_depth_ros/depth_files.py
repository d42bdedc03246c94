# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of single depth maps: .png of 16 bits, .npy and .pfm."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spike_depth_ros.checkpoint import FloatImage
from spike_depth_ros.errors import OneLineError, one_line

SUFFIXES = ('.png', '.npy', '.pfm')
"""Suffixes of depth maps."""

MAX_METRES = 1e6
"""Depth above which the unit is wrong."""

_LARGEST = 65535  # of 16 bits


class DepthFileError(OneLineError):
    """File that is no depth map, or whose unit is not known."""


def read_depth(path: Path, per_metre: float | None = None) -> FloatImage:
    """Read a depth map, ``[H, W]`` float32 metres.

    Args:
        path: A file with one of ``SUFFIXES``.
        per_metre: Stored value of one metre; None: 1, of floats alone.

    Raises:
        DepthFileError: The file is missing, damaged or no depth map, has integers and
            ``per_metre`` is None, or has depth above ``MAX_METRES``.
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
    metres = np.divide(stored, per_metre or 1.0, dtype=np.float64)
    known = np.abs(metres[np.isfinite(metres)])
    if known.max(initial=0.0) > MAX_METRES:
        raise DepthFileError(
            f'{path}: {known.max():g} m at {per_metre or 1.0:g} to a metre, expected at most '
            f'{MAX_METRES:g} m: check the unit'
        )
    return metres.astype(np.float32)


def unit_problem(depth: FloatImage, plausible_m: tuple[float, float]) -> str:
    """Return why a map seems to be in a wrong unit; empty if it does not.

    Args:
        depth: Depth, metres; NaN and infinity are ignored.
        plausible_m: Plausible range of the median, metres.
    """
    known = depth[np.isfinite(depth)]
    low, high = plausible_m
    if not known.size or low <= (median := float(np.median(known))) <= high:
        return ''
    return f'the median depth is {median:.3g} m, expected {low:g} to {high:g} m'


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
        # numpy itself does not say why a file cannot be written.
        np.save(content := io.BytesIO(), metres)
        path.write_bytes(content.getbuffer())
    elif path.suffix.lower() == '.pfm':
        header = f'Pf\n{metres.shape[1]} {metres.shape[0]}\n-1.0\n'.encode()
        path.write_bytes(header + metres[::-1].astype('<f4').tobytes())
    else:
        import cv2

        assert per_metre is not None  # needed for reading, too
        whole = np.rint(np.nan_to_num(metres, nan=0.0) * np.float32(per_metre))
        png = cv2.imencode('.png', whole.clip(0, _LARGEST).astype(np.uint16))[1]
        path.write_bytes(png.tobytes())


def read_pfm(path: Path) -> npt.NDArray[np.float32]:
    """Read a portable float map, top row first, ``[H, W]`` or ``[H, W, 3]``.

    The format (Debevec's HDRShop): ``Pf`` or ``PF``, width and height, a scale whose sign gives
    the byte order (negative: little-endian), then rows of float32 from the bottom to the top.

    Raises:
        OSError: There is no such file.
        ValueError: It is not of that format, or too short.
    """
    content = path.read_bytes()
    header = re.match(rb'(P[fF])\s+(\d+)\s+(\d+)\s+(-?[\d.eE+-]+)(?:\r\n|\s)', content)
    if header is None:
        raise ValueError('expected a portable float map, Pf')
    channels = 3 if header[1] == b'PF' else 1
    width, height = int(header[2]), int(header[3])
    order = '<' if float(header[4]) < 0 else '>'
    expected = width * height * channels * 4
    found = len(content) - header.end()
    if found < expected:
        raise ValueError(f'{found} bytes of {width} x {height} floats, expected {expected}')
    values = np.frombuffer(content, f'{order}f4', width * height * channels, header.end())
    image = values.astype(np.float32).reshape(height, width, channels)[::-1]
    return image if channels == 3 else image[:, :, 0]


def _read(path: Path) -> npt.NDArray[Any]:
    suffix = path.suffix.lower()
    if suffix == '.npy':
        stored: npt.NDArray[Any] = np.load(path, allow_pickle=False)
        if not isinstance(stored, np.ndarray):
            raise ValueError('expected one array, not an archive')
        return stored
    if suffix == '.pfm':
        return read_pfm(path)
    import cv2

    # Not imread, which crashes at names that are not valid UTF-8.
    content = np.frombuffer(path.read_bytes(), np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if len(content) else None
    if image is None:
        raise ValueError('damaged, or not a .png file')
    return np.asarray(image)
