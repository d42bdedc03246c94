# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files in their places: written or replaced whole, or under a new name."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from spike_depth_ros.errors import naming

UNFINISHED = '.incomplete_'
"""Beginning of the names of unfinished results, which are made beside their places."""

PART_SUFFIX = '.unfinished'
"""Suffix of files that are being written."""


def write_atomically(path: str | os.PathLike[str], content: bytes, sync: bool = True) -> None:
    """Write a file under a temporary name that nobody can foresee, and rename it.

    Args:
        path: The file.
        content: Its content.
        sync: Wait until the content is on the disk, which may take a second.

    Raises:
        OSError: It cannot be written, for example as the disk is full; it names the file.
    """
    target = Path(path)
    handle, temporary = tempfile.mkstemp(PART_SUFFIX, f'.{target.name}.', target.parent)
    try:
        with naming(target), os.fdopen(handle, 'wb') as file:
            file.write(content)
            file.flush()
            if sync:
                os.fsync(file.fileno())
            # mkstemp makes files that only their owner can read.
            os.fchmod(file.fileno(), 0o644)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def remove_unfinished(folder: Path) -> None:
    """Remove files that a killed :func:`write_atomically` left in a folder."""
    for path in folder.glob(f'.*{PART_SUFFIX}'):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def replace_results(
    out: Path, patterns: Sequence[str], is_own: Callable[[Path], bool] = Path.is_file
) -> Iterator[Path]:
    """Yield a temporary folder, whose files replace the earlier results at the end.

    On an error the folder is removed and the earlier results stay.

    Args:
        out: Folder of the results; must exist.
        patterns: Patterns of the files of a run; earlier files that match and were not written
            again are removed.
        is_own: Whether a file that matches is one of a run.

    Raises:
        OSError: A file cannot be written or moved.
    """
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=out) as name:
        folder = Path(name)
        yield folder
        for path in folder.rglob('*'):
            sync(path)
        written = list(folder.iterdir())
        for path in written:
            path.replace(out / path.name)
        for path in old_results(out, patterns, is_own):
            if path.name not in {new.name for new in written}:
                path.unlink()
        sync(out)


def old_results(
    out: Path, patterns: Sequence[str], is_own: Callable[[Path], bool] = Path.is_file
) -> list[Path]:
    """Return the files in a folder that match patterns; see :func:`replace_results`."""
    return [file for pattern in patterns for file in out.glob(pattern) if is_own(file)]


def move_to_new(made: Path, path: Path) -> Path:
    """Move a file or folder to a name that nothing has, also if other processes do so.

    Args:
        made: What to move, on the same disk.
        path: The name to take if it is free.

    Returns:
        The name taken: ``path``, else NAME_2, NAME_3 and so on.

    Raises:
        OSError: It cannot be moved.
    """
    place, number = path, 1
    while True:
        try:  # one process alone can make it, and then replace it
            if made.is_dir():
                place.mkdir()
            else:
                place.touch(exist_ok=False)
            return made.replace(place)
        except FileExistsError:
            number += 1
            place = path.with_stem(f'{path.stem}_{number}')


def sync(path: Path) -> None:
    """Flush a file, or a folder's list of files, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hash_file(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
