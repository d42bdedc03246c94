# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line of a run: files, overrides, mistakes, help."""

import dataclasses
import typing
from pathlib import Path
from typing import get_args

import pytest
import yaml

from spike_training.choices import Interpolation, SensorName, Style, Transform
from spike_training.errors import ConfigError
from spike_training.learning.supervision import SI_FORMS
from spike_training.methods.bicross.settings import PretrainConfig
from spike_training.sampling.transforms import TRANSFORMS
from spike_training.scenes.generator import STYLES
from spike_training.sensor.parameters import SENSORS
from spike_training.settings.config import (
    ABSENT,
    DataConfig,
    ModelConfig,
    RunConfig,
    StereoConfig,
    TargetConfig,
    TrainConfig,
    check,
    differences,
    problems_of,
    to_yaml,
)
from spike_training.settings.reading import load_config, read_arguments
from spike_training.simulation.clip_camera import INTERPOLATORS

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = sorted((ROOT / 'training' / 'configs').glob('*.yaml'))


def parse(*arguments):
    """What run.py makes of arguments."""
    return read_arguments([str(one) for one in arguments])


def mistakes(*arguments):
    """What is wrong with arguments, all of it."""
    with pytest.raises(ConfigError) as caught:
        check(parse(*arguments))
    return str(caught.value)


@pytest.fixture
def file(tmp_path):
    def write(**settings):
        path = tmp_path / 'config.yaml'
        path.write_text(yaml.safe_dump(settings))
        return path

    return write


def test_there_are_configs():
    assert {path.stem for path in CONFIGS} >= {'smoke', 'unet_lite'}


@pytest.mark.parametrize(
    'path', [path for path in CONFIGS if path.stem != 'adapt_stereo'], ids=lambda path: path.stem
)
def test_shipped_configs_are_good(path, tmp_path):
    config = parse('--config', path, '--out', tmp_path)
    check(config)
    assert dataclasses.replace(load_config(path), out=tmp_path) == config


def test_an_adaptation_to_two_eyes_needs_no_stage():
    (path,) = [path for path in CONFIGS if path.stem == 'adapt_stereo']
    assert load_config(path, least_stages=0).stages == []
    with pytest.raises(ConfigError, match='stages is empty: expected one or more'):
        load_config(path)


def test_options_win_over_the_file(file):
    path = file(train={'steps': 7, 'batch_size': 3}, stages=[{'name': 'a', 'input': 'rgb'}])
    config = parse('--config', path, '--out', 'x', '--train.steps', 9)
    assert (config.train.steps, config.train.batch_size) == (9, 3)
    assert [(stage.name, stage.input) for stage in config.stages] == [('a', 'rgb')]


def test_numbers_in_lists_may_be_written_with_an_exponent(file):
    path = file(data={'rates_hz': ['2e4', 1e4]}, train={'betas': ['9e-1', 0.999]})
    config = parse('--config', path, '--out', 'x')
    assert config.data.rates_hz == [2e4, 1e4]
    assert config.train.betas == (0.9, 0.999)


def test_sizes_of_nothing_are_named(file):
    path = file(evaluate={'batch_size': 0}, data={'width': 0}, seed=1 << 31)
    text = mistakes('--config', path, '--out', 'x')
    for told in (
        'evaluate.batch_size is 0: expected 1 or more',
        'data.width is 0',
        'seed is 2147483648: expected 2147483647 or less',
    ):
        assert told in text


def test_the_written_config_gives_the_same_run_again(tmp_path, file):
    path = file(train={'betas': [0.5, 0.6], 'learning_rate': '1e-3'}, data={'planes': [16, 64]})
    config = parse('--config', path, '--out', tmp_path)
    written = tmp_path / 'written.yaml'
    written.write_text(to_yaml(config))
    assert parse('--config', written) == config
    assert load_config(written) == config


