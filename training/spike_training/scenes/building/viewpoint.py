# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras of robots, hands and low drones: pose, motion, exposure, and places in their view."""

from __future__ import annotations

import dataclasses

import numpy as np

from spike_training.scenes.building.cameras import camera_axes, visible
from spike_training.scenes.building.light import sample_ambience
from spike_training.scenes.building.primitives import Frame, Primitives
from spike_training.scenes.building.sampler import (
    ALL,
    ANY_HEADING,
    Range,
    Sampler,
    Value,
    cos_sin,
)
from spike_training.scenes.scene import Array

HEIGHTS = (0.2, 3.0)
"""Least and greatest height of a camera above its floor, metres."""
PITCHES = (-1.05, 0.45)
"""Steepest view downwards and upwards, radians."""
ROLL = 0.15
"""Largest roll to either side, radians."""
FOCAL = (0.5, 1.4)
"""Focal lengths over the width of the image."""
_EPSILON = 1e-6


@dataclasses.dataclass(frozen=True)
class PoseConfig:
    """Heights and pitches of cameras. Lengths in metres, angles in radians.

    Attributes:
        low_share: Share of cameras as low as a small robot.
        not_high_share: Share of these and of those in hands and on heads; drones are higher.
        low: Greatest height of low ones.
        middle: Height of those in hands and on heads.
        ceiling_gap: Least way to the ceiling.
        down_share: Share of cameras that look down.
        not_up_share: Share of these and of those that look about level; the rest looks up.
        level: Pitch of cameras that look about level.
        up: Least pitch of cameras that look up.
        steepness: Greatest pitch downwards over the height above the least: low cameras do not
            look steeply down, they would see nothing but ground a hand's breadth away.
        flat_height: Height from which on that counts.
        always_down: Pitch downwards that every camera may have.
        clearance: Around a camera, which solids do not reach into.
        footing: Least height of a camera over solids below it, less than its own height.
        steep: Pitch downwards from which on the image shows no distant ground.
        steep_reach: Farthest ground in steep views, over that in the middle of the image.
    """

    low_share: float = 0.25
    not_high_share: float = 0.8
    low: float = 0.7
    middle: Range = (0.7, 1.9)
    ceiling_gap: float = 0.3
    down_share: float = 0.25
    not_up_share: float = 0.9
    level: Range = (-0.3, 0.15)
    up: float = 0.1
    steepness: float = 1.1
    flat_height: float = 0.15
    always_down: float = 0.05
    clearance: float = 0.35
    footing: float = 0.04
    steep: float = 0.25
    steep_reach: float = 2


@dataclasses.dataclass(frozen=True)
class MotionConfig:
    """Motion of cameras.

    Attributes:
        rising: Greatest vertical speed over the horizontal one.
        turning: Greatest rates of pitch, yaw and roll, rad/s.
        jerked: Probability of a jerk.
        jerk: Factor on the turning rates then. Hands and wheels jerk: at 12 rad/s and 20 kHz an
            image 192 wide moves 4 to 6 pixels in 41 planes.
    """

    rising: float = 0.3
    turning: tuple[float, float, float] = (1.5, 3.0, 1.0)
    jerked: float = 0.1
    jerk: float = 4.0


@dataclasses.dataclass(frozen=True)
class RateConfig:
    """Mean firing rates that the exposure aims at, 0 to 1 but where bright areas saturate.

    Attributes:
        dark_share: Share of dark scenes.
        not_bright_share: Share of dark and usual scenes.
        dark: Rates, uniform over ratios.
        usual: Likewise.
        bright: Rates of over-exposed scenes.
    """

    dark_share: float = 0.1
    not_bright_share: float = 0.85
    dark: Range = (0.012, 0.03)
    usual: Range = (0.03, 0.6)
    bright: Range = (0.6, 1.2)


@dataclasses.dataclass(frozen=True)
class FlickerConfig:
    """Flicker of lamps.

    Attributes:
        chance: Probability in scenes lit by lamps.
        depth: Share of the light that is modulated.
        frequencies: Twice those of the mains, Hz.
    """

    chance: float = 0.3
    depth: Range = (0.1, 0.9)
    frequencies: tuple[float, float] = (100, 120)


POSE, MOTION, RATES, FLICKER = PoseConfig(), MotionConfig(), RateConfig(), FlickerConfig()


