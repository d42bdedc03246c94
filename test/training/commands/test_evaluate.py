# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import functools
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from kit.checkpoints import checkpoint
from kit.clips import Sliding, write_folder
from kit.refusals import leaving
from kit.runs import CONFIGS
from spike_depth_ros.checkpoint import CheckpointError, load_info, save
from spike_depth_ros.tasks.stereo import StereoInfo
from spike_training.commands.evaluate import evaluate
from spike_training.errors import ConfigError, DataSetError
from spike_training.methods.bicross.settings import PretrainConfig
from spike_training.runs.export import random_checkpoint
from spike_training.settings.config import RunConfig, to_yaml
from spike_training.settings.reading import load_config

pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    """What each test gets a copy of: a checkpoint, a config, and a folder of frames."""
    folder = tmp_path_factory.mktemp('files')
    info, weights = random_checkpoint('dpt_tiny', 0)
    save(folder / 'm.safetensors', weights, info)
    config = RunConfig(folder, stages=[PretrainConfig()])
    config.data.height, config.data.width, config.data.planes = 32, 48, [32]
    config.evaluate.baseline_scenes = config.evaluate.batch_size = 4
    config.train.tensorboard, config.train.picture_every = False, 0
    config.evaluate.scenes = config.evaluate.calibration_scenes = 4
    (folder / 'c.yaml').write_text(to_yaml(config))
    write_folder(folder / 'one', Sliding())
    return folder


@pytest.fixture
def files(written, tmp_path):
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
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


