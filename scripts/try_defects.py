# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Put each defect of test/defects.yaml into a copy of the tree, and run the tests that must fail.

    python -m scripts.try_defects [--dds] [NAME ...]

NAME chooses the defects whose name contains it. Those that only tests over DDS find are tried with
--dds alone. Exits with 1 if the tests pass with a defect, or fail without one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from scripts.tree_copy import ROOT, copy_tree


def run_tests(folder: Path, tests: list[str], dds: bool) -> tuple[int, str]:
    """Run the short tests until the first failure; return status, and that failure or the end."""
    marks = f'not long and {"" if dds else "not "}dds'
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-x', '-q', '-m', marks, *tests],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = done.stdout.strip().splitlines() or ['']
    failed = (line for line in lines if line.startswith(('FAILED', 'ERROR')))
    return done.returncode, f'{next(failed, "")} {lines[-1]}'.strip()


def try_defect(defect: dict[str, Any]) -> bool:
    """Run the tests of a defect; return True if they fail with it."""
    with tempfile.TemporaryDirectory() as name:
        copy_tree(Path(name))
        path = Path(name, defect['file'])
        before = path.read_text()
        if before.count(defect['text']) != 1:
            sys.exit(f'{defect["file"]}: expected once: {defect["text"]}')
        path.write_text(before.replace(defect['text'], defect['becomes']))
        status, last = run_tests(Path(name), defect['tests'], defect.get('dds', False))
    # Status 1: tests ran and some failed; others are of a command line or tests that cannot run.
    print(f'{"found" if status == 1 else "NOT FOUND"}: {defect["name"]} ({last})', flush=True)
    return status == 1


def main() -> int:
    """Try the chosen defects and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('--dds', action='store_true', help='those that tests over DDS find')
    parser.add_argument('names', nargs='*', metavar='NAME', help='part of the name of a defect')
    arguments = parser.parse_args()
    chosen = [
        defect
        for defect in yaml.safe_load((ROOT / 'test' / 'defects.yaml').read_text())
        if defect.get('dds', False) is arguments.dds
        and (not arguments.names or any(name in defect['name'] for name in arguments.names))
    ]
    tests = sorted({test for defect in chosen for test in defect['tests']})
    status, last = run_tests(ROOT, tests, arguments.dds)
    print(f'{"as it is, they pass" if status == 0 else "THEY FAIL AS IT IS"} ({last})', flush=True)
    return int([try_defect(defect) for defect in chosen].count(False) > 0 or status != 0)


if __name__ == '__main__':
    sys.exit(main())
