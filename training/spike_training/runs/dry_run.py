# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Dry run: a run up to its first step, with its sizes, steps, memory and missing inputs.

Networks and optimisers are built as in the run, but on the CPU; a stage that starts from another
one gets the untrained weights of that stage, from memory. Nothing is trained or written.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from spike_depth_ros.checkpoint import CheckpointError, Tensors
from spike_depth_ros.networks.imagenet import HUB, check_weights, import_timm
from spike_depth_ros.networks.lite_encoder import PACKAGE, package_file
from spike_depth_ros.networks.registry import IMAGENET, weights_of
from spike_depth_ros.pages.blocks import Table
from spike_depth_ros.pages.terminal import print_table
from spike_depth_ros.tasks.base import CheckpointInfo
from spike_training.choices import Split
from spike_training.cpu import configure_cpu
from spike_training.datasets.readers import missing_paths
from spike_training.engine.optim import build_optimizers
from spike_training.engine.stage import Context, Stage, load_any
from spike_training.errors import ConfigError, DataSetError
from spike_training.run_data.recordings import (
    check_recordings,
    mixed_alone,
    open_recordings,
    recorded_source,
)
from spike_training.run_data.sources import samples_of, with_steps
from spike_training.runs.build import context, make_batches, make_stage
from spike_training.runs.memory import estimate_memory
from spike_training.sampling.sample import Batch
from spike_training.settings.config import (
    BatchSpec,
    DataConfig,
    ResolvedStage,
    RunConfig,
    StageConfig,
    problems_of,
)

CPU = torch.device('cpu')
SIDES: tuple[Split, ...] = ('train', 'calibration', 'test')
MIB = 2**20

SAMPLES = ('domain', 'data set', 'recordings', 'frames left out', 'split by', *SIDES)
PARAMETERS = ('stage', 'optimiser', 'parameters', 'tensors', 'learning rate', 'decay')
STEPS = ('stage', 'kind', 'starts from', 'epochs', 'samples', 'images a step', 'steps')
MEMORY = (
    'stage', 'weights', 'frozen', 'gradients', 'Adam', 'average', 'batches', 'activations', 'sum',
)  # fmt: skip
"""Columns of the tables."""

ESTIMATED = (
    'Activations are an estimate: measured on the CPU, forward and backward, on small pictures, '
    'and scaled by pixels and images. What kernels need for themselves comes on top, and with '
    'checkpoint_activations what one block computes. The rest is counted.'
)


def dry_run(config: RunConfig) -> None:
    """Build a run on the CPU and print all that is missing, then its sizes, steps and memory.

    Raises:
        ConfigError: Settings are invalid or inputs are missing; the message lists all problems.
    """
    show = Console(width=110, highlight=False, markup=False)
    problems = problems_of(config)
    missing = _show_data(config, show)
    without_weights, unbuilt = _missing_weights(config, show)
    found = [*problems, *missing, *without_weights.values(), *unbuilt]
    for problem in found:
        show.print(f'problem: {_brief(problem)}', soft_wrap=True)
    if not problems and not unbuilt:
        configure_cpu(config.threads)
        found += _Stages(config, not missing, without_weights.keys()).show(show)
    if found:
        number = '1 problem' if len(found) == 1 else f'{len(found)} problems'
        raise ConfigError('\n  '.join([f'dry run, {number}:', *found]))
    show.print('dry run: nothing is missing. Nothing was trained or written.')


def _brief(problem: str) -> str:
    """Return what is missing, without what was expected in its place."""
    first, *rest = problem.splitlines()
    others = [line.strip() for line in rest if line.endswith(' is missing')]
    return ', '.join([first.removesuffix('; expected'), *others])


def _missing_weights(config: RunConfig, show: Console) -> tuple[dict[str, str], list[str]]:
    """Print which ImageNet weights are to be downloaded, before anything is built.

    Returns:
        Problems with weights, by the stage's name; and packages that no network is built without.
    """
    found, packages = {}, []
    for stage in config.stages:
        architecture = config.resolve(stage).model.architecture
        if architecture not in IMAGENET:
            continue
        try:
            import_timm(architecture)
        except CheckpointError as error:
            packages.append(f'{stage.name}: {error}')
            continue
        if stage.init_from != 'imagenet':
            continue
        name = IMAGENET[architecture][0]
        try:
            source = package_file() if stage.imagenet == PACKAGE else stage.imagenet
            if not check_weights(source, name):
                show.print(
                    f'{stage.name}: timm downloads {name} at the start, once: it is not on this '
                    'machine; without a network, give a file of weights: imagenet: PATH',
                    soft_wrap=True,
                )
        except CheckpointError as error:
            found[stage.name] = f'{stage.name}: {error}'
    return found, packages


