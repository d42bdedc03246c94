# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results that papers print, on data and networks of their own: a file in ``papers/`` each."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from spike_training.settings.ranges import Problems
from spike_training.settings.reading import read_settings, read_tree

FOLDER = Path(__file__).with_name('papers')
"""Folder of the files."""

METRICS = {
    'abs_rel': 'AbsRel',
    'sq_rel': 'SqRel, m',
    'rmse': 'RMSE, m',
    'rmse_log': 'RMSElog',
    'delta1': 'delta1',
    'delta2': 'delta2',
    'delta3': 'delta3',
}
"""Metrics of the papers' tables, with their column titles."""

SHARES = ('delta1', 'delta2', 'delta3')
"""Metrics from 0 to 1, none of which is above the next one."""


@dataclass
class PrintedRow:
    """Row of a table of a paper.

    Attributes:
        name: Name of the row in tables of this package, close to the paper's.
        values: Value of each of the table's metrics; null where none is printed.
        notes: Remarks by metric, on values that look like misprints.
    """

    name: str = ''
    values: list[float | None] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)


@dataclass
class PrintedTable:
    """Table of a paper.

    Attributes:
        number: The paper's number of the table.
        caption: Data that the metrics are of.
        metrics: Metrics of its columns, keys of ``METRICS``.
        rows: Rows, at least those that tables are compared with.
    """

    number: str = ''
    caption: str = ''
    metrics: list[str] = field(default_factory=list)
    rows: list[PrintedRow] = field(default_factory=list)

    def problems(self) -> Problems:
        """Yield the problems of the settings, by the setting's name."""
        if not self.caption:
            yield 'caption is missing: expected the data that the metrics are of'
        if not self.metrics or {*self.metrics} - {*METRICS} or _repeated(self.metrics):
            yield f'metrics is {self.metrics}: expected some of {", ".join(METRICS)}, each once'
            return
        names = [row.name for row in self.rows]
        if not names or '' in names or _repeated(names):
            yield f'rows are named {names}: expected one or more, each name once'
        for row in self.rows:
            yield from (f'row {row.name}: {problem}' for problem in self._row(row))

    def _row(self, row: PrintedRow) -> Problems:
        if len(row.values) != len(self.metrics):
            yield f'values has {len(row.values)}: expected {len(self.metrics)}, one of each metric'
            return
        values = dict(zip(self.metrics, row.values, strict=True))
        good = {metric: v for metric, v in values.items() if v is not None and _fits(metric, v)}
        for metric, value in values.items():
            if value is not None and metric not in good:
                limits = '0 to 1' if metric in SHARES else '0 or more'
                yield f'{metric} is {value!r}: expected a number, {limits}'
        if all(value is None for value in row.values):
            yield 'values has no number: expected one or more'
        for metric, text in row.notes.items():
            if values.get(metric) is None or not text.strip():
                yield f'notes.{metric} is {text!r}: expected a remark on one of the values'
        shares = [metric for metric in SHARES if metric in good]
        for one, other in itertools.pairwise(shares):
            if good[one] > good[other] and not {one, other} & {*row.notes}:
                yield f'{one} is {good[one]:g}, above {other}: expected less, or a note on it'


class Printed(NamedTuple):
    """Row of a paper, found by its name.

    Attributes:
        number: The paper's number of the table.
        metrics: Printed values by metric.
        notes: Remarks by metric, on values that look like misprints.
    """

    number: str
    metrics: dict[str, float]
    notes: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the row for JSON, with remarks if there are some."""
        remarks = {'notes': self.notes} if self.notes else {}
        return {'table': self.number, **self.metrics, **remarks}


@dataclass
class Paper:
    """Printed results of a paper.

    Attributes:
        cited: Short form of the authors, followed by "print".
        authors: All authors.
        title: Title of the paper.
        network: Network that the results are of.
        tables: Tables of the paper.
    """

    cited: str = ''
    authors: str = ''
    title: str = ''
    network: str = ''
    tables: list[PrintedTable] = field(default_factory=list)

    @property
    def numbers(self) -> list[str]:
        """Numbers of the tables."""
        return [table.number for table in self.tables]

    def table(self, number: str) -> PrintedTable:
        """Return the table of a number, one of ``numbers``."""
        return next(table for table in self.tables if table.number == number)

    def find(self, numbers: Sequence[str], name: str) -> Printed | None:
        """Find the first of some tables with a row of that name; None if no table has one.

        Args:
            numbers: Numbers of tables.
            name: Name of the row.
        """
        for table in map(self.table, numbers):
            for row in table.rows:
                if row.name == name:
                    columns = zip(table.metrics, row.values, strict=True)
                    values = {metric: value for metric, value in columns if value is not None}
                    return Printed(table.number, values, row.notes)
        return None

    def problems(self) -> Problems:
        """Yield the problems of the settings, by the setting's name."""
        for name in ('cited', 'authors', 'title', 'network'):
            if not getattr(self, name):
                yield f'{name} is missing: expected a text'
        if not self.tables or '' in self.numbers or _repeated(self.numbers):
            yield f'tables are numbered {self.numbers}: expected one or more, each number once'
        for i, table in enumerate(self.tables):
            yield from (f'tables[{i}].{problem}' for problem in table.problems())


def papers() -> list[str]:
    """Return the names of all files of papers, without their extension."""
    return sorted(path.stem for path in FOLDER.glob('*.yaml'))


def read_paper(path: Path, problems: list[str]) -> Paper:
    """Read the file of a paper.

    Args:
        path: The file.
        problems: List to which all problems are appended, one line each.
    """
    unread: list[str] = []
    tree = read_tree(path, unread)
    if unread:
        problems += unread
        return Paper()
    wrong: list[str] = []
    paper: Paper = read_settings(Paper, tree, '', wrong)
    # Values of a wrong type have been replaced by defaults, which would be wrong in turn.
    problems += (f'{path.name}: {problem}' for problem in wrong or paper.problems())
    return paper


def _fits(metric: str, value: object) -> bool:
    """Check a value; texts such as '4e-3', which settings take for numbers, are none here."""
    most = 1.0 if metric in SHARES else sys.float_info.max
    return isinstance(value, (int, float)) and 0 <= value <= most


def _repeated(names: Sequence[str]) -> bool:
    return len({*names}) < len(names)
