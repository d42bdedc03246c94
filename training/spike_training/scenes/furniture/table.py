# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables with things, and on some of them a screen with its keyboard."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Extent, Grey, Material, shade
from spike_training.scenes.building.primitives import Frame, Part, corner_parts
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.rooms.config import Placement, Room, RoomConfig
from spike_training.scenes.scene import CYLINDER, Array
from spike_training.scenes.things.small import ANY_TEXTURE, MOST_BOXES, SmallThings

TABLES = 2
PLACEMENT = Placement((1.1, 4.5), 0.9, 0.5)
BEFORE_CAMERA = 0.3
"""Greatest way from the camera's view to a table that it stands behind, to either side."""


class TableConfig(NamedTuple):
    """Sizes of tables, metres.

    Attributes:
        half_width: Limits.
        half_depth: Limits.
        height: Limits.
        desk_height: Limits of the height of a table that the camera stands behind.
        half_top: Half thickness of the top.
        half_leg: Half thickness of a leg.
        inset: From the edge to the middle of a leg.
    """

    half_width: Range = (0.4, 0.95)
    half_depth: Range = (0.28, 0.5)
    height: Range = (0.42, 0.78)
    desk_height: Range = (0.7, 0.78)
    half_top: Range = (0.012, 0.03)
    half_leg: Range = (0.015, 0.035)
    inset: float = 0.06


class ContactShadow(NamedTuple):
    """Shadow of a thing on the table, metres.

    Attributes:
        wider: Half size over that of the thing.
        rim: Added to that.
        lift: Height of its middle over the top.
        half_height: Half thickness.
    """

    wider: float = 1.25
    rim: float = 0.01
    lift: float = 0.0005
    half_height: float = 0.001


class ScreenConfig(NamedTuple):
    """A screen with its keyboard, metres.

    Attributes:
        half_width: Limits.
        half_height: Limits.
        half_depth: Of the screen.
        aside: Greatest way to either side, over the table's half width.
        lift: Of its lower edge over the table.
        along: Its place over the table's half depth.
        stand: Half sizes of its stand.
        stand_along: Place of the stand over the table's half depth.
        keyboard: Half sizes of the keyboard.
        keyboard_along: Place of the keyboard over the table's half depth.
    """

    half_width: Range = (0.17, 0.35)
    half_height: Range = (0.11, 0.22)
    half_depth: float = 0.015
    aside: float = 0.4
    lift: float = 0.08
    along: float = 0.5
    stand: tuple[float, float, float] = (0.03, 0.06, 0.02)
    stand_along: float = 0.55
    keyboard: tuple[float, float, float] = (0.21, 0.01, 0.07)
    keyboard_along: float = -0.3


TABLE, CONTACT_SHADOW, SCREEN = TableConfig(), ContactShadow(), ScreenConfig()
TOP = Material(('wood', 'plain', 'planks', 'plaster', 'weave'), (0.5, 1.5))
PICTURE = Material(('screen',), fit=True, contrast=1.0, glow=(0, 1.5))
STAND = Material(('plain',), bright=Grey((0.02, 0.3)))
KEYBOARD = Material(('keys',), Extent(0.42, 0.14), fit=True, contrast=0.9)
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
    tables = room.ahead(sampler, TABLES, PLACEMENT)
    aside, away = sampler.symmetric(1, BEFORE_CAMERA), sampler.uniform(1, config.desk_distance)
    x, _, z = room.view.at(aside, 0.0, away)
    tables.x, tables.z = tables.x.copy(), tables.z.copy()
    tables.x[:, :1] = np.where(room.desk, x, tables.x[:, :1])
    tables.z[:, :1] = np.where(room.desk, z, tables.z[:, :1])
    return tables


def add_tables(
    site: Site, room: Room, table: Frame, config: RoomConfig
) -> tuple[Array, tuple[Array, Array]]:
    """Add tables with things on them.

    Returns:
        Mask of the tables that exist; their half widths and half depths, metres.
    """
    sampler = site.sampler
    mask = sampler.chance(TABLES, config.tables)
    mask[:, :1] |= room.desk
    half_w, half_d = sampler.uniforms(TABLES, TABLE.half_width, TABLE.half_depth)
    top, thick = sampler.uniforms(TABLES, TABLE.height, TABLE.half_top)
    top[:, :1] = np.where(room.desk, sampler.uniform(1, TABLE.desk_height), top[:, :1])
    material = site.materials.sample(TOP, TABLES)
    plate = Part((0.0, top - thick, 0.0), (half_w, thick, half_d), material)
    site.primitives.add_parts(table, mask, [plate])
    site.ground.shadow(table, half_w, top, mask)
    leg, tall = sampler.uniform(TABLES, TABLE.half_leg), top / 2 - thick
    aside, along = half_w - TABLE.inset, half_d - TABLE.inset
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
    sampler = site.sampler
    half_w, top, half_d = sizes
    size = sampler.log_uniform(TABLES, (THINGS.size[0], largest))
    x, y, z = (
        size * sampler.uniform(TABLES, limits)
        for limits in (THINGS.width, THINGS.height, THINGS.depth)
    )
    aside = sampler.symmetric(TABLES, THINGS.aside) * half_w
    along = sampler.uniform(TABLES, THINGS.along) * half_d
    item = mask & sampler.chance(TABLES, THINGS.chance)
    wider, rim = CONTACT_SHADOW.wider, CONTACT_SHADOW.rim
    half = (x * wider + rim, CONTACT_SHADOW.half_height, z * wider + rim)
    dark = shade(surface, aside, along, np.repeat(site.ground.share, TABLES, 1))
    shadow = Part((aside, top + CONTACT_SHADOW.lift, along), half, dark, CYLINDER)
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
    sampler, materials = site.sampler, site.materials
    half_w, top, half_d = sizes
    wide, tall = sampler.uniforms(TABLES, SCREEN.half_width, SCREEN.half_height)
    aside = sampler.symmetric(TABLES, SCREEN.aside) * half_w
    picture = materials.sample(PICTURE, TABLES, (2 * wide, 2 * tall))
    stand, keys = materials.sample(STAND, TABLES), materials.sample(KEYBOARD, TABLES)
    parts = [
        Part(
            (aside, top + SCREEN.lift + tall, SCREEN.along * half_d),
            (wide, tall, SCREEN.half_depth),
            picture,
        ),
        Part((aside, top + SCREEN.stand[1], SCREEN.stand_along * half_d), SCREEN.stand, stand),
        Part(
            (aside, top + SCREEN.keyboard[1], SCREEN.keyboard_along * half_d),
            SCREEN.keyboard,
            keys,
        ),
    ]
    site.primitives.add_parts(table, mask, parts)
