# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of refusals: what a front door says to each bad input, beside what was reviewed.

A front door is what takes input from outside: a reader, a command, a file format, a class of
settings, the parameters of a node, a message. Its texts are in test/errors/DOOR.txt, a line a row.
"""

import difflib
import os
import re
from pathlib import Path

ERRORS = Path(__file__).resolve().parents[1] / 'errors'
ROOT = ERRORS.parents[1]
SHORT = 1 << 14
"""Bytes of a file below which its content is compared."""

OF_LIBRARIES = {
    r'image file is truncated: \d+': '<truncated, of Pillow>',
    r'maximum recursion depth[^:)]*': '<nested too deeply, of json>',
}
"""Patterns of what libraries say, which differs from version to version."""


def _files(folder):
    """What a folder holds, by path: content, or when it was written; where links lead; None."""
    found = {}
    for path in folder.rglob('*'):
        stat = path.lstat()
        if path.is_symlink():
            kept = os.readlink(path)
        elif path.is_file():
            # A row may spoil a short file, and mend it.
            kept = path.read_bytes() if stat.st_size < SHORT else (stat.st_size, stat.st_mtime_ns)
        else:
            kept = None
        found[str(path.relative_to(folder))] = kept
    return found


def leaving(folder, call):
    """The same call, which must leave a folder as it is, with all that is in it."""

    def checked():
        before = _files(folder)
        try:
            return call()
        finally:
            after = _files(folder)
            changed = {name for name in {*before, *after}
                       if before.get(name, 0) != after.get(name, 0)}  # fmt: skip
            assert not changed, f'written or removed: {sorted(changed)}'

    return checked


def first_line(call):
    """The same call; of its error the first line is judged: the layout of a data set follows."""

    def checked():
        try:
            return call()
        except Exception as error:
            error.args = (str(error).splitlines()[0],)
            raise

    return checked


def refused(capsys, command, *arguments, status=1, keeps=None):
    """Run a command that must be refused; what it tells on standard error, and nothing else.

    Args:
        capsys: The fixture.
        command: Function of a list of texts; its status.
        arguments: Those of the command.
        status: The status it must have.
        keeps: Folder in which it may change nothing.
    """
    capsys.readouterr()

    def run():
        try:
            return command([*map(str, arguments)])
        except SystemExit as ended:  # of argparse
            return ended.code

    found = leaving(keeps, run)() if keeps else run()
    captured = capsys.readouterr()
    assert found == status, f'status {found}, expected {status}: {captured.err}'
    assert captured.out == ''
    assert captured.err.endswith('\n')
    return captured.err[:-1]


class Refusals:
    """Compares texts of refusals with test/errors; the fixture of the same name makes it.

    Args:
        folder: Folder of the test; its path is no part of a text.
        update: True: write what is said now.
    """

    def __init__(self, folder, update):
        self._folder, self._update = folder, update

    def __call__(self, door, rows, error, replace=None):
        """Run all rows of a door; fail with all that is wrong with them.

        Args:
            door: Name of the file in test/errors.
            rows: For each name of a bad input what must be in the text (a file, a field, an
                option), and a function that must be refused: it raises ``error``, or, where
                ``error`` is None, returns the text.
            error: Type of the error, exactly. Of several types, as those of a command, each text
                begins with the name of its own.
            replace: Patterns of what differs from one machine or library to another, and what
                stands for it.
        """
        problems, told = [], {}
        kinds = error if isinstance(error, tuple) else (error,)
        for name, (named, call) in rows.items():
            try:
                text = call()
            except Exception as caught:
                kind = type(caught).__name__
                if type(caught) not in kinds:
                    problems.append(f'{name}: {kind}: {caught}')
                    continue
                text = str(caught) if len(kinds) == 1 else f'{kind}: {caught}'
            else:
                if error is not None:
                    problems.append(f'{name}: was not refused')
                    continue
            text = text.replace('a setting is wrong:\n  ', 'a setting is wrong: ')  # a list of one
            if len(text.splitlines()) != 1:
                problems.append(f'{name}: expected one line, got {text!r}')
                continue
            if named not in text:
                problems.append(f'{name}: {named} is not named in: {text}')
            told[name] = self._portable(text, replace or {})
        lines = [f'{name}: {text}\n' for name, text in told.items()]
        path = ERRORS / f'{door}.txt'
        if self._update and not problems:  # else the rows with problems would be lost
            path.write_text(''.join(lines))
        reviewed = path.read_text().splitlines(keepends=True) if path.exists() else []
        changed = difflib.unified_diff(reviewed, lines, str(path), 'said now', n=0)
        problems += [''.join(changed)] if lines != reviewed else []
        hint = 'what is meant to differ is written by pytest --update-errors, and reviewed'
        assert not problems, '\n'.join([*problems, hint])

    def _portable(self, text, replace):
        for path, word in ((self._folder, '<folder>'), (ROOT, '<root>')):
            text = text.replace(str(path), word)
        others = rf'{re.escape(str(self._folder.parent))}/[\w.-]+'  # folders of fixtures
        text = re.sub(others, '<shared>', text)
        folders = {r'<folder>/\d+/': '<folder>/'}  # one for each row
        replace = folders | OF_LIBRARIES | replace
        for pattern, word in replace.items():
            text = re.sub(pattern, word, text)
        # Of a long text more is left out where paths are longer.
        return re.sub(r'^(.{150}).* \.\.\. .*', r'\1 ...', text)
