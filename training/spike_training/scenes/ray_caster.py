# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small ray caster: boxes, upright cylinders and ellipsoids in sunlight, with exact depth.

World axes: x right, y up, z forward, metres. Rays are scaled so that their component along the
optical axis is 1; the length at which a ray meets a surface is then its depth.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from spike_training.scenes.textures import Floats, Texture

Vector = tuple[float, float, float]
Field = tuple[Floats, Floats, Floats]
"""The three components of a vector at every pixel."""

_AMBIENT, _SUN = 0.4, 0.85
_SHADOW_CELL = 0.04
_SHADOW_CELLS = 4096
_SHADOW_BIAS = 0.05
_SUN_HEIGHT = 200.0


class Shape(Protocol):
    """A solid with a texture."""

    @property
    def texture(self) -> Texture:
        """What its surface looks like."""

    @property
    def bounds(self) -> tuple[Vector, Vector]:
        """Lowest and highest corner of a box around the solid."""

    def hit(self, origin: Field, ray: Field) -> Floats:
        """Length at which each ray first meets the surface; +Inf where it does not."""

    def surface(self, point: Field) -> tuple[Field, Floats, Floats]:
        """Outward unit normal and texture coordinates u, v in metres at points of the surface."""


@dataclasses.dataclass(frozen=True)
class Box:
    """A box along the axes. Texture: u, v = x, z on top; z, y on its sides; x, y on its ends."""

    low: Vector
    high: Vector
    texture: Texture

    @property
    def bounds(self) -> tuple[Vector, Vector]:
        """The box itself."""
        return self.low, self.high

    def hit(self, origin: Field, ray: Field) -> Floats:
        """See ``Shape``; rays begin outside."""
        enter, leave = np.array(-np.inf), np.array(np.inf)
        with np.errstate(divide='ignore', invalid='ignore'):
            for axis in range(3):
                to_low = (self.low[axis] - origin[axis]) / ray[axis]
                to_high = (self.high[axis] - origin[axis]) / ray[axis]
                enter = np.fmax(enter, np.fmin(to_low, to_high))
                leave = np.fmin(leave, np.fmax(to_low, to_high))
        return np.where((enter < leave) & (enter > 0), enter, np.inf)

    def surface(self, point: Field) -> tuple[Field, Floats, Floats]:
        """See ``Shape``."""
        gaps = [
            np.minimum(np.abs(point[axis] - self.low[axis]), np.abs(point[axis] - self.high[axis]))
            for axis in range(3)
        ]
        face = np.argmin(gaps, axis=0)
        middle = [(low + high) / 2 for low, high in zip(self.low, self.high, strict=True)]
        normal = _field(
            np.where(face == axis, np.sign(point[axis] - middle[axis]), 0.0) for axis in range(3)
        )
        u = np.where(face == 0, point[2], point[0])
        v = np.where(face == 1, point[2], point[1])
        return normal, u, v


@dataclasses.dataclass(frozen=True)
class Cylinder:
    """An upright cylinder with a flat top. Texture: u around, v = height above its foot."""

    foot: Vector
    radius: float
    height: float
    texture: Texture

    @property
    def bounds(self) -> tuple[Vector, Vector]:
        """See ``Shape``."""
        x, y, z = self.foot
        reach = self.radius
        return (x - reach, y, z - reach), (x + reach, y + self.height, z + reach)

    def hit(self, origin: Field, ray: Field) -> Floats:
        """See ``Shape``; rays begin outside."""
        x, z = origin[0] - self.foot[0], origin[2] - self.foot[2]
        top = self.foot[1] + self.height
        with np.errstate(divide='ignore', invalid='ignore'):
            side = _nearest_root(
                ray[0] * ray[0] + ray[2] * ray[2],
                x * ray[0] + z * ray[2],
                x * x + z * z - self.radius**2,
            )
            y = origin[1] + side * ray[1]
            side = np.where((y >= self.foot[1]) & (y <= top), side, np.inf)
            lid = (top - origin[1]) / ray[1]
            away = (x + lid * ray[0]) ** 2 + (z + lid * ray[2]) ** 2
            lid = np.where((lid > 0) & (away <= self.radius**2), lid, np.inf)
        return np.minimum(side, lid)

    def surface(self, point: Field) -> tuple[Field, Floats, Floats]:
        """See ``Shape``."""
        x, z = (point[0] - self.foot[0]) / self.radius, (point[2] - self.foot[2]) / self.radius
        v = point[1] - self.foot[1]
        lid = (v > self.height - 1e-6) & (x * x + z * z < 1 - 1e-6)
        normal = (np.where(lid, 0.0, x), np.where(lid, 1.0, 0.0), np.where(lid, 0.0, z))
        return normal, _around(x, z) * self.radius, v


