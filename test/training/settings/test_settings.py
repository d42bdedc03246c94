# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line of a run: files, overrides, mistakes, help."""

import dataclasses
import functools
import typing
from pathlib import Path
from typing import get_args

import pytest
import yaml

from spike_depth_ros.base import schema
from spike_training.choices import Interpolation, SensorName, Split, Style, Transform
from spike_training.errors import ConfigError
from spike_training.learning.supervision import SI_FORMS
from spike_training.methods.bicross.settings import PretrainConfig
from spike_training.sampling.transforms import TRANSFORMS
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
from spike_worlds.generator import SPLITS, STYLES

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


HELP = 'See run.py train --help'
STEM = {'stages': [{'name': 'a'}]}
STEPS = {'schedule': 'steps', 'tensorboard': False, 'picture_every': 0}
LITE = {'architecture': 'unet_lite'}
LONGEST = 126 * ModelConfig().bins
REPEATED = ''.join(
    f'{n}: &{n} [*{m}, *{m}]\n'
    for n, m in zip('bcdefghijklmnopqrs', 'abcdefghijklmnopqr', strict=True)
)


def of(**stage):
    return {'stages': [{'name': 'a', **stage}]}


def two(**stage):
    """A stage, and one of cross_domain after it."""
    last = {'name': 'b', 'kind': 'cross_domain', 'init_from': 'a', **stage}
    return {'stages': [{'name': 'a'}, last], 'target': {}}


