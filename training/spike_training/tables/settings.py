# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of a table: a base config, and for each row how its training differs from it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from spike_training.settings.ranges import Problems, at_least
from spike_training.tables.paper import PAPER, published

ELSEWHERE = {
    'stages': 'the stages of the table',
    'method': 'the method of the base',
    'seed': 'seeds',
    'out': '--out',
    'resume': 'nothing, for a table always goes on where it was',
    'devices': 'more processes, --jobs',
    'nodes': 'more processes, --jobs',
}
"""Settings of a run that no override may have, and what says them instead."""

Domain = Literal['target', 'source']


@dataclass
class RowConfig:
    """One row.

    Attributes:
        name: Of the row.
        about: What it is, or what it switches; printed below the table.
        stage: The stage that trains it last, of the base or of the table's own; those before it
            follow from it. One of RGB is scored on firing rates as pictures. null: the
            median-depth baseline, the source's median depth of each pixel.
        adabn: Estimate its batch-norm statistics anew, on unlabelled scenes of the target.
        override: Settings of the base that are others in all stages of this row.
        paper: The paper's name of this row; null: it has none.
    """

    name: str = ''
    about: str = ''
    stage: str | None = None
    adabn: bool = False
    override: dict[str, Any] = field(default_factory=dict)
    paper: str | None = None


@dataclass
class ClaimConfig:
    """What a table shall show: that a row's AbsRel, as predicted, is below others' in each seed.

    Attributes:
        row: Its name.
        below: Names of others; the best of them counts, in each seed anew.
        by: How much below, at least.
        domain: Whose scenes.
    """

    row: str = ''
    below: list[str] = field(default_factory=list)
    by: float = 0.0
    domain: Domain = 'target'


@dataclass
class TableConfig:
    """A table.

    Attributes:
        base: The config of a run that all rows differ from; relative to the table's file.
        override: Settings of the base that are others in all rows.
        seeds: Every row is trained with each of them.
        stages: Stages by name, each as its differences from another one, which it names as
            "like". One with the name of a stage of the base changes that, for all rows.
        rows: In their order.
        reference: The row that differences are to.
        paper: Numbers of the paper's tables, I to VII; rows are looked up in this order.
        claims: What the table shall show.
    """

    base: str = ''
    override: dict[str, Any] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=lambda: [0])
    stages: dict[str, Any] = field(default_factory=dict)
    rows: list[RowConfig] = field(default_factory=list)
    reference: str = ''
    paper: list[str] = field(default_factory=list)
    claims: list[ClaimConfig] = field(default_factory=list)

    def problems(self) -> Problems:
        """Yields what is wrong, by the setting's name."""
        if not self.base:
            yield 'base is missing: expected the config of a run'
        if not self.seeds or len({*self.seeds}) < len(self.seeds) or min(self.seeds) < 0:
            yield f'seeds is {self.seeds}: expected some, each once, 0 or more'
        yield from _misplaced('override', self.override)
        for number in self.paper:
            if number not in PAPER:
                yield f'paper has {number!r}: expected some of {", ".join(PAPER)}'
        if not self.rows:
            yield 'rows is empty: expected one or more'
        names = [row.name for row in self.rows]
        for name in dict.fromkeys(names):
            if names.count(name) > 1:
                yield f'rows: {names.count(name)} are named {name}, expected each once'
        for i, row in enumerate(self.rows):
            yield from self._row(f'rows[{i}]', row)
        trained = [row.name for row in self.rows if row.stage is not None]
        if self.rows and self.reference not in trained:
            expected = unknown(self.reference, trained, 'the name of a row with a stage')
            yield f'reference is {self.reference!r}: {expected}'
        for i, claim in enumerate(self.claims):
            for name in (claim.row, *claim.below):
                if name not in names:
                    expected = unknown(name, names, 'the name of a row')
                    yield f'claims[{i}] has {name!r}: {expected}'
            if not claim.below:
                yield f'claims[{i}].below is []: expected names of rows'
            yield from (f'claims[{i}].{problem}' for problem in at_least(claim, 0, 'by'))

    def _row(self, where: str, row: RowConfig) -> Problems:
        if not row.name.isidentifier():
            yield f'{where}.name is {row.name!r}: expected letters, digits and _'
        yield from _misplaced(f'{where}.override', row.override)
        if row.stage is None and (row.adabn or row.override):
            yield f'{where} has adabn or override: expected a stage; baselines have neither'
        tables = [number for number in self.paper if number in PAPER]
        if row.paper is not None and published(tables, row.paper) is None:
            rows = [name for number in tables for name in PAPER[number].rows]
            expected = unknown(row.paper, rows, f'a row of its tables {", ".join(tables)}')
            yield f'{where}.paper is {row.paper!r}: {expected}'


def unknown(name: str, known: Iterable[str], expected: str) -> str:
    """What was expected in place of a name that nothing has, with the nearest one."""
    near = difflib.get_close_matches(name, [*known], 1)
    return f'expected {expected}' + (f'; did you mean {near[0]}?' if near else '')


def _misplaced(where: str, override: Mapping[str, Any]) -> Problems:
    for name, place in ELSEWHERE.items():
        if name in override:
            yield f'{where}.{name} is given: expected it as {place}'
