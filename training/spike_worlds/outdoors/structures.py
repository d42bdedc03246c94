# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boundaries of outdoor places, canopies, sheds and hay bales."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_worlds.building.light import Site
from spike_worlds.building.materials import GREEN, Colour, Extent, Material
from spike_worlds.building.primitives import Frame, Part, corner_parts
from spike_worlds.building.sampler import QUARTER_TURN, Range, cos_sin
from spike_worlds.outdoors.ground import ByKind, Place, Things, by_kind
from spike_worlds.scene import BOX, CYLINDER, Array

# --- Boundaries of places: walls, fences, hedges and houses along the four sides.


class Boundary(NamedTuple):
    """Kind of boundary."""

    share: ByKind  # of the pieces in each kind of place
    height: Range
    half_depth: Range
    material: Material  # of it
    house: bool = False  # whether its texture's tiles are four storeys
    fitted: bool = False  # whether it has doors, gates and windows, and a cornice or coping


BOUNDARY_COLOUR = Colour(0.1, 0.85, 0.5)
BOUNDARY_CONTRAST = 0.8
LEAF_COLOUR = BOUNDARY_COLOUR._replace(tint=GREEN, least=0.0)


def _boundary_material(*textures: str, colour: Colour = BOUNDARY_COLOUR) -> Material:
    return Material(textures, contrast=BOUNDARY_CONTRAST, bright=colour)


WALL = Boundary(
    ByKind(0.24, 0.08, 0.03),
    (1.2, 3.0),
    (0.08, 0.15),
    _boundary_material('bricks', 'plaster', 'blocks', 'plain', 'slabs', 'tiles'),
    fitted=True,
)
BOARDS = Boundary(
    ByKind(0.18, 0.1, 0.08),
    (0.8, 2.0),
    (0.015, 0.04),
    _boundary_material('planks', 'wood', 'ribs', 'folds'),
)
HEDGE = Boundary(
    ByKind(0.12, 0.2, 0.2),
    (0.6, 2.6),
    (0.2, 0.7),
    _boundary_material('leaves', 'leaves', 'gravel', colour=LEAF_COLOUR),
)
HOUSE = Boundary(
    ByKind(0.28, 0.14, 0.06),
    (2.6, 9.0),
    (2.0, 5.0),
    _boundary_material('bricks', 'plaster', 'plain', 'facade', 'blocks', 'planks'),
    house=True,
    fitted=True,
)
LEDGE = Boundary(
    ByKind(0.08, 0.08, 0.05),
    (0.2, 0.8),
    (0.1, 0.3),
    _boundary_material('blocks', 'gravel', 'plaster', 'bricks'),
)
BOUNDARIES = (WALL, BOARDS, HEDGE, HOUSE, LEDGE)

# Pieces of boundaries.
LAYOUT_SIDES = 4  # of a place
LAYOUT_PIECES = 8  # two on each side
LAYOUT_SPLIT = 0.6  # greatest way of the pieces' limit from the middle / half of a side
LAYOUT_OUTWARDS = (0.0, 0.6)  # shift of a piece
LAYOUT_STOREY = (2.6, 3.4)  # height of a storey
LAYOUT_STOREYS = 4  # on a tile of a house's texture
LAYOUT_TILE = (0.8, 3.0)  # metres that a tile of other textures covers

# Doors, gates and windows on the inner face of a piece.
OPENING_NUMBER = 2  # on each piece
OPENING_CHANCE = 0.6  # probability of each
OPENING_HALF_WIDTH = (0.4, 1.3)
OPENING_WIDEST = 0.8  # greatest half width / half width of the piece
OPENING_DOORS = 0.5  # share of those that reach down to the ground
OPENING_FOOT = (0.7, 1.1)  # height of the others
OPENING_HALF_HEIGHT = (0.5, 1.05)
OPENING_BELOW_TOP = 0.05  # half of the least way to the upper edge
OPENING_LOWEST = 0.3  # half height of those that are left out
OPENING_SHIFT = 0.3  # greatest shift to the side / half width of the piece

# A cornice or coping above.
CORNICE_CHANCE = 0.6  # probability
CORNICE_DEEPER = (0.04, 0.5)  # before and behind the piece
OPENING_FRONT = Material(
    ('door', 'doors', 'ribs', 'folds', 'screen', 'facade', 'poster', 'goods'),
    Extent((1.0, 2.5), 2.1),
    fit=True,
    contrast=1.0,
)
CORNICE_SURFACE = Material(('tiles', 'plain', 'ribs', 'blocks'), (0.6, 2.0))


