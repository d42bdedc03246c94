# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Offices: rooms of the style ``home`` with a block of desks, seen from nearer."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from spike_worlds.building.cameras import (
    FOCAL,
    ROLL,
    sample_flicker,
    sample_jerks,
    sample_rates,
)
from spike_worlds.building.light import Site
from spike_worlds.building.materials import Extent, Grey, Material, repeat
from spike_worlds.building.primitives import Frame, Part, corner_parts
from spike_worlds.building.sampler import QUARTER_TURN, Sampler, cos_sin
from spike_worlds.rooms.config import HOME, Room
from spike_worlds.rooms.room import rooms
from spike_worlds.scene import CYLINDER, ELLIPSOID, Array, Scenes
from spike_worlds.things import GOODS_TEXTURE, MOST_BOXES, SmallThings

# --- Whiteboards with writing and notes, pin boards, large screens.

BOARD_WALLS = (0.0, -1.0, 1.0)  # of each board: 0 for the far wall, else the sign of a side wall
BOARD_SIZES = ((0.5, 1.3), (0.35, 0.6))  # half width, half height
BOARD_ALONG = 0.7  # greatest way from the middle of the wall / its half length
BOARD_SURFACE = Material(
    ('text', 'plain', 'poster', 'screen'), bright=Grey((0.6, 0.95)), fit=True, contrast=0.9
)
BOARD_FRAME = Material(('plain',), 0.6)


def add_boards(site: Site, room: Room) -> None:
    """Add a framed board to each of three walls."""
    sampler, number = site.sampler, len(BOARD_WALLS)
    wide, tall = sampler.uniforms(number, *BOARD_SIZES)
    board = site.materials.sample(BOARD_SURFACE, number, (2 * wide, 2 * tall))
    frame = site.materials.sample(BOARD_FRAME, number)
    side = np.array(BOARD_WALLS, np.float32)
    along = sampler.symmetric(number, BOARD_ALONG)
    for thick, rim, material in ((0.02, 0.025, frame), (0.028, 0.0, board)):
        x = np.where(side == 0, along * room.half_x, side * (room.half_x - thick))
        z = np.where(side == 0, room.half_z - thick, along * room.half_z)
        site.primitives.add(
            (x, 1.5, z),
            (wide + rim, tall + rim, thick),
            material,
            heading=cos_sin(np.broadcast_to(np.abs(side) * QUARTER_TURN, along.shape)),
            mask=room.height > 2.2,
        )


# --- Desks: tops, legs, drawers, computers below; the user sits at the side of negative z.

DESKS = 6  # in a block
DESK_HALF_TOP, DESK_HALF_LEG = 0.015, 0.025  # half thickness
DESK_INSET = 0.05  # from the edge to the middle of a leg
DESK_ENDS = 0.28  # from its end to the middle of drawers and computer, each at one end
DRAWERS_CHANCE, COMPUTER_CHANCE = 0.6, 0.4
DRAWERS = (0.21, 0.29)  # half width and half height
COMPUTER = (0.09, 0.22, 0.2)  # half sizes
DRAWERS_FRONT = Material(('drawers', 'doors', 'plain'), Extent(0.42, 0.6), fit=True, contrast=0.6)


class Desks(NamedTuple):
    """Desks of a block."""

    frame: Frame  # poses, ``[B, DESKS]``
    mask: Array  # those that exist
    half_w: Array  # half width, ``[B, 1]``
    half_d: Array  # half depth
    top: Array  # height


