# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of PittsStereo: pairs of a colour and a near-infrared camera on a car.

Zhi et al., "Deep Material-aware Cross-spectral Stereo Matching", 2018. The colour camera is the
left one. Layout, parts and the form of the key points are those that the authors' public code
reads (tiancheng-zhi/cs-stereo: dataset.py, train.py, test.py); no file of the set was at hand.
Disparity is known at key points of test pictures alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from spike_depth_ros.base.values import NotNegative
from spike_depth_ros.tools.arguments import OptionalFocalLength
from spike_training.datasets.clip import Clip, Depth
from spike_training.datasets.readers import files, pairs
from spike_training.datasets.readers.options import checked
from spike_training.errors import DataSetError, FrameError

TREE = """\
  ROOT/data/20170222_0951/RGBResize/211357_001468_RGBResize.png
  ROOT/data/20170222_0951/NIRResize/211357_001468_NIRResize.png
  ROOT/data/20170222_0951/Keypoint/211357_001468_Keypoint.txt   (of test pictures)"""

SIZE = (429, 582)
"""Rows and columns of the pictures."""

TESTED = ('20170222_0951', '20170222_1423', '20170223_1639', '20170224_0742')
"""Drives that the authors test on; they train on the others."""

SET = files.DataSet('pittsstereo', TREE)


@checked
def read(
    root: Path,
    fx: OptionalFocalLength = 0.0,
    baseline: NotNegative = 0.0,
    part: Literal['', 'train', 'test'] = '',
) -> list[Clip]:
    """Read the pairs below a folder, a clip for each drive.

    Args:
        root: Folder with ``data``.
        fx: Focal length, pixels of these pictures; the set does not have it.
        baseline: Metres from the left to the right camera; the set does not have it.
        part: The authors' train or test; empty: both.

    Raises:
        DataSetError: Files, focal length or baseline are missing, or too many pictures have no
            right one.
    """
    example = 'data/20170222_0951/RGBResize/211357_001468_RGBResize.png'
    drives = SET.folders_of(root, 'data/*/RGBResize/*_RGBResize.png', example=example)
    if not (fx and baseline):
        raise DataSetError(
            f'{root}: fx is {fx:g} and baseline {baseline:g}: expected the focal length in pixels '
            'and the distance of the cameras in metres, which the set does not have, such as '
            'PATH,fx=560,baseline=0.056'
        )
    clips: list[Clip] = []
    skipped: dict[str, list[str]] = {}
    total = 0
    for drive in (folder.parent for folder in drives):
        if part and (drive.name in TESTED) != (part == 'test'):
            continue
        pictures: list[tuple[Path, Path]] = []
        for left in sorted((drive / 'RGBResize').glob('*_RGBResize.png')):
            total += 1
            right = drive / 'NIRResize' / left.name.replace('_RGBResize', '_NIRResize')
            with files.left_out(skipped, left.name):
                if not right.is_file():
                    raise FrameError('no near-infrared picture')
                pictures.append((left, right))
        if pictures:
            clips.append(_clip(drive, pictures, fx, baseline))
    return SET.usable(root, clips, skipped, total, example)


def _clip(drive: Path, pictures: list[tuple[Path, Path]], fx: float, baseline_m: float) -> Clip:
    rows, columns = SIZE
    camera = files.camera_matrix(fx, fx, (columns - 1) / 2, (rows - 1) / 2)
    points = [
        drive / 'Keypoint' / left.name.replace('_RGBResize.png', '_Keypoint.txt')
        for left, _ in pictures
    ]
    times_s = np.arange(len(pictures), dtype=np.float64)
    clip = SET.clip(
        drive.name, camera, times_s, [(left, None) for left, _ in pictures], {}, check=False
    )
    clip.video = False
    clip.labelled = tuple(number for number, path in enumerate(points) if path.is_file())
    clip.depth = lambda number: (
        _depth(points[number], fx * baseline_m) if number in clip.labelled else None
    )
    clip.right = pairs.right_frames(
        clip, dict(enumerate(pictures)), camera, baseline_m, modality='nir'
    )
    return files.check_clip(clip, files.OUTDOOR_M)


def _depth(path: Path, depth_of_one_px: float) -> Depth:
    """Return depth at key points, NaN elsewhere: x, y and disparity over the size, and a class."""
    found = np.full(SIZE, np.nan, np.float32)
    try:
        lines = [line.split() for line in files.read_lines(path) if line.strip()]
        points = np.array([line[:3] for line in lines], np.float64).reshape(-1, 3)
    except (DataSetError, ValueError) as error:
        raise FrameError(f'{path}: {error}') from error
    if len(points) and not (np.isfinite(points).all() and np.abs(points).max() <= 1):
        raise FrameError(
            f'{path}: expected x, y and disparity over the size of the picture, 0 to 1'
        )
    rows, columns = SIZE
    for x, y, disparity in points:
        if disparity > 0:
            row = min(max(round(y * rows) - 1, 0), rows - 1)
            column = min(max(round(x * columns) - 1, 0), columns - 1)
            found[row, column] = depth_of_one_px / (disparity * columns)
    return found
