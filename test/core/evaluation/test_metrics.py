# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth and uncertainty metrics against cases worked out by hand."""

import dataclasses
import functools
import itertools
import json
import math

import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spike_depth_ros.evaluation import metrics
from spike_depth_ros.evaluation.metrics import (
    DEPTH_METRICS,
    PUBLISHED,
    DepthErrors,
    EvalProtocol,
    StructureErrors,
    UncertaintyErrors,
    add_structure,
    align,
    depth_boundaries,
    dilate,
    has_truth,
    log_limits,
    ordinal_pairs,
    rank_correlation,
    relative_error,
    sparsification,
)

INF, NAN = math.inf, math.nan
EXACT = {'rel': 1e-12, 'abs': 1e-12}


def errors(prediction: list[float], truth: list[float], **protocol: object) -> DepthErrors:
    """Errors of one image of a single row, scored over 1 to 10 m."""
    result = DepthErrors(1.0, 10.0, EvalProtocol(**protocol))  # type: ignore[arg-type]
    result.add(np.array([prediction], np.float64), np.array([truth], np.float64))
    return result


def random_images(seed: int, images: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prediction, half width and truth with everything that can be missing, ``[N, 7, 5]``."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(1, 9, (images, 7, 5))
    # Unevenly filled, so that a mean over images is not one over pixels; image 0 has no truth.
    truth[rng.random(truth.shape) < np.linspace(1, 0, images)[:, None, None]] = NAN
    truth[rng.random(truth.shape) < 0.1] = INF
    prediction = rng.uniform(1, 9, truth.shape)
    for value in (INF, -INF, NAN):
        prediction[rng.random(truth.shape) < 0.1] = value
    half = rng.uniform(0, 2, truth.shape).round(1)
    half[rng.random(truth.shape) < 0.1] = NAN
    return prediction, half, truth


# ---- the nine figures


def test_all_figures_by_hand() -> None:
    # Errors 1, 0, -3; relative 1/2, 0, 3/8; squared over truth 1/2, 0, 9/8; ratios 1.5, 1, 1.6.
    figures = errors([3, 4, 5], [2, 4, 8]).metrics()
    a, b = math.log(1.5), math.log(5 / 8)
    mean = (a + b) / 3
    variance = ((a - mean) ** 2 + mean**2 + (b - mean) ** 2) / 3
    expected = {
        'abs_rel': 0.875 / 3,
        'sq_rel': 1.625 / 3,
        'rmse': math.sqrt(10 / 3),
        'rmse_log': math.sqrt((a**2 + b**2) / 3),
        'log10': (math.log10(1.5) + math.log10(1.6)) / 3,
        'silog': 100 * math.sqrt(variance),
        'delta1': 1 / 3,
        'delta2': 2 / 3,  # 1.5 < 1.5625 < 1.6
        'delta3': 1.0,
    }
    assert tuple(figures) == tuple(expected) == DEPTH_METRICS
    assert figures == pytest.approx(expected, **EXACT)


def test_the_usual_figures_of_arrays_are_those_of_one_image() -> None:
    prediction, truth = np.random.default_rng(0).uniform(1, 9, (2, 300))
    figures = errors(prediction.tolist(), truth.tolist()).metrics('images')
    for function in (metrics.abs_rel, metrics.sq_rel):
        assert function(prediction, truth) == figures[function.__name__]


def test_a_perfect_prediction_has_no_error() -> None:
    figures = errors([2, 4, 8], [2, 4, 8]).metrics()
    assert figures == {name: float(name.startswith('delta')) for name in DEPTH_METRICS}


def test_a_ratio_of_exactly_the_threshold_is_outside() -> None:
    assert errors([1.25], [1.0]).metrics()['delta1'] == 0
    assert errors([1.25], [1.0]).metrics()['delta2'] == 1
    # Both directions: too near counts as too far does.
    assert errors([1.0], [1.26]).metrics()['delta1'] == 0


def test_silog_does_not_see_a_global_scale() -> None:
    truth = [2.0, 3.0, 5.0, 7.0]
    figures = errors([1.3 * t for t in truth], truth).metrics()
    assert figures['silog'] == pytest.approx(0, abs=1e-12)
    assert figures['rmse_log'] == pytest.approx(math.log(1.3), **EXACT)


def test_pooled_silog_keeps_its_digits_over_images_of_different_scale() -> None:
    result = DepthErrors(1, 10)
    for factor in (1.1, 1.1, 1.3):
        result.add(np.full((1, 4), 2 * factor), np.full((1, 4), 2.0))
    logs = np.log([1.1, 1.1, 1.3])
    assert result.metrics()['silog'] == pytest.approx(100 * logs.std(), **EXACT)
    assert result.metrics('images')['silog'] == pytest.approx(0, abs=1e-12)


def test_two_means_are_two_numbers() -> None:
    result = DepthErrors(1, 10)
    # Relative error 1/2 on one pixel; 1/4 on three.
    result.add(np.array([[3.0, 9.0, 9.0]]), np.array([[2.0, NAN, NAN]]))
    result.add(np.array([[5.0, 5.0, 5.0]]), np.array([[4.0, 4.0, 4.0]]))
    assert result.abs_rel == pytest.approx(1.25 / 4, **EXACT)
    assert result.metrics('pixels')['abs_rel'] == result.abs_rel
    assert result.metrics('images')['abs_rel'] == pytest.approx(0.75 / 2, **EXACT)
    # sqrt of the mean against the mean of sqrt.
    assert result.metrics('pixels')['rmse'] == pytest.approx(1.0, **EXACT)
    assert result.images == 2
    assert 'mean over images' in result.headline('images')
    assert 'mean over pixels' in result.headline()


def test_rmse_over_images_is_not_the_root_of_a_mean() -> None:
    result = DepthErrors(1, 10)
    result.add(np.array([[3.0]]), np.array([[2.0]]))
    result.add(np.array([[7.0]]), np.array([[4.0]]))
    assert result.metrics('images')['rmse'] == pytest.approx(2.0, **EXACT)
    assert result.metrics('pixels')['rmse'] == pytest.approx(math.sqrt(5), **EXACT)


# ---- what counts


def test_infinite_predictions_score_as_the_limits_of_the_range() -> None:
    # -Inf is 1 m: |1-2|/2 = 0.5; +Inf is 10 m: |10-8|/8 = 0.25.
    result = errors([-INF, INF], [2, 8])
    assert result.abs_rel == pytest.approx(0.375, **EXACT)
    assert result.coverage == 1.0


def test_missing_predictions_lower_coverage_and_mark_the_headline() -> None:
    result = errors([NAN, 3, NAN, 2], [2, 2, 5, 2])
    assert result.pixels == 4
    assert result.covered == 2
    assert result.coverage == 0.5
    assert result.abs_rel == pytest.approx(0.25, **EXACT)
    assert 'INCOMPLETE: coverage 0.5000, 2 of 4 pixels' in result.headline()
    assert result.report()['complete'] is False


def test_one_missing_pixel_among_many_is_enough_for_the_mark() -> None:
    prediction = np.full((300, 400), 3.0)
    prediction[7, 7] = NAN
    result = DepthErrors(1, 10)
    result.add(prediction, np.full((300, 400), 3.0))
    assert 'INCOMPLETE' in result.headline()


def test_a_complete_prediction_has_no_mark() -> None:
    result = errors([3, INF, NAN], [2, 8, NAN])
    assert result.headline() == (
        'AbsRel 0.375, delta1 0.000 (mean over pixels; no crop, no cap, not aligned)'
    )
    assert result.report()['complete'] is True


@pytest.mark.parametrize('nothing', [NAN, 0.0, -1.0, INF, -INF])
def test_a_pixel_without_truth_does_not_count(nothing: float) -> None:
    result = errors([3, 7, NAN], [2, nothing, nothing])
    assert result.pixels == 1
    assert result.coverage == 1.0
    assert result.abs_rel == pytest.approx(0.5, **EXACT)


def test_nothing_counted_is_nan_and_not_zero() -> None:
    empty = DepthErrors(1, 10)
    assert all(math.isnan(value) for value in empty.metrics().values())
    assert all(math.isnan(value) for value in empty.metrics('images').values())
    assert math.isnan(empty.coverage)
    unseen = errors([NAN], [2])
    assert math.isnan(unseen.abs_rel)
    assert unseen.coverage == 0.0
    assert unseen.images == 0


def test_depth_of_zero_or_less_is_scored_and_not_lost() -> None:
    result = errors([0, -5], [2, 2])
    assert result.coverage == 1.0
    assert result.abs_rel == pytest.approx((2 - 1e-3) / 2, **EXACT)
    assert math.isfinite(result.metrics()['rmse_log'])


def test_half_precision_truth_is_scored_in_double() -> None:
    truth = np.full((300, 300), 40, np.float16)
    result = DepthErrors(1, 80)
    result.add(np.full((300, 300), 44, np.float16), truth)
    assert result.abs_rel == pytest.approx(0.1, **EXACT)
    # Neither the range's limit nor the median is a number of half precision.
    limit = DepthErrors(1, 10.01)
    limit.add(np.full((1, 1), INF, np.float16), np.full((1, 1), 10, np.float16))
    assert limit.abs_rel == pytest.approx(0.001, **EXACT)
    halves = np.array([[1.0, 1 + 2**-10]], np.float16)
    median = DepthErrors(0.1, 10, EvalProtocol(alignment='median'))
    median.add(halves.astype(np.float64), halves)
    assert median.abs_rel == 0


# ---- sky


def test_sky_is_reported_apart() -> None:
    # Range to 10 m, so 'beyond' starts at 9.8 m.
    prediction = [INF, 9.8, 9.7, NAN, 2.0, INF, INF, INF]
    truth = [INF, INF, INF, INF, 2.0, 5.0, 20.0, NAN]
    result = errors(prediction, truth)
    assert result.sky == 4
    assert result.sky_recall == pytest.approx(2 / 4)
    # Two right, one false (5 m); truth at 20 m is beyond itself, and NaN is not known.
    assert result.sky_precision == pytest.approx(2 / 3)
    # AbsRel is that of 2, 5 and 20 m alone: 0, 1 and 0.5.
    assert result.pixels == 3
    assert result.abs_rel == pytest.approx(0.5, **EXACT)
    assert result.report()['sky'] == {'pixels': 4, 'recall': 0.5, 'precision': 2 / 3}


def test_no_sky_has_no_recall() -> None:
    result = errors([2], [2])
    assert math.isnan(result.sky_recall)
    assert math.isnan(result.sky_precision)
    assert result.report()['sky']['recall'] is None


# ---- cap and crop


def test_cap_leaves_far_truth_out_and_clips_predictions() -> None:
    # |6-4|/4 = 0.5 where 9 is clipped to 6; truth of 6 and more is out, and out of coverage too.
    result = errors([9, 2, NAN, 3], [4, 2, 6, 8], cap_m=6.0)
    assert result.pixels == 2
    assert result.coverage == 1.0
    assert result.abs_rel == pytest.approx(0.25, **EXACT)


def test_garg_crop_takes_the_published_rows_and_columns() -> None:
    # KITTI at 375x1242: rows 153 to 370, columns 44 to 1196.
    truth = np.full((375, 1242), NAN)
    for row, column in ((153, 44), (370, 1196)):
        truth[row, column] = 2.0
    for row, column in ((152, 44), (153, 43), (371, 1196), (370, 1197)):
        truth[row, column] = 4.0
    truth[0, 0] = INF
    result = DepthErrors(1, 80, PUBLISHED)
    result.add(np.full(truth.shape, 3.0), truth)
    assert result.pixels == 2
    assert result.abs_rel == pytest.approx(0.5, **EXACT)
    assert result.sky == 0
    assert 'Garg crop, cap 80 m, not aligned' in result.headline()


def test_crop_and_cap_of_whole_images_are_those_of_a_batch() -> None:
    prediction, _, truth = random_images(2)
    result = DepthErrors(1, 10, EvalProtocol('garg', 7.0))
    result.add(prediction, truth)
    # Shares of 7 rows and 5 columns: rows 2 to 5, columns 0 to 3.
    by_hand = DepthErrors(1, 10, EvalProtocol('none', 7.0))
    by_hand.add(prediction[:, 2:6, 0:4], truth[:, 2:6, 0:4])
    assert result.pixels == by_hand.pixels > 20
    assert result.metrics() == by_hand.metrics()


# ---- alignment


def test_median_alignment_finds_the_scale() -> None:
    truth = [2.0, 3.0, 8.0, NAN]
    result = errors([t * 0.37 for t in truth[:3]] + [9], truth, alignment='median')
    assert result.abs_rel == pytest.approx(0, abs=1e-12)
    # The outlier does not move the median: 1, 2, 9 against 2, 4, 6 is times 2.
    figures = errors([1, 2, 9], [2, 4, 6], alignment='median').metrics()
    assert figures['abs_rel'] == pytest.approx((0 + 0 + 12 / 6) / 3, **EXACT)


def test_scale_and_shift_are_found() -> None:
    truth = [2.0, 3.0, 8.0]
    prediction = [1.0 + 0.25 * t for t in truth]
    assert errors(prediction, truth, alignment='scale_shift').abs_rel < 1e-12
    assert errors(prediction, truth, alignment='median').abs_rel > 0.1


def test_disparity_is_fitted_with_a_scale_of_0_or_more():
    truth = np.array([1.0, 2.0, 4.0, 10.0])
    relative = 1 / (0.3 / truth + 0.05)
    np.testing.assert_allclose(align(relative, truth, 'disparity'), truth)
    # Inside out: the mean disparity is left.
    inside_out = 1 / (1.1 - 1 / truth)
    np.testing.assert_allclose(
        align(inside_out, truth, 'disparity'), np.full(4, 1 / (1 / truth).mean())
    )
    # A fit that crosses 0 is no farther than the farthest truth.
    found = align(np.array([1.0, 1e6, 1e6]), np.array([1.0, 5.0, 2.5]), 'disparity')
    assert found.max() <= 5
    assert (found > 0).all()


def test_scale_and_shift_are_least_squares_in_depth() -> None:
    # Points (1, 2), (2, 2), (3, 5): slope 1.5, through their centre (2, 3).
    aligned = align(np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 5.0]), 'scale_shift')
    npt.assert_allclose(aligned, [1.5, 3.0, 4.5], rtol=1e-14)


