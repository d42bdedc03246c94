# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of refusals: what a front door says to each bad input, beside what was reviewed.

A front door is what takes input from outside: a reader, a command, a file format, a class of
settings, the parameters of a node, a message. Its texts are in test/errors/DOOR.txt, a line a row.
"""

import difflib
import re
from pathlib import Path

ERRORS = Path(__file__).resolve().parents[1] / 'errors'
ROOT = ERRORS.parents[1]


def refused(capsys, command, *arguments, status=1, keeps=None):
    """Run a command that must be refused; what it tells on standard error, and nothing else.

    Args:
        capsys: The fixture.
        command: Function of a list of texts; its status.
        arguments: Those of the command.
        status: The status it must have.
        keeps: Folder in which it may change nothing.
    """
    before = keeps and _files(keeps)
    capsys.readouterr()
    try:
        found = command([*map(str, arguments)])
    except SystemExit as ended:  # of argparse
        found = ended.code
    captured = capsys.readouterr()
    assert found == status, f'status {found}, expected {status}: {captured.err}'
    assert captured.out == ''
    assert before == (keeps and _files(keeps))
    assert captured.err.endswith('\n')
    return captured.err[:-1]


def _files(folder):
    """What lies in a folder, and of files whether they were written."""
    found = {}
    for path in folder.rglob('*'):
        stat = path.lstat()
        found[path] = path.is_dir() or (stat.st_ino, stat.st_size, stat.st_mtime_ns)
    return found


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
            error: Type of the error, exactly.
            replace: Patterns of what differs from one machine or library to another, and what
                stands for it.
        """
        problems, told = [], {}
        for name, (named, call) in rows.items():
            try:
                text = call()
            except Exception as caught:
                if type(caught) is not error:
                    problems.append(f'{name}: {type(caught).__name__}: {caught}')
                    continue
                text = str(caught)
            else:
                if error is not None:
                    problems.append(f'{name}: was not refused')
                    continue
            if len(text.splitlines()) != 1:
                problems.append(f'{name}: expected one line, got {text!r}')
                continue
            if named not in text:
                problems.append(f'{name}: {named} is not named in: {text}')
            told[name] = self._portable(text, replace or {})
        lines = [f'{name}: {text}\n' for name, text in told.items()]
        path = ERRORS / f'{door}.txt'
        if self._update:
            path.write_text(''.join(lines))
        reviewed = path.read_text().splitlines(keepends=True) if path.exists() else []
        changed = difflib.unified_diff(reviewed, lines, str(path), 'said now', n=0)
        problems += [''.join(changed)] if lines != reviewed else []
        hint = 'what is meant to differ is written by pytest --update-errors, and reviewed'
        assert not problems, '\n'.join([*problems, hint])

    def _portable(self, text, replace):
        for path, word in ((self._folder, '<folder>'), (ROOT, '<root>')):
            text = text.replace(str(path), word)
        if len(text) > 300:  # how much of it is left out depends on the length of paths
            text = re.sub(r'^(.{150}).* \.\.\. .*', r'\1 ...', text)
        replace = {r'<folder>/\d+/': '<folder>/', **replace}  # a folder for each row
        for pattern, word in replace.items():
            text = re.sub(pattern, word, text)
        return text
