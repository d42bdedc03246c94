# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of the filter of flying pixels."""

import numpy as np
import pytest

from spike_depth_ros.filters.flying_pixels import find_flying_pixels

NEAR_M, FAR_M = 2.0, 3.0


def ramp(width=4, shape=(60, 90)):
    """A step in depth between columns, with a ramp of log depth over some columns."""
    middle = (shape[1] - 1) / 2
    share = np.clip((np.arange(shape[1]) - middle) / width + 0.5, 0, 1)
    row = np.exp(np.log(NEAR_M) + share * np.log(FAR_M / NEAR_M))
    return np.tile(row, (shape[0], 1)).astype(np.float32)


def plane(slope_right, slope_down, shape=(96, 128)):
    """Depth of a plane: inverse depth changes by a share of its mean across the image."""
    down, right = np.indices(shape) / np.array(shape)[:, None, None] - 0.5
    return (10 / (1 + slope_right * right + slope_down * down)).astype(np.float32)


def rough_scene(seed=0):
    """Depth with steps of many sizes, on a plane."""
    rng = np.random.default_rng(seed)
    depth = plane(0.3, 0.8).astype(np.float64)
    for _ in range(12):
        y, x = rng.integers(0, 80), rng.integers(0, 100)
        depth[y : y + rng.integers(8, 30), x : x + rng.integers(8, 30)] *= rng.uniform(0.5, 0.9)
    blurred = np.log(depth)
    for axis in (0, 1):
        blurred = sum(np.roll(blurred, k, axis) for k in range(-2, 3)) / 5
    return np.exp(blurred).astype(np.float32)


@pytest.mark.parametrize('turned', [False, True])
@pytest.mark.parametrize('width', [3, 4, 5, 7])
def test_the_middle_of_a_ramp_is_flying_and_its_sides_are_not(width, turned):
    depth = ramp(width)
    log = np.log(depth / NEAR_M) / np.log(FAR_M / NEAR_M)
    found = find_flying_pixels(depth.T).T if turned else find_flying_pixels(depth)
    np.testing.assert_array_equal(found, np.abs(log - 0.5) < 0.25)
    assert found.any()


def test_a_ramp_at_45_degrees_loses_its_middle():
    down, right = np.indices((80, 80))
    share = np.clip((right - down) / 6 + 0.5, 0, 1)
    found = find_flying_pixels((NEAR_M * (FAR_M / NEAR_M) ** share).astype(np.float32))
    inside = np.s_[12:-12, 12:-12]
    np.testing.assert_array_equal(found[inside], (np.abs(share - 0.5) < 0.25)[inside])


@pytest.mark.parametrize(
    'slopes',
    [(0.0, 0.5), (0.0, 1.0), (0.0, 1.9), (0.0, 1.99), (1.5, 0.0), (0.9, 1.0), (-0.7, 1.2)],
)
def test_planes_lose_nothing(slopes):
    depth = plane(*slopes)
    assert not find_flying_pixels(depth).any()


def test_the_middle_half_alone_would_take_much_of_a_steep_plane():
    steps = np.abs(np.diff(np.log(plane(0.0, 1.9)[:, 0])))
    assert (8 * steps > 0.1).mean() > 0.4  # so that the planes above are a test


@pytest.mark.parametrize('wall_m', [10.0, 30.0, 100.0, 1000.0])
def test_a_road_and_the_wall_at_its_end_lose_nothing(wall_m):
    rows = np.arange(120)[:, None] - 40.5  # from the horizon
    road = np.where(rows > 0, 300 / np.maximum(rows, 1), np.inf)
    depth = np.broadcast_to(np.minimum(road, wall_m), (120, 90)).astype(np.float32)
    assert not find_flying_pixels(depth).any()


def test_a_ramp_on_a_slanted_plane_is_found():
    depth = plane(0.5, 0.5, (60, 90)) * ramp(4) / NEAR_M
    found = find_flying_pixels(depth)
    assert found[15:-15, 44:46].all()
    assert not found[:, :42].any()
    assert not found[:, 48:].any()


@pytest.mark.parametrize('factor', [1e-3, 0.37, 8.0, 1000.0])
def test_a_factor_on_depth_changes_nothing(factor):
    depth = rough_scene()
    found = find_flying_pixels(depth)
    assert 0.005 < found.mean() < 0.2
    np.testing.assert_array_equal(find_flying_pixels(np.float32(factor) * depth), found)


def test_mirrored_depth_has_mirrored_flying_pixels():
    depth = rough_scene(1)
    found = find_flying_pixels(depth)
    for turn in (lambda x: x[::-1], lambda x: x[:, ::-1], np.transpose):
        other = find_flying_pixels(np.ascontiguousarray(turn(depth)))
        assert (other != turn(found)).mean() < 1e-3  # sums round otherwise


def test_depth_is_left_alone():
    depth = rough_scene()
    copy = depth.copy()
    find_flying_pixels(depth)
    np.testing.assert_array_equal(depth, copy)


@pytest.mark.parametrize(
    'shape', [(0, 0), (0, 5), (1, 1), (1, 7), (1, 400), (400, 1), (2, 3), (8, 8), (9, 25)]
)
def test_small_maps_have_an_answer_of_their_shape(shape):
    for depth in (np.full(shape, 3.0, np.float32), np.full(shape, np.nan, np.float32)):
        found = find_flying_pixels(depth)
        assert (found.shape, found.dtype, found.any()) == (shape, bool, False)
    random = np.random.default_rng(0).uniform(1, 9, shape).astype(np.float32)
    assert find_flying_pixels(random).shape == shape


def test_one_row_is_enough():
    found = find_flying_pixels(ramp(4, (1, 90)))
    np.testing.assert_array_equal(np.flatnonzero(found), [44, 45])


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf, 0.0, -1.0])
def test_unknown_pixels_are_not_flying_and_change_only_their_surroundings(value):
    assert not find_flying_pixels(np.full((40, 50), value, np.float32)).any()
    depth = ramp(4)
    expected = find_flying_pixels(depth)
    depth[20:24, 40:50] = value
    found = find_flying_pixels(depth)
    assert not found[20:24, 40:50].any()
    far = np.r_[0:7, 37:60]
    np.testing.assert_array_equal(found[far], expected[far])


@pytest.mark.filterwarnings('error')
def test_a_plane_with_holes_loses_nothing():
    depth = plane(0.9, 1.0)
    depth[np.random.default_rng(0).random(depth.shape) < 0.003] = np.nan
    depth[30:60, 40:90] = np.nan
    assert not find_flying_pixels(depth).any()


@pytest.mark.filterwarnings('error')
def test_extreme_depths_raise_no_warning():
    tiny, huge = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max
    depth = np.random.default_rng(0).choice(np.float32([tiny, 1e-30, 1.0, huge, np.nan]), (50, 60))
    find_flying_pixels(depth)
