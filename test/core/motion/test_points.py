# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of points by two poses, and of a corridor through which a camera moves."""

import functools
import math

import numpy as np
import pytest

from kit import moving
from kit.moving import CAMERA, FOCAL, pose
from spike_depth_ros.motion.odometry import Poses
from spike_depth_ros.motion.points import (
    FEW,
    FLAT,
    LARGEST_AHEAD_NS,
    LATEST_POSE_NS,
    LEAST_POINTS,
    MISFIT,
    NO_ODOMETRY,
    NOISE_PX,
    STANDS,
    WAITS,
    MotionPoints,
    triangulate,
)
from spike_depth_ros.motion.pose import PRIOR, Motion, Prior, between, rays
from spike_depth_ros.motion.tracks import Sight

HAND = np.array([[100, 0, 50], [0, 100, 40], [0, 0, 1.0]])
STEP_NS = 50_000_000
STEPS = 13


def two(first, second, motion, camera=HAND):
    """Depth of one point, its error, its parallax and its distance from the epipolar line."""
    found = triangulate(np.array([first], float), np.array([second], float), camera, motion)
    return [float(each[0]) for each in found]


def test_depth_of_a_shift_to_the_right_by_hand():
    motion = between(np.eye(4), pose(x=0.5))
    # 10 pixels right of the middle at 2 m are 0.2 m; of the second camera 0.3 m to the left.
    depth, sigma, parallax, across = two((60, 40), (35, 40), motion)
    assert depth == pytest.approx(2)
    assert parallax == pytest.approx(25)
    assert across == pytest.approx(0, abs=1e-9)
    assert sigma == pytest.approx(math.sqrt(2) * NOISE_PX / 25)
    depth, _, parallax, across = two((60, 40), (35, 43), motion)
    assert (depth, parallax, across) == pytest.approx((2, 25, 3))


def test_depth_of_a_shift_ahead_by_hand():
    motion = between(np.eye(4), pose(z=1.0))
    # (0.5, 0.25, 4) m is 3 m before the second camera.
    depth, sigma, parallax, _ = two(
        (62.5, 46.25), (50 + 50 / 3, 40 + 25 / 3), motion
    )  # fmt: skip
    assert depth == pytest.approx(4)
    assert parallax == pytest.approx(math.hypot(50 / 3 - 12.5, 25 / 3 - 6.25))
    # The parallax is in proportion to 1 / depth there; depth here is a metre more.
    assert sigma == pytest.approx(math.sqrt(2) * NOISE_PX / parallax * 3 / 4)


def test_depth_with_a_rotation_by_hand():
    # The second camera is a metre to the right and looks to the left, by a triangle of 3, 4, 5:
    # (0, 0.5, 4) m is at (-1, 0.5, 4) from it, and before it at (1.6, 0.5, 3.8).
    motion = between(np.eye(4), pose(x=1.0, yaw=-math.atan2(3, 4)))
    depth, _, _, across = two((50, 52.5), (50 + 160 / 3.8, 40 + 50 / 3.8), motion)
    assert depth == pytest.approx(4)
    assert across == pytest.approx(0, abs=1e-9)


def test_the_unit_of_depth_is_that_of_the_shift():
    motion = between(np.eye(4), pose(x=0.5))
    twice = Motion(motion.rotation, 2 * motion.shift, False)
    one, other = (two((60, 40), (35, 40), each) for each in (motion, twice))
    assert other == pytest.approx([2 * one[0], *one[1:]])


@pytest.mark.parametrize(
    ('where', 'second'),
    [
        (pose(x=0.5), (61, 40)),  # moves the wrong way: behind both
        (pose(x=0.5), (60, 40)),  # does not move: infinitely far
        (pose(z=1.0), (55, 40)),  # moves toward the epipole
        (pose(z=3.0), (45, 40)),  # at 1 m, 2 m behind the second camera
        (pose(z=-1.0), (40, 40)),  # 0.5 m behind the first camera, before the second one
        (pose(z=5.0, yaw=math.pi), (50 - 20 / 3, 40)),  # at 2 m, seen from the other side
        (pose(), (60, 40)),
        (pose(yaw=0.1), (50.0, 40)),  # a rotation alone
    ],
)
def test_there_is_no_depth_behind_a_camera_or_without_parallax(where, second):
    depth, sigma, _, _ = two((60, 40), second, between(np.eye(4), where))
    assert math.isnan(depth)
    assert math.isnan(sigma)


