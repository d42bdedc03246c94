# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of results that replace those of an earlier run together, once all are whole."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path


@contextlib.contextmanager
def replace_results(out: Path, patterns: Sequence[str]) -> Iterator[Path]:
    """Give a folder to write to; what it holds at the end replaces the earlier results.

    On an error the folder is removed and the earlier results stay.

    Args:
        out: Folder of the results; must exist.
        patterns: Of the files that a run may write; those that this one did not are removed.

    Raises:
        OSError: A file cannot be written or moved.
    """
    with tempfile.TemporaryDirectory(prefix='.incomplete_', dir=out) as name:
        folder = Path(name)
        yield folder
        for path in folder.rglob('*'):
            _sync(path)
        written = list(folder.iterdir())
        for path in written:
            path.replace(out / path.name)
        for path in old_results(out, patterns):
            if path.name not in {new.name for new in written}:
                path.unlink()
        _sync(out)


def old_results(out: Path, patterns: Sequence[str]) -> list[Path]:
    """Return the results in a folder."""
    return [file for pattern in patterns for file in out.glob(pattern)]


def _sync(path: Path) -> None:
    """Have a file, or a folder's list of files, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
