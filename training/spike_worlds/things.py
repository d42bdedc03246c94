# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""People, plants and things that stand in several kinds of places.

Each function adds things at the poses of a frame, ``[B, k]``; its mask tells those that exist.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from spike_worlds.building.light import Site
from spike_worlds.building.materials import GREEN, Colour, Grey, Material, choose, repeat
from spike_worlds.building.primitives import Frame, Part
from spike_worlds.building.sampler import Range, Value
from spike_worlds.scene import BOX, CYLINDER, ELLIPSOID, Array

# --- Small things that lie on tables, worktops and furniture.

ANY_TEXTURE = (
    'poster', 'text', 'print', 'plain', 'stripes', 'weave', 'checks', 'mosaic', 'wood',
)  # fmt: skip
GOODS_TEXTURE = (
    'poster', 'text', 'print', 'plain', 'stripes', 'weave', 'checks', 'wood', 'goods',
)  # fmt: skip
MOST_BOXES = (BOX, BOX, BOX, CYLINDER, CYLINDER, ELLIPSOID)


class SmallThings(NamedTuple):
    """Things of a kind that lie on one surface."""

    size: Range  # half size, m, uniform over ratios
    width: Range  # half width / half size
    height: Range  # half height / half size
    depth: Range  # half depth / half size
    aside: float  # greatest way from the middle of the surface / its half width
    along: Range  # place in depth / half depth of the surface
    chance: float  # probability of each to exist
    kinds: tuple[int, ...]
    material: Material
    number: int  # things on each surface


# --- People, standing or walking.

COAT = Material(('plain', 'stripes', 'weave', 'checks', 'poster', 'folds'), (0.3, 0.8))
TROUSERS = Material(('plain', 'weave', 'folds'), (0.2, 0.8))
SKIN = Material(('plain',), bright=Colour(0.15, 0.6, 0.3))
HAIR = Material(('leaves', 'folds'), 0.3, bright=Colour(0.02, 0.4, 0.2))


class BodyPart(NamedTuple):
    """Part of a person of mean size."""

    centre: tuple[float, float, float]  # right, up and forward, m
    step: float  # way forward / length of a step
    half: tuple[float, float, float]
    kind: int


LEG, ARM = (0.075, 0.42, 0.08), (0.055, 0.32, 0.07)
# Legs, trunk, arms, head and hair of a person 1.75 m tall, each with its material.
PERSON = (
    (TROUSERS, BodyPart((-0.1, 0.42, 0.0), 1.0, LEG, CYLINDER)),
    (TROUSERS, BodyPart((0.1, 0.42, 0.0), -1.0, LEG, CYLINDER)),
    (COAT, BodyPart((0.0, 1.12, 0.0), 0.0, (0.21, 0.36, 0.14), ELLIPSOID)),
    (COAT, BodyPart((-0.23, 1.08, 0.0), 0.5, ARM, ELLIPSOID)),
    (COAT, BodyPart((0.23, 1.08, 0.0), -0.5, ARM, ELLIPSOID)),
    (SKIN, BodyPart((0.0, 1.6, 0.0), 0.0, (0.085, 0.12, 0.1), ELLIPSOID)),
    (HAIR, BodyPart((0.0, 1.65, -0.02), 0.0, (0.095, 0.1, 0.105), ELLIPSOID)),
)
PERSON_SIZE = (0.85, 1.1)  # height / mean height
PERSON_STEP = 0.2  # greatest way of a foot before or behind the other
PERSON_SHADOW, PERSON_SHADOW_HEIGHT = (0.33, 0.28), 1.7


