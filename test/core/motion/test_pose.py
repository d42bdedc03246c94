# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Motion of a camera by the places of points that are projected by hand."""

import dataclasses
import math

import numpy as np
import pytest

from kit.moving import CAMERA, FOCAL, HEIGHT, WIDTH, pose, turn
from spike_depth_ros.motion.pose import (
    LEAST_POINTS,
    PRIOR,
    Motion,
    between,
    by_points,
    rays,
    refine,
)

SECOND = pose(x=0.3, y=0.05, z=0.2, yaw=0.03, pitch=-0.02, roll=0.01)


def world(number=200, seed=1):
    """Points before a camera at the origin, ``[N, 3]`` metres."""
    rng = np.random.default_rng(seed)
    depth = rng.uniform(1.5, 6, number)
    column, row = rng.uniform(10, WIDTH - 10, number), rng.uniform(10, HEIGHT - 10, number)
    return depth[:, None] * rays(np.column_stack([column, row]), CAMERA)


def project(points, camera_to_world, noise_px=0.0, seed=2):
    seen = (points - camera_to_world[:3, 3]) @ camera_to_world[:3, :3]
    places = FOCAL * seen[:, :2] / seen[:, 2:] + CAMERA[:2, 2]
    return places + noise_px * np.random.default_rng(seed).normal(size=places.shape)


def angle(one, other):
    """Angle between two rotations, radians."""
    return math.acos(min(1.0, (np.trace(one.T @ other) - 1) / 2))


def slant(one, other):
    """Angle between two directions, radians."""
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    return math.acos(min(1.0, float(cosine)))


def wrong(motion, degrees=1.0, slanted=5.0):
    """The motion with an error of rotation and direction."""
    error = turn(math.radians(degrees), math.radians(-degrees / 2))
    bent = turn(math.radians(slanted)) @ motion.shift
    return dataclasses.replace(motion, rotation=error @ motion.rotation, shift=bent)


def test_a_point_of_the_first_camera_in_the_second_by_hand():
    # The second camera is a metre to the right, and looks there: its x is the way back.
    motion = between(np.eye(4), pose(x=1.0, yaw=math.pi / 2))
    seen = motion.rotation @ (5, 1, 0.5) + motion.shift
    np.testing.assert_allclose(seen, (-0.5, 1, 4), atol=1e-12)
    assert motion.metres


def test_the_motion_does_not_depend_on_the_world():
    other = pose(2, -1, 4, yaw=1.0, pitch=0.4, roll=-0.7)
    here, there = pose(x=0.1, yaw=0.2), SECOND
    one, same = between(here, there), between(other @ here, other @ there)
    np.testing.assert_allclose(same.rotation, one.rotation, atol=1e-12)
    np.testing.assert_allclose(same.shift, one.shift, atol=1e-12)


def test_rays_by_hand():
    camera = np.array([[100, 0, 50], [0, 200, 40], [0, 0, 1.0]])
    found = rays(np.array([[50, 40], [150, 140.0]]), camera)
    np.testing.assert_allclose(found, [(0, 0, 1), (1, 0.5, 1)])


def test_points_alone_give_rotation_and_direction():
    truth = between(np.eye(4), SECOND)
    found = by_points(project(world(), np.eye(4)), project(world(), SECOND), CAMERA)
    assert found is not None
    assert angle(found.rotation, truth.rotation) < 1e-3
    assert slant(found.shift, truth.shift) < 1e-2
    assert np.linalg.norm(found.shift) == pytest.approx(1)
    assert not found.metres


@pytest.mark.parametrize(
    ('number', 'some'), [(0, False), (3, False), (LEAST_POINTS - 1, False), (LEAST_POINTS, True)]
)
def test_too_few_points_alone_give_no_motion(number, some):
    points = world(number)
    found = by_points(project(points, np.eye(4)), project(points, SECOND), CAMERA)
    assert (found is not None) == some


def test_points_that_have_no_motion_in_common_give_none():
    rng = np.random.default_rng(0)
    one, other = rng.uniform(0, WIDTH, (2, 40, 2))
    assert by_points(one, other, CAMERA) is None


