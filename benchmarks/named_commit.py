# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The files of another commit of this repository, for measuring both in one run."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import InputError

ROOT = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def worktree(commit: str) -> Iterator[Path]:
    """Check a commit out into a temporary folder, and remove that in the end, errors included.

    Args:
        commit: Anything that git resolves to a commit of this repository.

    Yields:
        The root of the checked-out tree; a process that runs there imports that commit's code.

    Raises:
        InputError: Git does not know the commit, or this is not a clone.
    """
    with tempfile.TemporaryDirectory(prefix='named_commit.') as folder:
        tree = Path(folder) / 'tree'
        # Detached: no branch is made, and one that is checked out elsewhere does not matter.
        added = _git('worktree', 'add', '--detach', str(tree), f'{commit}^{{commit}}')
        if added.returncode:
            last = (added.stderr.strip().splitlines() or ['git failed'])[-1]
            raise InputError(
                f'commit {commit!r}: {last}; expected a commit of the clone in {ROOT}'
            )
        try:
            yield tree
        finally:
            _git('worktree', 'remove', '--force', str(tree))


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ['git', '-C', str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
