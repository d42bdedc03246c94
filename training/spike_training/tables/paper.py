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
from typing import Annotated, Any, NamedTuple

from spike_depth_ros.base.schema import Problems, across, problems_of
from spike_depth_ros.base.values import NOT_EMPTY, Check, Text
from spike_training.evaluation.published import METRICS, SHARES
from spike_training.settings.reading import read_settings, read_tree

FOLDER = Path(__file__).with_name('papers')
"""Folder of the files."""

NOT_OF_ALL = Check(lambda name: name not in METRICS, f'none of {", ".join(METRICS)}')


@dataclass
class PrintedMetric:
    """Metric that is none of ``METRICS``."""

    name: Annotated[Text, NOT_OF_ALL] = ''
    """Name of the metric in the tables of the file."""
    title: Text = ''
    """The paper's name of it."""
    unit: Text = ''
    """Unit, or that none is printed."""
    lower: bool = True
    """True if lower values are better."""

    @property
    def heading(self) -> str:
        """Title with unit and direction, for columns."""
        return f'{self.title}, {self.unit}, {"lower" if self.lower else "higher"} is better'


@dataclass
class PrintedRow:
    """Row of a table of a paper."""

    name: Text = ''
    """Name of the row in tables of this package, close to the paper's."""
    values: list[float | None] = field(default_factory=list)
    """Value of each of the table's columns; null where none is printed."""
    notes: dict[str, str] = field(default_factory=dict)
    """Remarks by column, on values that look like misprints."""


@dataclass
class PrintedTable:
    """Table of a paper."""

    number: Text = ''
    """The paper's number of the table."""
    caption: Text = ''
    """Data that the metrics are of."""
    metrics: Annotated[list[str], NOT_EMPTY] = field(default_factory=list)
    """Metric of each column, a key of ``METRICS`` or a metric of the file; with ``cases``, one may
    be that of all columns."""
    cases: list[str] = field(default_factory=list)
    """Names of the columns by their data, such as an image, where a metric has several; empty:
    columns are named by their metrics."""
    rows: Annotated[list[PrintedRow], NOT_EMPTY] = field(default_factory=list)
    """Rows, at least those that tables are compared with."""

    @property
    def columns(self) -> dict[str, str]:
        """Metric of each column, by the column's name."""
        names = self.cases or self.metrics
        metrics = self.metrics * (len(names) if len(self.metrics) == 1 else 1)
        return dict(zip(names, metrics, strict=True))

    def problems_in_paper(self, metrics: Sequence[str]) -> Problems:
        """Yield conflicts with the rest of the file.

        Args:
            metrics: Names of the metrics that the file defines.
        """
        known = [*METRICS, *metrics]
        if {*self.metrics} - {*known} or (_repeated(self.metrics) and not self.cases):
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
        if _repeated(names):
            yield f'rows are named {names}: expected each name once'
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
    """Number that is printed outside of tables."""

    name: Text = ''
    """What the number is of."""
    value: float = math.nan
    """The number; NaN: missing."""
    unit: str = ''
    """Unit; empty: none."""


@dataclass
class Figure:
    """Figure of a paper."""

    number: Text = ''
    """The paper's number of the figure."""
    about: Text = ''
    """What it shows, in words of this package."""
    values: list[Value] = field(default_factory=list)
    """Numbers that are printed in it or in its caption."""

    @across()
    def _names_of_values(self) -> Problems:
        if _repeated(names := [value.name for value in self.values]):
            yield f'values are named {names}: expected each name once'


@dataclass
class Statement:
    """Part of the text of a paper: a setting of an experiment, or a claim that can be measured."""

    place: Text = ''
    """Section, or another part of the paper."""
    about: Text = ''
    """What is said of the numbers, in words of this package."""
    values: list[Value] = field(default_factory=list)
    """The numbers; empty: a claim without one."""

    @across()
    def _names_of_values(self) -> Problems:
        if _repeated(names := [value.name for value in self.values]):
            yield f'values are named {names}: expected each name once'


@dataclass
class Paper:
    """Printed results of a paper."""

    cited: Text = ''
    """Short form of the authors, followed by "print"."""
    authors: Text = ''
    """All authors."""
    title: Text = ''
    """Title of the paper."""
    network: Text = ''
    """Network that the results are of."""
    metrics: list[PrintedMetric] = field(default_factory=list)
    """Metrics of the tables that are none of ``METRICS``."""
    tables: Annotated[list[PrintedTable], NOT_EMPTY] = field(default_factory=list)
    """Tables of the paper."""
    figures: list[Figure] = field(default_factory=list)
    """Figures of the paper."""
    statements: list[Statement] = field(default_factory=list)
    """Numbers in its text."""

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

    @across()
    def _names(self) -> Problems:
        for name, given in (
            ('tables', self.numbers),
            ('metrics', [metric.name for metric in self.metrics]),
            ('figures', [figure.number for figure in self.figures]),
        ):
            if _repeated(given):
                yield f'{name} are named {given}: expected each name once'

    @across('metrics', 'tables')
    def _tables(self) -> Problems:
        own = [metric.name for metric in self.metrics]
        for i, table in enumerate(self.tables):
            yield from (f'tables[{i}].{problem}' for problem in table.problems_in_paper(own))


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
    problems += (f'{path.name}: {problem}' for problem in wrong or problems_of(paper))
    return paper


def _fits(metric: str, value: object) -> bool:
    """Check a value; texts such as '4e-3', which settings take for numbers, are none here."""
    most = 1.0 if metric in SHARES else sys.float_info.max
    return isinstance(value, (int, float)) and 0 <= value <= most


def _repeated(names: Sequence[str]) -> bool:
    return len({*names}) < len(names)
