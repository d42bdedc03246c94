# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run of each row of a table, planned from the settings of the table.

A stage names the stages that it builds on, so that the last stage of a row determines all its
stages. Rows share the stages that they have in common. Errors list all problems of the settings.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from spike_depth_ros.base import schema
from spike_depth_ros.base.schema import Problems
from spike_depth_ros.networks.registry import build
from spike_depth_ros.tasks.architectures import SETTINGS
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.datasets.depth_maps import MapFolder, open_maps, read_maps
from spike_training.errors import ConfigError
from spike_training.evaluation.preparation import TRUE_LOOK
from spike_training.evaluation.statistics import adabn_problem
from spike_training.run_data.sources import with_steps
from spike_training.settings.config import ModelConfig, RunConfig, StageConfig, listed, problems_of
from spike_training.settings.method import Method, find_kind, find_method
from spike_training.settings.reading import merge, read_run, read_settings, read_stage, read_tree
from spike_training.tables.paper import Paper
from spike_training.tables.settings import (
    LOOKS,
    Domain,
    RowConfig,
    TableConfig,
    problems_of_paper,
    unknown,
)
from spike_training.tasks.base import Tabled, tabled_tasks
from spike_training.tasks.translation import has_both_looks
from spike_training.tasks.upsample import factors_of_row


@dataclasses.dataclass(frozen=True)
class Row:
    """Row of a table with the run that trains it.

    Attributes:
        settings: Settings of the row.
        config: Config of a run with the stages of the row and no others, in their order; its
            folder and seed are not used. That of the median-depth baseline has no stage.
        maps: Folder of maps that it is scored on, beside the test scenes; None: none.
        second: The same of the network whose depth is averaged with that of the row, or which
            translates its pictures; None: none.
    """

    settings: RowConfig
    config: RunConfig
    maps: MapFolder | None = None
    second: RunConfig | None = None

    @property
    def task(self) -> str:
        """Task of the network; the median-depth baseline is of depth."""
        return self.config.stages[-1].task if self.config.stages else 'depth'

    @property
    def tabled(self) -> Tabled:
        """What tables of its task have."""
        return tabled_tasks()[self.task]

    @property
    def domain(self) -> Domain:
        """Domain that it is compared on: the target, where there is one."""
        return 'source' if self.config.target is None else 'target'


@dataclasses.dataclass(frozen=True)
class Table:
    """Table with valid settings.

    Attributes:
        path: File of the settings.
        settings: Settings of the file.
        rows: Rows in the order of the file.
        paper: Paper whose results are printed beside; None: there is none.
        maps: Folder of maps that rows are scored on, beside the test scenes; None: none.
    """

    path: Path
    settings: TableConfig
    rows: list[Row]
    paper: Paper | None
    maps: MapFolder | None = None

    @property
    def domain(self) -> Domain:
        """Domain that all rows are compared on."""
        return self.rows[0].domain

    @property
    def task(self) -> str:
        """Task of the networks, a key of :data:`spike_depth_ros.tasks.base.TASKS`."""
        return next(row.task for row in self.rows if row.config.stages)


def load_table(path: Path, maps: Path | None = None) -> Table:
    """Read the settings of a table and of its base.

    Args:
        path: File of the settings.
        maps: Folder of maps that rows are scored on, beside the test scenes; None: none.

    Raises:
        ConfigError: The settings are invalid; the message lists all problems.
        DataSetError: Maps cannot be used, nor recordings whose epochs are counted.
    """
    problems: list[str] = []
    content = read_tree(path, problems)
    if problems:
        raise ConfigError(listed(problems))
    settings: TableConfig = read_settings(TableConfig, content, '', problems)
    problems += schema.problems_of(settings)
    paper = None if settings.paper is None else settings.paper.read(problems)
    problems += problems_of_paper(settings, paper or Paper())
    base: dict[str, Any] = {}
    if settings.base:
        base = read_tree(path.parent / settings.base, problems)
        read_run({'out': '', **base}, f'base {settings.base}: ', problems)
    method = find_method(str(base.get('method', RunConfig.method)))
    stages = _Stages(method, base.pop('stages', None) or [], settings.stages, problems)
    problems += (
        f'stages.{name}: expected another name, rows use it as a keyword of translate'
        for name in (TRUE_LOOK, *LOOKS)
        if name in stages.all
    )
    tree = _with(base, settings.override, 'override', problems)
    rows = [
        _read_row(row, f'rows[{i}]', tree, stages, problems) for i, row in enumerate(settings.rows)
    ]
    task = _task_of(rows, problems)
    valid = not problems
    tabled = tabled_tasks()[task]
    problems += _problems_of_task(settings, tabled)
    if maps is not None and not tabled.maps:
        problems.append(f'maps is given: expected none, rows are of the task {task}')
    problems += _problems_of_claims(settings, rows, tabled, valid)
    if problems := [*dict.fromkeys(problems)]:
        raise ConfigError(f'{path}: {listed(problems)}')
    folder = None if maps is None else _open_maps(maps, rows)
    return Table(path, settings, [_with_counted_steps(row, folder) for row in rows], paper, folder)