def test_a_constant_prediction_is_aligned_to_the_mean() -> None:
    # The mean of three times 0.1 is not quite 0.1.
    for constant in (4.0, 0.1):
        aligned = align(np.full(3, constant), np.array([1.0, 2.0, 6.0]), 'scale_shift')
        npt.assert_allclose(aligned, 3.0)


def test_each_image_is_aligned_by_itself() -> None:
    truth = np.array([[[2.0, 4.0]], [[2.0, 4.0]]])
    prediction = truth * np.array([0.5, 3.0])[:, None, None]
    result = DepthErrors(0.1, 20, EvalProtocol(alignment='median'))
    result.add(prediction, truth)
    assert result.abs_rel == pytest.approx(0, abs=1e-12)


def test_alignment_uses_scored_pixels_alone() -> None:
    # 80 m lies beyond the cap: with it the ratio of the medians would be another.
    result = errors([1, 2, 1], [2, 4, 80], alignment='median', cap_m=50.0)
    assert result.abs_rel == pytest.approx(0, abs=1e-12)


def test_infinite_predictions_are_aligned_as_the_limits() -> None:
    # +Inf is 10 m before the scale 0.5 is fitted to 4, 10, 10 against 2, 5, 5.
    result = errors([4, INF, 10], [2, 5, 5], alignment='median')
    assert result.abs_rel == pytest.approx(0, abs=1e-12)


