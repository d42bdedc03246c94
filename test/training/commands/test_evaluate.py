# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from kit.clips import Sliding, write_folder
from spike_depth_ros.checkpoint import save
from spike_training.commands.evaluate import evaluate
from spike_training.errors import ConfigError, DataSetError
from spike_training.methods.bicross.settings import PretrainConfig
from spike_training.runs.export import RANDOM_INFO, random_checkpoint
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


CONFIGS = Path(__file__).resolve().parents[3] / 'training' / 'configs'


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


def test_a_network_that_matches_has_rows_of_its_own(command, middlebury, tmp_path, monkeypatch):
    sizes = {'disparities': 32, 'stem': 8, 'features': 8, 'groups': 4, 'volume': 4, 'head': 8}
    info = dataclasses.replace(RANDOM_INFO['stereo_lite'], settings=sizes)
    monkeypatch.setitem(RANDOM_INFO, 'stereo_lite', info)
    path, out = tmp_path / 'm.safetensors', tmp_path / 'r.json'
    info = save(path, random_checkpoint('stereo_lite', 0)[1], info)
    given = [
        'evaluate', '--config', CONFIGS / 'stereo.yaml', '--data.middlebury', middlebury,
        '--planes', 64, '--device', 'cpu', '--out', out, '--checkpoint',
    ]  # fmt: skip
    done = command(*given, path)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert report['matching_sha256'] == info.weights_sha256
    rows = report['sets']['middlebury']['rows']
    found = {row['mean_rate']: row for row in rows if row['method'] == 'network'}
    assert [*found] == [0.2, 0.05]
    assert all(row['coverage'] == 1 for row in found.values())
    assert done.stdout.count('│ network') == 2
    assert len([row for row in rows if row['method'] == 'mono']) == 2  # by the shipped network
    done = command('evaluate', '--config', CONFIGS / 'smoke.yaml', *given[3:], path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert f"{path}: field task is 'stereo', expected 'depth'" in done.stderr


def test_damaged_pairs_are_counted_and_named(command, middlebury, tmp_path):
    (middlebury / 'Art' / 'disp1.png').write_bytes(b'no picture')
    given = ['evaluate', '--config', CONFIGS / 'stereo.yaml', '--device', 'cpu']
    out = tmp_path / 'r.json'
    done = command(*given, '--data.pairs', f'middlebury:{middlebury}', '--planes', 64,
                   '--out', out)  # fmt: skip
    assert done.returncode == 1
    assert 'disp1.png: cannot be read' in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not out.exists()
    (middlebury / 'Art' / 'dmin.txt').unlink()  # else the reader itself looks at its depth
    done = command(*given, '--data.pairs', f'middlebury:{middlebury}', '--planes', 64,
                   '--out', out)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 'pairs: 1 pairs, 1 left out' in done.stdout
    skipped = json.loads(out.read_text())['sets']['pairs']['skipped']
    assert [*skipped.values()] == [['middlebury/Art']]
    done = command(*given, '--data.middlebury', middlebury / 'Art', '--out', out)
    assert done.returncode == 1
    assert 'middlebury: none of its pairs can be used: ' in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({}, 'no data set: expected one of pairs with evaluate.stereo, such as --data.middlebury'),
        ({'data': {'npz': 'x'}, 'inputs_only': True}, 'inputs_only given: expected none with'),
        (
            {'data': {'npz': 'x'}, 'predictions': Path('x')},
            'predictions, teacher or inputs_only given',
        ),
        ({'data': {'npz': 'x'}, 'mean_rate': 0.1}, 'expected evaluate.stereo.mean_rates of the'),
    ],
)
def test_options_that_two_cameras_do_not_have_are_refused(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        evaluate(CONFIGS / 'stereo.yaml', tmp_path / 'r.json', **options)


def test_images_that_the_network_cannot_take_are_refused(files):
    info, weights = random_checkpoint('dpt_tiny', 0)
    info = dataclasses.replace(info, settings={**info.settings, 'pool': 4})
    save(files / 'pool.safetensors', weights, info)
    with pytest.raises(ConfigError, match=r'height is 32 and data\.width 48: expected m'):
        evaluate(files / 'c.yaml', files / 'r.json', files / 'pool.safetensors', device='cpu')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({}, 'checkpoint, predictions, teacher or inputs_only: expected one of the four'),
        ({'checkpoint': Path('m'), 'inputs_only': True}, 'expected one of the four'),
        ({'inputs_only': True, 'mean_rate': 0.3}, 'mean_rate is 0.3 without data: expected'),
        ({'inputs_only': True, 'mean_rate': 1.5}, 'mean_rate is 1.5: expected above 0'),
        ({'inputs_only': True, 'samples': 0}, 'samples is 0: expected 1 or more'),
        ({'checkpoint': Path('m'), 'per_metre': 1000.0}, 'per_metre is given: expected it with'),
    ],
)
def test_options_that_do_not_go_together_are_refused(files, options, message):
    with pytest.raises(ConfigError, match=message):
        evaluate(files / 'c.yaml', files / 'r.json', **options)


@pytest.mark.parametrize('scored', ['checkpoint', 'predictions', 'maps'])
def test_a_folder_as_report_is_refused_before_anything_is_scored(files, scored):
    given = {'checkpoint': files / 'm.safetensors'} if scored == 'maps' else {}
    given[scored] = files / ('m.safetensors' if scored == 'checkpoint' else 'one')
    with pytest.raises(ConfigError, match='one is a folder: expected the JSON file to write'):
        evaluate(files / 'c.yaml', files / 'one', device='cpu', **given)


def test_a_file_that_is_no_report_is_not_replaced(files, tmp_path):
    out = tmp_path / 'camera.json'
    out.write_text('{"fx": 400}')
    with pytest.raises(ConfigError, match=r'camera\.json exists and is no report: choose another'):
        evaluate(files / 'c.yaml', out, files / 'm.safetensors', device='cpu')
    assert out.read_text() == '{"fx": 400}'


def test_a_file_of_another_kind_is_not_replaced(files):
    with pytest.raises(ConfigError, match=r'm\.safetensors: expected a file \.json, the report'):
        evaluate(files / 'c.yaml', files / 'm.safetensors', files / 'm.safetensors', device='cpu')


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


def test_inputs_of_recordings_without_depth_are_refused(files, tmp_path):
    np.save(tmp_path / 'planes.npy', np.zeros((300, 32, 48), bool))
    config = load_config(files / 'c.yaml')
    config.data.recordings = {'npz': f'{tmp_path / "planes.npy"},fx=60'}
    config.target = None
    (tmp_path / 'c.yaml').write_text(to_yaml(config))
    with pytest.raises(DataSetError, match='nothing to score: expected test recordings with dep'):
        evaluate(tmp_path / 'c.yaml', tmp_path / 'inputs', inputs_only=True)
    assert not (tmp_path / 'inputs').exists()


def test_a_number_of_threads_below_0_is_refused(files):
    with pytest.raises(ConfigError, match='threads is -1: expected 0 or more'):
        evaluate(files / 'c.yaml', files / 'r.json', inputs_only=True, threads=-1)