# What must be named, settings or the text of the file, options.
ROWS = {
    'a text for a number': ("train.steps is 'many'", {'train': {'steps': 'many'}}),
    'a number for a section': ('data is 3', {'data': 3}),
    'stages that are none': ("stages[1] is 'b'", {'stages': [{'name': 'a'}, 'b']}),
    'unknown: near another': ('stpes is unknown: did you mean steps', {'train': {'stpes': 3}}),
    'unknown: of a stage': ('inptu is unknown: did you mean input', of(inptu='rgb')),
    'unknown: of a run': ('sead is unknown: did you mean seed', {'sead': 3}),
    'unknown: far from all': ('evaluate.start is unknown', {'evaluate': {'start': 'previous'}}),
    'unknown: a size of the network': ('model.settings.stme is unknown',
        {'model': {'settings': {'stme': 3}}}),
    'unknown: a size of a stage': ('stages[0].settings.polo', of(settings={'polo': 1})),
    'renamed: baselines': ('evaluate.constant_scenes is now baseline_scenes',
        {'evaluate': {'constant_scenes': 20}}),
    'renamed: the end of the rate': ('train.final_share is now min_lr_ratio',
        {'train': {'final_share': 0.1}}),
    'renamed: of a stage': ('stages[0].start is now init_from', of(start='a')),
    'no option': ('-x: expected an option', {}, '-x'),
    'no folder': ('out is missing', {'train': {'steps': 'x'}}, '--out', ''),
    'no stage': ('stages is empty', {'stages': []}),
    'two of one name': ('two are named a', {'stages': [{'name': 'a'}, {'name': 'a'}]}),
    'a name with a space': ("stages[0].name is 'a b'", of(name='a b')),
    'nothing before the first': ("init_from is 'previous'", of(init_from='previous')),
    'no steps': ('stages[0].steps is 0', of(steps=0)),
    'a batch of nothing': ('evaluate.batch_size is 0', {'evaluate': {'batch_size': 0}}),
    'images of no width': ('data.width is 0', {'data': {'width': 0}}),
    'the width of a stage': ('stages[0].width is 40', of(width=40)),
    'rows between': ('data.height is 33', {'data': {'height': 33}}),
    'a style of elsewhere': ("data.styles[0] is 'moon'", {'data': {'styles': ['moon']}}),
    'one style twice': ("data.styles is ['indoor', 'indoor', 'road']",
        {'data': {'styles': ['indoor', 'indoor', 'road']}}),
    'no planes': ('data.planes is []', {'data': {'planes': []}}),
    'no planes of the target': ('target.planes is []', {'target': {'planes': []}}),
    'a rate of 0': ('data.rates_hz[1] is 0', {'data': {'rates_hz': [20000, 0]}}),
    'a rate below 0': ('data.rate_hz is -1', {'data': {'rate_hz': -1}}),
    'more planes than bins count': (f'data.planes is [64, {LONGEST + 1}]',
        {'data': {'planes': [64, LONGEST + 1]}, 'target': {'planes': [64]}}),
    'more planes of the target': (f'target.planes is [64, {LONGEST + 1}]',
        {'target': {'planes': [64, LONGEST + 1]}}),
    'depth that ends before it begins': ('model.max_depth is 80', {'model': {'min_depth': 90}}),
    'no clip': ('train.clip_norm is 0', {'train': {'clip_norm': 0}}),
    'all of the average': ('train.ema_decay is 1', {'train': {'ema_decay': 1}}),
    'betas of 1': ('train.betas[0] is 1', {}, '--train.betas', '[1.0, 2]'),
    'drops without their number': ('drop_every None', {'train': STEPS}),
    'drops of a cosine': ('drop_every 9', {'train': {'drop_every': 9}}),
    'no drops': ('train.drop_every is 0', {'train': {**STEPS, 'drop_every': 0}}),
    'scenes beside the batches': ('evaluate.scenes is 7', {'evaluate': {'scenes': 7}}),
    'eyes: a rate of 1': ('evaluate.stereo.mean_rates[1] is 1',
        {'evaluate': {'stereo': {'mean_rates': [0.2, 1.0]}}}),
    'eyes: no rate': ('mean_rates is []', {'evaluate': {'stereo': {'mean_rates': []}}}),
    'eyes: one rate twice': ('mean_rates is [0.2, 0.2]',
        {'evaluate': {'stereo': {'mean_rates': [0.2, 0.2]}}}),
    'eyes: disparities between': ('evaluate.stereo.disparities is 40',
        {'evaluate': {'stereo': {'disparities': 40}}}),
    'eyes: no disparity': ('disparities is 0', {'evaluate': {'stereo': {'disparities': 0}}}),
    'eyes: an unknown sensor': ("evaluate.stereo.sensor is 'eye'",
        {'evaluate': {'stereo': {'sensor': 'eye'}}}),
    'target: an unknown sensor': ("target.sensor is 'eye'", {'target': {'sensor': 'eye'}}),
    'target: blur below 0': ('target.blur is -1', {'target': {'blur': -1}}),
    'a seed above the largest': ('seed is 2147483648', {'seed': 1 << 31}),
    'a seed below 0': ('seed is -1', {'seed': -1}),
    'recordings: no reader': ('data.recordings.kiti is unknown',
        {'data': {'recordings': {'kiti': 'x'}}}),
    'recordings: a crop that is fixed': ('data.random_crop is true',
        {'data': {'transform': 'authors', 'random_crop': True}}),
    'recordings: a mean rate of 1': ('data.mean_rate is 1', {'data': {'mean_rate': 1}}),
    'recordings: tests alone': ('target.test_recordings is given',
        {'target': {'test_recordings': {'kitti': 'x'}}}),
    'recordings: rates': ('data.rates_hz is given',
        {'data': {'recordings': {'kitti': 'x'}, 'rates_hz': [10000.0]}}),
    'recordings: mixed with others': ('data.mixed_recordings is given',
        {'data': {'recordings': {'kitti': 'x'}, 'mixed_recordings': {'kitti': 'x'}}}),
    'recordings: styles of a stage': ('stages[0].styles is given',
        {'data': {'recordings': {'kitti': 'x'}}, **of(styles=['road'])}),
    'recordings: fog': ('target.fog_m is 4',
        {'target': {'recordings': {'kitti': 'x'}, 'fog_m': 4}}),
    'epochs and steps': ('stages[0].epochs is 3 and steps 2', of(epochs=3, steps=2)),
    'epochs of scenes': ('stages[0].epochs is given: procedural scenes have no', of(epochs=1)),
    'si_lambda above 1': ('stages[0].si_lambda is 2', of(si_lambda=2)),
    'within a stage: unknown': ('stages[1].adapt.statistic is unknown: did you mean statistics?',
        two(adapt={'statistic': 'mixed'})),
    'within a stage: a choice': ("stages[1].adapt.statistics is 'all'",
        two(adapt={'statistics': 'all'})),
    'within two: out of range': ('stages[1].adapt.views.gain is 0.5',
        two(adapt={'views': {'gain': 0.5}})),
    **{
        f'a pool of {pool!r}': (f'settings.pool is {pool!r}',
            {'model': {'settings': {'pool': pool}}})
        for pool in (0, 'two', None)
    },
    'images that the pool does not fit': ('48 x 192', of(height=48, settings={'pool': 2})),
    'a size below 0': ('model.settings.features2 is -1',
        {'model': {**LITE, 'settings': {'features2': -1}}}),
    'an unknown picture': ("stages[0].settings.picture is 'colour'",
        {'model': LITE, **of(settings={'picture': 'colour'})}),
    'imagenet of a tiny network': ("init_from is 'imagenet'", of(init_from='imagenet')),
    'a package of a large network': ("imagenet is 'package'",
        {'model': {'architecture': 'dpt_hybrid'}, **of(init_from='imagenet', imagenet='package')}),
    'a shipped model of another network': ("init_from is 'unet_lite', unet_lite of spikes",
        of(init_from='unet_lite')),
    'a stage named as a shipped model': (
        'is the name of an earlier stage and of a shipped model',
        {
            'model': LITE,
            'stages': [{'name': 'unet_lite'}, {'name': 'b', 'init_from': 'unet_lite'}],
        },
    ),
    'an encoder that has not learnt': ('backbone_lr_scale is 0', of(backbone_lr_scale=0)),
    'an encoder that unlearns': ('backbone_lr_scale is -1', of(backbone_lr_scale=-1)),
    **{
        f'the option {option}': (option, two(), option, '7')
        for option in ('--stages.c.steps', '--stages.steps', '--stages.b')
    },
    'an unknown setting of a stage, as an option': (
        'stages[1].stpes is unknown: did you mean steps?',
        two(),
        '--stages.b.stpes',
        '7',
    ),
    **{
        f'an option that each stage has, {option}': (
            'train.steps is given, and each stage has its own',
            {'stages': [{'name': 'a', 'steps': 4}, {'name': 'b', 'epochs': 2}]},
            *option.split(),
        )
        for option in ('--train.steps 3', '--train.steps=3')
    },
    'hostile: deep': ('config.yaml: nested more than 32 levels deep', '[' * 50000),
    'hostile: within itself': ("alias 'a' is within the value", 'stages: &a [*a]'),
    'hostile: many': ('config.yaml: holds more than 100000 values', f'a: &a [1, 1]\n{REPEATED}'),
    'hostile: a date of no month': ('a value is not of its type', 'seed: 2001-99-99'),
    'hostile: a large number': ('rate is 999', f"train: {{learning_rate: {'9' * 400}}}"),
    'hostile: a small number': ('train.steps is -999', f"train: {{steps: -{'9' * 400}}}"),
    'hostile: control codes': ('a b\\x1b[2J is unknown', '"a\\nb\\e[2J": 1'),
    'no settings': ('config.yaml: expected settings', '[]'),
}  # fmt: skip


