# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables with things or a screen on them, chairs around them, and single chairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_worlds.building.light import Site
from spike_worlds.building.materials import Extent, Grey, Material, choose, shade
from spike_worlds.building.primitives import Frame, Part, corner_parts
from spike_worlds.building.sampler import QUARTER_TURN
from spike_worlds.rooms.config import Placement, Room, RoomConfig
from spike_worlds.scene import CYLINDER, Array
from spike_worlds.things import ANY_TEXTURE, MOST_BOXES, SmallThings

# --- Tables with things, and on some of them a screen with its keyboard.

TABLES = 2
TABLE_PLACEMENT = Placement((1.1, 4.5), 0.9, 0.5)
TABLE_ASIDE = 0.3  # greatest way from the camera's view to a table that it stands behind
TABLE_SIZES = ((0.4, 0.95), (0.28, 0.5))  # half width, half depth
TABLE_TOP_SIZES = ((0.42, 0.78), (0.012, 0.03))  # height, half thickness of the top
TABLE_DESK_HEIGHT = (0.7, 0.78)  # of a table that the camera stands behind
TABLE_HALF_LEG = (0.015, 0.035)  # half thickness of a leg
TABLE_INSET = 0.06  # from the edge to the middle of a leg
TABLE_TOP = Material(('wood', 'plain', 'planks', 'plaster', 'weave'), (0.5, 1.5))
SCREEN_SIZES = ((0.17, 0.35), (0.11, 0.22))  # half width, half height
SCREEN_ASIDE = 0.4  # greatest way to either side / half width of the table
SCREEN_STAND = (0.03, 0.06, 0.02)  # half sizes
SCREEN_KEYBOARD = (0.21, 0.01, 0.07)  # half sizes
SCREEN_PICTURE = Material(('screen',), fit=True, contrast=1.0, glow=(0, 1.5))
SCREEN_METAL = Material(('plain',), bright=Grey((0.02, 0.3)))
SCREEN_KEYS = Material(('keys',), Extent(0.42, 0.14), fit=True, contrast=0.9)
THINGS = SmallThings(
    size=(0.02, 0.16),  # the greatest is a setting of rooms
    width=(0.3, 1.6),
    height=(0.15, 1.2),
    depth=(0.3, 1.2),
    aside=0.9,
    along=(-0.85, 0.85),
    chance=0.75,
    kinds=MOST_BOXES,
    material=Material((*ANY_TEXTURE, 'books', 'keys'), fit=True),
    number=9,
)


def place_tables(site: Site, room: Room, config: RoomConfig) -> Frame:
    """Sample poses of two tables, the first of them before a camera that stands behind one."""
    sampler = site.sampler
    tables = room.ahead(sampler, TABLES, TABLE_PLACEMENT)
    aside, away = sampler.symmetric(1, TABLE_ASIDE), sampler.uniform(1, config.desk_distance)
    x, _, z = room.view.at(aside, 0.0, away)
    tables.x, tables.z = tables.x.copy(), tables.z.copy()
    tables.x[:, :1] = np.where(room.desk, x, tables.x[:, :1])
    tables.z[:, :1] = np.where(room.desk, z, tables.z[:, :1])
    return tables


def add_tables(
    site: Site, room: Room, table: Frame, config: RoomConfig
) -> tuple[Array, tuple[Array, Array]]:
    """Add tables with things on them; return those that exist, and half widths and depths."""
    sampler = site.sampler
    mask = sampler.chance(TABLES, config.tables)
    mask[:, :1] |= room.desk
    half_w, half_d = sampler.uniforms(TABLES, *TABLE_SIZES)
    top, thick = sampler.uniforms(TABLES, *TABLE_TOP_SIZES)
    top[:, :1] = np.where(room.desk, sampler.uniform(1, TABLE_DESK_HEIGHT), top[:, :1])
    material = site.materials.sample(TABLE_TOP, TABLES)
    plate = Part((0.0, top - thick, 0.0), (half_w, thick, half_d), material)
    site.primitives.add_parts(table, mask, [plate])
    site.ground.shadow(table, half_w, top, mask)
    leg, tall = sampler.uniform(TABLES, TABLE_HALF_LEG), top / 2 - thick
    aside, along = half_w - TABLE_INSET, half_d - TABLE_INSET
    legs = corner_parts(aside, tall, along, (leg, tall, leg), material)
    site.primitives.add_parts(table, mask, legs)
    for _ in range(THINGS.number):
        _add_thing(site, table, mask, (half_w, top, half_d), material, config.table_things)
    _add_screen(site, table, mask & sampler.chance(TABLES, config.screens), (half_w, top, half_d))
    return mask, (half_w, half_d)


