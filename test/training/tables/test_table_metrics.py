# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From reports to a table: means, spreads, paired differences, claims, what is missing."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
import yaml

from kit.runs import CONFIGS
from kit.runs import small_table as small
from spike_depth_ros.pages.markdown import markdown
from spike_training.evaluation.published import METRICS
from spike_training.evaluation.rates import LEVEL, picture
from spike_training.runs.sessions import SESSIONS
from spike_training.sampling.procedural import ProceduralSource
from spike_training.tables.metrics import RowMetrics, Summary, claims_of
from spike_training.tables.page import Page, cell
from spike_training.tables.plan import load_table
from spike_training.tables.results import encode, results_of
from spike_training.tables.units import DONE, units_of

SEEDS = [0, 1, 2]


def scores(abs_rel, baseline=0.9, images=4):
    """What a report says of one style: other metrics follow from AbsRel, to tell them apart."""

    def errors(value):
        return {
            scale: {
                'mean_over_images': {
                    metric: factor * value + k for k, metric in enumerate(METRICS)
                },
                'mean_over_pixels': dict.fromkeys(METRICS, math.nan),
                'images': images,
            }
            for scale, factor in (('raw', 1.0), ('median_scaled', 0.5))
        }

    return {
        'tables': {
            'network': errors(abs_rel),
            'median_depth_map': errors(baseline),
            'median_depth': errors(baseline + 0.3),
        },
        'uncertainty': {'rank_correlation': abs_rel / 10},
        'scales': {'far': 0.8, 'near': 1.25},
    }


def report(indoor, road, source=0.2):
    sets = {
        ('source', 'indoor'): scores(source),
        ('target', 'indoor'): scores(indoor, 0.8),
        ('target', 'road'): scores(road, 1.0),
    }
    return {
        'sets': {
            f'{domain}_{part}': {'domain': domain, 'part': part, **found}
            for (domain, part), found in sets.items()
        }
    }


def page(tmp_path, reports, **settings):
    """A table of rows with given reports: by row and seed, AbsRel indoor and on the road."""
    table = load_table(small(tmp_path, seeds=SEEDS, **settings))
    rows = []
    for row in table.rows:
        name = row.settings.name
        known = {seed: report(*found) for seed, found in reports.get(name, {}).items()}
        scored = row if row.config.stages else table.rows[2]
        scorings = {seed: units_of(scored, seed, Path('cache')) for seed in SEEDS}
        rows.append(RowMetrics(row, scorings, known, {}))
    return Page(table, rows, claims_of(table, rows))


REPORTS = {
    'median_depth': {0: (0.5, 0.6)},
    'pre_src': {0: (0.3, 0.5), 1: (0.4, 0.4), 2: (0.6, 0.6)},
    'pre_src_adabn': {0: (0.3, 0.3), 1: (0.3, 0.3), 2: (0.3, 0.3)},
    'bicross': {0: (0.2, 0.3), 2: (0.5, 0.5)},
}


@pytest.fixture
def rows(tmp_path):
    return {row.name: row for row in page(tmp_path, REPORTS).rows}


def test_mean_and_deviation_by_hand():
    summary = Summary({0: 0.1, 1: 0.2, 2: 0.6})
    assert summary.mean == pytest.approx(0.3)
    assert summary.std == pytest.approx(math.sqrt((0.04 + 0.01 + 0.09) / 2))
    assert Summary({0: 0.1}).std is None
    assert Summary({}).mean is None


def test_differences_are_taken_within_a_seed():
    one, other = Summary({0: 0.5, 1: 0.7, 4: 9.0}), Summary({1: 0.5, 0: 0.4, 2: 7.0})
    difference = one.minus(other)
    assert difference.values == pytest.approx({0: 0.1, 1: 0.2})
    assert difference.std == pytest.approx(0.1 / math.sqrt(2))


