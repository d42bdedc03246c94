# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the tests in three passes: without DDS, over DDS, and at last those that measure time.

    python scripts/run_tests.py EXPRESSION WORKERS [PYTEST_ARGUMENT ...]

EXPRESSION chooses tests by their marks; an -m among the arguments of pytest is added to it.
WORKERS processes share the tests of the first two passes. Of those that measure time two run at
once, as they wait more than they compute; long ones run alone. A pass that selects nothing is no
failure, unless all select nothing. Exits with the status of the first pass that failed, after all
have run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


class Pass(NamedTuple):
    """Pass over some of the tests.

    Attributes:
        marks: Their marks.
        word: Word in each file that has such tests; others need not be imported.
        measures: True if other tests would change what they measure.
    """

    marks: str
    word: str
    measures: bool


PASSES = (
    Pass('not dds and not timed', '', False),
    Pass('dds and not timed', 'pytest.mark.dds', False),
    Pass('timed', 'pytest.mark.timed', True),
)

NOTHING_SELECTED = 5
"""Exit status of pytest."""


def main(arguments: list[str]) -> int:
    """Run the passes and return the exit status."""
    expression, workers, *rest = arguments
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument('-m', default=None)
    known, rest = parser.parse_known_args(rest)
    given = f' and ({known.m})' if known.m else ''
    names_paths = any(Path(one.partition('::')[0]).exists() for one in rest)
    statuses = []
    for marks, word, measures in PASSES:
        chosen = f'{expression} and {marks}{given}'
        command = [sys.executable, '-m', 'pytest', '-m', chosen, *rest]
        if not measures:
            command += ['-n', workers, '--dist', 'loadfile']
        elif workers == 'auto' and expression == 'not long':
            command += ['-n', '2', '--dist', 'load']
        if word and not names_paths:
            command += [str(p) for p in Path('test').rglob('test_*.py') if word in p.read_text()]
        print(f'== pytest -m {chosen!r}', flush=True)
        statuses.append(subprocess.run(command).returncode)
    ran = [status for status in statuses if status != NOTHING_SELECTED]
    return next(filter(None, ran), 0) if ran else NOTHING_SELECTED


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
