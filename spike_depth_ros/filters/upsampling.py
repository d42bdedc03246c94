# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth maps of any source, enlarged with sharp edges, by numpy and ONNX Runtime."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base.errors import one_line
from spike_depth_ros.checkpoint import (
    UPSAMPLE_MODEL,
    CheckpointError,
    find_checkpoint,
    load_info,
    onnx_path,
)
from spike_depth_ros.geometry.depth_values import FloatImage
from spike_depth_ros.tasks.architectures import SETTINGS, UpsampleLiteSettings
from spike_depth_ros.tasks.upsample import FACTORS, UpsampleInfo

LEAST_PIXELS = 3
"""Smallest height and width of a map, pixels."""

MAX_PIXELS = 100_000_000
"""Pixels of an enlarged map at most."""

MAX_WEIGHTS = 12_000_000
"""Weights that are computed at a time at most, 48 MB; larger maps are enlarged in parts."""

FACTOR = 'factor'
"""Name of the export's input that chooses its output."""

Matrix = npt.NDArray[np.float64]


class Upsampler:
    """Network that enlarges depth maps, for one thread at a time.

    Each pixel is a mean of the 3x3 small pixels around it, with learnt weights, so that a map
    times ``k`` gives ``k`` times as much, in any unit, and no depth is beyond those around it.

    Args:
        info: Metadata of the network.
        session: Its export in ONNX Runtime.

    Attributes:
        info: Metadata of the network.

    Raises:
        CheckpointError: The settings are invalid.
    """

    def __init__(self, info: UpsampleInfo, session: Any) -> None:
        self.info, self._session = info, session
        self._radius = _settings(info).radius

    @classmethod
    def from_checkpoint(
        cls, path: str | os.PathLike[str] | None = None, threads: int = 0
    ) -> Upsampler:
        """Load a checkpoint with its .onnx export, and enlarge a trial map.

        Args:
            path: The .safetensors file; empty or None: the shipped model.
            threads: CPU threads; 0: one per core.

        Raises:
            CheckpointError: A file is missing, damaged, of another task or newer format, the two
                do not belong together, or the trial fails.
        """
        # Not before: metadata and camera matrices need no runtime.
        from spike_depth_ros.runtime.onnx import EXPORT_AGAIN, check_weights, open_session

        found = find_checkpoint(path or UPSAMPLE_MODEL)
        info = load_info(found, UpsampleInfo)
        export = onnx_path(found)
        session = open_session(export, info, threads, EXPORT_AGAIN)
        try:
            check_weights(session, info)
            upsampler = cls(info, session)
            upsampler._trial_run()
        except Exception as error:  # ONNX Runtime raises a class of its own per status
            raise CheckpointError(f'{export}: {one_line(error)}: {EXPORT_AGAIN}') from None
        return upsampler

    def upsample(
        self, depth: npt.NDArray[np.floating[Any]], factor: int, fill: bool = False
    ) -> FloatImage:
        """Enlarge a depth map.

        Args:
            depth: ``[h, w]`` floats, metres or any other unit, at least 3x3; 0, NaN and -Inf are
                holes, +Inf is beyond the range.
            factor: One of ``info.factors``.
            fill: Fill the pixels of holes from the small pixels around them.

        Returns:
            ``[factor * h, factor * w]`` float32 in the same unit; +Inf where the own small pixel
            is beyond the range, NaN where it is a hole, or, with ``fill``, where all nine around
            are.

        Raises:
            ValueError: The map or the factor is wrong.
        """
        _check_factor(factor, self.info.factors)
        small = _checked(depth, factor)
        height, width = small.shape
        large = np.empty((height * factor, width * factor), np.float32)
        for rows in self._parts(height, factor):
            for columns in self._parts(width, factor):
                large[_times(rows, factor), _times(columns, factor)] = self._part(
                    small, factor, rows, columns
                )
        blocks = large.reshape(height, factor, width, factor)
        if not fill:
            rows_of, columns_of = np.nonzero(~(np.isfinite(small) & (small > 0)))
            blocks[rows_of, :, columns_of] = np.nan
        # What is beyond the range lies behind all surfaces around it: nothing fills it.
        rows_of, columns_of = np.nonzero(np.isposinf(small))
        blocks[rows_of, :, columns_of] = np.inf
        return large

    def _part(self, small: FloatImage, factor: int, rows: slice, columns: slice) -> FloatImage:
        """Enlarge a part of a map, from as many pixels around it as it depends on."""
        area, inside = [], []
        for part, size in zip((rows, columns), small.shape, strict=True):
            first = max(0, part.start - self._radius)
            area.append(slice(first, min(size, part.stop + self._radius)))
            inside.append(_times(slice(part.start - first, part.stop - first), factor))
        given = np.ascontiguousarray(small[tuple(area)])[None, None]
        feeds = {'depth': given, FACTOR: np.array(factor, np.int64)}
        found: FloatImage = self._session.run([output_name(factor)], feeds)[0][0, 0]
        return found[tuple(inside)]

    @staticmethod
    def _parts(size: int, factor: int) -> Iterator[slice]:
        """Yield the small rows, or columns, of each part."""
        side = math.isqrt(MAX_WEIGHTS // (9 * factor**2))
        for first in range(0, size, side):
            yield slice(first, min(size, first + side))

    def _trial_run(self) -> None:
        """Enlarge a small map by each factor."""
        for factor in self.info.factors:
            found = self.upsample(np.ones((LEAST_PIXELS, LEAST_PIXELS)), factor)
            if not (found == 1).all():
                raise CheckpointError(f'a map of 1 m, times {factor}, is not 1 m everywhere')


def camera_matrix(matrix: npt.ArrayLike, factor: int) -> Matrix:
    """Return the camera matrix of an enlarged map.

    The middle of the first pixel is at 0: a place ``c`` gets to ``(c + 0.5) factor - 0.5``.

    Args:
        matrix: Camera matrix of the small map, ``[3, 3]``, pixels.
        factor: One of ``FACTORS``.

    Raises:
        ValueError: The matrix or the factor is wrong.
    """
    _check_factor(factor, FACTORS)
    given = np.asarray(matrix, np.float64)
    if given.shape != (3, 3):
        raise ValueError(f'camera matrix of shape {list(given.shape)}: expected [3, 3]')
    shift = (factor - 1) / 2
    enlarging = np.array([[factor, 0, shift], [0, factor, shift], [0, 0, 1]])
    enlarged: Matrix = enlarging @ given
    return enlarged


def output_name(factor: int) -> str:
    """Return the name of a factor's output in the .onnx export."""
    return f'x{factor}'


def _settings(info: UpsampleInfo) -> UpsampleLiteSettings:
    """Return the settings of a network."""
    if SETTINGS.get(info.architecture) is not UpsampleLiteSettings:
        raise CheckpointError(
            f'field architecture is {info.architecture!r}, expected upsample_lite'
        )
    try:
        return UpsampleLiteSettings(**info.settings)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f'field settings: {one_line(error)}') from None


