# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of networks that enlarge depth maps: trained, scored on scenes and maps, and printed."""

import copy
import json
import shutil
import statistics

import pytest
import yaml

from kit.pictures import write_maps
from kit.runs import small_table as small
from spike_training.commands.table import table
from spike_training.datasets.depth_maps import SCENES
from spike_training.errors import DataSetError
from spike_training.evaluation.upsampling import BASELINES
from spike_training.tables.metrics import RowMetrics
from spike_training.tables.pages import page_of
from spike_training.tables.paper import FOLDER, read_paper
from spike_training.tables.plan import load_table
from spike_training.tables.results import encode, results_of
from spike_training.tables.units import units_of

BASE = {
    'method': 'dsr',
    'stages': [{'name': 'enlarge', 'kind': 'enlarge', 'factors': [8], 'crop': 32, 'crops': 2}],
    'model': {
        'architecture': 'upsample_lite',
        'settings': {'width': 8, 'blocks': 1, 'factors': [8]},
    },
    'data': {'styles': ['home', 'road'], 'height': 32, 'width': 48},
    'train': {
        'steps': 2, 'batch_size': 1, 'warmup_steps': 1, 'validate_every': 0, 'picture_every': 0,
        'log_every': 1, 'tensorboard': False,
    },
    'evaluate': {'scenes': 2, 'baseline_scenes': 2, 'calibration_scenes': 2, 'batch_size': 1},
    'device': 'cpu',
    'threads': 1,
}  # fmt: skip
TABLE = {
    'base': 'base.yaml',
    'seeds': [0],
    'reference': 'own',
    'paper': {'file': 'dsr', 'tables': ['1', '4']},
    'stages': {'more': {'like': 'enlarge', 'steps': 3}},
    'rows': [
        {'name': 'own', 'stage': 'enlarge', 'paper': 'DSRNet'},
        {'name': 'more', 'stage': 'more', 'paper': 'L_O', 'about': 'one step more'},
    ],
    'claims': [
        {'row': 'own', 'below': ['nearest', 'bicubic'], 'metric': 'mad_maps_x8'},
        {'row': 'own', 'below': ['more'], 'metric': 'mad_sensor_x8', 'by': 9.0},
        {'row': 'more', 'above': ['own'], 'metric': 'edges_seen_cubic_x8', 'by': -0.0},
    ],
}
FOUR = {
    'override': {'model': {'settings': {'factors': [2, 4, 8, 16]}}},
    'stages': {'enlarge': {'factors': [2, 4, 8, 16], 'crop': 48}},
}


def write(folder, base=None, **settings):
    (folder / 'base.yaml').write_text(yaml.safe_dump(BASE | (base or {})))
    path = folder / 'table.yaml'
    path.write_text(yaml.safe_dump(TABLE | settings))
    return path


