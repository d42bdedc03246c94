# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras in a furnished room: of robots and of hands, with their motion."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from spike_worlds.blender.geometry import Floats, camera_axes, free_way, rotation
from spike_worlds.blender.plan import Item, Room

INTERVAL_S = 0.01
"""Time from one frame to the next, seconds."""

Range = tuple[float, float]

HEIGHTS: tuple[tuple[float, Range], ...] = (
    (0.3, (0.2, 0.5)),
    (0.25, (0.5, 1.2)),
    (0.45, (1.2, 1.8)),
)
"""Shares of the cameras and their heights, metres: low robots, tables and high robots, hands."""

FOCAL: Range = (0.5, 1.1)
"""Focal length over image width: fields of view of 90 to 49 degrees."""

CLOSE_SHARE, CLOSE_SHARE_LARGE = 0.5, 0.25
"""Share of the views that look at one thing from near; in halls and corridors."""

SPEED: Range = (0.13, 1.8)
"""Speeds of the camera, m/s, uniform over ratios."""

TURNING = (1.4, 2.8, 0.9)
"""Greatest rates of pitch, yaw and roll, rad/s."""

_RATES = ((0.1, (0.012, 0.03)), (0.82, (0.03, 0.6)), (0.08, (0.6, 1.0)))
_CLEARANCE = 0.25
_YAWS = 24
_TRIES = 40


class View(NamedTuple):
    """Camera and its motion.

    Attributes:
        eye: Position, ``[3]`` metres.
        axes: Rotation from camera to world, ``[3, 3]``, see :func:`.geometry.camera_axes`.
        focal: Focal length / width of the image.
        velocity: ``[3]`` m/s, world axes.
        turning: Rotation vector a second, ``[3]`` rad/s, camera axes.
        mean_rate: Mean firing rate that the exposure aims at, spikes per plane.
    """

    eye: Floats
    axes: Floats
    focal: float
    velocity: Floats
    turning: Floats
    mean_rate: float

    def at(self, time_s: float) -> tuple[Floats, Floats]:
        """Return position and axes some time later, seconds."""
        return self.eye + time_s * self.velocity, self.axes @ rotation(time_s * self.turning)

    def matrix(self, width: int, height: int) -> Floats:
        """Return the camera matrix, pixels; the middle of the top left pixel lies at (0, 0)."""
        f = self.focal * width
        return np.array([[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1]])


def sample_view(room: Room, seed: int, room_number: int, number: int, attempt: int) -> View:
    """Return a camera in a room.

    Args:
        room: Furnished room.
        seed: Seed of the set.
        room_number: Number of the room.
        number: Number of the view in the room.
        attempt: 0, or the number of views of this number that were refused.
    """
    rng = np.random.default_rng([seed, room_number, number + 1, attempt])
    shares = [share for share, _ in HEIGHTS]
    height = float(rng.uniform(*HEIGHTS[int(rng.choice(len(HEIGHTS), p=shares))][1]))
    focal = math.exp(rng.uniform(*np.log(FOCAL)))
    close = CLOSE_SHARE_LARGE if room.kind in ('hall', 'corridor') else CLOSE_SHARE
    posed = _close(room, rng, height) if rng.random() < close else None
    eye, yaw, pitch = posed if posed is not None else _across(room, rng, height)
    roll = float(np.clip(rng.normal(0, 0.04), -0.15, 0.15))
    way = rng.uniform(-1, 1, 3) * (1, 1, 0.4)
    return View(
        np.array([*eye, height]),
        camera_axes(yaw, pitch, roll),
        focal,
        way * math.exp(rng.uniform(*np.log(SPEED))),
        rng.uniform(-1, 1, 3) ** 3 * TURNING,
        _sample_rate(room, rng),
    )


def _sample_rate(room: Room, rng: np.random.Generator) -> float:
    share = rng.random()
    if room.mode == 'dim':
        share *= 0.4  # dark more often
    limits = _RATES[-1][1]
    for part, own in _RATES:
        if share < part:
            limits = own
            break
        share -= part
    return math.exp(rng.uniform(*np.log(limits)))


def _is_free(room: Room, at: Floats, height: float) -> bool:
    """Return True if a camera at a floor point is clear of walls and things."""
    if (at < _CLEARANCE).any() or (at > np.asarray(room.size[:2]) - _CLEARANCE).any():
        return False
    for item in room.items:
        space = item.footprint
        if (
            space.bottom - 0.1 < height < space.top + 0.1
            and space.contains(at[None], _CLEARANCE)[0]
        ):
            return False
    return True


def _pitch(rng: np.random.Generator, height: float) -> float:
    """Return a pitch: the higher the camera, the more it looks down."""
    down = 0.08 + 0.35 * height
    return float(np.clip(rng.normal(-0.16 * height, 0.12), -down, 0.3))


def _across(room: Room, rng: np.random.Generator, height: float) -> tuple[Floats, float, float]:
    """Return a pose that looks across the room, in a direction with a long free way."""
    size = np.asarray(room.size[:2])
    for _ in range(_TRIES):
        at = rng.random(2) * size
        if _is_free(room, at, height):
            break
    else:
        at = size / 2
    solids = [item.footprint for item in room.items]
    yaws = rng.uniform(0, 2 * np.pi) + np.arange(_YAWS) * (2 * np.pi / _YAWS)
    ways = np.array([free_way(at, yaw, height, solids, room.size) for yaw in yaws])
    weights = np.clip(ways - 0.6, 0.02, 4.0)
    yaw = float(rng.choice(yaws, p=weights / weights.sum()))
    return at, yaw, _pitch(rng, height)


def _close(
    room: Room, rng: np.random.Generator, height: float
) -> tuple[Floats, float, float] | None:
    """Return a pose that looks at a thing from near; None if no place was found."""
    things = [one for one in room.items if _is_subject(room, one)]
    if not things:
        return None
    for _ in range(_TRIES):
        thing = things[int(rng.integers(len(things)))]
        away = max(thing.size[:2]) / 2 + rng.uniform(0.4, 2.0)
        angle = rng.uniform(0, 2 * np.pi)
        middle = np.asarray(thing.position[:2])
        at = middle - away * np.array([np.cos(angle), np.sin(angle)])
        if not _is_free(room, at, height):
            continue
        target = thing.position[2] + thing.size[2] * rng.uniform(0.5, 1.0)
        steep = math.atan2(target - height, away)
        pitch = float(np.clip(steep + rng.normal(0, 0.1), -0.9, 0.3))
        return at, float(angle + rng.normal(0, 0.2)), pitch
    return None


def _is_subject(room: Room, item: Item) -> bool:
    inside = all(
        0 < place < size for place, size in zip(item.position[:2], room.size[:2], strict=True)
    )
    return inside and max(item.size) > 0.4