def test_alignment_is_said() -> None:
    assert 'median of each image' in errors([2], [2], alignment='median').headline()
    report = errors([2], [2], alignment='scale_shift').report()
    assert report['protocol'] == {'crop': 'none', 'cap_m': None, 'alignment': 'scale_shift'}


# ---- grouping


PROTOCOLS = [
    EvalProtocol(),
    EvalProtocol('garg', 7.0),
    EvalProtocol(alignment='median'),
    EvalProtocol('none', 8.0, 'scale_shift'),
]


@settings(max_examples=40)
@given(
    seed=st.integers(0, 50),
    cuts=st.lists(st.integers(0, 6), max_size=4),
    split=st.integers(0, 5),
    protocol=st.sampled_from(PROTOCOLS),
)
def test_batches_and_processes_change_nothing(
    seed: int, cuts: list[int], split: int, protocol: EvalProtocol
) -> None:
    prediction, half, truth = random_images(seed)
    whole, uncertain = DepthErrors(1, 10, protocol), UncertaintyErrors(1, 10)
    for index in range(len(truth)):
        whole.add(prediction[index], truth[index])
        uncertain.add(prediction[index], half[index], truth[index])

    parts = [DepthErrors(1, 10, protocol) for _ in range(2)]
    uncertain_parts = [UncertaintyErrors(1, 10) for _ in range(2)]
    edges = [0, *sorted(cuts), 6]
    for place, (start, stop) in enumerate(itertools.pairwise(edges)):
        process = int(place >= split)
        parts[process].add(prediction[start:stop], truth[start:stop])
        uncertain_parts[process].add(prediction[start:stop], half[start:stop], truth[start:stop])
    parts[1].merge(parts[0])
    uncertain_parts[1].merge(uncertain_parts[0])

    for name in ('pixels', 'covered', 'images', 'sky', 'sky_found', 'false_sky'):
        assert getattr(parts[1], name) == getattr(whole, name)
    for mean in ('pixels', 'images'):
        assert parts[1].metrics(mean) == pytest.approx(whole.metrics(mean), nan_ok=True, rel=1e-9)
    assert uncertain_parts[1].metrics() == pytest.approx(uncertain.metrics(), nan_ok=True)
    assert uncertain_parts[1].coverage == uncertain.coverage


