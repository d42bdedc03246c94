# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of a table: a base config, and the differences of each row's training from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from spike_depth_ros.base.schema import Problems, across, nearest
from spike_depth_ros.base.values import (
    DISTINCT,
    NAME,
    NOT_EMPTY,
    Check,
    NotNegative,
    Positive,
    within,
)
from spike_training.choices import LARGEST_SEED
from spike_training.evaluation.preparation import TRUE_LOOK, Preparation
from spike_training.tables.paper import FOLDER, Paper, papers, read_paper

if TYPE_CHECKING:  # it imports torch
    from spike_training.tasks.base import Metric

ELSEWHERE = {
    'stages': 'the stages of the table',
    'method': 'the method of the base, or METHOD.KIND as the kind of a stage',
    'seed': 'seeds',
    'out': '--out',
    'resume': 'nothing, for a table always goes on where it was',
    'devices': 'more processes, --jobs',
    'nodes': 'more processes, --jobs',
}
"""Settings of a run that no override may have, and the setting to use instead."""


Seed = Annotated[int, within(0, LARGEST_SEED)]

Domain = Literal['target', 'source']

LOOKS = ('moments', 'histogram')
"""Values of ``translate`` of pictures that are matched without learning."""


@dataclass
class RowConfig:
    """Row of a table."""

    name: Annotated[str, NAME] = ''
    """Name of the row."""
    about: str = ''
    """Description of the row or of what it changes; printed below the table."""
    stage: str | None = None
    """Last training stage of the row, of the base or of the table; the stages before it follow
    from it. A network of RGB is scored on firing rates converted to RGB. null: a baseline, of
    tables of depth."""
    baseline: Literal['median_depth_map', 'median_depth'] = 'median_depth_map'
    """Of a row without stage: median_depth_map, the source's median depth of each pixel; or
    median_depth, the median of these everywhere."""
    adabn: bool = False
    """Estimate its batch-norm statistics anew, on unlabelled scenes of the target."""
    matched_scale: bool = False
    """Multiply its depth by one factor, the median over pairs of training scenes of depth by
    semi-global matching, without labels, over predicted depth."""
    post_process: bool = False
    """Combine the depth of each window with that of its mirror image (Shen et al., section
    4.2)."""
    mean_with: str | None = None
    """In tables of the task ``fused``: last stage of a second network. The row's depth is exp of
    the mean of the logarithms of both depths. null: no second one."""
    translate: str | None = None
    """Of a network of RGB: what gives the target's spikes, as pictures, the look of the source:
    the last stage of a translator (kinds cycle and paired of method translate); moments or
    histogram, matched channel by channel over training scenes of both domains; or true_look, the
    same scenes in the colours of the source. null: nothing, they are seen as they are. Scores on
    the source are of its spikes, seen in the same way, and no result."""
    override: dict[str, Any] = field(default_factory=dict)
    """Settings that replace those of the base in all stages of this row."""
    paper: str | None = None
    """The paper's name of this row; null: none."""

    @property
    def preparation(self) -> Preparation:
        """What is done with the trained network before it is scored."""
        names = Preparation._fields
        return Preparation(**{name: getattr(self, name) for name in names})

    @property
    def second_stage(self) -> tuple[str, str] | None:
        """Name of the setting that names a second network's last stage, and that stage."""
        if self.mean_with is not None:
            return 'mean_with', self.mean_with
        if self.translate in (None, TRUE_LOOK, *LOOKS):
            return None
        return 'translate', str(self.translate)

    @across()
    def _override(self) -> Problems:
        return _misplaced(self.override)

    @across()
    def _of_networks(self) -> Problems:
        if self.stage is None and (any(self.preparation) or self.override):
            yield (
                f'stage is null beside {", ".join(Preparation._fields)} or override: expected a '
                'stage; baselines have none of them'
            )
        if self.stage is not None and self.baseline != RowConfig.baseline:
            yield f'baseline is {self.baseline}: expected it in a row without stage'


