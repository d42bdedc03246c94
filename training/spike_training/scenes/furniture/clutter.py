# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boxes, bins, bags and balls on the floor, some of them with another on top."""

from __future__ import annotations

from typing import NamedTuple

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Material
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.rooms.config import Placement, Room
from spike_training.scenes.scene import BOX, CYLINDER, ELLIPSOID
from spike_training.scenes.things.crate import Stack, add_stacks
from spike_training.scenes.things.small import ANY_TEXTURE


class ClutterConfig(NamedTuple):
    """Things on the floor.

    Attributes:
        number: Of places for them.
        size: Mean half size, metres, uniform over ratios.
        half: Half sizes over that.
        kinds: Of solids.
        spread: Of the placement, share of the view.
        wall: Least way to the walls, metres.
    """

    number: int = 10
    size: Range = (0.05, 0.3)
    half: Range = (0.4, 1.3)
    kinds: tuple[int, ...] = (BOX, BOX, BOX, CYLINDER, ELLIPSOID)
    spread: float = 1.0
    wall: float = 0.2


CLUTTER = ClutterConfig()
STACK = Stack(
    Material(ANY_TEXTURE, fit=True),
    shadow=1.2,
    size=(0.4, 0.9),
    chance=0.4,
    aside=0.1,
    within=False,
)


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
    add_stacks(site, frame, mask, STACK, size, (x, y, z), kind)
