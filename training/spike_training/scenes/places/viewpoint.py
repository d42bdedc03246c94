# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras of robots, hands and low drones: pose, motion, exposure, and places in their view."""

from __future__ import annotations

import dataclasses

import numpy as np

from spike_training.scenes.builder import (
    Draws,
    Frame,
    Solids,
    Value,
    ambience,
    between,
    camera_axes,
    turn,
    visible,
)
from spike_training.scenes.scene import Array

HEIGHTS = (0.2, 3.0)
"""Least and greatest height of a camera above what it stands on, metres."""
PITCHES = (-1.05, 0.45)
"""Steepest view downwards and upwards, radians."""
ROLL = 0.15
"""Largest roll to either side, radians."""
FOCAL = (0.5, 1.4)
"""Focal lengths over the width of the image."""
_CLEARANCE = 0.35  # metres around a camera that solids do not reach into
_STEEP = 0.25  # radians downwards from which on the image shows no distant ground


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
        draws: Draws,
        number: int,
        near: Value,
        far: Value,
        spread: float = 1.0,
        limits: tuple[Array, Array] | None = None,
    ) -> Frame:
        """Sample places on the ground in the view, more of them near than far.

        Cameras that look steeply down see little ground, so that distances end sooner there.

        Args:
            draws: Random numbers.
            number: Places per scene, ``k``.
            near: Least distance, metres.
            far: Greatest distance, metres.
            spread: Largest offset to the side over half of the width of the view.
            limits: Largest ``|x|`` and ``|z|``, ``[B, 1]`` metres.

        Returns:
            Poses of any heading, ``[B, k]``.
        """
        # Of steep views about twice the way to the ground in the middle of the image.
        steep = np.minimum(far, near + 2 * self.height / np.maximum(-self.pitch, _STEEP))
        reach = np.where(-self.pitch > _STEEP, steep, far)
        distance = near + (reach - near) * draws(number) ** 2
        aside = draws(number, -1, 1) * spread * 0.5 / self.focal * distance
        x, _, z = Frame(self.x, 0.0, self.z, turn(self.yaw)).at(aside, 0.0, distance)
        if limits is not None:
            x, z = np.clip(x, -limits[0], limits[0]), np.clip(z, -limits[1], limits[1])
        return Frame(x, 0.0, z, turn(draws(number, 0, 6.2831853)))

    def clear_of(self, frame: Frame, reach: Value) -> Array:
        """Mask of the poses at least ``reach`` metres from the camera over ground, ``[B, k]``."""
        x, z = frame.x - self.x, frame.z - self.z
        clear: Array = x * x + z * z >= np.asarray(reach) ** 2
        return clear


def open_heading(draws: Draws, x: Array, z: Array, half_x: Array, half_z: Array) -> Array:
    """Sample yaws, of two the one with the longer way to the walls, ``[B, 1]`` radians.

    Args:
        draws: Random numbers.
        x: Camera position, ``[B, 1]`` metres.
        z: Likewise.
        half_x: Half size of the place along x, ``[B, 1]`` metres.
        half_z: Likewise along z.
    """
    best, longest = np.zeros_like(x), np.zeros_like(x)
    for _ in range(2):
        yaw = draws(1, 0, 6.2831853)
        c, s = turn(yaw)
        way_x = (half_x - np.sign(s) * x) / np.maximum(np.abs(s), 1e-6)
        way_z = (half_z - np.sign(c) * z) / np.maximum(np.abs(c), 1e-6)
        way = np.minimum(way_x, way_z)
        best = np.where(way > longest, yaw, best)
        longest = np.maximum(way, longest)
    return best


