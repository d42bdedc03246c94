# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Controls of an evaluation against cases computed by hand."""

import numpy as np
import pytest

from spike_depth_ros.evaluation import controls
from spike_depth_ros.evaluation.controls import CONTROLS, ControlWindows, mean_map, median_maps
from spike_depth_ros.evaluation.metrics import EvalProtocol

EXACT = {'rel': 0, 'abs': 1e-6}


def windows(*pairs, protocol=None, mean='pixels', limits=(0.1, 100.0)):
    kept = ControlWindows(limits, protocol or EvalProtocol(), mean)
    for depth, truth in pairs:
        kept.add(np.array(depth, np.float32), np.array(truth, np.float32))
    return kept


def test_the_controls_of_a_case_computed_by_hand():
    found = windows(
        ([[1.0, 4.0]], [[1.0, 2.0]]),
        ([[3.0, 4.0]], [[3.0, 4.0]]),
        ([[2.0, 7.0]], [[8.0, np.nan]]),
    ).compare()
    assert set(found.scores) == {'network', *CONTROLS}
    raw = {name: figures['abs_rel'] for name, figures in found.metrics().items()}
    # Errors of 0, 2 of 2 m; none; 6 of 8 m.
    assert raw['network'] == pytest.approx((0 + 1 + 0 + 0 + 0.75) / 5, **EXACT)
    # The median of 1, 2, 3, 4, 8 m is 3 m.
    assert found.median_depth_m == 3
    errors = [2 / 1, 1 / 2, 0, 1 / 4, 5 / 8]
    assert raw['median_depth'] == pytest.approx(sum(errors) / 5, **EXACT)
    # By pixel, of the other images: 5.5, 4.5 and 2 m for 1, 3 and 8; 4 and 2 m for 2 and 4.
    errors = [4.5 / 1, 1.5 / 3, 6 / 8, 2 / 2, 2 / 4]
    assert raw['median_depth_map'] == pytest.approx(sum(errors) / 5, **EXACT)
    # The mean prediction is 2 m, and 5 m.
    errors = [1 / 1, 3 / 2, 1 / 3, 1 / 4, 6 / 8]
    assert raw['mean_prediction'] == pytest.approx(sum(errors) / 5, **EXACT)
    # Moved on by one window: the third's depth for the first truth.
    errors = [1 / 1, 5 / 2, 2 / 3, 0, 5 / 8]
    assert raw['shuffled_input'] == pytest.approx(sum(errors) / 5, **EXACT)


def test_maps_take_each_pixel_by_itself():
    depths = np.array([[[1.0, np.nan]], [[4.0, np.nan]], [[np.nan, np.nan]]], np.float32)
    np.testing.assert_array_equal(mean_map(depths), [[2.5, np.nan]])


def test_a_median_map_does_not_know_the_depth_that_it_is_compared_with():
    rng = np.random.default_rng(0)
    truths = rng.uniform(1, 9, (7, 5, 6)).astype(np.float32)
    truths[rng.random(truths.shape) < 0.7] = np.nan
    truths[0, 0] = np.inf
    found = median_maps(truths, otherwise=4.0)
    for number, row, column in np.ndindex(truths.shape):
        pixel = truths[:, row, column]
        others = np.delete(pixel, number)
        others = others[np.isfinite(others)]
        expected = np.median(others) if len(others) else 4.0
        expected = expected if np.isfinite(pixel[number]) else 0
        assert found[number, row, column] == pytest.approx(expected)


@pytest.mark.parametrize('count', [2, 3, 7, 200])
def test_no_window_keeps_its_place(count):
    moved = controls.shuffled(np.arange(count, dtype=np.float32)[:, None, None])[:, 0, 0]
    assert sorted(moved) == list(range(count))
    assert all(moved != np.arange(count))


def test_figures_are_raw_and_scaled_by_the_median_of_each_image():
    found = windows(*[([[2.0, 4.0, 8.0]], [[1.0, 2.0, 4.0]])] * 2).compare()
    figures = found.metrics()['network']
    assert figures['abs_rel'] == pytest.approx(1, **EXACT)
    assert figures['abs_rel_median_scaled'] == pytest.approx(0, **EXACT)
    assert (figures['delta1'], figures['delta1_median_scaled']) == (0, 1)
    assert (figures['boundary_f1'], figures['ordinal']) == (1, 1)
    # One number has no order.
    assert found.metrics()['median_depth']['ordinal'] == 0


def test_crop_cap_and_mean_are_those_of_the_evaluation_and_the_alignment_is_not():
    pairs = [([[2.0, 50.0]], [[1.0, 90.0]]), ([[3.0, 3.0]], [[1.0, 1.0]])]
    protocol = EvalProtocol(cap_m=80.0, alignment='median')
    figures = windows(*pairs, protocol=protocol, mean='images').compare().metrics()
    assert figures['network']['abs_rel'] == pytest.approx((1 + 2) / 2, **EXACT)