def test_channels_are_no_image_axis() -> None:
    prediction, _, truth = random_images(1)
    flat, with_channel = DepthErrors(1, 10), DepthErrors(1, 10)
    flat.add(prediction, truth)
    with_channel.add(prediction[:, None], truth[:, None])
    assert flat == with_channel


def test_reports_are_strict_json() -> None:
    for report in (errors([NAN], [2]).report(), UncertaintyErrors(1, 10).report()):
        json.loads(json.dumps(report, allow_nan=False))
    figures = errors([3], [2]).report()['mean_over_pixels']
    assert figures['abs_rel'] == 0.5


# ---- the image of errors


def test_relative_error_keeps_the_image() -> None:
    prediction = np.array([[3.0, NAN], [INF, 2.0]], np.float32)
    truth = np.array([[2.0, 2.0], [5.0, 0.0]], np.float32)
    npt.assert_allclose(relative_error(prediction, truth, 1, 10), [[0.5, NAN], [1.0, NAN]])
    npt.assert_array_equal(has_truth(truth), [[True, True], [True, False]])


# ---- uncertainty


def uncertainty(
    prediction: list[float], half: list[float], truth: list[float]
) -> UncertaintyErrors:
    result = UncertaintyErrors(1.0, 10.0)
    result.add(*(np.array([values], np.float64) for values in (prediction, half, truth)))
    return result


def test_the_interval_covers_what_lies_within_it() -> None:
    # Errors 1, 1, 2, and 10 - 8 = 2 for +Inf.
    result = uncertainty([3, 3, 3, INF], [1.0, 0.9, 2.5, 1.9], [2, 4, 5, 8])
    assert result.inside == 2
    assert result.interval_coverage == 0.5
    assert result.coverage == 1.0


def test_missing_depth_or_uncertainty_lowers_coverage() -> None:
    result = uncertainty([NAN, 3, 3, 3], [1, NAN, 1, 1], [2, 2, 2, NAN])
    assert result.pixels == 3
    assert result.covered == 1
    assert result.interval_coverage == 1.0


def test_depth_of_zero_has_a_relative_uncertainty_too() -> None:
    assert uncertainty([0], [1], [2]).metrics()['median_uncertainty'] == pytest.approx(1000)


def test_sparsification_by_hand() -> None:
    # Kept by least uncertainty: 0.6; 0.6, 0.1; 0.6, 0.1, 0.2. By least error: 0.1, 0.2, 0.6.
    found = sparsification(np.array([0.1, 0.2, 0.6]), np.array([2.0, 3.0, 1.0]))
    by_uncertainty = (0.6 + 0.35 + 0.3) / 3
    oracle = (0.1 + 0.15 + 0.3) / 3
    expected = {'ause': by_uncertainty - oracle, 'aurg': 0.3 - by_uncertainty}
    assert found == pytest.approx(expected, **EXACT)


