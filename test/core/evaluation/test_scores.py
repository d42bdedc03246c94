# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores against cases computed by hand."""

import math

import numpy as np
import pytest

from spike_depth_ros.evaluation.extremes import LargestDifferences
from spike_depth_ros.evaluation.metrics import PUBLISHED, EvalProtocol
from spike_depth_ros.evaluation.scores import CSV_COLUMNS, Output, Scores

EXACT = {'rel': 0, 'abs': 1e-6}


LIMITS = (0.1, 100.0)


def output(
    number, depth, truth=None, uncertainty=None, hop_ns=1_000_000, grey=None, limits=LIMITS
):
    depth = np.asarray(depth, np.float32)
    unsure = np.asarray(np.ones_like(depth) if uncertainty is None else uncertainty, np.float32)
    truth = None if truth is None else np.asarray(truth, np.float32)
    time = number * hop_ns
    return Output(number, time, depth, unsure, limits, lambda: grey, truth, time)


def scored(*outputs, limits=LIMITS, **settings):
    scores = Scores(limits, hop_ns=1_000_000, **settings)
    rows = [scores.add(one) for one in outputs]
    return scores, rows


def test_the_figures_of_a_case_computed_by_hand():
    # Errors 1 of 2 m, 0, 3 of 12 m; and 2 of 4 m in the second window.
    scores, rows = scored(
        output(0, [[3, 5, 9]], [[2, 5, 12]]), output(1, [[6, 1, 1]], [[4, np.nan, 0]])
    )
    assert rows[0]['abs_rel'] == pytest.approx((0.5 + 0 + 0.25) / 3, **EXACT)
    assert rows[0]['rmse'] == pytest.approx(math.sqrt((1 + 9) / 3), **EXACT)
    assert rows[0]['delta1'] == pytest.approx(1 / 3, **EXACT)
    assert rows[1]['abs_rel'] == pytest.approx(0.5, **EXACT)
    assert (rows[0]['pixels'], rows[1]['pixels']) == (3, 1)
    figures = scores.headline()
    assert figures['abs_rel'] == pytest.approx(1.25 / 4, **EXACT)
    assert figures['sq_rel'] == pytest.approx((0.5 + 0.75 + 1) / 4, **EXACT)
    assert figures['rmse'] == pytest.approx(math.sqrt(14 / 4), **EXACT)
    assert figures['delta1'] == pytest.approx(1 / 4, **EXACT)
    assert figures['delta2'] == 1  # the worst ratio is 1.5, and 1.25 squared more
    logs = [math.log(1.5), 0, math.log(0.75), math.log(1.5)]
    rmse_log = math.sqrt(sum(log**2 for log in logs) / 4)
    assert figures['rmse_log'] == pytest.approx(rmse_log, **EXACT)


def test_the_mean_over_images_weighs_windows_alike():
    windows = (output(0, [[3, 5, 9]], [[2, 5, 12]]), output(1, [[6, 1, 1]], [[4, 0, 0]]))
    scores, _ = scored(*windows, mean='images')
    assert scores.headline()['abs_rel'] == pytest.approx((0.25 + 0.5) / 2, **EXACT)


@pytest.mark.parametrize(
    ('alignment', 'expected'),
    [
        ('none', 1.0),
        # Medians 2 and 4: depth is halved.
        ('median', (0 + 0 + 1 / 7) / 3),
        # The line through (2, 1), (4, 2), (12, 7) of least squares.
        ('scale_shift', None),
    ],
)
def test_alignment_of_a_case_computed_by_hand(alignment, expected):
    depth, truth = np.array([[2.0, 4, 12]]), np.array([[1.0, 2, 7]])
    if expected is None:
        slope, shift = np.polyfit(depth[0], truth[0], 1)
        expected = float(np.mean(np.abs(slope * depth + shift - truth) / truth))
    if alignment == 'none':
        expected = float(np.mean(np.abs(depth - truth) / truth))
    scores, _ = scored(output(0, depth, truth), protocol=EvalProtocol(alignment=alignment))
    assert scores.headline()['abs_rel'] == pytest.approx(expected, **EXACT)


def test_the_published_protocol_crops_and_caps():
    depth, truth = np.full((100, 100), 2.0), np.full((100, 100), 1.0)
    truth[0] = 1000.0  # outside the crop
    truth[50, 50] = 90.0  # beyond the cap
    depth[50, 51] = 99.0  # clipped to the cap
    scores, rows = scored(output(0, depth, truth), protocol=PUBLISHED, mean='images')
    inside = (int(0.99189189 * 100) - int(0.40810811 * 100)) * (
        int(0.96405229 * 100) - int(0.03594771 * 100)
    )
    assert rows[0]['pixels'] == inside - 1
    assert scores.headline()['abs_rel'] == pytest.approx((inside - 2 + 79) / (inside - 1), **EXACT)


