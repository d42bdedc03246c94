# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras: axes and what they may see; those of robots, hands and low drones."""

from __future__ import annotations

import dataclasses

import numpy as np

from spike_worlds.building.light import sample_ambience
from spike_worlds.building.primitives import Frame, Primitives
from spike_worlds.building.sampler import ALL, ANY_HEADING, Sampler, Value, cos_sin
from spike_worlds.scene import Array

# --- Axes of cameras, and the solids that they may see.

_HALF_IMAGE = 0.51  # of its width, a little to spare


def camera_axes(pitch: Array, yaw: Array, roll: Array) -> Array:
    """Return right, up and forward of cameras, ``[B, 3, 3]``; angles ``[B]`` in radians."""
    (cos_p, sin_p), (cos_y, sin_y), (cos_r, sin_r) = cos_sin(pitch), cos_sin(yaw), cos_sin(roll)
    zeros = np.zeros_like(cos_p)
    forward = np.stack([sin_y * cos_p, sin_p, cos_y * cos_p], -1)
    level = np.stack([cos_y, zeros, -sin_y], -1)
    raised = np.stack([-sin_y * sin_p, cos_p, -cos_y * sin_p], -1)
    right = cos_r[:, None] * level - sin_r[:, None] * raised
    up = sin_r[:, None] * level + cos_r[:, None] * raised
    axes: Array = np.stack([right, up, forward], 1)
    return axes


def visible(
    solids: dict[str, Array], eye: Array, axes: Array, focal: Array, distance: Value
) -> dict[str, Array]:
    """Return the solids that a camera may see, moved to the front of their arrays.

    Args:
        solids: Fields of ``Scenes`` that describe solids.
        eye: Camera position, ``[B, 3]``.
        axes: Its right, up and forward, ``[B, 3, 3]``.
        focal: Focal length over image width, ``[B]``.
        distance: Metres from the eye within which none are left, of all scenes or ``[B, 1]``.
    """
    half = solids['half']
    away = eye[:, None] - solids['centre']
    c, s = solids['heading'][..., 0], solids['heading'][..., 1]
    x, z = c * away[..., 0] - s * away[..., 2], s * away[..., 0] + c * away[..., 2]
    a, b, d = (
        np.maximum(np.abs(part) - half[..., axis], 0)
        for axis, part in enumerate((x, away[..., 1], z))
    )
    mask = a * a + b * b + d * d >= distance * distance
    # A ball around the solid against the planes through the eye and the image's left and right.
    a, b, d = (half[..., axis] for axis in range(3))
    reach = np.sqrt(a * a + b * b + d * d)
    aside, ahead = (
        away[..., 0] * axis[:, :1] + away[..., 1] * axis[:, 1:2] + away[..., 2] * axis[:, 2:]
        for axis in (axes[:, 0], -axes[:, 2])
    )
    tangent = (_HALF_IMAGE / focal)[:, None]
    outside = np.abs(aside) - tangent * ahead > reach * np.sqrt(1 + tangent * tangent)
    mask &= ~outside & (ahead > -reach) & (solids['kind'] >= 0)
    order = np.argsort(~mask, axis=1, kind='stable')[:, : max(int(mask.sum(1).max()), 1)]
    rows = np.arange(len(eye))[:, None]
    seen = {name: array[rows, order] for name, array in solids.items()}
    seen['kind'] = np.where(mask[rows, order], seen['kind'], np.int8(-1))
    return seen


# --- Cameras of robots, hands and low drones: pose, motion, exposure, and places in their view.

HEIGHTS = (0.2, 3.0)  # least and greatest height of a camera above its floor
PITCHES = (-1.05, 0.45)  # steepest view downwards and upwards, radians
ROLL = 0.15  # largest roll to either side, radians
FOCAL = (0.5, 1.4)  # focal lengths / width of the image
_EPSILON = 1e-6

# Heights and pitches of cameras.
POSE_LOW_SHARE = 0.25  # share of cameras as low as a small robot
POSE_NOT_HIGH_SHARE = 0.8  # share of these and of those in hands and on heads; drones are higher
POSE_LOW = 0.7  # greatest height of low ones
POSE_MIDDLE = (0.7, 1.9)  # height of cameras in hands and on heads, m
POSE_CEILING_GAP = 0.3  # least way to the ceiling
POSE_DOWN_SHARE = 0.25  # share of cameras that look down
POSE_NOT_UP_SHARE = 0.9  # share of these and of those that look about level; the rest looks up
POSE_LEVEL = (-0.3, 0.15)  # pitch of cameras that look about level
POSE_UP = 0.1  # least pitch of cameras that look up
# Low cameras do not look steeply down: they would see but ground a hand's breadth away.
POSE_STEEPNESS = 1.1  # greatest pitch downwards / height above the constant below, rad/m
POSE_FLAT_HEIGHT = 0.15  # height from which on they may, m
POSE_ALWAYS_DOWN = 0.05  # pitch downwards that every camera may have
POSE_CLEARANCE = 0.35  # around a camera, which solids do not reach into
POSE_FOOTING = 0.04  # least height of a camera above solids below it, less than its own height, m
POSE_STEEP = 0.25  # pitch downwards from which on the image shows no distant ground
POSE_STEEP_REACH = 2  # farthest ground in steep views / ground in the middle of the image

