# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks in training: what is made, scored, exported and shown of a network, a module each.

A module beside this one makes a :class:`Task` of plain functions and data, and registers it. Runs,
tables and pages read these, and ask for no task by its name.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import spike_depth_ros
from spike_depth_ros.pages.blocks import Table
from spike_depth_ros.tasks.base import CheckpointInfo, TaskKind
from spike_training.errors import ConfigError
from spike_training.evaluation.preparation import Preparation
from spike_training.settings.config import ResolvedStage, RunConfig

if TYPE_CHECKING:
    import torch

    from spike_depth_ros.checkpoint import Tensors
    from spike_training.run_data.evaluation_sets import DataSets

Report = Mapping[str, Any]
"""Evaluation report."""

SetScores = Mapping[str, Any]
"""Scores of one set of a report."""

Domain = Literal['target', 'source']


UNPREPARED = Preparation()


@dataclasses.dataclass(frozen=True)
class Metric:
    """Metric of a network.

    Attributes:
        title: Title in tables and sentences, with its unit.
        lower: True if lower values are better.
    """

    title: str
    lower: bool = True


@dataclasses.dataclass(frozen=True)
class Given:
    """What an evaluation is given beside the settings of a run.

    Attributes:
        before: What is done with the network before it is scored.
        rates: True if a network of pictures is shown the rates of spikes, as in tables.
        second: Checkpoint of the network whose depth is averaged with its own, or which translates
            its pictures; None: none.
        maps: Folder of maps that are enlarged, too; None: none.
        data: Data sets that are scored in place of the config's test scenes; None: none.
    """

    before: Preparation = UNPREPARED
    rates: bool = False
    second: Path | None = None
    maps: Path | None = None
    data: DataSets | None = None


@dataclasses.dataclass(frozen=True)
class Shown:
    """What the page of a run tells of the results.

    Attributes:
        tiles: Function that yields titles and values of the most important results of a report.
        weaknesses: Function that yields sentences on where the scores of a set are poor.
        results: Function that returns the table of a report; None: its sets have tables by domain,
            see :func:`spike_training.evaluation.scores.evaluate_set`.
        depth_pictures: True if the pictures of a training show depth in colours.
    """

    tiles: Callable[[Report], Iterator[tuple[str, str]]]
    weaknesses: Callable[[SetScores], Iterator[str]]
    results: Callable[[Report], Table] | None = None
    depth_pictures: bool = False


Read = Callable[[RunConfig, Report, str, Domain, str], 'float | None']
"""Function that reads a metric from a report: config of the row, report, name of the metric,
domain, and the network (``network``) or an estimate without learning."""


@dataclasses.dataclass(frozen=True)
class Tabled:
    """What tables of a task have.

    Attributes:
        metrics: Function from the config of a row, valid and, but for the baseline, with a stage,
            and what is done with its network, to its metrics that claims may be of, by the name
            that they have in OUT/results.json.
        read: Function that reads one of them.
        what: What a table is of, for its title.
        layout: How a table is laid out, a key of :data:`spike_training.tables.pages.LAYOUTS`.
        baseline: True if rows may have no stage.
        prepared: True if networks may be prepared before they are scored, see
            :class:`~.preparation.Preparation`.
        averaged: True if a row may be the mean of two networks.
        paper: True if a paper's results may be printed beside.
        estimates: Names of estimates without learning that claims may compare rows with.
        maps: True if a folder of maps may be scored.
        by_domain: Names of the metrics that source and target both have.
    """

    metrics: Callable[[RunConfig, Preparation], Mapping[str, Metric]]
    read: Read
    what: str = ''
    layout: str = 'means'
    baseline: bool = False
    prepared: bool = False
    averaged: bool = False
    paper: bool = True
    estimates: tuple[str, ...] = ()
    maps: bool = False
    by_domain: frozenset[str] = frozenset()


class Exporter(Protocol):
    """Module of :mod:`spike_training.exports`."""

    def to_onnx(self, network: Any, info: Any) -> bytes:
        """Return the content of the .onnx file."""

    def relative_difference(self, content: bytes, network: Any, info: Any) -> float:
        """Return the largest relative difference of ONNX Runtime to torch."""

    def random_weights(self, info: Any) -> Tensors:
        """Return random weights of a network."""


