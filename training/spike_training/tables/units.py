# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a table consists of: stages to train and networks to score, each with a folder of its own.

A folder's name ends in a hash of everything that determines what is in it: settings of the stage
and of all that it builds on, data, seed, version of this package. So rows share what they have in
common, and what was done under other settings is never taken for the same. Where a stage is
trained (device, threads) is not part of that, and neither is what lies in the files of a data set.
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

import torch
from torch import nn

import spike_depth_ros
from spike_depth_ros.checkpoint import DepthInfo, load, load_info, write_atomically
from spike_training.engine.fabric import choose_device, make_fabric
from spike_training.engine.record import SCALARS
from spike_training.evaluation.predictors import build_for_evaluation
from spike_training.evaluation.rates import RatesAsPicture
from spike_training.evaluation.report import FORMAT, read_report, to_json
from spike_training.runs.adabn import ADABN_BATCH_SIZE, ADABN_BATCHES, adapt_statistics
from spike_training.runs.build import target_batches
from spike_training.runs.evaluation import evaluate_network
from spike_training.runs.files import CONFIG, REPORT
from spike_training.runs.pipeline import NOT_THE_RUN, train_stage
from spike_training.runs.sessions import Session
from spike_training.settings.config import RunConfig, StageConfig, to_yaml
from spike_training.tables.plan import Row

DONE = 'done.json'
"""Written last: what a unit has come to."""

KEY = 12
"""Digits of the hash in a folder's name."""


@dataclasses.dataclass(frozen=True)
class Unit(ABC):
    """One piece of work, which one process does.

    Attributes:
        folder: Where it is done.
        config: Of a run with the stage, those that it builds on, and no others.
        needs: What must be done before.
    """

    folder: Path
    config: RunConfig
    needs: tuple[Training, ...]

    @property
    def done(self) -> bool:
        """Whether it is done, by whatever process."""
        return (self.folder / DONE).exists()

    @property
    def result(self) -> dict[str, Any]:
        """What it has come to, once it is done."""
        result: dict[str, Any] = json.loads((self.folder / DONE).read_text(encoding='utf-8'))
        return result

    @property
    def steps(self) -> int:
        """Optimiser steps that it takes."""
        return 0

    @abstractmethod
    def describe(self) -> str:
        """What it does, for its user."""

    def work(self) -> None:
        """Does it, or goes on where it was stopped."""
        config = dataclasses.replace(self.config, out=self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.folder / CONFIG, to_yaml(config).encode())
        if config.threads:
            torch.set_num_threads(config.threads)
        write_atomically(self.folder / DONE, to_json(self._work(config)))

    @abstractmethod
    def _work(self, config: RunConfig) -> dict[str, Any]:
        """Does it; what to remember of it."""


@dataclasses.dataclass(frozen=True)
class Training(Unit):
    """The training of a stage, the last one of its config."""

    @property
    def stage(self) -> StageConfig:
        """What is trained."""
        return self.config.stages[-1]

    @property
    def steps(self) -> int:
        """See :class:`Unit`."""
        return self.stage.train(self.config.train).steps

    @property
    def checkpoint(self) -> Path:
        """What it hands on, once it is done."""
        return self.folder / str(self.result['checkpoint'])

    def describe(self) -> str:
        """See :class:`Unit`."""
        return f'seed {self.config.seed}: {self.stage.name}, {self.steps} steps'

    def work(self) -> None:
        """See :class:`Unit`; of what training goes on from nothing is kept: it is large."""
        super().work()
        for state in (self.folder / self.stage.name).glob('state_*.pt'):
            state.unlink()

    def _work(self, config: RunConfig) -> dict[str, Any]:
        fabric = make_fabric(config.device, 1, config.train.precision)
        trained = {unit.stage.name: unit.checkpoint for unit in self.needs}
        with Session(self.folder, fabric.device) as session, session.stage(self.stage.name):
            checkpoint = train_stage(config, self.stage, trained, fabric)
        info = load_info(checkpoint)
        return {
            'checkpoint': str(checkpoint.relative_to(self.folder)),
            'weights_sha256': info.weights_sha256,
            'commit': info.commit,
            'device': fabric.device.type,
            'seconds_per_step': self._seconds_per_step(),
        }

    def _seconds_per_step(self) -> float | None:
        """Median over the records of training; None where there are none."""
        text = (self.folder / self.stage.name / SCALARS).read_text(encoding='utf-8')
        lines = [json.loads(line) for line in text.splitlines()]
        speeds = [line['train/images_per_s'] for line in lines if 'train/images_per_s' in line]
        train = self.stage.train(self.config.train)
        images = train.batch_size * train.accumulate
        return images / statistics.median(speeds) if speeds else None


