# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sets of rendered rooms."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import mutations
from case_files import read_files, write_files
from judging import Target

from kit.rooms import write_rooms
from spike_training.datasets.readers.rendered import read
from spike_training.errors import DataSetError, FrameError


def make(random: Random) -> dict[str, Any]:
    """The files of a set, one to three of them damaged, removed or replaced by something else."""
    files: dict[str, Any] = dict(read_files(write_rooms, 3, 2))
    for name in random.sample(sorted(files), random.choice((1, 1, 2, 3))):
        way = random.random()
        if name.endswith('.json') and way < 0.6:
            text = json.dumps(
                mutations.mutate_tree(random, json.loads(read_files(write_rooms, 3, 2)[name]))
            )
            files[name] = text.encode(errors='replace')
        elif way < 0.8:
            files[name] = mutations.corrupt(random, files[name])
        elif way < 0.9:
            files[name] = random.choice(('loop', '/dev/null', '.', 'missing', 'pipe'))
        else:
            del files[name]
    for name in files:  # damaged images of the size that is noted
        view = name.rpartition('/')[0] + '/view.json'
        if random.random() < 0.3 and view in files and isinstance(files[name], bytes):
            files[view] = _with_size(files[view], name.rpartition('/')[2], len(files[name]))
    return files


def _with_size(view: Any, name: str, size: int) -> Any:
    try:
        about = json.loads(view)
        if name in about['bytes']:
            about['bytes'][name] = size
        return json.dumps(about).encode(errors='replace')
    except (ValueError, TypeError, KeyError, RecursionError):
        return view


def use(case: dict[str, Any], folder: Path) -> None:
    """Read the set, and the frames and depth of each view."""
    root = folder / 'rooms'
    write_files(root, case)
    refused: list[FrameError] = []
    for clip in read(root):
        for number in range(len(clip)):
            try:
                clip.image(number)
                clip.depth(number)
            except FrameError as error:
                refused.append(error)
    if refused:
        raise refused[0]


LINES = 6  # of a message that shows the files of a set
TARGET = Target(make, use, (DataSetError, FrameError), LINES)
