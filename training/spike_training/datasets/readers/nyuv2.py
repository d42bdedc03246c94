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

from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt

from spike_training.datasets.clip import Clip, Depth, Rgb
from spike_training.datasets.readers import files
from spike_training.errors import DataSetError, FrameError

TREE = """\
  ROOT/nyu_depth_v2_labeled.mat   (or the path of that file)"""

NAME = 'nyu_depth_v2_labeled.mat'
CAMERA = (518.857901, 519.469611, 324.582449, 252.736166)
"""Focal lengths fx, fy and principal point, pixels."""

ENCODING = files.DepthEncoding(1.0, plausible_m=files.INDOOR_M)


class LabelledRoom(Clip):
    """Clip of the images of one room, which are not consecutive frames of a video.

    Args:
        path: The MATLAB file.
        name: See :class:`Clip`.
        numbers: Numbers of the images in the file.
        field: Field of depth, ``rawDepths`` or ``depths``.
    """

    def __init__(self, path: Path, name: str, numbers: list[int], field: str) -> None:
        self.name, self.camera = name, files.camera_matrix(*CAMERA)
        self.times_s = np.arange(len(numbers), dtype=np.float64)
        self.labelled = tuple(range(len(numbers)))
        self.skipped = {}
        self.video = False
        self._path, self._numbers, self._field = path, numbers, field

    def image(self, index: int) -> Rgb:
        """Implement :meth:`Clip.image`."""
        return np.ascontiguousarray(self._read('images', index).transpose(2, 1, 0))

    def depth(self, index: int) -> Depth:
        """Implement :meth:`Clip.depth`."""
        return ENCODING.metres(np.ascontiguousarray(self._read(self._field, index).T))

    def _read(self, field: str, index: int) -> npt.NDArray[Any]:
        number = self._numbers[index]
        try:
            with h5py.File(self._path, 'r') as file:
                return np.asarray(file[field][number])
        except (OSError, KeyError) as error:
            raise FrameError(f'{self._path}: {field} {number} cannot be read: {error}') from error


def read(root: Path, field: str = 'rawDepths') -> list[Clip]:
    """Read the rooms of the labelled part.

    Args:
        root: Folder of the MATLAB file, or the file.
        field: ``rawDepths``, as measured, or ``depths``, with holes filled in.

    Raises:
        DataSetError: The file is missing, damaged, or laid out in another way.
    """
    path = root / NAME if root.is_dir() else root
    if not path.is_file():
        raise files.missing(path, TREE)
    if field not in ('rawDepths', 'depths'):
        raise DataSetError(f'nyuv2: option field is {field!r}, expected rawDepths or depths')
    try:
        with h5py.File(path, 'r') as file:
            images, depths = (tuple(file[name].shape) for name in ('images', field))
            rooms = _texts(file, 'scenes', len(file['images']))
    except (OSError, KeyError) as error:
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
    clips: list[Clip] = [
        LabelledRoom(path, f'nyuv2/{room}', numbers, field) for room, numbers in by_room.items()
    ]
    files.check_clip(clips[0], ENCODING.plausible_m)
    return clips


def _texts(file: Any, name: str, number: int) -> list[str]:
    """Read a MATLAB cell array of texts: references to columns of UTF-16 codes."""
    cells = np.asarray(file[name]).ravel()
    if len(cells) != number:
        raise KeyError(f'{name} names {len(cells)} pictures of {number}')
    return [''.join(map(chr, np.asarray(file[cell]).ravel())) for cell in cells]