# Motion of cameras.
MOTION_RISING = 0.3  # greatest vertical speed / horizontal speed
MOTION_TURNING = (1.5, 3.0, 1.0)  # greatest rates of pitch, yaw and roll, rad/s
MOTION_JERKED = 0.1  # probability of a jerk
# Hands and wheels jerk: at 12 rad/s and 20 kHz an image 192 wide moves 4 to 6 pixels in 41 planes.
MOTION_JERK = 4.0  # factor on the turning rates of jerked cameras

# Mean firing rates that the exposure aims at, 0 to 1 but where bright areas saturate.
RATES_DARK_SHARE = 0.1  # share of dark scenes
RATES_NOT_BRIGHT_SHARE = 0.85  # share of dark and usual scenes
RATES_DARK = (0.012, 0.03)  # rates of dark scenes, uniform over ratios
RATES_USUAL = (0.03, 0.6)  # rates of usual scenes, uniform over ratios
RATES_BRIGHT = (0.6, 1.2)  # rates of over-exposed scenes

# Flicker of lamps.
FLICKER_CHANCE = 0.3  # probability in scenes lit by lamps
FLICKER_DEPTH = (0.1, 0.9)  # share of the light that is modulated
FLICKER_FREQUENCIES = (100, 120)  # Hz, twice the mains


@dataclasses.dataclass(frozen=True)
class Viewpoint:
    """Cameras of a batch of scenes, ``[B, 1]`` each, metres and radians."""

    x: Array  # world position
    y: Array
    z: Array
    height: Array  # above the surface that the camera stands on
    yaw: Array
    pitch: Array  # upwards
    roll: Array  # clockwise
    focal: Array  # focal length over image width

    def ahead(
        self,
        sampler: Sampler,
        number: int,
        near: Value,
        far: Value,
        spread: float = 1.0,
        limits: tuple[Array, Array] | None = None,
    ) -> Frame:
        """Sample places on the ground in the view, more of them near than far.

        Cameras that look steeply down see little ground, so that distances end sooner there.

        Args:
            sampler: Random numbers.
            number: Places per scene, ``k``.
            near: Least distance, metres.
            far: Greatest distance, metres.
            spread: Largest offset to the side over half of the width of the view.
            limits: Largest ``|x|`` and ``|z|``, ``[B, 1]`` metres.

        Returns:
            Poses of any heading, ``[B, k]``.
        """
        # Of steep views about twice the way to the ground in the middle of the image.
        steep = np.minimum(
            far, near + POSE_STEEP_REACH * self.height / np.maximum(-self.pitch, POSE_STEEP)
        )
        reach = np.where(-self.pitch > POSE_STEEP, steep, far)
        distance = near + (reach - near) * sampler(number) ** 2
        aside = sampler.uniform(number, ALL) * spread * 0.5 / self.focal * distance
        x, _, z = Frame(self.x, 0.0, self.z, cos_sin(self.yaw)).at(aside, 0.0, distance)
        if limits is not None:
            x, z = np.clip(x, -limits[0], limits[0]), np.clip(z, -limits[1], limits[1])
        return Frame(x, 0.0, z, sampler.headings(number, ANY_HEADING))

    def clear_of(self, frame: Frame, reach: Value) -> Array:
        """Mask of the poses at least ``reach`` metres from the camera over ground, ``[B, k]``."""
        x, z = frame.x - self.x, frame.z - self.z
        clear: Array = x * x + z * z >= np.asarray(reach) ** 2
        return clear


def open_heading(sampler: Sampler, x: Array, z: Array, half_x: Array, half_z: Array) -> Array:
    """Sample yaws, of two the one with the longer way to the walls, ``[B, 1]`` radians.

    The position of the camera and the half sizes of the place are ``[B, 1]`` metres.
    """
    best, longest = np.zeros_like(x), np.zeros_like(x)
    for _ in range(2):
        yaw = sampler.uniform(1, ANY_HEADING)
        c, s = cos_sin(yaw)
        way_x = (half_x - np.sign(s) * x) / np.maximum(np.abs(s), _EPSILON)
        way_z = (half_z - np.sign(c) * z) / np.maximum(np.abs(c), _EPSILON)
        way = np.minimum(way_x, way_z)
        best = np.where(way > longest, yaw, best)
        longest = np.maximum(way, longest)
    return best