class _Pieces(NamedTuple):
    """Pieces along the four sides, ``[B, pieces]``, in metres."""

    ends: Array  # whether they lie at the ends along z, not along x
    sign: Array  # of the side
    middle: Array  # along the side
    half_w: Array  # half length along the side
    away: Array  # from the middle of the place
    heading: tuple[Array, Array]  # cosine and sine

    def at(self, along: Array, out: Array) -> Frame:
        """Return poses along a side and ``out`` from the middle of the place."""
        x, z = np.where(self.ends, along, out), np.where(self.ends, out, along)
        return Frame(x, 0.0, z, self.heading)


def add_boundaries(site: Site, place: Place) -> None:
    """Add one kind of boundary, or none, at each piece."""
    sampler, number = site.sampler, LAYOUT_PIECES
    pieces = _sample_pieces(site, place)
    what, start = sampler(number), np.zeros((1, 1), np.float32)
    front = site.materials.sample(OPENING_FRONT, number)
    for boundary in BOUNDARIES:
        share = by_kind(place.yard, place.field, boundary.share)
        chosen = (what >= start) & (what < start + share)
        start = start + share
        tall, deep = sampler.uniforms(number, boundary.height, boundary.half_depth)
        storey = sampler.uniform(number, LAYOUT_STOREY)
        size = LAYOUT_STOREYS * storey if boundary.house else sampler.uniform(number, LAYOUT_TILE)
        material = site.materials.sample(boundary.material, number, size)
        frame = pieces.at(pieces.middle, pieces.sign * (pieces.away + deep))
        wall = Part((0.0, tall / 2, 0.0), (pieces.half_w, tall / 2, deep), material)
        site.primitives.add_parts(frame, chosen, [wall])
        if boundary.fitted:
            for k in range(OPENING_NUMBER):
                _add_opening(site, pieces, chosen, tall, front, k)
            _add_cornice(site, pieces, chosen, frame, (tall, deep))