def test_settings_that_are_wrong_are_named(tmp_path, refusals):
    """Each problem of a row in the one line; hostile ones in bounded lines."""

    def told(settings, *options):
        path = tmp_path / 'config.yaml'
        whole = settings if isinstance(settings, str) else yaml.safe_dump(STEM | settings)
        path.write_text(whole)
        head, *found = mistakes('--config', path, '--out', 'x', *options).split('\n')
        number = len(found) - (found[-1] == HELP)
        assert head == ('a setting is wrong:' if number == 1 else f'{number} settings are wrong:')
        assert max(map(len, found)) < 1000
        return '; '.join(line.strip() for line in found[:number])

    rows = {name: (row[0], functools.partial(told, *row[1:])) for name, row in ROWS.items()}
    differing = {'9{300,}': '<400 nines>', 'type: month .*': 'type: <reason>'}
    refusals('run_settings', rows, None, differing)


def test_all_mistakes_are_named_at_once(file):
    """Of each section and of all stages, with those of options."""
    wrong = [row for row in ROWS.values() if isinstance(row[1], dict) and len(row) == 2]
    merged = {'stages': []}
    for _, settings in wrong:
        for key, value in settings.items():
            if key == 'stages':
                merged['stages'] += value
            elif isinstance(value, dict):
                merged[key] = value | merged.get(key, {})
    text = mistakes('--config', file(**merged, sead=3), '--train.betas', '[1.0, 2]', '-x')
    for expected in (
        'train.stpes is unknown', 'train.betas[0] is 1', 'data.height is 33',
        'model.max_depth is 80', 'evaluate.batch_size is 0', 'target.blur is -1',
        'sead is unknown', 'inptu is unknown', "name is 'a b'", 'adapt.views.gain is 0.5',
        '-x: expected an option', 'out is missing',
    ):  # fmt: skip
        assert expected in text
    assert len(text.splitlines()) > 40


