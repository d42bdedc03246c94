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
from spike_training.errors import ConfigError, DataSetError
from spike_training.methods.bicross.settings import AdaptConfig
from spike_training.settings.reading import load_config
from spike_training.tables.paper import FOLDER, read_paper
from spike_training.tables.plan import load_table
from spike_training.tables.settings import TableConfig
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


MISTAKES = (
    # Settings of a table, and texts of its error about them.
    ({'sedes': [1]}, 'sedes is unknown: did you mean seeds?'),
    ({'seeds': [0, 0]}, 'seeds is [0, 0]: expected some, each once, 0 to 2147483647'),
    (
        {'override': {'seed': 3, 'train': {'stpes': 3, 'steps': 'many'}}},
        'override.seed is given: expected it as seeds',
        'override.train.stpes is unknown: did you mean steps?',
        "override.train.steps is 'many': expected a whole number",
    ),
    (
        {'reference': 'pre_srcc'},
        "reference is 'pre_srcc': expected the name of a row with a stage; did you mean pre_src?",
    ),
    (
        {'paper': {'file': 'bicross', 'tables': ['I'], 'table': 'I'}},
        'paper.table is unknown: did you mean tables?',
    ),
    (
        {'stages': {'pre_src': {'like': 'teachr', 'input': 'spikes'}}},
        "stages.pre_src.like is 'teachr': expected a stage of the base or of this table; did",
    ),
    (
        {'stages': {'ex1': {'like': 'mono_cross', 'distil': {'filtr': False, 'weight': -1}}}},
        'stages.ex1.distil.filtr is unknown: did you mean filter?',
        'stages.ex1.distil.weight is -1: expected 0 or more',
    ),
    ({'stages': {'a': {'like': 'b'}, 'b': {'like': 'a'}}}, 'is like itself: a <- b <- a'),
    (
        {'stages': {'teacher': {'like': 'bicross'}}},
        "stages.teacher.like is 'bicross': expected none, the base has a stage of that name",
    ),
    ({'stages': {'f': 3}}, 'stages.f is 3: expected settings'),
    (
        {
            'stages': {
                'k': {'like': 'teacher', 'kind': 'nope.rgb'},
                'm': {'like': 'teacher', 'kind': 'bicross.rgb'},
            }
        },
        "stages.k.kind is 'nope.rgb': its method is 'nope' (No module named 'nope'): expected b",
        "stages.m.kind is 'bicross.rgb': expected pretrain or cross_modality or cross_domain",
    ),
    (
        {'stages': {'g': {'like': 'teacher', 'init_from': 'previous'}}},
        "stages.g.init_from is 'previous': expected scratch, imagenet or the name",
    ),
    (
        {'rows': [{'name': 'pre_src', 'stage': 'pre_src', 'paper': 'Pre_scr'}]},
        "rows[0].paper is 'Pre_scr': expected a row of its tables I; did you mean Pre_src?",
    ),
    (
        {'rows': [{'name': 'pre_src', 'stage': 'mono_cros'}]},
        'rows: 2 are named pre_src',
        "rows[1].stage is 'mono_cros': expected a stage of the base or of this table; did you",
    ),
    ({'rows': [{'name': 'a b', 'stage': 'ex1'}]}, "rows[2].name is 'a b'"),
    (
        {
            'stages': {
                'c': {'like': 'teacher', 'init_from': 'd'},
                'd': {'like': 'teacher', 'init_from': 'c'},
            },
            'rows': [{'name': 'c', 'stage': 'c'}],
        },
        'stages.c builds on itself: c <- d <- c',
    ),
    (
        {
            'stages': {'e': {'like': 'bicross', 'init_from': 'nowhere'}},
            'rows': [{'name': 'e', 'stage': 'e'}],
        },
        "stages.e.init_from is 'nowhere': expected scratch",
    ),
    (
        {'rows': [{'name': 'median_depth', 'adabn': True}]},
        'rows[5] has adabn, matched_scale, post_process, mean_with, translate or override: ',
    ),
    (
        {
            'rows': [
                {
                    'name': 'o',
                    'stage': 'ex1',
                    'override': {'model2': {}, 'out': 'x', 'model': {'architecture': 'moon'}},
                }
            ]
        },
        'rows[6].override.model2 is unknown: did you mean model?',
        'rows[6].override.out is given: expected it as --out',
        "row o: model.architecture is 'moon'",
    ),
    (
        {
            'stages': {'h': {'like': 'mono_cross', 'domain': 'target'}},
            'rows': [{'name': 'h', 'stage': 'h'}],
        },
        'stages.h.domain is given: expected it in a stage of kind pretrain only',
    ),
    (
        {'rows': [{'name': 't', 'stage': 'teacher', 'override': {'target': None}}]},
        'some rows have a target: expected it in all of them, or in none',
    ),
    ({'rows': ['x']}, "rows[9] is 'x': expected settings"),
    (
        {'claims': [{'row': 'o', 'below': [], 'by': -1, 'times': 0}]},
        'claims[0].below is []',
        'claims[0].by is -1',
        'claims[0].times is 0',
    ),
    (
        {'claims': [{'row': 'c', 'below': ['c'], 'above': ['c']}]},
        'claims[1] has below and above: expected one of the two',
    ),
    (
        {'claims': [{'row': 'p', 'below': ['cc']}]},
        "claims[2] has 'p': expected the name of a row",
        "claims[2] has 'cc': expected the name of a row; did you mean c?",
    ),
)


