# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A checkpoint of a task without spikes, given to the commands for networks of spikes."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from spike_depth_ros.checkpoint import CheckpointError, TranslationInfo, UpsampleInfo, save
from spike_training.adaptation.run import prepare
from spike_training.commands import adabn, curves, evaluate, export, world
from spike_training.errors import ConfigError
from spike_training.settings.reading import load_config

CONFIGS = Path('training/configs')


@pytest.fixture
def upsample(tmp_path):
    info = UpsampleInfo(
        architecture='any', settings={}, factors=(4,), stage='random', package_version='0.1.0'
    )
    save(tmp_path / 'up.safetensors', {'weight': np.zeros(3, np.float16)}, info)
    return tmp_path / 'up.safetensors'


COMMANDS = {
    'adabn': lambda file, out: adabn.adabn(file, out / 'o.safetensors', CONFIGS / 'smoke.yaml'),
    'adapt': lambda file, out: prepare(CONFIGS / 'adapt.yaml', file, out / 'o.safetensors'),
    'curves': lambda file, out: curves.curves(CONFIGS / 'smoke.yaml', out / 'curves', file),
    'evaluate_pairs': lambda file, out: evaluate.evaluate(
        CONFIGS / 'stereo.yaml', out / 'o.json', file, data={'middlebury': str(out)}, device='cpu'
    ),
    'world': lambda file, out: world.show_world(out / 'o.png', checkpoint=file),
}


@pytest.mark.parametrize('command', COMMANDS)
def test_commands_of_depth_refuse_a_task_without_spikes(command, upsample, tmp_path):
    with pytest.raises(CheckpointError) as caught:
        COMMANDS[command](upsample, tmp_path)
    expected = f"{upsample}: field task is 'upsample', expected 'depth' or 'fused'"
    assert str(caught.value) == expected


def test_an_unknown_network_is_not_exported(upsample, tmp_path):
    with pytest.raises(CheckpointError) as caught:
        export.export(tmp_path / 'o.safetensors', checkpoint=upsample)
    expected = (
        "field architecture is 'any', expected one of upsample_lite, dsr_net for task 'upsample'"
    )
    assert str(caught.value) == expected


def test_random_weights_replace_no_file(upsample, tmp_path):
    before = upsample.read_bytes()
    with pytest.raises(ConfigError, match='exists: expected another out for random weights, or'):
        export.export(upsample)
    assert upsample.read_bytes() == before


@pytest.mark.parametrize(
    'command',
    [
        lambda out: export.export(out / 'o.safetensors'),
        lambda out: adabn.adabn(Path('unet_lite'), out / 'o.safetensors', CONFIGS / 'smoke.yaml'),
        lambda out: world.show_world(out / 'o.png'),
    ],
)
def test_a_folder_as_output_is_refused_before_the_work(command, tmp_path):
    for name in ('o.safetensors', 'o.png'):
        (tmp_path / name).mkdir()
    with pytest.raises(ConfigError, match=r'out is .*: expected a file \.'):
        command(tmp_path)


def test_a_translator_is_not_exported(tmp_path):
    info = TranslationInfo(
        architecture='translator', settings={}, stage='ctn', package_version='0.1.0'
    )
    save(tmp_path / 'ctn.safetensors', {'weight': np.zeros(3, np.float16)}, info)
    with pytest.raises(
        CheckpointError, match=r"ctn\.safetensors: the task 'translation' of rgb is"
    ):
        export.export(tmp_path / 'o.safetensors', checkpoint=tmp_path / 'ctn.safetensors')
    assert not (tmp_path / 'o.safetensors').exists()


def test_training_does_not_start_from_a_task_without_spikes(upsample, tmp_path):
    tree = yaml.safe_load((CONFIGS / 'smoke.yaml').read_text())
    tree['stages'][0]['init_from'] = str(upsample)
    path = tmp_path / 'config.yaml'
    path.write_text(yaml.safe_dump(tree))
    with pytest.raises(ConfigError, match="field task is 'upsample', expected 'depth'"):
        load_config(path)