def test_thousands_of_mistakes_are_counted(tmp_path):
    path = tmp_path / 'config.yaml'
    path.write_text(''.join(f'unknown_{number}: 1\n' for number in range(5000)))
    found = mistakes('--config', path, '--out', 'runs/x').split('\n')
    assert found[0] == '5000 settings are wrong:'
    assert found[51] == '  and 4950 more'


GOOD = (
    {'train': {**STEPS, 'drop_every': 9}},
    {'data': {'planes': [64, LONGEST]}, 'target': {'planes': [64, LONGEST]}},
    {'model': {**LITE, 'settings': {'features2': 24, 'picture': 'three_rates'}}},
    {'model': {'architecture': 'dpt_hybrid'}, **of(init_from='imagenet')},
    {'model': LITE, **of(init_from='imagenet', imagenet='package')},
    {'model': LITE, **of(name='affine', init_from='unet_lite', trainable='affine')},
    {'stages': [{'name': 'a'}, {'name': 'b', 'init_from': 'previous', 'backbone_lr_scale': 0}]},
    of(styles=['indoor', 'indoor', 'road']),
)  # fmt: skip


@pytest.mark.parametrize('settings', GOOD, ids=range(len(GOOD)))
def test_settings_beside_them_are_taken(file, settings):
    check(parse('--config', file(**STEM | settings), '--out', 'x'))


def test_settings_within_settings_are_read(file):
    settings = two(adapt={'threshold': 0.2, 'views': {'gain': 2}})
    settings['target'] = {'planes': [64], 'light': '5e-1'}
    path = file(**settings, evaluate={'stereo': {'disparities': 96}})
    config = parse('--config', path, '--out', 'x')
    assert config.stages[1].adapt.views.gain == 2
    assert config.target.light == 0.5
    assert RunConfig().evaluate.stereo is None
    assert config.evaluate.stereo == StereoConfig(disparities=96)


def test_an_adaptation_to_two_eyes_needs_no_stage():
    (path,) = [path for path in CONFIGS if path.stem == 'adapt_stereo']
    assert load_config(path, least_stages=0).stages == []
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    wanted = f'{path}: a setting is wrong:\n  stages is empty: expected one or more'
    assert str(caught.value) == wanted


def test_an_option_that_one_stage_has_not_is_its(file):
    path = file(stages=[{'name': 'a', 'steps': 4, 'height': 32}, {'name': 'b', 'epochs': 2}])
    options = ('--data.height', '48', '--stages.a.steps', '3')
    config = parse('--config', path, '--out', 'x', *options)
    assert (config.data.height, config.stages[0].steps) == (48, 3)


