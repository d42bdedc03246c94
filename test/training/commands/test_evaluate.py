# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
from pathlib import Path

import cv2
import pytest
import torch
from clips import Sliding, write_folder

from spike_depth_ros.checkpoint import save
from spike_training.commands.evaluate import evaluate
from spike_training.errors import ConfigError
from spike_training.methods.bicross.settings import PretrainConfig
from spike_training.runs.export import random_checkpoint
from spike_training.settings.config import RunConfig, to_yaml
from spike_training.settings.reading import load_config

pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture
def files(tmp_path):
    """A checkpoint, a config, and a folder of frames."""
    info, weights = random_checkpoint('dpt_tiny', 0)
    save(tmp_path / 'm.safetensors', weights, info)
    config = RunConfig(tmp_path, stages=[PretrainConfig()])
    config.data.height, config.data.width, config.data.planes = 32, 48, [32]
    config.evaluate.baseline_scenes = config.evaluate.batch_size = 4
    config.train.tensorboard, config.train.picture_every = False, 0
    config.evaluate.scenes = config.evaluate.calibration_scenes = 4
    (tmp_path / 'c.yaml').write_text(to_yaml(config))
    write_folder(tmp_path / 'one', Sliding())
    return tmp_path


def test_a_data_set(files, capsys):
    evaluate(
        files / 'c.yaml',
        files / 'new' / 'r.json',
        files / 'm.safetensors',
        data={'office': f'folder:{files / "one"},frame_hz=10'},
        samples=3,
        planes=[64],
        device='cpu',
    )
    report = json.loads((files / 'new' / 'r.json').read_text())
    scores = report['sets']['office']
    assert (scores['role'], scores['windows'], scores['planes']) == ('test', 3, [64])
    assert set(scores['predictors']) == {
        'network', 'median_depth_map_indoor', 'median_depth_map_road', 'mean_prediction',
        'shuffled_input',
    }  # fmt: skip
    errors = {
        name: metrics['abs_rel_median_scaled'] for name, metrics in scores['predictors'].items()
    }
    own = errors.pop('network')
    lost = {name for name, error in errors.items() if own > 0.999 * error}
    assert set(scores['not_beaten']) == lost != set()
    printed = capsys.readouterr().out
    assert printed.startswith('office: the network ')
    assert 'ordinal ┃' in printed  # the last column is whole
    words = printed.replace('│', ' ').split()
    assert {'median-depth', 'baseline,', 'indoor', 'road', 'shuffled'} <= {*words}
    assert 'office, test: 3 windows of 1 recordings, 0 left out' in printed


def test_the_windows_of_a_data_set_are_those_of_the_checkpoint(files):
    data = {'folder': f'{files / "one"},frame_hz=10'}
    settings = {'data': data, 'samples': 2, 'device': 'cpu'}
    evaluate(files / 'c.yaml', files / 'r.json', files / 'm.safetensors', **settings)
    scores = json.loads((files / 'r.json').read_text())['sets']['folder']
    assert scores['planes'] == [128]  # the config's are 32


def test_images_that_the_network_cannot_take_are_refused(files):
    info, weights = random_checkpoint('dpt_tiny', 0)
    info = dataclasses.replace(info, settings={**info.settings, 'pool': 4})
    save(files / 'pool.safetensors', weights, info)
    with pytest.raises(ConfigError, match=r'height is 32 and data\.width 48: expected m'):
        evaluate(files / 'c.yaml', files / 'r.json', files / 'pool.safetensors', device='cpu')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({}, 'checkpoint, predictions or inputs_only: expected one of the three'),
        ({'checkpoint': Path('m'), 'inputs_only': True}, 'expected one of the three'),
        ({'checkpoint': Path('m'), 'per_metre': 1000.0}, 'per_metre is given: expected it with'),
    ],
)
def test_options_that_do_not_go_together_are_refused(files, options, message):
    with pytest.raises(ConfigError, match=message):
        evaluate(files / 'c.yaml', files / 'r.json', **options)


def test_the_command_line_takes_a_config_and_data_sets(command, tmp_path):
    done = command(
        'evaluate', '--checkpoint', tmp_path / 'm.safetensors', '--config', tmp_path / 'c.yaml',
        f'--data.kitti={tmp_path}', '--data.tum', tmp_path, '--out', tmp_path / 'r.json',
    )  # fmt: skip
    assert done.returncode == 2
    assert 'c.yaml' in done.stderr
    assert 'No such file' in done.stderr
    assert len(done.stderr.splitlines()) <= 2


@pytest.mark.parametrize('name', ['evaluate_real', 'inputs'])
def test_former_commands_name_the_new_one(command, name):
    done = command(name, '--config', 'c.yaml')
    assert done.returncode == 2
    assert f'{name} is now evaluate ' in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize('of_config', [True, False])
def test_threads_of_the_command_or_its_config_take_effect(command, files, of_config):
    config = load_config(files / 'c.yaml')
    config.threads = 1 if of_config else 3
    (files / 'c.yaml').write_text(to_yaml(config))
    torch.set_num_threads(2)
    cv2.setNumThreads(2)
    try:
        done = command(
            'evaluate', '--config', files / 'c.yaml', '--inputs_only', 'true', '--samples', '4',
            '--out', files / 'inputs', *(() if of_config else ('--threads', '1')),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)
    finally:
        cv2.setNumThreads(-1)


def test_a_number_of_threads_below_0_is_refused(files):
    with pytest.raises(ConfigError, match='threads is -1: expected 0 or more'):
        evaluate(files / 'c.yaml', files / 'r.json', inputs_only=True, threads=-1)
