# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Walls of corridors in pieces, between them openings to rooms, with or without a lintel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Colour, Material, repeat
from spike_training.scenes.building.sampler import ALL, Range
from spike_training.scenes.halls.config import WALL_TEXTURES, Hall
from spike_training.scenes.scene import Array


class PartitionConfig(NamedTuple):
    """Sizes of partitions. Lengths in metres.

    Attributes:
        pieces: On each side.
        half: Half thickness.
        gap: Half width of an opening.
        gap_chance: Probability of an opening at a piece.
        most_open: Greatest half width of an opening over the length of a piece.
        lintel: Probability of a lintel.
        opening: Height of an opening with a lintel.
        least_lintel: Half height of lintels, at least.
        rail_chance: Probability of a rail along a wall.
        rail_height: Of its middle.
        half_rail: Half height.
        rail_depth: Half thickness.
        rail_inset: From the wall's face to its middle.
        cross_chance: Probability of each cross wall between the rooms.
        cross_depth: Depth of rooms that have none.
    """

    pieces: int = 6
    half: float = 0.07
    gap: Range = (0.4, 1.2)
    gap_chance: float = 0.45
    most_open: float = 0.4
    lintel: float = 0.8
    opening: float = 2.1
    least_lintel: float = 0.01
    rail_chance: float = 0.4
    rail_height: Range = (0.05, 1.0)
    half_rail: Range = (0.04, 0.12)
    rail_depth: float = 0.02
    rail_inset: float = 0.01
    cross_chance: float = 0.7
    cross_depth: float = 0.3


class DoorConfig(NamedTuple):
    """Two doors or walls across a corridor, half of them open. Lengths in metres.

    Attributes:
        number: Of places for them.
        chance: Probability of each half.
        half_width: Over the half width of the corridor.
        half: Half thickness.
    """

    number: int = 2
    chance: float = 0.3
    half_width: Range = (0.25, 0.5)
    half: float = 0.06


PARTITION, DOOR = PartitionConfig(), DoorConfig()
WALL = Material(WALL_TEXTURES, (0.8, 3.0), bright=Colour(0.2, 0.9, 0.3), contrast=0.5)
RAIL = Material(('plain', 'wood', 'stripes'), 1.0)


def add_partitions(site: Site, hall: Hall) -> None:
    """Add walls on both sides of corridors, and doors across."""
    wall, rail = site.materials.sample(WALL, 2), site.materials.sample(RAIL, 1)
    for side in (-1, 1):
        one = wall[:, :1] if side < 0 else wall[:, 1:]
        _add_side(site, hall, side, repeat(one, PARTITION.pieces), rail)
    sampler = site.sampler
    z = sampler.uniform(DOOR.number, ALL) * hall.half_z
    for side in (-1, 1):
        broad = hall.passage * sampler.uniform(DOOR.number, DOOR.half_width)
        site.primitives.add(
            (side * (hall.passage - broad), hall.height / 2, z),
            (broad, hall.height / 2, DOOR.half),
            repeat(wall[:, :1], DOOR.number),
            mask=hall.corridor & sampler.chance(DOOR.number, DOOR.chance),
        )


def _add_side(site: Site, hall: Hall, side: int, wall: Array, rail: Array) -> None:
    """Add pieces of wall, lintels, a rail, and cross walls between the rooms at the side."""
    sampler, add, config, number = site.sampler, site.primitives.add, PARTITION, PARTITION.pieces
    half_x, half_z, height = hall.half_x, hall.half_z, hall.height
    passage, corridor, thick = hall.passage, hall.corridor, PARTITION.half
    gap = sampler.uniform(number, config.gap) * sampler.chance(number, config.gap_chance)
    piece = 2 * half_z / number
    low = -half_z + 2 * half_z * (np.arange(number, dtype=np.float32) / number)
    middle, half = low + 0.5 * piece, 0.5 * piece - np.minimum(gap, config.most_open * piece)
    x = side * (passage + thick)
    add((x, height / 2, middle), (thick, height / 2, half), wall, mask=corridor)
    lintel = sampler.chance(number, config.lintel)
    tall = np.maximum((height - config.opening) / 2, config.least_lintel)
    add(
        (x, (height + config.opening) / 2, low),
        (thick, tall, 0.5 * piece),
        wall,
        mask=corridor & lintel,
    )
    raised, narrow = sampler.uniforms(1, config.rail_height, config.half_rail)
    add(
        (side * (passage - config.rail_inset), raised, middle),
        (config.rail_depth, narrow, half),
        repeat(rail, number),
        mask=corridor & sampler.chance(1, config.rail_chance),
    )
    crossed = sampler.chance(number, config.cross_chance)
    add(
        (side * (passage + half_x) / 2, height / 2, middle),
        ((half_x - passage) / 2, height / 2, thick),
        wall,
        mask=corridor & crossed & (half_x > passage + config.cross_depth),
    )
