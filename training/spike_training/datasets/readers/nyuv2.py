# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of the labelled part of NYU Depth V2: 1449 single Kinect images in a MATLAB file.

Silberman et al., Indoor Segmentation and Support Inference from RGBD Images, 2012. The file is
MATLAB 7.3, which is HDF5 with the axes in reverse: ``images`` [N, 3, 640, 480] uint8, ``depths``
(holes filled in) and ``rawDepths`` (measured, 0 for nothing) [N, 640, 480] single, metres,
registered to colour; ``scenes`` names the room of each. Focal lengths and principal point of the
colour camera are those of the data set's toolbox, less one pixel, as MATLAB counts from 1.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import h5py  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt

from spike_depth_ros.io.arrays import check_pixels
from spike_training.datasets.clip import Clip
from spike_training.datasets.readers import files
from spike_training.datasets.readers.options import checked
from spike_training.errors import DataSetError, FrameError

TREE = """\
  ROOT/nyu_depth_v2_labeled.mat   (or the path of that file)"""

NAME = 'nyu_depth_v2_labeled.mat'
CAMERA = (518.857901, 519.469611, 324.582449, 252.736166)
"""Focal lengths fx, fy and principal point, pixels."""

MAX_PICTURES = 100_000
"""Most pictures of a file; the data set has 1449."""

MAX_NAME = 10_000
"""Most characters of the name of a room."""

MAX_PART_BYTES = 1 << 28
"""Largest part of a field that is compressed, bytes; those of the data set are far smaller."""

SET = files.DataSet('nyuv2', TREE, files.DepthEncoding(1.0, plausible_m=files.INDOOR_M))


def _room(path: Path, name: str, numbers: list[int], field: str) -> Clip:
    """Return the clip of the images of a room, which are not consecutive frames of a video."""

    def stored(field: str, index: int) -> npt.NDArray[Any]:
        try:
            with h5py.File(path, 'r') as file:
                _check_sizes(file[field])
                return np.asarray(file[field][numbers[index]])
        except (OSError, KeyError, ValueError) as error:
            problem = f'{field} {numbers[index]} cannot be read: {error}'
            raise FrameError(f'{path}: {problem}') from error

    return Clip(
        f'nyuv2/{name}',
        files.camera_matrix(*CAMERA),
        np.arange(len(numbers), dtype=np.float64),
        lambda index: np.ascontiguousarray(stored('images', index).transpose(2, 1, 0)),
        lambda index: SET.encoding.metres(np.ascontiguousarray(stored(field, index).T)),
        tuple(range(len(numbers))),
        video=False,
    )


@checked
def read(root: Path, field: Literal['rawDepths', 'depths'] = 'rawDepths') -> list[Clip]:
    """Read the rooms of the labelled part.

    Args:
        root: Folder of the MATLAB file, or the file.
        field: ``rawDepths``, as measured, or ``depths``, with holes filled in.

    Raises:
        DataSetError: The file is missing, damaged, or laid out in another way.
    """
    path = root / NAME if root.is_dir() else root
    if not path.is_file():
        raise SET.missing(path)
    try:
        with h5py.File(path, 'r') as file:
            for name in ('images', field):
                _check_sizes(file[name])
            images, depths = (tuple(file[name].shape) for name in ('images', field))
            rooms = _texts(file, 'scenes', len(file['images']))
    except (OSError, KeyError, ValueError) as error:
        raise DataSetError(
            f'{path}: expected a MATLAB 7.3 file with images, {field} and scenes: {error}'
        ) from error
    if len(images) != 4 or images[1] != 3 or depths != (images[0], *images[2:]):
        raise DataSetError(
            f'{path}: images {list(images)} and {field} {list(depths)}: expected [N, 3, W, H] and '
            '[N, W, H]'
        )
    by_room: dict[str, list[int]] = {}
    for number, room in enumerate(rooms):
        by_room.setdefault(room, []).append(number)
    first, *others = (_room(path, *room, field) for room in by_room.items())
    return [files.check_clip(first, SET.encoding.plausible_m), *others]


def _texts(file: Any, name: str, number: int) -> list[str]:
    """Read a MATLAB cell array of texts: references to columns of UTF-16 codes."""
    if number > MAX_PICTURES:
        raise ValueError(f'{number} pictures, expected at most {MAX_PICTURES}')
    if file[name].size != number:
        raise KeyError(f'{name} names {file[name].size} pictures of {number}')
    found = [file[cell] for cell in np.asarray(file[name]).ravel()]
    if max((text.size for text in found), default=0) > MAX_NAME:
        raise ValueError(f'{name} has a name of more than {MAX_NAME} characters')
    return [''.join(map(chr, np.asarray(text).ravel())) for text in found]


def _check_sizes(data: Any) -> None:
    """Refuse a field whose pictures, or compressed parts, expand to more than is read."""
    if data.dtype.kind not in 'uif' or len(data.shape) < 3:
        raise ValueError(f'{data.name} is {data.dtype} {list(data.shape)}, expected pictures')
    check_pixels(*data.shape[-2:])
    part = math.prod(data.chunks or ()) * data.dtype.itemsize
    if part > MAX_PART_BYTES:
        raise ValueError(
            f'{data.name} has parts of {part} bytes, expected at most {MAX_PART_BYTES}'
        )
