# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Doors, gates, radiators, lockers, windows, boards and pipes along the walls of halls."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes import atlas
from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Material
from spike_training.scenes.building.sampler import QUARTER_TURN, Range, cos_sin
from spike_training.scenes.furniture.wall_furniture import (
    WallThing,
    front_tiles,
    sample_wall_things,
)
from spike_training.scenes.halls.config import Hall
from spike_training.scenes.scene import Array, Column

WINDOW = WallThing(('clouds', 'screen', 'plain'), (0.5, 2.0), (0.8, 1.8), (0.02, 0.1), (0.8, 1.2))
FIXTURES = (
    WallThing(('door', 'doors', 'planks'), (0.42, 0.95), (2.0, 2.15), (0.02, 0.08)),
    WallThing(('ribs', 'folds', 'ribs'), (0.4, 1.0), (0.5, 0.8), (0.08, 0.16), (0.1, 0.15)),
    WallThing(('doors', 'door', 'drawers'), (0.5, 1.8), (1.0, 2.0), (0.3, 0.5)),
    WINDOW,
    WallThing(('poster', 'text', 'sign'), (0.2, 0.9), (0.4, 1.1), (0.01, 0.05), (0.9, 1.3)),
    WallThing(('goods', 'books', 'poster'), (0.4, 0.9), (1.0, 2.0), (0.3, 0.6)),
    WallThing(('ribs', 'stripes', 'plain'), (1.2, 2.2), (2.4, 3.6), (0.05, 0.2)),
)
"""Doors, radiators, lockers, windows, posters, shelves, gates."""
FRONT = Material(('plain',), fit=True, contrast=0.9)
PIPE = Material(('plain', 'stripes'), 1.0, vivid=0.9)


class FixtureConfig(NamedTuple):
    """Places along the walls. Lengths in metres.

    Attributes:
        per_wall: Number of them.
        shift: Greatest shift along the wall over its half length.
        widest: Greatest half width over the wall's half length.
        below_ceiling: Of tall fixtures, to their upper edge.
        glow: Of windows.
        length: Half length of a wall over the probability of each fixture: few fit on a short one.
        chance: Probability on a long wall.
    """

    per_wall: int = 7
    shift: float = 0.1
    widest: float = 0.95
    below_ceiling: float = 0.05
    glow: Range = (0.0, 2.5)
    length: float = 3.5
    chance: float = 0.85


class PipeConfig(NamedTuple):
    """A pipe, a cable duct or a handrail along a wall. Lengths in metres.

    Attributes:
        chance: Probability on a wall.
        height: Over that of the hall, times the next.
        highest: Greatest height over that of the hall.
        half: Half thickness.
    """

    chance: float = 0.35
    height: Range = (0.1, 1.0)
    highest: float = 0.95
    half: Range = (0.02, 0.1)


FIXTURE, PIPE_SIZES = FixtureConfig(), PipeConfig()


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
    sampler, number = site.sampler, FIXTURE.per_wall
    length, away = _wall(hall, ends)
    row, (half_w, tall, deep, foot) = sample_wall_things(sampler, number, FIXTURES)
    places = (2 * np.arange(number, dtype=np.float32) + 1) / number - 1
    along = length * (places + sampler.symmetric(number, FIXTURE.shift))
    half_w = np.minimum(half_w, FIXTURE.widest * length)
    tall = np.minimum(tall, hall.height - foot - FIXTURE.below_ceiling)
    front = site.materials.sample(FRONT, number, (2 * half_w, tall))
    tiles = front_tiles(FIXTURES, by_variant=True)
    variant = (sampler(number) * tiles.shape[1]).astype(np.int64)
    front[..., Column.TEXTURE] = tiles[row, variant] * atlas.TEXELS
    glow = sampler.uniform(number, FIXTURE.glow)
    front[..., Column.GLOW] = np.where(row == FIXTURES.index(WINDOW), glow, 0)
    face, middle = sign * (away - deep / 2), foot + tall / 2
    site.primitives.add(
        (along, middle, face) if ends else (face, middle, along),
        (half_w, tall / 2, deep / 2),
        front,
        heading=cos_sin(np.full_like(along, 0 if ends else QUARTER_TURN)),
        mask=sampler.chance(number, np.minimum(length / FIXTURE.length, FIXTURE.chance)),
    )


def _add_pipe(site: Site, hall: Hall, ends: bool, sign: int) -> None:
    sampler, config = site.sampler, PIPE_SIZES
    length, away = _wall(hall, ends)
    raised = sampler.uniform(1, config.height) * hall.height * config.highest
    thin = sampler.uniform(1, config.half)
    face = sign * (away - thin)
    site.primitives.add(
        (0.0, raised, face) if ends else (face, raised, 0.0),
        (length, thin, thin) if ends else (thin, thin, length),
        site.materials.sample(PIPE, 1),
        mask=sampler.chance(1, config.chance),
    )
