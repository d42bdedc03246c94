# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kitchens: worktop and cabinets, cupboards, refrigerator, notes on the wall, second block."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Extent, Material
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import ALL, Range, Value
from spike_training.scenes.rooms.config import Room, RoomConfig, WallPlacement
from spike_training.scenes.scene import BOX, CYLINDER, ELLIPSOID, Array
from spike_training.scenes.things.small import ANY_TEXTURE, SmallThings


class WorktopConfig(NamedTuple):
    """A worktop over cabinets. Lengths in metres.

    Attributes:
        half_depth: Limits.
        height: Of the cabinets.
        aside: Greatest way from the middle of the far wall, over the free length.

        front_inset: Of the cabinets below the edge of the worktop.
        plate_lift: From the cabinets to the middle of the worktop.
        half_plate: Half thickness of the worktop.
        overhang: Of the worktop over the cabinets at its ends.
        surface: Height of things' feet over the cabinets.
        hob_lift: Height of the hob over the cabinets.
        hob: Half sizes of the hob.
        hob_aside: Greatest way of the hob from the middle, over the half length.
    """

    half_depth: Range = (0.28, 0.34)
    height: Range = (0.82, 0.95)
    aside: float = 0.8

    front_inset: float = 0.02
    plate_lift: float = 0.018
    half_plate: float = 0.02
    overhang: float = 0.02
    surface: float = 0.038
    hob_lift: float = 0.036
    hob: tuple[float, float, float] = (0.27, 0.003, 0.22)
    hob_aside: float = 0.6


class AboveConfig(NamedTuple):
    """Panel and cupboards above a worktop. Lengths in metres.

    Attributes:
        half_height: Of the cupboards.
        half_depth: Of the cupboards.
        aside: Greatest way of their middle from that of the worktop.
        width: Over the length of the worktop.
        gap: Between worktop and cupboards, which the panel fills.
        panel_lift: Of the panel over the cabinets.
        panel_inset: Of its middle from the wall.
        half_panel: Half thickness.
    """

    half_height: Range = (0.28, 0.42)
    half_depth: float = 0.17
    aside: float = 0.3
    width: float = 0.85
    gap: Range = (0.45, 0.6)
    panel_lift: float = 0.03
    panel_inset: float = 0.01
    half_panel: float = 0.006


class FridgeConfig(NamedTuple):
    """A refrigerator at the end of the worktop. Lengths in metres.

    Attributes:
        chance: Probability.
        half_height: Limits.
        half_width: Of all.
        half_depth: Of all.
        away: From the end of the worktop to the refrigerator's middle.
    """

    chance: float = 0.6
    half_height: Range = (0.7, 0.95)
    half_width: float = 0.31
    half_depth: float = 0.32
    away: float = 0.34


class NotesConfig(NamedTuple):
    """Notes, pictures and small shelves over a worktop without cupboards. Lengths in metres.

    Attributes:
        chance: Probability of each.
        half_height: Limits.
        half_width: Limits.
        thickness: Greatest half thickness above the least.
        thinnest: Least half thickness.
        lift: Least height over the cabinets.
        raised: Added to that.
        gap: To the wall.
    """

    chance: float = 0.85
    half_height: Range = (0.04, 0.25)
    half_width: Range = (0.04, 0.25)
    thickness: float = 0.1
    thinnest: float = 0.006
    lift: float = 0.1
    raised: Range = (0.0, 0.8)
    gap: float = 0.01


class BlockConfig(NamedTuple):
    """A second block, out in the room or on along the side. Lengths in metres.

    Attributes:
        island: Probability that it stands out in the room.
        half_length: Limits.
        aside: Greatest way of an island from the middle, over the worktop's half length.
        away: Of an island from the wall's worktop.
        overhang: Of its worktop.
    """

    island: float = 0.35
    half_length: Range = (0.6, 1.4)
    aside: float = 0.5
    away: Range = (1.2, 2.0)
    overhang: float = 0.03