@pytest.mark.parametrize(
    'where', [pose(x=0.3), pose(x=0.2, z=-0.4, yaw=0.05), pose(z=-0.4), pose(z=-0.8)]
)
def test_the_error_is_that_of_noisy_places(where):
    # The second camera is the one before, so that it is farther back.
    motion = between(np.eye(4), where)
    rng = np.random.default_rng(4)
    for point in ((0.5, 0.3, 2.0), (-1.2, 0.6, 3.0), (0.9, -0.9, 2.0)):
        there = motion.rotation @ point + motion.shift
        places = [FOCAL * each[:2] / each[2] + CAMERA[:2, 2] for each in (np.array(point), there)]
        first, second = (place + 0.2 * rng.normal(size=(20_000, 2)) for place in places)
        one, other = (place[None] for place in places)
        stated = float(triangulate(one, other, CAMERA, motion, noise_px=0.2)[1][0])
        found = np.log(triangulate(first, second, CAMERA, motion)[0])
        assert stated < 0.1  # where the logarithm is nearly linear
        assert np.nanstd(found) == pytest.approx(stated, rel=0.15)


def test_the_error_grows_without_bound_toward_the_epipole():
    motion = between(np.eye(4), pose(z=1.0))
    columns = 50 + np.array([20, 2, 0.2, 0.02])
    first = np.column_stack([columns, np.full(4, 40)])
    second = np.column_stack([50 + (columns - 50) * 4 / 3, first[:, 1]])  # at 4 m
    depth, sigma, _, _ = triangulate(first, second, HAND, motion)
    np.testing.assert_allclose(depth, 4, rtol=1e-6)
    np.testing.assert_allclose(sigma[1:] / sigma[:-1], 10, rtol=1e-6)


PATHS = {
    'side': lambda s: pose(x=0.6 * s),
    'ahead': lambda s: pose(z=1.2 * s),
    'both': lambda s: pose(x=0.3 * s, z=0.6 * s, yaw=0.1 * s),
    'turn': lambda s: pose(yaw=0.6 * s),
    'stand': lambda s: pose(),
    'slow': lambda s: pose(x=0.07 * s),
}


@functools.cache
def seen(name, number, walls=moving.WALLS):
    return moving.look(PATHS[name](number * STEP_NS / 1e9), walls)


def by_path(name):
    return lambda time_ns: PATHS[name](time_ns / 1e9)


def tracked(name, poses=None, steps=STEPS, walls=moving.WALLS, prior=PRIOR):
    points = MotionPoints(poses, prior)
    for number in range(steps):
        points.track(seen(name, number, walls)[0], number * STEP_NS)
    return points


@functools.cache
def sights(name, steps, walls):
    return tracked(name, None, steps, walls)


def measure(name, poses=None, steps=STEPS, walls=moving.WALLS, prior=PRIOR):
    """Measure in the newest picture; what is tracked is the same for all poses."""
    points = sights(name, steps, walls).snapshot()
    points._poses, points._prior = poses, prior
    return points.measure(CAMERA)


@functools.cache
def measured(name, odometry):
    points = measure(name, by_path(name) if odometry else None)
    assert not isinstance(points, str), points
    return points


def error(points, truth):
    """Error of log depth of points well inside a depth map."""
    column, row = points.places.round().astype(int).T
    inside = (column < moving.WIDTH) & (row < moving.HEIGHT)
    return np.log(points.depth[inside] / truth[row[inside], column[inside]]), inside


