# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of generated scenes and of recordings: values of the metrics, beside fair controls."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from kit.clips import HEIGHT, WIDTH, Sliding
from kit.stages import INFO, Brightness, RampSource, ramp_scenes, ramp_set
from spike_depth_ros.evaluation.metrics import DepthErrors, StructureErrors
from spike_depth_ros.networks.depth_net import DepthOutput
from spike_training.errors import DataSetError
from spike_training.evaluation.predictors import (
    Scenes,
    canonical_depth,
    median_depth_map,
    network_predictor,
)
from spike_training.evaluation.report import BASELINE
from spike_training.evaluation.scores import EvaluationSet, evaluate_set, recording_scales
from spike_training.run_data.sources import sample_frames
from spike_training.sampling.clip_source import ClipSource
from spike_training.sampling.sample import Batch

LIMITS = (INFO.min_depth, INFO.max_depth)


def report(batch_size=4):
    """On ramps, by a network that sees them."""
    baseline = median_depth_map(ramp_scenes('train', batch_size), INFO.canonical_fx)
    predictor = network_predictor(Brightness(), INFO)
    return evaluate_set(predictor, INFO, ramp_set(batch_size=batch_size), {BASELINE: baseline})


def predictions():
    """Depth and truth of the ramps of :func:`report`, batch by batch."""
    for batch in ramp_scenes():
        depth = Brightness()(batch.counts, batch.planes_per_bin).depth[:, 0].numpy()
        yield depth, canonical_depth(batch, 400.0)[:, 0].numpy(), batch.index.tolist()


class TestGeneratedScenes:
    def test_figures_are_those_of_the_metrics(self):
        expected = DepthErrors(*LIMITS)
        for depth, truth, _ in predictions():
            expected.add(depth, truth)
        found = report()
        raw = found['tables']['network']['raw']
        assert (found['windows'], raw['images']) == (12, 12)
        assert raw['mean_over_pixels']['abs_rel'] == pytest.approx(expected.abs_rel, rel=1e-6)
        assert found['predictors']['network']['abs_rel'] == raw['mean_over_pixels']['abs_rel']
        assert raw['sky']['pixels'] == 12 * 2 * 48

    def test_the_size_of_batches_changes_nothing(self):
        one, other = report(batch_size=4), report(batch_size=6)
        for name, metrics in one['predictors'].items():
            assert metrics.pop('boundary_f1') is None  # ramps have no boundaries
            assert other['predictors'][name].pop('boundary_f1') is None
            assert metrics == pytest.approx(other['predictors'][name], rel=1e-6)
        assert one['uncertainty'].pop('edge_ratio') is None
        assert other['uncertainty'].pop('edge_ratio') is None
        assert one['uncertainty'] == pytest.approx(other['uncertainty'], rel=1e-6)

    def test_a_network_that_sees_beats_its_controls(self):
        found = report()
        assert found['not_beaten'] == []
        errors = {name: metrics['abs_rel'] for name, metrics in found['predictors'].items()}
        assert errors['network'] < 0.7 * errors['shuffled_input']
        assert errors['network'] < 0.7 * errors[BASELINE]
        assert errors['network'] < 0.7 * errors['mean_prediction']

    def test_shuffled_input_is_half_the_set_away(self):
        depths, truths, _ = (np.concatenate(parts) for parts in zip(*predictions(), strict=True))
        expected = DepthErrors(*LIMITS)
        expected.add(np.roll(depths, 6, axis=0), truths)
        found = report()['tables']['shuffled_input']['raw']['mean_over_pixels']
        assert found['abs_rel'] == pytest.approx(expected.abs_rel, rel=1e-6)

    def test_the_mean_prediction_is_what_the_network_predicts_on_average(self):
        depths, truths, _ = (np.concatenate(parts) for parts in zip(*predictions(), strict=True))
        expected = DepthErrors(*LIMITS)
        expected.add(np.broadcast_to(depths.mean(axis=0), truths.shape), truths)
        found = report()['tables']['mean_prediction']['raw']['mean_over_pixels']
        assert found == pytest.approx(expected.metrics(), rel=1e-5)

    def test_boundaries_and_order_are_scored_by_the_number_of_the_sample(self):
        expected = StructureErrors(*LIMITS)
        for depth, truth, numbers in predictions():
            expected.add(depth, truth, numbers)
        assert report()['tables']['network']['structure'] == expected.report()
        assert expected.ordinal > 0.8

    def test_the_uncertainty_is_broken_down_by_distance(self):
        depths, truths, _ = (np.concatenate(parts) for parts in zip(*predictions(), strict=True))
        inside = np.abs(depths - truths) <= 0.1 * depths
        near = (truths >= 5) & (truths < 8)
        found = report()
        (row,) = [row for row in found['by_distance'] if row['from'] == 5]
        assert row['interval_coverage'] == pytest.approx(inside[near].mean(), abs=1e-3)
        assert row['share'] == pytest.approx(near.sum() / np.isfinite(truths).sum())
        assert sum(row['share'] for row in found['by_distance']) == pytest.approx(1)

    def test_the_sparsification_curve_begins_at_the_error(self):
        found = report()
        curve, images = found['sparsification'], found['tables']['network']['raw']
        error = images['mean_over_images']['abs_rel']
        assert curve['by_uncertainty'][0] == pytest.approx(error, rel=1e-6)
        assert curve['oracle'][-1] < 0.6 * curve['by_uncertainty'][-1]
        area = np.mean(np.subtract(curve['by_uncertainty'], curve['oracle']))
        assert area == pytest.approx(found['uncertainty']['ause'], rel=0.1)

    def test_the_scenes_of_a_set_count_as_one_recording(self):
        assert report()['scales'].keys() == {'indoor'}