WORKTOP, ABOVE, FRIDGE = WorktopConfig(), AboveConfig(), FridgeConfig()
NOTES, BLOCK = NotesConfig(), BlockConfig()
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
    """Kitchen in construction: its poses and masks, sizes in metres, materials."""

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
    half_w, deep, top = sampler.uniforms(1, config.worktop, WORKTOP.half_depth, WORKTOP.height)
    frame = room.at_wall(sampler, WallPlacement(config.facing, WORKTOP.aside), half_w, deep)
    front = Material(config.fronts, FRONT_TILE, fit=True, contrast=config.fronts_contrast)
    fronts = sample(front, 2)
    plate, panel, steel, hob = (sample(kind, 1) for kind in (PLATE, PANEL, STEEL, HOB))
    kitchen = _Kitchen(frame, mask, half_w, deep, top, fronts, plate)
    upper, gap = sampler.uniforms(1, ABOVE.half_height, ABOVE.gap)
    upper = np.minimum(upper, (room.height - top - gap) / 2)
    hangs = mask & sampler.chance(1, config.cupboards)
    cools = mask & sampler.chance(1, FRIDGE.chance)
    _add_block(site, kitchen, mask, (0.0, 0.0), (half_w, deep))
    panel_z = deep - ABOVE.panel_inset
    screen = Part(
        (0.0, top + gap / 2 + ABOVE.panel_lift, panel_z),
        (half_w, gap / 2, ABOVE.half_panel),
        panel,
    )
    aside = sampler.symmetric(1, ABOVE.aside)
    cupboard = Part(
        (aside, top + gap + upper, deep - ABOVE.half_depth),
        (half_w * ABOVE.width, upper, ABOVE.half_depth),
        fronts[:, 1:],
    )
    tall = sampler.uniform(1, FRIDGE.half_height)
    fridge = Part(
        (half_w + FRIDGE.away, tall, 0.0), (FRIDGE.half_width, tall, FRIDGE.half_depth), steel
    )
    aside = sampler.symmetric(1, WORKTOP.hob_aside) * half_w
    cooker = Part((aside, top + WORKTOP.hob_lift, 0.0), WORKTOP.hob, hob)
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
    top, inset = kitchen.top, WORKTOP.front_inset
    cabinets = Part(
        (at[0], top / 2, inset), (half[0], top / 2, half[1] - inset), kitchen.fronts[:, :1]
    )
    plate = Part(
        (at[0], top + WORKTOP.plate_lift, at[1]),
        (half[0] + WORKTOP.overhang, WORKTOP.half_plate, half[1]),
        kitchen.plate,
    )
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
    place = (aside, kitchen.top + WORKTOP.surface + tall, along)
    thing = Part(place, (wide, tall, deep), material, sampler.kinds(number, things.kinds))
    site.primitives.add_parts(kitchen.frame, mask, [thing])


def _add_notes(site: Site, kitchen: _Kitchen, mask: Array, number: int) -> None:
    """Add notes to the wall."""
    sampler = site.sampler
    high, broad = sampler.uniforms(number, NOTES.half_height, NOTES.half_width)
    thick = sampler(number) ** 2 * NOTES.thickness + NOTES.thinnest
    raised = kitchen.top + NOTES.lift + high + sampler.uniform(number, NOTES.raised)
    aside = sampler.uniform(number, ALL) * kitchen.half_w
    note = Part(
        (aside, raised, kitchen.deep - thick - NOTES.gap),
        (broad, high, thick),
        site.materials.sample(NOTE, number, (2 * broad, 2 * high)),
    )
    site.primitives.add_parts(kitchen.frame, mask & sampler.chance(number, NOTES.chance), [note])


def _add_second_block(site: Site, kitchen: _Kitchen, chance: float) -> None:
    """Add another block of cabinets with things on it."""
    sampler, deep, half_w, top = site.sampler, kitchen.deep, kitchen.half_w, kitchen.top
    mask, island = kitchen.mask & sampler.chance(1, chance), sampler.chance(1, BLOCK.island)
    long, hand = sampler.uniform(1, BLOCK.half_length), sampler.signs(1)
    x = np.where(island, sampler.symmetric(1, BLOCK.aside) * half_w, hand * (half_w - deep))
    z = np.where(island, -sampler.uniform(1, BLOCK.away), -long - deep)
    wide, far = np.where(island, long, deep), np.where(island, deep, long)
    cabinets = Part((x, top / 2, z), (wide, top / 2, far), kitchen.fronts[:, :1])
    plate = Part(
        (x, top + WORKTOP.plate_lift, z),
        (wide + BLOCK.overhang, WORKTOP.half_plate, far + BLOCK.overhang),
        kitchen.plate,
    )
    site.primitives.add_parts(kitchen.frame, mask, [cabinets, plate])
    _add_things(site, kitchen, mask, BLOCK_THINGS, (x, z), (wide, far))
