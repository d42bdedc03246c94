# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Content of files that others may write to while they are loaded.

A mapped file that becomes shorter meanwhile, as by ``cp`` over it, ends the process (SIGBUS), and
what is written to it later changes the weights of a network that uses the mapping.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from spike_depth_ros.base.errors import printable

MAX_READ_BYTES = 512_000_000
"""Largest file that is in memory beside the network that is made of it."""

_BLOCK_BYTES = 1 << 24


@contextlib.contextmanager
def unshared(path: Path, begin: int | None = None) -> Iterator[bytes | Path]:
    """Yield the content of a file, which no other process changes.

    Args:
        path: The file.
        begin: Bytes at its beginning that are needed; others of a large file may be 0. None: all.

    Yields:
        The bytes; of a file above :data:`MAX_READ_BYTES` the path of a private copy, whose size is
        told, and which may stay mapped; the bytes where no disk has room for one.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open('rb') as file:
        size = os.fstat(file.fileno()).st_size
        place = _place(path, size) if size > MAX_READ_BYTES else None
        if place is None:
            yield file.read()
            return
        with tempfile.TemporaryFile(dir=place) as copy:
            if begin is None:
                text = f'{path}: {size / 1e6:.0f} MB, read from a copy in {place}'
                print(printable(text), file=sys.stderr)
            _copy(file, copy, size if begin is None else begin)
            copy.truncate(size)
            copy.flush()
            yield Path(f'/proc/self/fd/{copy.fileno()}')


def _place(path: Path, size: int) -> Path | None:
    """Return a folder for a private copy with room for it; None: there is none."""
    for folder in (Path(tempfile.gettempdir()), Path('/var/tmp'), path.parent):
        with contextlib.suppress(OSError):
            if os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 1.1 * size:
                return folder
    return None


def _copy(file: BinaryIO, copy: BinaryIO, nbytes: int) -> None:
    while nbytes > 0 and (block := file.read(min(nbytes, _BLOCK_BYTES))):
        copy.write(block)
        nbytes -= len(block)
