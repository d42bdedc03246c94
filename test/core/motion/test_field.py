# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The field of points in maps whose depth is one, or two with a step between them."""

import numpy as np
import pytest

from spike_depth_ros.motion.field import AMPLITUDE, BOUND, COMMON, NOISE, fit_field

HEIGHT, WIDTH = 96, 128
STATED = 0.1
SIGNAL = COMMON**2 + AMPLITUDE**2


def two_walls(near=1.0, far=4.0):
    """Log depth of a wall on the left before one on the right."""
    depth = np.full((HEIGHT, WIDTH), near, np.float32)
    depth[:, WIDTH // 2 :] = far
    return np.log(depth)


def one_wall(depth=2.0):
    return two_walls(depth, depth)


def spread(columns=(4, WIDTH - 4), rows=(4, HEIGHT - 4), step=8):
    """Points on a lattice over a part of the map."""
    column, row = np.meshgrid(np.arange(*columns, step), np.arange(*rows, step))
    return np.column_stack([column.ravel(), row.ravel()]).astype(float)


def fit(places, residuals, log_depth, stated=STATED, variance=1e-4):
    return fit_field(
        places,
        np.broadcast_to(residuals, len(places)).astype(float),
        np.full(len(places), variance),
        log_depth,
        np.full(log_depth.shape, stated, np.float32),
    )


def test_residuals_that_all_points_have_are_corrected_everywhere():
    correction, left = fit(spread(), 0.06, one_wall())
    assert correction.shape == left.shape == (HEIGHT, WIDTH)
    assert correction.dtype == left.dtype == np.float32
    np.testing.assert_allclose(correction[24:-24, 24:-24], 0.06, rtol=0.05)
    assert 0.03 < correction.min() < correction.max() < 0.063
    assert 0 < left.min() < left[24:-24, 24:-24].max() < 0.3 * AMPLITUDE * STATED


def test_a_field_does_not_cross_a_step():
    places = spread()
    sides = np.where(places[:, 0] < WIDTH / 2, 0.08, -0.08)
    correction, _ = fit(places, sides, two_walls())
    # Right up to the step on both sides; in the corners of the map points are on one side.
    middle, edge = correction[24:-24], WIDTH // 2
    np.testing.assert_allclose(middle[:, edge - 20 : edge], 0.08, rtol=0.1)
    np.testing.assert_allclose(middle[:, edge : edge + 20], -0.08, rtol=0.15)
    assert correction[:, :edge].min() > 0.04
    assert correction[:, edge:].max() < -0.04


def test_what_is_known_of_one_wall_says_less_of_the_other():
    places = spread(columns=(4, WIDTH // 2))
    correction, left = fit(places, 0.08, two_walls())
    np.testing.assert_allclose(correction[24:-24, 20 : WIDTH // 2], 0.08, rtol=0.1)
    # What both have in common is a part of it, the same everywhere.
    other = correction[:, WIDTH // 2 :]
    assert 0.03 < other.min() < other.max() < 0.075
    assert np.ptp(other) < 1e-3
    assert left[:, WIDTH // 2 :].min() > AMPLITUDE * STATED
    beside, _ = fit(places, 0.08, one_wall())
    assert beside[:, WIDTH // 2 : WIDTH // 2 + 8].min() > other.max()


def test_far_from_points_there_is_what_all_have_in_common():
    places = spread(columns=(4, 20), rows=(4, 20))
    correction, left = fit(places, 0.08, one_wall())
    assert correction[8, 8] == pytest.approx(0.08, rel=0.15)
    # One part of two that are unknown, of which the points know the sum.
    assert correction[-1, -1] == pytest.approx(correction[8, 8] * COMMON**2 / SIGNAL, rel=0.1)
    assert left[8, 8] < 0.5 * AMPLITUDE * STATED
    together = COMMON**2 * AMPLITUDE**2 / SIGNAL
    assert left[-1, -1] == pytest.approx(np.sqrt(together + AMPLITUDE**2) * STATED, rel=0.05)


def test_one_point_by_hand():
    # At a point of a Gaussian process: signal^2 / (signal^2 + noise^2) of its residual.
    places = np.array([[0.0, 0.0]])  # where the grid has a node
    correction, left = fit(places, 0.05, one_wall(), variance=(0.3 * STATED) ** 2)
    total = SIGNAL + NOISE**2 + 0.3**2
    assert correction[0, 0] == pytest.approx(0.05 * SIGNAL / total, rel=1e-4)
    expected = np.sqrt(SIGNAL * (1 - SIGNAL / total)) * STATED
    assert left[0, 0] == pytest.approx(expected, rel=1e-4)


def test_exact_points_count_for_more_than_uncertain_ones():
    places = np.repeat(spread(), 2, axis=0)
    residuals = np.tile([0.08, -0.08], len(places) // 2)
    variances = np.tile([1e-6, 0.04], len(places) // 2)
    stated = np.full((HEIGHT, WIDTH), STATED, np.float32)
    correction, _ = fit_field(places, residuals, variances, one_wall(), stated)
    assert correction.min() > 0.04


def test_the_correction_is_at_most_three_stated_uncertainties():
    correction, _ = fit(spread(), 0.9, one_wall())
    np.testing.assert_allclose(correction, BOUND * STATED, rtol=1e-5)
    correction, _ = fit(spread(), -0.9, one_wall())
    np.testing.assert_allclose(correction, -BOUND * STATED, rtol=1e-5)


def test_uncertainty_is_that_of_each_pixel():
    stated = np.full((HEIGHT, WIDTH), STATED, np.float32)
    stated[: HEIGHT // 2] = 2 * STATED
    places = spread()
    residuals = np.where(places[:, 1] < HEIGHT / 2, 0.12, 0.06)
    correction, left = fit_field(places, residuals, np.zeros(len(places)), one_wall(), stated)
    np.testing.assert_allclose(correction[24 : HEIGHT // 2, 30:-30], 0.12, rtol=0.05)
    np.testing.assert_allclose(correction[HEIGHT // 2 : -24, 30:-30], 0.06, rtol=0.05)
    np.testing.assert_allclose(left[HEIGHT // 2 - 1], 2 * left[HEIGHT // 2], rtol=0.1)


def test_unknown_depth_stays_unknown_and_changes_nothing_else():
    log_depth = two_walls()
    places = spread(columns=(4, WIDTH - 30))
    before, _ = fit(places, 0.05, log_depth)
    log_depth[:, -20:] = np.nan
    correction, left = fit(places, 0.05, log_depth)
    np.testing.assert_array_equal(np.isnan(correction), np.isnan(log_depth))
    np.testing.assert_array_equal(np.isnan(left), np.isnan(log_depth))
    np.testing.assert_array_equal(correction[:, :-20], before[:, :-20])


def test_a_slope_of_depth_is_followed_between_the_levels():
    column = np.arange(WIDTH, dtype=np.float32)
    log_depth = np.tile(column / WIDTH * 2, (HEIGHT, 1))
    places = spread(step=4)
    truth = 0.06 * np.sin(column / WIDTH * np.pi)
    correction, _ = fit(places, truth[places[:, 0].astype(int)], log_depth)
    inner = correction[8:-8, 8:-8]
    np.testing.assert_allclose(inner, np.broadcast_to(truth[8:-8], inner.shape), atol=0.006)
