# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from spike_depth_ros.stereo.fill import BESIDE_PX, RunningFactor, fill


def test_the_factor_is_the_median_of_the_ratios_of_both():
    predicted = np.full((20, 30), 2.0, np.float32)
    measured = np.full((20, 30), np.nan, np.float32)
    factor = RunningFactor()
    assert factor.update(measured, predicted) is None  # nothing is measured
    measured[0, :2] = 3.0
    assert factor.update(measured, predicted) is None  # too little is
    measured[:, :20], measured[:, 20] = 3.0, 50.0
    found = factor.update(measured, predicted)
    assert found is not None
    assert found.value == pytest.approx(1.5)
    assert found.uncertainty == 0
    factor.reset()
    assert factor.update(np.full_like(measured, np.nan), predicted) is None


def test_single_pairs_do_not_move_the_factor():
    predicted = np.ones((4, 4), np.float32)
    factor = RunningFactor()
    for value in (2.0, 2.2, 40.0, 2.0, 2.2):
        found = factor.update(value * predicted, predicted)
    assert found.value == pytest.approx(2.2)
    assert found.uncertainty == pytest.approx(1.4826 * math.log(2.2 / 2.0), rel=1e-5)


def test_a_gap_is_filled_by_the_farther_side_and_by_one_camera_away_from_it():
    measured = np.full((1, 400), np.nan, np.float32)
    measured[0, 10], measured[0, 30], measured[0, 399] = 4.0, 1.0, 8.0
    predicted = np.full((1, 400), 2.0, np.float32)
    filled = fill(measured, predicted)[0]
    assert filled[[10, 30, 399]].tolist() == [4.0, 1.0, 8.0]
    weight = math.exp(-12 / BESIDE_PX)
    assert filled[22] == pytest.approx(4.0**weight * 2.0 ** (1 - weight), rel=1e-5)
    weight = math.exp(-299 / BESIDE_PX)
    assert filled[100] == pytest.approx(8.0**weight * 2.0 ** (1 - weight), rel=1e-5)
    weight = math.exp(-10 / BESIDE_PX)
    assert filled[0] == pytest.approx(4.0**weight * 2.0 ** (1 - weight), rel=1e-5)


def test_a_row_without_measured_pixels_has_the_depth_of_one_camera():
    measured = np.full((2, 5), np.nan, np.float32)
    measured[1] = 3.0
    predicted = np.arange(1, 11, dtype=np.float32).reshape(2, 5)
    predicted[0, 2] = np.nan
    np.testing.assert_allclose(fill(measured, predicted)[0], predicted[0], rtol=1e-6)
    np.testing.assert_array_equal(fill(measured, predicted)[1], measured[1])
