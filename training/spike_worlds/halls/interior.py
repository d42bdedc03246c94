# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Columns, partitions, fixtures on walls and ceilings, receptions and seats of halls."""

from __future__ import annotations

import numpy as np

from spike_worlds import atlas
from spike_worlds.building.light import Site
from spike_worlds.building.materials import Colour, Grey, Material, repeat
from spike_worlds.building.primitives import Frame, Part
from spike_worlds.building.sampler import ALL, ANY_YAW, QUARTER_TURN, cos_sin
from spike_worlds.halls.config import WALL_TEXTURES, ByKind, FloorThings, Hall
from spike_worlds.rooms.walls import WallThing, front_tiles, sample_wall_things
from spike_worlds.scene import BOX, CYLINDER, Array, Column
from spike_worlds.things import GOODS_TEXTURE

# --- Columns on a grid, round or square, from the floor to the ceiling.

COLUMN_CHANCE = ByKind(warehouse=0.6, lobby=0.6)
COLUMNS = 12  # in two rows
COLUMN_STEP_X = (0.45, 0.7)  # from the middle to each row / half width of the hall
COLUMN_STEPS_Z = (3.0, 6.0)  # number of steps along the hall
COLUMN_SHIFT = 0.2  # greatest shift of all along x / half width of the hall
COLUMN_HALF = (0.1, 0.4)  # half thickness
COLUMN_WALLS = 0.3  # least way to the end walls
COLUMN_CLEAR = 0.9  # least distance from the camera beyond their half thickness, m
COLUMN_ROUND = 0.5  # probability of cylinders
COLUMN_BASE_CHANCE = 0.3  # probability of a base of another material
COLUMN_HALF_BASE = 0.5  # half height of the base
COLUMN_SURFACE = Material(('plaster', 'plain', 'tiles', 'blocks', 'bricks', 'stripes'), (0.6, 2.5))
COLUMN_FOOT = Material(('stripes', 'plain', 'ribs'), 0.8, vivid=0.9)