def _read_row(
    row: RowConfig, where: str, tree: dict[str, Any], stages: _Stages, problems: list[str]
) -> Row:
    """Resolve the stages of a row, and of its second chain.

    Args:
        row: Settings of the row.
        where: Its place in the file.
        tree: Settings of all rows, without stages.
        stages: Stages by name.
        problems: Gets what is wrong; what is wrong in many rows alike is listed once.
    """
    own = _with(tree, row.override, f'{where}.override', problems)
    config: RunConfig = read_settings(RunConfig, {'out': '', **own}, '', [])
    config.stages = [] if row.stage is None else stages.chain(row.stage, f'{where}.stage')
    second = None
    if row.second_stage is not None:
        key, last = row.second_stage
        second = dataclasses.replace(config, stages=stages.chain(last, f'{where}.{key}'))
    if config.stages:
        found = _problems_of_run(config, row)
        if second is not None and second.stages:
            found += _problems_of_second(second, config, row, where)
        if row.translate is not None:
            found += _problems_of_look(config, row, where)
        named = f'row {row.name}: ' if row.override else ''
        problems += (named + text for text in found if text not in problems)
    return Row(row, config, second=second)


def _task_of(rows: Sequence[Row], problems: list[str]) -> str:
    """Return the task of all rows; add to the problems where they differ."""
    if len({row.domain for row in rows}) > 1:
        problems.append('some rows have a target: expected it in all of them, or in none')
    tasks = sorted({row.task for row in rows if row.config.stages}) or ['depth']
    known = tabled_tasks()
    if len(tasks) == 1 and tasks[0] in known:
        return tasks[0]
    problems.append(
        f'rows are of the tasks {" and ".join(tasks)}: expected {" or ".join(known)}, one of them'
    )
    return 'depth'


def _with_counted_steps(row: Row, maps: MapFolder | None) -> Row:
    """Turn epochs of a row into steps, for which its recordings are opened."""
    second = None if row.second is None else with_steps(row.second, 1)
    return dataclasses.replace(row, config=with_steps(row.config, 1), maps=maps, second=second)


def _open_maps(root: Path, rows: Sequence[Row]) -> MapFolder:
    """Check the maps for the factors of all rows, before any of them is trained."""
    for factors in dict.fromkeys(factors_of_row(row.config) for row in rows):
        read_maps(root, factors)
    return open_maps(root)


def _problems_of_task(settings: TableConfig, task: Tabled) -> Problems:
    """Yield the settings that a table of a task does not have."""
    for i, row in enumerate(settings.rows):
        if row.stage is None and not task.baseline:
            yield f'rows[{i}].stage is null: expected a stage; estimates are listed by themselves'
        if row.name in task.estimates:
            yield (
                f'rows[{i}].name is {row.name}: expected another one; estimates are listed by '
                'themselves'
            )
        if row.adabn and not task.prepared:
            yield f'rows[{i}].adabn is true: expected false, these networks have no batch norm'
        for name in ('matched_scale', 'post_process'):
            if getattr(row, name) and not task.prepared:
                yield f'rows[{i}].{name} is true: expected false, it is of depth'
        if row.mean_with is not None and not task.averaged:
            yield (
                f'rows[{i}].mean_with is {row.mean_with!r}: expected none, it is of the task fused'
            )
        if row.translate is not None and not task.prepared:
            yield f'rows[{i}].translate is {row.translate!r}: expected none, it is of depth'
    if settings.paper and not task.paper:
        yield 'paper is given: expected none for pictures'


