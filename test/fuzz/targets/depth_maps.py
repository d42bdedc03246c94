# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of full-size and small depth maps."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import mutations
from case_files import read_files, write_files
from judging import Target

from kit.pictures import write_maps
from spike_training.datasets.depth_maps import open_maps, read_maps
from spike_training.errors import DataSetError


def make(random: Random) -> dict[str, Any]:
    """The files, one or two of them damaged, removed, renamed or replaced by something else."""
    files: dict[str, Any] = dict(read_files(write_maps))
    for name in random.sample(sorted(files), random.choice((1, 1, 2))):
        content = files.pop(name)
        way = random.random()
        if way < 0.6:
            files[name] = mutations.corrupt(random, content)
        elif way < 0.7:
            files[name] = random.choice(('loop', '/dev/null', '.', 'missing', 'pipe'))
        elif way < 0.8:
            files[name] = files[random.choice(sorted(files))]
        elif way < 0.9:
            folder = random.choice(('testx0', 'testx3', 'testx2048', 'testx', 'test_gt', '.'))
            files[f'{folder}/{name.rpartition("/")[2]}'] = content
    return files


def use(case: dict[str, Any], folder: Path) -> None:
    """Read the maps and hash them."""
    root = folder / 'maps'
    write_files(root, case)
    read_maps(root, (2, 4))
    open_maps(root)


TARGET = Target(make, use, (DataSetError,))