def add_desks(site: Site, desks: Desks, wood: Array, metal: Array) -> None:
    """Add desks of materials ``[B, 1, len(MATERIAL)]``."""
    sampler, add_parts = site.sampler, site.primitives.add_parts
    frame, mask, half_w, half_d, top = desks
    wood, metal = repeat(wood, DESKS), repeat(metal, DESKS)
    site.ground.shadow(frame, half_w, top, mask)
    plate = (half_w, DESK_HALF_TOP, half_d)
    parts = [Part((0.0, top - DESK_HALF_TOP, 0.0), plate, wood)]
    tall = top / 2 - 0.02
    leg = (DESK_HALF_LEG, tall, DESK_HALF_LEG)
    parts += corner_parts(half_w - DESK_INSET, tall, half_d - DESK_INSET, leg, metal)
    panel = (half_w - 0.08, 0.18, 0.008)
    parts.append(Part((0.0, top - 0.25, half_d - 0.04), panel, wood))
    add_parts(frame, mask, parts)

    fronts = site.materials.sample(DRAWERS_FRONT, DESKS)
    aside = sampler.signs(DESKS) * (half_w - DESK_ENDS)
    drawers = Part((aside, DRAWERS[1], 0.0), (*DRAWERS, 0.8 * half_d), fronts)
    computer = Part((-aside, COMPUTER[1], 0.1), COMPUTER, metal)
    add_parts(frame, mask & sampler.chance(DESKS, DRAWERS_CHANCE), [drawers])
    add_parts(frame, mask & sampler.chance(DESKS, COMPUTER_CHANCE), [computer])


# --- Things on desks: screens, keyboard, mouse, paper, books, lamp, cables.

# One or two screens on a desk.
MONITOR_CHANCE = 0.85  # probability of the first
MONITOR_DOUBLE = 0.4  # probability of a second
MONITOR_SIZES = ((0.19, 0.33), (0.13, 0.2))  # half width, half height
MONITOR_LIFT = (0.06, 0.16)  # height of the lower edge
MONITOR_PAIR_ASIDE = 0.5  # way of each of two from the middle / half width of the desk
MONITOR_ASIDE = 0.4  # greatest way of a single one / half width of the desk
MONITOR_ALONG = 0.45  # of its face / half depth of the desk
MONITOR_SHIFT = (-0.04, 0.08)  # added to its face's place in depth, m
MONITOR_TUBE = 0.15  # probability of a tube monitor, about as deep as it is wide
MONITOR_TUBE_DEPTH, MONITOR_HALF_DEPTH = 0.8, 0.018  # half depth / half width; m if flat
MONITOR_RIM = 0.015  # of the housing around the picture
MONITOR_NECK = (0.025, 0.02)  # half width and half depth of the neck
MONITOR_FOOT = (0.11, 0.008, 0.08)  # half sizes of the foot

# Keyboard and mouse; places here and below / half width and half depth of the desk.
KEYBOARD_SHIFT = 0.25  # greatest way of the keyboard from the middle to either side, metres
KEYBOARD_ALONG = -0.4  # place of both
KEYBOARD_CHANCE, MOUSE_CHANCE = 0.85, 0.75
KEYBOARD = (0.21, 0.011, 0.075)  # half sizes

# Sheets of paper, and rows of books.
PAPER_CHANCE, BOOKS_CHANCE = 0.7, 0.3
PAPER_ASIDE, PAPER_ALONG = 0.8, (-0.8, 0.2)  # greatest way to either side, place in depth
BOOKS_ASIDE, BOOKS_ALONG = 0.7, 0.7
BOOKS_HALF_WIDTH = (0.08, 0.25)
BOOKS_HALF = (0.13, 0.09)  # half height and half depth

# A lamp on an arm.
LAMP_CHANCE = 0.3
LAMP_HEIGHT = (0.35, 0.5)  # of the arm
LAMP_ASIDE, LAMP_ALONG = -0.85, 0.5
LAMP_FOOT = (0.08, 0.01, 0.08)  # half sizes of the foot
LAMP_POLE = 0.01  # half thickness of the pole

