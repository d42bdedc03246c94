# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training by a method that is no part of the package, from the command line to the page."""

import functools
import json
import sys
from pathlib import Path

import pytest
import yaml
from run import main

from kit.toy_method import METHOD, Toy, ToyConfig
from spike_depth_ros.checkpoint import load_info
from spike_training.errors import ConfigError
from spike_training.methods.bicross import METHOD as BICROSS
from spike_training.methods.bicross.settings import PretrainConfig
from spike_training.methods.ssml.settings import SupervisedConfig
from spike_training.reports.run_page import PageWriter
from spike_training.reports.run_page.curves import curves
from spike_training.reports.run_page.folder import read_run
from spike_training.runs import pipeline
from spike_training.settings.command_line import print_stage_help
from spike_training.settings.config import StageConfig
from spike_training.settings.method import BUILT_IN, Method, find_kind, find_method
from spike_training.settings.reading import load_config, read_arguments

ROOT = Path(__file__).resolve().parents[3]
CONFIG = {
    'method': 'kit.toy_method:METHOD',
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
    """What the command leaves."""
    folder = tmp_path_factory.mktemp('toy')
    (folder / 'toy.yaml').write_text(yaml.safe_dump(CONFIG))
    main(['train', '--config', str(folder / 'toy.yaml'), '--out', str(folder / 'run')])
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


def test_a_method_of_an_older_version_trains_and_checks_its_settings(tmp_path, capsys):
    stage = {'name': 'one', 'kind': 'former', 'steps': 1, 'weight': 0.25}
    file = tmp_path / 'former.yaml'
    given = CONFIG | {'method': 'kit.former_method:METHOD', 'stages': [stage]}
    file.write_text(yaml.safe_dump(given))
    main(['train', '--config', str(file), '--out', str(tmp_path / 'run')])
    assert load_info(tmp_path / 'run' / 'model.safetensors').stage == 'one'
    bad = {**stage, 'weight': -1, 'limit': 0, 'learning_rate': 0}
    file.write_text(yaml.safe_dump({**given, 'stages': [bad]}))
    with pytest.raises(SystemExit, match='2'):
        main(['train', '--config', str(file), '--out', str(tmp_path / 'run')])
    said = capsys.readouterr().err
    for expected in (
        'stages[0].weight is -1: expected 0 or more',
        'stages[0].limit is 0: expected above 0',
        'stages[0].learning_rate is 0: expected above 0',
    ):
        assert expected in said


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
        'stages[0].teacher is given: expected it in a stage of kind cross_modality or joint only',
        'stages[0].adapt is 3: expected settings',
    ):
        assert expected in str(caught.value)


def test_methods_are_found_by_name_and_by_import_path():
    assert find_method('kit.toy_method:METHOD') is METHOD
    assert METHOD.kinds == {'toy': ToyConfig}
    assert find_method('bicross') is find_method(BUILT_IN['bicross']) is BICROSS


def test_the_page_of_a_method_that_is_not_installed_has_what_all_runs_have(trained, monkeypatch):
    monkeypatch.setitem(sys.modules, 'kit.toy_method', None)
    stage = read_run(trained).stages[-1]
    assert (stage.name, stage.config.summary) == ('second', 'stage of training')


TOY = 'kit.toy_method:METHOD.toy'

MIXED = {
    **CONFIG,
    'method': 'bicross',
    'stages': [
        {**CONFIG['stages'][0], 'kind': TOY},
        {**CONFIG['stages'][1], 'kind': TOY},
        {'name': 'third', 'kind': 'bicross.pretrain', 'init_from': 'second'},
    ],
}
"""The stages of the toy method in a config of BiCross, and one of BiCross after them."""


def test_kinds_of_other_methods_are_found():
    assert find_kind('toy', METHOD) == ('', METHOD, ToyConfig)
    assert find_kind('ssml.supervised', METHOD) == (
        'ssml.',
        find_method('ssml'),
        SupervisedConfig,
    )
    assert find_kind(TOY, BICROSS) == ('kit.toy_method:METHOD.', METHOD, ToyConfig)
    path = BUILT_IN['bicross']  # its dots are none of the kind
    assert find_kind(f'{path}.pretrain', METHOD) == (f'{path}.', BICROSS, PretrainConfig)
    assert find_kind('bicross.pretrain', BICROSS) == ('', BICROSS, PretrainConfig)


NO_METHOD = {
    'an unknown name': 'nope',
    'near a known name': 'alin',
    'no module': 'no_such:METHOD',
    'no attribute': 'kit.toy_method:NONE',
    'no method': 'kit.toy_method:Toy',
    'no name': '',
    'a dot before it': '.nope:METHOD',
}

