# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detection and removal of shared memory of killed processes (``spike_inspect shared-memory``).

Fast DDS keeps a segment per publishing process and small ports in ``/dev/shm``. Each has a file
beside it (``_el``, ``_sl``) that its owner locks with ``flock``, and the kernel unlocks when the
owner ends in whatever way. A segment is in use while its lock is held or any process maps it.
Ports of killed processes stay: they are small, the next process of that number reuses them, and if
one is removed while a process starts, that process reads from a port that no other finds.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import itertools
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

FOLDER = Path('/dev/shm')
"""Mount point of shared memory on Linux."""

FREE_COMMAND = 'spike_inspect shared-memory --free'

NEW_S = 1.0
"""Age below which files count as in use, seconds: their owner may not have locked them yet."""

OTHERS_LOOK_S = 0.1
"""Time in which other processes that look at a file, and lock it meanwhile, are done, seconds."""

_NAME = re.compile(r'(?:sem\.)?(fastrtps_(?:port\d+|[0-9a-f]{16}))(?:_el|_sl|_mutex)?')
_LOCKS = ('_el', '_sl')


def stale_files(folder: Path = FOLDER, wait_s: float = 0.0) -> dict[str, list[Path]]:
    """Return the files of segments that no process uses, by their segment.

    Files of other users are left out. Mappings are found only in this process's PID namespace.

    Args:
        folder: Mount point of shared memory.
        wait_s: Time after which a file that stays locked counts as in use, seconds.
    """
    unlocked = dict(_unlocked(folder, wait_s))
    mapped = _mapped_names() if unlocked else set()  # takes long: no lock is held meanwhile
    return {
        name: files
        for name, files in unlocked.items()
        if mapped.isdisjoint(path.name for path in files)
    }


def free(folder: Path = FOLDER) -> dict[str, list[Path]]:
    """Remove the files of :func:`stale_files`.

    Returns:
        The removed files, by segment.
    """
    freed = {}
    for name, files in _unlocked(folder, OTHERS_LOOK_S):
        if not _mapped_names().isdisjoint(path.name for path in files):
            continue
        # Locks last: a segment without its lock would be used by a new owner.
        for path in sorted(files, key=lambda path: path.name.endswith(_LOCKS)):
            with contextlib.suppress(OSError):  # gone, or replaced, meanwhile
                path.unlink()
        freed[name] = files
    return freed


def remove_own(folder: Path = FOLDER) -> None:
    """Remove the segments and ports of this process, which must then end at once.

    Their locks are open here; other processes keep what they map.
    """
    owned = set()
    for link in Path('/proc/self/fd').iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            name = link.readlink().name
            if (match := _NAME.fullmatch(name)) and name.endswith(_LOCKS):
                owned.add(match[1])
    for path in _files(folder):
        if (match := _NAME.fullmatch(path.name)) and match[1] in owned:
            with contextlib.suppress(OSError):  # another user's, which Fast DDS does not make
                path.unlink()


def warning(folder: Path = FOLDER) -> str:
    """Return one line on the segments of killed processes; empty if there is none."""
    found = stale_files(folder)
    return _report(found, folder) if found else ''


def warn(log: Callable[[str], object]) -> None:
    """Log :func:`warning`, if it is not empty."""
    if text := warning():
        log(text)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MemoryOptions:
    """List the shared memory that killed processes left behind, or free it."""

    free: bool = False
    """Remove what no process uses."""


def show(options: MemoryOptions) -> int:
    """Print the stale files; with ``--free``, remove them."""
    found = stale_files(wait_s=OTHERS_LOOK_S)
    if not found:
        print(f'killed processes left no shared memory in {FOLDER}')
    elif options.free:
        before = _size(found)
        free()
        print(f'freed {(before - _size(found)) / 1e6:.1f} MB of shared memory in {FOLDER}')
    else:
        for name, files in found.items():
            print(f'{name}: {_size({name: files}) / 1e6:.1f} MB')
        print(_report(found, FOLDER))
    return 0


def _report(found: dict[str, list[Path]], folder: Path) -> str:
    return (
        f'killed processes left {_size(found) / 1e6:.1f} MB of shared memory in {folder}; to free '
        f'it: {FREE_COMMAND}'
    )


def _size(found: dict[str, list[Path]]) -> int:
    """Return the bytes of files; missing ones count 0."""
    total = 0
    for path in itertools.chain.from_iterable(found.values()):
        with contextlib.suppress(FileNotFoundError):
            total += path.lstat().st_blocks * 512
    return total


def _unlocked(folder: Path, wait_s: float) -> Iterator[tuple[str, list[Path]]]:
    """Yield segments that nobody locks, each locked until the next is requested.

    Args:
        folder: Mount point of shared memory.
        wait_s: Time after which a file that stays locked counts as in use, seconds.
    """
    named = [(match[1], path) for path in _files(folder) if (match := _NAME.fullmatch(path.name))]
    for name, group in itertools.groupby(sorted(named), key=lambda pair: pair[0]):
        files = [path for _, path in group]
        with contextlib.ExitStack() as locks:
            if (
                not name.startswith('fastrtps_port')
                and all(_is_old_and_ours(path) for path in files)
                and all(_lock(path, locks, wait_s) for path in files if path.name.endswith(_LOCKS))
            ):
                yield name, files


def _files(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []  # no shared memory here


def _is_old_and_ours(path: Path) -> bool:
    """Whether it is a file of this user; whatever else any user puts there is left alone."""
    try:
        status = path.lstat()
    except OSError:
        return False
    if not stat.S_ISREG(status.st_mode):
        return False
    return os.geteuid() in (0, status.st_uid) and not 0 <= time.time() - status.st_mtime < NEW_S


def _lock(path: Path, locks: contextlib.ExitStack, wait_s: float) -> bool:
    """Lock a file as its owner would; False if it stays locked."""
    end = time.monotonic() + wait_s
    try:
        # Anyone may put a link or a pipe there meanwhile, which would wait for a writer.
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        locks.callback(os.close, file)
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    return False
                time.sleep(0.005)
            else:
                return True
    except OSError:
        return False


def _mapped_names() -> set[str]:
    """Return the names of Fast DDS's files that readable processes map."""
    names: set[str] = set()
    for maps in Path('/proc').glob('[0-9]*/maps'):
        with contextlib.suppress(OSError):  # the process ended, or is another user's
            text = maps.read_text(errors='replace')
            names.update(re.findall(r'/((?:sem\.)?fastrtps_\w+)', text))
    return names