@dataclasses.dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid along the axes. Texture: u around the upright axis, v = height."""

    centre: Vector
    radii: Vector
    texture: Texture

    @property
    def bounds(self) -> tuple[Vector, Vector]:
        """See ``Shape``."""
        (x, y, z), (a, b, c) = self.centre, self.radii
        return (x - a, y - b, z - c), (x + a, y + b, z + c)

    def hit(self, origin: Field, ray: Field) -> Floats:
        """See ``Shape``; rays begin outside."""
        squared, mixed, rest = np.array(0.0), np.array(0.0), np.array(-1.0)
        for axis in range(3):
            start = (origin[axis] - self.centre[axis]) / self.radii[axis]
            step = ray[axis] / self.radii[axis]
            squared, mixed = squared + step * step, mixed + start * step
            rest = rest + start * start
        return _nearest_root(squared, mixed, rest)

    def surface(self, point: Field) -> tuple[Field, Floats, Floats]:
        """See ``Shape``."""
        away = _field(
            (point[axis] - self.centre[axis]) / self.radii[axis] ** 2 for axis in range(3)
        )
        length = np.sqrt(_dot(away, away))
        normal = _field(part / length for part in away)
        return normal, _around(away[0], away[2]) * self.radii[0], point[1] - self.centre[1]


@dataclasses.dataclass(frozen=True)
class Camera:
    """A pinhole camera; pixel centres lie at whole coordinates, the principal point in the middle.

    Attributes:
        height: Rows.
        width: Columns.
        fx: Focal length in pixels, the same along x and y.
        position: World position, metres.
        yaw: Turn to the right, radians.
        pitch: Turn upwards, radians.
        roll: Clockwise turn of the camera about its optical axis, radians.
    """

    height: int
    width: int
    fx: float
    position: Vector
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """Camera matrix K, ``[3, 3]``, pixels."""
        cx, cy = (self.width - 1) / 2, (self.height - 1) / 2
        return np.array([[self.fx, 0, cx], [0, self.fx, cy], [0, 0, 1]], np.float64)

    def axes(self) -> tuple[Vector, Vector, Vector]:
        """The camera's right, up and forward in the world, unit vectors."""
        sin_y, cos_y = math.sin(self.yaw), math.cos(self.yaw)
        sin_p, cos_p = math.sin(self.pitch), math.cos(self.pitch)
        sin_r, cos_r = math.sin(self.roll), math.cos(self.roll)
        forward = (sin_y * cos_p, sin_p, cos_y * cos_p)
        level, raised = (cos_y, 0.0, -sin_y), (-sin_y * sin_p, cos_p, -cos_y * sin_p)
        right = _vector(cos_r * a - sin_r * b for a, b in zip(level, raised, strict=True))
        up = _vector(sin_r * a + cos_r * b for a, b in zip(level, raised, strict=True))
        return right, up, forward

    def rays(self, samples: int = 1) -> Field:
        """Rays ``[height * samples, width * samples]`` with depth component 1.

        Args:
            samples: Rays along each side of a pixel; 1 is the pixel's centre.

        Returns:
            World direction of each ray.
        """
        columns = (np.arange(self.width * samples) + 0.5) / samples - self.width / 2
        rows = (np.arange(self.height * samples) + 0.5) / samples - self.height / 2
        u, v = columns[None, :] / self.fx, rows[:, None] / self.fx
        return _field(
            forward + u * right - v * up for right, up, forward in zip(*self.axes(), strict=True)
        )

    def region(self, shape: Shape, samples: int) -> tuple[slice, slice]:
        """Rows and columns of ``rays(samples)`` outside which no ray can meet the shape."""
        corners = [self._project(corner) for corner in _corners(*shape.bounds)]
        if all(depth <= 0 for _, _, depth in corners):
            return slice(0, 0), slice(0, 0)
        if any(depth < 0.05 for _, _, depth in corners):
            return slice(0, self.height * samples), slice(0, self.width * samples)
        us = [(u / depth + self.width / 2) * samples for u, _, depth in corners]
        vs = [(v / depth + self.height / 2) * samples for _, v, depth in corners]
        return (
            _cut(min(vs), max(vs), self.height * samples),
            _cut(min(us), max(us), self.width * samples),
        )

    def _project(self, point: Vector) -> Vector:
        """Image coordinates times depth, in pixels from the middle, and depth."""
        away = [a - b for a, b in zip(point, self.position, strict=True)]
        x, y, z = (
            away[0] * axis[0] + away[1] * axis[1] + away[2] * axis[2] for axis in self.axes()
        )
        return x * self.fx, -y * self.fx, z


