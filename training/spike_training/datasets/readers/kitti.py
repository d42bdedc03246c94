# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of KITTI: a car's left colour camera at 10 Hz, with LiDAR depth.

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

import numpy as np

from spike_training.datasets.clip import Clip, Matrix
from spike_training.datasets.readers import files
from spike_training.errors import DataSetError

TREE = """\
  ROOT/2011_09_26/calib_cam_to_cam.txt                                       (raw data)
  ROOT/2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000005.png
  DEPTH/train/2011_09_26_drive_0001_sync/proj_depth/groundtruth/image_02/0000000005.png
    (data_depth_annotated: DEPTH is ROOT unless the option depth names it; train/ or val/)
or one recording
  ROOT/calib.txt                (P_rect_02: ...)
  ROOT/image_02/data/0000000000.png
  ROOT/depth/0000000000.png     (uint16, 256 to a metre)"""

RATE_HZ = 10.0
ENCODING = files.DepthEncoding(256.0, (0,), plausible_m=files.OUTDOOR_M)


def read(
    root: Path, depth: Path | None = None, split: Path | None = None, camera: str = 'image_02'
) -> list[Clip]:
    """Read the drives below a folder that have depth.

    Args:
        root: Folder of the raw data, or of one recording.
        depth: Folder of the annotated depth; the raw data's folder unless given.
        split: List of images; only their depth is used.
        camera: ``image_02``, left colour, or ``image_03``, right.

    Raises:
        DataSetError: Files are missing, or too many images and depth maps do not pair.
    """
    files.folders(root, TREE)
    if (root / 'calib.txt').is_file():
        return [_recording(root, camera)]
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
            clips += _drive(drive, depth or root, wanted, camera)
    if not clips:
        where = (depth or root) / 'train' / drives[0].name / 'proj_depth' / 'groundtruth' / camera
        if split is not None:
            raise DataSetError(
                f'{split}: no image of this list lies below {root} with depth below '
                f'{depth or root}; expected\n{TREE}'
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
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
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


def _recording(root: Path, camera: str) -> Clip:
    matrix = _camera(root / 'calib.txt', camera)
    images = files.list_files(root / camera / 'data', ('.png', '.jpg'), TREE)
    depths = files.list_files(root / 'depth', ('.png',), TREE)
    return _clip(root.name, matrix, images, depths, None)


def _drive(drive: Path, depth: Path, wanted: set[int] | None, camera: str) -> list[Clip]:
    folders = [
        folder
        for part in ('train', 'val', '.')
        if (folder := depth / part / drive.name / 'proj_depth/groundtruth' / camera).is_dir()
    ]
    if not folders:
        return []
    depths = [path for folder in folders for path in files.list_files(folder, ('.png',), TREE)]
    matrix = _camera(drive.parent / 'calib_cam_to_cam.txt', camera)
    images = files.list_files(drive / camera / 'data', ('.png', '.jpg'), TREE)
    clip = _clip(drive.name, matrix, images, depths, wanted)
    return [clip] if clip.labelled else []


def _clip(
    name: str,
    matrix: Matrix,
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
    return files.FileClip.checked(f'kitti/{name}', matrix, times, frames, ENCODING, skipped)


def _camera(path: Path, camera: str) -> Matrix:
    return files.read_projection(path, f'P_rect_{camera[-2:]}', TREE)