def test_all_mistakes_are_named_at_once(file):
    stage = {'name': 'a b', 'inptu': 'rgb', 'init_from': 'previous', 'steps': 0, 'start': 'a'}
    path = file(
        train={'steps': 'many', 'stpes': 3, 'clip_norm': 0, 'final_share': 0.1},
        data={'height': 33, 'styles': ['moon'], 'planes': [], 'rates_hz': [20_000, 0]},
        model={'settings': {'stme': 3}, 'min_depth': 90.0},
        stages=[stage],
        evaluate={
            'scenes': 7,
            'constant_scenes': 20,
            'start': 'previous',
            'stereo': {'mean_rates': [0.2, 1.0], 'disparities': 40, 'sensor': 'eye'},
        },
        sead=3,
    )
    text = mistakes('--config', path, '--train.betas', '[1.0, 2]', '-x')
    for expected in (
        "train.steps is 'many': expected a whole number",
        'train.stpes is unknown: did you mean steps?',
        'train.clip_norm is 0: expected above 0',
        'train.betas is (1.0, 2.0): expected 0 to below 1',
        'data.height is 33: expected a multiple of 16',
        "data.styles is ['moon']: expected a list, each indoor or road or home",
        'data.planes is []: expected lengths of 1 or more',
        'data.rates_hz is [20000.0, 0.0]: expected rates above 0',
        'model.settings.stme is unknown',
        'model.max_depth is 80: expected more than min_depth',
        "stages[0].name is 'a b'",
        'stages[0].inptu is unknown: did you mean input?',
        "stages[0].init_from is 'previous': there is no stage before the first",
        'stages[0].steps is 0: expected 1 or more',
        'evaluate.scenes is 7: expected a multiple of batch_size',
        'evaluate.constant_scenes is now baseline_scenes',
        'evaluate.start is unknown',
        'evaluate.stereo.mean_rates is [0.2, 1.0]: expected one or more, each once, above 0',
        'evaluate.stereo.disparities is 40: expected a multiple of 16 up to 1024',
        "evaluate.stereo.sensor is 'eye': expected ideal or vidar_car",
        'train.final_share is now min_lr_ratio',
        'stages[0].start is now init_from',
        'sead is unknown: did you mean seed?',
        '-x: expected an option',
        'out is missing',
    ):
        assert expected in text


def test_settings_of_the_right_type_but_wrong_are_all_named():
    config = RunConfig(
        out=Path('x'),
        stages=[PretrainConfig(si_lambda=2.0), PretrainConfig(width=40)],
        train=TrainConfig(batch_size=0, ema_decay=1.0),
        data=DataConfig(rate_hz=-1.0),
        seed=-1,
    )
    with pytest.raises(ConfigError, match='7 settings are wrong') as caught:
        check(config)
    for name in ('stages[0].si_lambda', 'stages[1].width', 'two are named pre_src',
                 'train.batch_size', 'train.ema_decay', 'data.rate_hz', 'seed'):  # fmt: skip
        assert name in str(caught.value)


def test_windows_longer_than_their_bins_can_count_are_refused():
    config = RunConfig(out=Path('x'), stages=[PretrainConfig()], target=TargetConfig())
    most = 126 * config.model.bins
    config.target.planes = [64]
    for data, name in ((config.data, 'data'), (config.target, 'target')):
        data.planes = [64, most]
        assert problems_of(config) == []
        data.planes = [64, most + 1]
        problem = problems_of(config)[-1]
        assert f'{name}.planes is [64, {most + 1}]: expected at most {most}, 126 in' in problem
        data.planes = [64]


def test_two_cameras_are_scored_where_the_settings_say_so(file):
    assert RunConfig().evaluate.stereo is None
    path = file(stages=[{'name': 'a'}], evaluate={'stereo': {'disparities': 96}})
    config = parse('--config', path, '--out', 'x')
    assert config.evaluate.stereo == StereoConfig(disparities=96)
    assert [*StereoConfig(mean_rates=[]).problems()] == [
        'mean_rates is []: expected one or more, each once, above 0 and below 1'
    ]
    assert len([*StereoConfig(mean_rates=[0.2, 0.2], disparities=0).problems()]) == 2


@pytest.mark.parametrize(
    ('changes', 'problems'),
    [
        ({}, 0),
        ({'schedule': 'steps', 'drop_every': 9}, 0),
        ({'schedule': 'steps'}, 1),
        ({'drop_every': 9}, 1),
        ({'schedule': 'steps', 'drop_every': 0}, 1),
    ],
)
def test_a_schedule_of_steps_has_their_number_and_no_other_has(changes, problems):
    found = [*TrainConfig(tensorboard=False, picture_every=0, **changes).problems()]
    assert len(found) == problems
    assert all('drop_every' in problem for problem in found)


