# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibrations of data sets: calib.txt of stereo pairs and of KITTI, K.txt of folders."""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import mutations
import numpy as np
from case_files import write_files
from judging import ContractError, Target

from kit.pictures import METRES, depth_png, picture, texts, write_pfm
from spike_depth_ros.calibration import MIN_FX_PX
from spike_training.datasets import readers
from spike_training.datasets.clip import Clip
from spike_training.errors import DataSetError

CALIB = (
    'cam0=[60.5 0 20.25; 0 60.5 12; 0 0 1]', 'cam1=[60.5 0 22.75; 0 60.5 12; 0 0 1]',
    'doffs=2.5', 'baseline=193.001', 'width=40', 'height=24', 'ndisp=12', 'isint=0', 'vmin=1',
    'vmax=9', 'dyavg=0', 'dymax=0',
)  # fmt: skip
PROJECTIONS = (
    'calib_time: 09-Jan-2012 13:57:47', 'R_rect_02: 1 0 0 0 1 0 0 0 1',
    'P_rect_02: 60 0 20 44.8 0 60 12 0.2 0 0 1 0.002', 'P_rect_03: 60 0 20 -339 0 60 12 2 0 0 1 0',
)  # fmt: skip
MATRIX = ('60 0 19.5', '0 61 11.5', '0 0 1')
NUMBER = re.compile(r'-?\d+\.?\d*')
SNIPPETS = (
    'nan', 'inf', '-1', '0', '1e400', '1e-300', '1e30', '0x10', '1_0', '[', ']', ';', '=', ':',
    ',', '9' * 400, 'é', '\ufeff', 'cam0=', 'baseline=0.193', 'width=80', 'P_rect_02:', '\r', '',
)  # fmt: skip


def _pair(root: Path) -> None:
    for view in ('im0.png', 'im1.png'):
        picture(root / view)
    disparity = np.full(METRES.shape, 6.0, np.float32)
    disparity[:, 0] = np.inf
    write_pfm(root / 'disp0GT.pfm', disparity)
    texts(root / 'calib.txt', *CALIB)


def _folder(root: Path) -> None:
    for number in range(2):
        picture(root / f'images/{number}.png')
        depth_png(root / f'depth/{number}.png', 1000)
    texts(root / 'K.txt', *MATRIX)


def _kitti(root: Path) -> None:
    for number in range(2):
        for eye in ('image_02', 'image_03'):
            picture(root / f'{eye}/data/{number:010d}.png')
        depth_png(root / f'depth/{number:010d}.png', 256)
    texts(root / 'calib.txt', *PROJECTIONS)


KINDS: dict[str, tuple[Callable[[Path], None], str, str]] = {
    'middlebury': (_pair, '', 'calib.txt'),
    'folder': (_folder, '', 'K.txt'),
    'folder along rays': (_folder, ',depth_along=ray', 'K.txt'),
    'kitti': (_kitti, '', 'calib.txt'),
    'kitti of two eyes': (_kitti, ',right=image_03', 'calib.txt'),
}


@functools.cache
def _files(kind: str) -> dict[str, bytes]:
    """A valid data set."""
    with tempfile.TemporaryDirectory() as folder:
        KINDS[kind][0](Path(folder))
        paths = sorted(path for path in Path(folder).rglob('*') if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


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
    files: dict[str, Any] = dict(_files(kind))
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