def test_a_figure_is_the_mean_over_styles(rows):
    pre_src = rows['pre_src']
    assert pre_src.summary('abs_rel').values == pytest.approx({0: 0.4, 1: 0.4, 2: 0.6})
    assert pre_src.summary('abs_rel', style='road').values[0] == pytest.approx(0.5)
    assert pre_src.summary('abs_rel', 'median_scaled').values[0] == pytest.approx(0.2)
    assert pre_src.summary('delta1').values[0] == pytest.approx(4.4)
    assert pre_src.summary('abs_rel', domain='source').values[0] == pytest.approx(0.2)
    assert pre_src.summary('rank_correlation').values[0] == pytest.approx(0.04)
    assert pre_src.summary('scale_error').values[0] == pytest.approx((0.25 + 0.2) / 2)


def test_the_baseline_is_read_from_its_own_part_of_the_report(rows):
    assert rows['median_depth'].summary('abs_rel').values == pytest.approx({0: 0.9})
    assert rows['median_depth'].summary('rank_correlation').values == {}
    assert rows['median_depth'].summary('scale_error').values == {}
    row = rows['median_depth']
    settings = dataclasses.replace(row.row.settings, baseline='median_depth')
    one_depth = dataclasses.replace(row, row=dataclasses.replace(row.row, settings=settings))
    assert one_depth.summary('abs_rel').values == pytest.approx({0: 1.2})
    old = report(0.5, 0.6)
    for part in old['sets'].values():
        del part['tables']['median_depth']
    assert dataclasses.replace(one_depth, reports={0: old}).summary('abs_rel').values == {}


def test_styles_weigh_by_their_images(rows):
    uneven = report(0.3, 0.5)
    uneven['sets']['target_road'] |= scores(0.5, images=12)
    row = rows['pre_src']
    weighed = RowMetrics(row.row, row.scorings, {0: uneven}, {})
    assert weighed.summary('abs_rel').values == pytest.approx({0: 0.45})


def test_a_target_without_truth_has_no_figures(rows):
    blind = report(0.3, 0.5)
    blind['sets'] = {'source_indoor': blind['sets']['source_indoor']}
    row = rows['pre_src']
    assert RowMetrics(row.row, row.scorings, {0: blind}, {}).summary('abs_rel').values == {}


def test_a_style_without_a_figure_gives_no_mean(rows):
    broken = report(0.3, 0.5)
    tables = broken['sets']['target_road']['tables']['network']
    table = tables['raw']['mean_over_images']
    table['abs_rel'] = None
    row = rows['pre_src']
    half = RowMetrics(row.row, row.scorings, {0: broken}, {})
    assert half.summary('abs_rel').values == {}
    assert half.summary('rmse').values == pytest.approx({0: 2.4})


def test_cells():
    assert cell(Summary({})) == '-'
    assert cell(Summary({0: 0.25})) == '0.250'
    assert cell(Summary({0: 0.2, 1: 0.4})) == '0.300 ± 0.141'
    assert cell(Summary({0: 0.2, 1: 0.4}), signed=True) == '+0.300 ± 0.141'


def test_the_headline(tmp_path):
    found = page(tmp_path, REPORTS)
    lines = markdown(found.page()).splitlines()
    head = next(line for line in lines if line.startswith('| row | seeds | AbsRel | difference'))
    bicross = next(line for line in lines if line.startswith('| bicross |'))
    cells = dict(zip(head.split(' | ')[1:], bicross.split(' | ')[1:], strict=True))
    assert cells['seeds'] == '2 of 3'
    assert cells['AbsRel'] == '0.375 ± 0.177'
    # To pre_src in seeds 0 and 2: -0.15 and -0.1; the other "difference" is of scaled depth.
    assert bicross.split(' | ')[3] == '-0.125 ± 0.035'
    assert cells['difference'] == '-0.062 ± 0.018'
    assert cells['paper AbsRel'] == '0.128 (I)'
    assert cells['paper delta1 |'] == '0.817 |'
    rgb = next(line for line in lines if line.startswith('| rgb_only |'))
    assert '| 0 of 3 | - | - | - | - | - | - | 0.294 (V) | 0.658 |' in rgb
    text = '\n'.join(lines)
    assert 'of their data**: Virtual KITTI RGB to KITTI spike (Table I, V)' in text
    assert '**Here**: procedural indoor to procedural indoor and road, with dpt_tiny' in text
    assert 'differences to `pre_src` within each seed' in text
    assert 'teacher (2) > mono_cross (2) > bicross (2) | 6 |' in text