def test_a_perfect_order_has_no_sparsification_error_and_a_constant_no_gain() -> None:
    error = np.array([0.4, 0.1, 0.3, 0.2])
    assert sparsification(error, error**2)['ause'] == pytest.approx(0, abs=1e-15)
    assert sparsification(error, error)['aurg'] > 0.05
    constant = sparsification(error, np.ones(4))
    assert constant['aurg'] == pytest.approx(0, abs=1e-15)
    assert constant['ause'] == pytest.approx(sparsification(error, error)['aurg'], **EXACT)
    assert sparsification(error, -error)['aurg'] < 0


@given(order=st.permutations(range(6)))
def test_equal_uncertainties_do_not_depend_on_the_order_of_pixels(order: list[int]) -> None:
    error = np.array([0.4, 0.1, 0.3, 0.2, 0.9, 0.0])
    unsure = np.array([1.0, 1.0, 2.0, 2.0, 2.0, 3.0])
    expected = sparsification(error, unsure)
    assert sparsification(error[order], unsure[order]) == pytest.approx(expected)


def test_rank_correlation_by_hand() -> None:
    one = np.array([10.0, 20.0, 30.0, 40.0])
    assert rank_correlation(one, np.exp(one)) == pytest.approx(1, **EXACT)
    assert rank_correlation(one, -one) == pytest.approx(-1, **EXACT)
    # Rank differences 1, 1, 0, 0: 1 - 6 * 2 / (4 * 15).
    assert rank_correlation(one, np.array([2.0, 1.0, 3.0, 4.0])) == pytest.approx(0.8, **EXACT)
    # Tied ranks 1.5, 1.5, 3, 4: covariance 4.5, norms sqrt(4.5 * 5).
    tied = np.array([7.0, 7.0, 8.0, 9.0])
    assert rank_correlation(one, tied) == pytest.approx(4.5 / math.sqrt(22.5), **EXACT)
    assert math.isnan(rank_correlation(one, np.ones(4)))


def test_figures_of_uncertainty_are_relative_and_mean_over_images() -> None:
    # Relative errors 0.5, 0.25, 0.2; half width over prediction 0.5, 0.1, 0.2: by hand below.
    first = uncertainty([3, 5, 6], [1.5, 0.5, 1.2], [2, 4, 5])
    figures = first.metrics()
    assert figures['median_error'] == pytest.approx(0.25, **EXACT)
    assert figures['median_uncertainty'] == pytest.approx(0.2, **EXACT)
    assert figures['rank_correlation'] == pytest.approx(0.5, **EXACT)
    expected = sparsification(np.array([0.5, 0.25, 0.2]), np.array([0.5, 0.1, 0.2]))
    assert figures['ause'] == pytest.approx(expected['ause'], **EXACT)

    # An image of one pixel has no correlation: it must not count as 0.
    first.merge(uncertainty([3], [0.3], [2]))
    merged = first.metrics()
    assert merged['rank_correlation'] == pytest.approx(0.5, **EXACT)
    assert merged['median_error'] == pytest.approx((0.25 + 0.5) / 2, **EXACT)
    assert merged['median_uncertainty'] == pytest.approx((0.2 + 0.1) / 2, **EXACT)


def test_uncertainty_at_outlines_is_compared_with_that_elsewhere() -> None:
    truth = np.full((9, 20), 2.0)
    truth[:, 10:] = 4.0  # a step between columns 9 and 10
    half = np.full((9, 20), 0.2)
    half[:, 7:13] = 0.6
    half[:, 10:13] = 1.2  # the same share of the depth there
    half[:, 13:] = 0.4
    result = UncertaintyErrors(1.0, 10.0)
    result.add(truth, half, truth)
    assert result.metrics()['edge_ratio'] == pytest.approx(3.0, **EXACT)
    flat = UncertaintyErrors(1.0, 10.0)
    flat.add(np.full((4, 4), 2.0), np.full((4, 4), 0.1), np.full((4, 4), 2.0))
    assert math.isnan(flat.metrics()['edge_ratio'])


def test_an_accumulator_without_pixels_has_no_figures() -> None:
    empty = UncertaintyErrors(1, 10)
    assert all(math.isnan(value) for value in empty.metrics().values())
    assert math.isnan(empty.coverage)
    assert dataclasses.replace(empty).report()['ause'] is None


# ---- boundaries and order


def structure(prediction: np.ndarray, truth: np.ndarray, index: int = 0) -> StructureErrors:
    result = StructureErrors(0.1, 100.0)
    result.add(np.asarray(prediction, np.float64), np.asarray(truth, np.float64), (index,))
    return result


def wall(edge: int, height: int = 3, width: int = 12) -> np.ndarray:
    """Depth 2 m left of a column, 4 m from it on."""
    return np.where(np.arange(width) < edge, 2.0, 4.0) * np.ones((height, 1))


