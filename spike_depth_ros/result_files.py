# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files in their places: written or replaced whole, or under a new name."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from spike_depth_ros.errors import naming, printable

UNFINISHED = '.incomplete_'
"""Beginning of the names of unfinished results, which are made beside their places."""

EARLIER_SUFFIX = '.earlier'
"""Suffix of an earlier result while the new one takes its place."""

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


class UnfinishedFolder(tempfile.TemporaryDirectory[str]):
    """Temporary folder beside the place of a result, which its process locks.

    Only its owner can write to it, and nobody can foresee its name. Those that killed processes
    left there are named and removed first.

    Args:
        parent: Folder of the result.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, parent: Path) -> None:
        _remove_abandoned(parent)
        self._lock: int | None = None
        while True:
            super().__init__(prefix=UNFINISHED, dir=parent)
            try:
                self._lock = lock_unfinished(Path(self.name))
                return
            except (BlockingIOError, FileNotFoundError):  # another process has just removed it
                super().cleanup()

    def cleanup(self) -> None:
        """Remove the folder, and then unlock it."""
        super().cleanup()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def lock_unfinished(folder: Path) -> int | None:
    """Lock a temporary folder by ``flock``: the kernel unlocks it when the process ends.

    Returns:
        Open descriptor, which holds the lock; None where folders cannot be locked, as on NFS.

    Raises:
        BlockingIOError: Another process holds the lock.
        FileNotFoundError: Another process has removed the folder.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(folder, flags)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder.stat()
    except (BlockingIOError, FileNotFoundError):
        os.close(descriptor)
        raise
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def abandoned(parent: Path, prefix: str = UNFINISHED) -> Iterator[Path]:
    """Yield this user's temporary folders whose processes have ended, each locked meanwhile.

    Args:
        parent: Folder of results; may be missing.
        prefix: Beginning of their names, before the eight letters of :mod:`tempfile`.
    """
    name = re.compile(re.escape(prefix) + '[a-z0-9_]{8}')
    for path in sorted(parent.glob(f'{prefix}*')):
        with contextlib.suppress(OSError):  # in use, gone, or not to be locked
            status = path.lstat()
            is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
            if not (name.fullmatch(path.name) and is_ours):
                continue
            lock = lock_unfinished(path)
            if lock is None:
                continue
            try:
                yield path
            finally:
                os.close(lock)


def _remove_abandoned(parent: Path) -> None:
    """Remove what killed processes left in a folder of results."""
    for folder in abandoned(parent):
        with contextlib.suppress(OSError):  # it stays, for the next run
            for earlier in folder.glob(f'*{EARLIER_SUFFIX}'):  # not yet replaced by the new one
                place = parent / earlier.name.removesuffix(EARLIER_SUFFIX)
                if not place.exists():
                    earlier.rename(place)
            size = sum(path.lstat().st_size for path in folder.rglob('*'))
            shutil.rmtree(folder)
            text = f'{folder}: removed, a killed run left it unfinished ({size / 1e6:.1f} MB)'
            print(printable(text), file=sys.stderr)


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
    with UnfinishedFolder(out) as name:
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
