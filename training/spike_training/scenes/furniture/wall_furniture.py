# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Things along the walls of rooms: furniture, doors, windows, pictures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes import atlas
from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Material, Texture
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import QUARTER_TURN, Range, Sampler, cos_sin
from spike_training.scenes.rooms.config import Room
from spike_training.scenes.scene import BOX, CYLINDER, ELLIPSOID, Array, Column
from spike_training.scenes.things.small import ANY_TEXTURE


class WallThing(NamedTuple):
    """Sizes of a thing that stands or hangs at a wall, limits in metres.

    Attributes:
        textures: Of its front.
        half_width: Along the wall.
        height: Of all of it.
        depth: Away from the wall.
        foot: Height of its lower edge.
    """

    textures: Texture
    half_width: Range
    height: Range
    depth: Range
    foot: Range = (0.0, 0.0)


WINDOW = WallThing(('clouds', 'plain'), (0.4, 1.0), (0.9, 1.5), (0.02, 0.08), (0.8, 1.0))
SCREEN = WallThing(('screen', 'text'), (0.25, 0.7), (0.4, 0.9), (0.03, 0.08), (0.9, 1.3))
WALL_THINGS = (
    WallThing(('doors', 'drawers'), (0.3, 0.8), (0.65, 1.1), (0.3, 0.6)),
    WallThing(('doors', 'wood'), (0.35, 0.8), (1.7, 2.2), (0.35, 0.6)),
    WallThing(('books', 'books'), (0.35, 0.7), (1.1, 2.2), (0.22, 0.35)),
    WallThing(('goods', 'goods'), (0.4, 0.8), (1.0, 2.0), (0.3, 0.5)),
    WallThing(('door', 'door'), (0.4, 0.5), (1.95, 2.1), (0.02, 0.06)),
    WINDOW,
    WallThing(('ribs', 'ribs'), (0.3, 0.7), (0.5, 0.7), (0.08, 0.15), (0.1, 0.15)),
    WallThing(('weave', 'folds'), (0.6, 1.0), (0.4, 0.85), (0.6, 0.9)),
    WallThing(('poster', 'print'), (0.25, 0.8), (0.4, 1.1), (0.01, 0.04), (0.9, 1.2)),
    SCREEN,
    WallThing(('folds', 'folds'), (0.3, 0.7), (1.8, 2.2), (0.08, 0.15), (0.05, 0.2)),
)
"""Chests, wardrobes, bookcases, shelves, doors, windows, radiators, sofas, posters, screens,
curtains."""
FRONT = Material(('plain',), fit=True, contrast=0.9)
WINDOW_GLOW: Range = (0.0, 2.5)

PER_WALL = 5
CHANCE = 0.8
WIDEST = 0.48
"""Greatest half width over the part of the wall that a thing has."""
OVERLAP = 0.15
"""Metres that a thing may be wider than that."""
SHIFT = 0.3
"""Greatest shift along the wall, over that part."""
BELOW_CEILING = 0.05


class Decor(NamedTuple):
    """A second row above: pictures, notices, cupboards, small shelves. Lengths in metres.

    Attributes:
        half_height: Limits.
        foot: Height of the lower edge.
        below_ceiling: Half of the least way to the ceiling.
        half_width: Limits.
        widest: Greatest half width over the part of the wall.
        thickness: Greatest half thickness above the least.
        thinnest: Least half thickness.
        shift: Along the wall, over the part of it.
        chance: Probability of each.
    """

    half_height: Range = (0.08, 0.4)
    foot: Range = (1.15, 1.8)
    below_ceiling: float = 0.02
    half_width: Range = (0.08, 0.5)
    widest: float = 0.5
    thickness: float = 0.18
    thinnest: float = 0.008
    shift: float = 0.5
    chance: float = 0.55


DECOR = Decor()
DECOR_FRONT = Material(
    ('poster', 'poster', 'text', 'print', 'doors', 'books', 'goods', 'screen', 'sign'),
    fit=True,
    contrast=0.95,
    vivid=0.9,
)


class ThingsOnTop(NamedTuple):
    """Things on furniture that is low and deep enough. Lengths in metres.

    Attributes:
        number: Of things on each.
        size: Half height, uniform over ratios.
        width: Half width over that.
        aside: Greatest way to either side over the half width of the furniture.
        highest: Height of furniture that has none.
        deepest: Depth of furniture that has none.
        chance: Probability of each.
        kinds: Of solids.
    """

    number: int = 2
    size: Range = (0.04, 0.25)
    width: Range = (0.3, 1.0)
    aside: float = 0.8
    highest: float = 1.7
    deepest: float = 0.2
    chance: float = 0.7
    kinds: tuple[int, ...] = (BOX, BOX, CYLINDER, ELLIPSOID)


ON_TOP = ThingsOnTop()
THING = Material(ANY_TEXTURE)


class WallSlots(NamedTuple):
    """Places along one wall, one in each of its parts.

    Attributes:
        end: Whether the wall is the far one, across the room's length.
        sign: -1 for the left wall, else 1.
        start: Beginning of the wall, ``[B, 1]`` metres along it.
        part: Length of each place, ``[B, 1]`` metres.
    """

    end: bool
    sign: int
    start: Array
    part: Array

    def pose(self, room: Room, along: Array, away: Array) -> Frame:
        """Return poses ``along`` the wall and ``away`` from it, with their backs to it."""
        if self.end:
            return Frame(along, 0.0, room.half_z - away, cos_sin(np.zeros_like(along)))
        return Frame((room.half_x - away) * self.sign, 0.0, along, cos_sin(QUARTER_TURN))