class Exported(NamedTuple):
    """How networks are exported as ONNX.

    Attributes:
        module: Import path of the :class:`Exporter`, which needs packages that training does not.
        random: Metadata of untrained networks, by architecture.
    """

    module: str
    random: dict[str, CheckpointInfo]

    def load(self) -> Exporter:
        """Import the module."""
        found: Any = importlib.import_module(self.module)
        exporter: Exporter = found
        return exporter


def _nothing(config: RunConfig, info: Any) -> None:
    """Check nothing."""


@dataclasses.dataclass(frozen=True)
class Task:
    """Task in training.

    Attributes:
        kind: Its name and metadata.
        title: What its networks make.
        noun: The same of one network, for messages.
        metadata: Function from a stage and the fields that all have to a checkpoint's metadata.
        evaluate: Function from config, metadata, weights, device and what is given beside to the
            evaluation report; all but its form is up to the task.
        metrics: Function from a report to the metrics that are stored in a checkpoint.
        show: Function that prints a report.
        options: Options of ``run.py evaluate`` that it uses: ``planes``, ``mean_rate``, ``data``,
            ``samples``, which is of data alone.
        fit: Function that fits settings of another run to a network, or refuses them.
        calibrate: Function from config, metadata, weights and device to the metadata with a
            measured uncertainty; None: there is none.
        export: How networks are exported; None: training alone uses them.
        shown: What the page of a run tells of it; None: nothing but its curves.
        tabled: What tables of it have; None: there are none.
    """

    kind: TaskKind
    title: str
    noun: str
    metadata: Callable[[ResolvedStage, dict[str, Any]], CheckpointInfo]
    evaluate: Callable[[RunConfig, Any, Tensors, torch.device, Given], dict[str, Any]]
    metrics: Callable[[Report], dict[str, float]]
    show: Callable[[Report], None]
    options: tuple[str, ...] = ()
    fit: Callable[[RunConfig, Any], None] = _nothing
    calibrate: Callable[[RunConfig, Any, Tensors, torch.device], Any] | None = None
    export: Exported | None = None
    shown: Shown | None = None
    tabled: Tabled | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self.kind.name

    def exports(self, info: CheckpointInfo) -> bool:
        """Check whether a network can be exported: those of pictures are for training alone."""
        return self.export is not None and info.inputs[0] in ('spikes', 'depth')


REGISTERED: dict[str, Task] = {}
"""Tasks by name; those of this package are there once it is imported."""


def register(task: Task) -> Task:
    """Register a task under its name, and return it."""
    REGISTERED[task.name] = task
    return task


def task_of(name: str) -> Task:
    """Return a task by its name.

    Raises:
        ConfigError: Training does not know it.
    """
    if name not in REGISTERED:
        raise ConfigError(f'task is {name!r}: expected one of {", ".join(REGISTERED)}')
    return REGISTERED[name]


def task_of_report(report: Report) -> Task:
    """Return the task of a report; those of depth do not name theirs."""
    return task_of(report.get('task', 'depth'))


def tabled_tasks() -> dict[str, Tabled]:
    """Return what tables have, by the names of the tasks that have any."""
    found = sorted(REGISTERED.items())
    return {name: task.tabled for name, task in found if task.tabled is not None}


RANDOM: dict[str, Any] = {
    'planes': 128,
    'planes_range': (16, 1280),
    'rate_hz_range': (10_000.0, 40_000.0),
    'stage': 'random',
    'package_version': spike_depth_ros.__version__,
}
"""Metadata that all untrained networks of spikes have."""

OF_SPIKES = 'spike_training.exports.spikes'
"""Exporter of networks of spikes."""


def spike_fields(config: ResolvedStage) -> dict[str, Any]:
    """Return the metadata of networks of spikes that the settings of a stage tell."""
    planes = sorted(length for data in config.domains for length in data.planes)
    rates = [rate for data in config.domains for rate in (data.rate_hz, *data.rates_hz)]
    return {
        'planes': planes[len(planes) // 2],
        'planes_range': (planes[0], planes[-1]),
        'bins': 3 if config.stage.input == 'rgb' else config.model.bins,
        'rate_hz_range': (min(rates), max(rates)),
    }
