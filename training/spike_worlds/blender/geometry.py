# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Footprints of furniture, walls with openings, and axes of cameras.

World axes: x and y along the floor, z up, metres; a room reaches from (0, 0, 0) to its size. At
heading 0 a thing's front faces -y; headings are radians, counterclockwise from above.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Point = tuple[float, float, float]


class Footprint(NamedTuple):
    """Upright box around a thing.

    Attributes:
        x: Middle, metres.
        y: Middle, metres.
        half_x: Half of its width, across its front.
        half_y: Half of its depth.
        heading: Radians.
        bottom: Height of its lower end, metres.
        top: Height of its upper end.
    """

    x: float
    y: float
    half_x: float
    half_y: float
    heading: float
    bottom: float
    top: float

    def axes(self) -> Floats:
        """Return the directions of width and depth, ``[2, 2]``, a row for each."""
        cos, sin = np.cos(self.heading), np.sin(self.heading)
        return np.array([[cos, sin], [-sin, cos]])

    def corners(self) -> Floats:
        """Return the corners on the floor, ``[4, 2]``."""
        signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        corners: Floats = (self.x, self.y) + signs * (self.half_x, self.half_y) @ self.axes()
        return corners

    def local(self, points: Floats) -> Floats:
        """Return floor points, ``[N, 2]``, along width and depth from the middle."""
        turned: Floats = (points - (self.x, self.y)) @ self.axes().T
        return turned

    def contains(self, points: Floats, margin: float = 0.0) -> npt.NDArray[np.bool_]:
        """Return which floor points, ``[N, 2]``, lie above the footprint or within a margin."""
        reach = (self.half_x + margin, self.half_y + margin)
        inside: npt.NDArray[np.bool_] = (np.abs(self.local(points)) <= reach).all(1)
        return inside


def overlap(one: Footprint, other: Footprint, slack: float = 0.005) -> bool:
    """Return True if two boxes overlap by more than a slack, metres."""
    if min(one.top, other.top) - max(one.bottom, other.bottom) <= slack:
        return False
    between = np.array([other.x - one.x, other.y - one.y])
    for axis in (*one.axes(), *other.axes()):
        reach = sum(
            abs(axis @ own) * half
            for box in (one, other)
            for own, half in zip(box.axes(), (box.half_x, box.half_y), strict=True)
        )
        if abs(axis @ between) >= reach - slack:
            return False
    return True


class Wall(NamedTuple):
    """Inner face of a wall.

    Attributes:
        origin: Its end, floor point; the wall runs to the left of someone in it, looking in.
        along: Direction along it.
        inward: Direction into the room.
        length: Metres.
    """

    origin: Floats
    along: Floats
    inward: Floats
    length: float

    @property
    def heading(self) -> float:
        """Heading of a thing with its back to the wall."""
        return float(np.arctan2(self.inward[0], -self.inward[1]))

    def point(self, place: float, away: float = 0.0) -> Floats:
        """Return the floor point at a place along the wall, some way into the room."""
        point: Floats = self.origin + place * self.along + away * self.inward
        return point


def walls_of(width: float, depth: float) -> tuple[Wall, Wall, Wall, Wall]:
    """Return the walls of a room, counterclockwise from that at y = 0."""
    ends = np.array([[0, 0], [width, 0], [width, depth], [0, depth]], np.float64)
    ways = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], np.float64)
    lengths = (width, depth, width, depth)
    south, east, north, west = (
        Wall(end, way, np.array([-way[1], way[0]]), length)
        for end, way, length in zip(ends, ways, lengths, strict=True)
    )
    return south, east, north, west


def panels(
    length: float, height: float, holes: Iterable[tuple[float, float, float, float]]
) -> list[tuple[float, float, float, float]]:
    """Divide a wall with holes into rectangles.

    Args:
        length: Of the wall, metres.
        height: Of the wall, metres.
        holes: Begin and end along the wall, bottom and top of each; none beside, above or below
            another.

    Returns:
        Begin, end, bottom and top of each rectangle.
    """
    found, at = [], 0.0
    for begin, end, bottom, top in sorted(holes):
        found += [(at, begin, 0.0, height), (begin, end, 0.0, bottom), (begin, end, top, height)]
        at = end
    found.append((at, length, 0.0, height))
    return [one for one in found if one[1] - one[0] > 1e-6 and one[3] - one[2] > 1e-6]


def camera_axes(yaw: float, pitch: float, roll: float) -> Floats:
    """Return the rotation from the camera to the world, ``[3, 3]``.

    Its columns are the directions of the image to the right and down, and of the view.

    Args:
        yaw: Direction of the view on the floor, radians counterclockwise from x.
        pitch: Upwards, radians.
        roll: About the view, radians; above 0 the camera turns clockwise.
    """
    ahead = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    down = np.cross(ahead, right)
    cos, sin = np.cos(roll), np.sin(roll)
    return np.stack([cos * right + sin * down, cos * down - sin * right, ahead], 1)


def rotation(vector: Sequence[float] | Floats) -> Floats:
    """Return the rotation by a vector, radians (Rodrigues' formula), ``[3, 3]``."""
    angle = float(np.linalg.norm(vector))
    if angle == 0:
        return np.eye(3)
    x, y, z = np.asarray(vector) / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turned: Floats = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turned


def free_way(
    eye: Floats, yaw: float, height: float, footprints: Iterable[Footprint], size: Sequence[float]
) -> float:
    """Return the way from a point to the first thing or wall in a direction, metres.

    Args:
        eye: Floor point.
        yaw: Direction, radians.
        height: Height above the floor; things that end below it or begin above it do not count.
        footprints: Things.
        size: Width and depth of the room.
    """
    way = np.array([np.cos(yaw), np.sin(yaw)])
    with np.errstate(divide='ignore'):
        walls = np.where(way > 0, (np.asarray(size[:2]) - eye) / way, -eye / way)
    nearest = float(np.min(walls[way != 0]))
    for box in footprints:
        if not box.bottom < height < box.top:
            continue
        start, step = box.local(eye[None])[0], box.axes() @ way
        half = np.array([box.half_x, box.half_y])
        with np.errstate(divide='ignore', invalid='ignore'):
            enter, leave = (-half - start) / step, (half - start) / step
        low, high = np.fmin(enter, leave).max(), np.fmax(enter, leave).min()
        if 0 < low < high:
            nearest = min(nearest, float(low))
    return nearest