def test_both_pixels_of_a_step_are_boundary_and_a_small_step_is_none() -> None:
    depth = np.array([[1.0, 1.1, 2.0], [1.0, 1.1, 2.0], [1.0, 1.4, 2.0]])
    # ln 1.1 = 0.095 is none; 1.1 to 2.0, 1.0 to 1.4, 1.1 to 1.4 and 1.4 to 2.0 are.
    expected = [[0, 1, 1], [0, 1, 1], [1, 1, 1]]
    npt.assert_array_equal(depth_boundaries(depth, np.ones((3, 3), bool)), np.array(expected) > 0)


def test_no_step_is_known_beside_an_unknown_pixel() -> None:
    known = np.array([[True, False, True], [True, True, True]])
    depth = np.array([[1.0, 9.0, 1.0], [1.0, 1.0, 1.0]])
    assert not depth_boundaries(depth, known).any()


def test_dilation_is_a_square() -> None:
    mask = np.zeros((5, 7), bool)
    mask[0, 3] = True
    expected = np.zeros((5, 7), bool)
    expected[:3, 1:6] = True
    npt.assert_array_equal(dilate(mask, 2), expected)
    npt.assert_array_equal(dilate(np.ones((1, 2), bool), 3), np.ones((1, 2), bool))


@pytest.mark.parametrize(
    ('edge', 'correct'),
    [(6, 2), (4, 2), (8, 2), (3, 1), (9, 1), (2, 0), (10, 0)],
)
def test_boundaries_match_within_two_pixels(edge: int, correct: int) -> None:
    # The true boundary is columns 5 and 6, the predicted one edge - 1 and edge.
    result = structure(wall(edge), wall(6))
    assert (result.predicted, result.true) == (6, 6)
    assert (result.correct, result.found) == (3 * correct, 3 * correct)
    assert result.boundary_f1 == pytest.approx(correct / 2, **EXACT)


def test_boundaries_match_diagonally_as_they_do_along_axes() -> None:
    flat = np.ones((7, 7))
    truth, prediction = flat.copy(), flat.copy()
    truth[0, 0] = prediction[3, 3] = 2.0
    # True: (0, 0), (0, 1), (1, 0). Predicted: (3, 3) and its neighbours, of which (2, 3) is two
    # columns from (0, 1) and (3, 2) two rows from (1, 0).
    result = structure(prediction, truth)
    assert (result.true, result.found, result.predicted, result.correct) == (3, 2, 5, 2)
    precision, recall = 2 / 5, 2 / 3
    expected = 2 * precision * recall / (precision + recall)
    assert result.boundary_f1 == pytest.approx(expected, **EXACT)


def test_precision_and_recall_are_of_the_counts_of_all_images() -> None:
    result = structure(wall(6), wall(6))  # 6 of 6 both ways
    result.merge(structure(wall(3), wall(6)))  # 3 of 6 both ways
    result.merge(structure(wall(6), wall(12)))  # no true boundary: 6 predicted ones are wrong
    result.merge(structure(wall(12), wall(6)))  # none predicted: 6 true ones are not found
    assert (result.precision, result.recall) == (9 / 18, 9 / 18)
    assert result.boundary_f1 == 0.5


def test_f1_without_boundaries() -> None:
    assert math.isnan(structure(wall(6), wall(12)).boundary_f1)
    assert structure(wall(12), wall(6)).boundary_f1 == 0
    assert structure(wall(12), wall(6)).report()['boundary_precision'] is None


@pytest.mark.parametrize('hole', [NAN, INF])
@pytest.mark.parametrize(
    ('edge', 'predicted', 'correct', 'found'),
    [
        (6, 2, 2, 2),
        (3, 2, 1, 1),  # column 2 is wrong, and more than 3 columns from the hole
        (9, 1, 1, 1),  # column 9 is the hole
        (10, 0, 0, 0),  # column 10 has no match, but one may lie in the hole
        (1, 2, 0, 0),
    ],
)
def test_a_wrong_boundary_near_a_hole_of_the_truth_is_not_counted(
    edge: int, predicted: int, correct: int, found: int, hole: float
) -> None:
    truth = wall(6, height=1)  # true boundary: columns 5 and 6
    truth[0, 9] = hole
    result = structure(wall(edge, height=1), truth)
    assert (result.predicted, result.correct) == (predicted, correct)
    assert (result.true, result.found) == (2, found)
    assert result.comparable == 6


def test_a_missed_boundary_near_a_missing_prediction_is_not_counted() -> None:
    missing = wall(12, height=1)
    missing[0, 9] = NAN
    result = structure(missing, wall(6, height=1))
    assert (result.true, result.found) == (1, 0)  # column 5; 6 is within 3 columns of the hole
    missing = wall(6, height=1)
    missing[0, 6] = NAN  # no step is known to or from it
    result = structure(missing, wall(6, height=1))
    assert (result.predicted, result.true) == (0, 0)
    missing = wall(5, height=1)
    missing[0, 6] = NAN  # a predicted boundary, column 5, is near; still it is not predicted
    result = structure(missing, wall(6, height=1))
    assert (result.true, result.found) == (1, 1)


