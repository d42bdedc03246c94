# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of Fast DDS in shared memory that processes map."""

import contextlib
import re
from pathlib import Path

FOLDER = Path('/dev/shm')

_NAME = re.compile(rf'{FOLDER}/(fastrtps_(?!port)\w+)')  # all processes share ports


def family(pid):
    """Ids of a process and its descendants; none if it has ended."""
    try:
        lists = [file.read_text() for file in Path(f'/proc/{pid}/task').glob('*/children')]
    except OSError:
        return []
    return [pid, *(one for text in lists for n in text.split() for one in family(int(n)))]


def shared_files(pids):
    """Names of the files that processes map."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            found.update(_NAME.findall(Path(f'/proc/{pid}/maps').read_text()))
    return found


def left_of(names):
    """Those of some names whose files are still there."""
    return [name for name in names if (FOLDER / name).exists()]