# Thin strips above the top, and one down behind it.
CABLES = 3  # strips
CABLE_CHANCE, CABLE_DOWN_CHANCE = 0.6, 0.6  # probability of each, and of the one behind
CABLE_ASIDE, CABLE_ALONG = 0.7, (-0.2, 0.7)
CABLE_HALF_LENGTH, CABLE_HEADING = (0.08, 0.3), (0, 3.14)
CABLE_HALF, CABLE_DOWN_HALF = 0.004, 0.005  # half thickness
CABLE_DOWN_ASIDE = 2  # place of the one behind / place of the keyboard
PLASTIC = Material(('plain',), 0.5, bright=Grey((0.02, 0.4)))
MONITOR_PICTURE = Material(
    ('screen', 'screen', 'text', 'plain'), fit=True, contrast=1.0, glow=(0, 1.5)
)
KEYBOARD_KEYS = Material(('keys',), Extent(0.42, 0.15), fit=True, contrast=0.9)
SHEET = Material(('text', 'print', 'poster'), Extent(0.21, 0.3), fit=True, contrast=0.9)
BOOKS_SPINES = Material(('books',), Extent(0.5, 0.9), fit=True, contrast=1.0)
BULB = Material(('plain',), 0.5, glow=(0, 2.5))
THINGS = SmallThings(
    size=(0.025, 0.12),
    width=(0.3, 1.4),
    height=(0.2, 1.2),
    depth=(0.3, 1.2),
    aside=0.92,
    along=(-0.85, 0.9),
    chance=0.6,
    kinds=MOST_BOXES,
    material=Material((*GOODS_TEXTURE, 'books', 'books'), fit=True, vivid=0.8),
    number=7,
)


def add_equipment(site: Site, desks: Desks) -> None:
    """Add screens, keyboard, mouse, lamp, books, paper, cups and cables to each desk."""
    sampler = site.sampler
    dark = site.materials.sample(PLASTIC, DESKS)
    double = sampler.chance(DESKS, MONITOR_DOUBLE)
    _add_monitor(site, desks, -1, sampler.chance(DESKS, MONITOR_CHANCE), double, dark)
    _add_monitor(site, desks, 1, double, double, dark)
    shift = _add_keyboard(site, desks, dark)
    _add_paper(site, desks)
    for _ in range(THINGS.number):
        _add_thing(site, desks)
    _add_books(site, desks)
    _add_lamp(site, desks, dark)
    _add_cables(site, desks, dark, CABLE_DOWN_ASIDE * shift)


def _add_monitor(
    site: Site, desks: Desks, side: int, mask: Array, double: Array, dark: Array
) -> None:
    sampler, top = site.sampler, desks.top
    wide, tall = sampler.uniforms(DESKS, *MONITOR_SIZES)
    lift = sampler.uniform(DESKS, MONITOR_LIFT)
    single = sampler.symmetric(DESKS, MONITOR_ASIDE) * desks.half_w
    aside = np.where(double, side * MONITOR_PAIR_ASIDE * desks.half_w, single)
    along = MONITOR_ALONG * desks.half_d + sampler.uniform(DESKS, MONITOR_SHIFT)
    tube = sampler.chance(DESKS, MONITOR_TUBE)
    deep = np.where(tube, MONITOR_TUBE_DEPTH * wide, MONITOR_HALF_DEPTH)
    picture = site.materials.sample(MONITOR_PICTURE, DESKS, (2 * wide, 2 * tall))
    high, back = top + lift + tall, along + deep
    visible = (wide - MONITOR_RIM, tall - MONITOR_RIM, 0.004)
    neck = (MONITOR_NECK[0], lift / 2, MONITOR_NECK[1])
    parts = [
        Part((aside, high, back), (wide, tall, deep), dark),
        Part((aside, high, along - 0.003), visible, picture),
        Part((aside, top + lift / 2, back), neck, dark),
        Part((aside, top + MONITOR_FOOT[1], back), MONITOR_FOOT, dark, CYLINDER),
    ]
    site.primitives.add_parts(desks.frame, desks.mask & mask, parts)


def _put(site: Site, desks: Desks, part: Part, chance: float) -> None:
    """Add a part to some of the desks."""
    mask = desks.mask & site.sampler.chance(DESKS, chance)
    site.primitives.add_parts(desks.frame, mask, [part])


def _add_keyboard(site: Site, desks: Desks, dark: Array) -> Array:
    """Add keyboard and mouse; return the keyboard's way from the desk's middle."""
    keys = site.materials.sample(KEYBOARD_KEYS, DESKS)
    shift = site.sampler.symmetric(DESKS, KEYBOARD_SHIFT)
    front = KEYBOARD_ALONG * desks.half_d
    keyboard = Part((shift, desks.top + KEYBOARD[1], front), KEYBOARD, keys)
    place = (shift + 0.3, desks.top + 0.015, front)
    _put(site, desks, keyboard, KEYBOARD_CHANCE)
    _put(site, desks, Part(place, (0.03, 0.016, 0.055), dark, ELLIPSOID), MOUSE_CHANCE)
    return shift