@pytest.mark.parametrize('name', ['side', 'ahead', 'both'])
def test_points_have_metres_by_odometry(name):
    points = measured(name, True)
    off, inside = error(points, seen(name, STEPS - 1)[1])
    assert len(off) > 100
    assert points.metres
    # Tracks lag a little behind what grows: 0.04 ahead, less than 0.02 else.
    assert abs(np.median(off)) < 0.05
    assert np.median(np.abs(off)) < 0.06
    assert np.median(np.abs(off) / points.sigma[inside]) < 1
    assert points.time_ns == (STEPS - 1) * STEP_NS
    assert points.epipolar_px < 0.2
    assert 5 < points.parallax_px < 30
    assert PRIOR.shift_m / 0.6 < points.common < 0.06
    assert (points.sigma < 0.2).all()


@pytest.mark.parametrize('name', ['side', 'ahead', 'both'])
def test_points_have_the_shape_without_odometry(name):
    points = measured(name, False)
    off, _ = error(points, seen(name, STEPS - 1)[1])
    assert not points.metres
    assert points.common == 0
    assert np.median(np.abs(off - np.median(off))) < 0.06


def test_no_points_straight_ahead():
    away = np.linalg.norm(measured('ahead', True).places - CAMERA[:2, 2], axis=1)
    newest = tracked('ahead').newest
    assert newest is not None
    assert np.linalg.norm(newest.places - CAMERA[:2, 2], axis=1).min() < 5
    assert away.min() > 8


def test_a_thing_that_moves_has_no_points():
    points = MotionPoints(by_path('side'))
    thing = moving.TEXTURE[:40, :50].astype(np.uint8)
    for number in range(STEPS):
        picture = seen('side', number)[0].copy()
        top = 10 + 4 * number  # across the epipolar lines
        left = 75 - 3 * number  # as what is near
        picture[top : top + 40, left : left + 50] = thing
        points.track(picture, number * STEP_NS)
    found, newest = points.measure(CAMERA), points.newest
    assert newest is not None
    assert not isinstance(found, str), found
    tracked_on_it, on_it = (
        ((each > (left + 4, top + 4)) & (each < (left + 45, top + 35))).all(axis=1).sum()
        for each in (newest.places, found.places)
    )
    assert tracked_on_it > 10
    assert on_it <= 1
    assert len(found.places) > 60


def test_what_all_points_have_in_common_is_the_error_of_odometry():
    one, other = (
        measure('side', by_path('side'), prior=Prior(shift_m=shift_m)) for shift_m in (0.001, 0.1)
    )
    assert not isinstance(one, str)
    assert not isinstance(other, str)
    assert one.common < 0.05
    assert other.common > 0.1 / 0.6


@pytest.mark.parametrize(
    ('name', 'odometry', 'steps', 'walls', 'reason'),
    [
        ('side', True, 0, moving.WALLS, WAITS),
        ('side', True, 4, moving.WALLS, WAITS),
        ('side', False, 4, moving.WALLS, WAITS),
        ('stand', True, STEPS, moving.WALLS, STANDS),
        ('stand', False, STEPS, moving.WALLS, STANDS),
        ('turn', True, STEPS, moving.WALLS, STANDS),
        ('slow', True, STEPS, moving.WALLS, STANDS),
        ('side', False, STEPS, moving.BACK_WALL, FLAT),
    ],
)
def test_why_there_are_no_points(name, odometry, steps, walls, reason):
    poses = by_path(name) if odometry else None
    assert measure(name, poses, steps, walls) == reason


def test_a_rotation_alone_gives_no_points_without_odometry():
    assert isinstance(measure('turn'), str)


def test_a_wall_has_metres_by_odometry():
    points = measure('side', by_path('side'), walls=moving.BACK_WALL)
    assert not isinstance(points, str), points
    np.testing.assert_allclose(np.median(points.depth), 3, rtol=0.01)


def test_what_one_past_picture_alone_says_is_left_out():
    rng = np.random.default_rng(0)
    column, row = rng.uniform(20, moving.WIDTH - 20, 90), rng.uniform(5, moving.HEIGHT - 5, 90)
    depth = rng.uniform(1, 2, 90)
    points = MotionPoints(by_path('side'))
    for number in range(STEPS):
        left = FOCAL * 0.6 * (number - STEPS + 1) * STEP_NS / 1e9 / depth
        places = np.column_stack([column - left, row]).astype(np.float32)
        if number == STEPS - 7:  # 0.3 s before
            places[:10, 0] += 8
        points._tracker.sights.append(Sight(number * STEP_NS, places, np.arange(90)))
    found = points.measure(CAMERA)
    assert not isinstance(found, str), found
    assert len(found.depth) >= 80
    np.testing.assert_allclose(found.depth, depth[found.numbers], rtol=0.02)


