# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What papers print of data and networks of their own: a file in ``papers/`` each."""

from __future__ import annotations

import itertools
import math
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
class PrintedMetric:
    """Metric that is none of ``METRICS``.

    Attributes:
        name: Name of the metric in the tables of the file.
        title: The paper's name of it.
        unit: Unit, or that none is printed.
        lower: True if lower values are better.
    """

    name: str = ''
    title: str = ''
    unit: str = ''
    lower: bool = True

    @property
    def heading(self) -> str:
        """Title with unit and direction, for columns."""
        return f'{self.title}, {self.unit}, {"lower" if self.lower else "higher"} is better'

    def problems(self) -> Problems:
        """Yield the problems of the settings, by the setting's name."""
        if not self.name or self.name in METRICS:
            yield f'name is {self.name!r}: expected one that is none of {", ".join(METRICS)}'
        yield from _missing(self, 'title', 'unit')


@dataclass
class PrintedRow:
    """Row of a table of a paper.

    Attributes:
        name: Name of the row in tables of this package, close to the paper's.
        values: Value of each of the table's columns; null where none is printed.
        notes: Remarks by column, on values that look like misprints.
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
        metrics: Metric of each column, a key of ``METRICS`` or a metric of the file; with
            ``cases``, one may be that of all columns.
        cases: Names of the columns by their data, such as an image, where a metric has several;
            empty: columns are named by their metrics.
        rows: Rows, at least those that tables are compared with.
    """

    number: str = ''
    caption: str = ''
    metrics: list[str] = field(default_factory=list)
    cases: list[str] = field(default_factory=list)
    rows: list[PrintedRow] = field(default_factory=list)

    @property
    def columns(self) -> dict[str, str]:
        """Metric of each column, by the column's name."""
        names = self.cases or self.metrics
        metrics = self.metrics * (len(names) if len(self.metrics) == 1 else 1)
        return dict(zip(names, metrics, strict=True))

    def problems(self, metrics: Sequence[str]) -> Problems:
        """Yield the problems of the settings, by the setting's name.

        Args:
            metrics: Names of the metrics that the file defines.
        """
        if not self.caption:
            yield 'caption is missing: expected the data that the metrics are of'
        known = [*METRICS, *metrics]
        if (
            not self.metrics
            or {*self.metrics} - {*known}
            or (_repeated(self.metrics) and not self.cases)
        ):
            yield f'metrics is {self.metrics}: expected some of {", ".join(known)}, each once'
            return
        if self.cases and (
            {*self.cases} & {'', *known}
            or _repeated(self.cases)
            or len(self.metrics) not in (1, len(self.cases))
        ):
            yield (
                f'cases is {self.cases}: expected one of each metric, each name once and none of '
                'a metric'
            )
            return
        names = [row.name for row in self.rows]
        if not names or '' in names or _repeated(names):
            yield f'rows are named {names}: expected one or more, each name once'
        for row in self.rows:
            yield from (f'row {row.name}: {problem}' for problem in self._row(row))

    def _row(self, row: PrintedRow) -> Problems:
        columns = self.columns
        if len(row.values) != len(columns):
            each = 'case' if self.cases else 'metric'
            yield f'values has {len(row.values)}: expected {len(columns)}, one of each {each}'
            return
        values = dict(zip(columns, row.values, strict=True))
        good = {name: v for name, v in values.items() if v is not None and _fits(columns[name], v)}
        for name, value in values.items():
            if value is not None and name not in good:
                limits = '0 to 1' if columns[name] in SHARES else '0 or more'
                yield f'{name} is {value!r}: expected a number, {limits}'
        if all(value is None for value in row.values):
            yield 'values has no number: expected one or more'
        for name, text in row.notes.items():
            if values.get(name) is None or not text.strip():
                yield f'notes.{name} is {text!r}: expected a remark on one of the values'
        shares = [name for name in SHARES if name in good]
        for one, other in itertools.pairwise(shares):
            if good[one] > good[other] and not {one, other} & {*row.notes}:
                yield f'{one} is {good[one]:g}, above {other}: expected less, or a note on it'


class Printed(NamedTuple):
    """Row of a paper, found by its name.

    Attributes:
        number: The paper's number of the table.
        metrics: Printed values by column: by metric, or by case where the table has cases.
        notes: Remarks by column, on values that look like misprints.
    """

    number: str
    metrics: dict[str, float]
    notes: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the row for JSON, with remarks if there are some."""
        remarks = {'notes': self.notes} if self.notes else {}
        return {'table': self.number, **self.metrics, **remarks}


@dataclass
class Value:
    """Number that is printed outside of tables.

    Attributes:
        name: What the number is of.
        value: The number; NaN: missing.
        unit: Unit; empty: none.
    """

    name: str = ''
    value: float = math.nan
    unit: str = ''

    def problems(self) -> Problems:
        """Yield the problems of the settings, by the setting's name."""
        yield from _missing(self, 'name')
        if math.isnan(self.value):
            yield 'value is missing: expected a number'
        elif math.isinf(self.value):
            yield f'value is {self.value}: expected a number'