def _check_factor(factor: int, known: tuple[int, ...]) -> None:
    if factor not in known:
        raise ValueError(f'factor is {factor!r}: expected {", ".join(map(str, known))}')


def _checked(depth: npt.NDArray[Any], factor: int) -> FloatImage:
    """Return a depth map as float32, or raise a ValueError that says what is wrong with it."""
    given = np.asarray(depth)
    if given.ndim != 2:
        raise ValueError(f'depth of shape {list(given.shape)}: expected rows and columns')
    height, width = given.shape
    if min(height, width) < LEAST_PIXELS:
        raise ValueError(
            f'depth of {width}x{height} pixels: expected at least {LEAST_PIXELS}x{LEAST_PIXELS}'
        )
    if height * width * factor**2 > MAX_PIXELS:
        raise ValueError(
            f'depth of {width}x{height} pixels, times {factor}: expected at most '
            f'{MAX_PIXELS / 1e6:g} million pixels'
        )
    if given.dtype.kind != 'f':
        raise ValueError(
            f'depth is {given.dtype}: expected metres as floats: divide integers by the value of '
            'one metre, which is 1000 for millimetres'
        )
    if (negative := (given < 0) & np.isfinite(given)).any():
        row, column = (int(index[0]) for index in np.nonzero(negative))
        raise ValueError(
            f'depth at row {row}, column {column} is {given[row, column]:g}: expected metres '
            'above 0, 0 or NaN for a hole, or infinity beyond the range'
        )
    with np.errstate(over='ignore'):  # beyond float32 is infinite
        return given.astype(np.float32)


def _times(part: slice, factor: int) -> slice:
    return slice(part.start * factor, part.stop * factor)
