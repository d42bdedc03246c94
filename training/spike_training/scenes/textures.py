# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Procedural surface textures, filtered to the size of a pixel.

A texture is a function ``(u, v, footprint) -> reflectance``: surface coordinates and the size of a
pixel on the surface in metres, arrays of one shape; reflectance from 0 to 1. Only elementary
arithmetic is used (no sine, no exponential), so that every machine computes the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
"""float64 throughout."""
Texture = Callable[[Floats, Floats, Floats], Floats]


def plain(level: float) -> Texture:
    """One reflectance everywhere."""
    return lambda u, v, footprint: np.full_like(u, level)


def noise(level: float, contrast: float, size: float, stretch: float = 1.0) -> Texture:
    """Cloudy noise within ``contrast`` around ``level``; blobs of ``size`` m, longer in v."""

    def texture(u: Floats, v: Floats, footprint: Floats) -> Floats:
        return level + contrast * (_clouds(u, v / stretch, size, footprint) - 0.5)

    return texture


def stripes(dark: float, bright: float, period: float, share: float = 0.5) -> Texture:
    """Stripes along u that follow each other in v; ``share`` of the period is bright."""

    def texture(u: Floats, v: Floats, footprint: Floats) -> Floats:
        return dark + (bright - dark) * _pulse(v, period, share, footprint)

    return texture


def checks(dark: float, bright: float, size: float) -> Texture:
    """Squares of ``size`` metres."""

    def texture(u: Floats, v: Floats, footprint: Floats) -> Floats:
        across = _pulse(u, 2 * size, 0.5, footprint)
        along = _pulse(v, 2 * size, 0.5, footprint)
        return dark + (bright - dark) * (across * along + (1 - across) * (1 - along))

    return texture


def bricks(level: float, mortar: float, width: float = 0.5, height: float = 0.2) -> Texture:
    """Bricks in staggered rows, each a little lighter or darker than ``level``."""

    def texture(u: Floats, v: Floats, footprint: Floats) -> Floats:
        row = np.floor(v / height)
        shifted = u + 0.5 * width * (row % 2)
        body = _pulse(shifted, width, 0.93, footprint) * _pulse(v, height, 0.86, footprint)
        varied = _hash(np.floor(shifted / width), row) - 0.5
        fade = _fade(width, footprint)
        return mortar + (level * (1 + 0.55 * varied * fade) - mortar) * body

    return texture


def windows(wall: Texture, column: float = 2.6, storey: float = 3.0) -> Texture:
    """A wall with windows: bright frames with a cross bar, panes of different darkness."""

    def texture(u: Floats, v: Floats, footprint: Floats) -> Floats:
        # Windows are 1.2 x 1.5 m and begin 1 m above each floor.
        frame = _pulse(u - 0.7, column, 1.2 / column, footprint)
        frame *= _pulse(v - 1.0, storey, 1.5 / storey, footprint)
        pane = _pulse(u - 0.78, column, 1.04 / column, footprint)
        pane *= _pulse(v - 1.08, storey, 1.34 / storey, footprint)
        pane *= 1 - _pulse(u - 1.26, column, 0.08 / column, footprint)
        pane *= 1 - _pulse(v - 1.95, storey, 0.08 / storey, footprint)
        dark = 0.05 + 0.3 * _hash(np.floor(u / column), np.floor(v / storey) + 91) ** 2
        window: Floats = 0.85 * (frame - pane) + dark * pane
        return wall(u, v, footprint) * (1 - frame) + window

    return texture


def street(crossing: float, edge: float) -> Texture:
    """Asphalt with a dashed middle line, edge lines and a zebra crossing.

    Args:
        crossing: Where the crossing begins along v, metres; it is 3 m deep.
        edge: Distance of the edge lines from the middle, metres.

    Returns:
        Texture of u across and v along the street, u = 0 in its middle.
    """
    asphalt = noise(0.3, 0.22, 0.35)

    def texture(u: Floats, v: Floats, footprint: Floats) -> Floats:
        zebra = _between(v, crossing, crossing + 3.0, footprint)
        bars = _pulse(u + 0.25, 1.0, 0.5, footprint) * _between(u, -edge, edge, footprint)
        dashes = _between(u, -0.08, 0.08, footprint) * _pulse(v, 3.0, 0.5, footprint)
        sides = _between(np.abs(u), edge, edge + 0.12, footprint)
        paint = zebra * bars + (1 - zebra) * np.maximum(dashes, sides)
        surface: Floats = asphalt(u, v, footprint) * (1 - paint) + 0.85 * paint
        return surface

    return texture


def _integral(x: Floats, share: float) -> Floats:
    """Integral from 0 to x of a wave of period 1 that is 1 during its first ``share``."""
    whole = np.floor(x)
    inside: Floats = whole * share + np.minimum(x - whole, share)
    return inside


def _pulse(x: Floats, period: float, share: float, footprint: Floats) -> Floats:
    """Mean of that wave, of the given period, over a pixel's footprint around x: 0 to 1."""
    half = np.maximum(footprint, 1e-4) / (2 * period)
    centre = x / period
    mean: Floats = _integral(centre + half, share) - _integral(centre - half, share)
    return mean / (2 * half)


def _between(x: Floats, low: float, high: float, footprint: Floats) -> Floats:
    """Share of a pixel's footprint around x that lies between two limits."""
    half = np.maximum(footprint, 1e-4) / 2
    inside = np.minimum(x + half, high) - np.maximum(x - half, low)
    share: Floats = np.clip(inside / (2 * half), 0, 1)
    return share


def _fade(size: float, footprint: Floats) -> Floats:
    """1 where detail of a size is well resolved, 0 where pixels are larger than it."""
    fade: Floats = np.clip(1.5 - 1.5 * footprint / size, 0, 1)
    return fade


def _hash(i: Floats, j: Floats) -> Floats:
    """A repeatable random number from 0 to below 1 for each pair of whole numbers."""
    mixed = i.astype(np.int64) * 374761393 + j.astype(np.int64) * 668265263
    mixed = ((mixed ^ (mixed >> 13)) * 1274126177) & 0xFFFFFFFF
    number: Floats = ((mixed ^ (mixed >> 16)) & 0xFFFF) / 65536.0
    return number


def _lattice(u: Floats, v: Floats) -> Floats:
    """Random values at whole coordinates, blended smoothly in between: 0 to 1."""
    i, j = np.floor(u), np.floor(v)
    next_i, next_j = np.add(i, 1), np.add(j, 1)
    a, b = u - i, v - j
    a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
    near = _hash(i, j) * (1 - a) + _hash(next_i, j) * a
    far = _hash(i, next_j) * (1 - a) + _hash(next_i, next_j) * a
    blend: Floats = near * (1 - b) + far * b
    return blend


def _clouds(u: Floats, v: Floats, size: float, footprint: Floats) -> Floats:
    """Two octaves of lattice noise, 0 to 1; what a pixel cannot resolve fades to 0.5."""
    coarse = (_lattice(u / size, v / size) - 0.5) * _fade(size, footprint)
    fine = (_lattice(u * 3.1 / size, v * 3.1 / size) - 0.5) * _fade(size / 3.1, footprint)
    return 0.5 + 0.65 * coarse + 0.35 * fine
