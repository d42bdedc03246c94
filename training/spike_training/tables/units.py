# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Units of a table: stages to train and networks to score, each with a folder of its own.

A folder's name ends in a hash of everything that determines its content: settings of the stage and
of all stages that it builds on, data, seed, version of this package. Rows thus share their common
units, and results of other settings are never reused. Device and threads are not part of the hash,
and neither is the content of the files of a data set.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import statistics
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import spike_depth_ros
from spike_depth_ros.base.results import write_atomically
from spike_depth_ros.checkpoint import load, load_info
from spike_depth_ros.tasks.base import CheckpointInfo
from spike_training.choices import ADABN_BATCH_SIZE, ADABN_BATCHES
from spike_training.cpu import configure_cpu
from spike_training.datasets.depth_maps import MapFolder
from spike_training.engine.fabric import choose_device, make_fabric
from spike_training.engine.record import SCALARS
from spike_training.evaluation.preparation import Preparation
from spike_training.evaluation.report import FORMAT, read_report, to_json
from spike_training.runs.pipeline import train_stage
from spike_training.runs.sessions import CONFIG, REPORT, Session
from spike_training.settings.config import (
    EXECUTION,
    RunConfig,
    StageConfig,
    to_yaml,
    tree_of,
)
from spike_training.tables.plan import Row
from spike_training.tasks.base import Given, task_of

DONE = 'done.json'
"""File of a unit's result, written last."""

KEY = 12
"""Number of digits of the hash in a folder's name."""


@dataclasses.dataclass(frozen=True)
class Unit(ABC):
    """Unit of work of one process.

    Attributes:
        folder: Folder of the unit's files.
        config: Config of a run with the stage, those that it builds on, and no others.
        needs: Units that must be done before.
    """

    folder: Path
    config: RunConfig
    needs: tuple[Training, ...]

    @property
    def done(self) -> bool:
        """True if the unit is done, by any process."""
        return (self.folder / DONE).exists()

    @property
    def result(self) -> dict[str, Any]:
        """Result of the unit, once it is done."""
        result: dict[str, Any] = json.loads((self.folder / DONE).read_text(encoding='utf-8'))
        return result

    @property
    def steps(self) -> int:
        """Number of optimiser steps."""
        return 0

    @abstractmethod
    def describe(self) -> str:
        """Describe the unit in a few words, for messages."""

    def work(self) -> None:
        """Run the unit, or resume it where it was stopped."""
        config = dataclasses.replace(self.config, out=self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.folder / CONFIG, to_yaml(config).encode())
        configure_cpu(config.threads)
        write_atomically(self.folder / DONE, to_json(self._work(config)))

    @abstractmethod
    def _work(self, config: RunConfig) -> dict[str, Any]:
        """Run the unit; return its result, for JSON."""


@dataclasses.dataclass(frozen=True)
class Training(Unit):
    """Training of the last stage of its config."""

    @property
    def stage(self) -> StageConfig:
        """Stage that is trained."""
        return self.config.stages[-1]

    @property
    def steps(self) -> int:
        """Number of optimiser steps of the stage."""
        return self.config.resolve(self.stage).train.steps

    @property
    def checkpoint(self) -> Path:
        """Checkpoint of the trained stage, once it is done."""
        return self.folder / str(self.result['checkpoint'])

    def describe(self) -> str:
        """Implement :meth:`Unit.describe`."""
        return f'seed {self.config.seed}: {self.stage.name}, {self.steps} steps'

    def work(self) -> None:
        """Implement :meth:`Unit.work`; then delete the training states, as they are large."""
        super().work()
        for state in (self.folder / self.stage.name).glob('state_*.pt'):
            state.unlink()

    def _work(self, config: RunConfig) -> dict[str, Any]:
        fabric = make_fabric(config.device, 1, config.train.precision)
        trained = {unit.stage.name: unit.checkpoint for unit in self.needs}
        with Session(self.folder, fabric.device) as session, session.stage(self.stage.name):
            checkpoint = train_stage(config.resolve(self.stage), trained, fabric)
        info = load_info(checkpoint, CheckpointInfo)
        return {
            'checkpoint': str(checkpoint.relative_to(self.folder)),
            'weights_sha256': info.weights_sha256,
            'commit': info.commit,
            'device': fabric.device.type,
            'seconds_per_step': self._seconds_per_step(),
        }

    def _seconds_per_step(self) -> float | None:
        """Return the median over the records of training; None if there are no records."""
        text = (self.folder / self.stage.name / SCALARS).read_text(encoding='utf-8')
        lines = [json.loads(line) for line in text.splitlines()]
        speeds = [line['train/images_per_s'] for line in lines if 'train/images_per_s' in line]
        train = self.config.resolve(self.stage).train
        images = train.batch_size * train.accumulate
        return images / statistics.median(speeds) if speeds else None


