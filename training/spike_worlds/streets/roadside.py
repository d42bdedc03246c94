# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Surfaces on and beside the road, trees and hedges, posts, bins and bridges."""

from __future__ import annotations

import dataclasses

import numpy as np

from spike_worlds.building.light import Ground, Site
from spike_worlds.building.materials import Colour, Extent, Grey, Material, choose
from spike_worlds.building.primitives import Frame, Part
from spike_worlds.building.sampler import HALF_TURN, QUARTER_TURN, cos_sin
from spike_worlds.scene import BOX, CYLINDER, ELLIPSOID, Array, Column

# --- Sizes of streets, and shadows beside the road.

SIDES = (-1, 1)  # left and right of the road
GREEN = (0.5, 1.0, 0.35)  # tint of grass and leaves
GRASS = Colour(0.1, 0.5, 0.3, tint=GREEN)


@dataclasses.dataclass(frozen=True)
class Street:
    """Sizes of a batch of streets."""

    country: Array  # those that are country roads, ``[B, 1]``
    edge: Array  # half width of the road, ``[B, 1]`` metres
    kerb: Array  # height of what lies beside it, ``[B, 1]`` metres
    walk: Array  # width of the pavements left and right, ``[B, 2]`` metres


def add_shadows(
    verges: list[Ground], side: Array, frame: Frame, reach: Array, tall: Array, mask: Array
) -> None:
    """Add shadows of things that stand left (-1) or right (1) of the road, ``side`` ``[B, k]``.

    The other arguments are those of :meth:`Ground.shadow`.
    """
    for sign, verge in zip(SIDES, verges, strict=True):
        verge.shadow(frame, reach, tall, mask & (side == sign))


def on(site: Site, ground: Ground) -> Site:
    """Return a site with other ground."""
    return dataclasses.replace(site, ground=ground)


# --- Pavements, verges, kerbs, lane lines, crossings and patches of the road.

# Pavements, kerbs and strips of grass along the road.
VERGE_HALF_WIDTH = 40.0  # of pavement or verge
VERGE_ALONG = 60.0  # middle of all that lies along the road
VERGE_HALF_LENGTH = 100.0  # of all that lies along the road
VERGE_KERB_LIFT = 0.005  # half of what the kerb rises above the pavement, m
VERGE_STRIP_ASIDE = 1.5  # middle of a strip of grass beyond the pavement's end
VERGE_STRIP = (0.5, 1.5)  # half width of it
VERGE_STRIP_CHANCE = 0.4  # probability on each side

# Lines at both edges and between the lanes.
LINE_ASIDE = (-0.95, -0.33, 0.33, 0.95)  # their places / half width of the road
LINE_UNBROKEN = (0.8, 0.3, 0.3, 0.8)  # probability of each without gaps
LINE_PERIOD = (4.0, 12.0)  # of dashes
LINE_WHITE = (0.5, 1.0)  # brightness of the lines
LINE_DARK = (0.1, 0.35)  # of the gaps between dashes, which have the asphalt's grey
LINE_HALF_WIDTH = (0.05, 0.1)
LINE_CHANCE = 0.8  # probability of each
LINE_ONE_MIDDLE = 0.5  # probability of one line in the middle in place of two

# A crossing.
CROSSING_CHANCE = 0.3  # probability in a street
CROSSING_DISTANCE = (6, 30)  # along the road, uniform over ratios