def test_commits_of_all_seeds_are_told(tmp_path):
    found = page(tmp_path, REPORTS)
    rows = []
    for row in found.rows:
        seeds = SEEDS if row.row.config.stages else []
        scorings = {seed: units_of(row.row, seed, tmp_path) for seed in seeds}
        rows.append(dataclasses.replace(row, scorings=scorings))
    for seed, commit in ((0, 'a'), (2, 'b')):
        last = rows[2].scorings[seed].training
        last.folder.mkdir()
        done = {'commit': commit, 'device': 'cpu', 'seconds_per_step': 1.0}
        (last.folder / DONE).write_text(json.dumps(done))
    text = markdown(dataclasses.replace(found, rows=rows).page())
    assert 'Made of commit a, b on cpu: NOT OF ONE STATE of the code.' in text


def test_what_programs_read(tmp_path):
    found = json.loads(json.dumps(page(tmp_path, REPORTS).to_json()))
    row = next(row for row in found['rows'] if row['name'] == 'bicross')
    assert (row['complete'], row['seeds_done']) == (False, [0, 2])
    abs_rel = row['target']['raw']['abs_rel']
    assert abs_rel['by_seed'] == pytest.approx({'0': 0.25, '2': 0.5})
    assert abs_rel['difference']['mean'] == pytest.approx(-0.125)
    assert row['paper'] == {'table': 'I', 'abs_rel': 0.128, 'delta1': 0.817}


def test_all_metrics_of_a_paper_are_printed_with_remarks(tmp_path):
    names = {'pre_src': 'K+pp', 'bicross': 'Saxena et al.', 'median_depth': 'Train set mean'}
    rows = yaml.safe_load((CONFIGS / 'tables' / 'smoke.yaml').read_text())['rows']
    rows = [{**row, 'paper': names.get(row['name'])} for row in rows]
    settings = {'paper': {'file': 'shen', 'tables': ['1']}, 'rows': rows}
    found = page(tmp_path, REPORTS, **settings)
    text = markdown(found.page())
    _, _, section = text.partition('\n## Paper\n')
    lines = section.partition('\n## ')[0].splitlines()
    expected = (
        '| median_depth | Train set mean (1) | 0.361 | 4.826 | 8.102 | 0.377 | 0.638 | 0.804 '
        '| 0.894 |  |',
        '| pre_src | K+pp (1) | 0.125 | 1.172 | 5.890 | 0.216 | 0.859 | 0.983* | 0.977 '
        '| delta2: printed above delta3, likely a misprint |',
        '| bicross | Saxena et al. (1) | 0.280 | - | 8.734 | - | 0.601 | 0.820 | 0.916 |  |',
    )
    assert lines[-3:] == [*expected]
    assert 'what Shen et al. print **of their data**: KITTI 2015, split of Eigen et al.' in text
    assert '0.125 (1) | 0.859 |' in text
    told = json.loads(json.dumps(found.to_json()))
    assert told['paper']['title'].startswith('A Depth Estimation Framework Based on Unsupervised')
    assert 'sq_rel' not in told['rows'][6]['paper']
    assert told['rows'][2]['paper']['notes'].keys() == {'delta2'}