def _sample_pieces(site: Site, place: Place) -> _Pieces:
    sampler, number = site.sampler, LAYOUT_PIECES
    index = np.arange(number)
    ends = (index // LAYOUT_SIDES) % 2 == 0
    sign = np.where((index // 2) % 2 == 0, np.float32(-1), np.float32(1))
    half_length = np.where(ends, place.half_x, place.half_z)
    split = np.repeat(sampler.symmetric(LAYOUT_SIDES, LAYOUT_SPLIT), 2, 1)
    first = index % 2 == 0
    low, high = np.where(first, -1, split), np.where(first, split, 1)
    middle, half_w = 0.5 * (low + high) * half_length, 0.5 * (high - low) * half_length
    away = np.where(ends, place.half_z, place.half_x)
    away = away + sampler.uniform(number, LAYOUT_OUTWARDS)
    heading = cos_sin(np.where(ends, np.float32(0), np.float32(QUARTER_TURN)))
    return _Pieces(ends, sign, middle, half_w, away, heading)


def _add_opening(
    site: Site, pieces: _Pieces, mask: Array, tall: Array, front: Array, k: int
) -> None:
    """Add a door, gate or window, in the left half of a piece or in the right."""
    sampler, number = site.sampler, LAYOUT_PIECES
    broad = sampler.uniform(number, OPENING_HALF_WIDTH)
    broad = np.minimum(broad, OPENING_WIDEST * pieces.half_w)
    door = sampler.chance(number, OPENING_DOORS)
    foot = np.where(door, 0.0, sampler.uniform(number, OPENING_FOOT))
    high = sampler.uniform(number, OPENING_HALF_HEIGHT)
    high = np.minimum(high, (tall - foot) / 2 - OPENING_BELOW_TOP)
    shift = k - 0.5 + sampler.symmetric(number, OPENING_SHIFT)
    along = pieces.middle + shift * pieces.half_w
    frame = pieces.at(along, pieces.sign * (pieces.away - 0.02))
    mask = mask & (high > OPENING_LOWEST) & sampler.chance(number, OPENING_CHANCE)
    opening = Part((0.0, foot + high, 0.0), (broad, high, 0.03), front)
    site.primitives.add_parts(frame, mask, [opening])


def _add_cornice(
    site: Site, pieces: _Pieces, mask: Array, frame: Frame, sizes: tuple[Array, Array]
) -> None:
    sampler, number = site.sampler, LAYOUT_PIECES
    high, deep = sizes
    reach = deep + sampler.uniform(number, CORNICE_DEEPER)
    half = (pieces.half_w + 0.1, 0.06, reach)
    surface = site.materials.sample(CORNICE_SURFACE, number)
    cornice = Part((0.0, high + 0.05, 0.0), half, surface)
    site.primitives.add_parts(frame, mask & sampler.chance(number, CORNICE_CHANCE), [cornice])


# --- A roof on four posts, a pergola or an awning close to the camera or over it.

CANOPY_CHANCE = ByKind(yard=0.25, park=0.08)  # probability in each kind of place
CANOPY_NEAREST = 1.0  # least distance from the camera
CANOPY_FARTHEST = 5.0  # greatest distance from the camera, m
CANOPY_SPREAD = 0.7  # greatest way to the side / half of the view's width
CANOPY_TURNED = 0.8  # greatest angle to the view
CANOPY_SIZES = ((1.0, 2.5), (0.9, 2.0), (1.05, 1.4))  # half width, half depth, half height
CANOPY_HEADROOM = 0.2  # half of the least height above the camera, m
CANOPY_POST = (0.03, 0.08)  # half thickness of a post
CANOPY_CLOSED = 0.5  # probability of a roof; else there are beams
CANOPY_EAVES = 0.2  # of roof and beams beyond the posts
CANOPY_BEAMS = 6  # number of them
CANOPY_BEAM_LIFT = 0.05  # of their middles above the posts, m
CANOPY_WOOD = Material(('wood', 'plain', 'planks'), (0.4, 1.0))
CANOPY_CLOTH = Material(('stripes', 'plain', 'planks', 'ribs', 'folds'), (0.6, 2.0), vivid=0.8)


def add_canopy(site: Site, place: Place) -> None:
    """Add a canopy to some yards and parks."""
    sampler, view = site.sampler, place.view
    mask = sampler.chance(1, place.by_kind(CANOPY_CHANCE))
    at = view.ahead(sampler, 1, CANOPY_NEAREST, CANOPY_FARTHEST, CANOPY_SPREAD)
    heading = cos_sin(view.yaw + sampler.symmetric(1, CANOPY_TURNED))
    frame = Frame(at.x, 0.0, at.z, heading)
    half_w, half_d, tall = sampler.uniforms(1, *CANOPY_SIZES)
    tall = np.maximum(tall, 0.5 * view.height + CANOPY_HEADROOM)
    wood, cloth = site.materials.sample(CANOPY_WOOD, 1), site.materials.sample(CANOPY_CLOTH, 1)
    thin = sampler.uniform(1, CANOPY_POST)
    site.ground.shadow(frame, (half_w, half_d), 2 * tall, mask)
    posts = corner_parts(half_w, tall, half_d, (thin, tall, thin), wood, CYLINDER)
    site.primitives.add_parts(frame, mask, posts)
    closed = sampler.chance(1, CANOPY_CLOSED)
    eaves = CANOPY_EAVES
    half = (half_w + eaves, 0.04, half_d + eaves)
    roof = Part((0.0, 2 * tall + 0.06, 0.0), half, cloth)
    site.primitives.add_parts(frame, mask & closed, [roof])
    middle = 0.5 * (CANOPY_BEAMS - 1)
    high = 2 * tall + CANOPY_BEAM_LIFT
    beams = [
        Part((0.0, high, (k - middle) / middle * half_d), (half_w + eaves, 0.06, 0.03), wood)
        for k in range(CANOPY_BEAMS)
    ]
    site.primitives.add_parts(frame, mask & ~closed, beams)


# --- Sheds and garages with a door, a window and a roof of shrinking steps.

SHED_SIZES = ((0.9, 2.2), (0.95, 1.35), (0.8, 2.0))  # half width, half height, half depth
SHED_SHADOW = 1.3  # half size of the shadow / half size of the shed
SHED_DOOR = (0.42, 0.95, 0.03)  # half sizes

# A pitched roof of steps.
PITCHED_CHANCE = 0.6  # probability
PITCHED_STEPS = 4  # number of them
PITCHED_STEP = 0.16  # height of each
PITCHED_SIDE_EAVES = 0.05  # by which it is wider than the shed at each side, m
SHEDS = Things(2, 4.0, ByKind(14, 40, 90), 3.6, ByKind(0.35, 0.15, 0.25))
SHED_BODY = Material(
    ('planks', 'wood', 'ribs', 'bricks', 'plaster'), (0.8, 2.0), bright=Colour(0.08, 0.8, 0.6)
)
SHED_ROOF = Material(('ribs', 'tiles', 'plain', 'planks'), (0.6, 2.0))
SHED_DOOR_FRONT = Material(('door', 'planks', 'ribs', 'doors'), Extent(1.0, 2.0), fit=True)
SHED_GLASS = Material(('screen', 'clouds', 'doors'), 0.8, fit=True, contrast=1.0)


def add_sheds(site: Site, place: Place) -> None:
    """Add sheds."""
    sampler, number, sample = site.sampler, SHEDS.number, site.materials.sample
    frame = place.sample_poses(sampler, SHEDS)
    mask = place.sample_mask(sampler, SHEDS, frame)
    half_w, tall, half_d = sampler.uniforms(number, *SHED_SIZES)
    body, roof, door, glass = (
        sample(kind, number) for kind in (SHED_BODY, SHED_ROOF, SHED_DOOR_FRONT, SHED_GLASS)
    )
    reach = (SHED_SHADOW * half_w, SHED_SHADOW * half_d)
    site.ground.shadow(frame, reach, 2 * tall, mask)
    eaves, high = 0.15, 1.3
    flat = (half_w + eaves, 0.06, half_d + eaves)
    door_at = (-0.4 * half_w, SHED_DOOR[1], -half_d)
    parts = [
        Part((0.0, tall, 0.0), (half_w, tall, half_d), body),
        Part((0.0, 2 * tall + 0.05, 0.0), flat, roof),
        Part(door_at, SHED_DOOR, door),
        Part((0.5 * half_w, high, -half_d), (0.3, 0.3, 0.03), glass),
        Part((half_w, high, 0.2), (0.03, 0.3, 0.35), glass),
    ]
    site.primitives.add_parts(frame, mask, parts)
    pitched = mask & sampler.chance(number, PITCHED_CHANCE)
    for k in range(PITCHED_STEPS):
        raised = 2 * tall + PITCHED_STEP + PITCHED_STEP * k
        wide = half_w * (1 - k / PITCHED_STEPS) + PITCHED_SIDE_EAVES
        half = (wide, 0.08, half_d + 0.1)
        site.primitives.add_parts(frame, pitched, [Part((0.0, raised, 0.0), half, roof)])


# --- Hay bales, round ones on end and square ones, or heaps of earth.

BALE_FIELDS = 0.5  # probability of bales on a field
BALE_ROUND = 0.6  # probability of round ones
BALE_HALF = (0.45, 0.8)  # half depth, m
BALE_LONG = (1.0, 2.0)  # half length / half depth of square ones
BALE_TALL = 0.9  # half height / half depth
BALE_SHADOW = 1.1  # half size of the shadow / half size of each
BALES = Things(6, 3.0, ByKind(9, 60, 100), 2.0, ByKind(field=0.7))
BALE_HAY = Material(
    ('folds', 'gravel', 'weave'),
    (0.4, 1.2),
    bright=Colour(0.25, 0.8, 0.2, tint=(1.0, 0.85, 0.5), least=0.0),
)


def add_bales(site: Site, place: Place) -> None:
    """Add bales to some fields."""
    sampler, number = site.sampler, BALES.number
    frame = place.sample_poses(sampler, BALES)
    mask = sampler.chance(1, BALE_FIELDS) & place.sample_mask(sampler, BALES, frame)
    round_ = sampler.chance(1, BALE_ROUND)
    half = sampler.uniform(number, BALE_HALF)
    long = np.where(round_, half, half * sampler.uniform(number, BALE_LONG))
    hay = site.materials.sample(BALE_HAY, number)
    reach = (BALE_SHADOW * long, BALE_SHADOW * half)
    site.ground.shadow(frame, reach, 1.2, mask)
    shape = np.where(round_, CYLINDER, BOX).astype(np.int8)
    tall = BALE_TALL * half
    part = Part((0.0, tall, 0.0), (long, tall, half), hay, shape)
    site.primitives.add_parts(frame, mask, [part])
