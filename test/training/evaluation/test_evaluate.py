# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from ramps import RampSource  # noqa: E402
from tiny_stage import INFO  # noqa: E402
from torch import nn  # noqa: E402

from spike_depth_ros.metrics import DepthErrors, StructureErrors  # noqa: E402
from spike_depth_ros.model.depth_net import DepthOutput  # noqa: E402
from spike_training.errors import TrainingError  # noqa: E402
from spike_training.evaluation.controls import (  # noqa: E402
    CONTROLS,
    comparison_line,
    control_name,
    not_beaten,
)
from spike_training.evaluation.evaluate import (  # noqa: E402
    Scenes,
    canonical_depth,
    evaluate_predictor,
    fit_uncertainty_factor,
    headline,
    median_depth_baseline,
    network_predictor,
)

NUMBER = 12


class Brightness(nn.Module):
    """A network that is not bad at ramps: brighter is nearer."""

    def __init__(self, uncertainty=0.1):
        super().__init__()
        self.uncertainty = uncertainty

    def forward(self, counts, planes_per_bin):
        rate = counts.float().mean(dim=1, keepdim=True)
        depth = (16 / (rate - 0.3).clamp_min(0.2)).clamp(0.3, 80.0)
        nothing = torch.zeros(1)
        uncertainty = torch.full_like(depth, self.uncertainty)
        return DepthOutput(depth, uncertainty, nothing, nothing, nothing)


def scenes(split='test', batch_size=4, number=NUMBER):
    return Scenes(RampSource(split=split), number, batch_size)


def report(batch_size=4, **changes):
    info = dataclasses.replace(INFO, **changes)
    constant = median_depth_baseline(scenes('train', batch_size), info.canonical_fx)
    predictor = network_predictor(Brightness(), info)
    return evaluate_predictor(predictor, info, scenes(batch_size=batch_size), constant)


def test_figures_are_those_of_the_metrics():
    expected = DepthErrors(INFO.min_depth, INFO.max_depth)
    for batch in scenes():
        depth = Brightness()(batch.counts, batch.planes_per_bin).depth.numpy()
        truth = batch.depth.numpy() * (400.0 / batch.fx.numpy())[:, None, None, None]
        expected.add(depth, truth)
    found = report()['network']['raw']
    assert found['images'] == NUMBER
    assert found['mean_over_pixels']['abs_rel'] == pytest.approx(expected.abs_rel, rel=1e-6)
    assert found['sky']['pixels'] == NUMBER * 2 * 48


def test_the_size_of_batches_changes_nothing():
    one, other = report(batch_size=4), report(batch_size=6)
    for name in ('network', 'constant'):
        for kind in ('raw', 'median_scaled'):
            mine, theirs = (r[name][kind]['mean_over_pixels'] for r in (one, other))
            assert mine == pytest.approx(theirs, rel=1e-6)
    for name in ('mean_prediction', 'network', 'constant'):
        assert one[name]['structure'] == pytest.approx(other[name]['structure'])
    mine, theirs = (r['mean_prediction']['raw']['mean_over_pixels'] for r in (one, other))
    assert mine == pytest.approx(theirs, rel=1e-6)
    assert one['uncertainty'] == pytest.approx(other['uncertainty'], rel=1e-6)


def test_another_scenes_spikes_lose_what_the_network_sees():
    found = report()
    errors = {
        name: found[name]['raw']['mean_over_pixels']['abs_rel']
        for name in ('network', 'constant', 'other_spikes')
    }
    assert errors['network'] < 0.7 * errors['other_spikes']
    assert errors['network'] < 0.7 * errors['constant']


def test_the_mean_prediction_is_what_the_network_predicts_on_average():
    depths, truths = [], []
    for batch in scenes():
        depth = Brightness()(batch.counts, batch.planes_per_bin).depth.numpy()
        depths += [*np.clip(depth[:, 0], INFO.min_depth, INFO.max_depth)]
        truths += [*canonical_depth(batch, 400.0)[:, 0].numpy()]
    mean = np.mean(depths, axis=0)
    expected = DepthErrors(INFO.min_depth, INFO.max_depth)
    for truth in truths:
        expected.add(mean, truth)
    found = report()['mean_prediction']['raw']
    assert found['mean_over_pixels'] == pytest.approx(expected.figures(), rel=1e-5)
    network = report()['network']['raw']['mean_over_pixels']['abs_rel']
    assert network < 0.7 * found['mean_over_pixels']['abs_rel']


