# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Errors over conditions: values of the metrics, on the same scenes, one variable at a time."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from kit.stages import INFO, Brightness
from spike_depth_ros.evaluation.metrics import DepthErrors, EvalProtocol
from spike_training.evaluation.curves import (
    SceneErrors,
    Sweep,
    make_sweeps,
    measure_flicker,
    score_conditions,
    sweep_report,
)
from spike_training.evaluation.predictors import Estimate, canonical_depth, network_predictor
from spike_training.sampling.conditions import Condition, ConditionSource
from spike_training.sampling.procedural import ProceduralSource

SETTINGS = {'styles': ('home', 'road'), 'height': 32, 'width': 48, 'split': 'test', 'bins': 8}
BATCHES = [range(3), range(3, 5)]
DEFAULT = Condition()
VALUES = {
    'planes': [64, 256],
    'mean_rate': [0.05, 0.2],
    'rate_hz': [10e3, 40e3],
    'speed': [0, 4],
}


def score(conditions, predictor=None, batches=BATCHES):
    predictor = predictor or network_predictor(Brightness(), INFO)
    return score_conditions(predictor, INFO, ConditionSource(**SETTINGS), batches, conditions)


def test_errors_are_those_of_the_metrics_and_of_the_procedural_scenes():
    found = score([Condition(speed=0.0), DEFAULT])[DEFAULT]
    batch = ProceduralSource(**SETTINGS).samples(range(5))
    depth = Brightness()(batch.counts, batch.planes_per_bin).depth[:, 0].numpy()
    truth = canonical_depth(batch, INFO.canonical_fx)[:, 0].numpy()
    scaled = DepthErrors(INFO.min_depth, INFO.max_depth, EvalProtocol(alignment='median'))
    raw = DepthErrors(INFO.min_depth, INFO.max_depth)
    scaled.add(depth, truth)
    raw.add(depth, truth)
    assert found.means() == pytest.approx(
        {
            'abs_rel': scaled.metrics('images')['abs_rel'],
            'delta1': scaled.metrics('images')['delta1'],
            'abs_rel_raw': raw.metrics('images')['abs_rel'],
        },
        rel=1e-6,
    )


def test_the_size_of_batches_changes_nothing():
    conditions = [DEFAULT, Condition(speed=4.0, frame_spikes=16.0)]
    one, other = score(conditions), score(conditions, batches=[range(5)])
    for condition in conditions:
        for found, expected in zip(one[condition], other[condition], strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_all_conditions_see_the_same_scenes():
    seen = []

    def perfect(batch):
        seen.append(batch.index.tolist())
        depth = canonical_depth(batch, INFO.canonical_fx)[:, 0].numpy()
        return Estimate(depth, depth)

    found = score([DEFAULT, Condition(planes=64), Condition(frame_spikes=8.0)], perfect)
    assert seen == 3 * [[0, 1, 2]] + 3 * [[3, 4]]
    for errors in found.values():
        assert errors.means()['abs_rel_raw'] == pytest.approx(0, abs=1e-6)
        assert errors.means()['delta1'] == 1


class TestFlicker:
    def test_is_the_median_change_of_depth_between_the_windows(self):
        numbers = iter(range(100))
        lengths = []

        def growing(batch):
            # Window by window depth grows by a factor, in each image by more.
            lengths.append(batch.planes_per_bin.tolist())
            images = torch.arange(1.0, len(batch.index) + 1)[:, None, None]
            depth = torch.exp(0.01 * images * next(numbers)).expand(-1, 32, 48).numpy().copy()
            depth[:, :5] = np.inf  # sky counts nowhere
            return Estimate(depth, depth)

        source = ConditionSource(**SETTINGS)
        found = measure_flicker(growing, source, [range(3)], [DEFAULT])
        assert found == {DEFAULT: pytest.approx(0.02)}
        assert lengths == 2 * [8 * [16]]

    def test_of_a_constant_depth_is_none(self):
        def constant(batch):
            depth = np.full((len(batch.index), 32, 48), 3.0, np.float32)
            return Estimate(depth, depth)

        conditions = [Condition(speed=0.0), DEFAULT]
        found = measure_flicker(constant, ConditionSource(**SETTINGS), BATCHES, conditions)
        assert found == dict.fromkeys(conditions, 0.0)


class TestSweeps:
    def test_change_one_variable_around_the_default(self):
        sweeps = make_sweeps(DEFAULT, VALUES, 16.0)
        assert [*sweeps['planes'].values] == [64, 128, 256]
        assert [*sweeps['rate_hz'].values] == [10e3, 20e3, 40e3]
        assert [*sweeps['speed'].values] == [0, 1, 4]
        assert [*sweeps['mean_rate'].values] == [0.05, 0.2]
        assert sweeps['planes'].cameras()['spike'][0] == Condition(planes=64)
        for sweep in sweeps.values():
            for condition in sweep.cameras()['spike']:
                own = {sweep.variable: getattr(sweep.base, sweep.variable)}
                assert dataclasses.replace(condition, **own) == sweep.base

    def test_cameras_are_compared_where_a_frame_camera_is_given(self):
        sweeps = make_sweeps(DEFAULT, VALUES, 16.0)
        cameras = {key: [*sweep.cameras()] for key, sweep in sweeps.items()}
        assert cameras == {
            'planes': ['spike'],
            'mean_rate': ['spike'],
            'rate_hz': ['spike'],
            'speed': ['spike', 'frame'],
            'mean_rate_fast': ['spike', 'spike_same_exposure', 'frame'],
        }
        found = sweeps['mean_rate_fast'].cameras()
        bright = Condition(mean_rate=0.2, speed=4.0)
        assert found['spike'][1] == bright
        assert found['frame'][1] == dataclasses.replace(bright, frame_spikes=16.0)
        assert found['spike_same_exposure'][1] == dataclasses.replace(bright, planes=80)


def test_the_report_compares_scene_by_scene():
    sweep = Sweep('speed', 'speed', [0.0, 4.0], DEFAULT, 16.0)
    errors = {}
    for speed in sweep.values:
        spike = np.array([0.1, 0.2, 0.3, math.nan])
        frame = spike + [0.01, 0.02, 0.03, 0.0] if speed else spike
        for column, spikes in ((spike, 0.0), (frame, 16.0)):
            condition = Condition(speed=speed, frame_spikes=spikes)
            errors[condition] = SceneErrors(column, 1 - column, 2 * column)
    still, fast = sweep_report(sweep, errors)['points']
    assert still['value'] == 0
    assert still['frame_minus'] == {'spike': {'abs_rel': 0, 'half_width_95': 0}}
    assert fast['spike'] == pytest.approx({'abs_rel': 0.2, 'delta1': 0.8, 'abs_rel_raw': 0.4})
    assert fast['frame']['abs_rel'] == pytest.approx(0.22)
    assert fast['frame_minus']['spike'] == pytest.approx(
        {'abs_rel': 0.02, 'half_width_95': 1.96 * 0.01 / math.sqrt(3)}
    )


def test_what_no_scene_has_is_null():
    sweep = Sweep('speed', 'speed', [1.0], DEFAULT)
    nothing = np.full(2, math.nan)
    (point,) = sweep_report(sweep, {DEFAULT: SceneErrors(nothing, nothing, nothing)})['points']
    assert point['spike'] == {'abs_rel': None, 'delta1': None, 'abs_rel_raw': None}