class Scene:
    """Solids under a sun and a cloudy sky.

    Args:
        shapes: The solids.
        sun: Direction towards the sun, unit length.
        sky: Texture of the sky, of the direction's x / y and z / y.
    """

    def __init__(self, shapes: Sequence[Shape], sun: Vector, sky: Texture) -> None:
        self.shapes = tuple(shapes)
        self.sun = sun
        self.sky = sky

    @functools.cached_property
    def _shadows(self) -> _ShadowMap:
        return _ShadowMap(self.shapes, self.sun)

    def depth(self, camera: Camera) -> Floats:
        """Depth along the optical axis at every pixel's centre.

        Args:
            camera: Where the picture is taken from; inside no solid.

        Returns:
            Depth in metres, ``[height, width]``; +Inf in the sky.
        """
        return self._cast(camera, 1)[0]

    def picture(self, camera: Camera, samples: int = 2) -> Floats:
        """Light that reaches every pixel.

        Args:
            camera: Where the picture is taken from; inside no solid.
            samples: Rays along each side of a pixel, averaged.

        Returns:
            ``[height, width]``, 0 or more; a white wall in full sun and the sky are about 1.
        """
        depth, which = self._cast(camera, samples)
        rays = camera.rays(samples)
        light = np.empty(depth.shape)
        for index, shape in enumerate(self.shapes):
            region = camera.region(shape, samples)
            mask = which[region] == index
            if mask.any():
                view = light[region]
                ray = _field(part[region][mask] for part in rays)
                view[mask] = self._shade(camera, shape, depth[region][mask], ray, samples)
        sky = which < 0
        light[sky] = self._sky_light(_field(part[sky] for part in rays))
        blocks = light.reshape(camera.height, samples, camera.width, samples)
        mean: Floats = blocks.mean(axis=(1, 3))
        return mean

    def _cast(self, camera: Camera, samples: int) -> tuple[Floats, npt.NDArray[np.int16]]:
        """Depth of each ray and which shape it meets, -1 for none."""
        rays = camera.rays(samples)
        depth = np.full(rays[0].shape, np.inf)
        which = np.full(rays[0].shape, -1, np.int16)
        origin = _field(np.array(part) for part in camera.position)
        for index, shape in enumerate(self.shapes):
            region = camera.region(shape, samples)
            length = shape.hit(origin, _field(part[region] for part in rays))
            nearer = length < depth[region]
            depth[region][nearer] = length[nearer]
            which[region][nearer] = index
        return depth, which

    def _shade(
        self, camera: Camera, shape: Shape, depth: Floats, ray: Field, samples: int
    ) -> Floats:
        point = _field(
            start + depth * part for start, part in zip(camera.position, ray, strict=True)
        )
        normal, u, v = shape.surface(point)
        length = np.sqrt(_dot(ray, ray))
        facing = np.maximum(-_dot(normal, ray) / length, 0.04)
        footprint = depth * length / (camera.fx * samples) / np.sqrt(facing)
        towards = normal[0] * self.sun[0] + normal[1] * self.sun[1] + normal[2] * self.sun[2]
        sunlight = np.maximum(towards, 0) * self._shadows.lit(
            _field(part + _SHADOW_BIAS * away for part, away in zip(point, normal, strict=True))
        )
        light = _AMBIENT * (0.75 + 0.25 * normal[1]) + _SUN * sunlight
        shaded: Floats = shape.texture(u, v, footprint) * light
        return shaded

    def _sky_light(self, ray: Field) -> Floats:
        rise = np.maximum(ray[1], 0.02)
        return self.sky(ray[0] / rise, ray[2] / rise, 0.04 / rise)


