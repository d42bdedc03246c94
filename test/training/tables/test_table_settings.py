# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a table's settings mean, and everything that can be wrong with them."""

import dataclasses
import functools
import operator
from pathlib import Path

import pytest
import yaml

from kit.toy_method import ToyConfig
from spike_depth_ros.checkpoint import default_checkpoint, load, save
from spike_training.errors import DataSetError
from spike_training.methods.bicross.settings import AdaptConfig
from spike_training.settings.reading import load_config
from spike_training.tables.paper import FOLDER, read_paper
from spike_training.tables.plan import load_table
from spike_training.tables.units import units_of

CONFIGS = Path(__file__).resolve().parents[3] / 'training' / 'configs'
TOY = 'kit.toy_method:METHOD.toy'
TABLES = sorted((CONFIGS / 'tables').glob('*.yaml'))

FULL = {'coarse': True, 'fine': 'mse', 'filter': True}
"""CFKD with its filter."""

WHOLE = {'filter': True, 'pseudo_weight': 1.0, 'alignment_weight': 0.1}
"""SCTS with its filter."""

EXPERIMENTS = {
    # Name: CFKD, SCTS (Tables V to VII); None: that phase is left out.
    'Ex1': ({**FULL, 'filter': False}, None),
    'Ex2': (FULL, None),
    'Ex3': (None, {**WHOLE, 'filter': False}),
    'Ex4': (None, WHOLE),
    'Ex5': ({**FULL, 'filter': False}, {**WHOLE, 'filter': False}),
    'Ex6': (FULL, {**WHOLE, 'filter': False}),
    'Ex7': ({**FULL, 'filter': False}, WHOLE),
    'Ex8': (FULL, WHOLE),
    'Ex9': ({**FULL, 'fine': 'off'}, None),
    'Ex10': ({**FULL, 'coarse': False}, None),
    'Ex11': (FULL, {**WHOLE, 'alignment_weight': 0}),
    'Ex12': (FULL, {**WHOLE, 'pseudo_weight': 0}),
}


TEACHER = {'name': 'a', 'stage': 'teacher'}
PICTURES = {'model': {'architecture': 'recon_lite', 'bins': 41}, 'data': {'planes': [41]}}
HYBRID = {'dim': 48, 'layers': 4, 'heads': 3, 'features': 8, 'temporal_features': 8}
NO_NORM = {'model': {'architecture': 'dpt_hybrid', 'settings': HYBRID}}
PRE_SRC = {'pre_src': {'like': 'teacher', 'input': 'spikes'}}


def like(name, other='teacher', row=False, **settings):
    """A stage like another one, and a row of it."""
    found = {'stages': {name: {'like': other, **settings}}}
    return {**found, 'rows': [{'name': name, 'stage': name}]} if row else found


def claim(**settings):
    """A claim of the row a and one beside it."""
    return {'rows': [{'name': 'b', 'stage': 'teacher'}], 'claims': [{'row': 'a', **settings}]}


ADABN = [
    {'name': name, 'stage': 'pre_src', 'adabn': True, 'override': override}
    for name, override in (
        ('own', {}),
        ('twin', {'model': {'settings': {'norm': 'batch'}}}),
        # Another architecture has nothing of the sizes of the base's.
        ('tiny', {'model': {'architecture': 'dpt_tiny', 'settings': {'dim': 48, 'stem': 8}}}),
    )
]