@pytest.mark.parametrize('odometry', [False, True])
def test_pictures_of_other_things_have_too_few_points(odometry):
    points = MotionPoints(by_path('side') if odometry else None)
    for number in range(STEPS):
        picture = moving.TEXTURE[40 * number :, :][: moving.HEIGHT, : moving.WIDTH]
        points.track(np.ascontiguousarray(picture.astype(np.uint8)), number * STEP_NS)
    assert points.measure(CAMERA) == FEW


@pytest.mark.parametrize(
    ('name', 'axis', 'degrees', 'fits'),
    [
        ('both', 1, 0, True),
        ('both', 0, 30, False),
        ('both', 1, 30, False),
        ('both', 2, 30, False),
        ('side', 1, 45, False),
        ('side', 2, 30, False),
        ('ahead', 1, 30, False),
    ],
)
def test_a_camera_that_is_mounted_in_another_way_does_not_fit(name, axis, degrees, fits):
    turned = np.zeros(4)
    turned[[axis, 3]] = math.sin(math.radians(degrees / 2)), math.cos(math.radians(degrees / 2))
    poses = Poses((0, 0, 0, *turned))
    for number in range(STEPS):
        body = PATHS[name](number * STEP_NS / 1e9)
        yaw = math.atan2(body[0, 2], body[0, 0])
        values = (*body[:3, 3], 0, math.sin(yaw / 2), 0, math.cos(yaw / 2))
        assert poses.add(number * STEP_NS, values) == ''
    found = measure(name, poses.at)
    assert not isinstance(found, str) if fits else found == MISFIT


@pytest.mark.parametrize('late_ns', [-1, LATEST_POSE_NS, LATEST_POSE_NS + STEP_NS])
def test_the_newest_picture_with_a_pose_is_measured(late_ns):
    last_ns = (STEPS + 3) * STEP_NS
    poses = by_path('side')
    found = measure(
        'side', lambda time_ns: poses(time_ns) if time_ns <= last_ns - late_ns else None, STEPS + 4
    )
    if late_ns > LATEST_POSE_NS:
        assert found == NO_ODOMETRY
    else:
        assert not isinstance(found, str), found
        assert found.time_ns == last_ns - max(late_ns, 0)


def test_without_any_pose_there_is_no_odometry():
    assert measure('side', lambda time_ns: None) == NO_ODOMETRY


def test_a_snapshot_does_not_see_what_is_tracked_later():
    points = tracked('side', by_path('side'))
    before, snapshot = points.measure(CAMERA), points.snapshot()
    for number in range(STEPS, STEPS + 4):
        points.track(seen('side', number)[0], number * STEP_NS)
    again, after = snapshot.measure(CAMERA), points.measure(CAMERA)
    assert not isinstance(before, str)
    assert not isinstance(again, str)
    assert not isinstance(after, str)
    np.testing.assert_array_equal(again.depth, before.depth)
    assert after.time_ns > again.time_ns == before.time_ns


def carried(name, poses, steps=4, later=None):
    """Points, and the same ones some pictures later."""
    tracks = tracked(name, poses)
    points = tracks.measure(CAMERA)
    assert not isinstance(points, str), points
    for number in range(STEPS, STEPS + steps):
        tracks.track(seen(later or name, number)[0], number * STEP_NS)
    now = tracks.carry(points, CAMERA, tracks.newest.time_ns)
    assert now is not None
    return points, now, tracks.newest


