# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibrations of data sets: calib.txt of stereo pairs and of KITTI, K.txt of folders."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import mutations
import numpy as np
from case_files import read_files, write_files
from judging import ContractError, Target

from kit import readable
from spike_depth_ros.geometry.calibration import MIN_FX_PX
from spike_training.datasets import readers
from spike_training.datasets.clip import Clip
from spike_training.errors import DataSetError

NUMBER = re.compile(r'-?\d+\.?\d*')
SNIPPETS = (
    'nan', 'inf', '-1', '0', '1e400', '1e-300', '1e30', '0x10', '1_0', '[', ']', ';', '=', ':',
    ',', '9' * 400, 'é', '\ufeff', 'cam0=', 'baseline=0.193', 'width=80', 'P_rect_02:', '\r', '',
)  # fmt: skip


def _kitti(root: Path) -> None:
    readable.one_kitti(root, ('image_02', 'image_03'))


KINDS: dict[str, tuple[Callable[[Path], None], str, str]] = {
    'middlebury': (readable.middlebury, '', 'calib.txt'),
    'folder': (readable.folder, '', 'K.txt'),
    'folder along rays': (readable.folder, ',depth_along=ray', 'K.txt'),
    'kitti': (_kitti, '', 'calib.txt'),
    'kitti of two eyes': (_kitti, ',right=image_03', 'calib.txt'),
}


def _changed(random: Random, text: str) -> str:
    """Change numbers, words and lines of a calibration."""
    lines = text.split('\n')
    for _ in range(random.choice((1, 1, 2, 3))):
        place = random.randrange(len(lines))
        found = [*NUMBER.finditer(lines[place])]
        way = random.randrange(6)
        if way < 3 and found:
            one = random.choice(found)
            near = mutations.near(random, float(one[0]))
            new = random.choice((random.choice(SNIPPETS), f'{near:g}'))
            lines[place] = lines[place][: one.start()] + new + lines[place][one.end() :]
        elif way == 3:
            del lines[place : place + random.choice((1, 1, 3))]
            lines = lines or ['']
        elif way == 4:
            lines.insert(place, random.choice((*lines, *SNIPPETS)))
        else:
            random.shuffle(lines)
    return random.choice(('\n', '\n', '\r\n', ' ')).join(lines)


def make(random: Random) -> dict[str, Any]:
    """A data set whose calibration is changed, damaged or something else; and its kind."""
    kind = random.choice([*KINDS])
    files: dict[str, Any] = dict(read_files(KINDS[kind][0]))
    name = KINDS[kind][2]
    way = random.random()
    if way < 0.7:
        files[name] = _changed(random, files[name].decode()).encode(errors='replace')
    elif way < 0.9:
        files[name] = mutations.corrupt(random, files[name])
    elif way < 0.95:
        files[name] = random.choice(('loop', '/dev/null', '.', 'missing', 'pipe'))
    else:
        del files[name]
    return {'kind': kind, **files}


def use(case: dict[str, Any], folder: Path) -> None:
    """Read the set: what it gives as a camera and as depth can be of one."""
    kind, root = case['kind'], folder / 'set'
    write_files(root, {name: data for name, data in case.items() if name != 'kind'})
    _, options, _ = KINDS[kind]
    for clip in readers.read(kind.split(' ')[0], f'{root}{options}'):
        assert isinstance(clip, Clip)
        _check(clip)


def _check(clip: Clip) -> None:
    if (camera := clip.camera) is not None:
        focal = min(camera[0, 0], camera[1, 1])
        if not (np.isfinite(camera).all() and focal > MIN_FX_PX):
            raise ContractError(f'no camera matrix: {camera.tolist()}')
    for number in clip.labelled:
        depth = clip.depth(number)
        assert depth is not None
        if not np.isnan(depth).all() and not 1e-3 < np.nanmedian(depth) < 1e4:
            raise ContractError(f'the depth is {np.nanmedian(depth)} m')
        if (depth <= 0).any() or np.isneginf(depth).any():
            raise ContractError('depth of 0 or less')
    if clip.right is not None and clip.right.rig is not None:
        rig = clip.right.rig
        if not (np.isfinite([rig.baseline_m, rig.fx_px, rig.offset_px]).all() and rig.fx_px > 1):
            raise ContractError(f'no rig: {rig}')


LINES = 12  # of a message that shows the files of a set
TARGET = Target(make, use, (DataSetError,), LINES)