def add_people(site: Site, frame: Frame, mask: Array, speed: Array) -> None:
    """Add people who walk in the direction of their heading, at ``[B, k]`` m/s."""
    sampler, number = site.sampler, mask.shape[1]
    size = sampler.uniform(number, PERSON_SIZE)
    velocity = (frame.heading[1] * speed, frame.heading[0] * speed)
    site.ground.shadow(frame, PERSON_SHADOW, PERSON_SHADOW_HEIGHT, mask, velocity)
    materials = {
        kind: site.materials.sample(kind, number) for kind in (COAT, TROUSERS, SKIN, HAIR)
    }
    step = sampler.symmetric(number, PERSON_STEP)
    parts = []
    for kind, part in PERSON:
        x, y, z = part.centre
        ahead = z + part.step * step if part.step else z
        half_x, half_y, half_z = (value * size for value in part.half)
        place, half = (x * size, y * size, ahead * size), (half_x, half_y, half_z)
        parts.append(Part(place, half, materials[kind], part.kind))
    site.primitives.add_parts(frame, mask, parts, velocity)


# --- Broad trees, conifers and bare young trees, 2 to 12 m tall; leaves of plants.

TREE_HALF_TRUNK = (0.35, 1.6)  # half height of the trunk, uniform over ratios
TREE_CROWN = (0.5, 2.6)  # half width of the crown, uniform over ratios
TREE_CONIFERS = 0.25  # share of conifers
TREE_CONIFER_CROWN = 0.6  # factor on the half width of their crowns
TREE_THICKNESS, TREE_THICKER = (0.03, 0.08), 0.5  # of the trunk / half width of the crown + this
TREE_INTO_CROWN = 0.5  # half of the way that the trunk reaches into the crown / half width of that
TREE_LEVELS = 6  # parts of the crown
# Half width and height of a conifer's lowest part, and steps upwards / half width of the crown.
TREE_CONIFER_SIZE, TREE_CONIFER_TAPER = 1.05, 0.17
TREE_CONIFER_RISE, TREE_CONIFER_STEP = 0.4, 0.6
TREE_CONIFER_TALL = 0.55  # half height / half width of its parts
TREE_SIZE = (0.35, 0.8)  # half width of parts of broad trees / half width of the crown
TREE_TALL = (0.6, 1.1)  # half height / half width of parts of broad trees
TREE_ASIDE = 0.85  # greatest way from the trunk / half width of the crown
TREE_RISE = (0.2, 1.5)  # height above the trunk / half width of the crown
BARK = Material(('folds', 'wood', 'clouds'), (0.3, 0.9), bright=Colour(0.05, 0.4, 0.2))
# Leaves, from dry grass to dark green.
FOLIAGE = Material(
    ('leaves', 'leaves', 'gravel', 'clouds'),
    (0.4, 1.8),
    contrast=0.95,
    bright=Colour(0.06, 0.6, 0.4, tint=GREEN),
)


def add_trees(site: Site, frame: Frame, mask: Array) -> None:
    """Add trees."""
    sampler, number = site.sampler, mask.shape[1]
    trunk = sampler.log_uniform(number, TREE_HALF_TRUNK)
    crown = sampler.log_uniform(number, TREE_CROWN)
    conifer = sampler.chance(number, TREE_CONIFERS)
    crown = np.where(conifer, TREE_CONIFER_CROWN * crown, crown)
    thick = sampler.uniform(number, TREE_THICKNESS) * (TREE_THICKER + crown)
    bark, leaves = site.materials.sample(BARK, number), site.materials.sample(FOLIAGE, number)
    site.ground.shadow(frame, crown, 2 * trunk, mask)
    high = trunk + TREE_INTO_CROWN * crown
    stem = Part((0.0, high, 0.0), (thick, high, thick), bark, CYLINDER)
    site.primitives.add_parts(frame, mask, [stem])
    for level in range(TREE_LEVELS):
        broad = sampler.uniform(number, TREE_SIZE)
        taper = TREE_CONIFER_SIZE - TREE_CONIFER_TAPER * level
        size = crown * np.where(conifer, taper, broad)
        aside, along = (
            np.where(conifer, 0.0, sampler.symmetric(number, TREE_ASIDE) * crown) for _ in range(2)
        )
        tall = size * np.where(conifer, TREE_CONIFER_TALL, sampler.uniform(number, TREE_TALL))
        steps = (TREE_CONIFER_RISE + TREE_CONIFER_STEP * level) * crown
        rise = np.where(conifer, steps, sampler.uniform(number, TREE_RISE) * crown)
        part = Part((aside, 2 * trunk + rise, along), (size, tall, size), leaves, ELLIPSOID)
        site.primitives.add_parts(frame, mask, [part])