# Patches, manholes and signs on the road.
PATCH_NUMBER = 4  # places for them
PATCH_CHANCE = 0.5  # probability of each
PATCH_ASIDE = 0.9  # greatest way from the middle / half width of the road
PATCH_DISTANCE = (3, 40)  # along the road, uniform over ratios
PATCH_SIZES = ((0.2, 1.2), (0.2, 2.5))  # half width, half length
COUNTRY_VERGE = Material(('leaves', 'gravel', 'clouds'), (0.8, 4.0), contrast=0.8, bright=GRASS)
PAVEMENT = Material(
    ('slabs', 'tiles', 'gravel', 'plaster', 'blocks'),
    (0.6, 3.0),
    bright=Grey((0.2, 0.6)),
    contrast=0.5,
)
KERBSTONE = Material(('blocks', 'plain', 'tiles'), Extent(0.12, 2.0), bright=Grey((0.3, 0.8)))
STRIP = Material(('leaves', 'gravel'), (0.8, 3.0), contrast=0.8, bright=GRASS)
DASH = Material(('dash',))
PATCH_SURFACE = Material(
    ('plain', 'plaster', 'gravel', 'sign'), (0.5, 2.0), bright=Grey((0.05, 0.5))
)


def add_surfaces(site: Site, street: Street) -> list[Ground]:
    """Add what lies beside and on the road; return the ground left and right of it."""
    verge = _add_verges(site, street)
    _add_lines(site, street)
    _add_patches(site, street)
    ground, edge = site.ground, street.edge
    return [
        Ground(
            site.primitives,
            verge[:, [k]],
            ground.sun,
            ground.share,
            (sign * (edge + VERGE_HALF_WIDTH), VERGE_ALONG),
            street.kerb,
        )
        for k, sign in enumerate(SIDES)
    ]


def _add_verges(site: Site, street: Street) -> Array:
    """Add pavements or verges, kerbs, strips of grass; return the materials of the first."""
    sampler, sample, add = site.sampler, site.materials.sample, site.primitives.add
    edge, kerb, country = street.edge, street.kerb, street.country
    side = np.array(SIDES, np.float32)
    width, along, long = VERGE_HALF_WIDTH, VERGE_ALONG, VERGE_HALF_LENGTH
    slab = choose(country, sample(COUNTRY_VERGE, 2), sample(PAVEMENT, 2)).astype(np.float32)
    add((side * (edge + width), kerb / 2, along), (width, kerb / 2, long), slab)
    high = kerb / 2 + VERGE_KERB_LIFT
    stone = sample(KERBSTONE, 2)
    place = (side * (edge + 0.06), high, along)
    add(place, (0.08, high, long), stone, mask=~country)
    grass = sample(STRIP, 2)
    beside = side * (edge + street.walk + VERGE_STRIP_ASIDE)
    add(
        (beside, kerb + 0.02, along),
        (sampler.uniform(2, VERGE_STRIP), 0.03, long),
        grass,
        mask=sampler.chance(2, VERGE_STRIP_CHANCE),
    )
    return slab


def _add_lines(site: Site, street: Street) -> None:
    """Add lines along the road, and a crossing."""
    sampler, materials, number = site.sampler, site.materials, len(LINE_ASIDE)
    edge, thin = street.edge, 0.004
    white = materials.sample_colour(number, Grey(LINE_WHITE))
    dark = materials.sample_colour(number, Grey(LINE_DARK))
    period = sampler.uniform(number, LINE_PERIOD)
    line = materials.sample(DASH, number, (1.0, period), bright=white, dark=dark)
    unbroken = sampler.chance(number, np.array(LINE_UNBROKEN, np.float32))
    line[..., Column.DARK] = choose(unbroken, line[..., Column.BRIGHT], line[..., Column.DARK])
    light, shade = line[..., Column.BRIGHT_LUMINANCE], line[..., Column.DARK_LUMINANCE]
    line[..., Column.DARK_LUMINANCE] = np.where(unbroken, light, shade)
    lanes = np.concatenate([place * edge for place in LINE_ASIDE], 1)
    middle = sampler.chance(1, LINE_ONE_MIDDLE)
    lanes[:, 1:2] = np.where(middle, 0.0, lanes[:, 1:2])
    mask = sampler.chance(number, LINE_CHANCE)
    mask[:, 2:3] &= ~middle
    half = (sampler.uniform(number, LINE_HALF_WIDTH), thin, VERGE_HALF_LENGTH)
    site.primitives.add((lanes, thin, VERGE_ALONG), half, line, mask=mask)
    bars = materials.sample(DASH, 1, bright=white[:, :1], dark=dark[:, :1])
    site.primitives.add(
        (0.0, thin, sampler.log_uniform(1, CROSSING_DISTANCE)),
        (1.8, thin, edge),
        bars,
        heading=cos_sin(np.full_like(edge, QUARTER_TURN)),
        mask=sampler.chance(1, CROSSING_CHANCE) & ~street.country,
    )