def test_a_paper_of_the_main_columns_has_a_section_for_remarks_alone(tmp_path):
    found = page(tmp_path, REPORTS)
    assert '## Paper' not in markdown(found.page())
    row = next(row for row in found.table.paper.table('I').rows if row.name == 'Pre_src')
    row.notes['delta1'] = 'unlikely'
    text = markdown(found.page())
    assert '| 0.285 (I) | 0.663* |' in text
    assert '| 0.663* | - | - | delta1: unlikely |' in text


def test_a_paper_with_metrics_of_its_own_is_printed_with_their_titles(tmp_path):
    rows = yaml.safe_load((CONFIGS / 'tables' / 'smoke.yaml').read_text())['rows']
    rows = [{**row, 'paper': 'DSRNet' if row['name'] == 'bicross' else None} for row in rows]
    settings = {'paper': {'file': 'dsr', 'tables': ['4']}, 'rows': rows}
    text = markdown(page(tmp_path, REPORTS, **settings).page())
    _, _, section = text.partition('\n## Paper\n')
    header, _, row = section.partition('\n## ')[0].strip().splitlines()
    assert header.endswith(
        '| delta3 | Middlebury: MAD, levels of 8 bits, lower is better '
        '| NYUv2: RMSE, unit not printed, lower is better | remarks |'
    )
    assert row == (
        '| bicross | DSRNet (4) | - | - | - | - | - | - | - | 0.356 | 2.750* '
        '| NYUv2: RMSE, unit not printed, lower is better: 2.73 in Table 2 |'
    )


def test_results_have_the_origin_of_each_seed(tmp_path):
    found = page(tmp_path, REPORTS)
    rows = [
        dataclasses.replace(row, scorings={s: units_of(row.row, s, tmp_path) for s in SEEDS})
        for row in found.rows
        if row.row.config.stages
    ]
    session = {'device': 'CPU', 'seconds': 2.5, 'threads': 2, 'processes': 3, 'changed': False}
    sessions = [
        {**session, 'commit': '0123456789abcdef'},
        {**session, 'commit': '0123456789abcdef', 'changed': True},
        {**session, 'commit': None, 'device': 'GPU', 'processes': 1},
    ]
    folder = rows[1].scorings[1].training.folder
    folder.mkdir()
    (folder / SESSIONS).write_text(json.dumps(sessions))
    results = json.loads(encode(results_of(dataclasses.replace(found, rows=rows))))
    assert [*results['rows']['bicross']] == ['0', '2']
    result = results['rows']['pre_src']['1']
    assert result['commit'] == '0123456789ab, 0123456789ab with changes, unknown'
    assert result['device'] == 'CPU, GPU'
    assert result['core_seconds'] == 2.5 * 2 * (3 + 3 + 1)
    assert result['metrics']['abs_rel'] == 0.4
    assert result['metrics']['scaled_delta1'] == 4.2
    assert 'rgb_only' not in results['rows']


def test_results_are_rounded_and_absent_ones_null(tmp_path):
    reports = {'pre_src': {0: (0.123456789, 0.123456789)}, 'bicross': {0: (0.2, 0.2)}}
    found = page(tmp_path, reports)
    blind = {'sets': {}}
    rows = [
        dataclasses.replace(row, reports={0: blind}) if row.name == 'bicross' else row
        for row in found.rows
    ]
    results = json.loads(encode(results_of(dataclasses.replace(found, rows=rows))))
    assert results['rows']['pre_src']['0']['metrics']['abs_rel'] == 0.12346
    assert results['rows']['bicross']['0']['metrics']['abs_rel'] is None