@dataclasses.dataclass(frozen=True)
class Scoring(Unit):
    """The figures of a trained network, on source and target.

    Attributes:
        adabn: Whether its statistics are estimated on the target first.
    """

    adabn: bool

    @property
    def training(self) -> Training:
        """Of the network."""
        return self.needs[-1]

    @property
    def report(self) -> dict[str, Any]:
        """The figures, once it is done."""
        return read_report(self.folder / REPORT)

    def describe(self) -> str:
        """See :class:`Unit`."""
        adabn = ' with AdaBN' if self.adabn else ''
        return f'seed {self.config.seed}: figures of {self.training.stage.name}{adabn}'

    def _work(self, config: RunConfig) -> dict[str, Any]:
        device = choose_device(config.device)
        info, weights = load(self.training.checkpoint)
        network, info = of_spikes(build_for_evaluation(info, weights, device), info)
        if self.adabn:
            windows = target_batches(config, ADABN_BATCHES, ADABN_BATCH_SIZE, device)
            info = adapt_statistics(network, info, windows)
        report = evaluate_network(config, info, network, device)
        write_atomically(self.folder / REPORT, to_json(report))
        return {'commit': info.commit}


def of_spikes(network: nn.Module, info: DepthInfo) -> tuple[nn.Module, DepthInfo]:
    """A network that takes spikes: one of RGB gets firing rates as pictures."""
    if info.inputs != ('rgb',):
        return network, info
    return RatesAsPicture(network).eval(), dataclasses.replace(info, inputs=('spikes',))


def units_of(row: Row, seed: int, cache: Path) -> Scoring:
    """The figures of a row with one seed; what they need hangs on them.

    Args:
        row: With a stage.
        seed: Of scenes and first weights.
        cache: Folder of the units' folders.
    """
    config = dataclasses.replace(row.config, seed=seed, out=Path(), resume=True)
    trainings: dict[str, Training] = {}
    for i, stage in enumerate(config.stages):
        # What a stage builds on, and what that builds on: all of it determines the stage.
        behind = {name for name in stage.builds_on if name in trainings}
        behind |= {unit.stage.name for name in behind for unit in trainings[name].needs}
        stages = [earlier for earlier in config.stages[:i] if earlier.name in behind]
        own = dataclasses.replace(config, stages=[*stages, stage])
        # The evaluation determines nothing of a training.
        key = _hash({name: v for name, v in _settings(own).items() if name != 'evaluate'})
        trainings[stage.name] = Training(
            cache / f'{stage.name}_{seed}_{key}',
            own,
            tuple(trainings[earlier.name] for earlier in stages),
        )
    last = [*trainings.values()][-1]
    key = _hash({**_settings(last.config), 'adabn': _adabn(row), 'format': FORMAT})
    name = f'{last.stage.name}_adabn' if row.settings.adabn else last.stage.name
    folder = cache / f'figures_of_{name}_{seed}_{key}'
    return Scoring(folder, last.config, (*last.needs, last), row.settings.adabn)


def _adabn(row: Row) -> list[int] | None:
    return [ADABN_BATCHES, ADABN_BATCH_SIZE] if row.settings.adabn else None


def _settings(config: RunConfig) -> dict[str, Any]:
    """All settings that a result depends on."""
    tree = dataclasses.asdict(config)
    return {name: value for name, value in tree.items() if name not in NOT_THE_RUN}


def _hash(settings: Mapping[str, Any]) -> str:
    text = json.dumps([spike_depth_ros.__version__, settings], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY]