def _show_data(config: RunConfig, show: Console) -> list[str]:
    """Print the samples on each side of all recordings; return the problems."""
    domains = {'data': config.data}
    if config.data.mixed_recordings:
        domains['mixed'] = mixed_alone(config.data)
    if config.target_data is not None:
        domains['target'] = config.target_data
    rows: list[list[str]] = []
    problems: list[str] = []
    for domain, data in domains.items():
        if not data.recordings:
            scenes = f'procedural: {", ".join(data.styles)}'
            rows.append([domain, scenes, 'without end'])
        for name in {**data.recordings, **data.test_recordings}:
            row, missing = _data_set(config, domain, data, name)
            rows.append([domain, name, *row])
            problems += missing
    rows = [[*row, *[''] * (len(SAMPLES) - len(row))] for row in rows]
    print_table(Table(SAMPLES, rows, 'samples by side', names=True))
    if not problems:
        try:
            check_recordings(config.data, config.target_data)
        except DataSetError as error:
            problems.append(_indented(error))
    return problems


def _data_set(
    config: RunConfig, domain: str, data: DataConfig, name: str
) -> tuple[list[str], list[str]]:
    """Return the table row of one data set, and its problems."""
    given: dict[str, Any] = {
        kind: {key: where for key, where in getattr(data, kind).items() if key == name}
        for kind in ('recordings', 'test_recordings')
    }
    problems = []
    # Separately, so that problems of one do not hide those of the other.
    for kind, where in given.items():
        if not where:
            continue
        try:
            open_recordings(dataclasses.replace(data, recordings=where, test_recordings={}))
        except DataSetError as error:
            told = _indented(error)
            paths = [str(path) for path in missing_paths(name, where[name])]
            others = [f'{path} is missing' for path in paths if path not in told]
            setting = 'data.mixed_recordings' if domain == 'mixed' else f'{domain}.{kind}'
            problems.append('\n    '.join([f'{setting}.{name}: {told}', *others]))
    if problems:
        return ['missing'], problems
    own = dataclasses.replace(data, **given)
    (found,) = open_recordings(own).sets
    needed = [*SIDES[:2]] if name in data.recordings else []
    # Pairs are learnt from without depth.
    pairs = all(stage.batches.right for stage in config.stages)
    # A target may have no depth, and is then not tested on.
    alone = domain != 'target' and not data.test_recordings and not pairs
    if name in data.test_recordings or alone:
        needed.append('test')
    numbers = []
    for side in SIDES:
        try:
            labels = domain != 'target' or side == 'test'
            spec = BatchSpec(spikes=False, right=pairs and side != 'test')
            source = recorded_source(
                own, side, config.model.bins, 16, CPU, config.seed, (), spec, labels
            )
            numbers.append(str(len(source)))
        except (DataSetError, ValueError) as error:
            numbers.append('none')
            if side in needed:
                problems.append(f'{domain}, {side}: {_indented(error)}')
    by = f'{found.splits.by}, tests given' if name in data.test_recordings else found.splits.by
    clips = [*found.clips, *(found.tests or ())]
    left_out = sum(len(names) for clip in clips for names in clip.skipped.values())
    return [str(len(clips)), str(left_out), by, *numbers], problems


