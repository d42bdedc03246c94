# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A checkpoint of a task without spikes, given to the commands for networks of spikes."""

import functools
from pathlib import Path

import numpy as np
import yaml

from kit.checkpoints import checkpoint
from kit.refusals import leaving
from kit.runs import CONFIGS
from spike_depth_ros.checkpoint import CheckpointError, save
from spike_depth_ros.tasks.upsample import UpsampleInfo
from spike_training.adaptation.run import prepare
from spike_training.commands import adabn, curves, evaluate, export, world
from spike_training.errors import ConfigError
from spike_training.settings.reading import load_config

SMOKE = CONFIGS / 'smoke.yaml'


def test_what_commands_refuse_of_other_tasks(refusals, tmp_path):
    """Nothing is written, and no file is replaced by random weights."""
    upsample, out = checkpoint(tmp_path / 'up.safetensors', 'upsample'), tmp_path / 'o.safetensors'
    translator = checkpoint(tmp_path / 'ctn.safetensors', 'translation')
    unknown = UpsampleInfo(
        architecture='any', settings={}, factors=(4,), stage='random', package_version='0.1.0'
    )
    save(tmp_path / 'any.safetensors', {'weight': np.zeros(3, np.float16)}, unknown)
    tree = yaml.safe_load(SMOKE.read_text())
    tree['stages'][0]['init_from'] = str(upsample)
    (tmp_path / 'config.yaml').write_text(yaml.safe_dump(tree))
    for name in ('f.safetensors', 'f.png'):
        (tmp_path / name).mkdir()
    data = {'middlebury': str(tmp_path)}
    partial = functools.partial
    rows = {
        'adabn': ('up.s', partial(adabn.adabn, upsample, out, SMOKE)),
        'adapt': ('up.s', partial(prepare, CONFIGS / 'adapt.yaml', upsample, out)),
        'curves': ('up.s', partial(curves.curves, SMOKE, tmp_path / 'curves', upsample)),
        'evaluate of pairs': ('up.s', partial(
            evaluate.evaluate, CONFIGS / 'stereo.yaml', tmp_path / 'o.json', upsample, data=data,
            device='cpu',
        )),
        'world': ('up.s', partial(world.show_world, tmp_path / 'o.png', checkpoint=upsample)),
        'training': ('init_from', partial(load_config, tmp_path / 'config.yaml')),
        'export of a translator': ('ctn.s', partial(export.export, out, checkpoint=translator)),
        'export of an unknown network': ('architecture', partial(
            export.export, out, checkpoint=tmp_path / 'any.safetensors'
        )),
        'random weights over a file': ('up.s', partial(export.export, upsample)),
        'export to a folder': ('f.s', partial(export.export, tmp_path / 'f.safetensors')),
        'adabn to a folder': ('f.s', partial(
            adabn.adabn, Path('unet_lite'), tmp_path / 'f.safetensors', SMOKE
        )),
        'world to a folder': ('f.png', partial(world.show_world, tmp_path / 'f.png')),
    }  # fmt: skip
    rows = {name: (named, leaving(tmp_path, call)) for name, (named, call) in rows.items()}
    refusals('other_tasks', rows, (CheckpointError, ConfigError))
