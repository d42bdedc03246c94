# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A task made outside of the package, in one file, does all that the six of the package do."""

import json
import re

import pytest
import yaml
from run import main

from spike_depth_ros import DepthEstimator
from spike_depth_ros.checkpoint import CheckpointError, load_info, onnx_path
from spike_depth_ros.tasks.base import TASKS, CheckpointInfo
from spike_training.errors import ConfigError, TrainingError
from spike_training.runs.export import export
from spike_training.tables.plan import load_table
from spike_training.tasks.base import REGISTERED, tabled_tasks

CONFIG = {
    'method': 'kit.seventh_task:METHOD',
    'stages': [{'name': 'bright'}],
    'model': {'architecture': 'recon_lite', 'bins': 21,
              'settings': {'widths': [4, 4, 4], 'windows': [11, 21]}},
    'data': {'height': 32, 'width': 48, 'planes': [21], 'styles': ['indoor']},
    'train': {'steps': 3, 'batch_size': 2, 'warmup_steps': 1, 'log_every': 1, 'save_every': 1,
              'validate_every': 2, 'validate_batches': 1, 'picture_every': 0,
              'tensorboard': False},
    'evaluate': {'scenes': 2, 'baseline_scenes': 2, 'calibration_scenes': 2, 'batch_size': 2,
                 'export': False},
    'device': 'cpu',
    'threads': 1,
}  # fmt: skip


@pytest.fixture(scope='module', autouse=True)
def seventh():
    """Its module; other tests of this process know six tasks."""
    from kit import seventh_task

    yield seventh_task
    del TASKS['brightness'], REGISTERED['brightness']


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp('seventh') / 'bright.yaml'
    path.write_text(yaml.safe_dump(CONFIG))
    return path


@pytest.fixture(scope='module')
def trained(config, seventh):
    """What the command leaves, stopped in its third step and resumed."""
    out = config.parent / 'run'
    given = ['train', '--config', str(config), '--out', str(out)]
    forward, calls = seventh.Brightness.forward, []

    def stopped(stage, batch, phase):
        calls.append(phase)
        if calls.count('train') == 3:
            raise TrainingError('stopped')
        return forward(stage, batch, phase)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seventh.Brightness, 'forward', stopped)
        with pytest.raises(SystemExit):
            main(given)
    assert json.loads((out / 'bright' / 'latest.json').read_text())['step'] == 2
    main([*given, '--resume', 'true'])
    return out


def test_every_registry_has_seven():
    assert len(TASKS) == len(REGISTERED) == 7
    assert 'brightness' in tabled_tasks()


def test_it_trains_resumes_and_is_scored(seventh, trained):
    info = load_info(trained / 'model.safetensors', CheckpointInfo)
    assert isinstance(info, seventh.BrightnessInfo)
    assert (info.brightest, info.planes, info.stage) == (1.0, 21, 'bright')
    report = json.loads((trained / 'report.json').read_text())
    scores = report['sets']['indoor']['rows']
    assert 0 < scores['network'] < scores['darkness']
    assert info.metrics == {'error': pytest.approx(scores['network'])}


def test_the_page_of_its_run_tells_its_results(trained):
    page = (trained / 'index.html').read_text()
    assert 'Brightness from spikes, stage by stage' in page
    assert 'Brightness of pixels' in page


def test_the_command_scores_it_and_refuses_what_it_does_not_use(config, trained, capsys):
    model = str(trained / 'model.safetensors')
    given = ['evaluate', '--config', str(config), '--checkpoint', model, '--out']
    main([*given, str(config.parent / 'again.json')])
    assert 'squared error' in capsys.readouterr().out
    found, before = (
        json.loads(path.read_text())['sets']
        for path in (config.parent / 'again.json', trained / 'report.json')
    )
    assert found == before
    with pytest.raises(SystemExit):
        main([*given, str(config.parent / 'other.json'), '--planes', '21'])
    told = capsys.readouterr().err
    assert 'planes given: expected none for a network of brightness' in told


def test_it_is_exported(trained, tmp_path, capsys):
    path = tmp_path / 'model.safetensors'
    export(path, checkpoint=trained / 'model.safetensors')
    assert re.search(r'within \d\.\de-\d\d of torch', capsys.readouterr().out)
    assert load_info(path, CheckpointInfo).onnx_sha256 is not None
    assert onnx_path(path).is_file()


def test_a_table_has_its_metric(config, tmp_path):
    rows = [{'name': name, 'stage': name} for name in ('bright', 'longer')]
    claim = {'row': 'longer', 'below': ['bright'], 'metric': 'error'}
    settings = {
        'base': str(config),
        'seeds': [0],
        'reference': 'bright',
        'stages': {'longer': {'like': 'bright', 'steps': 4}},
        'rows': rows,
        'claims': [claim],
    }
    path = tmp_path / 'table.yaml'
    path.write_text(yaml.safe_dump(settings))
    main(['table', '--config', str(path), '--out', str(tmp_path / 'out')])
    text = (tmp_path / 'out' / 'table.md').read_text()
    assert '# table: brightness, bright.yaml' in text
    assert '| squared error | difference |' in text
    assert 'longer below bright (squared error)' in text
    path.write_text(yaml.safe_dump(settings | {'claims': [{**claim, 'metric': 'abs_rel'}]}))
    with pytest.raises(ConfigError, match=r"metric is 'abs_rel': expected"):
        load_table(path)


def test_it_is_refused_where_it_does_not_fit(trained, config, tmp_path):
    model = trained / 'model.safetensors'
    with pytest.raises(
        CheckpointError, match=r"task is 'brightness', expected 'depth' or 'fused'"
    ):
        DepthEstimator.from_checkpoint(model)
    with pytest.raises(CheckpointError, match=r"calibrate is given for the task 'brightness'"):
        export(tmp_path / 'model.safetensors', checkpoint=model, calibrate=config)