def test_a_step_predicted_in_a_hole_of_the_truth_finds_the_boundary_beside_it() -> None:
    truth = np.array([[2.0, 2, 2, 4, 4, NAN, NAN, NAN, 4, 4, 4, 4]])
    prediction = np.array([[2.0, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4]])
    result = structure(prediction, truth)
    # True: columns 2 and 3. Predicted: 5 and 6, which are not counted, but 5 is 2 from 3.
    assert (result.true, result.found, result.predicted) == (2, 1, 0)


def test_sparse_truth_has_no_f1() -> None:
    truth = np.full((9, 40), NAN)
    truth[4] = wall(20, height=1, width=40)
    result = structure(wall(20, 9, 40), truth)
    assert result.recall == 1
    assert result.comparable == 0
    assert math.isnan(result.boundary_f1)


STEP = [0.0] * 6 + [1.0] * 6
"""An edge between columns 5 and 6; with truth of this shape columns 4 to 7 are the edge zone."""


def profile(values: list[float]) -> np.ndarray:
    """Depth of equal rows, 2 m at 0 and 4 m at 1, between them linear in its logarithm."""
    return 2.0 * 2.0 ** np.array(values) * np.ones((3, 1))


@pytest.mark.parametrize(
    ('predicted', 'seen', 'flying'),
    [
        pytest.param(STEP, 4, 0, id='step'),
        # The nine columns around each of the four reach equally far to both sides.
        pytest.param([c / 11 for c in range(12)], 4, 4, id='ramp'),
        # Columns 3 to 8: on neither side are those at 0.4 and 0.6, beyond a quarter of the span.
        pytest.param([0.0] * 4 + [0.2, 0.4, 0.6, 0.8] + [1.0] * 4, 4, 2, id='blurred step'),
        # Four columns from 10: seen from 6 and 7 alone.
        pytest.param([0.0] * 10 + [1.0] * 2, 2, 0, id='step elsewhere'),
        # Nine columns span 8 * 0.018 * ln 2 = 0.0998.
        pytest.param([0.018 * c for c in range(12)], 0, 0, id='slope'),
        pytest.param([0.0] * 12, 0, 0, id='flat'),
    ],
)
def test_flying_pixels_by_hand(predicted: list[float], seen: int, flying: int) -> None:
    result = structure(profile(predicted), profile(STEP))
    assert (result.edges, result.seen, result.flying) == (12, 3 * seen, 3 * flying)
    assert result.edges_seen == seen / 4
    assert result.flying_pixels == pytest.approx(flying / seen if seen else NAN, nan_ok=True)
    assert result.report()['seen_edge_pixels'] == 3 * seen


def test_the_edge_zone_ends_at_slopes_holes_and_sky() -> None:
    gentle, steep = ([slope * c for c in range(12)] for slope in (0.036, 0.037))
    assert structure(profile(STEP), profile(gentle)).edges == 0  # 4 * 0.036 * ln 2 = 0.0998
    assert structure(profile(STEP), profile(steep)).edges == 3 * 8  # not two columns at each end
    assert math.isnan(structure(profile(STEP), profile(gentle)).edges_seen)
    prediction, truth = profile(STEP), profile(STEP)
    truth[:, 5], prediction[:, 6] = NAN, NAN
    result = structure(prediction, truth)
    # Columns 4 and 7 are left. Column 4 reaches 6, which is true; of 7 the near side is column 5.
    assert (result.edges, result.seen) == (3, 3)
    truth = profile(STEP)
    truth[:, 6:] = INF
    assert structure(profile(STEP), truth).edges == 0


def test_sparse_truth_has_no_edges() -> None:
    truth = np.full((9, 40), NAN)
    truth[4] = wall(20, height=1, width=40)
    result = structure(wall(20, 9, 40), truth)
    assert result.edges == 4
    assert math.isnan(result.edges_seen)
    assert math.isnan(result.flying_pixels)


@pytest.mark.parametrize('radius', [0, 1, 4, 30])
def test_the_limits_of_log_depth_are_those_of_squares(radius: int) -> None:
    rng = np.random.default_rng(0)
    depth, known = rng.uniform(1, 9, (11, 14)), rng.random((11, 14)) < 0.3
    low, high = log_limits(depth, known, radius)
    for row, column in np.ndindex(depth.shape):
        square = np.s_[
            max(row - radius, 0) : row + radius + 1, max(column - radius, 0) : column + radius + 1
        ]
        around = np.log(depth[square][known[square]])
        assert low[row, column] == around.min(initial=INF)
        assert high[row, column] == around.max(initial=-INF)


def test_order_by_hand() -> None:
    # Ratios: 1 to 1.05 is too near; five pairs are left.
    truth = np.array([[1.0, 1.05], [2.0, 3.0]])
    assert structure(truth, truth).pairs == 5
    assert structure(truth, truth).ordinal == 1
    assert structure(-truth + 10, truth).ordinal == 0
    # 1 < 2 right, 1 < 3 right, 1.05 ties with 2, 1.05 < 3 right, 2 < 3 right.
    assert structure(np.array([[1.0, 2.0], [2.0, 3.0]]), truth).ordinal == 0.8
    assert structure(np.ones((2, 2)), truth).ordinal == 0
    # Both at the range's end: a tie. 1 and 1.05 are nearer than it.
    ends = np.array([[1.0, 1.05], [INF, INF]])
    assert structure(ends, truth).ordinal == 0.8


