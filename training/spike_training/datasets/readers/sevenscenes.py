# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of Microsoft 7-Scenes: hand-held Kinect in rooms, colour and depth at 30 Hz.

Shotton et al., Scene Coordinate Regression Forests for Camera Relocalization in RGB-D Images,
2013. Depth is uint16 millimetres with 0 and 65535 for 'nothing measured'. It is of the depth
camera and *not* registered to colour. The focal length of the depth camera is 585 pixels (the data
set's page), the nominal one of the colour camera 525, which Brachmann et al., On the Limits of
Pseudo Ground Truth in Visual Camera Re-localisation, 2021, use for registration. The optical axes
are parallel and 25 mm apart. On the kitchen's first 300 frames, depth edges and image edges agree
best at a ratio of 0.900 to 0.905 of the focal lengths (525 / 585 = 0.897) and at 15 to 30 mm,
within 2 pixels.

Poses of the data set are those of the depth camera. Those of clips are of the colour camera, whose
centre is at x = +25 mm of the depth camera, as its points shift by x = -25 mm in registration.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from spike_depth_ros.tools.arguments import FocalLength
from spike_training.datasets.clip import Clip, Depth, Matrix
from spike_training.datasets.readers import files, poses
from spike_training.datasets.readers.options import checked
from spike_training.errors import DataSetError

TREE = """\
  ROOT/SCENE/seq-01/frame-000000.color.png   (or .jpg; ROOT may also be SCENE or seq-01)
  ROOT/SCENE/seq-01/frame-000000.depth.png   (uint16, millimetres)
  ROOT/SCENE/seq-01/frame-000000.pose.txt    (optional: depth camera to world, metres)"""

DEPTH_FOCAL, COLOUR_FOCAL = 585.0, 525.0
CENTRE = (320.0, 240.0)
BASELINE_M = 0.025

EDGE_STEP = 1.1
"""Least ratio of the depths of neighbouring pixels at an edge."""
EDGE_MARGIN = 3
"""Margin of invalid depth around an edge, pixels, as registration is only nominal."""

ENCODING = files.DepthEncoding(1000.0, plausible_m=files.INDOOR_M)
SET = files.DataSet('sevenscenes', TREE, ENCODING, rate_hz=30.0)


@checked
def read(root: Path, fx: FocalLength = COLOUR_FOCAL) -> list[Clip]:
    """Read the sequences below a folder.

    Args:
        root: Folder of the data set, of a scene or of a sequence.
        fx: Focal length of the colour camera, pixels.

    Raises:
        DataSetError: There are no such frames, or too many lack their depth.
    """
    example = 'frame-000000.color.png'
    sequences = SET.folders_of(root, '**/frame-*.color.*', example=example)
    return [_sequence(folder, fx) for folder in sequences]


def _sequence(folder: Path, fx: float) -> Clip:
    images, depths = (
        sorted(folder.glob(pattern)) for pattern in ('frame-*.color.*', 'frame-*.depth.png')
    )
    if not depths:
        raise SET.missing(folder / 'frame-000000.depth.png')
    name = '/'.join(folder.absolute().parts[-2:])  # its place is the scene's folder
    camera = files.camera_matrix(fx, fx, *CENTRE)
    times_s, frames, skipped = SET.by_number(name, images, depths)
    clip = SET.clip(
        name, camera, times_s, frames, skipped,
        register=lambda depth: without_edges(registered(depth, fx)),
    )  # fmt: skip
    clip.poses = poses.camera_poses(times_s, [_pose(image) for image, _ in frames])
    return clip


def _pose(image: Path) -> Matrix | None:
    """Return the pose of the colour camera at an image; None where its file cannot be used."""
    try:
        pose = poses.read_pose(image.with_name(f'{image.name.partition(".color.")[0]}.pose.txt'))
    except DataSetError:
        return None
    pose[:3, 3] += BASELINE_M * pose[:3, 0]
    return pose


def registered(depth: Depth, fx: float) -> Depth:
    """Register depth of the depth camera to the colour camera; of two surfaces, the nearer.

    Args:
        depth: ``[H, W]`` metres, NaN unknown.
        fx: Focal length of the colour camera, pixels; shorter than the depth camera's, so that
            no gaps open.

    Returns:
        ``[H, W]`` metres, NaN unknown.
    """
    depth_camera, camera = (files.camera_matrix(f, f, *CENTRE) for f in (DEPTH_FOCAL, fx))
    shift_m = np.array([-BASELINE_M, 0, 0])
    return files.reproject(depth, depth_camera, camera, shift_m=shift_m)


def without_edges(depth: Depth) -> Depth:
    """Remove depth around the edges of objects.

    Args:
        depth: ``[H, W]`` metres, NaN unknown.

    Returns:
        The same with NaN within ``EDGE_MARGIN`` pixels of an edge.
    """
    known = np.isfinite(depth)
    square = np.ones((3, 3), np.uint8)
    far = cv2.dilate(np.where(known, depth, 0), square)
    near = cv2.erode(np.where(known, depth, np.float32(1e9)), square)
    edge = (known & (far > near * EDGE_STEP)).astype(np.uint8)
    wide = cv2.dilate(edge, np.ones((2 * EDGE_MARGIN + 1, 2 * EDGE_MARGIN + 1), np.uint8))
    kept: Depth = np.where(wide > 0, np.float32(np.nan), depth)
    return kept
