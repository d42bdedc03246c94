# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of a folder of images, depth maps registered to them, and a camera matrix.

An image and its depth have the same name but for the suffix. Recordings of
ardaduz/deep-video-mvs, such as its HoloLens sample, have this layout: ``images``, ``depth``,
``K.txt``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spike_training.datasets.clip import Clip
from spike_training.datasets.readers import files

TREE = """\
  ROOT/images/00000.png   (or rgb/, color/, image/; .png, .jpg, .ppm)
  ROOT/depth/00000.png    (uint16; or float .npy, .exr, .pfm in metres)
  ROOT/K.txt              (camera matrix of the images, 3 x 3, pixels; or give the option fx)"""

IMAGE_FOLDERS = ('images', 'rgb', 'color', 'image')


def read(
    root: Path, per_metre: float = 0.0, frame_hz: float = 30.0, fx: float = 0.0
) -> list[Clip]:
    """Read the recording in a folder.

    Args:
        root: Folder of the recording.
        per_metre: Stored value of one metre; 0: 1000 for integers (millimetres), 1 for floats.
        frame_hz: Frames a second; numbers missing between names are missing frames.
        fx: Focal length in pixels, with the principal point in the middle, instead of K.txt; 0:
            K.txt.

    Raises:
        DataSetError: Files are missing, too many images and depth maps do not pair, or the unit
            is wrong.
    """
    files.folders(root, TREE)
    chosen = [root / name for name in IMAGE_FOLDERS if (root / name).is_dir()]
    images = files.list_files((chosen or [root / IMAGE_FOLDERS[0]])[0], files.IMAGE_SUFFIXES, TREE)
    depths = files.list_files(root / 'depth', files.DEPTH_SUFFIXES, TREE)
    name = f'folder/{root.name}'
    pairs, skipped = files.pair(
        {path.stem: path for path in images}, {path.stem: path for path in depths}, name
    )
    frames = [*pairs.values()]
    if fx > 0:
        camera = files.centred_camera(fx, files.read_rgb(frames[0][0]).shape)
    else:
        camera = files.read_matrix(root / 'K.txt', TREE)
    times = _numbers([image for image, _ in frames]) / frame_hz
    encoding = files.stored_as(frames[0][1], per_metre)
    return [files.FileClip.checked(name, camera, times, frames, encoding, skipped)]


def _numbers(images: list[Path]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the numbers of the frames: those in their names, else their positions."""
    digits = [''.join(c for c in path.stem if c.isdigit()) for path in images]
    # Long numbers are stamps of an unknown unit.
    if all(0 < len(text) <= 8 for text in digits):
        numbers = np.array([int(text) for text in digits], np.float64)
        if (np.diff(numbers) > 0).all():
            return numbers
    return np.arange(len(images), dtype=np.float64)