@dataclass
class ClaimConfig:
    """Expected result: a metric of a row is better than that of others in each seed."""

    row: str = ''
    """Name of the row."""
    below: list[str] = field(default_factory=list)
    """Names of other rows, or of estimates without learning, for a metric that is better if lower;
    in each seed the best of them is compared."""
    above: list[str] = field(default_factory=list)
    """The same, for a metric that is better if higher."""
    by: NotNegative = 0.0
    """Smallest difference."""
    times: Positive = 1.0
    """Factor on the metric of the best of the others: 1.02 with ``below`` allows 2 % more."""
    domain: Domain = 'target'
    """Domain of the test scenes of depth; source where there is no target."""
    metric: str = 'abs_rel'
    """Name of a metric in OUT/results.json, or another one of the task's reports:
    :mod:`spike_training.tables.tasks`."""

    @property
    def others(self) -> list[str]:
        """Names that the row is compared with."""
        return self.below or self.above

    @across()
    def _one_direction(self) -> Problems:
        if self.below and self.above:
            yield 'below is given and so is above: expected one of the two'
        elif not self.others:
            yield 'below is []: expected names of rows'

    def problems_of_names(self, names: Sequence[str], estimates: Sequence[str]) -> Problems:
        """Yield the problems of names that no row has.

        Args:
            names: Names of the table's rows.
            estimates: Names of the task's estimates without learning.
        """
        for name in (self.row, *self.below, *self.above):
            if name not in names and (name == self.row or name not in estimates):
                expected = unknown(name, names, 'the name of a row')
                yield f' has {name!r}: {expected}'

    def problems_of_metric(self, metrics: Mapping[str, Metric]) -> Problems:
        """Yield the problems of metric and direction.

        Args:
            metrics: Metrics that all rows of the claim have.
        """
        if self.metric not in metrics:
            expected = unknown(self.metric, metrics, f'one of {", ".join(metrics)}')
            yield f'.metric is {self.metric!r}: {expected}'
        elif self.above and metrics[self.metric].lower:
            yield f'.above is given: expected below, {self.metric} is better if lower'
        elif self.below and not metrics[self.metric].lower:
            yield f'.below is given: expected above, {self.metric} is better if higher'


@dataclass
class PaperConfig:
    """Paper whose results are printed beside those of the rows."""

    file: str = ''
    """Name of a file in training/spike_training/tables/papers, without ".yaml"."""
    tables: list[str] = field(default_factory=list)
    """Numbers of the paper's tables; rows are looked up in this order."""

    def read(self, problems: list[str]) -> Paper:
        """Read the file.

        Args:
            problems: List to which the problems of the file and of these settings are appended.
        """
        if self.file not in (known := papers()):
            expected = unknown(self.file, known, f'one of {", ".join(known)}')
            problems.append(f'paper.file is {self.file!r}: {expected}')
            return Paper()
        found: list[str] = []
        paper = read_paper(FOLDER / f'{self.file}.yaml', found)
        if not found and (not self.tables or {*self.tables} - {*paper.numbers}):
            expected = f'some of {", ".join(paper.numbers)}'
            found.append(f'paper.tables is {self.tables}: expected {expected}')
        problems += found
        return Paper() if found else paper


@dataclass
class TableConfig:
    """Settings of a table."""

    base: Annotated[str, Check(bool, 'the config of a run')] = ''
    """Config of the run that all rows are based on, relative to the table's file."""
    override: dict[str, Any] = field(default_factory=dict)
    """Settings that replace those of the base in all rows."""
    seeds: Annotated[list[Seed], NOT_EMPTY, DISTINCT] = field(default_factory=lambda: [0])
    """Seeds with each of which every row is trained."""
    stages: dict[str, Any] = field(default_factory=dict)
    """Stages by name, each as its differences from another stage, which it names as "like". One
    with the name of a stage of the base changes that stage, for all rows."""
    rows: Annotated[list[RowConfig], NOT_EMPTY] = field(default_factory=list)
    """Rows in their order."""
    reference: str = ''
    """Row from which the differences of the other rows are taken."""
    paper: PaperConfig | None = None
    """Paper whose results are printed beside those of the rows; null: none."""
    claims: list[ClaimConfig] = field(default_factory=list)
    """Expected results."""

    @across()
    def _override(self) -> Problems:
        return _misplaced(self.override)

    @across('rows')
    def _names_of_rows(self) -> Problems:
        names = [row.name for row in self.rows]
        for name in dict.fromkeys(names):
            if names.count(name) > 1:
                yield f'rows: {names.count(name)} are named {name}, expected each once'
        trained = [row.name for row in self.rows if row.stage is not None]
        if self.reference not in trained:
            expected = unknown(self.reference, trained, 'the name of a row with a stage')
            yield f'reference is {self.reference!r}: {expected}'


def problems_of_paper(settings: TableConfig, paper: Paper) -> Problems:
    """Yield the problems of the names of rows in a paper.

    Args:
        settings: Settings of the table.
        paper: The paper that they name; without tables if it cannot be read.
    """
    numbers = [] if settings.paper is None else settings.paper.tables
    for i, row in enumerate(settings.rows):
        if row.paper is None:
            continue
        if settings.paper is None:
            yield f'rows[{i}].paper is {row.paper!r}: expected none, the table has no paper'
        elif paper.tables and paper.find(numbers, row.paper) is None:
            names = [one.name for number in numbers for one in paper.table(number).rows]
            expected = unknown(row.paper, names, f'a row of its tables {", ".join(numbers)}')
            yield f'rows[{i}].paper is {row.paper!r}: {expected}'


def unknown(name: str, known: Iterable[str], expected: str) -> str:
    """Format the expected value in place of an unknown name, with the nearest known name."""
    return f'expected {expected}{nearest(name, known)}'


def _misplaced(override: Mapping[str, Any]) -> Problems:
    for name, place in ELSEWHERE.items():
        if name in override:
            yield f'override.{name} is given: expected it as {place}'