def _add_thing(
    site: Site,
    table: Frame,
    mask: Array,
    sizes: tuple[Array, Array, Array],
    surface: Array,
    largest: float,
) -> None:
    """Add a thing to each table, with its shadow."""
    sampler, (half_w, top, half_d) = site.sampler, sizes
    size = sampler.log_uniform(TABLES, (THINGS.size[0], largest))
    ratios = sampler.uniforms(TABLES, THINGS.width, THINGS.height, THINGS.depth)
    x, y, z = (size * ratio for ratio in ratios)
    aside = sampler.symmetric(TABLES, THINGS.aside) * half_w
    along = sampler.uniform(TABLES, THINGS.along) * half_d
    item = mask & sampler.chance(TABLES, THINGS.chance)
    half = (x * 1.25 + 0.01, 0.001, z * 1.25 + 0.01)
    dark = shade(surface, aside, along, np.repeat(site.ground.share, TABLES, 1))
    shadow = Part((aside, top + 0.0005, along), half, dark, CYLINDER)
    site.primitives.add_parts(table, item, [shadow])
    site.primitives.add(
        table.at(aside, top + y, along),
        (x, y, z),
        site.materials.sample(THINGS.material, TABLES, 2 * size),
        kind=sampler.kinds(TABLES, THINGS.kinds),
        heading=sampler.headings(TABLES),
        mask=item,
    )


def _add_screen(site: Site, table: Frame, mask: Array, sizes: tuple[Array, Array, Array]) -> None:
    """Add a screen on its stand and a keyboard."""
    sampler, materials, (half_w, top, half_d) = site.sampler, site.materials, sizes
    wide, tall = sampler.uniforms(TABLES, *SCREEN_SIZES)
    aside = sampler.symmetric(TABLES, SCREEN_ASIDE) * half_w
    picture = materials.sample(SCREEN_PICTURE, TABLES, (2 * wide, 2 * tall))
    stand, keys = materials.sample(SCREEN_METAL, TABLES), materials.sample(SCREEN_KEYS, TABLES)
    parts = [
        Part((aside, top + 0.08 + tall, 0.5 * half_d), (wide, tall, 0.015), picture),
        Part((aside, top + SCREEN_STAND[1], 0.55 * half_d), SCREEN_STAND, stand),
        Part((aside, top + SCREEN_KEYBOARD[1], -0.3 * half_d), SCREEN_KEYBOARD, keys),
    ]
    site.primitives.add_parts(table, mask, parts)


# --- Chairs: sets of them at tables, and single ones anywhere.

# Chairs alike on both sides of a table, with backs of three rails.
DINING_SIZES = ((0.19, 0.24), (0.42, 0.48), (0.36, 0.56))  # half seat, its height, back above it
DINING_RAILS = (0.34, 0.14, 0.1)  # half heights of the rails / half of the room of each
DINING_UNCOVERED = 0.5  # probability of a seat of the chair's own wood
DINING_ASIDE = (-0.5, 0.5)  # places on each side of the table / its half width
DINING_SPREAD = (0.8, 1.2)  # factor on them
DINING_AWAY = (-0.15, 0.35)  # from the edge of the table to the middle of the chair
DINING_TURNED = 0.3  # greatest angle to the table
DINING_CHANCE = 0.75  # probability of each chair
DINING_PAIR_WIDTH = 0.55  # half width of tables that two chairs fit on either side of
DINING_RAIL_HEIGHTS = (0.35, 0.64, 0.93)  # of the rails above the seat / height of the back
DINING_HALF_SEAT, DINING_HALF_RAIL = 0.025, 0.015  # half thickness
DINING_WOOD = Material(('wood', 'plain', 'plain'), (0.3, 1.5), contrast=0.5)
DINING_COVER = Material(('weave', 'plain', 'wood'), (0.2, 0.8))

