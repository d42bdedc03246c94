# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boundaries of places: walls, fences, hedges and houses along the four sides."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import GREEN, Colour, Extent, Material
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import QUARTER_TURN, Range, cos_sin
from spike_training.scenes.outdoors.config import ByKind, Place, by_kind
from spike_training.scenes.scene import Array


class Boundary(NamedTuple):
    """Kind of boundary.

    Attributes:
        share: Of the pieces in each kind of place.
        height: Metres.
        half_depth: Metres.
        material: Of it.
        house: Whether its texture's tiles are four storeys.
        fitted: Whether it has doors, gates and windows, and a cornice or coping.
    """

    share: ByKind
    height: Range
    half_depth: Range
    material: Material
    house: bool = False
    fitted: bool = False


COLOUR = Colour(0.1, 0.85, 0.5)
CONTRAST = 0.8
LEAF_COLOUR = COLOUR._replace(tint=GREEN, least=0.0)


def _material(*textures: str, colour: Colour = COLOUR) -> Material:
    return Material(textures, contrast=CONTRAST, bright=colour)


WALL = Boundary(
    ByKind(0.24, 0.08, 0.03),
    (1.2, 3.0),
    (0.08, 0.15),
    _material('bricks', 'plaster', 'blocks', 'plain', 'slabs', 'tiles'),
    fitted=True,
)
BOARDS = Boundary(
    ByKind(0.18, 0.1, 0.08),
    (0.8, 2.0),
    (0.015, 0.04),
    _material('planks', 'wood', 'ribs', 'folds'),
)
HEDGE = Boundary(
    ByKind(0.12, 0.2, 0.2),
    (0.6, 2.6),
    (0.2, 0.7),
    _material('leaves', 'leaves', 'gravel', colour=LEAF_COLOUR),
)
HOUSE = Boundary(
    ByKind(0.28, 0.14, 0.06),
    (2.6, 9.0),
    (2.0, 5.0),
    _material('bricks', 'plaster', 'plain', 'facade', 'blocks', 'planks'),
    house=True,
    fitted=True,
)
LEDGE = Boundary(
    ByKind(0.08, 0.08, 0.05),
    (0.2, 0.8),
    (0.1, 0.3),
    _material('blocks', 'gravel', 'plaster', 'bricks'),
)
BOUNDARIES = (WALL, BOARDS, HEDGE, HOUSE, LEDGE)


class LayoutConfig(NamedTuple):
    """Pieces of boundaries. Lengths in metres.

    Attributes:
        sides: Of a place.
        pieces: Two on each side.
        split: Greatest way of their limit from the middle, over the half length of the side.
        outwards: Shift of a piece.
        storey: Height of a storey.
        storeys: On a tile of a house's texture.
        tile: Metres that a tile of other textures covers.
    """

    sides: int = 4
    pieces: int = 8
    split: float = 0.6
    outwards: Range = (0.0, 0.6)
    storey: Range = (2.6, 3.4)
    storeys: int = 4
    tile: Range = (0.8, 3.0)


class OpeningConfig(NamedTuple):
    """Doors, gates and windows on the inner face of a piece. Lengths in metres.

    Attributes:
        number: On each piece.
        chance: Probability of each.
        half_width: Limits.
        widest: Greatest half width over that of the piece.
        doors: Share of those that reach down to the ground.
        foot: Height of the others.
        half_height: Limits.
        below_top: Half of the least way to the upper edge.
        lowest: Half height of those that are left out.
        shift: Greatest shift to the side, over the half width of the piece.
        before: Of the face, to their middle.
        half: Half thickness.
    """

    number: int = 2
    chance: float = 0.6
    half_width: Range = (0.4, 1.3)
    widest: float = 0.8
    doors: float = 0.5
    foot: Range = (0.7, 1.1)
    half_height: Range = (0.5, 1.05)
    below_top: float = 0.05
    lowest: float = 0.3
    shift: float = 0.3
    before: float = 0.02
    half: float = 0.03


class CorniceConfig(NamedTuple):
    """A cornice or coping above. Lengths in metres.

    Attributes:
        chance: Probability.
        lift: Of its middle over the piece.
        wider: At either end of the piece.
        half: Half height.
        deeper: Before and behind the piece.
    """

    chance: float = 0.6
    lift: float = 0.05
    wider: float = 0.1
    half: float = 0.06
    deeper: Range = (0.04, 0.5)


LAYOUT, OPENING, CORNICE = LayoutConfig(), OpeningConfig(), CorniceConfig()
OPENING_FRONT = Material(
    ('door', 'doors', 'ribs', 'folds', 'screen', 'facade', 'poster', 'goods'),
    Extent((1.0, 2.5), 2.1),
    fit=True,
    contrast=1.0,
)
CORNICE_SURFACE = Material(('tiles', 'plain', 'ribs', 'blocks'), (0.6, 2.0))


