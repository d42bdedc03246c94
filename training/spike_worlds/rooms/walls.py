# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Things along the walls of rooms: furniture, doors, windows, pictures, open shelves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_worlds import atlas
from spike_worlds.building.light import Site
from spike_worlds.building.materials import Material, Texture, repeat
from spike_worlds.building.primitives import Frame, Part
from spike_worlds.building.sampler import QUARTER_TURN, Range, Sampler, cos_sin
from spike_worlds.rooms.config import Room, WallPlacement
from spike_worlds.scene import BOX, CYLINDER, ELLIPSOID, Array, Column
from spike_worlds.things import ANY_TEXTURE

# --- Things along the walls of rooms: furniture, doors, windows, pictures.


class WallThing(NamedTuple):
    """Sizes of a thing that stands or hangs at a wall."""

    textures: Texture  # of its front
    half_width: Range  # along the wall
    height: Range  # of all of it
    depth: Range  # away from the wall
    foot: Range = (0.0, 0.0)  # height of its lower edge


WINDOW = WallThing(('clouds', 'plain'), (0.4, 1.0), (0.9, 1.5), (0.02, 0.08), (0.8, 1.0))
SCREEN = WallThing(('screen', 'text'), (0.25, 0.7), (0.4, 0.9), (0.03, 0.08), (0.9, 1.3))
# Chests, wardrobes, bookcases, shelves, doors, windows, radiators, sofas, posters, curtains.
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
FRONT = Material(('plain',), fit=True, contrast=0.9)
WINDOW_GLOW = (0.0, 2.5)
PER_WALL = 5  # places along each wall
WALL_CHANCE = 0.8  # probability of a thing at each
WALL_WIDEST = 0.48  # greatest half width / part of the wall that a thing has
WALL_OVERLAP = 0.15  # by which it may be wider, m
WALL_SHIFT = 0.3  # greatest shift along the wall / part of the wall that a thing has
BELOW_CEILING = 0.05

# A second row above: pictures, notices, cupboards, small shelves.
DECOR_SIZES = ((0.08, 0.4), (1.15, 1.8))  # half height, height of the lower edge
DECOR_HALF_WIDTH = (0.08, 0.5)
DECOR_WIDEST, DECOR_SHIFT = 0.5, 0.5  # greatest half width, shift / part of the wall
DECOR_THINNEST, DECOR_THICKNESS = 0.008, 0.18  # least half thickness, and added to that, m
DECOR_CHANCE = 0.55  # probability of each
DECOR_FRONT = Material(
    ('poster', 'poster', 'text', 'print', 'doors', 'books', 'goods', 'screen', 'sign'),
    fit=True,
    contrast=0.95,
    vivid=0.9,
)

# Things on furniture that is low and deep enough.
ON_TOP_NUMBER = 2  # things on each
ON_TOP_SIZE = (0.04, 0.25)  # half height, m, uniform over ratios
ON_TOP_WIDTH = (0.3, 1.0)  # half width / half height
ON_TOP_ASIDE = 0.8  # greatest way to either side / half width of the furniture
ON_TOP_HIGHEST, ON_TOP_NARROWEST = 1.7, 0.2  # greatest height, least depth of the furniture
ON_TOP_CHANCE = 0.7  # probability of each
ON_TOP_KINDS = (BOX, BOX, CYLINDER, ELLIPSOID)
ON_TOP_MATERIAL = Material(ANY_TEXTURE)


class WallSlots(NamedTuple):
    """Places along one wall, one in each of its parts."""

    end: bool  # whether the wall is the far one, across the room's length
    sign: int  # -1 for the left wall, else 1
    start: Array  # beginning of the wall, ``[B, 1]`` along it
    part: Array  # length of each place, ``[B, 1]``

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
    half_w = np.minimum(half_w, WALL_WIDEST * wall.part + WALL_OVERLAP)
    middle = wall.start + wall.part * (np.arange(number) + 0.5)
    along = middle + sampler.symmetric(number, WALL_SHIFT) * wall.part
    tall = np.minimum(tall, room.height - foot - BELOW_CEILING)
    tiles = front_tiles(WALL_THINGS)
    variant = tiles[row, (sampler(number) * tiles.shape[1]).astype(np.int64)]
    front = site.materials.sample(FRONT, number, (2 * half_w, tall))
    front[..., Column.TEXTURE] = variant * atlas.TEXELS
    window, screen = row == WALL_THINGS.index(WINDOW), row == WALL_THINGS.index(SCREEN)
    window_glow, screen_glow = sampler.uniform(number, WINDOW_GLOW), sampler(number)
    front[..., Column.GLOW] = np.where(window, window_glow, np.where(screen, screen_glow, 0))
    mask = sampler.chance(number, WALL_CHANCE)
    frame = wall.pose(room, along, deep / 2)
    thing = Part((0.0, foot + tall / 2, 0.0), (half_w, tall / 2, deep / 2), front)
    site.primitives.add_parts(frame, mask, [thing])
    _add_decor(site, room, wall, along)
    for _ in range(ON_TOP_NUMBER):
        _add_thing_on_top(site, wall, frame, (half_w, foot + tall, deep), mask)


