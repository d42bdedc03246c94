# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two passes of a model, by hand."""

import numpy as np
import pytest

from spike_training.labelling.agreement import merge, relative_depth


def ramp():
    return np.tile(np.linspace(0, 100, 101, dtype=np.float32), (3, 1))


def test_equal_passes_are_kept():
    np.testing.assert_array_equal(merge(ramp(), ramp(), True, 0.1), ramp())


def test_scale_and_shift_of_a_relative_pass_do_not_matter():
    np.testing.assert_allclose(merge(ramp(), 0.01 * ramp() + 7, True, 0.01), ramp(), atol=1e-3)


def test_scale_of_a_metric_pass_does():
    metres = ramp() + 1
    kept = merge(metres, 1.05 * metres, False, 0.1)
    np.testing.assert_allclose(kept, 1.025 * metres, rtol=1e-6)
    assert np.isnan(merge(metres, 1.15 * metres, False, 0.1)).all()


def test_a_pixel_that_differs_by_more_than_the_share_of_the_range_is_unknown():
    # The range of 0 to 100 is 96 between its 2nd and 98th percentiles: 9.6 may differ.
    mirrored = np.tile(ramp(), (100, 1))
    direct = mirrored.copy()
    mirrored[0, 50] += 9.0
    mirrored[0, 51] += 9.8
    kept = merge(direct, mirrored, True, 0.1)
    assert kept[0, 50] == pytest.approx(50 + 4.5, abs=0.1)
    assert np.argwhere(np.isnan(kept)).tolist() == [[0, 51]]


def test_an_opposite_pass_agrees_nowhere_but_in_the_middle():
    kept = merge(ramp(), 100 - ramp(), True, 0.1)
    assert np.isfinite(kept).mean() < 0.25


@pytest.mark.parametrize('relative', [True, False])
@pytest.mark.parametrize('value', [0.0, 10.0])
def test_a_map_that_is_the_same_everywhere_shows_nothing(relative, value):
    flat = np.full((20, 20), value, np.float32)
    flat[0, 0] += 1e-6
    assert np.isnan(merge(flat, flat, relative, 0.1)).all()


@pytest.mark.parametrize('relative', [True, False])
def test_what_is_not_finite_is_unknown(relative):
    direct, mirrored = ramp() + 1, ramp() + 1
    direct[0, 3], direct[0, 4], mirrored[1, 5] = np.nan, np.inf, np.nan
    kept = merge(direct, mirrored, relative, 0.1)
    assert np.argwhere(np.isnan(kept)).tolist() == [[0, 3], [0, 4], [1, 5]]
    nothing = np.full((2, 2), np.nan, np.float32)
    assert np.isnan(merge(nothing, nothing, relative, 0.1)).all()


def test_huge_values():
    huge = ramp() * np.float32(3e36)
    np.testing.assert_allclose(merge(huge, huge, True, 0.1), huge, rtol=1e-5)


def test_metres_are_above_0():
    metres = ramp()
    assert np.isnan(merge(metres, metres, False, 0.1)[:, 0]).all()


def test_relative_depth_is_disparity_up_to_scale_and_shift():
    disparity = 5 + 3 * ramp()
    disparity[1, 7] = np.nan
    depth = relative_depth(disparity)
    assert (depth.dtype, np.nanmin(depth)) == (np.float32, 1)
    assert np.nanmax(depth) == pytest.approx(100)
    assert np.argwhere(np.isnan(depth)).tolist() == [[1, 7]]
    known = np.isfinite(depth)
    scale, shift = np.polyfit(1 / depth[known], disparity[known], 1)
    np.testing.assert_allclose(scale / depth[known] + shift, disparity[known], rtol=1e-4)
    assert np.isnan(relative_depth(np.full((2, 2), 3, np.float32))).all()
    assert np.isnan(relative_depth(np.full((2, 2), np.nan, np.float32))).all()
