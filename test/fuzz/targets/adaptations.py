# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of adaptations that go on: what an interrupted one has stored."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import mutations
import numpy as np
from case_files import write_files
from judging import Target, check_text
from safetensors.numpy import save

from spike_depth_ros.evaluation.metrics import without_nan
from spike_depth_ros.stream.correction import SensorCorrection
from spike_training.adaptation import candidates, correction, findings, matching, run, stored
from spike_training.adaptation.ros_commands import RECORDING, record
from spike_training.engine.checkpoints import has_checkpoint, newest_model
from spike_training.errors import ConfigError, TrainingError
from spike_training.sensor.parameters import Sensor

STYLES = ('home', 'office')
SHAPE = (8, 12)
BAG = {
    'rosbag2_bagfile_information': {
        'topics_with_message_count': [{'topic_metadata': {'name': '/spikes'}}]
    }
}
LATEST = {'step': 3, 'model': 'model_0000003.safetensors', 'state': 'state_0000003.pt'}
MATCH = matching.Match(matching.Camera(1.0, 1.0, 0.0, 0.0, Sensor()), 1.0, 2.0)
JSON = {
    'settings.json': {name: name for name in run._BEFORE_FINGERPRINTS},
    'match.json': without_nan(dataclasses.asdict(MATCH)),
    'styles.json': {'home': 0.25, 'office': 0.75},
    'budget.json': {'rung_s': 12.5},
    'affine/plan.json': {
        'steps': 20,
        'checkpoint': 'a',
        'sensor correction': False,
        'settings': 'b',
    },
    'affine/latest.json': LATEST,
    f'{RECORDING}/metadata.yaml': BAG,
}
CORRECTION = 'correction.safetensors'
NAMES = (*JSON, CORRECTION)


def _files() -> dict[str, bytes]:
    sensor = SensorCorrection(np.zeros(SHAPE, bool), np.ones(SHAPE), np.zeros(SHAPE))
    tensors = {
        f'{prefix}{name}': value
        for prefix in (correction._RECORDED, correction._SIMULATED)
        for name, value in sensor.tensors().items()
    }
    files = {name: json.dumps(tree).encode() for name, tree in JSON.items()}
    return {**files, CORRECTION: save(tensors)}


def make(random: Random) -> dict[str, Any]:
    """The files of a folder, one to three of them damaged, swapped or replaced by links."""
    files: dict[str, Any] = dict(_files())
    for name in random.sample(NAMES, random.choice((1, 1, 2, 3))):
        way = random.random()
        if name in JSON and way < 0.5:
            text = json.dumps(mutations.mutate_tree(random, JSON[name]))
            files[name] = text.encode(errors='replace')
        elif way < 0.7:
            files[name] = mutations.corrupt(random, files[name])
        elif way < 0.8:
            files[name] = files[name][: random.randrange(len(files[name]))]
        elif way < 0.87:
            files[name] = _files()[random.choice(NAMES)]
        elif way < 0.97:
            files[name] = random.choice(('loop', '/dev/zero', '/dev/null', '.', 'pipe', 'missing'))
        else:
            files[name] = b'[' * 2_000_000
    return files


def use(case: dict[str, Any], folder: Path) -> None:
    """Read the folder, as ``run.py adapt`` does when it goes on."""
    write_files(folder, case)
    refused: list[Exception] = []
    for step in _steps(folder):
        try:
            step()
        except (ConfigError, TrainingError) as error:
            refused.append(error)
    for error in refused:
        check_text(str(error).replace(str(folder), ''))
    if refused:
        raise refused[0]


def _steps(folder: Path) -> list[Callable[[], object]]:
    """What reads each of the files, in the order of an adaptation."""

    def check_settings() -> None:
        before = stored.read(folder / 'settings.json', dict)
        run._check_same(folder, before, {**JSON['settings.json'], 'topic': 'spikes', 'names': {}})

    return [
        check_settings,
        lambda: stored.read(folder / 'match.json', matching.Match),
        lambda: stored.read(folder / 'styles.json', findings.shares_of(STYLES)),
        lambda: stored.read(folder / 'budget.json', run.Budget),
        lambda: correction.load_corrections(folder / CORRECTION),
        lambda: stored.read(folder / 'affine/plan.json', candidates.Plan),
        lambda: has_checkpoint(folder / 'affine') and newest_model(folder / 'affine'),
        lambda: record('/spikes', folder, 1.0, 1.0),
    ]


TARGET = Target(make, use, (ConfigError, TrainingError))
