# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs and tables of networks so small that they train in seconds; what they leave."""

import dataclasses
import json
from pathlib import Path

import torch
import yaml

from kit.checkpoints import SETTINGS
from spike_depth_ros.networks.depth_net import TinySettings
from spike_training.methods.bicross.settings import (
    AdaptConfig,
    CrossDomainConfig,
    CrossModalityConfig,
    PretrainConfig,
)
from spike_training.settings.config import (
    DataConfig,
    EvaluateConfig,
    ModelConfig,
    RunConfig,
    TargetConfig,
    TrainConfig,
)

PARTS = {
    'model': ModelConfig(settings=SETTINGS),
    'data': DataConfig(height=32, width=48, planes=[32, 64]),
    'train': TrainConfig(
        steps=3, batch_size=2, warmup_steps=1, validate_every=0, picture_every=0, log_every=1,
        tensorboard=False,
    ),
    'evaluate': EvaluateConfig(
        scenes=2, baseline_scenes=2, calibration_scenes=2, batch_size=2, export=False
    ),
}  # fmt: skip


def tiny_run(out, *stages, **changes):
    """The settings of a small run.

    Args:
        out: Its folder.
        stages: Of any method; none: one of bicross.
        changes: Other settings; of ``PARTS`` a dictionary of what is other in them, too.
    """
    parts = {name: dataclasses.replace(part) for name, part in PARTS.items()}
    for name in [name for name in changes if name in parts]:
        given = changes.pop(name)
        changed = dataclasses.replace(parts[name], **given) if isinstance(given, dict) else given
        parts[name] = changed
    stages = list(stages) or [PretrainConfig()]
    return RunConfig(out=out, stages=stages, **parts, device='cpu', threads=1, **changes)


TARGET = TargetConfig(styles=['indoor'], planes=[48], rate_hz=10e3)


def three_stages(out, resume=False, **adapt):
    return tiny_run(
        out,
        PretrainConfig(name='teacher', input='rgb'),
        CrossModalityConfig(name='mono_cross', teacher='teacher', init_from='teacher'),
        CrossDomainConfig(
            name='bicross',
            init_from='mono_cross',
            adapt=AdaptConfig(adabn_batches=2, **adapt),
        ),
        target=TARGET,
        resume=resume,
    )


SMALL = TinySettings(**SETTINGS)
MODEL = ModelConfig()


CONFIGS = Path(__file__).resolve().parents[2] / 'training' / 'configs'


def small_table(folder, table='smoke.yaml', save_every=2, **settings):
    """A shipped table, at the sizes of smoke, with some settings that are others; its file."""
    smoke = yaml.safe_load((CONFIGS / 'tables' / 'smoke.yaml').read_text())
    found = yaml.safe_load((CONFIGS / 'tables' / table).read_text())
    steps = {name: {'steps': 2} for name in ('teacher', 'mono_cross', 'bicross')}
    steps['bicross']['adapt'] = {'adabn_batches': 1}
    found |= {
        'base': str(CONFIGS / 'smoke.yaml'),
        'override': smoke['override'] | {'device': 'cpu'},
        'stages': {**found['stages'], **steps},
        'seeds': [0],
        **settings,
    }
    found['override']['train'] |= {'save_every': save_every}
    found['override']['data']['styles'] = ['indoor']  # half the time
    found['override']['target']['styles'] = ['indoor', 'road']
    path = folder / 'table.yaml'
    path.write_text(yaml.safe_dump(found))
    return path


def state_of(folder):
    pointer = json.loads((folder / 'latest.json').read_text())
    return torch.load(folder / pointer['state'], weights_only=True)


def equal(one, other):
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


def rows(folder, group):
    lines = (folder / 'scalars.jsonl').read_text().splitlines()
    return [row for row in map(json.loads, lines) if f'{group}/loss' in row]