def _problems_of_claims(
    settings: TableConfig, rows: Sequence[Row], task: Tabled, valid: bool
) -> Problems:
    """Yield the problems of the claims of a table.

    Args:
        settings: Settings of the table.
        rows: Its rows.
        task: Their task.
        valid: True if the runs of all rows are, so that their metrics are known.
    """
    names = [row.settings.name for row in rows]
    for i, claim in enumerate(settings.claims):
        problems = [*claim.problems_of_names(names, task.estimates)]
        compared = [row for row in rows if row.settings.name in (claim.row, *claim.others)]
        if (
            valid
            and not [*problems, *schema.problems_of(claim)]
            and all(row.config.stages or task.baseline for row in compared)
        ):
            first, *others = (
                task.metrics(row.config, row.settings.preparation) for row in compared
            )
            shared = {
                name: metric
                for name, metric in first.items()
                if all(name in metrics for metrics in others)
            }
            problems += claim.problems_of_metric(shared)
            if claim.domain == 'source':
                problems += (
                    f".domain is 'source': expected target, whose pictures {row.settings.name} "
                    'translates'
                    for row in compared
                    if row.settings.translate is not None
                )
        yield from (f'claims[{i}]{problem}' for problem in problems)


def _with(
    tree: Mapping[str, Any], override: Mapping[str, Any], where: str, problems: list[str]
) -> dict[str, Any]:
    """Return the settings of a run with overrides, whose names and types are checked."""
    read_settings(RunConfig, {'out': '', **override}, f'{where}.', problems)
    result = copy.deepcopy(dict(tree))
    before, model = result.get('model') or {}, override.get('model') or {}
    if 'architecture' in model and model['architecture'] != before.get(
        'architecture', ModelConfig.architecture
    ):
        before.pop('settings', None)  # sizes of another architecture
    merge(result, override)
    return result


def _problems_of_run(config: RunConfig, row: RowConfig) -> list[str]:
    """Return the problems of the values of a row's run, with stages by their names."""
    problems = problems_of(config)
    if config.target is None and row.adabn:
        problems.append(f'row {row.name}: adabn is true: expected a target, of whose scenes')
    for name in ('devices', 'nodes'):
        if (number := getattr(config, name)) != 1:
            problems.append(
                f'{name} is {number}: expected 1; --jobs trains several stages at a time'
            )
    if row.adabn and not problems and (reason := _no_statistics(config)) is not None:
        problems.append(
            f'row {row.name}: adabn is true, but {reason}; train its twin with batch norm, '
            'override: {model: {settings: {norm: batch}}}'
        )
    return [
        re.sub(
            r'^stages\[(\d+)\]',
            lambda found: f'stages.{config.stages[int(found[1])].name}',
            problem,
        )
        for problem in problems
    ]


def _problems_of_second(
    second: RunConfig, config: RunConfig, row: RowConfig, where: str
) -> list[str]:
    """Return the problems of the run of a row's second network."""
    assert row.second_stage is not None
    key, last = row.second_stage
    own = 'translation' if key == 'translate' else config.stages[-1].task
    if (task := second.stages[-1].task) != own:
        as_row = '' if key == 'translate' else f', as {row.stage}'
        expected = f'one of the task {own}{as_row}, it is of {task}'
    elif row.stage in [stage.name for stage in second.stages]:
        expected = f'a stage other than {row.stage} that does not build on it'
    else:
        return _problems_of_run(second, dataclasses.replace(row, adabn=False))
    return [f'{where}.{key} is {last!r}: expected {expected}']


def _problems_of_look(config: RunConfig, row: RowConfig, where: str) -> list[str]:
    """Return the problems of pictures in another look."""
    found = f'{where}.translate is {row.translate!r}'
    problems = []
    if (stage := config.stages[-1]).input != 'rgb':
        problems.append(f'{found}: expected none, {stage.name} sees spikes and no pictures')
    if config.target is None:
        problems.append(f'{found}: expected a target, whose pictures are translated')
    elif row.translate == TRUE_LOOK and not has_both_looks(config):
        problems.append(f'{found}: expected none, generated scenes alone have both looks')
    if row.translate == TRUE_LOOK:
        others = [
            name for name in ('adabn', 'matched_scale', 'post_process') if getattr(row, name)
        ]
        if others:
            problems.append(
                f'{found} beside {", ".join(others)}: expected it alone, it scores the network '
                'as it is on pictures of the source'
            )
    return problems


def _no_statistics(config: RunConfig) -> str | None:
    """Return the reason why AdaBN cannot adapt a network of these settings; None if it can."""
    stage = config.stages[-1]
    model = config.resolve(stage).model
    info = DepthInfo(
        architecture=model.architecture,
        settings=dataclasses.asdict(SETTINGS[model.architecture](**model.settings)),
        planes=1, planes_range=(1, 1), bins=model.bins, inputs=(stage.input,),
        rate_hz_range=(1.0, 1.0), min_depth=model.min_depth, max_depth=model.max_depth,
        canonical_fx=1.0, fx_range=(1.0, 1.0), stage=stage.name, package_version='0',
    )  # fmt: skip
    with torch.device('meta'):  # layers without weights
        return adabn_problem(build(info), model.architecture)


