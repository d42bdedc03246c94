# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
from pathlib import Path

import pytest
from PIL import Image

from spike_depth_ros.checkpoint import CheckpointError, save
from spike_training.commands.curves import curves
from spike_training.errors import ConfigError
from spike_training.methods.bicross.settings import PretrainConfig
from spike_training.runs.export import random_checkpoint
from spike_training.settings.config import RunConfig, to_yaml

FEW = {
    'planes': [32, 64],
    'mean_rate': [0.05, 0.2],
    'rate_hz': [20e3, 40e3],
    'speed': [0, 4],
    'device': 'cpu',
}


@pytest.fixture(scope='module')
def untrained():
    return random_checkpoint('dpt_tiny', 0)


@pytest.fixture
def files(tmp_path, untrained):
    """A checkpoint and a config."""
    info, weights = untrained
    save(tmp_path / 'm.safetensors', weights, info)
    config = RunConfig(tmp_path, stages=[PretrainConfig()])
    config.data.height, config.data.width, config.data.planes = 32, 48, [64]
    config.evaluate.batch_size = config.evaluate.baseline_scenes = 4
    config.evaluate.scenes = config.evaluate.calibration_scenes = 4
    config.train.tensorboard, config.train.picture_every = False, 0
    (tmp_path / 'c.yaml').write_text(to_yaml(config))
    return tmp_path


def test_a_report_a_chart_and_tables(files, capsys):
    out = files / 'new' / 'curves'
    curves(files / 'c.yaml', out, files / 'm.safetensors', scenes=5, **FEW)
    report = json.loads((out / 'curves.json').read_text())
    assert (report['scenes'], report['styles']) == (5, ['indoor', 'road'])
    values = {
        key: [point['value'] for point in curve['points']]
        for key, curve in report['curves'].items()
    }
    assert values == {
        'planes': [32, 64],
        'mean_rate': [0.05, 0.2],
        'rate_hz': [20e3, 40e3],
        'speed': [0, 1, 4],
        'mean_rate_fast': [0.05, 0.2],
    }
    # Every curve goes through the default condition with the same metrics.
    points = [*report['curves']['planes']['points'], *report['curves']['speed']['points']]
    by_value = {point['value']: point for point in points}
    default = by_value[64]['spike']
    assert by_value[1]['spike'] == report['curves']['rate_hz']['points'][0]['spike'] == default
    assert by_value[32]['spike'] != default
    assert by_value[4]['frame'] != by_value[4]['spike']
    assert report['flicker'].keys() == {'static', 'moving'}
    assert all(change > 0 for change in report['flicker'].values())
    assert Image.open(out / 'curves.png').size == (2 * 460, 5 * 300)
    printed = capsys.readouterr().out
    assert f'{default["abs_rel"]:.3f}' in printed
    assert 'frame - spike, 95 %' in printed
    assert 'frame - spike long, 95 %' in printed
    assert f'nothing moves {report["flicker"]["static"]:.3f}' in printed


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'scenes': 1}, 'scenes is 1: expected 2 or more'),
        ({'frame_spikes': 0.0}, 'frame_spikes is 0: expected above 0'),
        ({'planes': [0, 64]}, 'planes is 0: expected 1 or more'),
        ({'speed': [-1.0]}, 'speed is -1: expected 0 or more'),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(files, options, message):
    settings = {**FEW, **options}
    with pytest.raises(ConfigError, match=message) as error:
        curves(files / 'c.yaml', files / 'out', files / 'm.safetensors', **settings)
    assert len(str(error.value).splitlines()) == 1
    assert not (files / 'out').exists()


def test_recordings_are_no_generated_scenes(files):
    text = (files / 'c.yaml').read_text()
    changed = text.replace('  recordings: {}', f'  recordings: {{folder: {files}}}')
    assert changed != text
    (files / 'c.yaml').write_text(changed)
    with pytest.raises(ConfigError, match='expected a config of generated scenes'):
        curves(files / 'c.yaml', files / 'out', files / 'm.safetensors', **FEW)


def test_a_network_of_rgb_is_refused(files, untrained):
    info, weights = untrained
    save(files / 'rgb.safetensors', weights, dataclasses.replace(info, inputs=('rgb',)))
    with pytest.raises(CheckpointError, match='it sees rgb, expected spikes'):
        curves(files / 'c.yaml', files / 'out', files / 'rgb.safetensors', **FEW)


def test_a_checkpoint_that_is_missing_is_named(files):
    with pytest.raises(CheckpointError, match=r'none\.safetensors'):
        curves(files / 'c.yaml', files / 'out', Path('none.safetensors'), **FEW)