def test_a_missing_package_is_named_with_its_way_out(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    problems = list(TrainConfig().problems())
    assert problems == [
        'tensorboard is true: install tensorboard, or set it to false',
        'picture_every is 500: install cv2 and PIL, or set it to 0',
    ]


def test_a_stage_replaces_a_part_of_the_common_settings():
    stage = PretrainConfig(steps=3, learning_rate=0.5, warmup_steps=1, width=64)
    run = RunConfig(
        out=Path('x'), train=TrainConfig(batch_size=5), data=DataConfig(height=96),
        target=TargetConfig(styles=['road']), seed=4,
    )  # fmt: skip
    here = stage.resolve(run)
    assert here.train == TrainConfig(steps=3, batch_size=5, learning_rate=0.5, warmup_steps=1)
    assert here.data == DataConfig(height=96, width=64)
    assert here.target_data == DataConfig(height=96, width=64, styles=['road'])
    assert (here.seed, here.folder) == (4, Path('x/pre_src'))


@pytest.mark.parametrize(('domain', 'widths'), [('source', [64]), ('target', [64])])
def test_a_stage_knows_the_data_of_its_domains(domain, widths):
    stage = PretrainConfig(domain=domain, width=64)
    here = stage.resolve(RunConfig(target=TargetConfig(styles=['road'])))
    assert [data.width for data in here.domains] == widths
    assert (here.domains[0].styles == ['road']) == (domain == 'target')


def test_differences_are_named_in_full_with_both_values():
    one, other = {'a': {'b': 1, 'c': [2]}, 'd': None}, {'a': {'b': 3, 'c': [2]}, 'e': True}
    assert [*differences(one, other)] == [
        ('a.b', 1, 3), ('d', None, ABSENT), ('e', ABSENT, True),
    ]  # fmt: skip


def test_a_stage_may_see_a_style_more_often():
    twice = ['indoor', 'indoor', 'road']
    config = RunConfig(out=Path('x'), stages=[PretrainConfig(styles=twice)])
    assert not any('styles' in problem for problem in problems_of(config))
    assert config.stages[0].resolve(config).data.styles == twice
    config.data.styles = twice
    assert any('data.styles' in problem for problem in problems_of(config))


def test_a_stage_may_differ_in_sizes_of_the_network():
    config = RunConfig(out=Path('x'), stages=[PretrainConfig(height=48, settings={'pool': 1})])
    config.model.settings = {'pool': 2, 'dim': 96}
    assert config.stages[0].resolve(config).model.settings == {'pool': 1, 'dim': 96}
    assert problems_of(config) == []
    for pool in (0, 'two', None):
        config.model.settings = {'pool': pool}
        assert any(f'settings.pool is {pool!r}' in problem for problem in problems_of(config))
    config.model.settings = {'pool': 2}
    config.stages[0].settings = {'polo': 1}
    assert any('stages[0].settings.polo is unknown' in problem for problem in problems_of(config))
    assert any('48 x 192: expected multiples of 32' in problem for problem in problems_of(config))


def test_sizes_and_pictures_that_a_network_refuses_are_named():
    config = RunConfig(out=Path('x'), stages=[PretrainConfig(settings={'picture': 'mean'})])
    config.model.architecture = 'unet_lite'
    config.model.settings = {'features2': 24, 'picture': 'three_rates'}
    assert problems_of(config) == []
    config.model.settings = {'features2': -1}
    config.stages[0].settings = {'picture': 'colour'}
    assert problems_of(config) == [
        'model.settings.features2 is -1: expected 0 or more',
        "stages[0].settings.picture is 'colour': expected mean_and_bins or mean or three_rates",
    ]


def test_imagenet_weights_are_for_the_network_that_has_some():
    config = RunConfig(out=Path('x'), stages=[PretrainConfig(init_from='imagenet')])
    assert any(
        'init_from is' in problem and 'dpt_tiny' in problem for problem in problems_of(config)
    )
    for architecture in ('dpt_hybrid', 'unet_lite'):
        config.model.architecture = architecture
        assert not any('init_from is' in problem for problem in problems_of(config))
    config.stages[0].imagenet = 'package'
    assert not any('imagenet' in problem for problem in problems_of(config))
    config.model.architecture = 'dpt_hybrid'
    assert any("imagenet is 'package'" in problem for problem in problems_of(config))


def test_a_stage_starts_from_a_shipped_model_by_its_name():
    def problems(*stages):
        model = ModelConfig(architecture='unet_lite')
        return problems_of(RunConfig(out=Path('x'), model=model, stages=[*stages]))

    stage = PretrainConfig(name='affine', init_from='unet_lite', trainable='affine')
    assert problems(stage) == []
    (problem,) = problems_of(RunConfig(out=Path('x'), stages=[stage]))
    assert "init_from is 'unet_lite', unet_lite of spikes: expected dpt_tiny" in problem
    (problem,) = problems(PretrainConfig(name='unet_lite'), stage)
    assert 'is the name of an earlier stage and of a shipped model' in problem


def test_an_encoder_that_has_not_learnt_is_not_kept():
    config = RunConfig(out=Path('x'), stages=[PretrainConfig(backbone_lr_scale=0.0)])
    assert any('backbone_lr_scale is 0' in problem for problem in problems_of(config))
    config.stages[0].backbone_lr_scale = -1.0
    assert any('backbone_lr_scale is -1' in problem for problem in problems_of(config))
    config.stages = [
        PretrainConfig(name='a'),
        PretrainConfig(init_from='previous', backbone_lr_scale=0.0),
    ]
    assert not any('backbone_lr_scale' in problem for problem in problems_of(config))


def test_each_form_of_the_loss_that_may_be_asked_for_is_there():
    hints = typing.get_type_hints(PretrainConfig)
    assert {*typing.get_args(hints['si'])} == {*SI_FORMS}


def test_a_stage_of_smaller_images_has_the_same_camera_made_smaller():
    run = RunConfig(model=ModelConfig(canonical_fx=400.0), data=DataConfig(width=256))
    assert PretrainConfig(width=64).resolve(run).model.canonical_fx == 100.0
    assert PretrainConfig(height=64).resolve(run).model == run.model


def test_help_explains_every_setting(command, monkeypatch):
    monkeypatch.setenv('COLUMNS', '200')
    text = ' '.join(command('bicross', '--help').stdout.split())
    assert 'Train by the stages of a config, evaluate, and export a checkpoint.' in text
    for kind, prefix in ((RunConfig, ''), (TrainConfig, 'train.'), (DataConfig, 'data.')):
        for field in dataclasses.fields(kind):
            assert f'--{prefix}{field.name}' in text
    assert 'Peak of the learning rate, reached after the warm-up.' in text
    assert 'Planes a second.' in text
    assert '--target.help' in text
    config = ('--config', ROOT / 'training/configs/smoke.yaml')
    assert ' '.join(command('train', *config, '--help').stdout.split()) == text.replace(
        'bicross [--config', 'train [--config'
    )


def test_help_explains_the_settings_of_a_stage(command):
    text = ' '.join(command('bicross', '--stages.help').stdout.split())
    for name in ('kind', 'teacher', 'distil.fine', 'adapt.source_weight', 'adapt.views.gamma'):
        assert f'--stages.NAME.{name}' in text or f'--{name}' in text
    assert 'Labels that train the uncertainty' in text


def test_an_option_changes_a_stage_by_its_name(file):
    path = file(stages=[{'name': 'a'}, {'name': 'b', 'kind': 'cross_domain', 'init_from': 'a'}])
    options = ('--stages.b.adapt.threshold', '0.2', '--stages.b.steps=7', '--stages.a.steps=5')
    config = parse('--config', path, '--out', 'x', *options)
    assert [stage.steps for stage in config.stages] == [5, 7]
    assert config.stages[1].adapt.threshold == 0.2
    for option in ('--stages.c.steps', '--stages.steps', '--stages.b'):
        text = mistakes('--config', path, '--out', 'x', option, '7')
        assert f'{option}: expected --stages.NAME.SETTING, NAME being a or b' in text
    text = mistakes('--config', path, '--out', 'x', '--stages.b.stpes', '7')
    assert 'stages[1].stpes is unknown: did you mean steps?' in text


def test_settings_within_settings_are_read_and_checked(file):
    good = {'name': 'b', 'kind': 'cross_domain', 'init_from': 'a',
            'adapt': {'threshold': 0.2, 'views': {'gain': 2}}}  # fmt: skip
    path = file(stages=[{'name': 'a'}, good], target={'planes': [64], 'light': '5e-1'})
    config = parse('--config', path, '--out', 'x')
    assert config.stages[1].adapt.views.gain == 2
    assert config.target.light == 0.5
    bad = {**good, 'adapt': {'statistic': 'mixed', 'statistics': 'all', 'views': {'gain': 0.5}}}
    path = file(stages=[{'name': 'a'}, bad], target={'blur': -1, 'sensor': 'eye', 'planes': []})
    text = mistakes('--config', path, '--out', 'x')
    for expected in (
        'stages[1].adapt.statistic is unknown: did you mean statistics?',
        "stages[1].adapt.statistics is 'all': expected target or mixed or frozen",
        'stages[1].adapt.views.gain is 0.5: expected 1 or more',
        "target.sensor is 'eye': expected ideal or vidar_car",
        'target.planes is []',
        'target.blur is -1: expected 0 or more',
    ):
        assert expected in text


def test_null_is_no_target(file):
    path = file(target=None)
    assert parse('--config', path, '--out', 'x').target is None


def test_mistakes_end_with_status_2_and_without_a_traceback(command):
    result = command('bicross', '--train.steps', 'x', '--data.width', '1')
    assert result.returncode == 2
    assert 'Traceback' not in result.stderr
    for name in ('train.steps', 'data.width', 'out is missing', 'train --help'):
        assert name in result.stderr


def test_a_number_without_a_point_is_a_number_where_null_is_allowed_too(file):
    # YAML takes 4e-3 for a text.
    path = file(stages=[{'learning_rate': '4e-3', 'ema_decay': '1e-1'}], out='runs/x')
    (stage,) = parse('--config', path).stages
    assert (stage.learning_rate, stage.ema_decay) == (4e-3, 0.1)


@pytest.mark.parametrize(
    ('text', 'problem'),
    [
        ('[' * 50_000, 'nested more than 32 levels deep'),
        ('stages: &a [*a]', "alias 'a' is within the value that it repeats"),
        ('a: &a [1, 1]\n' + ''.join(f'{n}: &{n} [{m}, {m}]\n' for n, m in zip(
            'bcdefghijklmnopqrs', (f'*{m}' for m in 'abcdefghijklmnopqr'), strict=True)),
         'more than 100000 values'),
        ('seed: 2001-99-99', 'a value is not of its type'),
        ('train: {learning_rate: ' + '9' * 400 + '}', 'train.learning_rate is 999'),
        ('train: {steps: -' + '9' * 400 + '}', 'train.steps is -999'),
        ('"a\\nb\\e[2J": 1', r'a b\x1b[2J is unknown'),
    ],
)  # fmt: skip
def test_hostile_settings_are_refused_in_bounded_lines(tmp_path, text, problem):
    path = tmp_path / 'config.yaml'
    path.write_text(text)
    found = mistakes('--config', path, '--out', 'runs/x').split('\n')
    assert any(problem in line for line in found), found
    assert max(map(len, found)) < 1000


def test_thousands_of_mistakes_are_counted(tmp_path):
    path = tmp_path / 'config.yaml'
    path.write_text(''.join(f'unknown_{number}: 1\n' for number in range(5000)))
    found = mistakes('--config', path, '--out', 'runs/x').split('\n')
    assert found[0] == '5000 settings are wrong:'
    assert found[51] == '  and 4950 more'


@pytest.mark.parametrize(
    ('names', 'known'),
    [
        (Style, STYLES),
        (SensorName, SENSORS),
        (Transform, TRANSFORMS),
        (Interpolation, INTERPOLATORS),
    ],
)
def test_choices_are_what_there_is(names, known):
    assert {*get_args(names)} == {*known}


def test_an_option_that_each_stage_has_for_itself_is_refused(tmp_path):
    path = tmp_path / 'run.yaml'
    stages = [{'name': 'a', 'steps': 4, 'height': 32}, {'name': 'b', 'epochs': 2}]
    path.write_text(yaml.safe_dump({'stages': stages}))
    given = ['--config', str(path), '--out', 'x']
    with pytest.raises(ConfigError, match=r'train\.steps is given, .*: expected --stages\.a\.st'):
        read_arguments([*given, '--train.steps', '3'])
    with pytest.raises(ConfigError, match=r'--stages\.a\.steps and --stages\.b\.steps'):
        read_arguments([*given, '--train.steps=3'])
    assert read_arguments([*given, '--data.height', '48']).data.height == 48  # of stage b
    assert read_arguments([*given, '--stages.a.steps', '3']).stages[0].steps == 3