def _add_decor(site: Site, room: Room, wall: WallSlots, along: Array) -> None:
    sampler, number = site.sampler, PER_WALL
    high, low = sampler.uniforms(number, *DECOR_SIZES)
    high = np.minimum(high, (room.height - low) / 2 - 0.02)
    broad = np.minimum(sampler.uniform(number, DECOR_HALF_WIDTH), DECOR_WIDEST * wall.part)
    thick = sampler(number) ** 3 * DECOR_THICKNESS + DECOR_THINNEST
    aside = along + sampler.symmetric(number, DECOR_SHIFT) * wall.part
    front = site.materials.sample(DECOR_FRONT, number, (2 * broad, 2 * high))
    part = Part((0.0, low + high, 0.0), (broad, high, thick), front)
    frame = wall.pose(room, aside, thick)
    site.primitives.add_parts(frame, sampler.chance(number, DECOR_CHANCE), [part])


def _add_thing_on_top(
    site: Site, wall: WallSlots, frame: Frame, sizes: tuple[Array, Array, Array], mask: Array
) -> None:
    sampler, number, (half_w, high, deep) = site.sampler, PER_WALL, sizes
    size = sampler.log_uniform(number, ON_TOP_SIZE)
    aside = sampler.symmetric(number, ON_TOP_ASIDE) * half_w
    shift_x, shift_z = (aside, 0.0) if wall.end else (0.0, aside)
    at = Frame(frame.x + shift_x, 0.0, frame.z + shift_z, frame.heading)
    half = (size * sampler.uniform(number, ON_TOP_WIDTH), size, np.minimum(size, deep / 2))
    material = site.materials.sample(ON_TOP_MATERIAL, number, 2 * size)
    part = Part((0.0, high + size, 0.0), half, material, sampler.kinds(number, ON_TOP_KINDS))
    mask = mask & (high < ON_TOP_HIGHEST) & (deep > ON_TOP_NARROWEST)
    site.primitives.add_parts(at, mask & sampler.chance(number, ON_TOP_CHANCE), [part])


# --- Open shelves with boards, and things of their own on each board.

SHELF_CHANCE = 0.6  # probability of a shelf in a room
SHELF_SIZES = ((0.4, 0.7), (1.2, 2.1))  # half width, height
SHELF_DEPTH = (0.24, 0.38)
SHELF_BOARDS = 5  # number of them
SHELF_HALF_BOARD = 0.012  # half thickness
SHELF_PLACEMENT = WallPlacement(far=0.5, aside=0.9)
SHELF_BOARD = Material(('wood', 'plain'), (0.5, 1.5))

# Two groups of things on each board.
GOODS_SIDES = (-0.5, 0.5)  # middles of the groups / half width of the shelf
GOODS_HALF_WIDTH = (0.15, 0.45)  # half width / half width of the shelf
GOODS_HALF_HEIGHT = (0.25, 0.45)  # half height / height between two boards
GOODS_SHIFT = 0.1  # greatest shift to either side / half width of the shelf
GOODS_ALONG = 0.05  # greatest shift in depth, m
GOODS_DEPTH = (0.4, 0.8)  # half depth / half depth of the shelf
GOODS_WIDER = (1, 2)  # width of a texture's tile / width of the group
GOODS_KINDS = (BOX, BOX, BOX, CYLINDER)
GOODS_CHANCE = 0.8  # probability of each group
GOODS_MATERIAL = Material(
    ('books', 'goods', 'poster', 'text', 'stripes', 'plain', 'doors'), fit=True, contrast=0.95
)


def add_shelf(site: Site, room: Room) -> None:
    """Add a shelf at the far wall or a side wall of most rooms."""
    sampler, number = site.sampler, SHELF_BOARDS
    mask = sampler.chance(1, SHELF_CHANCE)
    half_w, tall = sampler.uniforms(1, *SHELF_SIZES)
    deep = sampler.uniform(1, SHELF_DEPTH)
    frame = room.at_wall(sampler, SHELF_PLACEMENT, half_w, deep / 2, np.int64)
    board, thin = site.materials.sample(SHELF_BOARD, 1), SHELF_HALF_BOARD
    level = np.arange(number, dtype=np.float32) * (tall / number)
    edge = half_w * np.array([-1, 1], np.float32)
    parts = [
        Part((0.0, level + 0.02, 0.0), (half_w, thin, deep / 2), repeat(board, number)),
        Part((edge, tall / 2, 0.0), (thin, tall / 2, deep / 2), repeat(board, 2)),
        Part((0.0, tall / 2, deep / 2 - 0.01), (half_w, tall / 2, 0.006), board),
    ]
    site.primitives.add_parts(frame, mask, parts)
    for side in GOODS_SIDES:
        _fill_shelf(site, frame, mask, side, (half_w, tall, deep))


def _fill_shelf(
    site: Site, frame: Frame, mask: Array, side: float, sizes: tuple[Array, Array, Array]
) -> None:
    sampler, number, (half_w, tall, deep) = site.sampler, SHELF_BOARDS, sizes
    level = np.arange(number, dtype=np.float32) * (tall / number)
    wide = half_w * sampler.uniform(number, GOODS_HALF_WIDTH)
    high = tall / number * sampler.uniform(number, GOODS_HALF_HEIGHT)
    aside = half_w * (side + sampler.symmetric(number, GOODS_SHIFT))
    place = (aside, level + 0.032 + high, sampler.symmetric(number, GOODS_ALONG))
    half = (wide, high, deep / 2 * sampler.uniform(number, GOODS_DEPTH))
    tile = (2 * wide * sampler.uniform(number, GOODS_WIDER), 2 * high)
    goods = site.materials.sample(GOODS_MATERIAL, number, tile)
    part = Part(place, half, goods, sampler.kinds(number, GOODS_KINDS))
    site.primitives.add_parts(frame, mask & sampler.chance(number, GOODS_CHANCE), [part])