class _Stages:
    """Stages of a base and of a table, each resolved once.

    Args:
        method: Method of the base.
        base: Stages of the base.
        own: Stages of the table, as differences.
        problems: List to which all problems are appended.
    """

    def __init__(
        self, method: Method, base: Sequence[Any], own: Mapping[str, Any], problems: list[str]
    ) -> None:
        self.method = method
        self.base: dict[str, dict[str, Any]] = {}
        self.own = own
        self.problems = problems
        self._trees: dict[str, dict[str, Any]] = {}
        for given in base:
            tree = dict(given) if isinstance(given, dict) else {}
            before = [*self.base]
            if tree.get('init_from') == 'previous' and before:
                tree['init_from'] = before[-1]
            self.base[str(tree.get('name', StageConfig.name))] = tree
        self.all = {name: self._stage(name) for name in [*self.base, *own]}

    def chain(self, name: str, where: str) -> list[StageConfig]:
        """Return a stage after all stages that it builds on; an empty list if they are invalid."""
        if name not in self.all:
            expected = unknown(name, self.all, 'a stage of the base or of this table')
            self.problems.append(f'{where} is {name!r}: {expected}')
            return []
        found: dict[str, StageConfig] = {}
        return [*found.values()] if self._visit(name, (), found) else []

    def _visit(self, name: str, way: tuple[str, ...], found: dict[str, StageConfig]) -> bool:
        """Add a stage after those that it builds on; return False if these form a cycle."""
        if name in way:
            circle = ' <- '.join([*way[way.index(name) :], name])
            self.problems.append(f'stages.{name} builds on itself: {circle}')
            return False
        stage = self.all[name]
        for earlier in stage.builds_on:
            # Unknown names are reported with the other problems of the run.
            if (
                earlier in self.all
                and earlier not in found
                and not self._visit(earlier, (*way, name), found)
            ):
                return False
        found[name] = stage
        return True

    def _stage(self, name: str) -> StageConfig:
        """Return a stage; problems of the stages of the base are already reported."""
        tree = {**self._tree(name, ()), 'name': name}
        return read_stage(self.method, tree, '', [])

    def _tree(self, name: str, way: tuple[str, ...]) -> dict[str, Any]:
        """Return the settings of a stage, including those of the stage named as "like"."""
        if name in self._trees:
            return self._trees[name]
        if name in way:
            circle = ' <- '.join([*way[way.index(name) :], name])
            self.problems.append(f'stages.{name} is like itself: {circle}')
            return {}
        tree = copy.deepcopy(self.base.get(name, {}))
        if name in self.own:
            tree = self._differing(name, tree, (*way, name))
        self._trees[name] = tree
        return tree

    def _differing(self, name: str, tree: dict[str, Any], way: tuple[str, ...]) -> dict[str, Any]:
        given = self.own[name]
        if not isinstance(given, dict):
            self.problems.append(f'stages.{name} is {given!r}: expected settings, "name: value"')
            return tree
        changes = {key: value for key, value in given.items() if key != 'like'}
        if changes.get('init_from') == 'previous':
            self.problems.append(
                f"stages.{name}.init_from is 'previous': expected scratch, imagenet or the name "
                'of a stage, for those of a table have no order'
            )
        like = given.get('like')
        if like is not None and name in self.base:
            self.problems.append(
                f'stages.{name}.like is {like!r}: expected none, the base has a stage of that name'
            )
        elif like is not None:
            if like not in self.base and like not in self.own:
                known = [*self.base, *self.own]
                expected = unknown(str(like), known, 'a stage of the base or of this table')
                self.problems.append(f'stages.{name}.like is {like!r}: {expected}')
            else:
                tree = copy.deepcopy(self._tree(like, way))
        kind = {'kind': tree['kind']} if 'kind' in tree else {}
        read_stage(self.method, {**kind, **changes}, f'stages.{name}.', self.problems)
        if 'kind' in changes:
            with suppress(ConfigError):  # reported with the other problems of the stage
                settings = find_kind(str(changes['kind']), self.method).settings
                names = {field.name for field in dataclasses.fields(settings)}
                tree = {key: value for key, value in tree.items() if key in names}
        merge(tree, changes)
        return tree