@pytest.fixture
def file(tmp_path):
    def write(**settings):
        path = tmp_path / 'table.yaml'
        path.write_text(yaml.safe_dump({'base': str(CONFIGS / 'smoke.yaml'), **settings}))
        return path

    return write


def merged(parts):
    """One table's settings: lists one after the other, mappings side by side."""
    table = {}
    for part in parts:
        for key, value in part.items():
            merge = operator.or_ if isinstance(value, dict) else operator.add
            table[key] = merge(table[key], value) if key in table else value
    return table


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
        'rgb_only': ['teacher'],
        'pre_src': ['pre_src'],
        'pre_src_long': ['pre_src_long'],
        'rgb_init': ['teacher', 'rgb_init'],
        'mono_cross': ['teacher', 'mono_cross'],
        'no_pseudo': ['teacher', 'mono_cross', 'no_pseudo'],
        'bicross': ['teacher', 'mono_cross', 'bicross'],
        'bicross_slow': ['teacher', 'mono_cross', 'bicross_slow'],
        'bicross_paper_exact': ['teacher_paper_exact', 'mono_paper_exact', 'bicross_paper_exact'],
        'supervised': ['supervised'],
    }
    steps = {name: sum(s.steps for s in row.config.stages) for name, row in rows.items()}
    assert steps['pre_src_long'] == steps['supervised'] == steps['bicross']
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
        assert dataclasses.replace(stage, **names) == other
    assert row.model == printed.model
    assert row.data == dataclasses.replace(printed.data, styles=['road'])
    lens = {'light': 1.0, 'contrast': 0.3, 'vignette': 0.8, 'blur': 0.0, 'sensor': 'ideal'}
    assert row.target == dataclasses.replace(printed.target, **lens)


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


def test_rows_of_pictures_and_of_depth_do_not_compare(file):
    override = {'model': {'architecture': 'recon_lite', 'bins': 41}, 'data': {'planes': [41]}}
    path = file(
        stages={'image': {'kind': 'ssml.held_out'}},
        rows=[
            {'name': 'teacher', 'stage': 'teacher'},
            {'name': 'image', 'stage': 'image', 'override': override},
        ],
        reference='teacher',
    )
    with pytest.raises(ConfigError) as caught:
        load_table(path)
    assert str(caught.value).endswith(
        'a setting is wrong:\n  rows are of the tasks depth and image: expected depth or image or '
        'fused or upsample, one of them'
    )


def test_rows_of_another_task_are_not_scored(file, monkeypatch):
    monkeypatch.setattr(ToyConfig, 'task', 'stereo')
    stages = {'toy': {'kind': TOY}}
    path = file(stages=stages, rows=[{'name': 'a', 'stage': 'toy'}], reference='a')
    with pytest.raises(ConfigError, match='rows are of the tasks stereo: expected depth or im'):
        load_table(path)


def test_rows_of_a_paper_that_the_table_does_not_name(file):
    row = {'name': 'a', 'stage': 'teacher', 'paper': 'RGB'}
    with pytest.raises(ConfigError) as caught:
        load_table(file(rows=[row], reference='a'))
    assert str(caught.value).endswith(
        "a setting is wrong:\n  rows[0].paper is 'RGB': expected none, the table has no paper"
    )
    with pytest.raises(ConfigError) as caught:
        load_table(file(rows=[row], reference='a', paper={'file': 'nope', 'tables': ['I']}))
    assert str(caught.value).endswith(
        'a setting is wrong:\n'
        "  paper.file is 'nope': expected one of bicross, dsr, fuse, shen, ssml"
    )


def test_tables_share_the_stages_that_are_the_same(tmp_path):
    mini, ablations = shipped('mini'), shipped('ablations_mini')
    for one, other in (('bicross', 'ex8'), ('no_pseudo', 'ex12'), ('rgb_init', 'rgb_init')):
        first, second = units_of(mini[one], 1, tmp_path), units_of(ablations[other], 1, tmp_path)
        assert first == second