# --- Bushes, tufts of grass and stones, 0.1 to 1.6 m tall, sunk into the ground.

BUSH_SIZE = (0.1, 0.8)  # mean half width, m, uniform over ratios; lengths below are shares of it
BUSH_STONES = 0.25  # share of stones
BUSH_PARTS = 2
BUSH_STONE_TALL, BUSH_TALL = 0.6, (0.5, 1.3)  # half height of stones, and of bushes
BUSH_ASIDE = 0.6  # greatest way of a part from the middle
BUSH_WIDE = (0.5, 1.0)  # half width and half depth of a part
ROCK = Material(('gravel', 'plaster', 'clouds'), 0.8, bright=Grey((0.1, 0.6)))


def add_bushes(site: Site, frame: Frame, mask: Array) -> None:
    """Add bushes and stones."""
    sampler, number = site.sampler, mask.shape[1]
    size = sampler.log_uniform(number, BUSH_SIZE)
    stone = sampler.chance(number, BUSH_STONES)
    rock, leaves = site.materials.sample(ROCK, number), site.materials.sample(FOLIAGE, number)
    surface = choose(stone, rock, leaves)
    site.ground.shadow(frame, 1.1 * size, size, mask)
    for _ in range(BUSH_PARTS):
        tall = size * np.where(stone, BUSH_STONE_TALL, sampler.uniform(number, BUSH_TALL))
        aside, along = (sampler.symmetric(number, BUSH_ASIDE) * size for _ in range(2))
        wide, deep = (size * sampler.uniform(number, BUSH_WIDE) for _ in range(2))
        part = Part((aside, 0.6 * tall, along), (wide, tall, deep), surface, ELLIPSOID)
        site.primitives.add_parts(frame, mask, [part])


# --- Boxes, pots, bags and balls, some of the boxes with another on top.


class Stack(NamedTuple):
    """Things on the ground, some of the boxes with another thing on top."""

    surface: Material  # material of all; centred on the lower things
    shadow: float  # half size of the shadow / half size of the thing
    size: Range  # size of the upper thing / size of the lower
    chance: float  # probability of one on each box
    height: float = 0.7  # half height / size of the upper thing
    aside: float = 0.0  # place of the upper thing / size of the lower
    within: bool = True  # whether it is no wider than the lower


CRATE_SMALLEST, CRATE_LARGEST = 0.06, 0.4  # mean half size, m; some places have other largest
CRATE_HALF = (0.45, 1.2)  # each half size / mean half size
CRATE_TEXTURES = (
    'plain', 'wood', 'poster', 'planks', 'stripes', 'ribs', 'print', 'weave', 'goods',
)  # fmt: skip
CRATE_STACK = Stack(Material(CRATE_TEXTURES, fit=True), shadow=1.15, size=(0.4, 0.8), chance=0.35)


def add_crates(site: Site, frame: Frame, mask: Array, largest: float = CRATE_LARGEST) -> None:
    """Add crates of mean half sizes up to ``largest`` metres."""
    sampler, number = site.sampler, mask.shape[1]
    size = sampler.log_uniform(number, (CRATE_SMALLEST, largest))
    x, y, z = (size * sampler.uniform(number, CRATE_HALF) for _ in range(3))
    kind = sampler.kinds(number, MOST_BOXES)
    z = np.where(kind == CYLINDER, x, z)
    add_stacks(site, frame, mask, CRATE_STACK, size, (x, y, z), kind)


