# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of KITTI: a car's colour cameras at 10 Hz, with LiDAR depth of the left one.

Geiger et al., Vision meets Robotics: The KITTI Dataset, 2013, and for the maps that are gathered
over several sweeps ("annotated depth") Uhrig et al., Sparsity Invariant CNNs, 2017: png of uint16,
256 to a metre, 0 where nothing was measured. Frames without depth (the first and last five of a
drive have none) are kept, as the simulation of spikes between frames needs them.

An Eigen split (Eigen et al., Depth Map Prediction from a Single Image using a Multi-Scale Deep
Network, 2014) is read from the user's copy of its list; every line starts with an image's path or,
in the other usual form, with its drive and number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spike_training.datasets.clip import Clip, Matrix, RightFrames
from spike_training.datasets.readers import files, pairs
from spike_training.errors import DataSetError

TREE = """\
  ROOT/2011_09_26/calib_cam_to_cam.txt                                       (raw data)
  ROOT/2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000005.png    (image_03: right)
  DEPTH/train/2011_09_26_drive_0001_sync/proj_depth/groundtruth/image_02/0000000005.png
    (data_depth_annotated: DEPTH is ROOT unless the option depth names it; train/ or val/)
or one recording
  ROOT/calib.txt                (P_rect_02: ...)
  ROOT/image_02/data/0000000000.png
  ROOT/depth/0000000000.png     (uint16, 256 to a metre)
with the option right, image_03 and P_rect_03 beside image_02 and P_rect_02; depth is optional"""

RATE_HZ = 10.0
ENCODING = files.DepthEncoding(256.0, plausible_m=files.OUTDOOR_M)


def read(
    root: Path,
    depth: Path | None = None,
    split: Path | None = None,
    camera: str = 'image_02',
    right: str = '',
) -> list[Clip]:
    """Read the drives below a folder that have depth; of pairs, all of them.

    Args:
        root: Folder of the raw data, or of one recording.
        depth: Folder of the annotated depth; the raw data's folder unless given.
        split: List of images; only their depth is used, and only they are pairs.
        camera: ``image_02``, left colour, or ``image_03``, right.
        right: Camera of the right eye of pairs, ``image_03``; none unless given.

    Raises:
        DataSetError: Files are missing, too many images and depth maps do not pair, or the cameras
            are no left and right one.
    """
    files.folders(root, TREE)
    cameras = Cameras(camera, right)
    if (root / 'calib.txt').is_file():
        return [_recording(root, cameras)]
    drives = sorted(root.glob('????_??_??/*_drive_*_sync'))
    if not drives:
        raise files.missing(
            root / '2011_09_26' / '2011_09_26_drive_0001_sync' / camera / 'data', TREE
        )
    if depth is not None:
        files.folders(depth, TREE)
    chosen = None if split is None else read_split(split, camera)
    clips = []
    for drive in drives:
        if chosen is None or drive.name in chosen:
            wanted = None if chosen is None else chosen[drive.name]
            clips += _drive(drive, depth or root, wanted, cameras)
    if not clips:
        where = (depth or root) / 'train' / drives[0].name / 'proj_depth' / 'groundtruth' / camera
        if split is not None:
            beside = '' if right else f' with depth below {depth or root}'
            raise DataSetError(
                f'{split}: no image of this list lies below {root}{beside}; expected\n{TREE}'
            )
        raise files.missing(where, TREE)
    return clips


def read_split(path: Path, camera: str) -> dict[str, set[int]]:
    """Read the numbers of the frames of a list, by their drive.

    Both usual forms are accepted, ``2011_09_26/2011_09_26_drive_0002_sync/image_02/data/
    0000000069.png ...`` and ``2011_09_26/2011_09_26_drive_0002_sync 69 l``.

    Args:
        path: File of the list.
        camera: Name of the camera; lines of the other colour camera are ignored.

    Raises:
        DataSetError: The list is missing, or a line has another form.
    """
    if not path.is_file():
        raise DataSetError(f'{path} is missing; expected a list of images, a path on each line')
    frames: dict[str, set[int]] = {}
    for number, line in enumerate(files.read_lines(path), 1):
        if not line.strip():
            continue
        match = re.match(
            r'\S*?(?P<drive>\d{4}_\d\d_\d\d_drive_\d{4}_sync)(?:/(?P<camera>image_0[23])/data/'
            r'(?P<frame>\d+)\.(?:png|jpg)|\s+(?P<number>\d+)\s+(?P<side>[lr]))',
            line,
        )
        if match is None:
            raise DataSetError(
                f'{path}, line {number}: expected the path of an image, or a drive, a number and '
                f'l or r; found {line[:80]!r}'
            )
        side = match['camera'] or {'l': 'image_02', 'r': 'image_03'}[match['side']]
        if side == camera:
            frames.setdefault(match['drive'], set()).add(int(match['frame'] or match['number']))
    return frames