@dataclass
class Figure:
    """Figure of a paper.

    Attributes:
        number: The paper's number of the figure.
        about: What it shows, in words of this package.
        values: Numbers that are printed in it or in its caption.
    """

    number: str = ''
    about: str = ''
    values: list[Value] = field(default_factory=list)

    def problems(self) -> Problems:
        """Yield the problems of the settings, by the setting's name."""
        yield from _missing(self, 'number', 'about')
        yield from _problems_of_values(self.values)


@dataclass
class Statement:
    """Part of the text of a paper: a setting of an experiment, or a claim that can be measured.

    Attributes:
        place: Section, or another part of the paper.
        about: What is said of the numbers, in words of this package.
        values: The numbers; empty: a claim without one.
    """

    place: str = ''
    about: str = ''
    values: list[Value] = field(default_factory=list)

    def problems(self) -> Problems:
        """Yield the problems of the settings, by the setting's name."""
        yield from _missing(self, 'place', 'about')
        yield from _problems_of_values(self.values)


@dataclass
class Paper:
    """Printed results of a paper.

    Attributes:
        cited: Short form of the authors, followed by "print".
        authors: All authors.
        title: Title of the paper.
        network: Network that the results are of.
        metrics: Metrics of the tables that are none of ``METRICS``.
        tables: Tables of the paper.
        figures: Figures of the paper.
        statements: Numbers in its text.
    """

    cited: str = ''
    authors: str = ''
    title: str = ''
    network: str = ''
    metrics: list[PrintedMetric] = field(default_factory=list)
    tables: list[PrintedTable] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)

    @property
    def numbers(self) -> list[str]:
        """Numbers of the tables."""
        return [table.number for table in self.tables]

    def table(self, number: str) -> PrintedTable:
        """Return the table of a number, one of ``numbers``."""
        return next(table for table in self.tables if table.number == number)

    def titles(self, numbers: Sequence[str]) -> dict[str, str]:
        """Return the titles of all columns of some tables, by the column's name.

        Args:
            numbers: Numbers of tables; of columns of one name the first counts.
        """
        headings = METRICS | {metric.name: metric.heading for metric in self.metrics}
        titles: dict[str, str] = {}
        for table in map(self.table, numbers):
            for name, metric in table.columns.items():
                heading = headings[metric]
                titles.setdefault(name, f'{name}: {heading}' if table.cases else heading)
        return titles

    def find(self, numbers: Sequence[str], name: str) -> Printed | None:
        """Find the first of some tables with a row of that name; None if no table has one.

        Args:
            numbers: Numbers of tables.
            name: Name of the row.
        """
        for table in map(self.table, numbers):
            for row in table.rows:
                if row.name == name:
                    columns = zip(table.columns, row.values, strict=True)
                    values = {name: value for name, value in columns if value is not None}
                    return Printed(table.number, values, row.notes)
        return None

    def problems(self) -> Problems:
        """Yield the problems of the settings, by the setting's name."""
        yield from _missing(self, 'cited', 'authors', 'title', 'network')
        if not self.tables or '' in self.numbers or _repeated(self.numbers):
            yield f'tables are numbered {self.numbers}: expected one or more, each number once'
        for i, metric in enumerate(self.metrics):
            yield from (f'metrics[{i}].{problem}' for problem in metric.problems())
        if _repeated(own := [metric.name for metric in self.metrics]):
            yield f'metrics are named {own}: expected each name once'
        for i, table in enumerate(self.tables):
            yield from (f'tables[{i}].{problem}' for problem in table.problems(own))
        for i, figure in enumerate(self.figures):
            yield from (f'figures[{i}].{problem}' for problem in figure.problems())
        if _repeated(figures := [figure.number for figure in self.figures]):
            yield f'figures are numbered {figures}: expected each number once'
        for i, statement in enumerate(self.statements):
            yield from (f'statements[{i}].{problem}' for problem in statement.problems())


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


def _missing(part: object, *names: str) -> Problems:
    return (f'{name} is missing: expected a text' for name in names if not getattr(part, name))


def _problems_of_values(values: Sequence[Value]) -> Problems:
    for i, value in enumerate(values):
        yield from (f'values[{i}].{problem}' for problem in value.problems())
    if _repeated(names := [value.name for value in values]):
        yield f'values are named {names}: expected each name once'


def _repeated(names: Sequence[str]) -> bool:
    return len({*names}) < len(names)
