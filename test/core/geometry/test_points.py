# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import functools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spike_depth_ros.geometry.points import points_of_depth

K = [2.0, 0.0, 1.0, 0.0, 4.0, 0.5, 0.0, 0.0, 1.0]
NOTHING = (np.nan, np.inf, -np.inf)


def test_the_points_of_two_rows_by_hand():
    depth = np.array([[2.0, 4.0, np.nan], [-np.inf, 8.0, np.inf]], np.float32)
    grey = np.array([[10, 20, 30], [40, 50, 60]], np.uint8)
    expected = [[-1, -0.25, 2, 10], [0, -0.5, 4, 20], [0, 1, 8, 50]]
    points = points_of_depth(depth, K, grey)
    np.testing.assert_array_equal(points, np.array(expected, np.float32))
    assert points.dtype == np.float32
    assert points.flags.c_contiguous
    organised = points_of_depth(depth, K, grey, organised=True)
    assert organised.shape == (2, 3, 4)
    np.testing.assert_array_equal(organised[np.isfinite(depth)], points)
    assert np.isnan(organised[~np.isfinite(depth)][:, :3]).all()
    np.testing.assert_array_equal(organised[:, :, 3], grey)
    assert np.isneginf(depth[1, 0])  # the image stays as it is published


def by_depth_image_proc(depth, k, grey):
    """The loop of depth_image_proc over the pixels: K of camera_info, invalid ones are NaN."""
    for v, row in enumerate(depth):
        for u, metres in enumerate(row):
            if not math.isfinite(metres):
                yield [math.nan] * 3 + [float(grey[v, u])]
            else:
                x = (u - k[2]) * metres * (1 / k[0])
                y = (v - k[5]) * metres * (1 / k[4])
                yield [x, y, metres, float(grey[v, u])]


@given(
    st.integers(0, 99), st.floats(1, 900), st.floats(1, 900), st.floats(-9, 30), st.floats(-9, 30)
)
def test_all_points_are_those_of_depth_image_proc(seed, fx, fy, cx, cy):
    rng = np.random.default_rng(seed)
    depth = rng.uniform(0.1, 300, (7, 12)).astype(np.float32)
    lost = rng.random(depth.shape) < rng.choice([0, 0.3, 1])
    depth[lost] = rng.choice(NOTHING, int(lost.sum()))
    grey = rng.integers(0, 256, depth.shape, np.uint8)
    k = [fx, 0, cx, 0, fy, cy, 0, 0, 1]
    expected = np.array([*by_depth_image_proc(depth, k, grey)])
    organised = points_of_depth(depth, k, grey, organised=True).reshape(-1, 4)
    np.testing.assert_allclose(organised, expected, rtol=1e-5, atol=1e-6)
    dense = points_of_depth(depth, np.reshape(k, (3, 3)), grey)
    np.testing.assert_array_equal(dense, organised[np.isfinite(depth).ravel()])


def test_what_gives_no_points_is_refused(refusals):
    depth, grey = np.ones((2, 3), np.float32), np.ones((2, 3), np.uint8)
    wrong = {
        'not calibrated': ('focal length', [0.0] * 9, grey),
        'focal length NaN': ('focal length', [np.nan, *K[1:]], grey),
        'another picture': ('intensity', K, grey[:1]),
    }
    rows = {
        name: (named, functools.partial(points_of_depth, depth, k, picture))
        for name, (named, k, picture) in wrong.items()
    }
    refusals('points', rows, ValueError)


@pytest.mark.parametrize('organised', [False, True])
def test_no_pixel_has_depth(organised):
    depth = np.full((2, 3), np.inf, np.float32)
    points = points_of_depth(depth, K, np.zeros((2, 3), np.uint8), organised)
    assert points.shape == ((2, 3, 4) if organised else (0, 4))