def _add_paper(site: Site, desks: Desks) -> None:
    sampler = site.sampler
    material = site.materials.sample(SHEET, DESKS)
    aside = sampler.symmetric(DESKS, PAPER_ASIDE) * desks.half_w
    along = sampler.uniform(DESKS, PAPER_ALONG) * desks.half_d
    sheet = Part((aside, desks.top + 0.002, along), (0.105, 0.003, 0.148), material)
    _put(site, desks, sheet, PAPER_CHANCE)


def _add_thing(site: Site, desks: Desks) -> None:
    sampler = site.sampler
    size = sampler.log_uniform(DESKS, THINGS.size)
    tall = size * sampler.uniform(DESKS, THINGS.height)
    aside = sampler.symmetric(DESKS, THINGS.aside) * desks.half_w
    along = sampler.uniform(DESKS, THINGS.along) * desks.half_d
    wide = size * sampler.uniform(DESKS, THINGS.width)
    deep = size * sampler.uniform(DESKS, THINGS.depth)
    site.primitives.add(
        desks.frame.at(aside, desks.top + tall, along),
        (wide, tall, deep),
        site.materials.sample(THINGS.material, DESKS, 2 * size),
        kind=sampler.kinds(DESKS, THINGS.kinds),
        heading=sampler.headings(DESKS),
        mask=desks.mask & sampler.chance(DESKS, THINGS.chance),
    )


def _add_books(site: Site, desks: Desks) -> None:
    sampler = site.sampler
    row = site.materials.sample(BOOKS_SPINES, DESKS)
    aside = sampler.symmetric(DESKS, BOOKS_ASIDE) * desks.half_w
    half = (sampler.uniform(DESKS, BOOKS_HALF_WIDTH), *BOOKS_HALF)
    place = (aside, desks.top + BOOKS_HALF[0], BOOKS_ALONG * desks.half_d)
    _put(site, desks, Part(place, half, row), BOOKS_CHANCE)


def _add_lamp(site: Site, desks: Desks, dark: Array) -> None:
    sampler, top = site.sampler, desks.top
    high, aside = sampler.uniform(DESKS, LAMP_HEIGHT), LAMP_ASIDE * desks.half_w
    bulb = site.materials.sample(BULB, DESKS)
    mask = desks.mask & sampler.chance(DESKS, LAMP_CHANCE)
    along, arm = LAMP_ALONG * desks.half_d, top + high
    pole = (LAMP_POLE, high / 2, LAMP_POLE)
    parts = [
        Part((aside, top + LAMP_FOOT[1], along), LAMP_FOOT, dark, CYLINDER),
        Part((aside, top + high / 2, along), pole, dark, CYLINDER),
        Part((aside + 0.12, arm, along), (0.13, 0.01, 0.01), dark),
        Part((aside + 0.24, arm - 0.02, along), (0.06, 0.05, 0.06), bulb, ELLIPSOID),
    ]
    site.primitives.add_parts(desks.frame, mask, parts)


def _add_cables(site: Site, desks: Desks, dark: Array, down: Array) -> None:
    """Add cables on the desk, and one ``down`` metres from its middle behind it."""
    sampler = site.sampler
    for _ in range(CABLES):
        aside = sampler.symmetric(DESKS, CABLE_ASIDE) * desks.half_w
        along = sampler.uniform(DESKS, CABLE_ALONG) * desks.half_d
        site.primitives.add(
            desks.frame.at(aside, desks.top + CABLE_HALF, along),
            (sampler.uniform(DESKS, CABLE_HALF_LENGTH), CABLE_HALF, CABLE_HALF),
            dark,
            heading=sampler.headings(DESKS, CABLE_HEADING),
            mask=desks.mask & sampler.chance(DESKS, CABLE_CHANCE),
        )
    tall = 0.5 * desks.top
    half = (CABLE_DOWN_HALF, tall, CABLE_DOWN_HALF)
    behind = Part((down, tall, desks.half_d + 0.01), half, dark, CYLINDER)
    _put(site, desks, behind, CABLE_DOWN_CHANCE)


