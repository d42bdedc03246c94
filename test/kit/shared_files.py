# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segments of Fast DDS in shared memory that processes own."""

import contextlib
import re
import time
from pathlib import Path

FOLDER = Path('/dev/shm')

_LOCK = re.compile(rf'{FOLDER}/(fastrtps_(?!port)\w+)_el')
"""File that the owner of a segment keeps open. All processes share ports, and map the segments of
others that reach their ports, from other domains too."""


def family(pid):
    """Ids of a process and its descendants; none if it has ended."""
    try:
        lists = [file.read_text() for file in Path(f'/proc/{pid}/task').glob('*/children')]
    except OSError:
        return []
    return [pid, *(one for text in lists for n in text.split() for one in family(int(n)))]


def shared_files(pids):
    """Names of the segments that processes own."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for link in Path(f'/proc/{pid}/fd').iterdir():
                with contextlib.suppress(OSError):  # closed meanwhile
                    found.update(_LOCK.findall(str(link.readlink())))
    return found


def steady_files(pids):
    """Names of the segments that processes own at three moments.

    A participant that starts opens those of others, too, to look whether these live.
    """
    found = shared_files(pids)
    for _ in range(2):
        time.sleep(0.1)
        found &= shared_files(pids)
    return found


def all_files():
    """Names of all files of segments."""
    return {path.name for path in FOLDER.iterdir()}


def left_of(names):
    """Those of some names whose files are still there."""
    return [name for name in names if (FOLDER / name).exists()]