# Single chairs with a closed back.
CHAIRS = 3  # places for them
CHAIR_CHANCE = 0.7  # probability of each
CHAIR_SIZES = ((0.18, 0.25), (0.4, 0.5), (0.12, 0.3))  # half seat, its height, half back
CHAIR_HALF_SEAT = (0.015, 0.05)  # half thickness of the seat
CHAIR_BACK_GAP = 0.15  # between seat and back
CHAIR_INSET = 0.03  # from the edge of the seat to the middle of a leg
CHAIR_HALF_LEG = 0.016  # half thickness of a leg
CHAIR_REAR_LEGS = 0.2  # height of the rear legs above the seat, m
CHAIR_COVER = Material(('weave', 'plain', 'wood', 'stripes'), (0.2, 0.8))
CHAIR_METAL = Material(('plain', 'wood'), (0.3, 0.8))
CHAIR_PLACEMENT = Placement((1.0, 5.0), 0.9, 0.35)


class _Chairs(NamedTuple):
    """Sampled sizes and materials of the chairs at each table, ``[B, tables]``."""

    half: Array
    seat: Array
    back: Array
    rail: Array
    wood: Array
    cover: Array


def add_dining_chairs(site: Site, table: Frame, mask: Array, sizes: tuple[Array, Array]) -> None:
    """Add chairs on both sides of the masked tables ``[B, k]``, of half widths and depths."""
    sampler, sample, number = site.sampler, site.materials.sample, mask.shape[1]
    half_w, half_d = sizes
    wood, cover = sample(DINING_WOOD, number), sample(DINING_COVER, number)
    cover = choose(sampler.chance(number, DINING_UNCOVERED), wood, cover)
    half, seat, back = sampler.uniforms(number, *DINING_SIZES)
    chairs = _Chairs(half, seat, back, sampler.choose(number, DINING_RAILS), wood, cover)
    for side in (-1, 1):
        for place in DINING_ASIDE:
            aside = place * half_w * sampler.uniform(number, DINING_SPREAD)
            away = side * (half_d + sampler.uniform(number, DINING_AWAY))
            x, _, z = table.at(aside, 0.0, away)
            turned = sampler.symmetric(number, DINING_TURNED)
            heading = table.turned(turned + (0.0 if side > 0 else 2 * QUARTER_TURN))
            chance = sampler.chance(number, DINING_CHANCE)
            fits = (half_w > DINING_PAIR_WIDTH) | (place < 0)
            _add_dining_chair(site, Frame(x, 0.0, z, heading), mask & chance & fits, chairs)


def _add_dining_chair(site: Site, frame: Frame, mask: Array, chairs: _Chairs) -> None:
    half, seat, back, rail, wood, cover = chairs
    site.ground.shadow(frame, half * 1.2, seat, mask)
    post, tall = 0.02, (seat + back) / 2
    parts = [Part((0.0, seat, 0.0), (half, DINING_HALF_SEAT, half), cover)]
    for share in DINING_RAIL_HEIGHTS:
        size = (half, 0.45 * back * rail, DINING_HALF_RAIL)
        parts.append(Part((0.0, seat + back * share, half), size, wood))
    for hand in (-1, 1):
        aside, front = hand * (half - post), -half + 0.03
        parts.append(Part((aside, tall, half), (post, tall, post), wood))
        parts.append(Part((aside, seat / 2, front), (post, seat / 2, post), wood))
    site.primitives.add_parts(frame, mask, parts)


def add_chairs(site: Site, room: Room) -> None:
    """Add single chairs in view."""
    sampler, sample, number = site.sampler, site.materials.sample, CHAIRS
    frame = room.ahead(sampler, number, CHAIR_PLACEMENT)
    mask = sampler.chance(number, CHAIR_CHANCE)
    cover, metal = sample(CHAIR_COVER, number), sample(CHAIR_METAL, number)
    half, seat, back = sampler.uniforms(number, *CHAIR_SIZES)
    frame.heading = sampler.headings(number)
    site.ground.shadow(frame, half * 1.2, seat, mask)
    high = seat + CHAIR_BACK_GAP + back
    parts = [
        Part((0.0, seat, 0.0), (half, sampler.uniform(number, CHAIR_HALF_SEAT), half), cover),
        Part((0.0, high, half), (half, back, 0.02), cover),
    ]
    for x in (-1, 1):
        for z in (-1, 1):
            tall = seat / 2 if z < 0 else (seat + CHAIR_REAR_LEGS) / 2
            place = (x * (half - CHAIR_INSET), tall, z * (half - CHAIR_INSET))
            parts.append(Part(place, (CHAIR_HALF_LEG, tall, CHAIR_HALF_LEG), metal, CYLINDER))
    site.primitives.add_parts(frame, mask, parts)