@dataclasses.dataclass(frozen=True)
class Scoring(Unit):
    """Evaluation of a trained network on source and target.

    Attributes:
        before: What is done with it before.
        maps: Folder of maps that it is evaluated on, too; None: none.
        second: Training of the network whose depth is averaged with its own, or which translates
            its pictures; None: none.
    """

    before: Preparation
    maps: MapFolder | None = None
    second: Training | None = None

    @property
    def training(self) -> Training:
        """Training of the network."""
        return self.needs[-1]

    @property
    def settings_hash(self) -> str:
        """Hash of all settings that the result depends on, without the package's version."""
        return _digest({**_settings(self.config), **_scored(self.before, self.maps, self.second)})

    @property
    def report(self) -> dict[str, Any]:
        """Evaluation report, once it is done."""
        return read_report(self.folder / REPORT)

    def describe(self) -> str:
        """Implement :meth:`Unit.describe`."""
        how = f'seed {self.config.seed}: metrics of {self.training.stage.name}'
        return ' + '.join([how, *self.before.describe()])

    def _work(self, config: RunConfig) -> dict[str, Any]:
        info, weights = load(self.training.checkpoint, CheckpointInfo)
        second = None if self.second is None else self.second.checkpoint
        maps = None if self.maps is None else self.maps.root
        given = Given(self.before, True, second, maps)
        device = choose_device(config.device)
        report = task_of(info.task).evaluate(config, info, weights, device, given)
        write_atomically(self.folder / REPORT, to_json(report))
        return {'commit': info.commit}


def units_of(row: Row, seed: int, cache: Path) -> Scoring:
    """Return the scoring of a row with one seed; its ``needs`` are the trainings.

    Args:
        row: Row with a stage.
        seed: Seed of scenes and initial weights.
        cache: Folder of the units' folders.
    """
    last = _training_of(row.config, seed, cache)
    second = None if row.second is None else _training_of(row.second, seed, cache)
    scored = _scored(row.settings.preparation, row.maps, second)
    config = dataclasses.replace(last.config, target=row.config.target)
    key = _hash({**_settings(config), **scored, 'format': FORMAT})
    name = f'{last.stage.name}_adabn' if row.settings.adabn else last.stage.name
    folder = cache / f'figures_of_{name}_{seed}_{key}'
    chains = [] if second is None else [*second.needs, second]
    needs = {unit.folder: unit for unit in (*chains, *last.needs, last)}
    before = row.settings.preparation
    return Scoring(folder, config, (*needs.values(),), before, row.maps, second)


def _training_of(config: RunConfig, seed: int, cache: Path) -> Training:
    """Return the training of the last stage of a run; its ``needs`` are those before."""
    config = dataclasses.replace(config, seed=seed, out=Path(), resume=True)
    trainings: dict[str, Training] = {}
    for i, stage in enumerate(config.stages):
        # All stages that a stage builds on, directly or not, determine it.
        behind = {name for name in stage.builds_on if name in trainings}
        behind |= {unit.stage.name for name in behind for unit in trainings[name].needs}
        stages = [earlier for earlier in config.stages[:i] if earlier.name in behind]
        own = dataclasses.replace(config, stages=[*stages, stage])
        # Rows of other targets share what no target was seen for.
        if all(one.batches.domain == 'source' for one in own.stages):
            own.target = None
        # The settings of the evaluation do not affect a training.
        key = _hash({name: v for name, v in _settings(own).items() if name != 'evaluate'})
        trainings[stage.name] = Training(
            cache / f'{stage.name}_{seed}_{key}',
            own,
            tuple(trainings[earlier.name] for earlier in stages),
        )
    return [*trainings.values()][-1]


def _scored(
    before: Preparation, maps: MapFolder | None, second: Training | None
) -> dict[str, Any]:
    """Return what a scoring depends on beside the settings of the run."""
    # What is not done is left out: it changes nothing.
    done = {name: True for name in ('matched_scale', 'post_process') if getattr(before, name)}
    given: dict[str, Any] = {} if maps is None else {'maps': maps.sha256}
    if second is not None:
        name = 'mean_with' if before.translate is None else 'translate'
        given[name] = _settings(second.config)
    elif before.translate is not None:
        given['translate'] = before.translate
    adabn = [ADABN_BATCHES, ADABN_BATCH_SIZE] if before.adabn else None
    return {'adabn': adabn, **done, **given}


def _settings(config: RunConfig) -> dict[str, Any]:
    """Return all settings that a result depends on."""
    tree = tree_of(config)
    if not config.data.mixed_recordings:  # what is not used changes nothing
        tree['data'] = {k: v for k, v in tree['data'].items() if not k.startswith('mixed_')}
    if config.train.schedule == 'cosine':  # the only one there was
        del tree['train']['schedule'], tree['train']['drop_every']
    if tree['target'] is not None and tree['target']['fog_m'] is None:
        del tree['target']['fog_m']  # as before there was fog
    del tree['evaluate']['stereo']  # of the command evaluate alone
    return {name: value for name, value in tree.items() if name not in EXECUTION}


def _hash(settings: Mapping[str, Any]) -> str:
    return _digest([spike_depth_ros.__version__, settings])


def _digest(settings: Any) -> str:
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY]