# What must be named, and settings beside those of a good table of the row a.
MISTAKES = {
    'unknown': ('sedes is unknown: did you mean seeds?', {'sedes': [1]}),
    'one seed twice': ('seeds is [0, 0]', {'seeds': [0, 0]}),
    'no seed': ('seeds is []', {'seeds': []}),
    'a seed above the largest': ('seeds[0] is 2147483648', {'seeds': [2 ** 31]}),
    'no base': ("base is ''", {'base': ''}),
    'no rows': ('rows is []', {'rows': None}),
    'override: a seed': ('override.seed is given', {'override': {'seed': 3}}),
    'override: unknown': ('override.train.stpes is unknown: did you mean steps?',
        {'override': {'train': {'stpes': 3}}}),
    'override: another type': ("override.train.steps is 'many'",
        {'override': {'train': {'steps': 'many'}}}),
    'reference that is near a row': ("reference is 'pre_srcc'",
        {**like('pre_src', row=True), 'reference': 'pre_srcc'}),
    'reference without a stage': ("reference is 'median'",
        {'rows': [{'name': 'median'}], 'reference': 'median'}),
    'paper: unknown': ('paper.table is unknown: did you mean tables?',
        {'paper': {'file': 'bicross', 'tables': ['I'], 'table': 'I'}}),
    'paper: no file': ("paper.file is 'nope'", {'paper': {'file': 'nope', 'tables': ['I']}}),
    'paper: a row near one': (
        "rows[1].paper is 'Pre_scr'",
        {
            'rows': [{'name': 'b', 'stage': 'teacher', 'paper': 'Pre_scr'}],
            'paper': {'file': 'bicross', 'tables': ['I']},
        },
    ),
    'paper: of a table without': ("rows[1].paper is 'RGB'",
        {'rows': [{'name': 'b', 'stage': 'teacher', 'paper': 'RGB'}]}),
    'stage: no settings': ('stages.f is 3', {'stages': {'f': 3}}),
    'stage: like none': ("stages.b.like is 'teachr'", like('b', 'teachr')),
    'stage: like itself': ('is like itself: a <- b <- a',
        {'stages': {'a': {'like': 'b'}, 'b': {'like': 'a'}}}),
    'stage: of the base, like another': ("stages.teacher.like is 'bicross'",
        like('teacher', 'bicross')),
    'stage: unknown and out of range': ('stages.ex1.distil.weight is -1',
        like('ex1', 'mono_cross', row=True, distil={'filtr': False, 'weight': -1})),
    'stage: of no method': ("stages.b.kind is 'nope.rgb'", like('b', kind='nope.rgb')),
    'stage: of no kind': ("stages.b.kind is 'bicross.rgb'", like('b', kind='bicross.rgb')),
    'stage: previous': ("stages.g.init_from is 'previous'", like('g', init_from='previous')),
    'stage: builds on itself': (
        'stages.c builds on itself: c <- d <- c',
        {
            'stages': {
                'c': {'like': 'teacher', 'init_from': 'd'},
                'd': {'like': 'teacher', 'init_from': 'c'},
            },
            'rows': [{'name': 'c', 'stage': 'c'}],
        },
    ),
    'stage: builds on none': ("stages.e.init_from is 'nowhere'",
        like('e', 'bicross', row=True, init_from='nowhere')),
    'stage: a setting of another kind': ('stages.h.domain is given',
        like('h', 'mono_cross', row=True, domain='target')),
    'row: no settings': ("rows[1] is 'x'", {'rows': ['x']}),
    'row: one name twice': ('rows: 2 are named a', {'rows': [TEACHER]}),
    'row: a name with a space': ("rows[1].name is 'a b'", {'rows': [{**TEACHER, 'name': 'a b'}]}),
    'row: no stage of that name': ("rows[1].stage is 'mono_cros'",
        {'rows': [{'name': 'b', 'stage': 'mono_cros'}]}),
    'row: statistics of a baseline': (
        'rows[1].stage is null beside adabn, matched_scale, post_process, mean_with, ',
        {'rows': [{'name': 'median_depth', 'adabn': True}]},
    ),
    'row: a baseline with a stage': ('rows[1].baseline is median_depth: expected it in a row ',
        {'rows': [{**TEACHER, 'name': 'b', 'baseline': 'median_depth'}]}),
    'row: override that is misplaced or unknown': ('rows[1].override.out is given',
        {'rows': [{**TEACHER, 'name': 'o', 'override': {'model2': {}, 'out': 'x'}}]}),
    'row: another network': ("row o: model.architecture is 'moon'",
        {'rows': [{**TEACHER, 'name': 'o', 'override': {'model': {'architecture': 'moon'}}}]}),
    'row: some without a target': ('some rows have a target',
        {'rows': [{**TEACHER, 'name': 't', 'override': {'target': None}}]}),
    'rows of pictures and of depth': (
        'rows are of the tasks depth and image',
        {
            'stages': {'image': {'kind': 'ssml.held_out'}},
            'rows': [{'name': 'image', 'stage': 'image', 'override': PICTURES}],
        },
    ),
    'adabn without batch norm': ('row own: adabn is true, but dpt_hybrid has no batch norm',
        {'override': NO_NORM, 'stages': PRE_SRC, 'rows': ADABN}),
    'adabn without a target': ('row b: adabn is true',
        {'override': {'target': None}, 'rows': [{**TEACHER, 'name': 'b', 'adabn': True}]}),
    **{f'several {name}': (f'{name} is 2', {'base': {name: 2}}) for name in ('devices', 'nodes')},
    'base: mistakes of its own': ('base base.yaml: train.stpes is unknown: did you mean steps?',
        {'base': {'train': {'stpes': 3}}, 'seeds': []}),
    'base: a stage with a mistake': (
        'base base.yaml: stages[0].nname is unknown: did you mean name?',
        {'base': {'stages': [{'nname': 'a'}]}, 'rows': None},
    ),
    'claim: of nothing': ('claims[0].below is []', {'claims': [{'row': 'a', 'below': []}]}),
    'claim: numbers': ('claims[0].times is 0', claim(below=['b'], by=-1, times=0)),
    'claim: both ways': (
        'claims[0].below is given and so is above', claim(below=['b'], above=['b'])
    ),
    'claim: of no row': ("claims[0] has 'p'", {'claims': [{'row': 'p', 'below': ['aa']}]}),
    'claim: a metric of pictures': ("claims[0].metric is 'psnr'",
        claim(below=['b'], metric='psnr')),
    'claim: near a metric': ("claims[0].metric is 'scaled_abs_re'",
        claim(below=['b'], metric='scaled_abs_re')),
    'claim: higher is better': ('claims[0].below is given', claim(below=['b'], metric='delta2')),
    'claim: lower is better': ('claims[0].above is given: expected below', claim(above=['b'])),
}  # fmt: skip