def test_a_missing_package_is_named_with_its_way_out(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    assert [*schema.problems_of(TrainConfig())] == [
        'tensorboard is true: install tensorboard, or set it to false',
        'picture_every is 500: install cv2 and PIL, or set it to 0',
    ]


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


def test_the_written_config_gives_the_same_run_again(tmp_path, file):
    path = file(train={'betas': [0.5, 0.6], 'learning_rate': '1e-3'}, data={'planes': [16, 64]})
    config = parse('--config', path, '--out', tmp_path)
    written = tmp_path / 'written.yaml'
    written.write_text(to_yaml(config))
    assert parse('--config', written) == config
    assert load_config(written) == config


def test_a_stage_replaces_a_part_of_the_common_settings():
    stage = PretrainConfig(steps=3, learning_rate=0.5, warmup_steps=1, width=64)
    run = RunConfig(
        out=Path('x'), train=TrainConfig(batch_size=5), data=DataConfig(height=96),
        target=TargetConfig(styles=['road']), seed=4,
    )  # fmt: skip
    here = run.resolve(stage)
    assert here.train == TrainConfig(steps=3, batch_size=5, learning_rate=0.5, warmup_steps=1)
    assert here.data == DataConfig(height=96, width=64)
    assert here.target_data == DataConfig(height=96, width=64, styles=['road'])
    assert (here.seed, here.folder) == (4, Path('x/pre_src'))


@pytest.mark.parametrize(('domain', 'widths'), [('source', [64]), ('target', [64])])
def test_a_stage_knows_the_data_of_its_domains(domain, widths):
    stage = PretrainConfig(domain=domain, width=64)
    here = RunConfig(target=TargetConfig(styles=['road'])).resolve(stage)
    assert [data.width for data in here.domains] == widths
    assert (here.domains[0].styles == ['road']) == (domain == 'target')


def test_differences_are_named_in_full_with_both_values():
    one, other = {'a': {'b': 1, 'c': [2]}, 'd': None}, {'a': {'b': 3, 'c': [2]}, 'e': True}
    assert [*differences(one, other)] == [
        ('a.b', 1, 3), ('d', None, ABSENT), ('e', ABSENT, True),
    ]  # fmt: skip


def test_a_stage_may_differ_in_styles_and_sizes_of_the_network():
    twice = ['indoor', 'indoor', 'road']
    stage = PretrainConfig(height=48, settings={'pool': 1}, styles=twice)
    config = RunConfig(out=Path('x'), stages=[stage])
    config.model.settings = {'pool': 2, 'dim': 96}
    assert config.resolve(stage).model.settings == {'pool': 1, 'dim': 96}
    assert config.resolve(stage).data.styles == twice
    assert problems_of(config) == []


def test_each_form_of_the_loss_that_may_be_asked_for_is_there():
    hints = typing.get_type_hints(PretrainConfig)
    assert {*typing.get_args(hints['si'])} == {*SI_FORMS}


def test_a_stage_of_smaller_images_has_the_same_camera_made_smaller():
    run = RunConfig(model=ModelConfig(canonical_fx=400.0), data=DataConfig(width=256))
    assert run.resolve(PretrainConfig(width=64)).model.canonical_fx == 100.0
    assert run.resolve(PretrainConfig(height=64)).model == run.model


def test_help_explains_every_setting(command, monkeypatch):
    monkeypatch.setenv('COLUMNS', '200')
    text = ' '.join(command('bicross', '--help').stdout.split())
    assert 'Train by the stages of a config, evaluate, and export a checkpoint.' in text
    for kind, prefix in (
        (RunConfig, ''), (TrainConfig, 'train.'), (DataConfig, 'data.'), (TargetConfig, 'target.'),
    ):  # fmt: skip
        for field in dataclasses.fields(kind):
            assert f'--{prefix}{field.name}' in text
    assert 'Peak of the learning rate, reached after the warm-up.' in text
    assert 'Planes a second.' in text
    config = ('--config', ROOT / 'training/configs/smoke.yaml')
    assert ' '.join(command('train', *config, '--help').stdout.split()) == text.replace(
        'run.py bicross', 'run.py train'
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
    ('names', 'known'),
    [
        (Style, STYLES),
        (Split, SPLITS),
        (SensorName, SENSORS),
        (Transform, TRANSFORMS),
        (Interpolation, INTERPOLATORS),
    ],
)
def test_choices_are_what_there_is(names, known):
    assert {*get_args(names)} == {*known}