@pytest.mark.parametrize(
    ('claim', 'holds', 'says'),
    [
        ({'row': 'pre_src_adabn', 'below': ['pre_src']}, True, 'holds, in 3 of 3 seeds'),
        ({'row': 'pre_src_adabn', 'below': ['pre_src'], 'by': 0.15}, None,
         ': undecided, in 1 of 3 seeds'),
        ({'row': 'pre_src', 'below': ['pre_src_adabn'], 'times': 2.5}, True,
         'pre_src below 2.5 times pre_src_adabn (AbsRel, target): holds, in 3 of 3 seeds '
         '(-0.350, -0.350, -0.150)'),
        ({'row': 'bicross', 'below': ['pre_src']}, None, 'open, in 2 of 2 seeds (-0.150, -0.100)'),
        ({'row': 'bicross', 'below': ['pre_src', 'pre_src_adabn']}, None, 'best of pre_src, pre'),
        ({'row': 'pre_src', 'below': ['pre_src']}, None, ': undecided, in 0 of 3 seeds (+0.000, '),
        ({'row': 'pre_src', 'below': ['pre_src_adabn']}, False, 'does not hold, in 0 of 3 seeds'),
        ({'row': 'pre_src', 'below': ['median_depth'], 'domain': 'source'}, None, 'AbsRel, sour'),
        ({'row': 'bicross', 'below': ['pre_src', 'rgb_only']}, None, 'open, no seed is done'),
        ({'row': 'pre_src', 'above': ['pre_src_adabn'], 'metric': 'delta1', 'by': 0.2}, None,
         'pre_src above pre_src_adabn by 0.2 or more (delta1, target): undecided, in 1 of 3 '
         'seeds (+0.100, +0.100, +0.300)'),
        ({'row': 'bicross', 'above': ['pre_src', 'pre_src_adabn'], 'metric': 'delta1'}, None,
         'bicross above the best of pre_src, pre_src_adabn (delta1, target): open, in 0 '
         'of 2 seeds (-0.150, -0.100)'),
        ({'row': 'pre_src_adabn', 'below': ['pre_src'], 'metric': 'scaled_rmse', 'by': 0.01}, True,
         'by 0.01 or more (scaled RMSE, m, target): holds, in 3 of 3 seeds (-0.050, '),
        ({'row': 'pre_src', 'below': ['median_depth'], 'metric': 'rmse', 'domain': 'source'}, None,
         '(RMSE, m, source): open, in 1 of 1 seeds'),
    ],
)  # fmt: skip
def test_claims(tmp_path, claim, holds, says):
    found = page(tmp_path, REPORTS, claims=[claim]).claims[0]
    assert found.holds is holds
    assert says in found.sentence()


def test_without_a_target_claims_are_of_the_source(tmp_path):
    claim = {'row': 'pre_src', 'below': ['bicross']}
    whole = page(tmp_path, {'pre_src': {0: (1, 1)}, 'bicross': {0: (1, 1)}}, claims=[claim])
    rows = [
        dataclasses.replace(row, config=dataclasses.replace(row.config, target=None))
        for row in whole.table.rows
    ]
    alone = dataclasses.replace(whole.table, rows=rows)
    (found,) = claims_of(alone, whole.rows)
    assert (found.margins, found.measured) == ({0: 0.0}, 'AbsRel, source')


def test_firing_rates_look_like_the_pictures_that_the_teacher_knows():
    arguments = {'height': 64, 'width': 96, 'planes': (1280,), 'with_rgb': True, 'seed': 3}
    batch = ProceduralSource(**arguments).batch(0, 16)
    seen = picture(batch.counts, batch.planes_per_bin)
    assert seen.shape == batch.rgb.shape
    assert torch.equal(seen[:, 0], seen[:, 2])
    assert seen.min() >= 0
    assert seen.max() <= 1
    # As bright, and of the same things.
    light = (seen.square().mean(dim=(1, 2, 3)), batch.rgb.square().mean(dim=(1, 2, 3)))
    assert light[0].mean() == pytest.approx(float(light[1].mean()), rel=0.1)
    assert light[0].mean() == pytest.approx(LEVEL, rel=0.15)
    for one, other in zip(seen[:, 0], batch.rgb.mean(dim=1), strict=True):
        together = torch.stack([one.flatten(), other.flatten()])
        assert torch.corrcoef(together)[0, 1] > 0.8
