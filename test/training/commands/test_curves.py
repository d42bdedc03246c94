# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import functools
import json
from pathlib import Path

import pytest
from PIL import Image

from kit.refusals import leaving
from spike_depth_ros.checkpoint import CheckpointError, load, save
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


def test_what_curves_refuses(refusals, files):
    """Nothing is written."""
    rows = {}

    def row(name, named, config=files / 'c.yaml', checkpoint=files / 'm.safetensors', **options):
        call = functools.partial(curves, config, files / 'out', checkpoint, **{**FEW, **options})
        rows[name] = named, leaving(files, call)

    row('one scene', 'scenes', scenes=1)
    row('frames without spikes', 'frame_spikes', frame_spikes=0.0)
    for name, values in (
        ('planes', [0, 64]), ('speed', [-1.0]), ('mean_rate', [0.1, 2.0]), ('mean_rate', [0.1]),
        ('rate_hz', []),
    ):  # fmt: skip
        row(f'{name} {values}', name, **{name: values})
    text = (files / 'c.yaml').read_text()
    recorded = files / 'recorded.yaml'
    recorded.write_text(text.replace('  recordings: {}', f'  recordings: {{folder: {files}}}'))
    row('recordings', 'generated scenes', recorded)
    info, weights = load(files / 'm.safetensors')
    save(files / 'rgb.safetensors', weights, dataclasses.replace(info, inputs=('rgb',)))
    row('a network of rgb', 'rgb.safetensors', checkpoint=files / 'rgb.safetensors')
    row('no network', 'none.safetensors', checkpoint=Path('none.safetensors'))
    refusals('curves', rows, (CheckpointError, ConfigError))