def test_infinities_are_scored_as_the_limits_of_the_range():
    scores, _ = scored(
        output(0, [[-np.inf, np.inf]], [[2.0, 5.0]], limits=(1.0, 10.0)), limits=(1.0, 10.0)
    )
    assert scores.headline()['abs_rel'] == pytest.approx((0.5 + 1) / 2, **EXACT)
    near, far = scores.breakdown.by_distance.rows()
    assert (near['abs_rel'], far['abs_rel']) == pytest.approx((0.5, 1), **EXACT)
    assert near['relative_uncertainty'] == pytest.approx(1)


def test_bins_hold_their_pixels():
    depth = [[1.1, 2.5, 2.5, 30.0]]
    truth = [[1.0, 2.0, 2.0, 20.0]]
    unsure = [[0.2, 0.1, 1.0, 30.0]]
    scores, _ = scored(output(0, depth, truth, unsure))
    near, middle, far = scores.breakdown.by_distance.rows()
    assert (near['from'], near['to'], near['share']) == (1.0, 2.0, 0.25)
    assert near['abs_rel'] == pytest.approx(0.1, **EXACT)
    assert near['interval_coverage'] == 1
    assert (middle['from'], middle['share']) == (2.0, 0.5)
    assert middle['rmse'] == pytest.approx(0.5, **EXACT)
    assert middle['interval_coverage'] == 0.5
    assert middle['relative_uncertainty'] == pytest.approx(0.22, **EXACT)
    assert (far['from'], far['delta1']) == (20.0, 0.0)
    rows = scores.breakdown.by_uncertainty.rows()
    shares = {(row['from'], row['to']): row['share'] for row in rows}
    assert shares == {
        (0.02, 0.05): 0.25,
        (0.15, 0.2): 0.25,
        (0.3, 0.5): 0.25,
        (1.0, math.inf): 0.25,
    }


def test_the_interval_curve_counts_the_truth_within_each_multiple():
    # Errors of 0.55, 1, 3.95 and 9 half-widths.
    truth = np.full((1, 4), 10.0)
    scores, _ = scored(output(0, truth + [[0.55, 1.0, 3.95, 9.0]], truth))
    curve = scores.breakdown.interval_curve()
    at = dict(zip(curve['multiple'], curve['coverage'], strict=True))
    assert [at[m] for m in (0.5, 0.6, 0.9, 1.1, 3.9, 4.0)] == [0, 0.25, 0.25, 0.5, 0.5, 0.75]


def test_the_sparsification_curve_begins_at_the_error_and_its_area_is_the_ause():
    generator = np.random.default_rng(3)
    truth = generator.uniform(1, 9, (20, 20))
    depth = truth + generator.normal(0, 0.5, truth.shape)
    scores, _ = scored(output(0, np.maximum(depth, 0.1), truth, generator.random(truth.shape)))
    curve = scores.uncertainty.sparsification()
    assert curve['by_uncertainty'][0] == pytest.approx(scores.headline()['abs_rel'], rel=1e-6)
    assert curve['oracle'][0] == pytest.approx(curve['by_uncertainty'][0])
    gap = np.mean(np.subtract(curve['by_uncertainty'], curve['oracle']))
    assert gap == pytest.approx(scores.headline()['ause'], rel=0.1)
    assert sorted(curve['oracle'], reverse=True) == curve['oracle']


def test_flicker_is_the_median_relative_change_between_neighbours():
    scores, rows = scored(
        output(0, [[1.0, 2.0, np.inf]]),
        output(1, [[1.1, 2.0, 4.0]]),
        output(2, [[1.1, 2.0, 4.0]]),
        output(4, [[2.2, 4.0, 8.0]]),  # a window is missing before it: no neighbour
    )
    assert math.isnan(rows[0]['flicker'])
    assert rows[1]['flicker'] == pytest.approx(math.log(1.1) / 2, abs=1e-6)
    assert rows[2]['flicker'] == 0
    assert math.isnan(rows[3]['flicker'])
    assert scores.headline()['flicker'] == pytest.approx(math.log(1.1) / 4, abs=1e-6)


def test_the_change_error_leaves_out_what_the_scene_changed_by():
    scores, _ = scored(
        output(0, [[1.0, 2.0]], [[2.0, 4.0]]),
        output(1, [[9.0, 9.0]]),
        output(2, [[2.0, 2.0]], [[4.0, 4.0]]),
        output(3, [[2.0, 2.2]], [[4.0, np.nan]]),
    )
    # Both halve their distance, or keep it: twice wrong the same way is no change error.
    assert scores.headline()['change_error'] == 0
    scores, _ = scored(
        output(0, [[1.0, 2.0]], [[2.0, 4.0]]), output(1, [[1.2, 2.0]], [[2.0, 4.4]])
    )
    expected = (math.log(1.2) + math.log(1.1)) / 2
    assert scores.headline()['change_error'] == pytest.approx(expected, abs=1e-6)


def test_binned_depth_is_enlarged_to_its_truth():
    scores, rows = scored(output(0, [[2.0]], [[1.0, 2.0], [2.0, 4.0]]))
    assert rows[0]['pixels'] == 4
    assert scores.headline()['abs_rel'] == pytest.approx((1 + 0.5) / 4, **EXACT)


