# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of DrivingStereo and its subsets by weather: a car's left camera, LiDAR depth.

Yang et al., DrivingStereo: A Large-Scale Dataset for Stereo Matching in Autonomous Driving
Scenarios, 2019: png of uint16, 256 to a metre, 0 where depth is unknown; images and depth of full
or half size. A file's name is its sequence and its stamp, ``2018-10-31-06-55-01_2018-10-31-06-55-
02-084``. The calibration of a sequence is one file for both cameras; the left one is number 101.
"""

from __future__ import annotations

import datetime
import functools
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.tools.arguments import OptionalFocalLength
from spike_training.datasets.clip import Clip, Matrix
from spike_training.datasets.readers import files
from spike_training.datasets.readers.options import checked
from spike_training.errors import DataSetError

TREE = """\
  ROOT/train-left-image/SEQUENCE/SEQUENCE_STAMP.jpg     (or test-...)
  ROOT/train-depth-map/SEQUENCE/SEQUENCE_STAMP.png      (uint16, 256 to a metre)
  ROOT/calib/half-image-calib/SEQUENCE.txt
or, by weather,
  ROOT/foggy/left-image-half-size/SEQUENCE_STAMP.jpg    (also full-size; cloudy, rainy, sunny)
  ROOT/foggy/depth-map-half-size/SEQUENCE_STAMP.png
  ROOT/calib/half-image-calib/SEQUENCE.txt              (also full-image-calib)"""

LONGEST_GAP_S = 1.0
"""Longest time between frames of a clip; after a longer gap another clip begins."""

ENCODING = files.DepthEncoding(256.0, plausible_m=files.OUTDOOR_M)
SET = files.DataSet('drivingstereo', TREE, ENCODING)


@checked
def read(
    root: Path,
    size: Literal['half', 'full'] = 'half',
    weather: str = '',
    fx: OptionalFocalLength = 0.0,
) -> list[Clip]:
    """Read the sequences below a folder, cut where frames are missing.

    Args:
        root: Folder of the data set.
        size: ``half`` or ``full``.
        weather: Only this subset: cloudy, foggy, rainy or sunny.
        fx: Focal length in pixels, with the centre in the middle, instead of the calibration.

    Raises:
        DataSetError: Files are missing, or too many images and depth maps do not pair.
    """
    SET.check_folder(root)
    clips: list[Clip] = []
    for where, images, depths in _folders(root, size):
        if weather in ('', where):
            clips += _part(where, images, depths, functools.partial(_camera, root, size, fx))
    if not clips:
        raise SET.missing(root / (weather or 'train-left-image'))
    return clips


def _folders(root: Path, size: str) -> Iterator[tuple[str, Path, Path]]:
    """Yield name, folder of images and folder of depth of each part."""
    for part in ('train', 'test'):
        if (root / f'{part}-left-image').is_dir():
            yield part, root / f'{part}-left-image', root / f'{part}-depth-map'
    for images in sorted(root.glob(f'*/left-image-{size}-size')):
        yield images.parent.name, images, images.parent / f'depth-map-{size}-size'


def _part(
    where: str, images: Path, depths: Path, camera_of: Callable[[str, Path], Matrix]
) -> Iterator[Clip]:
    """Yield the clips of a part, cut at gaps; a single frame between two is a clip of one image.

    Args:
        where: Name of the part.
        images: Folder of its images.
        depths: Folder of its depth.
        camera_of: Function of a sequence and one of its images.
    """
    SET.check_folder(depths)
    found, maps = (
        {path.stem: path for path in sorted(base.rglob('*')) if files.is_one_of(path, suffixes)}
        for base, suffixes in ((images, files.PICTURES), (depths, files.MAPS))
    )
    if not found:
        raise SET.missing(images / 'SEQUENCE_STAMP.jpg')
    pairs, skipped = files.pair(found, maps, f'drivingstereo/{where}')
    for sequence, stems in itertools.groupby(sorted(pairs), lambda stem: stem.partition('_')[0]):
        own = [*stems]
        camera = camera_of(sequence, pairs[own[0]][0])
        times = {stem: seconds(stem.partition('_')[2]) for stem in own}
        order = sorted(times, key=lambda stem: times[stem])
        stamps = np.array([times[stem] for stem in order])
        starts = [0, *(np.flatnonzero(np.diff(stamps) > LONGEST_GAP_S) + 1).tolist()]
        for first, end in itertools.zip_longest(starts, starts[1:]):
            name = f'{where}/{sequence}' + (f'/{first}' if len(starts) > 1 else '')
            frames, since = [pairs[stem] for stem in order[first:end]], stamps[first:end]
            yield SET.clip(name, camera, since - since[0], frames, skipped)
            skipped = {}  # reported once


def seconds(stamp: str) -> float:
    """Return the time of a stamp, ``2018-10-31-06-55-02-084``, in seconds.

    Raises:
        DataSetError: The text is not a stamp.
    """
    match = re.fullmatch(r'(\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)-(\d{3})', stamp)
    try:
        if match is None:
            raise ValueError
        moment = datetime.datetime.strptime(f'{match[1]} +0000', '%Y-%m-%d-%H-%M-%S %z')
    except ValueError:
        raise DataSetError(
            f'stamp {stamp!r}: expected year-month-day-hour-minute-second-millisecond after the '
            "sequence and _ in a file's name"
        ) from None
    return moment.timestamp() + int(match[2]) / 1000


def _camera(root: Path, size: str, fx: float, sequence: str, image: Path) -> Matrix:
    if fx:
        height, width, _ = files.read_rgb(image).shape
        return Calibration.centred(fx, width, height).matrix
    name = f'{sequence}.txt'
    usual = root / 'calib' / f'{size}-image-calib' / name
    path = usual if usual.is_file() else next(root.rglob(f'{size}-image-calib/**/{name}'), usual)
    return SET.matrix(path, 'P_rect_101')[:, :3]
