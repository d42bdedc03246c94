# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Layout of recordings, compared with their planes: padded rows, and wrong sizes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spike_depth_ros.io.raw_check import Suggestion, check_files
from spike_depth_ros.io.vidar import RawLayout, TruncatedError
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.health import LAYOUT_BYTES, find_row_bytes
from spike_training.datasets.clip import SpikeClip
from spike_training.errors import DataSetError, FrameError

Bytes = npt.NDArray[np.uint8]

_PARTS = 4


def measure_layout(
    files: Sequence[Path], layout: RawLayout, decided: Collection[str] = ()
) -> RawLayout:
    """Measure the layout of .dat files of one sensor, for a reader with options for others.

    Args:
        files: The files.
        layout: Stated layout.
        decided: Options that the user gave, which are taken as they are.

    Returns:
        It, with the padding of rows that are padded.

    Raises:
        DataSetError: The planes have another layout than stated, and not by padding.
    """
    found = _checked(files, layout)
    if found is None or {*found.options} <= {*decided}:
        return layout
    if found.layout.padding:
        return found.layout
    given = ','.join(f'{name}={value}' for name, value in found.options.items())
    if 'size' in found.options:  # also an option of commands
        given = f'--size {found.options["size"]}'
    raise DataSetError(
        f'{files[0]}: its {found.reason}: try {given}; packing, skip_columns and axes are taken '
        'as they are given'
    )


def measure_row_bytes(files: Sequence[Path], geometry: Geometry) -> int:
    """Measure the row length of .dat files of one sensor, for commands that take Vidar's layout.

    Args:
        files: The files.
        geometry: Stated size.

    Returns:
        Bytes from row to row: those of the stated width, or more where rows are padded.

    Raises:
        DataSetError: The planes have another layout than stated, and not by padding.
    """
    found = _checked(files, RawLayout(geometry))
    if found is None:
        return geometry.row_bytes
    if found.layout.padding:
        return geometry.row_bytes + found.layout.padding
    remedy = f'try --size {found.options.get("size")}'
    if 'size' not in found.options:
        given = ' '.join(found.flags)
        remedy = (
            f'convert it to a bag and that to a .dat file by spike_convert, the first with {given}'
        )
    raise DataSetError(f'{files[0]}: its {found.reason}: {remedy}')


def _checked(files: Sequence[Path], layout: RawLayout) -> Suggestion | None:
    """Return what files clearly have in place of a stated layout."""
    try:
        return check_files(files, layout)
    except TruncatedError as error:
        raise DataSetError(str(error)) from error


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
