# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files in their places: written or replaced whole, or under a new name."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from spike_depth_ros.base.errors import OneLineError, check_link, naming, printable

UNFINISHED = '.incomplete_'
"""Beginning of the names of unfinished results, which are made beside their places."""

EARLIER_SUFFIX = '.earlier'
"""Suffix of an earlier result while the new one takes its place."""

PART_SUFFIX = '.unfinished'
"""Suffix of files that are being written."""

MAX_MARK_BYTES = 64_000_000
"""Largest JSON file of results."""


class ResultFileError(OneLineError):
    """Place of a result where something else must not be replaced."""


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
    name = f'.{target.name}.{secrets.token_urlsafe(6)}{PART_SUFFIX}'
    temporary = target.with_name(name)
    try:
        # Not by tempfile, whose files have mode 0600: the umask is the user's choice.
        with naming(target), temporary.open('xb') as file:
            file.write(content)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
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
        is_own: Whether a file in that folder is one of a run; no other one is replaced.

    Raises:
        ResultFileError: Another file would be replaced.
        OSError: A file cannot be written or moved.
    """
    check_results(out, patterns, is_own)
    with UnfinishedFolder(out) as name:
        folder = Path(name)
        yield folder
        written = {path.name for path in folder.iterdir()}
        for name in written:
            _check_own(out / name, is_own)
        old = [path for path in old_results(out, patterns, is_own) if path.name not in written]
        place_results(folder, out, overwrite=True, old=old)


def check_results(
    out: Path, patterns: Sequence[str], is_own: Callable[[Path], bool] = Path.is_file
) -> None:
    """Refuse a folder where a file of another origin has the name of a result.

    Args:
        out: The folder.
        patterns: Patterns of the files of a run; those that fit several names do not count.
        is_own: Whether a file is one of a run.

    Raises:
        ResultFileError: There is one.
    """
    for name in patterns:
        if not re.search(r'[*?[]', name):
            _check_own(out / name, is_own)


def _check_own(path: Path, is_own: Callable[[Path], bool]) -> None:
    if os.path.lexists(path) and not is_own(path):
        raise ResultFileError(
            f'{path}: is of no earlier run, and would be replaced: move it away, or choose '
            'another folder'
        )


def has_keys(path: Path, *keys: str) -> bool:
    """Return True for a JSON object with these keys in a file, by which results are known."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_MARK_BYTES:
            return False
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.keys() >= {*keys}


def old_results(
    out: Path, patterns: Sequence[str], is_own: Callable[[Path], bool] = Path.is_file
) -> list[Path]:
    """Return the files in a folder that match patterns; see :func:`replace_results`."""
    return [file for pattern in patterns for file in out.glob(pattern) if is_own(file)]


def check_new_file(path: Path, overwrite: bool, option: str = '--out') -> None:
    """Refuse a place for a file where another one must not be replaced.

    Args:
        path: The file to write.
        overwrite: Replace an existing file.
        option: How the user gave the path, for the message.

    Raises:
        ResultFileError: It exists and is not to be replaced, or is no file but a link, a folder, a
            pipe or a device.
    """
    check_link(path)
    if os.path.lexists(path) and not overwrite:
        raise ResultFileError(f'{option} {path}: exists: choose another name, or add --overwrite')
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise ResultFileError(
            f'{option} {path}: is a link, a folder or a device; expected a file to replace'
        )


def place_result(made: Path, path: Path, overwrite: bool = False) -> Path:
    """Move a complete file or folder from an unfinished folder to its place.

    Args:
        made: What to move, on the same disk.
        path: Its place.
        overwrite: Replace what is there; an earlier folder is removed last.

    Returns:
        The place; beside it, which is told, if another process has made ``path`` meanwhile.

    Raises:
        OSError: It cannot be moved; the place is as it was.
    """
    _sync_all(made)
    if not overwrite:
        placed = move_to_new(made, path)
        if placed != path:
            text = f'warning: {path}: another process has made it meanwhile: the result is'
            print(printable(f'{text} {placed}'), file=sys.stderr)
        return placed
    if made.is_dir():
        _replace_folder(made, path)
    else:
        made.replace(path)
    return path


def _replace_folder(made: Path, path: Path) -> None:
    """Move a folder in place of an earlier one, which is removed last."""
    earlier = _earlier(made)
    while True:
        try:
            with contextlib.suppress(FileNotFoundError):
                path.rename(earlier)
            made.rename(path)
            break
        except BaseException as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                if earlier.exists():  # another process has replaced it meanwhile
                    shutil.rmtree(earlier)
                continue
            if earlier.exists() and not path.exists():
                earlier.rename(path)
            raise
    if earlier.exists():
        shutil.rmtree(earlier)


def place_results(folder: Path, out: Path, overwrite: bool, old: Sequence[Path] = ()) -> None:
    """Move all that is in an unfinished folder to another one, or nothing.

    Args:
        folder: The unfinished folder, on the same disk.
        out: Where to move its files and folders.
        overwrite: Replace files of the same names.
        old: Other files there, which are removed.

    Raises:
        ResultFileError: Another process has made one of them meanwhile.
        OSError: One cannot be moved.
    """
    made = sorted(folder.iterdir())
    for one in made:
        _sync_all(one)
    with contextlib.ExitStack() as undo:  # begun before each step, as interrupts come at any time
        for one in made:
            target = out / one.name
            if overwrite:
                undo.callback(_put_back, one, target)
                _keep_earlier(one, target)
            else:
                try:
                    _claim(target, one.is_dir())
                except FileExistsError:
                    text = f'{target}: another process has made it meanwhile: nothing is written'
                    raise ResultFileError(text) from None
                undo.callback(_put_back, one, target, claimed=True)
            one.replace(target)
        for path in old:
            undo.callback(_restore, folder / path.name, path)
            path.replace(_earlier(folder / path.name))
        sync(out)
        undo.pop_all()


def _put_back(one: Path, target: Path, claimed: bool = False) -> None:
    """Undo the move of a file or folder, in whichever state it is."""
    if _restore(one, target):
        return
    if not os.path.lexists(one):
        target.replace(one)
    elif claimed:
        (target.rmdir if one.is_dir() else target.unlink)()


def _restore(made: Path, target: Path) -> bool:
    """Put an earlier result back, if it was moved; return whether it was."""
    moved = os.path.lexists(_earlier(made))
    if moved:
        _earlier(made).replace(target)
    return moved


def _earlier(made: Path) -> Path:
    """Return where an earlier result waits while the new one takes its place."""
    return made.with_name(f'{made.name}{EARLIER_SUFFIX}')


def _keep_earlier(made: Path, target: Path) -> None:
    """Keep a file until the end; where the disk has links, it stays in its place, too."""
    if target.is_dir() and not target.is_symlink():
        raise FileExistsError(errno.EEXIST, 'a folder is there', os.fspath(target))
    try:
        os.link(target, _earlier(made), follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError:  # another owner, or a disk without links
        target.rename(_earlier(made))


def _claim(path: Path, folder: bool) -> None:
    """Make an empty file or folder, which one process alone can, to move another one there."""
    if folder:
        path.mkdir()
    else:
        path.touch(exist_ok=False)


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
    target, number = path, 1
    while True:
        try:
            _claim(target, made.is_dir())
        except FileExistsError:
            number += 1
            target = path.with_stem(f'{path.stem}_{number}')
            continue
        try:
            return made.replace(target)
        except BaseException:
            _put_back(made, target, claimed=True)
            raise


def _sync_all(made: Path) -> None:
    """Flush a file, or a folder and what is in it, to disk."""
    for path in (made, *made.rglob('*')):
        sync(path)


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