def test_trainings_that_see_no_target_are_shared_by_rows_of_several(tmp_path):
    mini, scenarios = shipped('mini'), shipped('scenarios')
    for name, shared in (
        ('pre_src_long', 1),
        ('mono_cross', 2),
        ('bicross', 2),
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


def test_adabn_is_refused_without_batch_norm_and_given_to_a_twin(file):
    sizes = {'dim': 48, 'layers': 4, 'heads': 3, 'features': 8, 'temporal_features': 8}
    adabn = {'stage': 'pre_src', 'adabn': True}
    twin = {'model': {'settings': {'norm': 'batch'}}}
    tiny = {'model': {'architecture': 'dpt_tiny', 'settings': {'dim': 48, 'stem': 8}}}
    path = file(
        override={'model': {'architecture': 'dpt_hybrid', 'settings': sizes}},
        stages={'pre_src': {'like': 'teacher', 'input': 'spikes'}},
        rows=[
            {'name': 'own', **adabn},
            {'name': 'twin', **adabn, 'override': twin},
            # Another architecture has nothing of the sizes of the base's.
            {'name': 'tiny', **adabn, 'override': tiny},
        ],
        reference='own',
    )
    with pytest.raises(ConfigError) as caught:
        load_table(path)
    text = str(caught.value)
    assert text.endswith(
        'a setting is wrong:\n  row own: adabn is true, but dpt_hybrid has no batch norm, so '
        'there are no statistics to estimate; train its twin with batch norm, override: {model: '
        '{settings: {norm: batch}}}'
    )


def test_all_mistakes_are_named_at_once(file):
    with pytest.raises(ConfigError) as caught:
        load_table(file(**merged(settings for settings, *_ in MISTAKES)))
    text = str(caught.value)
    assert [one for _, *texts in MISTAKES for one in texts if one not in text] == [], text
    assert text.count('stages.ex1.distil.weight') == 1  # though two rows have that stage


@pytest.mark.parametrize(
    ('claim', 'message'),
    [
        (
            {'below': ['b'], 'metric': 'psnr'},
            "metric is 'psnr': expected one of abs_rel, sq_rel, rmse, rmse_log, delta1, delta2, d",
        ),
        (
            {'below': ['b'], 'metric': 'scaled_abs_re'},
            ', edge_ratio, scale_error; did you mean scaled_abs_rel?',
        ),
        (
            {'below': ['b'], 'metric': 'delta2'},
            'below is given: expected above, delta2 is better if higher',
        ),
        ({'above': ['b']}, 'above is given: expected below, abs_rel is better if lower'),
    ],
)
def test_claims_of_metrics_that_a_task_does_not_have(file, claim, message):
    rows = [{'name': name, 'stage': 'teacher'} for name in 'ab']
    path = file(rows=rows, reference='a', claims=[{'row': 'a', **claim}])
    with pytest.raises(ConfigError) as caught:
        load_table(path)
    text = str(caught.value)
    assert 'a setting is wrong' in text
    assert 'claims[0].' in text
    assert message in text


def test_mistakes_of_the_base_are_named_with_those_of_the_table(tmp_path):
    (tmp_path / 'base.yaml').write_text('{train: {stpes: 3}, stages: [{nname: a}], target: {}}')
    path = tmp_path / 'table.yaml'
    path.write_text('{base: base.yaml, seeds: [], rows: [{name: a, stage: a}], reference: a}')
    with pytest.raises(ConfigError) as caught:
        load_table(path)
    for expected in (
        'seeds is []',
        'base base.yaml: train.stpes is unknown: did you mean steps?',
        'base base.yaml: stages[0].nname is unknown: did you mean name?',
    ):
        assert expected in str(caught.value)


def test_seeds_of_targets_are_no_seeds_of_a_table():
    (told,) = (one for one in TableConfig(seeds=[2**31]).problems() if 'seeds' in one)
    assert told == 'seeds is [2147483648]: expected some, each once, 0 to 2147483647'


@pytest.mark.parametrize('name', ['devices', 'nodes'])
def test_stages_are_trained_by_one_process_each(tmp_path, name):
    base = yaml.safe_load((CONFIGS / 'smoke.yaml').read_text())
    (tmp_path / 'base.yaml').write_text(yaml.safe_dump({**base, name: 2}))
    path = tmp_path / 'table.yaml'
    path.write_text('{base: base.yaml, rows: [{name: a, stage: teacher}], reference: a}')
    with pytest.raises(ConfigError, match=f'{name} is 2: expected 1; --jobs trains several'):
        load_table(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match='No such file'):
        load_table(tmp_path / 'none.yaml')


@pytest.mark.parametrize(
    ('table', 'row', 'folder'),
    [
        ('mini', 'bicross_adabn', 'figures_of_bicross_adabn_0_4145dfd4d155'),
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


class TestWithoutTarget:
    """Rows of networks that are compared on their own scenes."""

    def test_rows_are_compared_on_the_source(self):
        for name, domain in (('dpn', 'source'), ('mini', 'target')):
            assert {row.domain for row in shipped(name).values()} == {domain}

    def test_statistics_of_a_target_are_none(self, file):
        path = file(
            override={'target': None},
            rows=[{'name': 'a', 'stage': 'teacher', 'adabn': True}],
            reference='a',
        )
        with pytest.raises(ConfigError, match='row a: adabn is true: expected a target, of whose'):
            load_table(path)

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