def add_stacks(
    site: Site,
    frame: Frame,
    mask: Array,
    stack: Stack,
    size: Array,
    half: tuple[Array, Array, Array],
    kind: Array,
) -> None:
    """Add things with their shadows, and another on top of some boxes.

    Mean half sizes, half sizes and kinds of solids are ``[B, k]`` each.
    """
    sampler, number, (x, y, z) = site.sampler, mask.shape[1], half
    site.ground.shadow(frame, stack.shadow * np.maximum(x, z), 2 * y, mask)
    material = site.materials.sample(stack.surface, number, 2 * size)
    site.primitives.add_parts(frame, mask, [Part((0.0, y, 0.0), half, material, kind)])
    upper = size * sampler.uniform(number, stack.size)
    tall = stack.height * upper
    wide, deep = (np.minimum(upper, x), np.minimum(upper, z)) if stack.within else (upper, upper)
    site.primitives.add(
        frame.at(stack.aside * size, 2 * y + tall, 0.0),
        (wide, tall, deep),
        site.materials.sample(dataclasses.replace(stack.surface, fit=False), number, 2 * upper),
        heading=sampler.headings(number),
        mask=mask & (kind == BOX) & sampler.chance(number, stack.chance),
    )


# --- Wheeled bins with lids, barrels, and planters with a plant.

BIN_SIZES = ((0.24, 0.42), (0.25, 0.62))  # half width, half height
BIN_SQUARE = 0.65  # share of square ones
BIN_LIDDED = 0.4  # share of all that have a lid, all of them square
BIN_UNPLANTED = 0.5  # share of all that never have a plant
BIN_PLANTED = 0.7  # probability of a plant in those that may have one
PLANTER_PARTS = 2  # of a plant
PLANTER_SIZE = (0.8, 1.4)  # half width of a part / half width of the planter
PLANTER_ASIDE = 0.3  # greatest way of a part from the middle / half width of the planter
PLANTER_TALL = (0.7, 1.5)  # half height / half width
BIN_BODY = Material(('plain', 'ribs', 'planks', 'stripes'), (0.5, 1.5), vivid=0.9)
BIN_LID = Material(('plain',), 1.0)


def add_bins(site: Site, frame: Frame, mask: Array) -> None:
    """Add bins, barrels and planters."""
    sampler, sample, number = site.sampler, site.materials.sample, mask.shape[1]
    half, tall = sampler.uniforms(number, *BIN_SIZES)
    kind = sampler(number)
    body, lid = sample(BIN_BODY, number), sample(BIN_LID, number)
    site.ground.shadow(frame, 1.2 * half, 2 * tall, mask)
    shape = np.where(kind < BIN_SQUARE, BOX, CYLINDER).astype(np.int8)
    trunk = Part((0.0, tall, 0.0), (half, tall, half), body, shape)
    site.primitives.add_parts(frame, mask, [trunk])
    parts = [
        Part((0.0, 2 * tall + 0.03, -0.02), (1.05 * half, 0.035, 1.08 * half), lid),
        Part((0.0, 2 * tall - 0.03, half + 0.04), (0.8 * half, 0.02, 0.02), lid),  # the handle
    ]
    site.primitives.add_parts(frame, mask & (kind < BIN_LIDDED), parts)
    size = half * sampler.uniform(number, PLANTER_SIZE)
    leaves = sample(FOLIAGE, number)
    planted = mask & (kind > BIN_UNPLANTED) & sampler.chance(number, BIN_PLANTED)
    for _ in range(PLANTER_PARTS):
        aside = sampler.symmetric(number, PLANTER_ASIDE) * half
        along = sampler.symmetric(number, PLANTER_ASIDE) * half
        high = size * sampler.uniform(number, PLANTER_TALL)
        place = (aside, 2 * tall + 0.6 * size, along)
        crown = Part(place, (size, high, size), leaves, ELLIPSOID)
        site.primitives.add_parts(frame, planted, [crown])


# --- Benches of slats, some of them with a back, some of them with a table between two seats.

