# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of Cityscapes: pairs of a car's two cameras in 50 cities, without depth.

Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, 2016. Pairs are
single images, seconds or more apart. Both eyes have one camera matrix, which a file beside each
picture holds, with the baseline; a city has few of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spike_training.datasets.clip import Clip
from spike_training.datasets.readers import files, pairs
from spike_training.errors import FrameError, one_line

TREE = """\
  ROOT/leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png    (also train_extra, val, test)
  ROOT/rightImg8bit/train/aachen/aachen_000000_000019_rightImg8bit.png
  ROOT/camera/train/aachen/aachen_000000_000019_camera.json"""  # noqa: E501

WRONG = (OSError, ValueError, KeyError, TypeError, RecursionError)
"""Errors of JSON of another form."""


class Camera(NamedTuple):
    """Calibration of a picture: pixels, and metres from the left to the right camera."""

    fx: float
    fy: float
    u0: float
    v0: float
    baseline_m: float


SET = files.DataSet('cityscapes', TREE)


def read(root: Path, part: str = '') -> list[Clip]:
    """Read the pairs below a folder, a clip for each city and calibration.

    Args:
        root: Folder of the unpacked archives.
        part: Only this one: train, train_extra, val or test; all unless given.

    Raises:
        DataSetError: Files are missing, too many pictures have no right eye or calibration, or a
            calibration is no pair's.
    """
    SET.check_folder(root)
    clips: list[Clip] = []
    skipped: dict[str, list[str]] = {}
    total = 0
    for city in sorted(root.glob(f'leftImg8bit/{part or "*"}/*/')):
        below = city.relative_to(root / 'leftImg8bit')
        found: dict[Camera, list[tuple[Path, Path]]] = {}
        for left in sorted(city.iterdir()):  # in the order of time
            stem = left.stem.removesuffix('_leftImg8bit')
            if stem == left.stem or not files.is_one_of(left, files.PICTURES):
                continue
            total += 1
            with files.left_out(skipped, left.name):
                right = root / 'rightImg8bit' / below / f'{stem}_rightImg8bit{left.suffix}'
                if not right.is_file():
                    raise FrameError('no right picture')
                camera = _camera(root / 'camera' / below / f'{stem}_camera.json')
                found.setdefault(camera, []).append((left, right))
        for number, (camera, pictures) in enumerate(found.items()):
            name = below.as_posix() + (f'/{number}' if len(found) > 1 else '')
            clips.append(_clip(name, camera, pictures))
    return SET.usable(root, clips, skipped, total, f'leftImg8bit/{part or "train"}')


def _camera(path: Path) -> Camera:
    """Read a calibration."""
    if not path.is_file():
        raise FrameError('no calibration beside the picture')
    try:
        about = json.loads(path.read_text(encoding='utf-8'))
        fx, fy, u0, v0 = (float(about['intrinsic'][name]) for name in ('fx', 'fy', 'u0', 'v0'))
        camera = Camera(fx, fy, u0, v0, float(about['extrinsic']['baseline']))
    except WRONG as error:
        raise FrameError(f'calibration cannot be read: {one_line(error)}') from error
    if not (np.isfinite(camera).all() and min(camera.fx, camera.fy) > 0):
        raise FrameError('calibration has no finite numbers with focal lengths above 0')
    return camera


def _clip(name: str, camera: Camera, pictures: list[tuple[Path, Path]]) -> Clip:
    matrix = files.camera_matrix(camera.fx, camera.fy, camera.u0, camera.v0)
    times_s = np.arange(len(pictures), dtype=np.float64)
    clip = SET.clip(name, matrix, times_s, [(left, None) for left, _ in pictures], {})
    clip.video = False
    clip.right = pairs.right_frames(clip, dict(enumerate(pictures)), matrix, camera.baseline_m)
    return clip
