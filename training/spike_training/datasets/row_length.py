# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Row length of recordings, measured by their planes: padded rows, and wrong sizes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.health import (
    LAYOUT_BYTES,
    PLANE_SHARE,
    ROW_MARGIN,
    find_row_bytes,
    plane_correlation,
    plane_layout,
)
from spike_training.datasets.clip import SpikeClip
from spike_training.errors import DataSetError, FrameError

Bytes = npt.NDArray[np.uint8]

_PARTS = 4
_ROWS = 4096  # of a file, spread, whose padding is read


def measure_row_bytes(files: Sequence[Path], geometry: Geometry) -> int:
    """Measure the row length of .dat files of one sensor.

    Args:
        files: The files.
        geometry: Stated size.

    Returns:
        Bytes from row to row: those of the stated width, or more where rows are padded.

    Raises:
        DataSetError: The rows have another length than stated, and not by padding.
    """
    sizes = {file: file.stat().st_size for file in files}
    stored = {file: size for file, size in sizes.items() if size}
    parts = _sample(stored)
    found = find_row_bytes(parts, geometry.row_bytes, geometry.plane_bytes)
    if found is None:
        return geometry.row_bytes
    rows = _fit_rows(stored, parts, found, geometry)
    if rows == geometry.height and _are_padded(stored, found, geometry):
        return found
    raise DataSetError(
        f'{files[0]}: rows of {found} bytes, {8 * found} pixels, expected {geometry.row_bytes} '
        f'bytes for a sensor of {geometry.width}x{geometry.height}: try --size '
        f'{8 * found}x{rows or "HEIGHT"}'
    )


def check_row_bytes(clips: Sequence[SpikeClip]) -> None:
    """Refuse recordings whose planes have another row length than their messages.

    Raises:
        DataSetError: They have.
    """
    geometry = clips[0].geometry
    parts: list[Bytes] = []
    planes = max(8, LAYOUT_BYTES // geometry.plane_bytes)
    for number in np.linspace(0, len(clips) - 1, _PARTS).astype(int).tolist():
        clip = clips[number]
        start = (clip.planes - min(planes, clip.planes)) * len(parts) // (_PARTS - 1)
        try:
            parts.append(np.ascontiguousarray(clip.load(start, min(start + planes, clip.planes))))
        except FrameError:
            continue
    found = find_row_bytes(
        [part.ravel() for part in parts], geometry.row_bytes, geometry.plane_bytes
    )
    if found is not None:
        raise DataSetError(
            f'{clips[0].name}: rows of {found} bytes, {8 * found} pixels, expected '
            f'{geometry.row_bytes} bytes as in its messages of {geometry.width}x'
            f'{geometry.height} pixels: correct width, step and camera_info of the camera driver'
        )


def _read(file: Path, starts: Sequence[int], size: int) -> Bytes:
    """Read parts of a file, ``[starts, size]``; a mapped one that is cut would end the process.

    Raises:
        DataSetError: It has become shorter.
    """
    with file.open('rb') as stream:
        parts = [(stream.seek(start), stream.read(size))[1] for start in starts]
    if any(len(part) < size for part in parts):
        raise DataSetError(f'{file}: was cut while it was read: copy or record it again')
    return np.frombuffer(b''.join(parts), np.uint8).reshape(len(parts), size)


def _sample(stored: Mapping[Path, int]) -> list[Bytes]:
    """Return parts of files, by their sizes, spread over all of them."""
    files, sizes = [*stored], [*stored.values()]
    ends = [0, *itertools.accumulate(sizes)]
    parts = []
    for place in np.linspace(0, ends[-1] - 1, _PARTS).astype(int).tolist() if stored else ():
        number = int(np.searchsorted(ends, place, 'right')) - 1
        start = min(place - ends[number], max(0, sizes[number] - LAYOUT_BYTES))
        parts.append(_read(files[number], [start], min(LAYOUT_BYTES, sizes[number] - start))[0])
    return parts


def _fit_rows(
    stored: Mapping[Path, int], parts: Sequence[Bytes], row_bytes: int, geometry: Geometry
) -> int | None:
    """Return the number of rows of a plane by which the bytes repeat best; None: unknown."""
    candidates = {geometry.height, geometry.plane_bytes // row_bytes}
    for part in parts:
        layout = plane_layout(part)
        if layout is not None and layout[0] == row_bytes:
            candidates.add(layout[1])
    # In small planes the estimate may be wrong by one row; a row more or less repeats less well.
    near = {rows + more for rows in candidates for more in (-2, -1, 0, 1, 2) if rows + more > 0}
    repeats = {rows: plane_correlation(parts, rows * row_bytes) for rows in near}
    fitting = {
        rows: repeats[rows]
        for rows in near
        if repeats[rows] > max(repeats.get(rows - 1, 0), repeats.get(rows + 1, 0), ROW_MARGIN)
        and not any(size % (rows * row_bytes) for size in stored.values())
    }
    if not fitting:
        return None
    best = max(fitting, key=fitting.__getitem__)
    # Some planes together repeat as well as one.
    stated = fitting.get(geometry.height, 0.0)
    return geometry.height if stated >= PLANE_SHARE * fitting[best] else best


def _are_padded(stored: Mapping[Path, int], row_bytes: int, geometry: Geometry) -> bool:
    """Return True if the bytes behind those of the stated width all have one value."""
    values: set[int] = set()
    for file, size in stored.items():
        rows = size // row_bytes
        chosen = np.linspace(0, rows - 1, min(rows, _ROWS)).astype(int)
        found = _read(file, (row_bytes * chosen).tolist(), row_bytes)
        values |= set(np.unique(found[:, geometry.row_bytes :]).tolist())
    return len(values) == 1