def test_two_cameras_are_scored_in_one_table(command, middlebury, tmp_path):
    out = tmp_path / 'new' / 'r.json'
    done = command(
        'evaluate', '--config', CONFIGS / 'stereo.yaml', '--data.middlebury', middlebury,
        '--planes', 64, '--device', 'cpu', '--out', out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 'middlebury: 2 pairs, 0 left out, windows of 64 planes' in done.stdout
    assert done.stdout.count('bad-2 of answered') == 1
    printed = {tuple(line.split('│')[1:3]) for line in done.stdout.splitlines() if '│' in line}
    assert {(name.strip(), rate.strip()) for name, rate in printed} == {
        ('sgbm, pictures', '-'), ('fused, pictures', '-'),
        *((name, rate) for rate in ('0.2', '0.05') for name in (
            'sgbm, rate', 'sgbm, short', 'sgbm, interval', 'mono', 'fused, rate',
        )),
    }  # fmt: skip
    report = json.loads(out.read_text())
    assert report['task'] == 'stereo'
    assert (report['planes'], report['rate_hz'], report['sensor']) == (64, 20_000, 'vidar_car')
    assert report['sgbm']['P1'] < report['sgbm']['P2']
    rows = report['sets']['middlebury']['rows']
    assert [*rows[0]['pairs']] == ['middlebury/Art', 'middlebury/Cones']
    assert 0.8 < rows[0]['coverage'] < 1
    done = command(
        'evaluate', '--config', CONFIGS / 'stereo.yaml', '--data.middlebury', middlebury,
        '--planes', 16, '--samples', 1, '--device', 'cpu', '--out', out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    short = json.loads(out.read_text())['sets']['middlebury']['rows']
    assert [*short[0]['pairs']] == ['middlebury/Art']
    (long_one, short_one) = (
        next(row for row in found if row['seen'] == 'rate' and row['mean_rate'] == 0.05)
        for found in (rows, short)
    )
    assert short_one['bad2'] > 2 * long_one['pairs']['middlebury/Art']['bad2']


def test_a_network_that_matches_has_rows_of_its_own(command, middlebury, tmp_path):
    out = tmp_path / 'r.json'
    path = checkpoint(tmp_path / 'm.safetensors', 'stereo')
    given = [
        'evaluate', '--config', CONFIGS / 'stereo.yaml', '--data.middlebury', middlebury,
        '--planes', 64, '--device', 'cpu', '--out', out, '--checkpoint',
    ]  # fmt: skip
    done = command(*given, path)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert report['matching_sha256'] == load_info(path, StereoInfo).weights_sha256
    rows = report['sets']['middlebury']['rows']
    found = {row['mean_rate']: row for row in rows if row['method'] == 'network'}
    assert [*found] == [0.2, 0.05]
    assert all(row['coverage'] == 1 for row in found.values())
    assert done.stdout.count('│ network') == 2
    assert len([row for row in rows if row['method'] == 'mono']) == 2  # by the shipped network


def test_damaged_pairs_are_counted_and_named(command, middlebury, tmp_path):
    (middlebury / 'Art' / 'disp1.png').write_bytes(b'no picture')
    given = ['evaluate', '--config', CONFIGS / 'stereo.yaml', '--device', 'cpu']
    out = tmp_path / 'r.json'
    (middlebury / 'Art' / 'dmin.txt').unlink()  # else the reader itself looks at its depth
    done = command(*given, '--data.pairs', f'middlebury:{middlebury}', '--planes', 64,
                   '--out', out)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 'pairs: 1 pairs, 1 left out' in done.stdout
    skipped = json.loads(out.read_text())['sets']['pairs']['skipped']
    assert [*skipped.values()] == [['middlebury/Art']]


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


def test_what_evaluate_refuses(refusals, files, middlebury, tmp_path):
    """Nothing is written, and no file is replaced."""
    rows = {}

    def row(name, named, config=files / 'c.yaml', out=files / 'new.json', **options):
        given = {'device': 'cpu', **options}
        call = functools.partial(evaluate, config, out, **given)
        rows[name] = named, leaving(tmp_path, call)

    network = {'checkpoint': files / 'm.safetensors'}
    # Options.
    row('nothing to score', 'one of the four')
    row('two to score', 'one of the four', **network, inputs_only=True)
    row('mean_rate without data', 'mean_rate', inputs_only=True, mean_rate=0.3)
    row('mean_rate 1.5', 'mean_rate', inputs_only=True, mean_rate=1.5)
    row('samples 0', 'samples', inputs_only=True, samples=0)
    row('threads -1', 'threads', inputs_only=True, threads=-1)
    row('per_metre of a network', 'per_metre', **network, per_metre=1000.0)
    row('no config', 'none.yaml', files / 'none.yaml', **network)
    # Where the report is to lie.
    for name, given in {
        'checkpoint': network, 'predictions': {'predictions': files / 'one'},
        'maps': {**network, 'maps': files / 'one'},
    }.items():  # fmt: skip
        row(f'a folder as report, of {name}', 'one', out=files / 'one', **given)
    (files / 'camera.json').write_text('{"fx": 400}')
    row('over what is no report', 'camera.json', out=files / 'camera.json', **network)
    row('over the checkpoint', 'm.safetensors', out=files / 'm.safetensors', **network)
    # Networks and data.
    info, weights = random_checkpoint('dpt_tiny', 0)
    info = dataclasses.replace(info, settings={**info.settings, 'pool': 4})
    save(files / 'pool.safetensors', weights, info)
    row('images of another size', 'data.width', checkpoint=files / 'pool.safetensors')
    matching = checkpoint(files / 'stereo.safetensors', 'stereo')
    row('a network of two eyes', 'stage bicross', CONFIGS / 'smoke.yaml', checkpoint=matching)
    np.save(files / 'planes.npy', np.zeros((300, 32, 48), bool))
    config = load_config(files / 'c.yaml')
    config.data.recordings = {'npz': f'{files / "planes.npy"},fx=60'}
    config.target = None
    (files / 'recorded.yaml').write_text(to_yaml(config))
    row('inputs without depth', 'nothing to score', files / 'recorded.yaml', files / 'inputs',
        inputs_only=True)  # fmt: skip
    # Two cameras.
    stereo, pairs = CONFIGS / 'stereo.yaml', {'data': {'npz': 'x'}}
    row('no pairs', '--data.middlebury', stereo)
    row('inputs of pairs', 'inputs_only', stereo, **pairs, inputs_only=True)
    row('predictions of pairs', 'predictions', stereo, **pairs, predictions=Path('x'))
    row('mean_rate of pairs', 'evaluate.stereo.mean_rates', stereo, **pairs, mean_rate=0.1)
    (middlebury / 'Art' / 'disp1.png').write_bytes(b'no picture')
    damaged = {'data': {'pairs': f'middlebury:{middlebury}'}, 'planes': [64]}
    row('a damaged pair with metres', 'disp1.png', stereo, **damaged)
    shutil.copytree(middlebury / 'Art', tmp_path / 'without_metres')
    (tmp_path / 'without_metres' / 'dmin.txt').unlink()  # else the reader looks at its depth
    alone = {'data': {'middlebury': str(tmp_path / 'without_metres')}}
    row('a damaged pair alone', 'none of its pairs', stereo, **alone)
    refusals('evaluate', rows, (CheckpointError, ConfigError, DataSetError))


def test_what_the_command_line_of_evaluate_refuses(refusals, command, tmp_path):
    options = ('--config', tmp_path / 'c.yaml')
    data = (f'--data.kitti={tmp_path}', '--data.tum', tmp_path)
    rows = {}
    for name, named, arguments in (
        ('no config', 'c.yaml', ('evaluate', '--checkpoint', tmp_path / 'm.safetensors', *options,
                                 *data, '--out', tmp_path / 'r.json')),
        ('evaluate_real', 'is now evaluate', ('evaluate_real', *options)),
        ('inputs', 'is now evaluate', ('inputs', *options)),
    ):  # fmt: skip

        def told(arguments=arguments):
            done = command(*arguments)
            assert done.returncode == 2
            return done.stderr.rstrip('\n')

        rows[name] = named, told
    refusals('evaluate_options', rows, None)
