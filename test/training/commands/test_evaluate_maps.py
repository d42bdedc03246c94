# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks that enlarge depth maps, scored on a folder of maps."""

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from kit.pictures import write_maps
from spike_depth_ros.checkpoint import UpsampleInfo, load, save
from spike_depth_ros.model.registry import build, weights_of
from spike_training.commands.evaluate import evaluate
from spike_training.errors import ConfigError
from spike_training.evaluation.upsampling import BASELINES
from spike_training.runs.export import random_checkpoint
from spike_training.sampling.procedural import ProceduralSource
from spike_training.settings.config import to_yaml
from spike_training.settings.reading import load_config

CONFIG = Path(__file__).resolve().parents[3] / 'training' / 'configs' / 'dsr.yaml'

pytestmark = pytest.mark.usefixtures('one_thread')


def write_network(path, factors):
    sizes = {'width': 8, 'blocks': 1, 'factors': factors}
    info = UpsampleInfo(
        architecture='upsample_lite', settings=sizes, factors=factors, stage='random',
        package_version='0',
    )  # fmt: skip
    torch.manual_seed(0)
    save(path, weights_of(build(info)), info)
    return path


@pytest.fixture
def checkpoint(tmp_path):
    """A random network of the factors 2 and 4."""
    return write_network(tmp_path / 'up.safetensors', (2, 4))


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
    assert (report['format'], report['task'], report['stage']) == (2, 'upsample', 'random')
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


def test_maps_that_cannot_be_used_are_one_line(command, checkpoint, tmp_path):
    maps = write_maps(tmp_path / 'maps')
    (maps / 'testx4' / '2.png').write_bytes(b'no picture')
    done, out = call(command, checkpoint, maps)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert 'testx4/2.png: cannot be read' in done.stderr
    assert not out.exists()


def test_a_small_map_of_other_pixels_is_refused(command, checkpoint, tmp_path):
    maps = write_maps(tmp_path / 'maps', names=('a',), factors=(2,))
    for folder, rows in (('test_gt', slice(0, 24)), ('testx2', slice(12, 24))):
        path = str(maps / folder / 'a.png')
        image = cv2.imread(path, cv2.IMREAD_UNCHANGED)
        image[rows] = 0
        cv2.imwrite(path, image)
    done, _ = call(command, checkpoint, maps)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert 'a, x2: no pixel is known in both sizes' in done.stderr


def test_a_network_of_another_task_is_refused(command, tmp_path):
    info, weights = random_checkpoint('dpt_tiny', 0)
    save(tmp_path / 'm.safetensors', weights, info)
    done, _ = call(command, tmp_path / 'm.safetensors', write_maps(tmp_path / 'maps'))
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "m.safetensors: field task is 'depth', expected 'upsample'" in done.stderr


def test_a_network_of_colours_is_refused(command, checkpoint, tmp_path):
    info, weights = load(checkpoint, UpsampleInfo)
    save(checkpoint, weights, dataclasses.replace(info, inputs=('rgb',)))
    done, _ = call(command, checkpoint, write_maps(tmp_path / 'maps'))
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert 'the network takes rgb: expected depth alone, of which maps are' in done.stderr


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'data': {'npz': 'x'}}, 'maps is given with data: expected checkpoint alone'),
        ({'predictions': Path('x')}, 'maps is given with predictions: expected'),
        ({'inputs_only': True, 'samples': 3}, 'maps is given with inputs_only, samples: expected'),
        ({'planes': 41, 'mean_rate': 0.3}, 'maps is given with planes, mean_rate: expected'),
        ({'checkpoint': None}, 'maps is given without checkpoint: expected a network to score'),
        ({'config': CONFIG.with_name('stereo.yaml')}, 'a config without evaluate.stereo'),
    ],
)
def test_options_that_maps_do_not_have(checkpoint, tmp_path, options, message):
    given = {'config': CONFIG, 'checkpoint': checkpoint, 'maps': tmp_path} | options
    with pytest.raises(ConfigError, match=message):
        evaluate(out=tmp_path / 'r.json', **given)


def test_the_published_maps_of_middlebury(command, tmp_path, real_data):
    """Figures of enlargement without learning, by an own computation (numpy, Pillow)."""
    write_network(tmp_path / 'up.safetensors', (4, 16))  # all four take thrice as long
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


def evaluate_scenes(checkpoint, out, **options):
    config = load_config(CONFIG)
    config.data.height, config.data.width, config.data.styles = 64, 96, ['home', 'road']
    config.out, config.stages[0].crop = out, 64
    path = out / 'config.yaml'
    path.write_text(to_yaml(config))
    evaluate(path, out / 'r.json', checkpoint, samples=2, device='cpu', **options)
    return json.loads((out / 'r.json').read_text())


def test_without_maps_generated_scenes_are_scored(checkpoint, tmp_path, capsys):
    report = evaluate_scenes(checkpoint, tmp_path)
    assert (report['task'], [*report['sets']]) == ('upsample', ['home', 'road'])
    rows = report['sets']['home']['rows']
    assert {(row['factor'], row['maps']) for row in rows} == {(2, 2), (4, 2)}
    assert 'home, generated' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        ({'planes': 64}, 'planes given'),
        ({'mean_rate': 0.3, 'planes': [32]}, 'planes, mean_rate given'),
        ({'data': {'tum': 'x'}}, 'data given'),
    ],
)
def test_options_of_spikes_are_refused_in_one_line(checkpoint, tmp_path, options, named):
    with pytest.raises(ConfigError) as caught:
        evaluate_scenes(checkpoint, tmp_path, **options)
    expected = f'{named}: expected none for a network that enlarges depth maps'
    assert str(caught.value) == expected
