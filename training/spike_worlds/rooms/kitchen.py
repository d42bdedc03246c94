# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kitchens: worktop and cabinets, cupboards, refrigerator, notes on the wall, second block."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_worlds.building.light import Site
from spike_worlds.building.materials import Extent, Material
from spike_worlds.building.primitives import Frame, Part
from spike_worlds.building.sampler import ALL, Value
from spike_worlds.rooms.config import Room, RoomConfig, WallPlacement
from spike_worlds.scene import BOX, CYLINDER, ELLIPSOID, Array
from spike_worlds.things import ANY_TEXTURE, SmallThings

# A worktop over cabinets.
WORKTOP_HALF_DEPTH = (0.28, 0.34)
WORKTOP_HEIGHT = (0.82, 0.95)  # of the cabinets
WORKTOP_ASIDE = 0.8  # greatest way from the middle of the far wall / its free length
WORKTOP_PLATE_LIFT = 0.018  # from the cabinets to the middle of the worktop
WORKTOP_HALF_PLATE = 0.02  # half thickness of the worktop
WORKTOP_HOB_ASIDE = 0.6  # greatest way of the hob from the middle / half length of the worktop

# Cupboards above a worktop, a panel in the gap between, a refrigerator at the end of it.
CUPBOARD_SIZES = ((0.28, 0.42), (0.45, 0.6))  # half height, gap between worktop and cupboards
CUPBOARD_HALF_DEPTH = 0.17
CUPBOARD_ASIDE = 0.3  # greatest way of their middle from the middle of the worktop, m
FRIDGE_CHANCE = 0.6
FRIDGE_HALF_HEIGHT = (0.7, 0.95)

# Notes, pictures and small shelves over a worktop without cupboards.
NOTES_CHANCE = 0.85  # probability of each
NOTES_SIZES = ((0.04, 0.25), (0.04, 0.25))  # half height, half width
NOTES_THINNEST, NOTES_THICKNESS = 0.006, 0.1  # least half thickness, and range above it
NOTES_LIFT, NOTES_RAISED = 0.1, (0.0, 0.8)  # least height above the cabinets, and more, m

# A second block, out in the room or on along the side.
BLOCK_ISLAND = 0.35  # probability that it stands out in the room
BLOCK_HALF_LENGTH = (0.6, 1.4)
BLOCK_ASIDE = 0.5  # greatest way of an island from the middle / half length of the worktop
BLOCK_AWAY = (1.2, 2.0)  # of an island from the wall's worktop
BLOCK_OVERHANG = 0.03  # of its worktop
FRONT_TILE = Extent((0.8, 1.3), 0.8)
PLATE = Material(('wood', 'plaster', 'plain', 'gravel', 'slabs'), (0.5, 1.5))
PANEL = Material(('tiles', 'tiles', 'bricks', 'plain'), (0.6, 1.4))
STEEL = Material(('plain', 'door'), 1.0, contrast=0.3)
HOB = Material(('plain', 'ribs', 'checks'), 0.4)
NOTE = Material((*ANY_TEXTURE, 'goods', 'books'), fit=True, contrast=0.95, vivid=0.9)
THINGS = SmallThings(
    size=(0.03, 0.16),
    width=(0.3, 1.2),
    height=(0.5, 1.4),
    depth=(0.3, 1.0),
    aside=0.95,
    along=(-0.7, 0.6),
    chance=0.8,
    kinds=(BOX, BOX, CYLINDER, CYLINDER, ELLIPSOID),
    material=Material(ANY_TEXTURE, fit=True),
    number=9,
)
BLOCK_THINGS = THINGS._replace(aside=0.9, along=(-0.9, 0.9), chance=0.7, number=6)


class _Kitchen(NamedTuple):
    """Kitchen in construction: its poses and masks, sizes, materials."""

    frame: Frame
    mask: Array
    half_w: Array
    deep: Array
    top: Array
    fronts: Array
    plate: Array


