# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of the temporal filter of depth."""

import math

import numpy as np
import pytest

from spike_depth_ros.estimator import Prediction
from spike_depth_ros.filters.temporal_filter import TemporalFilter
from spike_depth_ros.stream.window import Window

SECOND = 1_000_000_000


def prediction(depth, uncertainty=0.1):
    """Depth of a row of pixels, with one relative uncertainty."""
    depth = np.atleast_2d(np.float32(depth))
    return Prediction(depth, depth * np.float32(uncertainty), (0.1, 99.0), 'metric', 1, ())


def window(at_s, segment=0):
    """A window whose reference plane is at a time."""
    planes = Window.from_planes(np.zeros((2, 4, 4), bool), 20_000.0, t0_ns=round(at_s * SECOND))
    return Window(**{**planes.__dict__, 'segment': segment})


def filtered(found, times_s, tau=1.0, segments=None, uncertainty=0.1):
    """Depth of windows, one after another."""
    temporal = TemporalFilter(tau)
    segments = segments or [0] * len(found)
    return [
        temporal.apply(prediction(depth, uncertainty), window(at, segment)).depth.ravel()
        for depth, at, segment in zip(found, times_s, segments, strict=True)
    ]


def test_log_depth_of_a_still_scene_is_an_exponential_mean():
    found = filtered([[2.0], [2.1], [2.1]], [0, 0.5, 1.5], uncertainty=1000.0)
    expected = math.log(2.1 / 2)
    for depth, elapsed in zip(found, (0, 0.5, 1.5), strict=True):
        assert math.log(depth[0] / 2) == pytest.approx(
            expected * (1 - math.exp(-elapsed)), abs=1e-6
        )


def test_noise_becomes_less():
    noise = 1 + 0.02 * np.random.default_rng(0).standard_normal((60, 500))
    found = np.array(filtered(3.0 * noise, 0.1 * np.arange(60), uncertainty=0.2))
    flicker = [np.median(np.abs(np.diff(np.log(d[20:]), axis=0))) for d in (found, 3.0 * noise)]
    assert flicker[0] < 0.2 * flicker[1]
    assert found[-1].mean() == pytest.approx(3.0, rel=2e-3)


def test_the_larger_a_change_the_less_stays():
    found = filtered([[1.0] * 4] + [[1.0, 1.02, 1.05, 1.1]], [0, 0.001], tau=1e6)[1]
    log = np.log([1.0, 1.02, 1.05, 1.1])
    np.testing.assert_allclose(np.log(found), log * (log / 0.1) ** 2, atol=1e-6)


def test_without_uncertainty_nothing_stays():
    with np.errstate(all='raise'):
        assert filtered([[2.0], [2.1]], [0, 0.1], uncertainty=0.0)[1] == np.float32(2.1)
        assert filtered([[2.0], [2.0]], [0, 0.1], uncertainty=0.0)[1] == np.float32(2.0)


def test_a_pixel_that_changes_by_more_than_its_uncertainty_takes_the_new_depth_at_once():
    first, second = filtered([[2.0, 2.0], [2.1, 3.0]], [0, 0.1])
    assert second[1] == np.float32(3.0)
    assert first[0] < second[0] < 2.1
    # and goes on from there.
    assert filtered([[2.0], [3.0], [3.0]], [0, 0.1, 0.2])[2] == np.float32(3.0)


def test_relative_uncertainty_stays():
    temporal = TemporalFilter(1.0)
    temporal.apply(prediction([2.0]), window(0))
    found = temporal.apply(prediction([2.1]), window(0.1))
    np.testing.assert_allclose(found.uncertainty / found.depth, 0.1, rtol=1e-6)


@pytest.mark.parametrize(
    ('times', 'segments'), [([0, 0.1], [0, 1]), ([1, 0.5], [0, 0]), ([1, 1], [0, 0])]
)
def test_gaps_and_jumps_of_time_begin_anew(times, segments):
    assert filtered([[2.0], [2.1]], times, segments=segments)[1] == np.float32(2.1)


def test_it_begins_anew_on_reset_and_where_the_size_changes():
    temporal = TemporalFilter(1.0)
    temporal.apply(prediction([2.0]), window(0))
    temporal.reset()
    assert temporal.apply(prediction([2.1]), window(0.1)).depth == np.float32(2.1)
    wide = prediction([2.1, 2.2])
    assert temporal.apply(wide, window(0.2)) is wide


def test_without_a_time_constant_predictions_are_the_same_objects():
    temporal = TemporalFilter(0.0)
    for at, depth in enumerate(([2.0], [2.1])):
        seen = prediction(depth)
        assert temporal.apply(seen, window(at)) is seen
    temporal.time_constant_s = 1.0  # nothing of before is remembered
    seen = prediction([2.2])
    assert temporal.apply(seen, window(3)) is seen


def test_pixels_without_depth_stay_so_and_come_back():
    nan = math.nan
    found = filtered([[nan, 2.0], [2.0, nan], [2.0, 2.0]], [0, 0.1, 0.2])
    np.testing.assert_array_equal(found, np.float32([[nan, 2.0], [2.0, nan], [2.0, 2.0]]))