def test_infinite_depth_is_averaged_as_the_limits_of_the_range():
    pairs = [([[np.inf, 2.0]], [[5.0, 2.0]]), ([[-np.inf, 2.0]], [[5.0, 2.0]])]
    found = windows(*pairs, limits=(2.0, 10.0)).compare()
    # 10 m and 2 m: on average 6 m.
    assert found.metrics()['mean_prediction']['abs_rel'] == pytest.approx(0.1, **EXACT)


def test_memory_is_bounded_and_windows_are_evenly_spread(monkeypatch):
    monkeypatch.setattr(controls, 'MAX_WINDOWS', 4)
    kept = windows(*[([[number + 1.0]], [[number + 1.0]]) for number in range(19)])
    found = kept.compare()
    # Over 4 at numbers 4 and 8: 0, 2, 4, 6, 8 becomes 0, 4, 8; and at 16 0, 8, 16.
    assert (found.windows, found.window_step) == (3, 8)
    assert found.median_depth_m == 9
    for number in range(300):
        kept.add(np.full((1, 1), 1.0 + number, np.float32), np.ones((1, 1), np.float32))
        assert len(kept) <= 4


def test_large_images_are_kept_at_low_resolution():
    truth = np.arange(1, 1 + 321 * 4, dtype=np.float32).reshape(4, 321)
    found = windows((truth, truth), (truth, truth)).compare()
    assert (found.pixel_step, found.size) == (3, (2, 107))
    assert found.metrics()['network']['abs_rel'] == 0


def test_windows_without_truth_or_of_another_size_are_left_out():
    kept = windows(([[1.0]], [[np.nan]]), ([[1.0]], [[1.0]]), ([[1.0, 1.0]], [[1.0, 1.0]]))
    assert len(kept) == 1
    assert kept.compare() is None  # the mean prediction would be the prediction
    kept.add(np.full((1, 1), 2.0, np.float32), np.ones((1, 1), np.float32))
    assert kept.compare().windows == 2


def test_a_model_that_sees_beats_the_controls():
    truths = [[[1.0, 4.0]], [[4.0, 1.0]], [[2.0, 7.0]]]
    found = windows(*((truth, truth) for truth in truths)).compare()
    assert found.not_beaten() == {}
    assert found.sentence('tiny') == 'tiny beats all 4 controls on 3 windows'
    assert found.report()['not_beaten'] == []


def test_a_model_that_looks_at_nothing_does_not_beat_the_mean_prediction():
    truths = [[[1.0, 4.0]], [[4.0, 1.0]], [[2.0, 7.0]]]
    found = windows(*(([[3.0, 2.0]], truth) for truth in truths)).compare()
    assert {'mean_prediction', 'shuffled_input'} <= set(found.not_beaten())
    figures = found.metrics()
    scaled = figures['network']['abs_rel_median_scaled']
    assert found.not_beaten()['mean_prediction'] == (scaled, pytest.approx(scaled))
    text = found.sentence('blind')
    assert text.startswith('blind DOES NOT BEAT ')
    assert f'mean prediction (median-scaled AbsRel {scaled:.3f}, control {scaled:.3f})' in text


def test_a_model_without_a_prediction_beats_nothing():
    truths = [[[1.0, 4.0]], [[4.0, 1.0]], [[2.0, 7.0]]]
    found = windows(*((np.full((1, 2), np.nan), truth) for truth in truths)).compare()
    assert len(found.not_beaten()) == 4
    assert 'blind DOES NOT BEAT 4 of its controls' in found.sentence('blind')


def test_a_control_is_not_beaten_by_rounding():
    # The depth follows the truth by 0.01 %: scaled errors of 0.24999 against 0.25001.
    truths = [[[2.0, 2.0, 4.0]], [[4.0, 2.0, 2.0]]]
    depths = [[[2.0, 2.0, 2.0001]], [[2.0001, 2.0, 2.0]]]
    found = windows(*zip(depths, truths, strict=True)).compare()
    figures = found.metrics()
    key = 'abs_rel_median_scaled'
    assert figures['network'][key] < figures['shuffled_input'][key] - 1e-6
    assert 'shuffled_input' in found.not_beaten()


def test_one_number_is_compared_without_scaling():
    # Twice too far: scaled, the depth is perfect; raw, 3 m for all is better.
    truths = [[[2.0, 4.0]], [[4.0, 2.0]]]
    found = windows(*((np.multiply(2, truth), truth) for truth in truths)).compare()
    assert found.not_beaten() == {'median_depth': (1.0, pytest.approx(0.375))}
    assert 'one number (AbsRel 1.000, control 0.375)' in found.sentence('far')


def test_the_report_has_no_arrays_and_says_what_was_compared():
    found = windows(*[([[1.0]], [[1.0]])] * 2).compare().report()
    assert found['size'] == [1, 1]
    assert (found['windows'], found['window_step'], found['pixel_step']) == (2, 1, 1)
    assert found['predictors']['network']['ordinal'] is None  # one pixel has no pairs