def _add_patches(site: Site, street: Street) -> None:
    sampler, number = site.sampler, PATCH_NUMBER
    surface = site.materials.sample(PATCH_SURFACE, number)
    x = sampler.symmetric(number, PATCH_ASIDE) * street.edge
    z = sampler.log_uniform(number, PATCH_DISTANCE)
    half_w, half_l = sampler.uniforms(number, *PATCH_SIZES)
    site.primitives.add(
        (x, 0.002, z),
        (half_w, 0.003, half_l),
        surface,
        mask=sampler.chance(number, PATCH_CHANCE),
    )


# --- Trees beside the road, hedges and walls.

TREE_NUMBER = 9  # places for them
TREE_CHANCE = 0.45  # probability of each in streets
TREE_COUNTRY_CHANCE = 0.85  # probability of each beside country roads
TREE_BESIDE = (0.6, 2.5)  # from the road's edge, m
TREE_COUNTRY_BESIDE = 25  # greatest way added beside country roads, m: the square of a share of it
TREE_DISTANCE = (4, 110)  # along the road, uniform over ratios
TREE_HEADING = (0, 6)
TREE_HALF_TRUNK = (1.0, 2.5)  # half height of the trunk
TREE_CROWN = (0.9, 3.2)  # half width of the crown, uniform over ratios
TREE_HALF_THICKNESS = (0.08, 0.3)  # of the trunk
TREE_SHADOW = 0.8  # half size of the shadow / half width of the crown
TREE_PARTS = 4  # of the crown
TREE_SIZE = (0.45, 1.0)  # half width of a part / half width of the crown
TREE_TALL = (0.7, 1.2)  # half height / half width of a part
TREE_ASIDE = 0.6  # greatest way of a part from the trunk / half width of the crown
TREE_RISE = (-0.2, 1.0)  # height of a part above the trunk / half width of the crown

# Hedges and walls along the road.
HEDGE_NUMBER = 6  # places for them
HEDGE_CHANCE = 0.45  # probability of each
HEDGE_HALF_HEIGHT = (0.3, 1.1)
HEDGE_BESIDE = (0.5, 6.0)  # from the road's edge
HEDGE_SIZES = ((2, 60), (0.1, 0.7))  # distance along the road, half width
HEDGE_HALF_LENGTH = (2, 10)
TREE_BARK = Material(('folds', 'wood', 'clouds'), (0.4, 1.0), bright=Colour(0.05, 0.35, 0.2))
TREE_LEAVES = Material(
    ('leaves', 'leaves', 'gravel', 'clouds'),
    (0.8, 3.5),
    contrast=0.95,
    bright=Colour(0.08, 0.6, 0.3, tint=GREEN),
)
HEDGE_SURFACE = Material(
    ('leaves', 'planks', 'bricks', 'ribs', 'gravel'), (0.8, 2.5), bright=Colour(0.1, 0.6, 0.5)
)