def test_points_are_carried_to_their_places_and_depth_ahead():
    points, now, newest = carried('ahead', by_path('ahead'))
    assert len(now.numbers) > 100
    same = np.isin(points.numbers, now.numbers)
    assert 0 < same.sum() < len(same)  # some are lost at the border
    np.testing.assert_array_equal(now.places, newest.places[np.isin(newest.numbers, now.numbers)])
    np.testing.assert_allclose(now.depth, points.depth[same] - 1.2 * 4 * STEP_NS / 1e9)
    np.testing.assert_array_equal(now.sigma, points.sigma[same])
    off, _ = error(now, seen('ahead', STEPS + 3)[1])
    assert np.median(np.abs(off)) < 0.08
    assert now.time_ns == points.time_ns


def test_points_are_carried_by_a_rotation():
    angle = 0.1

    def poses(time_ns):
        late = time_ns >= STEPS * STEP_NS
        return PATHS['side'](time_ns / 1e9) @ (pose(yaw=angle) if late else pose())

    points, now, _ = carried('side', poses, steps=1)
    mine = np.isin(points.numbers, now.numbers)
    ray, before = rays(points.places[mine], CAMERA), points.depth[mine]
    # The camera is 0.6 m/s x 50 ms farther right, and its axis is turned to the right.
    expected = before * math.cos(angle) + (before * ray[:, 0] - 0.03) * math.sin(angle)
    np.testing.assert_allclose(now.depth, expected, rtol=1e-9)


def test_points_behind_the_camera_are_left_out():
    jump = 3.0

    def poses(time_ns):
        moved = by_path('side')(time_ns)
        return moved @ pose(z=jump) if time_ns >= STEPS * STEP_NS else moved

    points, now, _ = carried('side', poses, steps=1)
    assert points.depth.min() < jump < points.depth.max()
    assert 0 < len(now.depth) < len(points.depth)
    assert (now.depth > 0).all()
    assert (points.depth[np.isin(points.numbers, now.numbers)] > jump).all()


def test_depth_stays_without_poses():
    points, now, _ = carried('ahead', None)
    mine = np.isin(points.numbers, now.numbers)
    np.testing.assert_array_equal(now.depth, points.depth[mine])
    assert np.abs(now.places - points.places[mine]).max() > 2


def test_points_are_as_they_are_at_their_own_picture_and_none_before_the_first():
    tracks = tracked('side', by_path('side'))
    points = tracks.measure(CAMERA)
    assert not isinstance(points, str)
    assert tracks.carry(points, CAMERA, points.time_ns) is points
    assert tracks.carry(points, CAMERA, points.time_ns - 1) is None
    assert tracks.carry(points, CAMERA, points.time_ns + LARGEST_AHEAD_NS) is None
    tracks.reset()
    assert tracks.carry(points, CAMERA, points.time_ns) is None
    assert tracks.newest is None


def test_between_pictures_points_move_on_as_they_did():
    tracks = tracked('ahead', by_path('ahead'))
    points = tracks.measure(CAMERA)
    assert not isinstance(points, str)
    late_ns = STEP_NS * 3 // 5
    now = tracks.carry(points, CAMERA, points.time_ns + late_ns)
    assert now is not None
    mine = np.isin(points.numbers, now.numbers)
    np.testing.assert_allclose(now.depth, points.depth[mine] - 1.2 * late_ns / 1e9)
    # Where a point of that depth is seen from there.
    there = rays(points.places[mine], CAMERA) * points.depth[mine][:, None]
    shown = there[:, :2] / now.depth[:, None] * CAMERA[0, 0] + CAMERA[:2, 2]
    off = np.abs(now.places - shown).max(axis=1)
    assert np.median(off) < 0.2
    moved = np.abs(now.places - points.places[mine]).max(axis=1)
    assert np.median(moved) > 2 * np.median(off)


def test_points_are_not_carried_to_others_after_a_gap():
    tracks = tracked('side', by_path('side'))
    points = tracks.measure(CAMERA)
    assert not isinstance(points, str)
    tracks.track(seen('side', STEPS)[0], 2 * STEPS * STEP_NS)
    now = tracks.carry(points, CAMERA, 2 * STEPS * STEP_NS)
    assert now is not None
    assert len(now.numbers) == 0


def test_the_same_pictures_give_the_same_points():
    one, other = (tracked('both').measure(CAMERA) for _ in range(2))
    assert len(one.depth) >= LEAST_POINTS
    for mine, its in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, its)