NO_KIND = {
    'near a kind': 'pretrian',
    'near a kind, of its method': 'bicross.pretrian',
    'near a kind of another method': 'align.residul',
    'of no method': 'nope.toy',
    'near a method': 'alin.residual',
    'no name': 'pretrain.',
    'dots before it': '..toy',
    'a module': 'kit.toy_method.toy',
    'no kind of an import path': 'kit.toy_method:METHOD.tyo',
    'no kind of another method': 'ssml.rgb',
}


def dotted():
    Method((type('Dotted', (StageConfig,), {'kind': 'toy.one'}),))


def test_what_is_no_method_or_kind_is_told(refusals):
    rows = {
        name: (f'{given!r}', functools.partial(find_method, given))
        for name, given in NO_METHOD.items()
    }
    refusals('method', rows, ConfigError)
    rows = {
        name: (f'kind is {given!r}: ', functools.partial(find_kind, given, BICROSS))
        for name, given in NO_KIND.items()
    }
    refusals('kind', rows, ConfigError)
    with pytest.raises(ValueError, match=r"it has a kind 'toy\.one': expected a name without"):
        dotted()


@pytest.mark.parametrize(
    ('kind', 'next_problem'),
    [('pretrian', 'stages[0].weightt is unknown'), ('nope.toy', 'out is missing')],
)
def test_of_a_kind_that_is_none_what_can_be_known_is_told(config, kind, next_problem):
    """Which settings a kind of another method has is not known."""
    config.write_text(yaml.safe_dump({'stages': [{'kind': kind, 'weightt': 3}, {'name': 'b'}]}))
    with pytest.raises(ConfigError) as caught:
        read_arguments(['--config', str(config)])
    first, second = str(caught.value).splitlines()[1:3]
    assert first.startswith(f'  stages[0].kind is {kind!r}: ')
    assert second.startswith(f'  {next_problem}')


def test_settings_are_those_of_the_kind(config):
    stages = [{'kind': TOY, 'weight': -1, 'teacher': 'a'}, {'kind': 'pretrain', 'weight': 1}]
    config.write_text(yaml.safe_dump({'stages': stages}))
    with pytest.raises(ConfigError) as caught:
        read_arguments(['--config', str(config)])
    for expected in (
        'stages[0].weight is -1: expected 0 or more',
        'stages[0].teacher is unknown',
        'stages[1].weight is unknown',
    ):
        assert expected in str(caught.value)


def test_help_is_of_all_methods_of_the_stages(config, capsys):
    config.write_text(yaml.safe_dump(MIXED))
    print_stage_help(read_arguments(['--config', str(config), '--out', 'none']))
    told = [line for line in capsys.readouterr().out.splitlines() if 'stages of kind' in line]
    names = [line.partition('stages of kind ')[2].split()[0] for line in told]
    assert names == ['pretrain', 'cross_modality', 'cross_domain', 'joint', TOY]


@pytest.fixture(scope='module')
def mixed(tmp_path_factory):
    """The folder of a run of two methods."""
    folder = tmp_path_factory.mktemp('mixed')
    (folder / 'mixed.yaml').write_text(yaml.safe_dump(MIXED))
    arguments = ['--config', str(folder / 'mixed.yaml'), '--out', str(folder / 'run')]
    pipeline.run(read_arguments(arguments))
    PageWriter().write(folder / 'run')
    return folder / 'run'


def test_a_run_of_two_methods_trains(mixed):
    assert load_info(mixed / 'model.safetensors').stage == 'third'
    kinds = [stage.kind for stage in load_config(mixed / 'config.yaml').stages]
    assert kinds == [TOY, TOY, 'pretrain']  # one name, and one hash, for the config's own kinds


def test_a_stage_trains_to_the_same_bytes_in_a_config_of_another_method(trained, mixed):
    for name in ('first', 'second'):
        one, other = (
            load_info(out / name / 'model_0000004.safetensors') for out in (trained, mixed)
        )
        assert one.weights_sha256 == other.weights_sha256


def test_charts_and_settings_of_a_stage_are_those_of_its_method(mixed):
    run = read_run(mixed)
    toy, chart = ('How unsure the toy is', 'Depth on labels, L_sup')
    titles = [{chart.title for chart in curves(stage)} for stage in run.stages]
    assert [(toy in found, chart in found) for found in titles] == [
        (True, False),
        (True, False),
        (False, True),
    ]
    page = (mixed / 'index.html').read_text()
    assert 'second: weight' in page
    assert 'third: weight' not in page


def test_the_page_of_a_run_of_two_methods_of_which_one_is_not_installed(mixed, monkeypatch):
    monkeypatch.setitem(sys.modules, 'kit.toy_method', None)
    first, *_, last = read_run(mixed).stages
    assert (first.config.summary, first.method.charts) == ('stage of training', ())
    assert (last.config.kind, last.method) == ('pretrain', BICROSS)
    PageWriter().write(mixed)