def sample_viewpoint(
    draws: Draws,
    x: Array,
    z: Array,
    yaw: Array,
    floor: Value = 0.0,
    ceiling: Value = 1e3,
    tilt: Value = 0.0,
) -> Viewpoint:
    """Sample the cameras' heights, angles and focal lengths.

    A quarter of them is as low as a small robot, a fifth as high as a low drone. Low cameras do
    not look steeply down: they would see nothing but ground a hand's breadth away.

    Args:
        draws: Random numbers.
        x: World position, ``[B, 1]`` metres.
        z: Likewise.
        yaw: ``[B, 1]`` radians.
        floor: Height of the surface that the camera stands on, metres.
        ceiling: Height of the ceiling above that surface, metres.
        tilt: Added to the pitch where that stays within its limits, radians.
    """
    kind = draws(1)
    height = np.where(
        kind < 0.25,
        draws(1, HEIGHTS[0], 0.7),
        np.where(kind < 0.8, draws(1, 0.7, 1.9), draws(1, 1.9, HEIGHTS[1])),
    )
    height = np.clip(height, HEIGHTS[0], np.maximum(ceiling - 0.3, HEIGHTS[0]))
    lowest = np.clip(-1.1 * (height - 0.15), PITCHES[0], -0.05)
    kind = draws(1)
    pitch = np.where(
        kind < 0.25,
        draws(1, lowest, 0.0),
        np.where(kind < 0.9, draws(1, -0.3, 0.15), draws(1, 0.1, PITCHES[1])),
    )
    return Viewpoint(
        x=x,
        y=(floor + height).astype(np.float32),
        z=z,
        height=height.astype(np.float32),
        yaw=yaw.astype(np.float32),
        pitch=np.clip(pitch + tilt, lowest, PITCHES[1]).astype(np.float32),
        roll=draws(1, -1, 1) * draws(1, 0, ROLL),
        focal=between(*FOCAL, draws(1)),
    )


def motion(draws: Draws, view: Viewpoint, fastest: Value) -> dict[str, Array]:
    """Sample the fields of ``Scenes`` for the camera's pose and motion.

    Args:
        draws: Random numbers.
        view: Cameras.
        fastest: Greatest speed, m/s.
    """
    drift = np.concatenate([draws(1, -1, 1), draws(1, -0.3, 0.3), draws(1, -1, 1)], 1)
    share = draws(1)
    spin = draws(3, -1, 1) ** 3 * np.array([1.5, 3.0, 1.0], np.float32)
    return {
        'focal': view.focal[:, 0],
        'eye': np.concatenate([view.x, view.y, view.z], 1).astype(np.float32),
        'axes': camera_axes(view.pitch[:, 0], view.yaw[:, 0], view.roll[:, 0]),
        'drift': (drift * share * share * fastest).astype(np.float32),
        'spin': spin * sample_jerks(draws),
    }


def sample_jerks(draws: Draws) -> Array:
    """Sample factors on the turning rates, ``[B, 1]``: 4 for one camera in ten, else 1.

    Hands and wheels jerk: at 12 rad/s and 20 kHz an image 192 wide moves 4 to 6 pixels in 41
    planes.
    """
    return np.where(draws.chance(1, 0.1), np.float32(4), np.float32(1))


def sample_rates(draws: Draws) -> Array:
    """Sample the mean firing rates that the exposure aims at, ``[B]``.

    They reach from dark scenes (0.012) to over-exposed ones, whose bright areas saturate.
    """
    kind = draws(1)
    dark, usual = between(0.012, 0.03, draws(1)), between(0.03, 0.6, draws(1))
    rate = np.where(kind < 0.1, dark, np.where(kind < 0.85, usual, draws(1, 0.6, 1.2)))
    return rate.astype(np.float32)[:, 0]


def sample_flicker(draws: Draws, lamps: Array | bool = True) -> Array:
    """Sample the flicker of lamps on mains of 50 or 60 Hz, ``[B, 3]`` as in ``Scenes``.

    Args:
        draws: Random numbers.
        lamps: Scenes lit by lamps, ``[B, 1]``; in three of ten of them light flickers.
    """
    share = draws(1, 0.1, 0.9) * (draws.chance(1, 0.3) & lamps)
    flicker: Array = np.concatenate([share, draws.choose(1, [100, 120]), draws(1)], 1)
    return flicker


def exposure(draws: Draws, corners: float, lamps: Array | bool = True) -> dict[str, Array]:
    """Sample the fields of ``Scenes`` for exposure, lens, flicker and light without a source.

    Args:
        draws: Random numbers.
        corners: The most light that corners may lose.
        lamps: Scenes lit by lamps, ``[B, 1]``.
    """
    return {
        'blur': draws(1)[:, 0],
        'rate': sample_rates(draws),
        'phase': (draws(2) * 2.0**24).astype(np.int64) @ np.array([1, 1 << 8]),
        **ambience(draws, corners, harsh=True),
        'flicker': sample_flicker(draws, lamps),
    }


def in_view(solids: Solids, pose: dict[str, Array], view: Viewpoint) -> dict[str, Array]:
    """Return the fields of the solids that a camera may see and is not inside of.

    Args:
        solids: All solids of the batch.
        pose: From :func:`motion`.
        view: Cameras.
    """
    # Less than the camera's height, so that a path or lawn underfoot stays.
    distance = np.minimum(view.height - 0.04, _CLEARANCE)
    return visible(solids.arrays(), pose['eye'], pose['axes'], pose['focal'], distance)