def test_boundaries_and_order_are_scored_by_the_number_of_the_sample():
    expected = StructureErrors(INFO.min_depth, INFO.max_depth)
    for batch in scenes():
        depth = Brightness()(batch.counts, batch.planes_per_bin).depth[:, 0].numpy()
        truth = canonical_depth(batch, 400.0)[:, 0].numpy()
        expected.add(depth, truth, batch.index.tolist())
    assert report()['network']['structure'] == expected.report()
    assert expected.ordinal > 0.8


def test_controls_that_are_not_beaten_are_named():
    def tables(abs_rel):
        return {'median_scaled': {'mean_over_pixels': {'abs_rel': abs_rel}}}

    errors = {'constant_road': 0.3, 'other_spikes': 0.2, 'mean_prediction': 0.20001}
    predictors = {name: tables(error) for name, error in errors.items()}
    lost = not_beaten({'network': tables(0.2), **predictors})
    assert lost == ['other_spikes', 'mean_prediction']  # the last one is beaten by rounding only
    assert not_beaten({'network': tables(None), 'constant': tables(0.3)}) == ['constant']
    assert not_beaten({'network': tables(0.2), 'constant': tables(None)}) == []
    assert report()['not_beaten'] == []
    assert comparison_line('network', 'road', []) == 'road: the network beats all controls'
    assert comparison_line('predictions', 'road', lost) == (
        'road: the predictions do not beat: shuffled input; mean prediction (median-scaled AbsRel)'
    )


def test_controls_have_the_names_of_the_field():
    names = {key: control_name(key) for key in ('network', 'constant_road', *CONTROLS)}
    assert names == {
        'network': 'network',
        'constant': 'median-depth baseline',
        'constant_road': 'median-depth baseline, road',
        'other_spikes': 'shuffled input',
        'mean_prediction': 'mean prediction',
    }


def test_the_baseline_is_the_median_of_each_pixel():
    found = median_depth_baseline(scenes('train'), 400.0)
    depths = torch.cat([canonical_depth(batch, 400.0)[:, 0] for batch in scenes('train')]).numpy()
    assert np.isposinf(found[:2]).all()
    ordered = np.sort(depths, axis=0)
    np.testing.assert_array_equal(found, ordered[(NUMBER - 1) // 2])


def test_an_unknown_depth_does_not_reach_the_baseline():
    class Holes(RampSource):
        def batch(self, *place):
            batch = super().batch(*place)
            batch.depth[0, 0, 10, 10] = torch.nan
            return batch

    assert not np.isnan(median_depth_baseline(Scenes(Holes(), NUMBER, 4), 400.0)).any()


class TestUncertainty:
    def test_the_factor_makes_the_interval_hold_68_percent_of_other_scenes(self):
        factor = fit_uncertainty_factor(Brightness(), INFO, scenes('calibration', number=40))
        # What the head says is scaled away.
        other = fit_uncertainty_factor(Brightness(0.4), INFO, scenes('calibration', number=40))
        assert other == pytest.approx(factor / 4, rel=1e-4)
        held = report(uncertainty_factor=factor)['uncertainty']['interval_coverage']
        assert held == pytest.approx(0.68, abs=0.06)
        assert report()['uncertainty']['interval_coverage'] != pytest.approx(0.68, abs=0.06)

    def test_it_is_the_conformal_quantile(self):
        class Straight(nn.Module):
            def forward(self, counts, planes_per_bin):
                shape = (len(counts), 1, 32, 48)
                nothing = torch.zeros(1)
                return DepthOutput(torch.ones(shape), torch.ones(shape), *[nothing] * 3)

        pooled = torch.cat(
            [canonical_depth(b, 400.0).flatten() for b in scenes('calibration')]
        ).numpy()
        ratios = np.sort(np.abs(pooled[np.isfinite(pooled)] - 1))
        found = fit_uncertainty_factor(Straight(), INFO, scenes('calibration'))
        assert found == pytest.approx(ratios[int(np.ceil(0.68 * (len(ratios) + 1))) - 1], rel=1e-6)

    def test_no_uncertainty_is_refused(self):
        with pytest.raises(TrainingError, match='predicts no uncertainty'):
            fit_uncertainty_factor(Brightness(0.0), INFO, scenes('calibration'))


def test_headline_names_style_and_control():
    figures = headline({'indoor': report()})
    assert figures['indoor_abs_rel'] < figures['indoor_constant_abs_rel']
    assert set(figures) == {
        f'indoor_{control}{name}{scaled}'
        for control in ('', 'constant_')
        for name in ('abs_rel', 'delta1')
        for scaled in ('', '_median_scaled')
    } | {'indoor_interval_coverage'}
