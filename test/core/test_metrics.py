# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth errors against cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import numpy.testing as npt
import pytest

from spike_depth_ros.metrics import DepthErrors, has_truth, relative_error

INF, NAN = math.inf, math.nan


def errors(prediction: list[float], truth: list[float]) -> DepthErrors:
    """Errors of one image of a single row, scored over 1 to 10 m."""
    result = DepthErrors(1.0, 10.0)
    result.add(np.array([prediction], np.float32), np.array([truth], np.float32))
    return result


def test_abs_rel_by_hand() -> None:
    # |3-2|/2 = 0.5, |4-4|/4 = 0, |4-5|/5 = 0.2; divided by truth, not by prediction.
    result = errors([3, 4, 4], [2, 4, 5])
    assert result.abs_rel == pytest.approx(0.7 / 3)
    assert result.coverage == 1.0
    assert result.pixels == 3


def test_infinite_predictions_score_as_the_limits_of_the_range() -> None:
    # -Inf is 1 m: |1-2|/2 = 0.5; +Inf is 10 m: |10-8|/8 = 0.25.
    result = errors([-INF, INF], [2, 8])
    assert result.abs_rel == pytest.approx(0.375)
    assert result.coverage == 1.0


def test_missing_predictions_lower_coverage_and_nothing_else() -> None:
    result = errors([NAN, 3, NAN, 2], [2, 2, 5, 2])
    assert result.pixels == 4
    assert result.covered == 2
    assert result.coverage == 0.5
    assert result.abs_rel == pytest.approx(0.25)


@pytest.mark.parametrize('nothing', [NAN, 0.0, -1.0, INF, -INF])
def test_a_pixel_without_truth_does_not_count(nothing: float) -> None:
    result = errors([3, 7, NAN], [2, nothing, nothing])
    assert result.pixels == 1
    assert result.coverage == 1.0
    assert result.abs_rel == pytest.approx(0.5)


def test_nothing_counted_is_nan_and_not_zero() -> None:
    assert math.isnan(DepthErrors(1, 10).abs_rel)
    assert math.isnan(DepthErrors(1, 10).coverage)
    unseen = errors([NAN], [2])
    assert math.isnan(unseen.abs_rel)
    assert unseen.coverage == 0.0


def test_grouping_of_images_changes_nothing() -> None:
    rng = np.random.default_rng(5)
    truth = rng.uniform(1, 9, (6, 7, 5))
    truth[rng.random(truth.shape) < 0.3] = NAN
    prediction = rng.uniform(1, 9, truth.shape)
    prediction[rng.random(truth.shape) < 0.2] = INF
    prediction[rng.random(truth.shape) < 0.2] = NAN

    whole, first, second = (DepthErrors(1, 10) for _ in range(3))
    whole.add(prediction, truth)
    for index in range(6):
        # Unevenly filled images: a mean of the images' means would differ.
        (first if index < 2 else second).add(prediction[index], truth[index])
    first.merge(second)

    assert (first.pixels, first.covered) == (whole.pixels, whole.covered)
    assert first.abs_rel == pytest.approx(whole.abs_rel, rel=1e-12)


def test_errors_over_different_ranges_do_not_merge() -> None:
    with pytest.raises(ValueError, match='1 to 10 m and 1 to 20 m differ'):
        DepthErrors(1, 10).merge(DepthErrors(1, 20))


@pytest.mark.parametrize('limits', [(0, 10), (5, 5), (10, 1), (1, INF), (NAN, 10)])
def test_a_range_without_sense_is_refused(limits: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match='0 < min_m < max_m'):
        DepthErrors(*limits)


def test_shapes_that_differ_are_refused() -> None:
    # Broadcasting would score one row against a whole image.
    with pytest.raises(ValueError, match=r'\[1, 4\] and truth \[3, 4\]'):
        DepthErrors(1, 10).add(np.ones((1, 4)), np.ones((3, 4)))


def test_relative_error_keeps_the_image() -> None:
    prediction = np.array([[3.0, NAN], [INF, 2.0]], np.float32)
    truth = np.array([[2.0, 2.0], [5.0, 0.0]], np.float32)
    npt.assert_allclose(relative_error(prediction, truth, 1, 10), [[0.5, NAN], [1.0, NAN]])
    npt.assert_array_equal(has_truth(truth), [[True, True], [True, False]])


def test_half_precision_truth_is_scored_in_double() -> None:
    truth = np.full((300, 300), 40, np.float16)
    result = DepthErrors(1, 80)
    result.add(np.full((300, 300), 44, np.float16), truth)
    assert result.abs_rel == pytest.approx(0.1)