BENCH_SIZES = ((0.6, 1.0), (0.4, 0.48))  # half width, height of the seat
BENCH_SLATS = (-0.13, 0.0, 0.13)  # places of the slats in depth
BENCH_LEG = 0.03  # half thickness of a leg
BENCH_INSET = 0.12  # from the end to the middle of a leg
BENCH_BACK_CHANCE = 0.75  # probability of a back where there is no table
BENCH_BACK_RAILS = (0.18, 0.36)  # heights of the slats above the seat, m
BENCH_TABLE_CHANCE = 0.4  # probability of a table with a seat beyond it
BENCH_TABLE_ALONG, BENCH_SEAT_ALONG = 0.6, 1.2  # from the bench to its table, to the other seat, m
BENCH_TABLE_INSET = 0.15  # from the ends to the middle of the legs
BENCH_TABLE_LEG = (0.04, 0.36, 0.05)  # half sizes
BENCH_WOOD = Material(('wood', 'planks', 'plain'), (0.4, 1.2))
BENCH_IRON = Material(('plain', 'plaster'), 0.5)
BENCH_THINGS = SmallThings(
    size=(0.03, 0.14),
    width=(0.4, 1.2),
    height=(1.0, 1.0),
    depth=(0.4, 1.2),
    aside=0.8,
    along=(0.35, 0.85),  # from the bench
    chance=0.7,
    kinds=(BOX, CYLINDER, CYLINDER, ELLIPSOID),
    material=Material(GOODS_TEXTURE, fit=True),
    number=3,
)


def add_benches(site: Site, frame: Frame, mask: Array) -> None:
    """Add benches."""
    sampler, number, add_parts = site.sampler, mask.shape[1], site.primitives.add_parts
    wood, iron = (site.materials.sample(kind, number) for kind in (BENCH_WOOD, BENCH_IRON))
    half, seat = sampler.uniforms(number, *BENCH_SIZES)
    table = sampler.chance(number, BENCH_TABLE_CHANCE)
    site.ground.shadow(frame, half, seat, mask)
    slat = (half, 0.018, 0.055)
    parts = [Part((0.0, seat, along), slat, wood) for along in BENCH_SLATS]
    parts += [
        Part((side * (half - BENCH_INSET), seat / 2, 0.0), (BENCH_LEG, seat / 2, BENCH_LEG), iron)
        for side in (-1, 1)
    ]
    add_parts(frame, mask, parts)
    rail = (half, 0.05, 0.015)
    parts = [Part((0.0, seat + lift, 0.2), rail, wood) for lift in BENCH_BACK_RAILS]
    for side in (-1, 1):
        place = (side * (half - BENCH_INSET), seat + 0.2, 0.21)
        parts.append(Part(place, (0.025, 0.22, 0.02), iron))
    add_parts(frame, mask & ~table & sampler.chance(number, BENCH_BACK_CHANCE), parts)
    parts = [
        Part((0.0, 0.74, BENCH_TABLE_ALONG), (half, 0.025, 0.36), wood),
        Part((0.0, seat, BENCH_SEAT_ALONG), (half, 0.02, 0.15), wood),
    ]
    for side in (-1, 1):
        aside = side * (half - BENCH_TABLE_INSET)
        parts.append(Part((aside, BENCH_TABLE_LEG[1], BENCH_TABLE_ALONG), BENCH_TABLE_LEG, iron))
        parts.append(Part((aside, seat / 2, BENCH_SEAT_ALONG), (0.04, seat / 2, 0.03), iron))
    add_parts(frame, mask & table, parts)
    for _ in range(BENCH_THINGS.number):
        _add_bench_thing(site, frame, mask & table, half)