def add_trees(site: Site, street: Street, verges: list[Ground]) -> None:
    """Add trees, hedges and walls."""
    sampler, number, add = site.sampler, TREE_NUMBER, site.primitives.add
    side = sampler.signs(number)
    beside = street.edge + sampler.uniform(number, TREE_BESIDE)
    farther = np.where(street.country, sampler(number) ** 2 * TREE_COUNTRY_BESIDE, 0)
    z = sampler.log_uniform(number, TREE_DISTANCE)
    frame = Frame(side * (beside + farther), 0.0, z, sampler.headings(number, TREE_HEADING))
    chance = np.where(street.country, TREE_COUNTRY_CHANCE, TREE_CHANCE)
    mask = sampler.chance(number, chance)
    trunk = sampler.uniform(number, TREE_HALF_TRUNK)
    crown = sampler.log_uniform(number, TREE_CROWN)
    bark = site.materials.sample(TREE_BARK, number)
    thick = sampler.uniform(number, TREE_HALF_THICKNESS)
    add_shadows(verges, side, frame, crown * TREE_SHADOW, 2 * trunk, mask)
    add(frame.at(0.0, trunk, 0.0), (thick, trunk, thick), bark, kind=CYLINDER, mask=mask)
    leaves = site.materials.sample(TREE_LEAVES, number)
    for _ in range(TREE_PARTS):
        size = crown * sampler.uniform(number, TREE_SIZE)
        aside = sampler.symmetric(number, TREE_ASIDE) * crown
        rise = 2 * trunk + sampler.uniform(number, TREE_RISE) * crown
        along = sampler.symmetric(number, TREE_ASIDE) * crown
        half = (size, size * sampler.uniform(number, TREE_TALL), size)
        add(frame.at(aside, rise, along), half, leaves, kind=ELLIPSOID, mask=mask)
    _add_hedges(site, street)


def _add_hedges(site: Site, street: Street) -> None:
    sampler, number = site.sampler, HEDGE_NUMBER
    side = sampler.signs(number)
    tall = sampler.uniform(number, HEDGE_HALF_HEIGHT)
    x = side * (street.edge + sampler.uniform(number, HEDGE_BESIDE))
    z, half_w = sampler.uniforms(number, *HEDGE_SIZES)
    site.primitives.add(
        (x, tall, z),
        (half_w, tall, sampler.uniform(number, HEDGE_HALF_LENGTH)),
        site.materials.sample(HEDGE_SURFACE, number),
        mask=sampler.chance(number, HEDGE_CHANCE),
    )


# --- Lamp posts, signs, bollards, bins, and a bridge or gantry.

# Posts with a lamp on an arm, or with a sign.
POST_NUMBER = 8  # places for them
POST_CHANCE = 0.6  # probability of each
POST_BESIDE = (0.3, 1.2)  # from the road's edge
POST_DISTANCE = (4, 80)  # along the road, uniform over ratios
POST_SIZES = ((1.5, 4.2), (0.035, 0.12))  # half height of the post, half thickness of the post
POST_LAMPS = 0.5  # share of lamps; the others are signs
POST_ARM = (0.3, 1.2)  # half length of the arm
POST_HALF_ARM = 0.04  # half thickness
POST_PLATE = (0.25, 0.55)  # half width of a sign, m
POST_PLATE_TALL = (0.5, 1.4)  # half height / half width of a sign

# Bollards, bins and boxes.
BIN_NUMBER = 8  # places for them
BIN_CHANCE = 0.5  # probability of each
BIN_SIZES = ((0.08, 0.5), (0.35, 0.75))  # half width, half height
BIN_BESIDE = (0.2, 2.5)  # from the road's edge
BIN_DISTANCE = (3, 40)  # along the road, uniform over ratios
BIN_SHADOW = 1.4  # half size of the shadow / half width
BIN_KINDS = (BOX, CYLINDER, CYLINDER)

# A bridge or gantry.
BRIDGE_CHANCE = 0.2  # probability
BRIDGE_SIZES = ((5.0, 7.0), (20, 90))  # height of its middle, distance along the road
BRIDGE_HALF_HEIGHT = (0.2, 1.0)
BRIDGE_HALF_DEPTH = (0.2, 4.0)
POST_METAL = Material(('plain', 'stripes'), 0.5, bright=Grey((0.05, 0.6)))
POST_LAMP = Material(('plain',), bright=Grey(0.8), glow=(0, 1))
POST_SIGN = Material(('sign', 'print', 'poster'), fit=True, contrast=1.0, vivid=1.0)
BIN_SURFACE = Material(('plain', 'stripes', 'poster', 'ribs'), 0.8)
BRIDGE_GIRDER = Material(('plain', 'blocks', 'print', 'ribs'), (1.5, 5))


