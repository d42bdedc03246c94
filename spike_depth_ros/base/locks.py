# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Locks of a folder that one process writes to at a time, and of a file that one uses."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from spike_depth_ros.base.errors import OneLineError, check_link

LOCK = '.lock'
"""File in the folder; it is removed at the end, and means nothing once its process has ended."""


class FolderLockError(OneLineError):
    """Folder that another process works in, or that cannot be made or locked."""


class FileLockError(OneLineError):
    """File that another process has locked, or that cannot be locked."""


def lock_file(path: Path) -> int:
    """Lock a file that exists, by ``flock``, and return its descriptor, which holds the lock.

    Raises:
        FileLockError: Another process holds the lock, or the file cannot be opened and locked.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(file)
            raise
    except BlockingIOError:
        raise FileLockError(f'{path}: another process uses it') from None
    except OSError as error:
        raise FileLockError(f'{path}: cannot be locked ({error.strerror})') from error
    return file


@contextlib.contextmanager
def lock_folder(folder: Path, wait: Callable[[], object] | None = None) -> Iterator[None]:
    """Hold the lock of a folder, by ``flock``: the kernel unlocks it when the process ends.

    A file is locked, not the folder itself, which NFS does not support.

    Args:
        folder: Folder; made unless it exists, and then removed if it is empty at the end.
        wait: Called before waiting for another process; None: do not wait.

    Raises:
        FolderLockError: Another process holds the lock, and ``wait`` is None; or the folder cannot
            be made or locked.
    """
    try:
        check_link(folder)
    except OneLineError as error:
        raise FolderLockError(str(error)) from None
    made = not folder.exists()
    path = folder / LOCK
    try:
        file = _locked(path, wait)
    except OSError as error:
        raise FolderLockError(
            f'{folder}: cannot be made and locked ({error.strerror}): expected a folder that you '
            'can write to'
        ) from error
    try:
        yield
    finally:
        # Before it is unlocked: afterwards it may be another process's.
        path.unlink(missing_ok=True)
        os.close(file)
        if made:
            with contextlib.suppress(OSError):  # something was written
                folder.rmdir()


def _locked(path: Path, wait: Callable[[], object] | None) -> int:
    """Open and lock a file, in a folder that is made; return its descriptor."""
    announced = False
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except FileNotFoundError:  # the process that made the folder has just removed it
            continue
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if wait is None:
                    raise FolderLockError(
                        f'{path.parent}: another process works there: wait for its end, or choose '
                        'another folder'
                    ) from None
                if not announced:
                    wait()
                    announced = True
                fcntl.flock(file, fcntl.LOCK_EX)
            # The process that held the lock may have removed the file meanwhile.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), os.stat(path)):
                    return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)