def merged(parts):
    """One table's settings: lists one after the other, mappings side by side."""
    table = {'rows': [TEACHER], 'reference': 'a'}
    for part in parts:
        for key, value in part.items():
            known = key in table and type(value) is type(table[key])
            merge = operator.or_ if isinstance(value, dict) else operator.add
            table[key] = merge(table[key], value) if known and key != 'reference' else value
    return table


@pytest.fixture
def file(tmp_path):
    def write(**settings):
        path = tmp_path / 'table.yaml'
        path.write_text(yaml.safe_dump({'base': str(CONFIGS / 'smoke.yaml'), **settings}))
        return path

    return write


def rows_of(path):
    return {row.settings.name: row for row in load_table(path).rows}


@functools.cache
def shipped(table):
    """Rows of a shipped table by name, planned once; no test changes them."""
    return rows_of(CONFIGS / 'tables' / f'{table}.yaml')


def chain(row):
    return [stage.name for stage in row.config.stages]


@pytest.mark.parametrize('path', TABLES, ids=lambda path: path.stem)
def test_shipped_tables_are_good(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    info, weights = load(default_checkpoint())
    before = dataclasses.replace(info, settings={**info.settings, 'upsampling': 'convex'})
    save(tmp_path / 'unet_lite_557f2af.safetensors', weights, before)  # of which metadata are read
    if path.stem == 'paper':
        # All is well but for the data sets, which are looked for last.
        with pytest.raises(DataSetError, match='vkitti'):
            load_table(path)
    else:
        assert load_table(path).rows


def test_the_rows_of_mini_are_what_they_say():
    rows = shipped('mini')
    assert {name: chain(row) for name, row in rows.items() if not row.settings.adabn} == {
        'median_depth': [],
        'constant': [],
        'rgb_only': ['teacher'],
        'pre_src': ['pre_src'],
        'pre_src_long': ['pre_src_long'],
        'rgb_init': ['teacher', 'rgb_init'],
        'mono_cross': ['teacher', 'mono_cross'],
        'no_pseudo': ['teacher', 'mono_cross', 'no_pseudo'],
        'bicross': ['pre_src', 'teacher', 'mono_cross', 'bicross'],
        'matched_pseudo': ['pre_src', 'teacher', 'mono_cross', 'matched_pseudo'],
        'bicross_long': ['pre_src', 'teacher', 'mono_cross', 'bicross_long'],
        'bicross_landed': ['teacher', 'mono_cross', 'bicross_landed'],
        'generic': ['pre_src', 'teacher', 'mono_cross', 'generic'],
        'bicross_slow': ['teacher', 'mono_cross', 'bicross_slow'],
        'bicross_paper_exact': ['teacher_paper_exact', 'mono_paper_exact', 'bicross_paper_exact'],
        'supervised': ['supervised'],
    }
    steps = {name: sum(s.steps for s in row.config.stages) for name, row in rows.items()}
    assert steps['pre_src_long'] == steps['supervised'] == steps['bicross_landed']
    assert steps['pre_src'] == rows['rgb_only'].config.stages[0].steps
    last = {name: row.config.stages[-1] for name, row in rows.items() if row.config.stages}
    assert (last['rgb_init'].kind, last['rgb_init'].init_from) == ('pretrain', 'teacher')
    assert last['rgb_init'].learning_rate == last['mono_cross'].learning_rate
    assert last['no_pseudo'].adapt.pseudo_weight == 0
    assert [name for name, stage in last.items() if stage.batches.domain == 'target'] == [
        'supervised'
    ]


def test_the_printed_row_is_that_of_mini_paper_exact():
    printed = load_config(CONFIGS / 'mini_paper_exact.yaml')
    row = shipped('mini')['bicross_paper_exact'].config
    for stage, other in zip(row.stages, printed.stages, strict=True):
        names = {'name': other.name, 'init_from': other.init_from}
        if other.kind == 'cross_modality':
            names['teacher'] = other.teacher
        own = row.resolve(stage).train
        assert dataclasses.replace(own, prefetch=0, picture_every=0) == dataclasses.replace(
            printed.resolve(other).train, prefetch=0, picture_every=0, tensorboard=False
        )
        names['learning_rate'] = stage.learning_rate  # of the run there
        assert dataclasses.replace(stage, **names) == dataclasses.replace(
            other, learning_rate=stage.learning_rate
        )
    assert row.model == printed.model
    assert row.data == dataclasses.replace(printed.data, styles=['road'])
    lens = {'light': 1.0, 'contrast': 0.3, 'vignette': 0.8, 'blur': 0.0, 'sensor': 'ideal'}
    assert row.target == dataclasses.replace(printed.target, **lens)


def test_mini_paper_exact_resolves_to_what_is_printed():
    """Equations 2 to 8 and section IV-A, wherever the paper has a value or a form."""
    config = load_config(CONFIGS / 'mini_paper_exact.yaml')
    last = config.stages[-1]
    for stage in config.stages:
        train = config.resolve(stage).train
        assert train.learning_rate == 1e-4  # of the decoder
        assert train.learning_rate * stage.backbone_lr_scale == pytest.approx(1e-5)
        assert (train.weight_decay, train.betas) == (0, (0.9, 0.999))  # Adam
        assert train.ema_decay == 0
        assert stage.si == 'plain'
        assert (stage.sky_weight, stage.uncertainty_weight) == (1, 1)
        assert stage.gradient_weight == 0
        assert stage.uncertainty_limit is None  # Eq. 2
    distil = config.stages[1].distil
    assert (distil.weight, distil.fine, distil.coarse, distil.filter) == (
        0.1, 'paper_exact', True, True
    )  # fmt: skip
    adapt = last.adapt
    assert (adapt.teacher_decay, adapt.teacher_warmup) == (0.999, False)  # Eq. 4
    assert (adapt.pseudo_pixels, adapt.filter) == ('all', True)  # Eq. 5
    assert (adapt.pseudo_weight, adapt.alignment_weight) == (1, 0.1)  # Eq. 8
    assert (adapt.source_weight, adapt.uncertainty) == (0, 'pseudo')
    assert (adapt.deploy, adapt.adabn_batches, adapt.remove_drift) == ('student', 0, False)
    views = adapt.views
    assert views.flip
    assert (views.gain, views.gamma) == (1, 1)
    assert not any((views.vignette, views.mismatch, views.dark, views.hot, views.drop))


@pytest.mark.parametrize('name', EXPERIMENTS)
def test_each_experiment_switches_what_the_paper_switches(name):
    row = shipped('ablations_mini')[name.lower()]
    assert row.settings.paper == name
    by_kind = {stage.kind: stage for stage in row.config.stages}
    distil, adapt = EXPERIMENTS[name]
    for kind, part, expected in (('cross_modality', 'distil', distil),
                                 ('cross_domain', 'adapt', adapt)):  # fmt: skip
        if expected is None:
            assert kind not in by_kind
        else:
            found = getattr(by_kind[kind], part)
            assert {key: getattr(found, key) for key in expected} == expected
    assert row.config.stages[0].input == 'rgb'
    assert row.config.stages[-1].kind == ('cross_domain' if adapt else 'cross_modality')


def test_every_row_of_the_ablations_of_the_paper_is_there():
    rows = shipped('ablations_mini')
    paper = read_paper(FOLDER / 'bicross.yaml', [])
    wanted = {row.name for number in ('V', 'VI', 'VII') for row in paper.table(number).rows}
    assert {row.settings.paper for row in rows.values()} - {None} == wanted


def test_a_stage_like_one_of_another_method_has_its_common_settings(file):
    path = file(
        stages={
            'toy': {
                'like': 'bicross',
                'kind': TOY,
                'init_from': 'scratch',
            },
            'more': {'like': 'toy', 'weight': 0.25},
            'own': {'like': 'teacher', 'kind': 'bicross.pretrain'},
            'back': {'like': 'toy', 'kind': 'cross_domain', 'init_from': 'toy'},
        },
        rows=[{'name': name, 'stage': name} for name in ('more', 'teacher', 'own', 'back')],
        reference='more',
    )
    rows = rows_of(path)
    stage = rows['more'].config.stages[-1]
    assert type(stage) is ToyConfig
    assert (stage.kind, stage.weight) == (TOY, 0.25)
    assert stage.steps == 60  # as bicross of the base
    assert rows['back'].config.stages[-1].adapt == AdaptConfig()  # was not kept on the way
    # With and without its own method, a kind is the same.
    teacher, own = (rows[name].config.stages[-1] for name in ('teacher', 'own'))
    assert dataclasses.replace(own, name='teacher') == teacher


def test_tables_share_the_stages_that_are_the_same(tmp_path):
    mini, ablations = shipped('mini'), shipped('ablations_mini')
    for one, other in (('bicross_landed', 'ex8'), ('no_pseudo', 'ex12'), ('rgb_init', 'rgb_init')):
        first, second = units_of(mini[one], 1, tmp_path), units_of(ablations[other], 1, tmp_path)
        assert first == second


def test_trainings_that_see_no_target_are_shared_by_rows_of_several(tmp_path):
    mini, scenarios = shipped('mini'), shipped('scenarios')
    for name, shared in (
        ('pre_src_long', 1),
        ('mono_cross', 2),
        ('bicross', 3),
        ('bicross_landed', 2),
        ('supervised', 0),
    ):
        units = [
            units_of(row, 0, tmp_path)
            for row in (mini[name], scenarios[f'fog_{name}'], scenarios[f'places_{name}'])
        ]
        assert len({unit.folder for unit in units}) == 3
        assert len({unit.settings_hash for unit in units}) == 3
        assert all(unit.config.target for unit in units)
        trainings = [{one.folder for one in unit.needs} for unit in units]
        assert len(set.intersection(*trainings)) == shared, name


def test_a_stage_of_the_base_is_changed_for_all_that_are_like_it(file):
    path = file(
        stages={'mono_cross': {'steps': 7}, 'more': {'like': 'mono_cross', 'learning_rate': 1}},
        rows=[{'name': 'a', 'stage': 'bicross'}, {'name': 'b', 'stage': 'more'}],
        reference='a',
    )
    rows = rows_of(path)
    assert [stage.steps for stage in rows['a'].config.stages] == [120, 7, 60]
    last = rows['b'].config.stages[-1]
    assert (last.name, last.steps, last.learning_rate) == ('more', 7, 1)
    assert last.teacher == 'teacher'


def test_overrides_are_of_all_rows_or_of_one(file):
    path = file(
        override={'train': {'batch_size': 4}, 'data': {'height': 32}},
        rows=[
            {'name': 'a', 'stage': 'teacher'},
            {'name': 'b', 'stage': 'teacher', 'override': {'train': {'clip_norm': 3.0}}},
        ],
        reference='a',
    )
    found = [
        (row.config.train.batch_size, row.config.data.height, row.config.train.clip_norm)
        for row in rows_of(path).values()
    ]
    assert found == [(4, 32, 1.0), (4, 32, 3.0)]


def test_previous_of_the_base_is_the_stage_before(tmp_path):
    base = tmp_path / 'base.yaml'
    stages = [{'name': 'a'}, {'name': 'b', 'init_from': 'previous'}]
    base.write_text(yaml.safe_dump({'stages': stages, 'target': {}}))
    table = tmp_path / 'table.yaml'
    rows = [{'name': 'r', 'stage': 'c'}]
    table.write_text(yaml.safe_dump({
        'base': 'base.yaml', 'reference': 'r', 'rows': rows, 'stages': {'c': {'like': 'b'}},
    }))  # fmt: skip
    assert chain(rows_of(table)['r']) == ['a', 'c']


def test_mistakes_are_named(file, tmp_path, table_problems, refusals):
    smoke = yaml.safe_load((CONFIGS / 'smoke.yaml').read_text())

    def told(settings):
        settings = merged([settings])
        if isinstance(settings.get('base'), dict):
            (tmp_path / 'base.yaml').write_text(yaml.safe_dump(smoke | settings['base']))
            settings['base'] = 'base.yaml'
        return table_problems(file(**settings | {'rows': settings['rows'] or []}))

    rows = {name: (named, functools.partial(told, one)) for name, (named, one) in MISTAKES.items()}
    rows['no file'] = 'none.yaml', functools.partial(table_problems, tmp_path / 'none.yaml')
    refusals('table', rows, None)


def test_all_mistakes_are_named_at_once(file, table_problems):
    """Of all parts of a table, each once, though several rows have a stage."""
    expected = {
        'unknown': 'sedes is unknown',
        'override: a seed': 'override.seed is given',
        'paper: unknown': 'paper.table is unknown',
        'stage: no settings': 'stages.f is 3',
        'stage: unknown and out of range': 'stages.ex1.distil.weight is -1',
        'stage: builds on itself': 'stages.c builds on itself',
        'stage: a setting of another kind': 'stages.h.domain is given',
        'row: one name twice': 'rows: 2 are named a',
        'row: no stage of that name': "stage is 'mono_cros'",
        'row: another network': "row o: model.architecture is 'moon'",
        'row: some without a target': 'some rows have a target',
        'claim: of nothing': 'claims[0].below is []',
    }
    table = merged(MISTAKES[name][1] for name in expected)
    table['rows'].append({'name': 'again', 'stage': 'ex1'})
    text = table_problems(file(**table))
    assert {told: text.count(told) for told in expected.values()} == dict.fromkeys(
        expected.values(), 1
    )


def test_rows_of_another_task_are_not_scored(file, monkeypatch, table_problems):
    monkeypatch.setattr(ToyConfig, 'task', 'stereo')
    rows = [{'name': 'a', 'stage': 'toy'}]
    told = table_problems(file(stages={'toy': {'kind': TOY}}, rows=rows, reference='a'))
    assert 'rows are of the tasks stereo: expected depth or fused or' in told


@pytest.mark.parametrize(
    ('table', 'row', 'folder'),
    [
        ('mini', 'no_pseudo', 'figures_of_no_pseudo_0_423a431e689c'),
        ('mini', 'pre_src_long_adabn', 'figures_of_pre_src_long_adabn_0_b69ac51ee214'),
        ('ssml', 'ssml_no_gates', 'figures_of_mutual_ssml_0_6755050a0eb2'),
        ('smoke', 'wider', 'figures_of_pre_src_0_0e302b9e0d77'),
        ('additions', 'half_homes', 'figures_of_large_0_009bf7002c66'),
        ('ablations_mini', 'ex1', 'figures_of_ex1_0_da05c20f4ea0'),
    ],
)
def test_folders_of_earlier_versions_are_used_again(table, row, folder, monkeypatch):
    """The hash of a unit's settings, which names its folder, does not change."""
    monkeypatch.setattr('spike_depth_ros.__version__', '0.1.0')
    units = units_of(shipped(table)[row], 0, Path())
    assert units.folder.name == folder


def test_a_later_setting_names_another_folder_once_it_is_set():
    row = shipped('mini')['bicross_landed']
    stage = row.config.stages[-1]
    folders = {units_of(row, 0, Path()).folder}
    for changes in ({'source_views': 'matched'}, {'pseudo_from': 0.5}, {'pseudo_mirrored': True}):
        adapt = dataclasses.replace(stage.adapt, **changes)
        stages = [*row.config.stages[:-1], dataclasses.replace(stage, adapt=adapt)]
        config = dataclasses.replace(row.config, stages=stages)
        folders.add(units_of(dataclasses.replace(row, config=config), 0, Path()).folder)
    assert len(folders) == 4


class TestWithoutTarget:
    """Rows of networks that are compared on their own scenes."""

    def test_rows_are_compared_on_the_source(self):
        for name, domain in (('dpn', 'source'), ('mini', 'target')):
            assert {row.domain for row in shipped(name).values()} == {domain}

    def test_what_is_done_before_is_another_scoring_of_one_training(self, tmp_path):
        rows = shipped('dpn')
        for one, other in (('dpn', 'dpn_pp'), ('shipped', 'scale')):
            first, second = (units_of(rows[name], 0, tmp_path) for name in (one, other))
            assert first.training == second.training
            assert first.folder != second.folder
            assert first.settings_hash != second.settings_hash

    def test_roads_have_the_rows_of_rooms(self):
        rooms, roads = shipped('dpn'), shipped('dpn_road')
        assert roads.keys() < rooms.keys()
        for name, row in roads.items():
            other = dataclasses.asdict(rooms[name].config)
            other['data']['styles'] = row.config.data.styles
            assert dataclasses.asdict(row.config) | {'out': None} == other | {'out': None}

    def test_ablations_of_dpn_change_one_thing_each(self):
        rows = shipped('dpn')
        whole = dataclasses.asdict(rows['dpn'].config.stages[-1])
        for name, changed in (
            ('no_attention', {'settings'}),
            ('l1', {'photometric'}),
            ('no_smoothness', {'photometric'}),
            ('no_consistency', {'photometric'}),
            ('no_mask', {'photometric'}),
            ('paper_exact', {'photometric'}),
            ('siamese', {'right'}),
        ):
            own = dataclasses.asdict(rows[name].config.stages[-1])
            assert {key for key in own if own[key] != whole[key]} == changed | {'name'}