def add_street_furniture(site: Site, street: Street, verges: list[Ground]) -> None:
    """Add posts, bins and a bridge."""
    _add_posts(site, street)
    _add_bins(site, street, verges)
    _add_bridge(site, street)


def _add_posts(site: Site, street: Street) -> None:
    sampler, number, add = site.sampler, POST_NUMBER, site.primitives.add
    side = sampler.signs(number)
    x = side * (street.edge + sampler.uniform(number, POST_BESIDE))
    z = sampler.log_uniform(number, POST_DISTANCE)
    heading = cos_sin(np.where(side < 0, np.float32(0), np.float32(HALF_TURN)))
    frame = Frame(x, street.kerb, z, heading)
    metal = site.materials.sample(POST_METAL, number)
    mask = sampler.chance(number, POST_CHANCE)
    tall, thin = sampler.uniforms(number, *POST_SIZES)
    add(frame.at(0.0, tall, 0.0), (thin, tall, thin), metal, kind=CYLINDER, mask=mask)
    arm, lamp = sampler.uniform(number, POST_ARM), sampler.chance(number, POST_LAMPS)
    _add_lamps(site, frame, mask & lamp, (arm, 2 * tall), metal)
    plate = sampler.uniform(number, POST_PLATE)
    half = (plate, plate * sampler.uniform(number, POST_PLATE_TALL), 0.015)
    sign = site.materials.sample(POST_SIGN, number, 2 * plate)
    add(frame.at(0.0, 2 * tall - plate, -0.08), half, sign, mask=mask & ~lamp)


def _add_lamps(
    site: Site, frame: Frame, mask: Array, sizes: tuple[Array, Array], metal: Array
) -> None:
    """Add arms of a half length, and lamps on them, on posts of a height, metres."""
    arm, top = sizes
    head = site.materials.sample(POST_LAMP, POST_NUMBER)
    parts = [
        Part((arm, top, 0.0), (arm, POST_HALF_ARM, POST_HALF_ARM), metal),
        Part((2 * arm, top - 0.05, 0.0), (0.3, 0.09, 0.15), head),
    ]
    site.primitives.add_parts(frame, mask, parts)


def _add_bins(site: Site, street: Street, verges: list[Ground]) -> None:
    sampler, number = site.sampler, BIN_NUMBER
    side = sampler.signs(number)
    size, high = sampler.uniforms(number, *BIN_SIZES)
    mask = sampler.chance(number, BIN_CHANCE)
    x = side * (street.edge + sampler.uniform(number, BIN_BESIDE))
    frame = Frame(x, street.kerb, sampler.log_uniform(number, BIN_DISTANCE), cos_sin(side))
    add_shadows(verges, side, frame, size * BIN_SHADOW, high, mask)
    site.primitives.add(
        frame.at(0.0, high, 0.0),
        (size, high, size),
        site.materials.sample(BIN_SURFACE, number),
        kind=sampler.kinds(number, BIN_KINDS),
        mask=mask,
    )


def _add_bridge(site: Site, street: Street) -> None:
    sampler = site.sampler
    y, z = sampler.uniforms(1, *BRIDGE_SIZES)
    half_h = sampler.uniform(1, BRIDGE_HALF_HEIGHT)
    site.primitives.add(
        (0.0, y, z),
        (street.edge + 4, half_h, sampler.uniform(1, BRIDGE_HALF_DEPTH)),
        site.materials.sample(BRIDGE_GIRDER, 1),
        mask=sampler.chance(1, BRIDGE_CHANCE),
    )
