# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The floor in depth images that are calculated from poses, rotation by rotation."""

import dataclasses
import functools
import math

import numpy as np
import pytest

from spike_depth_ros.geometry.floor import CameraPose, Floor, FloorFinder

ROWS, COLUMNS = 96, 128
K = (110.0, 0.0, (COLUMNS - 1) / 2, 0.0, 110.0, (ROWS - 1) / 2, 0.0, 0.0, 1.0)


def floor_depth(pose: CameraPose, beyond: float = 60.0) -> np.ndarray:
    """Depth of a level floor, with a wall far behind, by the rotations of REP 103."""
    p, r = pose.pitch_rad, pose.roll_rad
    about_y = np.array([[math.cos(p), 0, math.sin(p)], [0, 1, 0], [-math.sin(p), 0, math.cos(p)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(r), -math.sin(r)], [0, math.sin(r), math.cos(r)]])
    v, u = np.indices((ROWS, COLUMNS), np.float64)
    # Of the body frame: x forward, y left, z up.
    rays = np.stack([np.ones_like(u), -(u - K[2]) / K[0], -(v - K[5]) / K[4]], -1)
    falling = -(rays @ (about_y @ about_x).T)[..., 2]
    with np.errstate(divide='ignore'):
        depth = np.where(falling > 0, pose.height_m / falling, np.inf)
    return np.minimum(depth, beyond).astype(np.float32)


def found(depth: np.ndarray, pose: CameraPose) -> Floor:
    floor = FloorFinder(pose).find(depth, K)
    assert floor is not None
    return floor