class _ShadowMap:
    """How far sunlight comes, on a grid across its direction; made once for a scene at rest."""

    def __init__(self, shapes: Sequence[Shape], sun: Vector) -> None:
        along = math.hypot(sun[0], sun[2])
        across = (sun[2] / along, 0.0, -sun[0] / along) if along > 0 else (1.0, 0.0, 0.0)
        rise = (
            sun[1] * across[2],
            sun[2] * across[0] - sun[0] * across[2],
            -sun[1] * across[0],
        )
        self._axes = (across, rise, sun)
        spots = np.concatenate([self._spots(shape) for shape in shapes])
        self._left, self._bottom = (float(low) for low in spots.min(axis=0))
        span = np.ptp(spots, axis=0)
        self._cell = max(_SHADOW_CELL, float(span.max()) / _SHADOW_CELLS)
        columns, rows = np.ceil(span / self._cell).astype(int) + 2
        self._height = np.full((rows, columns), -np.inf)
        for shape in shapes:
            self._add(shape)

    def lit(self, point: Field) -> Floats:
        """Share of sunlight at points, 0 to 1, blended between the four cells around each."""
        a, b, height = _field(
            point[0] * axis[0] + point[1] * axis[1] + point[2] * axis[2] for axis in self._axes
        )
        column, row = (a - self._left) / self._cell, (b - self._bottom) / self._cell
        column = np.clip(column, 0, self._height.shape[1] - 1.001)
        row = np.clip(row, 0, self._height.shape[0] - 1.001)
        i, j = column.astype(np.intp), row.astype(np.intp)
        p: Floats = column - i
        q: Floats = row - j
        reach = height + _SHADOW_BIAS

        def open_to(rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Floats:
            return np.less_equal(self._height[rows, columns], reach).astype(np.float64)

        near = open_to(j, i) * (1 - p) + open_to(j, i + 1) * p
        far = open_to(j + 1, i) * (1 - p) + open_to(j + 1, i + 1) * p
        lit: Floats = near * (1 - q) + far * q
        return lit

    def _spots(self, shape: Shape) -> Floats:
        """Corners of a shape's bounds across the sunlight, ``[8, 2]`` metres."""
        flat: Floats = np.array(_corners(*shape.bounds)) @ np.array(self._axes[:2]).T
        return flat

    def _add(self, shape: Shape) -> None:
        """Casts the sun's rays at one shape."""
        spots = (self._spots(shape) - (self._left, self._bottom)) / self._cell
        columns = _cut(spots[:, 0].min(), spots[:, 0].max(), self._height.shape[1])
        rows = _cut(spots[:, 1].min(), spots[:, 1].max(), self._height.shape[0])
        a = self._left + self._cell * np.arange(columns.start, columns.stop)[None, :]
        b = self._bottom + self._cell * np.arange(rows.start, rows.stop)[:, None]
        origin = _field(
            a * across + b * rise + _SUN_HEIGHT * sun
            for across, rise, sun in zip(*self._axes, strict=True)
        )
        length = shape.hit(origin, _field(np.array(-part) for part in self._axes[2]))
        region = self._height[rows, columns]
        np.maximum(region, _SUN_HEIGHT - length, out=region)


def _field(parts: Iterable[Floats]) -> Field:
    x, y, z = parts
    return x, y, z


def _vector(parts: Iterable[float]) -> Vector:
    x, y, z = parts
    return x, y, z


def _dot(a: Field, b: Field) -> Floats:
    product: Floats = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return product


def _nearest_root(squared: Floats, mixed: Floats, rest: Floats) -> Floats:
    """Smaller root of ``squared t^2 + 2 mixed t + rest = 0``; +Inf if it is none or behind."""
    inside = mixed * mixed - squared * rest
    with np.errstate(divide='ignore', invalid='ignore'):
        root: Floats = (-mixed - np.sqrt(inside)) / squared
    nearest: Floats = np.where(root > 0, root, np.inf)
    return nearest


def _around(x: Floats, z: Floats) -> Floats:
    """Way around a circle of radius 1 from (0, -1), -pi to pi, nearly (exact at the quarters)."""
    turn = x / np.maximum(np.abs(x) + np.abs(z), 1e-12)
    angle: Floats = np.where(z > 0, np.where(x >= 0, 2.0, -2.0) - turn, turn) * (math.pi / 2)
    return angle


def _corners(low: Vector, high: Vector) -> list[Vector]:
    return [
        (x, y, z) for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])
    ]


def _cut(low: float, high: float, size: int) -> slice:
    """Whole cells from ``low`` to ``high`` with one to spare, within ``size``."""
    start, stop = math.floor(low) - 1, math.ceil(high) + 2
    return slice(max(0, min(start, size)), max(0, min(stop, size)))
