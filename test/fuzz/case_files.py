# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of a case, written to a folder."""

import functools
import os
import tempfile
from pathlib import Path


@functools.cache
def read_files(write, *given):
    """Return the content of each file by its name that a function writes to a new folder.

    Args:
        write: Function of the folder, which does not exist.
        given: What it takes beside.
    """
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch, 'set')
        write(root, *given)
        paths = sorted(path for path in root.rglob('*') if path.is_file())
        return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def write_files(root, case):
    """Write files by their names in a folder.

    Args:
        root: The folder; made if missing.
        case: Content of each file, or what a link of its name leads to: ``loop``, itself;
            ``pipe``: no link, but a pipe without a writer.
    """
    for name, data in case.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(data, bytes):
            path.write_bytes(data)
        elif data == 'pipe':
            os.mkfifo(path)
        else:
            path.symlink_to(path.name if data == 'loop' else data)
