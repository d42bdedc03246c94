# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boxes, bins, bags and balls on the floor, some of them with another on top."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Material
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.rooms.config import Placement, Room
from spike_training.scenes.scene import BOX, CYLINDER, ELLIPSOID
from spike_training.scenes.things.small import ANY_TEXTURE


class ClutterConfig(NamedTuple):
    """Things on the floor.

    Attributes:
        number: Of places for them.
        size: Mean half size, metres, uniform over ratios.
        half: Half sizes over that.
        kinds: Of solids.
        shadow: Half size of the shadow over that of the thing.
        upper: Size of the thing on top over that of the lower.
        upper_height: Half height of the upper thing over its size.
        upper_aside: Its place over the size of the lower.
        upper_chance: Probability of one on each box.
        spread: Of the placement, share of the view.
        wall: Least way to the walls, metres.
    """

    number: int = 10
    size: Range = (0.05, 0.3)
    half: Range = (0.4, 1.3)
    kinds: tuple[int, ...] = (BOX, BOX, BOX, CYLINDER, ELLIPSOID)
    shadow: float = 1.2
    upper: Range = (0.4, 0.9)
    upper_height: float = 0.7
    upper_aside: float = 0.1
    upper_chance: float = 0.4
    spread: float = 1.0
    wall: float = 0.2


CLUTTER = ClutterConfig()
SURFACE = Material(ANY_TEXTURE, fit=True)
UPPER_SURFACE = Material(ANY_TEXTURE)


def add_clutter(site: Site, room: Room, distance: Range, chance: float) -> None:
    """Add things on the floor.

    Args:
        site: Scenes in construction.
        room: Where the camera is.
        distance: From the camera, metres.
        chance: Probability of each.
    """
    sampler, number = site.sampler, CLUTTER.number
    frame = room.ahead(sampler, number, Placement(distance, CLUTTER.spread, CLUTTER.wall))
    mask = sampler.chance(number, chance)
    size = sampler.log_uniform(number, CLUTTER.size)
    x, y, z = (size * sampler.uniform(number, CLUTTER.half) for _ in range(3))
    frame.heading = sampler.headings(number)
    kind = sampler.kinds(number, CLUTTER.kinds)
    reach = CLUTTER.shadow * np.maximum(x, z)
    site.ground.shadow(frame.x, frame.z, (reach, reach), 2 * y, mask)
    site.primitives.add(
        frame.at(0.0, y, 0.0),
        (x, y, z),
        site.materials.sample(SURFACE, number, 2 * size),
        kind=kind,
        heading=frame.heading,
        mask=mask,
    )
    upper = size * sampler.uniform(number, CLUTTER.upper)
    raised = 2 * y + upper * CLUTTER.upper_height
    site.primitives.add(
        frame.at(CLUTTER.upper_aside * size, raised, 0.0),
        (upper, CLUTTER.upper_height * upper, upper),
        site.materials.sample(UPPER_SURFACE, number, 2 * upper),
        heading=sampler.headings(number),
        mask=mask & (kind == BOX) & sampler.chance(number, CLUTTER.upper_chance),
    )
