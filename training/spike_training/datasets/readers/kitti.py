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
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from spike_training.datasets.clip import Clip
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

ENCODING = files.DepthEncoding(256.0, plausible_m=files.OUTDOOR_M)
SET = files.DataSet('kitti', TREE, ENCODING, rate_hz=10.0)


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
    SET.check_folder(root)
    if (root / 'calib.txt').is_file():
        maps = [root / 'depth'] if (root / 'depth').is_dir() or not right else []
        return [_clip(root, root / 'calib.txt', camera, right, maps, None)]
    drives = sorted(root.glob('????_??_??/*_drive_*_sync'))
    if not drives:
        raise SET.missing(root / '2011_09_26' / '2011_09_26_drive_0001_sync' / camera / 'data')
    if depth is not None:
        SET.check_folder(depth)
    chosen = None if split is None else read_split(split, camera)
    clips = []
    for drive in drives:
        places = [_maps(depth or root, part, drive, camera) for part in ('train', 'val', '.')]
        maps = [folder for folder in places if folder.is_dir()]
        if (maps or right) and (chosen is None or drive.name in chosen):
            wanted = None if chosen is None else chosen[drive.name]
            calibration = drive.parent / 'calib_cam_to_cam.txt'
            clips.append(_clip(drive, calibration, camera, right, maps, wanted))
    clips = [clip for clip in clips if clip.labelled or clip.right is not None]
    if not clips and split is not None:
        beside = '' if right else f' with depth below {depth or root}'
        raise DataSetError(
            f'{split}: no image of this list lies below {root}{beside}; expected\n{TREE}'
        )
    if not clips:
        raise SET.missing(_maps(depth or root, 'train', drives[0], camera))
    return clips


def _maps(depth: Path, part: str, drive: Path, camera: str) -> Path:
    """Return the folder of a drive's annotated depth, which may be missing."""
    return depth / part / drive.name / 'proj_depth' / 'groundtruth' / camera


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


def _clip(
    drive: Path,
    calibration: Path,
    camera: str,
    other: str,
    folders: Sequence[Path],
    wanted: Collection[int] | None,
) -> Clip:
    """Return the clip of a drive.

    Args:
        drive: Folder of its cameras.
        calibration: File of the calibration of both.
        camera: Name of the camera of the frames.
        other: That of their right eye; empty: none.
        folders: Folders of its depth.
        wanted: Numbers of the frames that may have depth or be pairs; None: all.
    """
    images = files.numbered(SET.listed(drive / camera / 'data'))
    depths = files.numbered(path for folder in folders for path in SET.listed(folder, files.MAPS))
    skipped: dict[str, list[str]] = {}
    if alone := sorted(depths.keys() - images.keys()):
        skipped['depth without its image'] = [depths[number].name for number in alone]
        files.check_share(skipped, len(depths), f'kitti/{drive.name}')
    if len(images) < 2:
        raise DataSetError(f'{drive / camera / "data"}: 1 image, expected 2 or more')
    frames = [
        (path, depths.get(number) if wanted is None or number in wanted else None)
        for number, path in images.items()
    ]
    times_s = np.array([*images]) / SET.rate_hz
    left = SET.matrix(calibration, f'P_rect_{camera[-2:]}')
    clip = SET.clip(drive.name, left[:, :3], times_s, frames, skipped)
    if not other:
        return clip
    right = SET.matrix(calibration, f'P_rect_{other[-2:]}')
    others = files.numbered(SET.listed(drive / other / 'data'))
    if lone := [path.name for number, path in images.items() if number not in others]:
        clip.skipped[f'no picture of {other}'] = lone
        files.check_share(clip.skipped, len(images), clip.name)
    pictures = {
        place: (path, others[number])
        for place, (number, path) in enumerate(images.items())
        if number in others and (wanted is None or number in wanted)
    }
    if pictures:
        baseline_m = float(left[0, 3] - right[0, 3]) / float(left[0, 0])
        clip.right = pairs.right_frames(clip, pictures, right[:, :3], baseline_m)
    return clip
