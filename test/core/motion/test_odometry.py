# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses of odometry: what is taken, what is interpolated, what is refused."""

import math

import numpy as np
import pytest

from spike_depth_ros.motion.odometry import (
    FASTEST_M_S,
    KEPT_NS,
    LARGEST_GAP_NS,
    PoseError,
    Poses,
    pose_matrix,
)

MS = 1_000_000
HALF = math.sqrt(0.5)
FORWARD = (-0.5, 0.5, -0.5, 0.5)  # an optical frame on a body: z is its x, x its -y, y its -z


def about_z(degrees, x=0.0, y=0.0, z=0.0):
    half = math.radians(degrees) / 2
    return (x, y, z, 0, 0, math.sin(half), math.cos(half))


def filled(*poses, mounting=(0, 0, 0, 0, 0, 0, 1)):
    """Poses 100 ms from each other."""
    found = Poses(mounting)
    for number, values in enumerate(poses):
        assert found.add(100 * MS * number, values) == ''
    return found


def test_the_matrix_of_a_pose_by_hand():
    found = pose_matrix((1, 2, 3, 0, 0, HALF, HALF))
    expected = [[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize('sign', [1, -1])
def test_the_matrix_of_a_pose_about_three_axes(sign):
    # A third of a turn about the diagonal: x goes to y, y to z, z to x.
    found = pose_matrix((0, 0, 0, *[sign * 0.5] * 4))
    np.testing.assert_allclose(found[:3, :3], [[0, 0, 1], [1, 0, 0], [0, 1, 0]], atol=1e-12)


@pytest.mark.parametrize('norm', [0.992, 1.008])
def test_a_quaternion_of_nearly_the_norm_1_is_divided_by_it(norm):
    found = pose_matrix((0, 0, 0, 0, 0, norm * HALF, norm * HALF))
    np.testing.assert_allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(found[:3, 0], (0, 1, 0), atol=1e-12)


@pytest.mark.parametrize(
    ('values', 'match'),
    [
        ((0, 0, 0, 0, 0, 0, 0), 'norm 0: expected 1'),
        ((0, 0, 0, 0, 0, 0, 0.98), 'norm 0.98: expected 1'),
        ((0, 0, 0, 1, 0, 0, 1), 'norm 1.41: expected 1'),
        ((0, math.nan, 0, 0, 0, 0, 1), 'nan.*expected 7 finite numbers'),
        ((0, 0, 0, 0, math.inf, 0, 1), 'inf.*expected 7 finite numbers'),
        ((0, 0, 0), 'expected 7 finite numbers'),
    ],
)
def test_what_is_no_pose_is_refused(values, match):
    with pytest.raises(PoseError, match=match):
        pose_matrix(values)
    with pytest.raises(PoseError, match=match):
        Poses(values)
    poses = filled(about_z(0))
    problem = poses.add(50 * MS, values)
    assert problem.startswith('odometry: ')
    assert '\n' not in problem
    assert dict(poses.refused) == {'damaged': 1}
    assert poses.at(50 * MS) is None
    assert poses.restarts == 0


def test_the_pose_between_two_by_hand():
    poses = filled(about_z(0), about_z(90, x=1.0, z=-2.0))
    found = poses.at(30 * MS)
    assert found is not None
    np.testing.assert_allclose(found, pose_matrix(about_z(27, x=0.3, z=-0.6)), atol=1e-9)
    again = poses.at(100 * MS)
    assert again is not None
    np.testing.assert_allclose(again, pose_matrix(about_z(90, x=1.0, z=-2.0)), atol=1e-12)


def test_the_shorter_way_round_is_taken():
    found = filled(about_z(170), about_z(-170)).at(50 * MS)
    assert found is not None
    np.testing.assert_allclose(found, pose_matrix(about_z(180)), atol=1e-9)


def test_a_quaternion_and_its_negative_are_the_same_pose():
    negative = tuple(-value for value in about_z(20)[3:])
    found = filled(about_z(0), (0, 0, 0, *negative)).at(50 * MS)
    assert found is not None
    np.testing.assert_allclose(found, pose_matrix(about_z(10)), atol=1e-9)


@pytest.mark.parametrize('time_ns', [-1, 100 * MS + 1])
def test_nothing_is_known_outside(time_ns):
    poses = filled(about_z(0), about_z(0, x=1.0))
    assert poses.at(0) is not None
    assert poses.at(time_ns) is None


def test_nothing_is_known_before_the_first_pose():
    poses = Poses()
    assert poses.at(0) is None
    poses.add(7, about_z(0))
    assert poses.at(7) is not None


@pytest.mark.parametrize(('gap_ns', 'some'), [(LARGEST_GAP_NS, True), (LARGEST_GAP_NS + 2, False)])
def test_nothing_is_interpolated_over_a_gap(gap_ns, some):
    poses = Poses()
    poses.add(0, about_z(0))
    poses.add(gap_ns, about_z(0, x=0.1))
    assert (poses.at(gap_ns // 2) is not None) == some
    assert poses.at(gap_ns) is not None


def test_the_mounting_is_on_the_body():
    # The body stands at (1, 2, 0) and looks along the world's y; its camera is 0.3 m before it.
    poses = filled(about_z(90, x=1.0, y=2.0), mounting=(0.3, 0, 0, *FORWARD))
    found = poses.at(0)
    assert found is not None
    np.testing.assert_allclose(found[:3, 3], (1, 2.3, 0), atol=1e-12)
    np.testing.assert_allclose(found[:3, 2], (0, 1, 0), atol=1e-12)  # ahead
    np.testing.assert_allclose(found[:3, 0], (1, 0, 0), atol=1e-12)  # right
    np.testing.assert_allclose(found[:3, 1], (0, 0, -1), atol=1e-12)  # down


def test_a_jump_forgets_what_was_before():
    poses = filled(about_z(0), about_z(0, x=1.0))
    problem = poses.add(200 * MS, about_z(0, x=1.0 + 0.1 * FASTEST_M_S + 0.5))
    assert problem == 'odometry jumps by 5.5 m in 0.1 s: poses before are forgotten'
    assert poses.restarts == 1
    assert poses.at(50 * MS) is None
    assert poses.at(150 * MS) is None
    assert poses.at(200 * MS) is not None
    assert poses.add(300 * MS, about_z(0, x=7.0)) == ''
    assert poses.at(250 * MS) is not None


def test_the_fastest_camera_does_not_jump():
    poses = filled(about_z(0), about_z(0, x=0.09 * FASTEST_M_S))
    assert poses.at(50 * MS) is not None
    assert poses.restarts == 0


def test_time_that_goes_back_forgets_what_was_before():
    poses = filled(about_z(0), about_z(0), about_z(0))
    problem = poses.add(150 * MS, about_z(10))
    assert problem == 'odometry goes back by 0.05 s: poses before are forgotten'
    assert poses.restarts == 1
    assert poses.at(50 * MS) is None
    assert poses.at(150 * MS) is not None


def test_a_pose_that_comes_twice_is_taken_once():
    poses = filled(about_z(0), about_z(10))
    assert poses.add(100 * MS, about_z(20)) == ''
    found = poses.at(100 * MS)
    assert found is not None
    np.testing.assert_allclose(found, pose_matrix(about_z(10)), atol=1e-12)
    assert poses.restarts == 0
    poses.add(200 * MS, about_z(30))
    between = poses.at(150 * MS)
    assert between is not None
    np.testing.assert_allclose(between, pose_matrix(about_z(20)), atol=1e-9)


def test_poses_of_another_frame_are_refused():
    poses = Poses()
    assert poses.add(0, about_z(0), 'base_link') == ''
    problem = poses.add(50 * MS, about_z(0), 'camera_link')
    assert "is of 'camera_link' and was of 'base_link'" in problem
    assert dict(poses.refused) == {'frame': 1}
    assert poses.at(50 * MS) is None
    assert poses.add(100 * MS, about_z(0), 'base_link') == ''
    assert poses.at(100 * MS) is not None


def test_poses_of_a_few_seconds_are_there():
    poses = Poses()
    for number in range(80):
        poses.add(100 * MS * number, about_z(0))
    last_ns = 79 * 100 * MS
    assert poses.at(last_ns) is not None
    assert poses.at(last_ns - KEPT_NS) is not None
    assert poses.at(last_ns - KEPT_NS - 100 * MS) is None