@pytest.mark.parametrize('metres', [False, True])
def test_the_error_of_a_start_is_refined_and_the_length_stays(metres):
    truth = between(np.eye(4), SECOND)
    start = dataclasses.replace(wrong(truth), metres=metres)
    loose = dataclasses.replace(PRIOR, rotation_rad=1.0, shift_m=1.0)
    found = refine(project(world(), np.eye(4)), project(world(), SECOND), CAMERA, start, loose)
    assert angle(found.rotation, truth.rotation) < 2e-4
    assert slant(found.shift, truth.shift) < 2e-3
    assert np.linalg.norm(found.shift) == pytest.approx(np.linalg.norm(truth.shift))
    np.testing.assert_allclose(found.rotation @ found.rotation.T, np.eye(3), atol=1e-9)
    assert found.metres == metres
    assert found.epipolar_px < 0.01


def test_the_distance_from_epipolar_lines_is_the_noise():
    truth = between(np.eye(4), SECOND)
    first, second = project(world(), np.eye(4), 0.5), project(world(), SECOND, 0.5, seed=3)
    found = refine(first, second, CAMERA, truth)
    # The median of the first-order distance: both places have the noise, 0.6745 of half of it.
    assert found.epipolar_px == pytest.approx(0.6745 * 0.5, rel=0.2)


def test_few_points_do_not_overrule_odometry():
    truth = between(np.eye(4), SECOND)
    first, second = project(world(6), np.eye(4), 1.0), project(world(6), SECOND, 1.0, seed=3)
    by_odometry = refine(first, second, CAMERA, truth)
    alone = refine(first, second, CAMERA, dataclasses.replace(truth, metres=False))
    assert angle(by_odometry.rotation, truth.rotation) < PRIOR.rotation_rad
    assert slant(by_odometry.shift, truth.shift) < PRIOR.shift_m / np.linalg.norm(truth.shift)
    assert angle(alone.rotation, truth.rotation) > 3 * PRIOR.rotation_rad


def test_many_points_and_odometry_meet():
    truth = between(np.eye(4), SECOND)
    rolled = turn(roll=math.radians(0.3)) @ truth.rotation  # two standard deviations
    left = [
        angle(
            refine(
                project(world(number), np.eye(4)), project(world(number), SECOND), CAMERA,
                dataclasses.replace(truth, rotation=rolled),
            ).rotation,
            truth.rotation,
        )
        for number in (5, 100, 1500)
    ]  # fmt: skip
    assert math.radians(0.3) > left[0] > left[1] > left[2] > 0
    assert left[0] > math.radians(0.2)
    assert left[2] < math.radians(0.13)


def test_points_that_move_do_not_move_the_camera_much():
    truth = between(np.eye(4), SECOND)
    first, second = project(world(), np.eye(4), 0.3), project(world(), SECOND, 0.3, seed=3)
    moving = second.copy()
    moving[::10] += (6, 9)
    moving[1::10] += (-4, 12)
    moving[2::10] += (7, 7)
    for metres in (False, True):
        start = dataclasses.replace(truth, metres=metres)
        still, found = (refine(first, each, CAMERA, start) for each in (second, moving))
        assert angle(found.rotation, truth.rotation) < math.radians(0.3)
        assert slant(found.shift, truth.shift) < math.radians(3)
        # Without them the error is alike: it is that of noise.
        assert angle(found.rotation, still.rotation) < math.radians(0.25)


def test_what_remains_of_the_error_of_rotation_shrinks_with_points():
    truth = between(np.eye(4), SECOND)
    left = [
        refine(
            project(world(number), np.eye(4)), project(world(number), SECOND), CAMERA, truth
        ).rotation_rad
        for number in (0, 10, 100, 1000)
    ]
    assert left[0] == pytest.approx(PRIOR.rotation_rad, rel=1e-6)
    assert left[0] > left[1] > left[2] > left[3] > 0
    assert left[3] < 0.7 * left[0]


def test_no_points_leave_the_start():
    truth = between(np.eye(4), SECOND)
    none = np.empty((0, 2))
    found = refine(none, none, CAMERA, truth)
    np.testing.assert_allclose(found.rotation, truth.rotation, atol=1e-12)
    np.testing.assert_allclose(found.shift, truth.shift, atol=1e-12)
    assert math.isnan(found.epipolar_px)


def test_a_rotation_alone_is_not_refined():
    start = Motion(turn(0.1), np.zeros(3), True)
    found = refine(project(world(), np.eye(4)), project(world(), pose(yaw=-0.1)), CAMERA, start)
    np.testing.assert_array_equal(found.rotation, start.rotation)
    assert found.rotation_rad == PRIOR.rotation_rad