class _Pieces(NamedTuple):
    """Pieces along the four sides, ``[B, pieces]``, in metres.

    Attributes:
        ends: Whether they lie at the ends along z, not along x.
        sign: Of the side.
        middle: Along the side.
        half_w: Half length along the side.
        away: From the middle of the place.
        heading: Cosine and sine.
    """

    ends: Array
    sign: Array
    middle: Array
    half_w: Array
    away: Array
    heading: tuple[Array, Array]

    def at(self, along: Array, out: Array) -> Frame:
        """Return poses along a side and ``out`` from the middle of the place."""
        x, z = np.where(self.ends, along, out), np.where(self.ends, out, along)
        return Frame(x, 0.0, z, self.heading)


def add_boundaries(site: Site, place: Place) -> None:
    """Add one kind of boundary, or none, at each piece."""
    sampler, number = site.sampler, LAYOUT.pieces
    pieces = _sample_pieces(site, place)
    what, start = sampler(number), np.zeros((1, 1), np.float32)
    front = site.materials.sample(OPENING_FRONT, number)
    for boundary in BOUNDARIES:
        share = by_kind(place.yard, place.field, boundary.share)
        chosen = (what >= start) & (what < start + share)
        start = start + share
        tall, deep = sampler.uniforms(number, boundary.height, boundary.half_depth)
        storey = sampler.uniform(number, LAYOUT.storey)
        size = LAYOUT.storeys * storey if boundary.house else sampler.uniform(number, LAYOUT.tile)
        material = site.materials.sample(boundary.material, number, size)
        frame = pieces.at(pieces.middle, pieces.sign * (pieces.away + deep))
        wall = Part((0.0, tall / 2, 0.0), (pieces.half_w, tall / 2, deep), material)
        site.primitives.add_parts(frame, chosen, [wall])
        if boundary.fitted:
            for k in range(OPENING.number):
                _add_opening(site, pieces, chosen, tall, front, k)
            _add_cornice(site, pieces, chosen, frame, (tall, deep))


def _sample_pieces(site: Site, place: Place) -> _Pieces:
    sampler, number = site.sampler, LAYOUT.pieces
    index = np.arange(number)
    ends = (index // LAYOUT.sides) % 2 == 0
    sign = np.where((index // 2) % 2 == 0, np.float32(-1), np.float32(1))
    half_length = np.where(ends, place.half_x, place.half_z)
    split = np.repeat(sampler.symmetric(LAYOUT.sides, LAYOUT.split), 2, 1)
    first = index % 2 == 0
    low, high = np.where(first, -1, split), np.where(first, split, 1)
    middle, half_w = 0.5 * (low + high) * half_length, 0.5 * (high - low) * half_length
    away = np.where(ends, place.half_z, place.half_x)
    away = away + sampler.uniform(number, LAYOUT.outwards)
    heading = cos_sin(np.where(ends, np.float32(0), np.float32(QUARTER_TURN)))
    return _Pieces(ends, sign, middle, half_w, away, heading)


def _add_opening(
    site: Site, pieces: _Pieces, mask: Array, tall: Array, front: Array, k: int
) -> None:
    """Add a door, gate or window, in the left half of a piece or in the right."""
    sampler, number = site.sampler, LAYOUT.pieces
    broad = sampler.uniform(number, OPENING.half_width)
    broad = np.minimum(broad, OPENING.widest * pieces.half_w)
    door = sampler.chance(number, OPENING.doors)
    foot = np.where(door, 0.0, sampler.uniform(number, OPENING.foot))
    high = sampler.uniform(number, OPENING.half_height)
    high = np.minimum(high, (tall - foot) / 2 - OPENING.below_top)
    shift = k - 0.5 + sampler.symmetric(number, OPENING.shift)
    along = pieces.middle + shift * pieces.half_w
    frame = pieces.at(along, pieces.sign * (pieces.away - OPENING.before))
    mask = mask & (high > OPENING.lowest) & sampler.chance(number, OPENING.chance)
    opening = Part((0.0, foot + high, 0.0), (broad, high, OPENING.half), front)
    site.primitives.add_parts(frame, mask, [opening])


def _add_cornice(
    site: Site, pieces: _Pieces, mask: Array, frame: Frame, sizes: tuple[Array, Array]
) -> None:
    sampler, number = site.sampler, LAYOUT.pieces
    high, deep = sizes
    reach = deep + sampler.uniform(number, CORNICE.deeper)
    half = (pieces.half_w + CORNICE.wider, CORNICE.half, reach)
    surface = site.materials.sample(CORNICE_SURFACE, number)
    cornice = Part((0.0, high + CORNICE.lift, 0.0), half, surface)
    site.primitives.add_parts(frame, mask & sampler.chance(number, CORNICE.chance), [cornice])