def _add_bench_thing(site: Site, frame: Frame, mask: Array, half: Array) -> None:
    sampler, number = site.sampler, mask.shape[1]
    size = sampler.log_uniform(number, BENCH_THINGS.size)
    aside = sampler.symmetric(number, BENCH_THINGS.aside) * half
    along = sampler.uniform(number, BENCH_THINGS.along)
    wide = size * sampler.uniform(number, BENCH_THINGS.width)
    deep = size * sampler.uniform(number, BENCH_THINGS.depth)
    material = site.materials.sample(BENCH_THINGS.material, number, 2 * size)
    place, kind = (aside, 0.765 + size, along), sampler.kinds(number, BENCH_THINGS.kinds)
    thing = Part(place, (wide, size, deep), material, kind)
    site.primitives.add_parts(frame, mask & sampler.chance(number, BENCH_THINGS.chance), [thing])


# --- Bicycles on their stands: two thin wheels, a frame, a saddle and handlebars.


class BicyclePart(NamedTuple):
    """Part of a bicycle."""

    along: float  # its middle / half of the distance between the axles
    high: float  # height of its middle / height of the axles
    half: tuple[float, float, float]  # metres (m), or shares of:
    scales: str  # half of the distance between the axles (w), the axles' height (h)
    kind: int


BICYCLE_WHEEL = (0.24, 0.35)  # half diameter, m
BICYCLE_HALF_BASE = 1.55  # half of the distance between the axles / half diameter of the wheels
BICYCLE_HALF_TYRE = 0.022  # half thickness
BICYCLE_SHADOW, BICYCLE_SHADOW_HEIGHT = (0.7, 0.3), 0.6
BICYCLE_SADDLE = BicyclePart(-0.35, 2.65, (0.13, 0.03, 0.07), 'mmm', ELLIPSOID)
BICYCLE_PARTS = (
    BicyclePart(0.0, 1.75, (0.95, 0.022, 0.02), 'wmm', BOX),
    BicyclePart(-0.1, 1.0, (0.9, 0.02, 0.02), 'wmm', BOX),
    BicyclePart(-0.35, 1.6, (0.02, 0.95, 0.02), 'mhm', CYLINDER),
    BicyclePart(0.95, 2.0, (0.02, 1.0, 0.02), 'mhm', CYLINDER),
    BICYCLE_SADDLE,
    BicyclePart(0.9, 3.0, (0.03, 0.018, 0.27), 'mmm', BOX),  # handlebars
)
BICYCLE_TYRE = Material(('plain',), 0.3, bright=Grey((0.02, 0.12)))
BICYCLE_LACQUER = Material(('plain', 'stripes'), 0.4, vivid=0.9)


def add_bicycles(site: Site, frame: Frame, mask: Array) -> None:
    """Add bicycles."""
    sample, number = site.materials.sample, mask.shape[1]
    tyre, lacquer = sample(BICYCLE_TYRE, number), sample(BICYCLE_LACQUER, number)
    axle = site.sampler.uniform(number, BICYCLE_WHEEL)
    site.ground.shadow(frame, BICYCLE_SHADOW, BICYCLE_SHADOW_HEIGHT, mask)
    base, wheel = BICYCLE_HALF_BASE * axle, (axle, axle, BICYCLE_HALF_TYRE)
    parts = [Part((end * base, axle, 0.0), wheel, tyre, ELLIPSOID) for end in (-1, 1)]
    for row in BICYCLE_PARTS:
        x, y, z = (
            value * {'w': base, 'h': axle}[scale] if scale != 'm' else value
            for value, scale in zip(row.half, row.scales, strict=True)
        )
        material = tyre if row is BICYCLE_SADDLE else lacquer
        parts.append(Part((row.along * base, row.high * axle, 0.0), (x, y, z), material, row.kind))
    site.primitives.add_parts(frame, mask, parts)


# --- Fences of posts with rails or boards that one can see through.

