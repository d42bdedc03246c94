# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reports of checkpoints and of third-party depth maps, and the samples that such maps are of."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence, Sized
from pathlib import Path

import torch

from spike_depth_ros.base.results import has_keys, write_atomically
from spike_depth_ros.checkpoint import find_checkpoint, load, load_with_correction
from spike_depth_ros.tasks.base import CheckpointInfo
from spike_depth_ros.tasks.upsample import UpsampleInfo
from spike_training.choices import MEAN_RATE, Device
from spike_training.disk import make_folder
from spike_training.engine.fabric import choose_device
from spike_training.errors import ConfigError, DataSetError
from spike_training.evaluation.inputs import write_inputs
from spike_training.evaluation.predictions import Predictions, warn
from spike_training.evaluation.report import show, to_json
from spike_training.run_data.evaluation_sets import DataSets, config_sets, output_limits
from spike_training.runs.stereo_evaluation import evaluate_stereo
from spike_training.runs.third_party import evaluate_predictions, evaluate_teacher
from spike_training.settings.config import RunConfig, to_yaml
from spike_training.tasks import stereo, upsample
from spike_training.tasks.base import Given, task_of
from spike_training.teacher import Teacher, TeacherFiles

OPTIONS = ('planes', 'mean_rate', 'data', 'samples')
"""Options that not all tasks use."""


def score(
    settings: RunConfig,
    out: Path,
    *,
    checkpoint: Path | None,
    predictions: Path | None,
    teacher: TeacherFiles | None,
    maps: Path | None,
    data: Mapping[str, str],
    samples: int | None,
    planes: Sequence[int],
    mean_rate: float,
    per_metre: float | None,
    device: Device,
) -> None:
    """Score a checkpoint, third-party depth maps or a model, or, without any, write the samples.

    The arguments are those of :func:`spike_training.commands.evaluate.evaluate`.
    """
    place = choose_device(device)
    if maps is not None:
        assert checkpoint is not None  # commands/evaluate.py checks it
        _make_place(out)
        report = upsample.evaluate_maps(
            maps, *load(find_checkpoint(checkpoint), UpsampleInfo), place
        )
        write_atomically(out, to_json(report))
        upsample.show(report)
        return
    lengths = planes or sorted(settings.data.planes)[len(settings.data.planes) // 2 :]
    number = settings.evaluate.scenes if samples is None else samples
    if settings.evaluate.stereo is not None:
        _make_place(out)
        of_pairs = evaluate_stereo(settings, data, checkpoint, number, lengths[0], place)
        write_atomically(out, to_json(of_pairs))
        stereo.show(of_pairs)
        return
    sets = DataSets(settings, data, number, lengths[0], mean_rate)
    if checkpoint is None:
        _check_rate(sets)
    if predictions is not None:
        _make_place(out)
        _score_predictions(sets, Predictions(predictions, per_metre), out, place)
        return
    if teacher is not None:
        _make_place(out)
        given = sets if sets.places else None
        found = evaluate_teacher(settings, Teacher(teacher, place), place, given)
        _check_scored(found['sets'])
        write_atomically(out, to_json(found))
        show(found)
        return
    if checkpoint is None:
        _write_samples(sets, out, place)
        return
    _make_place(out)
    used = {'planes': bool(planes), 'samples': bool(data) and samples is not None}
    sets = sets if planes else dataclasses.replace(sets, planes=0)  # those of the network
    _score_checkpoint(sets, find_checkpoint(checkpoint), out, place, used)


def _score_checkpoint(
    sets: DataSets, path: Path, out: Path, device: torch.device, given: Mapping[str, bool]
) -> None:
    """Score a checkpoint by its task.

    Args:
        sets: Data sets, and the settings.
        path: The checkpoint.
        out: The report.
        device: Device of the network.
        given: Whether planes and, for data sets, samples are given, which not all tasks use.

    Raises:
        ConfigError: An option is given that its task does not use.
    """
    info, weights, correction = load_with_correction(path, CheckpointInfo)
    task, data = task_of(info.task), bool(sets.places)
    unused = {**given, 'mean_rate': sets.mean_rate != MEAN_RATE, 'data': data}
    recorded = ' and recordings' if data and 'data' in task.options else ''
    _refuse(
        {name: unused[name] for name in OPTIONS if name not in task.options},
        f'{task.noun}{recorded}',
    )
    _check_rate(sets)
    if correction is not None:
        print(
            f'warning: {path}: its sensor correction is not applied to other sensors; '
            'evaluate_bag applies it',
            file=sys.stderr,
        )
    task.fit(sets.config, info)
    report = task.evaluate(sets.config, info, weights, device, Given(data=sets if data else None))
    _check_scored({**report['sets'], **report.get('held_out', {})})
    write_atomically(out, to_json(report))
    task.show(report)


def _check_rate(sets: DataSets) -> None:
    """Refuse a firing rate of data sets where generated scenes are scored with their own."""
    if sets.mean_rate != MEAN_RATE and not sets.places:
        raise ConfigError(
            f'mean_rate is {sets.mean_rate:g} without data: expected --data.NAME PATH; generated '
            'scenes have rates of their own'
        )


def _make_place(report: Path) -> None:
    """Make the folder of a report."""
    if report.suffix != '.json' and not report.is_dir():
        raise ConfigError(f'out is {report}: expected a file .json, the report')
    if report.is_dir():
        raise ConfigError(f'{report} is a folder: expected the JSON file to write')
    if os.path.lexists(report) and not has_keys(report, 'format'):
        raise ConfigError(f'{report} exists and is no report: choose another --out')
    make_folder(report.parent)


def _check_scored(sets: Sized) -> None:
    """Refuse to score nothing.

    Args:
        sets: Sets of samples, or their scores.

    Raises:
        DataSetError: There are none.
    """
    if not sets:
        raise DataSetError('nothing to score: expected test recordings with depth')


def _refuse(unused: Mapping[str, bool], owner: str) -> None:
    """Refuse options that are not used.

    Args:
        unused: True by the name of each option that is given.
        owner: What does not use them.

    Raises:
        ConfigError: Some are given.
    """
    if given := [name for name, is_given in unused.items() if is_given]:
        raise ConfigError(f'{", ".join(given)} given: expected none for {owner}')


def _write_samples(sets: DataSets, out: Path, device: torch.device) -> None:
    """Write the samples of data sets, or of the config if there are none, to a folder."""
    config = sets.config
    fx = output_limits(config).canonical_fx
    chosen = [*(sets.sets(device) if sets.places else config_sets(config, device, fx))]
    _check_scored(chosen)
    # Without the folder of the run, which does not concern the reader.
    write_inputs(out, chosen, to_yaml(dataclasses.replace(config, out=Path('runs/inputs'))))


def _score_predictions(sets: DataSets, maps: Predictions, out: Path, device: torch.device) -> None:
    """Score third-party depth maps."""
    given = sets if sets.places else None
    report = evaluate_predictions(sets.config, maps, device, given)
    _check_scored(report['sets'])
    warn(report['predictions'])
    write_atomically(out, to_json(report))
    show(report)
