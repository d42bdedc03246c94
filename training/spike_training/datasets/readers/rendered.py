# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of sets that ``spike_worlds/blender/make.py`` renders (docs/reference/rooms.md).

A view is a clip of two frames 10 ms apart, the first of which has depth; the camera goes on moving
before and after them. The views of a room are one place.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from spike_depth_ros.base.errors import shorten
from spike_depth_ros.base.values import Number
from spike_training.datasets.clip import Clip
from spike_training.datasets.readers import files
from spike_training.datasets.readers.options import checked
from spike_training.errors import DataSetError, FrameError, one_line
from spike_worlds import rendered_set

TREE = f"""\
  ROOT/{rendered_set.MANIFEST}
  ROOT/{rendered_set.room_name(0)}/{rendered_set.view_name(0)}/{rendered_set.VIEW}
  ROOT/{rendered_set.room_name(0)}/{rendered_set.view_name(0)}/{rendered_set.FRAMES[0]}   (and 1)
  ROOT/{rendered_set.room_name(0)}/{rendered_set.view_name(0)}/{rendered_set.DEPTH}     (uint16, millimetres)
as training/spike_worlds/blender/make.py writes them"""  # noqa: E501

ENCODING = files.DepthEncoding(
    rendered_set.PER_METRE, sky=rendered_set.SKY, plausible_m=files.INDOOR_M
)
SET = files.DataSet('rendered', TREE, ENCODING)

WRONG = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""Errors of JSON of another form."""


@checked
def read(root: Path, views: Number = 0) -> list[Clip]:
    """Read the views of a set.

    Args:
        root: Folder of the set.
        views: Views to read, in the order of their numbers; 0: all.

    Raises:
        DataSetError: It is no such set, of another version, holds fewer views than wanted, or too
            many of them are damaged.
    """
    SET.check_folder(root)
    _check_version(root / rendered_set.MANIFEST)
    found = sorted(root.glob('room_*/view_*'))
    if not found or len(found) < views:
        raise DataSetError(
            f'{root}: holds {len(found)} views, expected {views or "one or more"}; '
            'training/spike_worlds/blender/make.py makes more'
        )
    chosen = found[: views or None]
    clips: list[Clip] = []
    skipped: dict[str, list[str]] = {}
    for folder in chosen:
        with files.left_out(skipped, f'{folder.parent.name}/{folder.name}'):
            clips.append(_view(folder))
    clips = SET.usable(root, clips, skipped, len(chosen), rendered_set.VIEW)
    files.check_clip(clips[0], ENCODING.plausible_m)
    return clips


def _check_version(path: Path) -> None:
    if not path.is_file():
        raise SET.missing(path)
    try:
        about = json.loads(path.read_text(encoding='utf-8'))
        found = about['format'], about['version']
    except WRONG as error:
        raise DataSetError(
            f'{path}: expected the manifest of a set of rendered rooms ({one_line(error)})'
        ) from error
    if found != (rendered_set.FORMAT, rendered_set.VERSION):
        raise DataSetError(
            f'{path}: {shorten(repr(found[0]), 220)} of version {shorten(repr(found[1]), 220)}, '
            f'expected {rendered_set.FORMAT!r} of version {rendered_set.VERSION}: render it again '
            'with this training/spike_worlds/blender/make.py'
        )


def _view(folder: Path) -> Clip:
    """Return the clip of a view."""
    path = folder / rendered_set.VIEW
    if not path.is_file():
        raise FrameError(f'{rendered_set.VIEW} is missing')
    try:
        about: Any = json.loads(path.read_text(encoding='utf-8'))
        camera = np.array(about['camera'], np.float64)
        times_s = np.array(about['times_s'], np.float64)
        mean_rate = float(about['mean_rate'])
        sizes = {name: int(size) for name, size in about['bytes'].items()}
    except (OSError, ArithmeticError, *WRONG) as error:
        raise FrameError(f'{rendered_set.VIEW} cannot be read: {type(error).__name__}') from error
    if camera.shape != (3, 3) or not (np.isfinite(camera).all() and camera[0, 0] > 0):
        raise FrameError(f'camera of {rendered_set.VIEW} is no camera matrix')
    if times_s.shape != (len(rendered_set.FRAMES),) or not (np.diff(times_s) > 0).all():
        raise FrameError(f'times_s of {rendered_set.VIEW} are not two increasing times')
    if not (math.isfinite(mean_rate) and 0 < mean_rate <= 1):
        raise FrameError(f'mean_rate of {rendered_set.VIEW} is {mean_rate:g}, expected 0 to 1')
    for name in (*rendered_set.FRAMES, rendered_set.DEPTH):
        file = folder / name
        if not file.is_file() or file.stat().st_size != sizes.get(name):
            raise FrameError(f'{name} is missing, or not of the size it was written with')
    images = [folder / name for name in rendered_set.FRAMES]
    depths = [folder / rendered_set.DEPTH, *[None] * (len(images) - 1)]
    name, frames = f'{folder.parent.name}/{folder.name}', zip(images, depths, strict=True)
    clip = SET.clip(name, camera, times_s, frames, {}, check=False)
    clip.mean_rate, clip.goes_on = mean_rate, True
    return clip
