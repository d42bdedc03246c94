# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest

from kit import bags
from spike_depth_ros.evaluation.truth import (
    Truth,
    TruthAccounting,
    TruthBuffer,
    enlarged,
    truth_image,
)

SECOND = 1_000_000_000


def buffer(*stamps, within=50):
    filled = TruthBuffer(within)
    for stamp in stamps:
        filled.add(Truth(stamp, f'image {stamp}'))
    return filled


def test_a_window_takes_the_nearest_truth_within_half_a_hop():
    truths = buffer(880, 960, 1010, 1049, 1051)
    assert truths.take(1000).image == 'image 1010'
    assert truths.take(1100).stamp_ns == 1051
    truths.flush()
    assert truths.accounting == TruthAccounting(
        received=5, used=2, unmatched=1, superseded=2, nearest_ns=120
    )


@pytest.mark.parametrize(('stamp', 'found'), [(949, False), (950, True), (1050, True)])
def test_half_a_hop_is_still_near_and_more_is_not(stamp, found):
    assert (buffer(stamp).take(1000) is not None) is found


def test_each_truth_is_used_once():
    truths = buffer(1050)
    assert truths.take(1000) is not None
    assert truths.take(1100) is None
    assert truths.accounting.used == 1


def test_truths_that_came_in_another_order_are_found():
    truths = buffer(1200, 1000, 1100)
    assert [truths.take(t).stamp_ns for t in (1000, 1100, 1200)] == [1000, 1100, 1200]


def test_a_window_is_decided_once_a_later_truth_came():
    truths = buffer(1040, 1060)
    assert not truths.decided(1000)  # the last stamp may be a wrong one
    truths.add(Truth(1070, None))
    assert truths.decided(1000)
    assert not truths.decided(1010)


def test_a_wrong_stamp_far_ahead_decides_nothing():
    truths = buffer(10**15)
    for stamp in range(1000, 2000, 100):
        assert not truths.decided(stamp)
        truths.add(Truth(stamp, None))
        assert truths.take(stamp).stamp_ns == stamp
    truths.flush()
    assert (truths.accounting.used, truths.accounting.unmatched) == (10, 1)


def test_truths_of_a_time_that_was_set_back_wait_no_longer():
    truths = buffer(30 * SECOND, 30 * SECOND + 200, 30 * SECOND + 300)
    assert not truths.begin(30 * SECOND)
    assert truths.take(30 * SECOND) is not None
    truths.add(Truth(SECOND, 'of the new time'))
    assert truths.begin(SECOND)
    assert not truths.decided(SECOND)
    assert truths.take(SECOND).image == 'of the new time'
    assert (truths.accounting.used, truths.accounting.unmatched) == (2, 2)


def test_truths_that_are_too_old_are_let_go_before_the_window_takes_its_own():
    truths = buffer(100, 200, 990)
    truths.expire(1000)
    assert truths.accounting.unmatched == 2
    assert truths.accounting.nearest_ns == 800
    assert truths.take(1000).stamp_ns == 990


def test_what_is_left_at_the_end_is_counted_with_its_distance():
    truths = buffer(5000)
    truths.take(1000)
    truths.flush()
    assert dataclasses.astuple(truths.accounting) == (1, 0, 1, 0, 0, 4000)


def test_an_unusable_truth_is_not_counted_as_used():
    truths = buffer(1000)
    truths.take(1000)
    truths.reject()
    assert (truths.accounting.used, truths.accounting.unusable) == (0, 1)


def test_the_mask_takes_pixels_out():
    message = bags.image(0, np.full((2, 3), 2.0, np.float32), '32FC1')
    mask = np.array([[True, False, True], [True, True, True]])
    truth = truth_image(message, (2, 3), 1, mask)
    np.testing.assert_array_equal(np.isnan(truth), ~mask)
    with pytest.raises(ValueError, match='the mask is 2x2, true depth 3x2'):
        truth_image(message, (2, 3), 1, np.ones((2, 2), bool))


def test_a_truth_at_the_size_of_the_sensor_is_compared_with_binned_depth():
    message = bags.image(0, np.arange(1, 36, dtype=np.float32).reshape(5, 7), '32FC1')
    truth = truth_image(message, (2, 3), 2)
    assert truth.shape == (4, 6)  # binning leaves an odd last row and column out
    depth = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    big = enlarged(depth, truth)
    assert big.shape == truth.shape
    np.testing.assert_array_equal(big[:2, :2], 1)
    np.testing.assert_array_equal(big[2:, 4:], 6)
    assert enlarged(depth, depth) is depth


def test_a_truth_of_another_size_is_refused():
    message = bags.image(0, np.ones((4, 4), np.float32), '32FC1')
    with pytest.raises(ValueError, match='true depth is 4x4, predicted depth 3x2: register'):
        truth_image(message, (2, 3), 1)