def add_kitchen(site: Site, room: Room, config: RoomConfig) -> None:
    """Add a kitchen at the far wall or a side wall of some rooms."""
    sampler, sample = site.sampler, site.materials.sample
    mask = sampler.chance(1, config.kitchens)
    half_w, deep, top = sampler.uniforms(1, config.worktop, WORKTOP_HALF_DEPTH, WORKTOP_HEIGHT)
    frame = room.at_wall(sampler, WallPlacement(config.facing, WORKTOP_ASIDE), half_w, deep)
    front = Material(config.fronts, FRONT_TILE, fit=True, contrast=config.fronts_contrast)
    fronts = sample(front, 2)
    plate, panel, steel, hob = (sample(kind, 1) for kind in (PLATE, PANEL, STEEL, HOB))
    kitchen = _Kitchen(frame, mask, half_w, deep, top, fronts, plate)
    upper, gap = sampler.uniforms(1, *CUPBOARD_SIZES)
    upper = np.minimum(upper, (room.height - top - gap) / 2)
    hangs = mask & sampler.chance(1, config.cupboards)
    cools = mask & sampler.chance(1, FRIDGE_CHANCE)
    _add_block(site, kitchen, mask, (0.0, 0.0), (half_w, deep))
    screen = Part((0.0, top + gap / 2 + 0.03, deep - 0.01), (half_w, gap / 2, 0.006), panel)
    aside = sampler.symmetric(1, CUPBOARD_ASIDE)
    cupboard = Part(
        (aside, top + gap + upper, deep - CUPBOARD_HALF_DEPTH),
        (half_w * 0.85, upper, CUPBOARD_HALF_DEPTH),
        fronts[:, 1:],
    )
    tall = sampler.uniform(1, FRIDGE_HALF_HEIGHT)
    fridge = Part((half_w + 0.34, tall, 0.0), (0.31, tall, 0.32), steel)
    aside = sampler.symmetric(1, WORKTOP_HOB_ASIDE) * half_w
    cooker = Part((aside, top + 0.036, 0.0), (0.27, 0.003, 0.22), hob)
    for part, chosen in ((screen, mask), (cupboard, hangs), (fridge, cools), (cooker, mask)):
        site.primitives.add_parts(frame, chosen, [part])
    _add_things(site, kitchen, mask, THINGS, (0.0, 0.0), (half_w, deep))
    if config.notes:
        _add_notes(site, kitchen, mask & ~hangs, config.notes)
    if config.blocks:
        _add_second_block(site, kitchen, config.blocks)


def _add_block(
    site: Site, kitchen: _Kitchen, mask: Array, at: tuple[Value, Value], half: tuple[Array, Array]
) -> None:
    """Add cabinets with a worktop against the wall."""
    top, inset, fronts = kitchen.top, 0.02, kitchen.fronts[:, :1]
    cabinets = Part((at[0], top / 2, inset), (half[0], top / 2, half[1] - inset), fronts)
    size = (half[0] + 0.02, WORKTOP_HALF_PLATE, half[1])
    plate = Part((at[0], top + WORKTOP_PLATE_LIFT, at[1]), size, kitchen.plate)
    site.primitives.add_parts(kitchen.frame, mask, [cabinets, plate])


def _add_things(
    site: Site,
    kitchen: _Kitchen,
    mask: Array,
    things: SmallThings,
    at: tuple[Value, Value],
    half: tuple[Array, Array],
) -> None:
    """Add small things on a worktop of given middle and half sizes."""
    sampler, number = site.sampler, things.number
    size = sampler.log_uniform(number, things.size)
    tall = size * sampler.uniform(number, things.height)
    aside = at[0] + sampler.symmetric(number, things.aside) * half[0]
    along = at[1] + sampler.uniform(number, things.along) * half[1]
    wide = size * sampler.uniform(number, things.width)
    deep = size * sampler.uniform(number, things.depth)
    material = site.materials.sample(things.material, number, 2 * size)
    mask = mask & sampler.chance(number, things.chance)
    place = (aside, kitchen.top + 0.038 + tall, along)
    thing = Part(place, (wide, tall, deep), material, sampler.kinds(number, things.kinds))
    site.primitives.add_parts(kitchen.frame, mask, [thing])


def _add_notes(site: Site, kitchen: _Kitchen, mask: Array, number: int) -> None:
    """Add notes to the wall."""
    sampler = site.sampler
    high, broad = sampler.uniforms(number, *NOTES_SIZES)
    thick = sampler(number) ** 2 * NOTES_THICKNESS + NOTES_THINNEST
    raised = kitchen.top + NOTES_LIFT + high + sampler.uniform(number, NOTES_RAISED)
    aside = sampler.uniform(number, ALL) * kitchen.half_w
    material = site.materials.sample(NOTE, number, (2 * broad, 2 * high))
    note = Part((aside, raised, kitchen.deep - thick - 0.01), (broad, high, thick), material)
    site.primitives.add_parts(kitchen.frame, mask & sampler.chance(number, NOTES_CHANCE), [note])


def _add_second_block(site: Site, kitchen: _Kitchen, chance: float) -> None:
    """Add another block of cabinets with things on it."""
    sampler, deep, half_w, top = site.sampler, kitchen.deep, kitchen.half_w, kitchen.top
    mask, island = kitchen.mask & sampler.chance(1, chance), sampler.chance(1, BLOCK_ISLAND)
    long, hand = sampler.uniform(1, BLOCK_HALF_LENGTH), sampler.signs(1)
    x = np.where(island, sampler.symmetric(1, BLOCK_ASIDE) * half_w, hand * (half_w - deep))
    z = np.where(island, -sampler.uniform(1, BLOCK_AWAY), -long - deep)
    wide, far = np.where(island, long, deep), np.where(island, deep, long)
    cabinets = Part((x, top / 2, z), (wide, top / 2, far), kitchen.fronts[:, :1])
    size = (wide + BLOCK_OVERHANG, WORKTOP_HALF_PLATE, far + BLOCK_OVERHANG)
    plate = Part((x, top + WORKTOP_PLATE_LIFT, z), size, kitchen.plate)
    site.primitives.add_parts(kitchen.frame, mask, [cabinets, plate])
    _add_things(site, kitchen, mask, BLOCK_THINGS, (x, z), (wide, far))
