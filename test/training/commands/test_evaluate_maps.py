# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks that enlarge depth maps, scored on a folder of maps."""

import dataclasses
import functools
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from kit.checkpoints import checkpoint as write
from kit.pictures import write_maps
from kit.refusals import leaving
from kit.runs import CONFIGS
from spike_depth_ros.checkpoint import CheckpointError, load, save
from spike_depth_ros.tasks.upsample import UpsampleInfo
from spike_training.commands.evaluate import evaluate
from spike_training.errors import ConfigError, DataSetError
from spike_training.evaluation.upsampling import BASELINES
from spike_training.sampling.procedural import ProceduralSource
from spike_training.settings.config import to_yaml
from spike_training.settings.reading import load_config

CONFIG = CONFIGS / 'dsr.yaml'

pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture
def checkpoint(tmp_path):
    """A random network of the factors 2 and 4."""
    return write(tmp_path / 'up.safetensors', 'upsample')


def call(command, checkpoint, maps, *options):
    out = maps.parent / 'new' / 'r.json'
    done = command(
        'evaluate', '--checkpoint', checkpoint, '--config', CONFIG, '--maps', maps,
        '--device', 'cpu', '--out', out, *options,
    )  # fmt: skip
    return done, out


def test_each_map_and_factor_is_scored(command, checkpoint, tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError('scenes are generated')

    monkeypatch.setattr(ProceduralSource, '__init__', refuse)
    maps = write_maps(tmp_path / 'maps', names=('a', 'b'), factors=(2, 4, 8))
    done, out = call(command, checkpoint, maps)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert (report['format'], report['task'], report['stage']) == (2, 'upsample', 'x')
    scores = report['sets']['maps']
    assert (scores['title'], scores['factors_left_out']) == ('maps: 2 maps', [8])
    assert 'not scored: x8, not of the network' in done.stdout
    rows = {(row['factor'], row['method']): row for row in scores['rows']}
    assert [*rows] == [(factor, method) for factor in (2, 4) for method in ('network', *BASELINES)]
    # Nearest again, by OpenCV.
    for factor in (2, 4):
        row = rows[factor, 'nearest']
        for name in ('a', 'b'):
            truth, small = (
                cv2.imread(str(maps / folder / f'{name}.png'), cv2.IMREAD_UNCHANGED)
                for folder in ('test_gt', f'testx{factor}')
            )
            large = cv2.resize(small, truth.shape[::-1], interpolation=cv2.INTER_NEAREST)
            known = (truth > 0) & (large > 0)
            error = np.abs(large.astype(float) - truth)[known].mean()
            assert row['by_map'][name] == pytest.approx(error)
        assert row['mad'] == pytest.approx(sum(row['by_map'].values()) / 2)
    least = min(rows[2, method]['mad'] for method in ('network', *BASELINES))
    line = next(line for line in done.stdout.splitlines() if f'*{least:.3f}' in line)
    assert 'x2' in line


def test_the_published_maps_of_middlebury(command, tmp_path, real_data):
    """Figures of enlargement without learning, by an own computation (numpy, Pillow)."""
    factors = {'factors': (4, 16), 'settings': {'width': 8, 'factors': (4, 16)}}
    write(tmp_path / 'up.safetensors', 'upsample', **factors)  # all four take thrice as long
    out = tmp_path / 'r.json'
    done = command(
        'evaluate', '--checkpoint', tmp_path / 'up.safetensors', '--config', CONFIG,
        '--maps', real_data / 'middlebury_full', '--device', 'cpu', '--out', out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())['sets']['maps']['rows']
    for method, expected in (
        ('nearest', [0.469, 1.653]),
        ('bicubic', [0.539, 1.890]),
    ):
        found = [row['mad'] for row in rows if row['method'] == method]
        assert found == pytest.approx(expected, abs=6e-4)


def small_config(folder):
    config = load_config(CONFIG)
    config.data.height, config.data.width, config.data.styles = 64, 96, ['home', 'road']
    config.out, config.stages[0].crop = folder, 64
    path = folder / 'config.yaml'
    path.write_text(to_yaml(config))
    return path


def test_without_maps_generated_scenes_are_scored(checkpoint, tmp_path, capsys):
    out = tmp_path / 'r.json'
    evaluate(small_config(tmp_path), out, checkpoint, samples=2, device='cpu')
    report = json.loads(out.read_text())
    assert (report['task'], [*report['sets']]) == ('upsample', ['home', 'road'])
    rows = report['sets']['home']['rows']
    assert {(row['factor'], row['maps']) for row in rows} == {(2, 2), (4, 2)}
    assert 'home, generated' in capsys.readouterr().out


def test_what_is_refused_with_maps(refusals, checkpoint, tmp_path):
    """No report is written."""
    rows, maps = {}, write_maps(tmp_path / 'maps')
    out = tmp_path / 'r.json'

    def row(name, named, **options):
        given = {'config': CONFIG, 'checkpoint': checkpoint, 'maps': maps, 'device': 'cpu'}
        call = functools.partial(evaluate, out=out, **{**given, **options})
        rows[name] = named, leaving(tmp_path, call)

    # Options.
    row('data', 'data', data={'npz': 'x'})
    row('predictions', 'predictions', predictions=Path('x'))
    row('inputs', 'inputs_only, samples', inputs_only=True, samples=3)
    row('options of spikes', 'planes, mean_rate', planes=41, mean_rate=0.3)
    row('no network', 'checkpoint', checkpoint=None)
    row('a config of two eyes', 'evaluate.stereo', config=CONFIG.with_name('stereo.yaml'))
    # Networks.
    row('a network of depth', "'depth'", checkpoint=write(tmp_path / 'm.safetensors'))
    info, weights = load(checkpoint, UpsampleInfo)
    save(tmp_path / 'rgb.safetensors', weights, dataclasses.replace(info, inputs=('rgb',)))
    row('a network of colours', 'rgb', checkpoint=tmp_path / 'rgb.safetensors')
    # Maps.
    damaged = write_maps(tmp_path / 'damaged')
    (damaged / 'testx4' / '2.png').write_bytes(b'no picture')
    row('a damaged map', 'testx4/2.png', maps=damaged)
    other = write_maps(tmp_path / 'other', names=('a',), factors=(2,))
    for folder, pixels in (('test_gt', slice(0, 24)), ('testx2', slice(12, 24))):
        path = str(other / folder / 'a.png')
        image = cv2.imread(path, cv2.IMREAD_UNCHANGED)
        image[pixels] = 0
        cv2.imwrite(path, image)
    row('a small map of other pixels', 'a, x2', maps=other)
    # Generated scenes.
    config = small_config(tmp_path)
    for name, named, options in (
        ('planes', 'planes', {'planes': 64}),
        ('rates', 'planes, mean_rate', {'mean_rate': 0.3, 'planes': [32]}),
        ('data', 'data', {'data': {'tum': 'x'}}),
    ):
        row(f'{name} of scenes', named, config=config, maps=None, samples=2, **options)
    refusals('evaluate_maps', rows, (CheckpointError, ConfigError, DataSetError))
