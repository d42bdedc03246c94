# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Change an operator or constant of the product at a time, and run the tests of its line.

    python -m pytest -m "not long and not dds" --cov-context=test --cov=spike_depth_ros \
        --cov=training/spike_training --cov=training/spike_worlds
    python -m scripts.try_mutants write|compare [--workers 2]

`write` draws mutants by a fixed seed, as many of each kind, from lines that a test touches, and
writes test/mutants.json: which were killed, and which survived. `compare` tries the same mutants
again, by the contexts of .coverage as it is now, and exits with 1 if more survive than
ALLOWED above what the file says.

A mutant runs the tests that touch its line, those that touch the fewest lines of the product
first, TESTS at most; then the files of tests whose fixtures touch it, FILES at most.
"""

from __future__ import annotations

import argparse
import ast
import collections
import concurrent.futures
import json
import os
import queue
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import coverage

from scripts.tree_copy import ROOT, copy_tree

PRODUCT = ('spike_depth_ros', 'training/spike_training', 'training/spike_worlds')
MUTANTS = ROOT / 'test' / 'mutants.json'
SEED = 7
EACH = 30
"""Mutants of a kind."""
TESTS = 20
FILES = 2
LIMIT_S = 400
"""Time of the tests of a mutant; one that takes longer counts as killed: it does not end."""
ALLOWED = 3

PYTEST = (sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider')

COMPARISONS = {
    ast.Lt: ('<', '<='),
    ast.LtE: ('<=', '<'),
    ast.Gt: ('>', '>='),
    ast.GtE: ('>=', '>'),
    ast.Eq: ('==', '!='),
    ast.NotEq: ('!=', '=='),
    ast.Is: ('is', 'is not'),
    ast.IsNot: ('is not', 'is'),
    ast.In: ('in', 'not in'),
    ast.NotIn: ('not in', 'in'),
}


class Mutant(NamedTuple):
    """Change of one place of the product.

    Attributes:
        kind: Comparison, step, not, and_or or constant.
        file: Path from the root.
        line: Number of the line, from 1.
        column: Of the text that is replaced, in characters from 0.
        text: What is replaced.
        becomes: What stands there instead.
    """

    kind: str
    file: str
    line: int
    column: int
    text: str
    becomes: str

    def __str__(self) -> str:
        """Say where it is and what changes."""
        return f'{self.file}:{self.line}:{self.column} {self.text!r} -> {self.becomes!r}'

    def change(self, source: str) -> str:
        """Return the content of the file with the change.

        Raises:
            SystemExit: The file is another one by now.
        """
        lines = source.splitlines(keepends=True)
        line = lines[self.line - 1]
        end = self.column + len(self.text)
        if line[self.column : end] != self.text:
            sys.exit(f'{self}: the file has changed; draw mutants again with write')
        lines[self.line - 1] = line[: self.column] + self.becomes + line[end:]
        return ''.join(lines)


class _Finder(ast.NodeVisitor):
    """Finds the places of a file that can change."""

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.lines = source.splitlines()
        self.found: list[Mutant] = []

    def _add(self, kind: str, line: int, column: int, text: str, becomes: str) -> None:
        self.found.append(Mutant(kind, self.name, line, column, text, becomes))

    def _between(self, kind: str, left: ast.expr, right: ast.expr, old: str, new: str) -> None:
        """Add an operator between two operands of one line."""
        if left.end_lineno == right.lineno and self.lines[right.lineno - 1].isascii():
            segment = self.lines[right.lineno - 1][left.end_col_offset : right.col_offset]
            match = re.search(rf'(?<![\w<>=!]){re.escape(old)}(?![\w<>=!])', segment)
            if match:
                start = (left.end_col_offset or 0) + match.start()
                self._add(kind, right.lineno, start, old, new)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Leave texts alone: positions within them are wrong before Python 3.12."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Leave annotations alone."""
        if node.value:
            self.visit(node.value)

    def visit_arg(self, node: ast.arg) -> None:
        """Leave annotations alone."""

    def visit_Compare(self, node: ast.Compare) -> None:
        """Add each comparison."""
        operands = [node.left, *node.comparators]
        for operator, left, right in zip(node.ops, operands, operands[1:], strict=False):
            self._between('comparison', left, right, *COMPARISONS[type(operator)])
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        """Add each `and` and `or`."""
        words = ('and', 'or') if isinstance(node.op, ast.And) else ('or', 'and')
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._between('and_or', left, right, *words)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        """Add each `not`."""
        if isinstance(node.op, ast.Not) and self.lines[node.lineno - 1].isascii():
            self._add('not', node.lineno, node.col_offset, 'not ', '')
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Add whole numbers as steps, other numbers and truth values as constants."""
        if not self.lines[node.lineno - 1].isascii() or node.end_lineno != node.lineno:
            return
        text = self.lines[node.lineno - 1][node.col_offset : node.end_col_offset]
        place = (node.lineno, node.col_offset, text)
        if isinstance(node.value, bool):
            self._add('constant', *place, str(not node.value))
        elif isinstance(node.value, int):
            self._add('step', *place, str(node.value + 1))
            self._add('step', *place, f'{node.value - 1}' if node.value else '(-1)')
        elif isinstance(node.value, float):
            self._add('constant', *place, repr(node.value * 2 if node.value else 1.0))


def find_in(name: str, source: str) -> list[Mutant]:
    """Find what can change in a file."""
    finder = _Finder(name, source)
    finder.visit(ast.parse(source))
    return sorted(finder.found)


def find_places() -> list[Mutant]:
    """Find what can change in the product, file by file."""
    paths = (path for folder in PRODUCT for path in sorted((ROOT / folder).rglob('*.py')))
    return [m for path in paths for m in find_in(str(path.relative_to(ROOT)), path.read_text())]


class Touched:
    """Which tests touch which lines, by the contexts of a file of coverage.

    Args:
        path: File of coverage.py, of a run with a context for each test.
        known: Ids of the tests that there are; others have been changed since.
    """

    def __init__(self, path: Path, known: Iterable[str]) -> None:
        self._known = set(known)
        data = coverage.CoverageData(str(path))
        try:
            data.read()
        except coverage.CoverageException as error:
            sys.exit(f'{path}: cannot be read ({error}): run pytest with --cov-context=test again')
        self._by_line: dict[tuple[str, int], list[str]] = {}
        self._size: collections.Counter[str] = collections.Counter()
        self._of_file: dict[str, set[str]] = collections.defaultdict(set)
        marker = re.compile('|'.join(f'({re.escape(folder)}/.*)' for folder in PRODUCT))
        for measured in data.measured_files():
            match = marker.search(Path(measured).as_posix())
            if match is None:
                continue
            for line, contexts in data.contexts_by_lineno(measured).items():
                self._by_line[match[0], line] = contexts
                self._size.update(contexts)
                self._of_file[match[0]].update(contexts)
        if not self._size.keys() - {''}:
            sys.exit(f'{path}: names no test: run pytest with --cov-context=test first')

    def touches(self, mutant: Mutant) -> bool:
        """Return True if any test, or any import, runs the line."""
        return bool(self._by_line.get((mutant.file, mutant.line)))

    def tests(self, mutant: Mutant) -> list[str]:
        """Return ids of tests and paths of files to run, the most specific first."""
        contexts = set(self._by_line.get((mutant.file, mutant.line), ()))
        if not contexts - {''}:  # run at import: all that use the file
            contexts = self._of_file[mutant.file]
        named = [context.rpartition('|') for context in contexts if '|' in context]
        direct = sorted(
            {test for test, _, phase in named if phase == 'run' and test in self._known},
            key=lambda test: (self._size[f'{test}|run'], test),
        )
        files: collections.Counter[str] = collections.Counter()
        for test, _, phase in named:
            if phase == 'setup' and test in self._known:
                files[test.partition('::')[0]] = min(
                    self._size[f'{test}|setup'], files[test.partition('::')[0]] or sys.maxsize
                )
        return direct[:TESTS] + sorted(files, key=lambda name: (files[name], name))[:FILES]


def run(tree: Path, mutant: Mutant, tests: list[str]) -> str:
    """Run the tests of a mutant within a copy of the tree; return killed, survived or broken."""
    path = tree / mutant.file
    before, times = path.read_text(), path.stat()
    command = [*PYTEST, '-x', '--timeout', '60', '-m', 'not long and not dds', *tests]
    paths = os.pathsep.join([str(tree), str(tree / 'training')])
    path.write_text(mutant.change(before))
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env={**os.environ, 'PYTHONPATH': paths},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return 'killed'
    finally:
        path.write_text(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    # A file of tests that cannot be imported any more (2, 3, 4) has found the mutant as well.
    verdicts = dict.fromkeys((1, 2, 3, 4), 'killed') | {0: 'survived'}
    if done.returncode > 1 and not collect(tree, tests):
        print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
        return 'broken'
    return verdicts.get(done.returncode, 'broken')


def collect(tree: Path, tests: Sequence[str] = ()) -> list[str]:
    """Return the ids of the tests in a tree as it is; none if one of them cannot be collected."""
    paths = os.pathsep.join([str(tree), str(tree / 'training')])
    done = subprocess.run(
        [*PYTEST, '--collect-only', *tests],
        cwd=tree,
        env={**os.environ, 'PYTHONPATH': paths},
        capture_output=True,
        text=True,
    )
    return [line for line in done.stdout.splitlines() if '::' in line and not done.returncode]


def try_all(mutants: list[Mutant], touched: Touched, workers: int) -> Iterator[tuple[Mutant, str]]:
    """Run the tests of each mutant, and yield it with its verdict as they end."""
    with tempfile.TemporaryDirectory() as name:
        trees: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for index in range(workers):
            copy_tree(Path(name, str(index)))
            trees.put(Path(name, str(index)))

        def one(mutant: Mutant) -> tuple[Mutant, str]:
            tests = touched.tests(mutant)
            if not tests:
                return mutant, 'untouched'
            tree = trees.get()
            try:
                return mutant, run(tree, mutant, tests)
            finally:
                trees.put(tree)

        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            for task in concurrent.futures.as_completed([pool.submit(one, m) for m in mutants]):
                mutant, verdict = task.result()
                print(f'{verdict}: {mutant}', flush=True)
                yield mutant, verdict


def main() -> int:
    """Try the mutants and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('action', choices=['write', 'compare'])
    parser.add_argument('--coverage', type=Path, default=ROOT / '.coverage', metavar='FILE')
    parser.add_argument('--workers', type=int, default=1, metavar='N')
    arguments = parser.parse_args()
    touched = Touched(arguments.coverage, collect(ROOT))
    before: dict[str, str] = {}
    if arguments.action == 'write':
        places = [mutant for mutant in find_places() if touched.touches(mutant)]
        kinds = sorted({mutant.kind for mutant in places})
        draw = random.Random(SEED)
        mutants = [
            mutant
            for kind in kinds
            for mutant in draw.sample([place for place in places if place.kind == kind], EACH)
        ]
    else:
        rows = json.loads(MUTANTS.read_text())
        mutants = [Mutant(*row['mutant']) for row in rows]
        before = {str(Mutant(*row['mutant'])): row['verdict'] for row in rows}
    verdicts = dict(try_all(mutants, touched, arguments.workers))
    counts = collections.Counter(verdicts.values())
    print(f'{len(mutants)} mutants: {dict(sorted(counts.items()))}')
    if arguments.action == 'write':
        rows = [{'mutant': list(mutant), 'verdict': verdicts[mutant]} for mutant in mutants]
        MUTANTS.write_text('[\n' + ',\n'.join(json.dumps(row) for row in rows) + '\n]\n')
        return 0
    survive = [str(m) for m in mutants if verdicts[m] != 'killed' == before[str(m)]]
    print('\n'.join(['killed before, not now:', *survive]))
    least = list(before.values()).count('killed') - ALLOWED
    return int(counts['killed'] < least)


if __name__ == '__main__':
    sys.exit(main())