def add_columns(site: Site, hall: Hall) -> None:
    """Add columns to some halls."""
    sampler, number = site.sampler, COLUMNS
    mask = sampler.chance(1, hall.by_kind(COLUMN_CHANCE))
    step_x = sampler.uniform(1, COLUMN_STEP_X) * hall.half_x
    step_z = hall.half_z * 2 / sampler.uniform(1, COLUMN_STEPS_Z)
    place = np.arange(number)
    x = step_x * (2 * (place % 2) - 1) + sampler.symmetric(1, COLUMN_SHIFT) * hall.half_x
    z = step_z * (place // 2 - (number / 2 - 1) / 2)
    size = sampler.uniform(1, COLUMN_HALF)
    heading = cos_sin(np.zeros_like(x))
    frame = Frame(x.astype(np.float32), 0.0, z.astype(np.float32), heading)
    clear = hall.view.clear_of(frame, size + COLUMN_CLEAR)
    mask = mask & ((np.abs(z) < hall.half_z - COLUMN_WALLS) & clear)
    column = site.materials.sample(COLUMN_SURFACE, 1)
    shape = np.where(sampler.chance(1, COLUMN_ROUND), CYLINDER, BOX).astype(np.int8)
    half = (size, hall.height / 2, size)
    shaft = Part((0.0, hall.height / 2, 0.0), half, repeat(column, number), shape)
    site.primitives.add_parts(frame, mask, [shaft])
    broad, material = 1.08 * size, site.materials.sample(COLUMN_FOOT, number)
    base = Part((0.0, COLUMN_HALF_BASE, 0.0), (broad, COLUMN_HALF_BASE, broad), material)
    site.primitives.add_parts(frame, mask & sampler.chance(1, COLUMN_BASE_CHANCE), [base])


# --- Walls of corridors in pieces, between them openings to rooms, with or without a lintel.

PARTITION_PIECES = 6  # on each side
PARTITION_GAP = (0.4, 1.2)  # half width of an opening
PARTITION_GAP_CHANCE = 0.45  # probability of an opening at a piece
PARTITION_MOST_OPEN = 0.4  # greatest half width of an opening / length of a piece
PARTITION_LINTEL = 0.8  # probability of a lintel
PARTITION_OPENING = 2.1  # height of an opening with a lintel
PARTITION_LEAST_LINTEL = 0.01  # half height of lintels, at least
PARTITION_RAIL_CHANCE = 0.4  # probability of a rail along a wall
PARTITION_RAIL_SIZES = ((0.05, 1.0), (0.04, 0.12))  # height of the rail, half of its own
PARTITION_CROSS_CHANCE = 0.7  # probability of each cross wall between the rooms

# Two doors or walls across a corridor, half of them open.
DOOR_NUMBER = 2  # places for them
DOOR_CHANCE = 0.3  # probability of each half
DOOR_HALF_WIDTH = (0.25, 0.5)  # half width / half width of the corridor
PARTITION_WALL = Material(WALL_TEXTURES, (0.8, 3.0), bright=Colour(0.2, 0.9, 0.3), contrast=0.5)
PARTITION_RAIL = Material(('plain', 'wood', 'stripes'), 1.0)


def add_partitions(site: Site, hall: Hall) -> None:
    """Add walls on both sides of corridors, and doors across."""
    wall, rail = site.materials.sample(PARTITION_WALL, 2), site.materials.sample(PARTITION_RAIL, 1)
    for side in (-1, 1):
        one = wall[:, :1] if side < 0 else wall[:, 1:]
        _add_side(site, hall, side, repeat(one, PARTITION_PIECES), rail)
    sampler = site.sampler
    z = sampler.uniform(DOOR_NUMBER, ALL) * hall.half_z
    for side in (-1, 1):
        broad = hall.passage * sampler.uniform(DOOR_NUMBER, DOOR_HALF_WIDTH)
        site.primitives.add(
            (side * (hall.passage - broad), hall.height / 2, z),
            (broad, hall.height / 2, 0.06),
            repeat(wall[:, :1], DOOR_NUMBER),
            mask=hall.corridor & sampler.chance(DOOR_NUMBER, DOOR_CHANCE),
        )


def _add_side(site: Site, hall: Hall, side: int, wall: Array, rail: Array) -> None:
    """Add pieces of wall, lintels, a rail, and cross walls between the rooms at the side."""
    sampler, add, number = site.sampler, site.primitives.add, PARTITION_PIECES
    half_x, half_z, height = hall.half_x, hall.half_z, hall.height
    passage, corridor, thick = hall.passage, hall.corridor, 0.07
    gap = sampler.uniform(number, PARTITION_GAP) * sampler.chance(number, PARTITION_GAP_CHANCE)
    piece = 2 * half_z / number
    low = -half_z + 2 * half_z * (np.arange(number, dtype=np.float32) / number)
    middle, half = low + 0.5 * piece, 0.5 * piece - np.minimum(gap, PARTITION_MOST_OPEN * piece)
    x = side * (passage + thick)
    add((x, height / 2, middle), (thick, height / 2, half), wall, mask=corridor)
    lintel = sampler.chance(number, PARTITION_LINTEL)
    tall = np.maximum((height - PARTITION_OPENING) / 2, PARTITION_LEAST_LINTEL)
    add(
        (x, (height + PARTITION_OPENING) / 2, low),
        (thick, tall, 0.5 * piece),
        wall,
        mask=corridor & lintel,
    )
    raised, narrow = sampler.uniforms(1, *PARTITION_RAIL_SIZES)
    add(
        (side * (passage - 0.01), raised, middle),
        (0.02, narrow, half),
        repeat(rail, number),
        mask=corridor & sampler.chance(1, PARTITION_RAIL_CHANCE),
    )
    crossed = sampler.chance(number, PARTITION_CROSS_CHANCE)
    add(
        (side * (passage + half_x) / 2, height / 2, middle),
        ((half_x - passage) / 2, height / 2, thick),
        wall,
        mask=corridor & crossed & (half_x > passage + 0.3),
    )


# --- Doors, gates, radiators, lockers, windows, boards and pipes along the walls of halls.

FIXTURE_WINDOW = WallThing(
    ('clouds', 'screen', 'plain'), (0.5, 2.0), (0.8, 1.8), (0.02, 0.1), (0.8, 1.2)
)
# Doors, radiators, lockers, windows, posters, shelves, gates.
FIXTURES = (
    WallThing(('door', 'doors', 'planks'), (0.42, 0.95), (2.0, 2.15), (0.02, 0.08)),
    WallThing(('ribs', 'folds', 'ribs'), (0.4, 1.0), (0.5, 0.8), (0.08, 0.16), (0.1, 0.15)),
    WallThing(('doors', 'door', 'drawers'), (0.5, 1.8), (1.0, 2.0), (0.3, 0.5)),
    FIXTURE_WINDOW,
    WallThing(('poster', 'text', 'sign'), (0.2, 0.9), (0.4, 1.1), (0.01, 0.05), (0.9, 1.3)),
    WallThing(('goods', 'books', 'poster'), (0.4, 0.9), (1.0, 2.0), (0.3, 0.6)),
    WallThing(('ribs', 'stripes', 'plain'), (1.2, 2.2), (2.4, 3.6), (0.05, 0.2)),
)
FIXTURE_FRONT = Material(('plain',), fit=True, contrast=0.9)
PIPE_MATERIAL = Material(('plain', 'stripes'), 1.0, vivid=0.9)

# Places along the walls.
FIXTURE_PER_WALL = 7  # number of them
FIXTURE_SHIFT = 0.1  # greatest shift along the wall / its half length
FIXTURE_WIDEST = 0.95  # greatest half width / half length of the wall
FIXTURE_BELOW_CEILING = 0.05  # of tall fixtures, to their upper edge
FIXTURE_GLOW = (0.0, 2.5)  # of windows
FIXTURE_CHANCE = 0.85  # probability on a long wall

# A pipe, a cable duct or a handrail along a wall.
PIPE_CHANCE = 0.35  # probability on a wall
PIPE_HEIGHT, PIPE_HIGHEST = (0.1, 1.0), 0.95  # height / height of the hall: product of the two
PIPE_HALF = (0.02, 0.1)  # half thickness


def add_wall_fixtures(site: Site, hall: Hall) -> None:
    """Add fixtures and pipes along the four walls."""
    for ends in (True, False):
        for sign in (1, -1):
            _add_fixtures(site, hall, ends, sign)
            _add_pipe(site, hall, ends, sign)


def _wall(hall: Hall, ends: bool) -> tuple[Array, Array]:
    """Return half length and distance from the middle of end walls, or of side walls."""
    return (hall.passage, hall.half_z) if ends else (hall.half_z, hall.passage)


def _add_fixtures(site: Site, hall: Hall, ends: bool, sign: int) -> None:
    sampler, number = site.sampler, FIXTURE_PER_WALL
    length, away = _wall(hall, ends)
    row, (half_w, tall, deep, foot) = sample_wall_things(sampler, number, FIXTURES)
    places = (2 * np.arange(number, dtype=np.float32) + 1) / number - 1
    along = length * (places + sampler.symmetric(number, FIXTURE_SHIFT))
    half_w = np.minimum(half_w, FIXTURE_WIDEST * length)
    tall = np.minimum(tall, hall.height - foot - FIXTURE_BELOW_CEILING)
    front = site.materials.sample(FIXTURE_FRONT, number, (2 * half_w, tall))
    tiles = front_tiles(FIXTURES, by_variant=True)
    variant = (sampler(number) * tiles.shape[1]).astype(np.int64)
    front[..., Column.TEXTURE] = tiles[row, variant] * atlas.TEXELS
    glow = sampler.uniform(number, FIXTURE_GLOW)
    front[..., Column.GLOW] = np.where(row == FIXTURES.index(FIXTURE_WINDOW), glow, 0)
    face, middle = sign * (away - deep / 2), foot + tall / 2
    site.primitives.add(
        (along, middle, face) if ends else (face, middle, along),
        (half_w, tall / 2, deep / 2),
        front,
        heading=cos_sin(np.full_like(along, 0 if ends else QUARTER_TURN)),
        mask=sampler.chance(number, np.minimum(length / 3.5, FIXTURE_CHANCE)),
    )


def _add_pipe(site: Site, hall: Hall, ends: bool, sign: int) -> None:
    sampler = site.sampler
    length, away = _wall(hall, ends)
    raised = sampler.uniform(1, PIPE_HEIGHT) * hall.height * PIPE_HIGHEST
    thin = sampler.uniform(1, PIPE_HALF)
    face = sign * (away - thin)
    site.primitives.add(
        (0.0, raised, face) if ends else (face, raised, 0.0),
        (length, thin, thin) if ends else (thin, thin, length),
        site.materials.sample(PIPE_MATERIAL, 1),
        mask=sampler.chance(1, PIPE_CHANCE),
    )


# --- Lamps, beams and ducts below the ceilings of halls.

BEYOND = 60.0  # half length of what reaches through the walls

# Lamps.
LAMP_NUMBER = 6  # places for them
LAMP_CHANCE = 0.7  # probability of each
LAMP_NEAREST, LAMP_FARTHEST = 1.0, 16.0  # distance from the camera along the ground, m
LAMP_DROP = (0.04, 0.5)  # below the ceiling
LAMP_SIZES = ((0.08, 0.8), (0.08, 0.2))  # half length, half width
LAMP_KINDS = (BOX, BOX, CYLINDER)

# Beams across the hall.
BEAM_CHANCE = ByKind(0.9, 0.4, 0.5, 0.2)
BEAM_NUMBER = 6
BEAM_SIZES = ((1.5, 4.0), (0.06, 0.3))  # step from beam to beam, half height
BEAM_HALF_WIDTH = (0.04, 0.15)

# Ducts.
DUCT_NUMBER = 2
DUCT_CHANCE = 0.6  # probability of each / probability of beams
DUCT_HALF = (0.1, 0.35)  # half thickness
DUCT_ALONG = 0.6  # probability of a duct along z
DUCT_ASIDE, DUCT_AHEAD = 2, 4  # greatest way from the camera of one along z, and of one along x
LAMP_MATERIAL = Material(('plain',), glow=(0.3, 3.0), bright=Grey(0.9))
BEAM_STEEL = Material(('plain', 'wood', 'plaster', 'ribs'), (0.6, 2.0))
DUCT_SHEET = Material(('plain', 'ribs', 'stripes'), (0.6, 2.0))


def add_overhead(site: Site, hall: Hall) -> None:
    """Add lamps, beams and ducts."""
    share = hall.by_kind(BEAM_CHANCE)
    _add_lamps(site, hall)
    sampler, view, number = site.sampler, hall.view, BEAM_NUMBER
    step, deep = sampler.uniforms(1, *BEAM_SIZES)
    lines = np.arange(number, dtype=np.float32) - 0.5 * (number - 1)
    steel = site.materials.sample(BEAM_STEEL, 1)
    site.primitives.add(
        (0.0, hall.height - deep, view.z + step * lines),
        (BEYOND, deep, sampler.uniform(1, BEAM_HALF_WIDTH)),
        repeat(steel, number),
        mask=sampler.chance(1, share),
    )
    duct, along = sampler.uniform(2, DUCT_HALF), sampler.chance(DUCT_NUMBER, DUCT_ALONG)
    x = np.where(along, view.x + sampler.symmetric(DUCT_NUMBER, DUCT_ASIDE), 0.0)
    z = np.where(along, 0.0, view.z + sampler.symmetric(DUCT_NUMBER, DUCT_AHEAD))
    site.primitives.add(
        (x, hall.height - 0.1 - duct, z),
        (np.where(along, duct, BEYOND), duct, np.where(along, BEYOND, duct)),
        site.materials.sample(DUCT_SHEET, DUCT_NUMBER),
        mask=sampler.chance(DUCT_NUMBER, DUCT_CHANCE * share) & (hall.height > 2.9),
    )


def _add_lamps(site: Site, hall: Hall) -> None:
    sampler, number = site.sampler, LAMP_NUMBER
    at = hall.view.ahead(sampler, number, LAMP_NEAREST, LAMP_FARTHEST)
    drop = sampler.uniform(1, LAMP_DROP)
    half_x, half_z = sampler.uniforms(number, *LAMP_SIZES)
    site.primitives.add(
        (at.x, hall.height - drop, at.z),
        (half_x, 0.04, half_z),
        site.materials.sample(LAMP_MATERIAL, number),
        kind=sampler.kinds(number, LAMP_KINDS),
        heading=cos_sin(np.broadcast_to(QUARTER_TURN * sampler.choose(1, (0, 1)), at.x.shape)),
        mask=sampler.chance(number, LAMP_CHANCE),
    )


# --- A reception desk with a raised front and screens, before a panel with a lit sign.

RECEPTION_CHANCE = 0.5  # probability in a lobby
RECEPTION_PLACE = (2.6, 12.0, 0.8)  # least and greatest distance, spread in the view
RECEPTION_CLEAR = 2.6  # distance from the camera that it keeps
RECEPTION_TURNED = 0.8  # greatest angle to the view
RECEPTION_HALF_WIDTH = (0.8, 2.0)
RECEPTION_FRONT = (0.55, 0.06)  # half height and half thickness of the front
RECEPTION_TOP_ALONG = 0.4  # from the front to the middle of the desk's top
RECEPTION_END = (0.05, 0.5, 0.35)  # half width, half height and half depth of the ends
RECEPTION_END_ALONG = 0.35  # from the front to the middles of the ends

# Panel, sign and screens behind the desk.
BACK_PANEL = (1.25, 0.05)  # half height and half thickness
BACK_SCREENS = (-0.5, 0.5)  # places of the screens / half width
RECEPTION_WOOD = Material(('wood', 'plain', 'ribs', 'stripes', 'planks'), (0.6, 2.0))
RECEPTION_PLATE = Material(('plain', 'wood', 'slabs'), 1.0)
BACK_SIGN = Material(('sign', 'poster', 'print'), fit=True, glow=(0, 2))
BACK_SCREEN = Material(('screen',), 0.5, fit=True, contrast=1.0, glow=(0, 1.5))


def add_reception(site: Site, hall: Hall) -> None:
    """Add a reception desk to half of the lobbies."""
    sampler, sample = site.sampler, site.materials.sample
    mask = hall.lobby & sampler.chance(1, RECEPTION_CHANCE)
    at = hall.view.ahead(sampler, 1, *RECEPTION_PLACE, hall.limits)
    heading = cos_sin(hall.view.yaw + sampler.symmetric(1, RECEPTION_TURNED))
    frame = Frame(at.x, 0.0, at.z, heading)
    mask = mask & hall.view.clear_of(frame, RECEPTION_CLEAR)
    half = sampler.uniform(1, RECEPTION_HALF_WIDTH)
    front, top = sample(RECEPTION_WOOD, 1), sample(RECEPTION_PLATE, 1)
    sign = sample(BACK_SIGN, 1, (1.6 * half, 0.6))
    parts = [
        Part((0.0, RECEPTION_FRONT[0], 0.0), (half, *RECEPTION_FRONT), front),
        Part((0.0, 1.12, 0.0), (half + 0.05, 0.025, 0.2), top),  # the counter
        Part((0.0, 0.74, RECEPTION_TOP_ALONG), (half, 0.02, 0.35), top),
        Part((-half, RECEPTION_END[1], RECEPTION_END_ALONG), RECEPTION_END, front),
        Part((half, RECEPTION_END[1], RECEPTION_END_ALONG), RECEPTION_END, front),
        Part((0.0, BACK_PANEL[0], 1.2), (half + 0.2, *BACK_PANEL), front),
        Part((0.0, 2.0, 1.14), (0.8 * half, 0.3, 0.02), sign),
    ]
    site.primitives.add_parts(frame, mask, parts)
    aside = half * np.array(BACK_SCREENS, np.float32)
    screens = sample(BACK_SCREEN, len(BACK_SCREENS))
    part = Part((aside, 1.05, RECEPTION_TOP_ALONG), (0.25, 0.17, 0.02), screens)
    site.primitives.add_parts(frame, mask, [part])


# --- Sofas, armchairs and low tables.

SOFA_ARMCHAIRS = 0.5  # share of armchairs
SOFA_WIDTHS = ((0.38, 0.5), (0.75, 1.2))  # half width of an armchair, half width of a sofa
SOFA_SIZES = ((0.36, 0.45), (0.19, 0.23))  # half depth, half height of the seat
SOFA_HALF_BACK = 0.4  # half height of the back
SOFA_ARM = (0.09, 0.3)  # half width and half height of the armrests

# A low table before a sofa, with a thing on it.
TABLE_CHANCE = 0.5
TABLE_HEIGHT = (0.35, 0.5)
TABLE_LEGS = (-0.38, 0.38)  # places of the legs to the side
TABLE_LEG = (0.03, 0.2)  # half width and half depth of a leg
TABLE_THING = (0.03, 0.12)  # half size of a thing, uniform over ratios
TABLE_THING_ASIDE = 0.3  # greatest way of it from the middle
SOFAS = FloorThings(4, 1.5, 1.8, ByKind(lobby=0.6, corridor=0.15), farthest=10.0)
SOFA_COVER = Material(('weave', 'plain', 'folds', 'stripes'), (0.4, 1.0))
TABLE_WOOD = Material(('wood', 'plain', 'slabs'), 0.8)
TABLE_THING_MATERIAL = Material(GOODS_TEXTURE, fit=True)


def add_seating(site: Site, hall: Hall) -> None:
    """Add sofas and armchairs, some of them with a table."""
    sampler, number = site.sampler, SOFAS.number
    at = hall.sample_poses(sampler, SOFAS)
    slanted = sampler.uniform(1, ANY_YAW)
    heading = cos_sin(slanted + QUARTER_TURN * sampler.choose(number, range(4)))
    frame = Frame(at.x, 0.0, at.z, heading)
    mask = hall.sample_mask(sampler, SOFAS, frame)
    armchair = sampler.chance(number, SOFA_ARMCHAIRS)
    narrow, wide = sampler.uniforms(number, *SOFA_WIDTHS)
    half = np.where(armchair, narrow, wide)
    cover = site.materials.sample(SOFA_COVER, number)
    deep, seat = sampler.uniforms(number, *SOFA_SIZES)
    site.ground.shadow(frame, half, 0.6, mask)
    parts = [
        Part((0.0, seat, 0.0), (half, seat, deep), cover),
        Part((0.0, SOFA_HALF_BACK, deep), (half, SOFA_HALF_BACK, 0.1), cover),
    ]
    parts += [Part((end * half, SOFA_ARM[1], 0.0), (*SOFA_ARM, deep), cover) for end in (-1, 1)]
    site.primitives.add_parts(frame, mask, parts)
    _add_table(site, frame, mask & sampler.chance(number, TABLE_CHANCE), deep)


def _add_table(site: Site, frame: Frame, mask: Array, deep: Array) -> None:
    sampler, number = site.sampler, SOFAS.number
    wood = site.materials.sample(TABLE_WOOD, number)
    top, along = sampler.uniform(number, TABLE_HEIGHT), -deep - 0.6
    leg_w, leg_d = TABLE_LEG
    parts = [Part((0.0, top, along), (0.45, 0.02, 0.28), wood)]
    parts += [Part((x, top / 2, along), (leg_w, top / 2, leg_d), wood) for x in TABLE_LEGS]
    site.primitives.add_parts(frame, mask, parts)
    size = sampler.log_uniform(number, TABLE_THING)
    place = (sampler.symmetric(number, TABLE_THING_ASIDE), top + 0.02 + size, along)
    material = site.materials.sample(TABLE_THING_MATERIAL, number, 2 * size)
    thing = Part(place, (size, size, size), material, CYLINDER)
    site.primitives.add_parts(frame, mask, [thing])