def test_boundaries_and_order_are_among_the_figures():
    # Steps of ln 2 in the first pair of columns; predicted two columns farther, then not at all.
    truth = [[2.0, 4, 4, 4, 4, 4, 4, 4]]
    scores, _ = scored(
        output(0, [[2.0, 2, 2, 4, 4, 4, 4, 4]], truth), output(1, [[2.0] * 8], truth)
    )
    figures = scores.headline()
    # Columns 2 and 3 are predicted, 2 and 3 are within two of column 1; of 0 and 1 in each window
    # both are found in the first.
    assert scores.structure.precision == 1
    assert scores.structure.recall == 0.5
    assert figures['boundary_f1'] == pytest.approx(2 / 3, **EXACT)
    # Seven pairs a window: 5 of the first are right, 2 are ties; the second has ties only.
    assert figures['ordinal'] == pytest.approx(5 / 14, **EXACT)


def test_a_window_without_truth_has_its_row():
    scores, rows = scored(output(0, [[2.0, 4.0]], uncertainty=[[1.0, 1.0]]))
    assert list(rows[0]) == list(CSV_COLUMNS)
    assert rows[0]['median_depth_m'] == 3
    assert rows[0]['median_relative_uncertainty'] == pytest.approx(0.375)
    assert math.isnan(rows[0]['abs_rel'])
    assert scores.errors.images == 0


def test_the_best_and_the_worst_windows_are_kept_with_their_images():
    errors = [0.5, 0.1, 0.9, 0.3, 0.7, 0.2, 0.8, 0.4]
    grey = np.zeros((1, 1), np.uint8)
    windows = [output(k, [[1 + e]], [[1.0]], grey=grey) for k, e in enumerate(errors)]
    scores, _ = scored(*windows, output(8, [[7.0]]))
    best, worst = scores.extremes.best_and_worst()
    assert scores.extremes.by_error
    assert [moment.number for moment in best] == [1, 5, 3]
    assert [moment.number for moment in worst] == [2, 6, 4]
    assert best[0].abs_rel == pytest.approx(0.1, abs=1e-6)
    assert best[0].depth[0, 0] == pytest.approx(1.1)
    assert best[0].preview is grey


def test_windows_in_which_two_models_differ_most_are_kept_with_the_images_of_both():
    errors = [(0.5, 0.5), (0.1, 0.9), (0.9, 0.2), (0.3, 0.4), (0.2, 0.6), (0.0, 0.5), (0.4, 0.3)]
    largest_differences, swapped = LargestDifferences(), LargestDifferences()
    for number, pair in enumerate(errors):
        outputs = [output(number, [[1 + error]], [[1.0]]) for error in pair]
        one, other = ((seen, scored(seen)[1][0]) for seen in outputs)
        largest_differences.add(one, other)
        swapped.add(other, one)
    unknown = (output(7, [[9.0]]), {'abs_rel': math.nan})
    largest_differences.add(unknown, unknown)
    ahead = largest_differences.first_better()
    assert [one.number for one, _ in ahead] == [1, 5, 4]
    assert [one.number for one, _ in largest_differences.second_better()] == [2, 6]  # 0 is a draw
    assert [one.number for one, _ in swapped.first_better()] == [2, 6]
    one, other = ahead[0]
    assert (one.depth[0, 0], other.depth[0, 0]) == pytest.approx((1.1, 1.9))
    assert (one.abs_rel, other.abs_rel) == pytest.approx((0.1, 0.9), abs=1e-6)


def test_without_truth_windows_are_ranked_by_uncertainty():
    scores, _ = scored(*(output(k, [[1.0]], uncertainty=[[u]]) for k, u in enumerate([3, 1, 2])))
    best, worst = scores.extremes.best_and_worst()
    assert [moment.number for moment in best] == [1, 2, 0]
    assert worst == []  # no window is shown twice
    assert not scores.extremes.by_error


def test_infinities_are_the_limits_of_their_window():
    # A factor of one half, as of a known height of the camera, moves the limits to .05 and 50 m.
    depth, truth = [[-np.inf, np.inf, np.inf]], [[0.1, 40.0, np.inf]]
    halved = output(0, depth, truth, limits=(0.05, 50.0))
    missed = output(1, [[10.0, 49.5, 30.0]], truth, limits=(0.05, 50.0))
    scores, (row, _) = scored(halved, missed)
    assert row['abs_rel'] == pytest.approx((0.5 + 0.25) / 2)
    assert row['rmse'] == pytest.approx(math.sqrt((0.05**2 + 10**2) / 2))
    # 49.5 m is at the limit: a wrong sky; 30 m, in place of sky, is a missed one.
    assert scores.errors.sky_recall == 0.5
    assert scores.errors.sky_precision == pytest.approx(1 / 3)
    by_distance = scores.breakdown.report()['by_distance']
    assert by_distance[-1]['rmse'] == pytest.approx(math.sqrt((10**2 + 9.5**2) / 2))
    compared = scores.controls.compare().metrics()['network']
    assert compared['abs_rel'] == pytest.approx(scores.headline()['abs_rel'])