# --- Swivel chairs with armrests.

CHAIR_ASIDE = 0.3  # greatest way from the desk's middle to either side
CHAIR_AWAY = (0.1, 0.7)  # from the desk's edge to the chair's middle
CHAIR_TURNED = 1.2  # greatest angle to the desk
CHAIR_SIZES = ((0.42, 0.52), (0.21, 0.25), (0.2, 0.32))  # height of the seat, half of it and back
CHAIR_BACK_GAP = 0.15  # between seat and back
CHAIR_COLUMN = 0.03  # half thickness
CHAIR_CHANCE = 0.75  # probability of one at a desk
CHAIR_COVER = Material(('weave', 'plain', 'plain', 'folds'), (0.3, 0.8), vivid=0.8)
CHAIR_FOOT = Material(('plain',), 0.5, bright=Grey((0.02, 0.3)))


def add_swivel_chairs(site: Site, desks: Desks, mask: Array) -> None:
    """Add chairs in front of the desks, turned at random."""
    sampler, sample = site.sampler, site.materials.sample
    aside = sampler.symmetric(DESKS, CHAIR_ASIDE)
    away = -desks.half_d - sampler.uniform(DESKS, CHAIR_AWAY)
    x, _, z = desks.frame.at(aside, 0.0, away)
    turned = sampler.symmetric(DESKS, CHAIR_TURNED)
    frame = Frame(x, 0.0, z, desks.frame.turned(2 * QUARTER_TURN + turned))
    cover, dark = sample(CHAIR_COVER, DESKS), sample(CHAIR_FOOT, DESKS)
    seat, half, back = sampler.uniforms(DESKS, *CHAIR_SIZES)
    site.ground.shadow(frame, half, seat, mask)
    high, column = seat + CHAIR_BACK_GAP + back, (CHAIR_COLUMN, seat / 2, CHAIR_COLUMN)
    parts = [
        Part((0.0, seat, 0.0), (half, 0.035, half), cover),
        Part((0.0, high, half + 0.02), (0.9 * half, back, 0.025), cover),
        Part((0.0, seat + 0.1, half + 0.05), (0.03, 0.15, 0.015), dark),  # stay of the back
        Part((0.0, seat / 2, 0.0), column, dark, CYLINDER),
        Part((0.0, 0.06, 0.0), (0.3, 0.02, 0.03), dark),  # feet
        Part((0.0, 0.06, 0.0), (0.03, 0.02, 0.3), dark),
    ]
    for side in (-1, 1):
        armrest = (side * (half + 0.03), seat + 0.2, 0.0)
        parts.append(Part(armrest, (0.025, 0.02, 0.14), dark))
    site.primitives.add_parts(frame, mask, parts)


# --- Offices: rooms of the style ``home`` with a block of desks, seen from nearer.

# Two rows of desks, back to back.
BLOCK_PER_ROW = 3  # desks in each row
BLOCK_CHANCE = 0.9  # probability of a block
BLOCK_DESK_CHANCE = 0.25  # probability of one where a table stands before the camera
BLOCK_SLANTED = 0.35  # greatest angle to the view
BLOCK_ACROSS = (0, 0, 0, 1, 2, 3)  # quarter turns beside: most blocks stand across the view
BLOCK_AWAY = (0.75, 1.0)  # least way from the camera to the middle of the nearest desk, m
BLOCK_FARTHER = 2.2  # greatest way added to the least: the square of a share of it, m
BLOCK_ASIDE = 0.8  # greatest way to the side
BLOCK_WALLS = 0.4  # least way of the nearest desk from the walls, m
BLOCK_SIZES = ((0.55, 0.95), (0.3, 0.45), (0.68, 0.78))  # half width, half depth, height of a desk
BLOCK_FIRST = (0, 1, 2)  # desk of a row that is the nearest
BLOCK_TAKEN = 0.95  # probability of each desk
BLOCK_TWO_ROWS = 0.6  # probability of a second row
BLOCK_SCREENED = 0.25  # probability of a screen between the rows
BLOCK_HALF_SCREEN = 0.2  # half height of it
BLOCK_WOOD = Material(('wood', 'plain', 'plain', 'plaster'), (0.5, 1.5), contrast=0.5)
BLOCK_METAL = Material(('plain',), 0.6, bright=Grey((0.03, 0.7)))
BLOCK_SCREEN = Material(('weave', 'plain', 'plain'), 0.8, vivid=0.8)