def maps_of(folder, factors=(4, 8)):
    return write_maps(folder, [str(k) for k in range(1, 7)], factors)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The table, its maps and its output."""
    folder = tmp_path_factory.mktemp('table')
    path, maps = write(folder), maps_of(folder / 'maps')
    table(path, folder / 'out', maps=maps)
    return path, maps, folder / 'out'


def cells(text, section, row):
    """Return the cells of a row of a section of table.md, by the titles of their columns."""
    lines = text.partition(section)[2].strip().splitlines()
    header = lines[0]
    line = next(line for line in lines if line.startswith(f'| {row} |'))
    split = [[cell.strip() for cell in one.strip('|').split('|')] for one in (header, line)]
    return dict(zip(*split, strict=True))


def test_rows_and_estimates_stand_beside_the_paper(trained):
    text = (trained[2] / 'table.md').read_text()
    assert text.startswith('# table: MAD of enlarged depth maps, maps, base.yaml\n')
    own = cells(text, 'not the metrics.', 'own')
    assert (own['seeds'], own['difference'], own['paper x8']) == ('1 of 1', '-', '0.355')
    bicubic = cells(text, 'not the metrics.', 'bicubic')
    assert bicubic['paper x8'] == '0.953'
    assert float(bicubic['x8 MAD']) > 0
    assert cells(text, 'not the metrics.', 'nearest')['paper x8'] == '-'
    more = cells(text, 'not the metrics.', 'more')
    # Rounded twice.
    difference = float(more['x8 MAD']) - float(own['x8 MAD'])
    assert float(more['difference']) == pytest.approx(difference, abs=2e-3)
    scenes = cells(text, '## Maps, x8, MAD', 'own')
    assert [*scenes] == ['row', 'seeds', 'mean', *SCENES]
    mean = statistics.fmean(float(scenes[name]) for name in SCENES)
    assert float(scenes['mean']) == pytest.approx(mean, abs=1e-3) == float(own['x8 MAD'])
    printed = cells(text, '## Maps, x8, MAD', 'paper: DSRNet')
    assert (printed['Art'], printed['Reindeer']) == ('0.530', '0.350')
    assert cells(text, '## Maps, x8, MAD', 'paper: Bicubic')['Art'] == '1.850'
    assert '## Maps, x4' not in text
    sensor = cells(text, '## Generated scenes, small maps sensor', 'nearest')
    assert {'x8 MAD', 'x8 AbsRel', 'x8 flying', 'x8 edges seen'} < {*sensor}
    # What only Table 4 has.
    paper = text.partition('## Paper')[2].partition('## Rows')[0]
    assert [*cells(text, '## Paper', 'more (4)').values()][1:3] == ['0.377', '2.880']
    assert ' x2' not in paper
    assert 'own' not in paper
    assert '| more | one step more | more (3) | 3 |' in text


def test_claims_are_of_any_metric_and_of_estimates(trained):
    _, _, out = trained
    found = json.loads((out / 'table.json').read_text())
    rows = {row['name']: row['metrics'] for row in found['rows']}
    estimates = found['estimates']
    best = min(estimates[name]['mad_maps_x8']['mean'] for name in ('nearest', 'bicubic'))
    first, second, third = found['claims']
    margin = rows['own']['mad_maps_x8']['mean'] - best
    assert first['margin_by_seed']['0'] == pytest.approx(margin)
    # Of one seed there is no verdict.
    assert first['verdict'] == second['verdict'] == 'undecided'
    assert first['holds'] is second['holds'] is None
    more, own = (rows[name]['edges_seen_cubic_x8']['mean'] for name in ('more', 'own'))
    margin = more - own
    assert third['margin_by_seed']['0'] == pytest.approx(margin)
    text = (out / 'table.md').read_text()
    assert 'own below the best of nearest, bicubic (MAD, maps x8): ' in text
    assert 'own below more by 9 or more (MAD, sensor x8): undecided, in 0 of 1' in text
    assert 'more above own (edges seen, cubic x8): ' in text


def test_results_have_the_mean_and_the_scenes_of_the_factor(trained):
    _, _, out = trained
    results = json.loads((out / 'results.json').read_text())
    found = results['rows']['own']['0']
    names = ['mad_maps_x8', 'structure_mad_maps_x8', 'mad_cubic_x8', 'mad_sensor_x8']
    by_map = {
        name: [f'{name}_{scene}_x8' for scene in SCENES] for name in ('mad', 'structure_mad')
    }
    assert [*found['metrics']] == [*names, *by_map['mad'], *by_map['structure_mad']]
    structure = statistics.fmean(found['metrics'][name] for name in by_map['structure_mad'])
    assert found['metrics']['structure_mad_maps_x8'] == pytest.approx(structure, rel=1e-4)
    mean = statistics.fmean(found['metrics'][name] for name in by_map['mad'])
    assert found['metrics']['mad_maps_x8'] == pytest.approx(mean, rel=1e-4)
    assert {*found} == {'metrics', 'commit', 'device', 'core_seconds', 'settings'}
    assert [*results['rows']] == ['own', 'more']


def test_the_hash_has_the_content_of_the_maps_and_not_their_place(trained, tmp_path):
    path, maps, out = trained
    with_maps, without = (
        units_of(load_table(path, one).rows[0], 0, out / 'stages') for one in (maps, None)
    )
    assert with_maps.done
    assert with_maps.training == without.training
    assert with_maps.settings_hash != without.settings_hash
    assert not without.done
    moved = shutil.copytree(maps, tmp_path / 'moved')
    assert units_of(load_table(path, moved).rows[0], 0, out / 'stages').folder == with_maps.folder
    shutil.copy(moved / 'test_gt' / '2.png', moved / 'test_gt' / '1.png')
    assert units_of(load_table(path, moved).rows[0], 0, out / 'stages').folder != with_maps.folder


def test_without_maps_the_main_columns_are_of_scenes(trained, tmp_path, capsys):
    path, _, out = trained
    table(path, tmp_path / 'out', cache=out / 'stages')
    assert 'steps' not in capsys.readouterr().out  # trained already
    text = (tmp_path / 'out' / 'table.md').read_text()
    assert text.startswith('# table: MAD of enlarged depth maps, cubic, base.yaml\n')
    assert '## Maps' not in text
    sentence = 'own below the best of nearest, bicubic (MAD, maps x8): open, not scored without --'
    assert sentence in text
    found = json.loads((tmp_path / 'out' / 'results.json').read_text())['rows']['own']['0']
    assert [*found['metrics']] == ['mad_cubic_x8', 'mad_sensor_x8']
    # What the paper prints of scenes is in a section of its own.
    printed = cells(text, '## Paper', 'own (1)')
    assert printed['Art x8: MAD, levels of 8 bits, lower is better'] == '0.530'
    assert 'Art x4' not in text


def test_a_table_without_a_seed_is_printed(tmp_path):
    path = write(tmp_path)
    table(path, tmp_path / 'out', train=False, maps=maps_of(tmp_path / 'maps'))
    text = (tmp_path / 'out' / 'table.md').read_text()
    assert '| own | 0 of 1 | - | - | 0.355 |' in text
    assert 'open, no seed is done' in text


def test_results_of_ten_rows_and_four_factors_are_few_bytes(tmp_path):
    rows = [{'name': f'row_with_a_long_name_{k}', 'stage': 'enlarge'} for k in range(10)]
    data = {**BASE['data'], 'height': 64, 'width': 96}
    settings = copy.deepcopy(FOUR) | {'rows': rows, 'seeds': [0, 1], 'claims': [], 'paper': None}
    path = write(tmp_path, {'data': data}, reference=rows[0]['name'], **settings)
    planned = load_table(path, maps_of(tmp_path / 'maps', (2, 4, 8, 16)))

    def scores(number, condition, **more):
        return [
            {
                'condition': condition, 'factor': factor, 'method': method, 'maps': number,
                'mad': 0.123456, **more,
            }
            for factor in (2, 4, 8, 16) for method in ('network', *BASELINES)
        ]  # fmt: skip

    sets = {
        'maps': {
            'rows': scores(
                6, 'maps', by_map=dict.fromkeys(SCENES, 0.123456), structure_mad=0.123456
            )
        },
        'home': {'rows': [*scores(2, 'cubic'), *scores(2, 'sensor')]},
    }
    found = []
    for row in planned.rows:
        scorings = {seed: units_of(row, seed, tmp_path) for seed in (0, 1)}
        found.append(RowMetrics(row, scorings, {seed: {'sets': sets} for seed in (0, 1)}, {}))
    encoded = encode(results_of(page_of(planned, found)))
    metrics = json.loads(encoded)['rows'][rows[0]['name']]['1']['metrics']
    assert metrics == {
        f'{name}_x{factor}': 0.12346
        for name in ('mad_maps', 'structure_mad_maps', 'mad_cubic', 'mad_sensor')
        for factor in (2, 4, 8, 16)
    }
    assert len(encoded) < 15_000  # commit and device, which are not known here, take 60 each


def test_bicubic_of_the_paper_is_found_by_name():
    paper = read_paper(FOLDER / 'dsr.yaml', [])
    assert [name for name in BASELINES if paper.find(['1'], name.capitalize())] == ['bicubic']


def test_maps_are_checked_before_anything_is_trained(tmp_path):
    path, maps = write(tmp_path), maps_of(tmp_path / 'maps')
    (maps / 'testx8' / '3.png').write_bytes(b'')
    with pytest.raises(DataSetError, match=r'testx8/3\.png: cannot be read'):
        table(path, tmp_path / 'out', maps=maps)
    assert not (tmp_path / 'out').exists()
    shutil.rmtree(maps / 'testx8')
    with pytest.raises(DataSetError, match='has small maps of x4: expected one or more of x8, by'):
        load_table(path, maps)


def more(**row):
    return {'rows': [*TABLE['rows'], {'name': 'a', 'stage': 'more', **row}]}


def claim(row='own', **settings):
    return {'claims': [{'row': row, **settings}]}


WRONG = {
    'a baseline': ('rows[2].stage is null', {'rows': [*TABLE['rows'], {'name': 'none'}]}),
    'the name of an estimate': ('rows[2].name is bicubic', more(name='bicubic')),
    'post_process': ('rows[2].post_process is true', more(post_process=True)),
    'a metric of depth': ("claims[0].metric is 'abs_rel'", claim(below=['more'])),
    'a metric of another factor': ("claims[0].metric is 'mad_maps_x4'",
        claim(below=['more'], metric='mad_maps_x4')),
    'lower is better': ('claims[0].above is given', claim(above=['more'], metric='mad_maps_x8')),
    'higher is better': ('claims[0].below is given',
        claim(below=['more'], metric='edges_seen_cubic_x8')),
    'a claim of an estimate': ("claims[0] has 'nearest'",
        claim('nearest', below=['more'], metric='mad_maps_x8')),
    'a claim beside none': ("claims[0] has 'cubic'", claim(below=['cubic'], metric='mad_maps_x8')),
}  # fmt: skip


def test_settings_that_such_tables_do_not_have(tmp_path, table_problems, refusals):
    rows = {
        name: (named, lambda settings=settings: table_problems(write(tmp_path, **settings)))
        for name, (named, settings) in WRONG.items()
    }

    rows['maps of a table of depth'] = (
        'maps is given',
        lambda: table_problems(small(tmp_path), tmp_path),
    )
    refusals('table_upsampling', rows, None)
