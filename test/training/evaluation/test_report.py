# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import json
import math

import numpy as np
import pytest

from kit.stages import INFO, Brightness, ramp_scenes, ramp_set
from spike_training.errors import ConfigError
from spike_training.evaluation import report as reports
from spike_training.evaluation.predictors import Estimate, median_depth_map, network_predictor
from spike_training.evaluation.scores import evaluate_set


def report():
    baseline = {reports.BASELINE: median_depth_map(ramp_scenes('train'), INFO.canonical_fx)}
    found = evaluate_set(network_predictor(Brightness(), INFO), INFO, ramp_set(), baseline)
    target = {**found, 'domain': 'target', 'title': 'target, indoor'}
    sets = {'source_indoor': found, 'target_indoor': target}
    return {'format': reports.FORMAT, 'stage': 'pre_src', 'sets': sets}


def test_it_is_json_whatever_was_predicted(tmp_path):
    def holes(batch):
        depth = np.zeros(batch.depth[:, 0].shape, np.float32)
        depth[0] = np.nan
        return Estimate(depth, np.full_like(depth, np.nan))

    content = report()
    content['sets'] = {'source_indoor': evaluate_set(holes, INFO, ramp_set(), {})}
    path = tmp_path / 'report.json'
    path.write_bytes(reports.to_json(content))
    assert reports.read_report(path) == content
    found = content['sets']['source_indoor']
    assert found['predictors']['network']['boundary_f1'] is None
    assert math.isfinite(found['scales']['indoor'])
    reports.show(content)


@pytest.mark.parametrize('content', [{'styles': {}}, {'format': 3}])
def test_another_format_is_refused(tmp_path, content):
    (tmp_path / 'report.json').write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r'format [13], expected 2: write it again'):
        reports.read_report(tmp_path / 'report.json')


def test_sets_are_found_by_domain():
    found = report()
    assert reports.domain_sets(found, 'target') == {'indoor': found['sets']['target_indoor']}
    assert reports.domain_sets(found, 'data') == {}


def test_a_checkpoint_carries_the_few_figures_that_matter():
    metrics = reports.checkpoint_metrics(report())
    assert metrics['indoor_abs_rel'] < metrics['indoor_median_depth_map_abs_rel']
    assert set(metrics) == {
        f'{domain}indoor_{infix}{name}{scaled}'
        for domain in ('', 'target_')
        for infix in ('', 'median_depth_map_')
        for name in ('abs_rel', 'delta1')
        for scaled in ('', '_median_scaled')
    } | {'indoor_interval_coverage', 'target_indoor_interval_coverage'}


def test_what_is_not_finite_is_not_stored():
    metrics = {'psnr': math.inf, 'ssim': 1.0, 'bad2': math.nan}
    assert reports.finite(metrics) == {'ssim': 1.0}
    assert json.loads(reports.to_json({'rows': [metrics]})) == {
        'rows': [{'psnr': None, 'ssim': 1.0, 'bad2': None}]
    }


def test_the_first_lines_tell_whether_controls_are_beaten(capsys):
    content = report()
    lost = content['sets']['target_indoor'] = {**content['sets']['target_indoor']}
    lost['not_beaten'] = ['shuffled_input']
    reports.show(content)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'indoor: the network beats all 3 controls on 12 windows'
    assert lines[1].startswith(
        'target, indoor: the network DOES NOT BEAT 1 of its controls on 12 windows: shuffled input'
    )
    assert any('target, indoor, test: 12 windows of 1 recordings, 0 left out' in k for k in lines)
    for title in ('boundary f1', 'ordinal'):
        assert any(title in line for line in lines)
    assert len({*reports.COLUMNS.values()}) == len(reports.COLUMNS)


@pytest.mark.parametrize(
    ('coverage', 'printed'),
    [
        (0.68, '0.680'),
        (0.73, '0.730'),
        (0.63, '0.630'),
        (0.731, '0.731, not calibrated here'),
        (0.62, '0.620, not calibrated here'),
        (None, '-'),
    ],
)
def test_a_miss_of_more_than_five_points_is_not_calibrated(coverage, printed):
    assert reports.coverage_cell(coverage) == printed


def test_the_coverage_of_each_range_of_depth_is_printed(capsys):
    content = report()
    rows = [
        {'from': 0.0, 'to': 1.0, 'share': 0.001, 'interval_coverage': 0.1},
        {'from': 1.0, 'to': 2.0, 'share': 0.699, 'interval_coverage': 0.7},
        {'from': 80.0, 'to': None, 'share': 0.3, 'interval_coverage': 0.5},
    ]
    content['sets'] = {'a': {**content['sets']['source_indoor'], 'by_distance': rows}}
    reports.show(content)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith('  at ')]
    assert lines == [
        '  at 1 to 2 m (69.9 % of the pixels): 0.700',
        '  at 80 m and more (30.0 % of the pixels): 0.500, not calibrated here',
    ]
