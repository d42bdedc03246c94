# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of a folder of images, depth maps registered to them, and a camera matrix.

An image and its depth have the same name but for the suffix. Recordings of
ardaduz/deep-video-mvs, such as its HoloLens sample, have this layout: ``images``, ``depth``,
``K.txt``. The command ``label`` writes it, with ``labels.json`` beside.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from spike_depth_ros.calibration import Calibration, CalibrationError
from spike_depth_ros.ray_depth import ray_lengths
from spike_training.datasets.clip import Clip, Depth, Matrix
from spike_training.datasets.labels import RELATIVE, Labels, find_labels
from spike_training.datasets.readers import files
from spike_training.errors import DataSetError, FrameError

TREE = """\
  ROOT/images/00000.png   (or rgb/, color/, image/; .png, .jpg, .ppm)
  ROOT/depth/00000.png    (uint16; or float .npy, .exr, .pfm in metres; not with depth=none)
  ROOT/relative_depth/    (in place of depth/: labels, as the command label writes them)
  ROOT/K.txt              (camera matrix of the images, 3 x 3, pixels; or give the option fx)
  (or folders of such recordings below ROOT)"""

IMAGE_FOLDERS = ('images', 'rgb', 'color', 'image')


def read(
    root: Path,
    per_metre: float = 0.0,
    frame_hz: float = 30.0,
    fx: float = 0.0,
    depth: str = '',
    depth_along: str = 'axis',
) -> list[Clip]:
    """Read the recording in a folder, or those in the folders below it.

    Args:
        root: Folder of the recording, or of several.
        per_metre: Stored value of one metre; 0: 1000 for integers (millimetres), 1 for floats.
        frame_hz: Frames a second; numbers missing between names are missing frames. 0: single
            images, without motion between them.
        fx: Focal length in pixels, with the principal point in the middle, instead of K.txt; 0:
            K.txt.
        depth: ``none``: images alone, frames without depth.
        depth_along: What stored depth is measured along: ``axis``, the optical axis, or ``ray``,
            the ray of each pixel, by which it becomes depth along the axis.

    Raises:
        DataSetError: Files are missing, too many images and depth maps do not pair, or the unit
            is wrong.
    """
    files.folders(root, TREE)
    if depth not in ('', 'none'):
        raise DataSetError(f'option depth is {depth!r}, expected none, or leave it out')
    if depth_along not in ('axis', 'ray') or (depth and depth_along == 'ray'):
        raise DataSetError(
            f'option depth_along is {depth_along!r}, expected axis, or ray with depth'
        )
    files.check_fx(fx, 'K.txt')
    if not 0 <= frame_hz < math.inf:
        raise DataSetError(f'option frame_hz is {frame_hz:g}, expected frames a second, or 0')
    found = [root] if _images(root) else _recordings(root)
    register = _along_axis if depth_along == 'ray' else None
    return [
        _read(one, root, per_metre, frame_hz, fx, bool(depth), register) for one in found or [root]
    ]


def _images(folder: Path) -> Path | None:
    """Return the folder of images of a recording; None: it is no recording."""
    return next((folder / name for name in IMAGE_FOLDERS if (folder / name).is_dir()), None)


def _recordings(root: Path) -> list[Path]:
    """Return the folders of the recordings below a folder."""
    found = []
    for path, folders, _ in os.walk(root):
        if _images(Path(path)):
            found.append(Path(path))
            folders.clear()
    return sorted(found)


def _labels(folder: Path, root: Path) -> tuple[Labels | None, str]:
    """Return the origin of a recording's depth, None if it is true, and the name of its folder.

    Raises:
        DataSetError: Relative depth is of unknown origin.
    """
    labels = find_labels(folder, root)
    if (folder / 'depth').is_dir() or not (folder / RELATIVE).is_dir():
        return (None if labels is None or labels.relative else labels), 'depth'
    if labels is None or not labels.relative:
        raise DataSetError(
            f'{folder / RELATIVE}: expected labels.json of whoever made it beside it, or in a '
            'folder above that is read'
        )
    return labels, RELATIVE


def _along_axis(camera: Matrix, depth: Depth) -> Depth:
    """Return depth along the optical axis of depth along the ray of each pixel.

    Raises:
        FrameError: The camera matrix is none of an image of this size.
    """
    try:
        rays = ray_lengths(Calibration.from_matrix(camera, depth.shape[1], depth.shape[0]))
    except CalibrationError as error:
        raise FrameError(f'option depth_along is ray: {error}') from error
    found: Depth = depth / rays
    return found


def _read(
    folder: Path,
    root: Path,
    per_metre: float,
    frame_hz: float,
    fx: float,
    without_depth: bool,
    register: Callable[[Matrix, Depth], Depth] | None,
) -> Clip:
    """Read one recording; see :func:`read`."""
    images = files.list_files(
        _images(folder) or folder / IMAGE_FOLDERS[0], files.IMAGE_SUFFIXES, TREE
    )
    name = '/'.join(
        ['folder', os.path.basename(os.path.abspath(root)), *folder.relative_to(root).parts]
    )
    labels, depth_name = None, 'depth'
    if not without_depth:
        labels, depth_name = _labels(folder, root)
    encoding, skipped = files.DepthEncoding(), dict[str, list[str]]()
    frames: list[tuple[Path, Path | None]] = [(image, None) for image in images]
    if not without_depth:
        depths = files.list_files(folder / depth_name, files.DEPTH_SUFFIXES, TREE)
        pairs, skipped = files.pair(
            {path.stem: path for path in images}, {path.stem: path for path in depths}, name
        )
        frames = [*pairs.values()]
        encoding = files.stored_as(depths[0], per_metre)
    if labels is not None and labels.relative:
        encoding = dataclasses.replace(encoding, plausible_m=(0.0, math.inf))
    if fx:
        camera = files.centred_camera(fx, files.read_rgb(frames[0][0]).shape)
    else:
        camera = files.read_matrix(folder / 'K.txt', TREE)
    times = _numbers([image for image, _ in frames]) / (frame_hz or 1.0)
    clip = files.FileClip.checked(
        name, camera, times, frames, encoding, skipped,
        None if register is None else functools.partial(register, camera),
    )  # fmt: skip
    clip.labels, clip.video = labels, frame_hz > 0
    return clip


def _numbers(images: list[Path]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the numbers of the frames: those in their names, else their positions."""
    found = [re.findall(r'\d+', path.stem) for path in images]
    if len({tuple(one[:-1]) for one in found}) == 1:
        found = [one[-1:] for one in found]  # the same before the number of each frame
    digits = [''.join(one) for one in found]
    # Long numbers are stamps of an unknown unit.
    if all(0 < len(text) <= 8 for text in digits):
        numbers = np.array([int(text) for text in digits], np.float64)
        if (np.diff(numbers) > 0).all():
            return numbers
    return np.arange(len(images), dtype=np.float64)