class Cameras(NamedTuple):
    """Names of the cameras that are read, such as ``image_02``.

    Attributes:
        left: That of the frames.
        right: That of their right eye; empty: none.
    """

    left: str
    right: str


def _recording(root: Path, cameras: Cameras) -> Clip:
    images = files.list_files(root / cameras.left / 'data', ('.png', '.jpg'), TREE)
    depths: list[Path] = []
    if (root / 'depth').is_dir() or not cameras.right:
        depths = files.list_files(root / 'depth', ('.png',), TREE)
    return _clip(root.name, cameras, root / 'calib.txt', images, depths, None)


def _drive(drive: Path, depth: Path, wanted: set[int] | None, cameras: Cameras) -> list[Clip]:
    folders = [
        folder
        for part in ('train', 'val', '.')
        if (folder := depth / part / drive.name / 'proj_depth/groundtruth' / cameras.left).is_dir()
    ]
    if not folders and not cameras.right:
        return []
    depths = [path for folder in folders for path in files.list_files(folder, ('.png',), TREE)]
    images = files.list_files(drive / cameras.left / 'data', ('.png', '.jpg'), TREE)
    calibration = drive.parent / 'calib_cam_to_cam.txt'
    clip = _clip(drive.name, cameras, calibration, images, depths, wanted)
    return [clip] if clip.labelled or clip.right is not None else []


def _clip(
    name: str,
    cameras: Cameras,
    calibration: Path,
    images: list[Path],
    depths: Iterable[Path],
    wanted: set[int] | None,
) -> Clip:
    by_number = {files.number_of(path): path for path in depths}
    numbers = [files.number_of(path) for path in images]
    skipped: dict[str, list[str]] = {}
    if alone := sorted(by_number.keys() - {*numbers}):
        skipped['depth without its image'] = [by_number[number].name for number in alone]
        files.check_share(skipped, len(by_number), f'kitti/{name}')
    if wanted is not None:
        by_number = {number: path for number, path in by_number.items() if number in wanted}
    if len(images) < 2:
        raise DataSetError(f'{images[0].parent}: 1 image, expected 2 or more')
    times = np.array(numbers) / RATE_HZ
    frames = zip(images, map(by_number.get, numbers), strict=True)
    projection = _projection(calibration, cameras.left)
    clip = files.FileClip.checked(
        f'kitti/{name}', projection[:, :3], times, frames, ENCODING, skipped
    )
    if cameras.right:
        numbered = dict(zip(numbers, images, strict=True))
        clip.right = _right(clip, cameras, calibration, numbered, wanted)
    return clip


def _right(
    clip: Clip,
    cameras: Cameras,
    calibration: Path,
    images: dict[int, Path],
    wanted: set[int] | None,
) -> RightFrames | None:
    """Return the right eye of a clip; None: no frame that is wanted is a pair.

    Args:
        clip: The clip.
        cameras: Both cameras.
        calibration: File of the calibration of both.
        images: Left picture of each frame by its number, in their order.
        wanted: Numbers of the frames that may be pairs; None: all.

    Raises:
        DataSetError: Files are missing, too many pictures do not pair, or the cameras are no pair.
    """
    left, right = (_projection(calibration, one) for one in cameras)
    folder = next(iter(images.values())).parents[2] / cameras.right / 'data'
    others = {
        files.number_of(path): path for path in files.list_files(folder, ('.png', '.jpg'), TREE)
    }
    if alone := [path.name for number, path in images.items() if number not in others]:
        clip.skipped[f'no picture of {cameras.right}'] = alone
        files.check_share(clip.skipped, len(images), clip.name)
    pictures = {
        place: (path, others[number])
        for place, (number, path) in enumerate(images.items())
        if number in others and (wanted is None or number in wanted)
    }
    if not pictures:
        return None
    baseline_m = float(left[0, 3] - right[0, 3]) / float(left[0, 0])
    return pairs.right_frames(clip, pictures, right[:, :3], baseline_m)


def _projection(path: Path, camera: str) -> Matrix:
    return files.read_projection(path, f'P_rect_{camera[-2:]}', TREE)