class TestBaseline:
    def test_is_the_median_of_each_pixel(self):
        found = median_depth_map(ramp_scenes('train'), 400.0)
        depths = [canonical_depth(batch, 400.0)[:, 0] for batch in ramp_scenes('train')]
        assert np.isposinf(found[:2]).all()
        ordered = np.sort(torch.cat(depths).numpy(), axis=0)
        np.testing.assert_array_equal(found, ordered[(12 - 1) // 2])

    def test_leaves_unknown_depth_out(self):
        class Holes(RampSource):
            def batch(self, *place):
                batch = super().batch(*place)
                batch.depth[0, 0, 10, 10] = torch.nan
                return batch

        assert not np.isnan(median_depth_map(Scenes(Holes(), 12, 4), 400.0)).any()


class Knowing(ClipSource):
    """A source whose spikes carry the number of their sample, for a network that cheats."""

    def sample(self, number: int, planes: int, place: float = 0.5) -> Batch:
        batch = super().sample(number, planes, place)
        return dataclasses.replace(batch, counts=torch.full_like(batch.counts, number))


class Cheat(nn.Module):
    """Knows the depth of Sliding's frames at the canonical focal length, times a factor."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def forward(self, counts, planes_per_bin):
        depths = [np.nan_to_num(Sliding().depth(int(c.max()) % 6), nan=1.0) for c in counts]
        depth = self.factor * torch.from_numpy(np.stack(depths))[:, None] * (400.0 / 80.0)
        nothing = torch.zeros(1)
        return DepthOutput(depth, torch.full_like(depth, 0.5), nothing, nothing, nothing)


def score(source, baselines=None, frames=100, factor=1.0):
    samples = sample_frames(source, frames, 10, np.nan)
    one = EvaluationSet('data', 'made', samples, HEIGHT, WIDTH, (32,), 20e3)
    return evaluate_set(network_predictor(Cheat(factor), INFO), INFO, one, baselines or {})


def scored(factor=1.0, clips=None, frames=100, **baselines):
    source = Knowing(clips or [Sliding()], HEIGHT, WIDTH, planes=(32,))
    return score(source, baselines, frames, factor)


class TestRecordings:
    def test_a_network_that_knows_the_depth_has_no_error(self):
        found = scored()
        assert found['windows'] == 6
        assert found['predictors']['network']['abs_rel'] == pytest.approx(0, abs=1e-6)
        assert found['fx'] == [80.0, 80.0]
        assert found['truth_share'] == pytest.approx(1 - 5 / (HEIGHT * WIDTH))
        # Its interval is wide enough for all of the truth.
        assert found['uncertainty']['interval_coverage'] == 1

    def test_scales_borrow_no_more_than_they_say(self):
        found = scored(1.3)
        metrics = found['predictors']['network']
        assert metrics['abs_rel'] == pytest.approx(0.3, abs=1e-5)
        assert metrics['abs_rel_recording_scaled'] == pytest.approx(0, abs=1e-5)
        assert found['scales'] == {'made/sliding': pytest.approx(1 / 1.3)}

    def test_a_recording_has_one_scale(self):
        truth = np.full((2, 2), 4.0, np.float32)
        depths = [truth / 2, truth / 2, truth, truth / 4]
        found = recording_scales(depths, [truth] * 4, ['a', 'a', 'a', 'b'])
        assert found == {'a': 2.0, 'b': 4.0}
        assert recording_scales(depths[:1], [truth * np.nan], ['a']) == {'a': 1.0}

    def test_boundaries_and_order_are_scored(self):
        tables = scored(flat=np.full((HEIGHT, WIDTH), 20, np.float32))['tables']
        assert tables['network']['structure']['ordinal'] == 1
        assert tables['network']['structure']['pairs'] > 0
        assert tables['flat']['structure']['ordinal'] == 0  # nothing but ties

    def test_an_infinite_baseline_is_scored_as_the_ranges_limit(self):
        baseline = np.full((HEIGHT, WIDTH), np.inf, np.float32)
        baseline[HEIGHT // 2 :] = 20.0
        found = scored(half=baseline)
        expected = DepthErrors(*LIMITS)
        for k in range(6):
            expected.add(baseline, Sliding().depth(k) * 5)
        assert found['predictors']['half']['abs_rel'] == pytest.approx(expected.abs_rel, rel=1e-5)

    def test_frames_are_spread_over_all_clips(self):
        second = Sliding()
        second.name = 'made/other'
        found = scored(clips=[Sliding(), second], frames=4)
        assert found['windows'] == 4
        assert found['scales'].keys() == {'made/other', 'made/sliding'}

    def test_damaged_frames_are_named_and_too_many_refused(self):
        source = ClipSource([Sliding(damaged=(1,))], HEIGHT, WIDTH, planes=(32,))
        found = score(source)
        assert found['windows'] == 5
        assert found['skipped'] == {'1.png: cannot be read: truncated': ['made/sliding, frame 1']}
        broken = ClipSource([Sliding(damaged=(0, 1, 2))], HEIGHT, WIDTH, planes=(32,))
        with pytest.raises(DataSetError, match='3 of 6 frames cannot be used'):
            score(broken)

    def test_without_a_focal_length_metres_mean_nothing(self):
        clip = Sliding()
        clip.camera = clip.camera * np.nan
        with pytest.raises(DataSetError, match='no focal length is known'):
            scored(clips=[clip])

    def test_one_sample_has_no_other_to_compare_with(self):
        with pytest.raises(DataSetError, match='made: 1 labelled samples, expected 2 or more'):
            scored(frames=1)
