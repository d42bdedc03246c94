# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from spike_depth_ros.evaluation.intervals import (
    IMAGE_METRICS,
    WINDOW_METRICS,
    intervals,
    paired_differences,
)


def columns(abs_rel, covered=None, **others):
    count = len(abs_rel)
    filled = dict.fromkeys(
        (*WINDOW_METRICS, *IMAGE_METRICS, 'interval_coverage'), np.full(count, 0.5)
    )
    pixels = np.full(count, 100.0) if covered is None else np.asarray(covered, float)
    return {
        **filled,
        'window': np.arange(float(count)),
        'covered': pixels,
        'unsure_covered': pixels,
        'abs_rel': np.asarray(abs_rel, float),
        **others,
    }


def noise(count, seed=0, blocks=1):
    """Noise that keeps its value for so many windows."""
    return np.repeat(np.random.default_rng(seed).normal(0, 0.05, count // blocks), blocks)


def test_the_value_is_the_figure_itself_for_both_means():
    errors, pixels = np.linspace(0.1, 0.3, 20), np.linspace(10, 200, 20)
    one = columns(errors, pixels, rmse=np.linspace(1, 2, 20))
    assert intervals(one, 'images')['abs_rel'].value == pytest.approx(errors.mean())
    found = intervals(one, 'pixels')
    assert found['abs_rel'].value == pytest.approx((errors * pixels).sum() / pixels.sum())
    squares = (np.linspace(1, 2, 20) ** 2 * pixels).sum() / pixels.sum()
    assert found['rmse'].value == pytest.approx(math.sqrt(squares))
    assert found['abs_rel'].low < found['abs_rel'].value < found['abs_rel'].high


def test_the_interval_of_independent_windows_is_that_of_the_mean():
    errors = 0.3 + noise(400)
    found = intervals(columns(errors), 'images')['abs_rel']
    expected = 1.96 * errors.std() / math.sqrt(400)
    assert (found.high - found.low) / 2 == pytest.approx(expected, rel=0.2)


def test_windows_that_resemble_each_other_make_the_interval_wider():
    single = intervals(columns(0.3 + noise(400)), 'images')['abs_rel']
    alike = intervals(columns(0.3 + noise(400, blocks=10)), 'images')['abs_rel']
    assert alike.high - alike.low > 2 * (single.high - single.low)


def test_pairs_tell_apart_what_varies_together():
    common = 0.3 + noise(200)
    one, other = columns(common), columns(common + 0.01 + 0.1 * noise(200, seed=1))
    found = paired_differences(one, other, 'images')['abs_rel']
    assert found.value == pytest.approx(0.01, abs=0.002)
    assert found.excludes_zero
    back = paired_differences(other, one, 'images')['abs_rel']
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))
    # The figures' own intervals overlap: unpaired, they would not be told apart.
    assert intervals(one, 'images')['abs_rel'].high > intervals(other, 'images')['abs_rel'].low


def test_equal_models_are_not_told_apart():
    one, other = columns(0.3 + noise(100)), columns(0.3 + noise(100, seed=1))
    assert not paired_differences(one, other, 'pixels')['abs_rel'].excludes_zero
    same = paired_differences(one, one, 'pixels')['abs_rel']
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    covered = 0
    for seed in range(60):
        found = intervals(columns(0.3 + noise(200, seed, blocks=4)), 'images', seed)['abs_rel']
        covered += found.low <= 0.3 <= found.high
    assert covered >= 50


def test_draws_are_seeded():
    one = columns(0.3 + noise(50))
    assert intervals(one, 'pixels') == intervals(one, 'pixels')


def test_windows_without_truth_are_left_out():
    errors = 0.3 + noise(40)
    sparse = np.full(80, np.nan)
    sparse[::2] = errors
    pixels = np.where(np.isnan(sparse), 0, 100)
    found = intervals(columns(sparse, pixels), 'pixels')['abs_rel']
    assert found == intervals(columns(errors), 'pixels')['abs_rel']


def test_few_windows_have_no_interval():
    found = intervals(columns([0.1, 0.2, 0.3]), 'pixels')['abs_rel']
    assert found.value == pytest.approx(0.2)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    nothing = intervals(columns([np.nan], [0]), 'pixels')['abs_rel']
    assert math.isnan(nothing.value)


def test_models_on_other_windows_cannot_be_paired():
    with pytest.raises(ValueError, match='have different windows; expected the same'):
        paired_differences(columns([0.1] * 9), columns([0.1] * 10), 'pixels')
