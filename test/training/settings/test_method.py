# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training by a method that is no part of the package, from the command line to the page."""

import json
import os
import sys
from pathlib import Path

import pytest
import yaml
from programs import run_program
from toy_method import METHOD, Toy, ToyConfig

from spike_depth_ros.checkpoint import load_info
from spike_training.errors import ConfigError
from spike_training.methods.bicross import METHOD as BICROSS
from spike_training.reports.run_page.folder import read_run
from spike_training.runs import pipeline
from spike_training.settings.method import BUILT_IN, find_method
from spike_training.settings.reading import read_arguments

ROOT = Path(__file__).resolve().parents[3]
CONFIG = {
    'method': 'toy_method:METHOD',
    'stages': [{'name': 'first'}, {'name': 'second', 'init_from': 'first', 'weight': 0.25}],
    'model': {'settings': {'stem': 8, 'stage4': 8, 'stage8': 8, 'stage16': 8, 'dim': 12,
                           'blocks': 1, 'features': 8, 'head': 4}},
    'data': {'height': 32, 'width': 48, 'planes': [32], 'styles': ['indoor']},
    'train': {'steps': 4, 'batch_size': 2, 'warmup_steps': 1, 'log_every': 1, 'save_every': 2,
              'validate_every': 2, 'validate_batches': 1, 'picture_every': 4,
              'tensorboard': False},
    'evaluate': {'scenes': 2, 'baseline_scenes': 2, 'calibration_scenes': 2, 'batch_size': 2,
                 'export': False},
    'device': 'cpu',
    'threads': 1,
}  # fmt: skip


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'toy.yaml'
    path.write_text(yaml.safe_dump(CONFIG))
    return path


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """What the command leaves, in a process of its own, as a user runs it."""
    folder = tmp_path_factory.mktemp('toy')
    (folder / 'toy.yaml').write_text(yaml.safe_dump(CONFIG))
    path = os.pathsep.join([str(ROOT), str(ROOT / 'test' / 'helpers')])
    command = (sys.executable, ROOT / 'training' / 'run.py', 'train')
    options = ('--config', folder / 'toy.yaml', '--out', folder / 'run')
    environment = {**os.environ, 'PYTHONPATH': path}
    done = run_program(*command, *options, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder / 'run'


def test_it_trains(trained):
    info = load_info(trained / 'model.safetensors')
    assert (info.stage, info.inputs) == ('second', ('spikes',))
    assert 'source_indoor' in json.loads((trained / 'report.json').read_text())['sets']


def test_it_resumes_to_the_same_weights(trained, config, tmp_path, monkeypatch):
    def stop(stage, step):
        if step == 2:  # after the checkpoint of two steps
            raise KeyboardInterrupt

    arguments = ['--config', str(config), '--out', str(tmp_path / 'run')]
    with monkeypatch.context() as patch:
        patch.setattr(Toy, 'after_step', stop)
        with pytest.raises(KeyboardInterrupt):
            pipeline.run(read_arguments(arguments))
    assert (tmp_path / 'run' / 'first' / 'model_0000002.safetensors').exists()
    pipeline.run(read_arguments([*arguments, '--resume', 'true']))
    infos = [load_info(out / 'model.safetensors') for out in (trained, tmp_path / 'run')]
    assert infos[0].weights_sha256 == infos[1].weights_sha256


def test_it_is_on_the_page(trained):
    page = (trained / 'index.html').read_text()
    for text in (
        'Learns log-depth as a toy', 'How unsure the toy is', 'the toy is unsure',
        'second: weight', 'after 4 steps',
        'The averaged weights of second at its last step are exported.',
    ):  # fmt: skip
        assert text in page


def test_its_settings_are_checked_with_all_others(config):
    found = {**CONFIG, 'stages': [{'weight': -1, 'weightt': 1}, {'kind': 'tyo'}], 'seed': 'x'}
    config.write_text(yaml.safe_dump(found))
    with pytest.raises(ConfigError) as caught:
        read_arguments(['--config', str(config)])
    for expected in (
        'stages[0].weight is -1: expected 0 or more',
        'stages[0].weightt is unknown: did you mean weight?',
        "stages[1].kind is 'tyo': expected toy",
        "seed is 'x': expected a whole number",
        'out is missing',
    ):
        assert expected in str(caught.value)


def test_settings_of_another_kind_are_refused_unless_they_are_its_defaults(config):
    old = {
        'name': 'a',
        'teacher': None,
        'adapt': {'filter': True, 'kept_fraction_bounds': [0.05, 0.95]},
    }
    config.write_text(yaml.safe_dump({'stages': [old]}))
    assert read_arguments(['--config', str(config)]).stages[0].name == 'a'
    config.write_text(yaml.safe_dump({'stages': [{**old, 'teacher': 'b', 'adapt': 3}]}))
    with pytest.raises(ConfigError) as caught:
        read_arguments(['--config', str(config)])
    for expected in (
        'stages[0].teacher is given: expected it in a stage of kind cross_modality only',
        'stages[0].adapt is 3: expected settings',
    ):
        assert expected in str(caught.value)


def test_methods_are_found_by_name_and_by_import_path():
    assert find_method('toy_method:METHOD') is METHOD
    assert METHOD.kinds == {'toy': ToyConfig}
    assert find_method('bicross') is find_method(BUILT_IN['bicross']) is BICROSS


@pytest.mark.parametrize('name', ['nope', 'no_such:METHOD', 'toy_method:NONE', 'toy_method:Toy'])
def test_what_is_no_method_is_named(name):
    with pytest.raises(
        ConfigError, match=f'method is {name!r}.*expected bicross, ssml, or an import'
    ):
        find_method(name)


def test_the_page_of_a_method_that_is_not_installed_has_what_all_runs_have(trained, monkeypatch):
    monkeypatch.setitem(sys.modules, 'toy_method', None)
    stage = read_run(trained).stages[-1]
    assert (stage.name, stage.config.summary) == ('second', 'stage of training')