FENCE_POSTS = 12  # number of them
FENCE_SIZES = ((0.25, 2.2), (0.4, 0.8))  # step from post to post, half height
FENCE_BOARDS = 0.9  # steps below which posts are boards
FENCE_POST_SIZES = ((0.03, 0.07), (0.03, 0.06))  # half width of boards, half thickness of posts
FENCE_RAILS = (1, 2, 3)  # numbers of rails
FENCE_TOP_RAIL = 1.8  # height of the highest rail / half height of the fence
FENCE_RAIL_STEP = 0.55  # from rail to rail / half height of the fence
FENCE_WOOD = Material(('wood', 'plain', 'planks'), 0.5, bright=Colour(0.08, 0.7, 0.2))


def add_fence(site: Site, frame: Frame, mask: Array) -> None:
    """Add one fence to each scene, ``[B, 1]``."""
    sampler, number = site.sampler, FENCE_POSTS
    step, tall = sampler.uniforms(1, *FENCE_SIZES)
    narrow = step < FENCE_BOARDS
    wood = site.materials.sample(FENCE_WOOD, 1)
    place = (np.arange(number, dtype=np.float32) - 0.5 * (number - 1)) * step
    board, post = sampler.uniforms(1, *FENCE_POST_SIZES)
    half = np.where(narrow, board, post)
    size = (half, tall, np.where(narrow, 0.012, half))
    upright = Part((place, tall, 0.0), size, repeat(wood, number))
    site.primitives.add_parts(frame, mask, [upright])
    rails = sampler.choose(1, FENCE_RAILS)
    for k in range(max(FENCE_RAILS)):
        high = tall * (FENCE_TOP_RAIL - FENCE_RAIL_STEP * k)
        rail = Part((0.0, high, 0.03), (0.5 * number * step, 0.035, 0.015), wood)
        site.primitives.add_parts(frame, mask & (rails > k), [rail])


# --- Posts: lamps on an arm, signs, bare poles.

POST_SIZES = ((0.02, 0.09), (0.1, 0.6))  # half thickness, half length of a lamp's arm
POST_LAMPS = 0.35  # share of lamps
POST_NOT_SIGNS = 0.65  # share of lamps and bare poles; the rest are signs
POST_HALF_ARM = 0.03  # half thickness of it
POST_PLATE = (0.15, 0.45)  # half width of a sign
POST_PLATE_BELOW = 0.6  # from the top to the middle of the sign / its half width
POST_HIGHEST = 2.4  # height of the middle of a sign, at most
POST_METAL = Material(('plain', 'stripes', 'wood'), 0.5, bright=Colour(0.04, 0.6, 0.2))
POST_LAMP = Material(('plain',), bright=Grey(0.85), glow=(0, 2))
POST_SIGN = Material(('sign', 'print', 'poster', 'text'), fit=True, contrast=1.0, vivid=1.0)


def add_posts(site: Site, frame: Frame, mask: Array, tall: Value) -> None:
    """Add posts of half height ``tall``, metres."""
    sampler, number, add_parts = site.sampler, mask.shape[1], site.primitives.add_parts
    metal = site.materials.sample(POST_METAL, number)
    thin, arm = sampler.uniforms(number, *POST_SIZES)
    add_parts(frame, mask, [Part((0.0, tall, 0.0), (thin, tall, thin), metal, CYLINDER)])
    kind = sampler(number)
    lamp = site.materials.sample(POST_LAMP, number)
    top = 2 * np.asarray(tall)
    parts = [
        Part((arm, top, 0.0), (arm, POST_HALF_ARM, POST_HALF_ARM), metal),
        Part((2 * arm, top - 0.05, 0.0), (0.25, 0.07, 0.12), lamp),
    ]
    add_parts(frame, mask & (kind < POST_LAMPS), parts)
    plate = sampler.uniform(number, POST_PLATE)
    sign = site.materials.sample(POST_SIGN, number, 2 * plate)
    high = np.minimum(top - POST_PLATE_BELOW * plate, POST_HIGHEST)
    board = Part((0.0, high, -0.06), (plate, 0.7 * plate, 0.012), sign)
    add_parts(frame, mask & (kind > POST_NOT_SIGNS), [board])