@dataclasses.dataclass(frozen=True)
class Viewpoint:
    """Cameras of a batch of scenes.

    Attributes:
        x: World position, ``[B, 1]`` metres.
        y: Likewise.
        z: Likewise.
        height: Above the surface that the camera stands on, ``[B, 1]`` metres.
        yaw: ``[B, 1]`` radians.
        pitch: Upwards, ``[B, 1]`` radians.
        roll: Clockwise, ``[B, 1]`` radians.
        focal: Focal length over image width, ``[B, 1]``.
    """

    x: Array
    y: Array
    z: Array
    height: Array
    yaw: Array
    pitch: Array
    roll: Array
    focal: Array

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
            far, near + POSE.steep_reach * self.height / np.maximum(-self.pitch, POSE.steep)
        )
        reach = np.where(-self.pitch > POSE.steep, steep, far)
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

    Args:
        sampler: Random numbers.
        x: Camera position, ``[B, 1]`` metres.
        z: Likewise.
        half_x: Half size of the place along x, ``[B, 1]`` metres.
        half_z: Likewise along z.
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
        x: World position, ``[B, 1]`` metres.
        z: Likewise.
        yaw: ``[B, 1]`` radians.
        floor: Height of the surface that the camera stands on, metres.
        ceiling: Height of the ceiling above that surface, metres.
        tilt: Added to the pitch where that stays within its limits, radians.
    """
    kind = sampler(1)
    low = sampler.uniform(1, (HEIGHTS[0], POSE.low))
    middle = sampler.uniform(1, POSE.middle)
    high = sampler.uniform(1, (POSE.middle[1], HEIGHTS[1]))
    high = np.where(kind < POSE.not_high_share, middle, high)
    height = np.where(kind < POSE.low_share, low, high)
    height = np.clip(height, HEIGHTS[0], np.maximum(ceiling - POSE.ceiling_gap, HEIGHTS[0]))
    steepest = -POSE.steepness * (height - POSE.flat_height)
    lowest = np.clip(steepest, PITCHES[0], -POSE.always_down)
    kind = sampler(1)
    down, level = sampler.uniform(1, (lowest, 0.0)), sampler.uniform(1, POSE.level)
    up = sampler.uniform(1, (POSE.up, PITCHES[1]))
    up = np.where(kind < POSE.not_up_share, level, up)
    pitch = np.where(kind < POSE.down_share, down, up)
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
    """Sample the fields of ``Scenes`` for the camera's pose and motion.

    Args:
        sampler: Random numbers.
        view: Cameras.
        fastest: Greatest speed, m/s.
    """
    direction = [sampler.symmetric(1, limit) for limit in (1, MOTION.rising, 1)]
    share = sampler(1)
    turning = sampler.uniform(3, ALL) ** 3 * np.array(MOTION.turning, np.float32)
    return {
        'focal': view.focal[:, 0],
        'eye': np.concatenate([view.x, view.y, view.z], 1).astype(np.float32),
        'axes': camera_axes(view.pitch[:, 0], view.yaw[:, 0], view.roll[:, 0]),
        'linear_velocity': (np.concatenate(direction, 1) * share * share * fastest).astype(
            np.float32
        ),
        'angular_velocity': turning * sample_jerks(sampler),
    }


def sample_jerks(sampler: Sampler) -> Array:
    """Sample factors on the turning rates, ``[B, 1]``: above 1 where the camera jerks."""
    jerked = sampler.chance(1, MOTION.jerked)
    return np.where(jerked, np.float32(MOTION.jerk), np.float32(1))


def sample_rates(sampler: Sampler) -> Array:
    """Sample the mean firing rates that the exposure aims at, ``[B]``."""
    kind = sampler(1)
    dark, usual = sampler.log_uniform(1, RATES.dark), sampler.log_uniform(1, RATES.usual)
    bright = sampler.uniform(1, RATES.bright)
    lit = np.where(kind < RATES.not_bright_share, usual, bright)
    return np.where(kind < RATES.dark_share, dark, lit).astype(np.float32)[:, 0]


def sample_flicker(sampler: Sampler, lamps: Array | bool = True) -> Array:
    """Sample the flicker of lamps on mains of 50 or 60 Hz, ``[B, 3]`` as in ``Scenes``.

    Args:
        sampler: Random numbers.
        lamps: Scenes lit by lamps, ``[B, 1]``; in some of them light flickers.
    """
    depth = sampler.uniform(1, FLICKER.depth) * (sampler.chance(1, FLICKER.chance) & lamps)
    frequency = sampler.choose(1, FLICKER.frequencies)
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

    Args:
        primitives: Those of the batch.
        pose: From :func:`sample_motion`.
        view: Cameras.
    """
    # Less than the camera's height, so that a path or lawn underfoot stays.
    distance = np.minimum(view.height - POSE.footing, POSE.clearance)
    return visible(primitives.arrays(), pose['eye'], pose['axes'], pose['focal'], distance)