def test_a_camera_that_looks_down_sees_the_floor_nearer_below() -> None:
    depth = floor_depth(CameraPose(1.0, pitch_rad=0.5), beyond=1e9)
    axis = depth[ROWS // 2 - 1 : ROWS // 2 + 1, COLUMNS // 2].mean()
    assert axis == pytest.approx(1 / math.sin(0.5), rel=1e-3)
    # With the left side raised, the floor is farther on the left.
    rolled = floor_depth(CameraPose(1.0, pitch_rad=0.5, roll_rad=0.2), beyond=1e9)
    assert rolled[-1, 0] > rolled[-1, -1]
    down = CameraPose(1.0, pitch_rad=0.5, roll_rad=0.2).down
    expected = [math.cos(0.5) * math.sin(0.2), math.cos(0.5) * math.cos(0.2), math.sin(0.5)]
    assert down == pytest.approx(expected)


@pytest.mark.parametrize('pitch', [-0.1, 0.0, 0.3, 0.9, math.pi / 2])
@pytest.mark.parametrize('roll', [-0.3, 0.0, 0.2])
def test_the_floor_of_a_tilted_plane_with_outliers(pitch: float, roll: float) -> None:
    pose = CameraPose(1.2, pitch, roll)
    depth = floor_depth(pose)
    rng = np.random.default_rng(1)
    outliers = rng.random(depth.shape) < 0.3
    depth[outliers] *= rng.uniform(0.3, 0.85, np.count_nonzero(outliers))  # things on the floor
    floor = found(depth, pose)
    assert floor.height == pytest.approx(1.2, rel=5e-3)
    assert floor.inliers == pytest.approx(0.7, abs=0.06)
    assert floor.tilt_rad < 0.01


def test_a_factor_on_depth_is_one_on_the_height() -> None:
    pose = CameraPose(0.4, 0.2)
    depth = floor_depth(pose)
    depth *= np.random.default_rng(0).uniform(0.93, 1.07, depth.shape).astype(np.float32)
    one = found(depth, pose)
    for factor in (0.7, 1.4):
        other = found(np.float32(factor) * depth, pose)
        assert other.height == pytest.approx(factor * one.height, rel=1e-4)
        assert other.inliers == pytest.approx(one.inliers, abs=0.01)


def test_the_spread_is_that_of_the_depth() -> None:
    pose = CameraPose(1.0, 0.4)
    noise = np.random.default_rng(0).normal(0, 0.05, (ROWS, COLUMNS))
    floor = found((floor_depth(pose) * np.exp(noise)).astype(np.float32), pose)
    assert floor.spread == pytest.approx(0.05, rel=0.1)


def test_a_table_above_the_floor_is_not_the_floor() -> None:
    pose = CameraPose(1.4, 0.5)
    depth, table = floor_depth(pose), floor_depth(CameraPose(0.65, 0.5))
    depth[40:, 22:106] = table[40:, 22:106]  # more of the image than the floor
    finder = FloorFinder(pose)
    floor = finder.find(depth, K)
    assert floor is not None
    assert floor.height == pytest.approx(1.4, rel=0.01)


def test_a_larger_table_in_front_of_the_floor_is_contradicted_by_what_lies_below_it() -> None:
    pose = CameraPose(1.4, 0.5)
    depth, table = floor_depth(pose), floor_depth(CameraPose(0.65, 0.5))
    depth[36:, 10:118] = table[36:, 10:118]  # more than twice the inliers of the floor
    assert found(depth, pose).height == pytest.approx(1.4, rel=0.01)
    depth[36:] = table[36:]  # of the floor, too little is left
    assert FloorFinder(pose).find(depth, K) is None
    depth[:36] = np.minimum(depth[:36], 3.0)  # and behind the table stands a wall
    assert FloorFinder(pose).find(depth, K) is None


def test_a_slope_is_no_floor_even_where_its_depth_is_noisy() -> None:
    slope = floor_depth(CameraPose(1.0, 0.8))  # by 0.5 rad
    slope *= np.exp(np.random.default_rng(0).normal(0, 0.05, slope.shape)).astype(np.float32)
    assert FloorFinder(CameraPose(1.0, 0.3)).find(slope, K) is None


def test_a_tilt_within_the_tolerance_is_measured_and_beyond_it_there_is_no_floor() -> None:
    depth = floor_depth(CameraPose(1.0, 0.3))
    assert found(depth, CameraPose(1.0, 0.42)).tilt_rad == pytest.approx(0.12, abs=0.02)
    assert found(depth, CameraPose(1.0, 0.3, 0.12)).tilt_rad == pytest.approx(0.12, abs=0.02)
    assert FloorFinder(CameraPose(1.0, 0.8)).find(depth, K) is None


@pytest.mark.parametrize('pose', [CameraPose(1.0, 0.3), CameraPose(1.65)])
def test_the_height_of_a_floor_that_bends_upwards_fits_what_is_seen_of_it(
    pose: CameraPose,
) -> None:
    truth = floor_depth(pose)
    seen = truth < 59
    bent = (truth * (truth / np.median(truth[seen])) ** -0.1).astype(np.float32)
    scale = pose.height_m / found(bent, pose).height
    assert np.median(scale * bent[seen] / truth[seen]) == pytest.approx(1.0, abs=0.06)


def test_where_there_is_no_floor_none_is_found() -> None:
    wall = np.full((ROWS, COLUMNS), 2.0, np.float32)
    finder = FloorFinder(CameraPose(1.0))
    assert finder.find(wall, K) is None
    assert finder.find(np.full_like(wall, np.nan), K) is None
    depth = floor_depth(CameraPose(1.0))
    assert finder.find(depth, K, (0.0, float(depth.min()))) is None  # nothing within the limits
    looking_up = FloorFinder(CameraPose(1.0, -0.5))  # half the image is 0.41 rad
    assert not looking_up.sees_floor((ROWS, COLUMNS), K)
    assert looking_up.find(depth, K) is None
    assert finder.sees_floor((ROWS, COLUMNS), K)


def test_missing_depth_is_left_out() -> None:
    pose = CameraPose(1.0, 0.3)
    depth = floor_depth(pose)
    depth[:, ::3] = np.nan
    depth[::7] = np.inf
    assert found(depth, pose).height == pytest.approx(1.0, rel=1e-3)


def test_an_impossible_pose_is_refused_in_one_line(refusals) -> None:
    """Each of its numbers out of range, and each that is no number."""
    good, rows = CameraPose(1.0), {}
    wrong = {'height': (0.0, -1.0), 'pitch': (1.6, -1.6), 'roll': (-3.2, 3.2)}
    for field in dataclasses.fields(CameraPose):
        (word,) = [one for one in wrong if one in field.name]
        for value in (*wrong[word], math.nan, math.inf):
            call = functools.partial(dataclasses.replace, good, **{field.name: value})
            rows[f'{field.name} {value}'] = f'camera {word}', call
    refusals('camera_pose', rows, ValueError)