def sample_wall_things(
    sampler: Sampler, number: int, table: tuple[WallThing, ...]
) -> tuple[Array, list[Array]]:
    """Sample ``[B, number]`` rows of a table; and half width, height, depth and foot of each."""
    limits = np.asarray([row[1:] for row in table], np.float32)
    row = (sampler(number) * len(table)).astype(np.int64)
    low, high = limits[row, :, 0], limits[row, :, 1]
    sizes = [
        low[..., k] + (high[..., k] - low[..., k]) * sampler(number) for k in range(low.shape[-1])
    ]
    return row, sizes


def front_tiles(table: tuple[WallThing, ...], by_variant: bool = False) -> Array:
    """Return numbers of tiles: two variants of each texture of each row, in either order."""

    def tile(name: str, variant: int) -> int:
        return atlas.TILES[name][variant % len(atlas.TILES[name])]

    if by_variant:
        return np.asarray([[tile(name, k) for k in range(2) for name in row[0]] for row in table])
    return np.asarray([[tile(name, k) for name in row[0] for k in range(2)] for row in table])


def add_wall_furniture(site: Site, room: Room) -> None:
    """Add things along the far wall and both side walls, as far as the camera sees them."""
    for sign, end in ((1, True), (-1, False), (1, False)):
        length = 2 * room.half_x if end else room.half_z - room.eye_z
        start = -room.half_x if end else room.eye_z
        _furnish_wall(site, room, WallSlots(end, sign, start, length / PER_WALL))


def _furnish_wall(site: Site, room: Room, wall: WallSlots) -> None:
    sampler, number = site.sampler, PER_WALL
    row, (half_w, tall, deep, foot) = sample_wall_things(sampler, number, WALL_THINGS)
    half_w = np.minimum(half_w, WIDEST * wall.part + OVERLAP)
    middle = wall.start + wall.part * (np.arange(number) + 0.5)
    along = middle + sampler.symmetric(number, SHIFT) * wall.part
    tall = np.minimum(tall, room.height - foot - BELOW_CEILING)
    tiles = front_tiles(WALL_THINGS)
    variant = tiles[row, (sampler(number) * tiles.shape[1]).astype(np.int64)]
    front = site.materials.sample(FRONT, number, (2 * half_w, tall))
    front[..., Column.TEXTURE] = variant * atlas.TEXELS
    window, screen = row == WALL_THINGS.index(WINDOW), row == WALL_THINGS.index(SCREEN)
    window_glow, screen_glow = sampler.uniform(number, WINDOW_GLOW), sampler(number)
    front[..., Column.GLOW] = np.where(window, window_glow, np.where(screen, screen_glow, 0))
    mask = sampler.chance(number, CHANCE)
    frame = wall.pose(room, along, deep / 2)
    thing = Part((0.0, foot + tall / 2, 0.0), (half_w, tall / 2, deep / 2), front)
    site.primitives.add_parts(frame, mask, [thing])
    _add_decor(site, room, wall, along)
    for _ in range(ON_TOP.number):
        _add_thing_on_top(site, wall, frame, (half_w, foot + tall, deep), mask)


def _add_decor(site: Site, room: Room, wall: WallSlots, along: Array) -> None:
    sampler, number = site.sampler, PER_WALL
    high, low = sampler.uniforms(number, DECOR.half_height, DECOR.foot)
    high = np.minimum(high, (room.height - low) / 2 - DECOR.below_ceiling)
    broad = np.minimum(sampler.uniform(number, DECOR.half_width), DECOR.widest * wall.part)
    thick = sampler(number) ** 3 * DECOR.thickness + DECOR.thinnest
    aside = along + sampler.symmetric(number, DECOR.shift) * wall.part
    front = site.materials.sample(DECOR_FRONT, number, (2 * broad, 2 * high))
    part = Part((0.0, low + high, 0.0), (broad, high, thick), front)
    frame = wall.pose(room, aside, thick)
    site.primitives.add_parts(frame, sampler.chance(number, DECOR.chance), [part])


def _add_thing_on_top(
    site: Site,
    wall: WallSlots,
    frame: Frame,
    sizes: tuple[Array, Array, Array],
    mask: Array,
) -> None:
    sampler, number = site.sampler, PER_WALL
    half_w, high, deep = sizes
    size = sampler.log_uniform(number, ON_TOP.size)
    aside = sampler.symmetric(number, ON_TOP.aside) * half_w
    shift_x, shift_z = (aside, 0.0) if wall.end else (0.0, aside)
    at = Frame(frame.x + shift_x, 0.0, frame.z + shift_z, frame.heading)
    half = (size * sampler.uniform(number, ON_TOP.width), size, np.minimum(size, deep / 2))
    material = site.materials.sample(THING, number, 2 * size)
    part = Part((0.0, high + size, 0.0), half, material, sampler.kinds(number, ON_TOP.kinds))
    mask = mask & (high < ON_TOP.highest) & (deep > ON_TOP.deepest)
    site.primitives.add_parts(at, mask & sampler.chance(number, ON_TOP.chance), [part])