def office(sampler: Sampler) -> Scenes:
    """Sample scenes: rooms of the recipe of ``home``, from higher, lower and nearer cameras."""
    scenes = rooms(sampler, OFFICE)
    return dataclasses.replace(
        scenes,
        rate=sample_rates(sampler),
        angular_velocity=scenes.angular_velocity * sample_jerks(sampler),
        flicker=sample_flicker(sampler),
    )


def _furnish(site: Site, room: Room) -> None:
    """Add a block of desks to most rooms, and boards to the walls."""
    sampler = site.sampler
    add_boards(site, room)
    chance = np.where(room.desk, BLOCK_DESK_CHANCE, BLOCK_CHANCE)
    mask = sampler.chance(1, chance) & ~room.corridor
    bearing = room.yaw + sampler.symmetric(1, BLOCK_SLANTED)
    bearing = bearing + QUARTER_TURN * sampler.choose(1, BLOCK_ACROSS)
    away = sampler.uniform(1, BLOCK_AWAY) + BLOCK_FARTHER * sampler(1) ** 2
    x, _, z = room.view.at(sampler.symmetric(1, BLOCK_ASIDE), 0.0, away)
    x = np.clip(x, BLOCK_WALLS - room.half_x, room.half_x - BLOCK_WALLS)
    z = np.clip(z, BLOCK_WALLS - room.half_z, room.half_z - BLOCK_WALLS)
    half_w, half_d, top = sampler.uniforms(1, *BLOCK_SIZES)
    block = Frame(x, 0.0, z, cos_sin(bearing))
    row = np.arange(BLOCK_PER_ROW, dtype=np.float32)
    shift = (row - sampler.choose(1, BLOCK_FIRST)) * 2 * half_w
    second = np.arange(DESKS) >= BLOCK_PER_ROW
    place = block.at(np.tile(shift, 2), 0.0, np.where(second, 2 * half_d, 0.0))
    heading = cos_sin(bearing + np.where(second, 2 * QUARTER_TURN, 0.0))
    desk = Frame(place[0], 0.0, place[2], heading)
    wood, metal = site.materials.sample(BLOCK_WOOD, 1), site.materials.sample(BLOCK_METAL, 1)
    inside = (np.abs(desk.x) < room.half_x) & (np.abs(desk.z) < room.half_z)
    exists = mask & inside & sampler.chance(DESKS, BLOCK_TAKEN)
    exists &= sampler.chance(1, BLOCK_TWO_ROWS) | ~second
    desks = Desks(desk, exists, half_w, half_d, top)
    add_desks(site, desks, wood, metal)
    add_equipment(site, desks)
    add_swivel_chairs(site, desks, exists & sampler.chance(DESKS, CHAIR_CHANCE))
    screen = Part(
        (shift[:, 1:2], top + BLOCK_HALF_SCREEN, half_d),
        (BLOCK_PER_ROW * half_w, BLOCK_HALF_SCREEN, 0.02),
        site.materials.sample(BLOCK_SCREEN, 1),
    )
    site.primitives.add_parts(block, mask & sampler.chance(1, BLOCK_SCREENED), [screen])


# Offices, seen from hands, robots and shelves.
OFFICE = dataclasses.replace(
    HOME,
    corridors=0.05,
    desks=0.3,
    focal=FOCAL,
    margin=0.5,
    eye=(0.3, 2.2),
    desk_eye=(0.95, 1.9),
    pitch=(-0.8, 0.25),
    steepest=0.8,
    desk_pitch=(-1.05, -0.1),
    desk_distance=(0.5, 1.3),
    roll=ROLL,
    clutter=0.45,
    clutter_from=0.9,
    people_from=1.3,
    plants_from=1.3,
    pillars_from=1.8,
    kitchens=0.12,
    table_things=0.12,
    screens=0.8,
    seats=0.4,
    tables=0.25,
    contrast=0.7,
    furnish=_furnish,
)