def test_pairs_with_a_missing_prediction_are_left_out() -> None:
    truth = np.array([[1.0, 2.0, 4.0, NAN]])
    result = structure(np.array([[1.0, NAN, 4.0, 1.0]]), truth)
    assert (result.pairs, result.ordered) == (1, 1)
    assert result.report()['coverage'] == pytest.approx(2 / 3)


def test_pairs_behind_a_hole_of_the_truth_are_of_the_pixels_that_were_drawn() -> None:
    truth = np.array([[NAN, 1.0, INF], [2.0, NAN, 4.0]])
    prediction = np.array([[9.0, 1.0, 0.5], [3.0, 0.5, 2.0]])
    result = structure(prediction, truth)
    assert (result.pairs, result.ordered) == (3, 2)  # not 2 < 4, which is predicted 3 and 2


def test_many_pixels_give_ten_thousand_pairs_that_differ_by_ten_percent() -> None:
    truth = np.random.default_rng(0).uniform(1, 4, 5000)
    near, far = ordinal_pairs(truth, 7)
    assert len(near) == len(far) == 10_000
    assert (truth[far] / truth[near] > 1.1).all()
    npt.assert_array_equal(ordinal_pairs(truth, 7)[0], near)
    assert not np.array_equal(ordinal_pairs(truth, 8)[0], near)
    # Nearly all pairs of a flat wall are too near: one pixel in 5000 is not.
    flat = np.ones(5000)
    flat[0] = 2
    near, far = ordinal_pairs(flat, 7)
    assert 0 < len(far) < 100
    assert (far == 0).all()


def test_structure_does_not_see_a_scale() -> None:
    prediction, _, truth = random_images(3)
    prediction = np.where(np.isfinite(prediction), prediction, 5.0)
    one, other = StructureErrors(0.01, 1000), StructureErrors(0.01, 1000)
    one.add(prediction, truth, range(6))
    other.add(4 * prediction, truth, range(6))
    assert one == other
    assert one.pairs > 50


@given(seed=st.integers(0, 99), order=st.permutations(range(3)))
@settings(max_examples=20)
def test_neither_batches_nor_order_change_the_structure(seed: int, order: list[int]) -> None:
    prediction, truth = np.random.default_rng(seed).uniform(1, 3, (2, 3, 13, 17))
    whole, parts = StructureErrors(0.1, 10), StructureErrors(0.1, 10)
    whole.add(prediction, truth, range(3))
    for index in order:
        one = StructureErrors(0.1, 10)
        one.add(prediction[index], truth[index], (index,))
        parts.merge(one)
    assert parts == whole
    assert whole.pairs == 30_000


def test_several_predictors_are_scored_as_each_alone() -> None:
    predictions, truth = [random_images(seed)[0] for seed in (1, 2)], random_images(3)[2]
    together = [StructureErrors(0.1, 10) for _ in predictions]
    add_structure(together, predictions, truth, range(6))
    for found, prediction in zip(together, predictions, strict=True):
        alone = StructureErrors(0.1, 10)
        for index in range(6):
            alone.add(prediction[index], truth[index], (index,))
        assert found == alone
    assert together[0] != together[1]


def test_what_cannot_be_scored_is_refused(refusals) -> None:
    ones, kinds = np.ones, (DepthErrors, UncertaintyErrors)
    near, far = (StructureErrors(1, most) for most in (10, 20))
    table = {
        **{f'cap {cap}': ('cap', EvalProtocol, 'none', cap) for cap in (0.0, -1.0, NAN, INF)},
        **{
            f'{kind.__name__} {limits}': ('min_m', kind, *limits)
            for kind in kinds
            for limits in ((0, 10), (5, 5), (10, 1), (1, INF), (NAN, 10))
        },
        'other ranges': ('1 to 20 m', DepthErrors(1, 10).merge, DepthErrors(1, 20)),
        'other protocols': (
            'scaled', DepthErrors(1, 10).merge,
            DepthErrors(1, 10, EvalProtocol(alignment='median')),
        ),
        'other ranges of uncertainty': (
            '1 to 20 m', UncertaintyErrors(1, 10).merge, UncertaintyErrors(1, 20),
        ),
        'other ranges of structure': ('depth ranges', near.merge, far),
        # Broadcasting would score one row against a whole image.
        'one row': ('[1, 4]', DepthErrors(1, 10).add, ones((1, 4)), ones((3, 4))),
        'uncertainty of one row': (
            '[4]', UncertaintyErrors(1, 10).add, ones((1, 4)), ones(4), ones((1, 4)),
        ),
        'no image': ('[4]', DepthErrors(1, 10).add, ones(4), ones(4)),
        'fewer indices': ('1 indices', near.add, ones((2, 3, 3)), ones((2, 3, 3))),
        'structure of other shapes': ('shape', structure, ones((2, 3)), ones((3, 2))),
        'predictors of other shapes': (
            'shape', add_structure, [near, far], [ones((6, 3, 3)), ones((5, 3, 3))],
            ones((6, 3, 3)), range(6),
        ),
    }  # fmt: skip
    rows = {
        name: (named, functools.partial(call, *given))
        for name, (named, call, *given) in table.items()
    }
    refusals('scores', rows, ValueError)
