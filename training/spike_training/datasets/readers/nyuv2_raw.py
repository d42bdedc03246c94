# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of the raw part of NYU Depth V2: Kinect recordings of rooms with stamps.

Silberman et al., Indoor Segmentation and Support Inference from RGBD Images, 2012. Depth is the
Kinect's raw number of 11 bits in .pgm, its two bytes swapped, 2047 for nothing; metres are 351.3 /
(1092.5 - number), up to 10 m. It is of the depth camera; intrinsics, distortion and extrinsics are
those of the data set's toolbox. The reader undistorts images and registers depth to them.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from spike_training.datasets.clip import Clip, Depth, Rgb
from spike_training.datasets.readers import files
from spike_training.datasets.readers.tum import pair_by_time
from spike_training.errors import DataSetError, FrameError

TREE = """\
  ROOT/ROOM/r-STAMP-NUMBER.ppm   (colour)
  ROOT/ROOM/d-STAMP-NUMBER.pgm   (depth; ROOT may also be ROOM)"""

COLOUR = files.camera_matrix(
    518.85790117450188, 519.46961112127485, 324.5824494111, 252.7361663340
)
COLOUR_LENS = np.array([0.20796615, -0.58613825, 0.00072231, 0.00104796, 0.49856987])
DEPTH = files.camera_matrix(582.62448167737955, 582.69103270988637, 312.0447587081, 237.4438962662)
DEPTH_LENS = np.array([-0.09989724, 0.39065325, 0.00192906, -0.00194220, -0.51031725])
ROTATION = np.array(
    [
        [0.99997799, -0.00503599, -0.00431966],
        [0.00505184, 0.99998052, 0.00366624],
        [0.00430112, -0.00368798, 0.99998395],
    ]
)
SHIFT_M = np.array([-0.025031875, 0.000293423, -0.000662387])
"""Translation from the depth camera to the colour camera: ``ROTATION @ point + SHIFT_M``.

The toolbox has both with the other sign, which projects to the same pixels.
"""

NO_DEPTH = 2047
LEAST = 600
"""Least valid number; lower ones are artefacts of undistortion, invalid in the toolbox, too."""
FAR_M = 10.0
MAX_APART_S = 0.03
"""Longest time between an image and a depth map of a pair."""


class KinectNumbers(files.DepthEncoding):
    """Encoding of depth as the Kinect's raw numbers."""

    def metres(self, stored: npt.NDArray[np.uint16], sky: int | None = None) -> Depth:
        """Convert numbers with swapped bytes to ``[H, W]`` float32 metres, NaN unknown."""
        number = cv2.remap(
            stored.byteswap(), *_DEPTH_MAPS, cv2.INTER_NEAREST, borderValue=(NO_DEPTH,)
        )
        known = (number >= LEAST) & (number < NO_DEPTH)
        with np.errstate(divide='ignore'):
            depth = (351.3 / (1092.5 - number.astype(np.float32))).astype(np.float32)
        depth[~known | (depth <= 0) | (depth > FAR_M)] = np.nan
        return depth


registered = functools.partial(
    files.reproject, depth_camera=DEPTH, camera=COLOUR, rotation=ROTATION, shift_m=SHIFT_M
)
"""Register undistorted depth, ``[480, 640]`` metres, to the colour camera."""

SET = files.DataSet('nyuv2_raw', TREE, KinectNumbers(plausible_m=files.INDOOR_M))


def undistorted(path: Path) -> Rgb:
    """Read an image and undistort it.

    Raises:
        FrameError: It cannot be read, or is of another camera.
    """
    image = files.read_rgb(path)
    if image.shape != (480, 640, 3):
        raise FrameError(f'image {list(image.shape)}: expected [480, 640, 3] of a Kinect')
    return np.asarray(cv2.remap(image, *_COLOUR_MAPS, cv2.INTER_LINEAR), np.uint8)


def read(root: Path) -> list[Clip]:
    """Read the rooms below a folder.

    Args:
        root: Folder of the raw data, or of one room.

    Raises:
        DataSetError: Files are missing, or no image pairs with a depth map.
    """
    rooms = SET.folders_of(root, '**/d-*.pgm', example='d-STAMP-NUMBER.pgm')
    return [_room(folder) for folder in rooms]


def _room(folder: Path) -> Clip:
    image_times, images = _stamped(folder, 'r-*.ppm')
    depths = _stamped(folder, 'd-*.pgm')
    frames, skipped = pair_by_time(image_times, images, *depths, MAX_APART_S)
    alone = sum(depth is None for _, depth in frames)
    if alone == len(frames) or len(frames) < 2:
        raise DataSetError(
            f'{folder}: {len(frames)} images, {alone} of them without depth within '
            f'{MAX_APART_S:g} s; expected 2 images or more, with depth'
        )
    times = image_times - image_times[0]
    return SET.clip(folder.name, COLOUR, times, frames, skipped, undistorted, registered)


def _stamped(folder: Path, pattern: str) -> tuple[npt.NDArray[np.float64], list[Path]]:
    """Return times and files in the order of time; of two with one stamp, the first."""
    found: dict[float, Path] = {}
    for path in sorted(folder.glob(pattern)):
        match = re.match(r'[dr]-(\d+\.\d+)-\d+$', path.stem)
        if match is None:
            raise DataSetError(f'{path}: expected {pattern[0]}-STAMP-NUMBER as the name')
        found.setdefault(float(match[1]), path)
    if not found:
        raise SET.missing(folder / pattern.replace('*', 'STAMP-NUMBER'))
    times = sorted(found)
    return np.array(times), [found[time] for time in times]


def _maps(
    camera: npt.NDArray[np.float64], lens: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the coordinate maps that undistort an image of 640 x 480 pixels."""
    x, y = cv2.initUndistortRectifyMap(camera, lens, np.eye(3), camera, (640, 480), cv2.CV_32FC1)
    return np.asarray(x, np.float32), np.asarray(y, np.float32)


_COLOUR_MAPS = _maps(COLOUR, COLOUR_LENS)
_DEPTH_MAPS = _maps(DEPTH, DEPTH_LENS)