def sample_viewpoint(
    sampler: Sampler,
    x: Array,
    z: Array,
    yaw: Array,
    floor: Value = 0.0,
    ceiling: Value = 1e3,
    tilt: Value = 0.0,
) -> Viewpoint:
    """Sample the cameras' heights, angles and focal lengths.

    Args:
        sampler: Random numbers.
        x: World position along x, ``[B, 1]`` metres.
        z: World position along z, ``[B, 1]`` metres.
        yaw: ``[B, 1]`` radians.
        floor: Height of the surface that the camera stands on, metres.
        ceiling: Height of the ceiling above that surface, metres.
        tilt: Added to the pitch where that stays within its limits, radians.
    """
    kind = sampler(1)
    low = sampler.uniform(1, (HEIGHTS[0], POSE_LOW))
    middle = sampler.uniform(1, POSE_MIDDLE)
    high = sampler.uniform(1, (POSE_MIDDLE[1], HEIGHTS[1]))
    high = np.where(kind < POSE_NOT_HIGH_SHARE, middle, high)
    height = np.where(kind < POSE_LOW_SHARE, low, high)
    height = np.clip(height, HEIGHTS[0], np.maximum(ceiling - POSE_CEILING_GAP, HEIGHTS[0]))
    steepest = -POSE_STEEPNESS * (height - POSE_FLAT_HEIGHT)
    lowest = np.clip(steepest, PITCHES[0], -POSE_ALWAYS_DOWN)
    kind = sampler(1)
    down, level = sampler.uniform(1, (lowest, 0.0)), sampler.uniform(1, POSE_LEVEL)
    up = sampler.uniform(1, (POSE_UP, PITCHES[1]))
    up = np.where(kind < POSE_NOT_UP_SHARE, level, up)
    pitch = np.where(kind < POSE_DOWN_SHARE, down, up)
    return Viewpoint(
        x=x,
        y=(floor + height).astype(np.float32),
        z=z,
        height=height.astype(np.float32),
        yaw=yaw.astype(np.float32),
        pitch=np.clip(pitch + tilt, lowest, PITCHES[1]).astype(np.float32),
        roll=sampler.uniform(1, ALL) * sampler.uniform(1, (0, ROLL)),
        focal=sampler.log_uniform(1, FOCAL),
    )


def sample_motion(sampler: Sampler, view: Viewpoint, fastest: Value) -> dict[str, Array]:
    """Sample the fields of ``Scenes`` for pose and motion; ``fastest`` is a speed in m/s."""
    direction = np.concatenate([sampler.symmetric(1, most) for most in (1, MOTION_RISING, 1)], 1)
    share = sampler(1)
    turning = sampler.uniform(3, ALL) ** 3 * np.array(MOTION_TURNING, np.float32)
    return {
        'focal': view.focal[:, 0],
        'eye': np.concatenate([view.x, view.y, view.z], 1).astype(np.float32),
        'axes': camera_axes(view.pitch[:, 0], view.yaw[:, 0], view.roll[:, 0]),
        'linear_velocity': (direction * share * share * fastest).astype(np.float32),
        'angular_velocity': turning * sample_jerks(sampler),
    }


def sample_jerks(sampler: Sampler) -> Array:
    """Sample factors on the turning rates, ``[B, 1]``: above 1 where the camera jerks."""
    jerked = sampler.chance(1, MOTION_JERKED)
    return np.where(jerked, np.float32(MOTION_JERK), np.float32(1))


def sample_rates(sampler: Sampler) -> Array:
    """Sample the mean firing rates that the exposure aims at, ``[B]``."""
    kind = sampler(1)
    dark, usual = sampler.log_uniform(1, RATES_DARK), sampler.log_uniform(1, RATES_USUAL)
    bright = sampler.uniform(1, RATES_BRIGHT)
    lit = np.where(kind < RATES_NOT_BRIGHT_SHARE, usual, bright)
    return np.where(kind < RATES_DARK_SHARE, dark, lit).astype(np.float32)[:, 0]


def sample_flicker(sampler: Sampler, lamps: Array | bool = True) -> Array:
    """Sample the flicker of lamps on mains of 50 or 60 Hz, ``[B, 3]`` as in ``Scenes``.

    It is in some of the scenes that ``lamps`` light, ``[B, 1]``.
    """
    depth = sampler.uniform(1, FLICKER_DEPTH) * (sampler.chance(1, FLICKER_CHANCE) & lamps)
    frequency = sampler.choose(1, FLICKER_FREQUENCIES)
    flicker: Array = np.concatenate([depth, frequency, sampler(1)], 1)
    return flicker


def sample_exposure(
    sampler: Sampler, occlusion: float, lamps: Array | bool = True
) -> dict[str, Array]:
    """Sample the fields of ``Scenes`` for exposure, lens, flicker and indirect light.

    Args:
        sampler: Random numbers.
        occlusion: Greatest share of the light that ambient occlusion takes.
        lamps: Scenes lit by lamps, ``[B, 1]``.
    """
    return {
        'blur': sampler(1)[:, 0],
        'rate': sample_rates(sampler),
        'seed': sampler.seeds(),
        **sample_ambience(sampler, occlusion, harsh=True),
        'flicker': sample_flicker(sampler, lamps),
    }


def in_view(primitives: Primitives, pose: dict[str, Array], view: Viewpoint) -> dict[str, Array]:
    """Return the fields of the solids that a camera may see and is not inside of.

    The pose is that of :func:`sample_motion`.
    """
    # Less than the camera's height, so that a path or lawn underfoot stays.
    distance = np.minimum(view.height - POSE_FOOTING, POSE_CLEARANCE)
    return visible(primitives.arrays(), pose['eye'], pose['axes'], pose['focal'], distance)