class _Stages:
    """Builder of the stages of a run, one after the other.

    Args:
        config: Config of the run.
        has_data: True if all recordings are present.
        without_weights: Names of the stages whose initial weights are missing.
    """

    def __init__(
        self, config: RunConfig, has_data: bool, without_weights: Collection[str]
    ) -> None:
        self._config, self._has_data = config, has_data
        self._without_weights = without_weights
        self._trained: dict[str, tuple[CheckpointInfo, Tensors]] = {}
        self._groups: list[list[str]] = []
        self._steps: list[list[str]] = []
        self._memory: list[list[str]] = []

    def show(self, show: Console) -> list[str]:
        """Print tables of all stages; return the problems."""
        problems: list[str] = []
        stages = []
        for stage in self._config.stages:
            here = self._context(stage)
            built, missing = _build(here, stage.name in self._without_weights)
            problems += missing
            self._count(here, built)
            stages.append((here, built))
            if self._has_data:
                problems += _first_samples(here, show)
        for problem in problems:
            show.print(f'problem: {_brief(problem)}', soft_wrap=True)
        print_table(Table(PARAMETERS, self._groups, 'parameters'))
        print_table(Table(STEPS, self._steps, 'steps', names=True))
        # Last, as it takes longer than all else.
        while stages:
            self._measure(*stages.pop(0), show)
        title = 'memory of each process, MiB'
        print_table(Table(MEMORY, self._memory, title, caption=ESTIMATED))
        return problems

    def _context(self, stage: StageConfig) -> Context:
        """Return the context of a stage; weights of earlier stages come from memory."""
        config = self._config
        if not self._has_data:
            # Sizes do not depend on the scenes, but a checkpoint's metadata does.
            none: Any = {'recordings': {}, 'test_recordings': {}}
            config = dataclasses.replace(
                config,
                data=dataclasses.replace(config.data, **none, mixed_recordings={}),
                target=config.target and dataclasses.replace(config.target, **none),
            )
        places: Mapping[str, Path] = {name: Path(name) for name in self._trained}
        made = context(config.resolve(stage), places, CPU)

        def load_stage(path: Path) -> tuple[CheckpointInfo, Tensors]:
            found = self._trained.get(str(path))
            return load_any(path) if found is None else found

        return dataclasses.replace(made, load=load_stage)

    def _count(self, here: Context, built: Stage[Any]) -> None:
        """Add a stage to the tables."""
        stage, train = here.config.stage, here.config.train
        self._trained[stage.name] = here.info, weights_of(built.deployable)
        optimizers = build_optimizers(
            built, built.optimizers(), train.learning_rate, train.weight_decay, train.betas
        )
        for name, optimizer in optimizers.items():
            for group in optimizer.param_groups:
                self._groups.append(
                    [
                        stage.name,
                        name,
                        f'{sum(p.numel() for p in group["params"]):,}',
                        str(len(group['params'])),
                        f'{train.learning_rate * group["lr_scale"]:g}',
                        f'{group["weight_decay"]:g}',
                    ]
                )
        self._steps.append([stage.name, stage.kind, stage.init_from, *self._counted(here.config)])

    def _measure(self, here: Context, built: Stage[Any], show: Console) -> None:
        """Add the memory of a stage to its table."""
        stage = here.config.stage
        show.print(f'{stage.name}: measuring memory')
        found = estimate_memory(here, built)
        values = [*dataclasses.astuple(found), found.whole]
        self._memory.append([stage.name, *(f'{value / MIB:,.0f}' for value in values)])

    def _counted(self, here: ResolvedStage) -> list[str]:
        """Return epochs, samples of each, images of a step and steps, as table cells."""
        config, stage, train = self._config, here.stage, here.train
        processes = config.devices * config.nodes
        images = train.batch_size * train.accumulate * processes
        if stage.epochs is None:
            return ['', '', str(images), str(train.steps)]
        if not self._has_data:
            return [f'{stage.epochs:g}', 'unknown', str(images), 'unknown']
        (counted,) = with_steps(dataclasses.replace(config, stages=[stage]), processes).stages
        samples = str(samples_of(here))
        return [f'{stage.epochs:g}', samples, str(images), str(counted.steps)]


def _build(here: Context, without_weights: bool) -> tuple[Stage[Any], list[str]]:
    """Build a stage; with random weights if its initial weights are missing.

    Returns:
        The stage, and problems that are not known without it.
    """
    stage, problems = here.config.stage, []
    if not without_weights and (stage.init_from, stage.imagenet) != ('imagenet', HUB):
        try:
            return make_stage(here), []
        except (CheckpointError, ConfigError) as error:
            if stage.init_from != 'imagenet' and not stage.starts_from_file:
                raise
            problems.append(f'{stage.name}: {error}')
    scratch = dataclasses.replace(stage, init_from='scratch')
    config = dataclasses.replace(here.config, stage=scratch)
    return make_stage(dataclasses.replace(here, config=config)), problems


def _first_samples(here: Context, show: Console) -> list[str]:
    """Make the first sample of each split that training uses; return the problems."""
    # One sample alone: processes that draw the scenes of the next ones would be in its way.
    config = here.config
    alone: dict[str, Any] = {
        name: data and dataclasses.replace(data, workers=0)
        for name, data in (('data', config.data), ('target_data', config.target_data))
    }
    here = dataclasses.replace(here, config=dataclasses.replace(config, **alone))
    problems = []
    for side in SIDES[:2]:
        began = time.perf_counter()
        try:
            batch = make_batches(here, side).batch(0, 1)
        except (DataSetError, ValueError) as error:
            problems.append(f'{config.stage.name}, {side}: {_indented(error)}')
            continue
        seconds = time.perf_counter() - began
        parts = [batch] if isinstance(batch, Batch) else [batch.source, batch.target]
        sizes = ' and '.join('x'.join(map(str, part.counts.shape[1:])) for part in parts)
        show.print(f'{config.stage.name}, {side}: a sample of {sizes} counts in {seconds:.2f} s')
    return problems


def _indented(error: Exception) -> str:
    """Format an error of several lines, indented below its first line."""
    return str(error).replace('\n', '\n    ')
