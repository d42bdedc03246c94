# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bushes, tufts of grass and stones, 0.1 to 1.6 m tall, sunk into the ground."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Grey, Material, choose
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.scene import ELLIPSOID, Array
from spike_training.scenes.things.tree import FOLIAGE


class BushConfig(NamedTuple):
    """Sizes of bushes and stones, over their mean half width.

    Attributes:
        size: Mean half width, metres, uniform over ratios.
        stones: Share of stones.
        shadow: Half size of the shadow.
        parts: Number of parts.
        stone_tall: Half height of stones.
        tall: Half height of bushes.
        sunk: Height of the middle over the half height.
        aside: Greatest way of a part from the middle.
        wide: Half width and half depth of a part.
    """

    size: Range = (0.1, 0.8)
    stones: float = 0.25
    shadow: float = 1.1
    parts: int = 2
    stone_tall: float = 0.6
    tall: Range = (0.5, 1.3)
    sunk: float = 0.6
    aside: float = 0.6
    wide: Range = (0.5, 1.0)


BUSH = BushConfig()
ROCK = Material(('gravel', 'plaster', 'clouds'), 0.8, bright=Grey((0.1, 0.6)))


def add_bushes(site: Site, frame: Frame, mask: Array) -> None:
    """Add bushes and stones."""
    sampler, number, config = site.sampler, mask.shape[1], BUSH
    size = sampler.log_uniform(number, config.size)
    stone = sampler.chance(number, config.stones)
    rock, leaves = site.materials.sample(ROCK, number), site.materials.sample(FOLIAGE, number)
    surface = choose(stone, rock, leaves)
    site.ground.shadow(frame, config.shadow * size, size, mask)
    for _ in range(config.parts):
        tall = size * np.where(stone, config.stone_tall, sampler.uniform(number, config.tall))
        aside, along = (sampler.symmetric(number, config.aside) * size for _ in range(2))
        wide, deep = (size * sampler.uniform(number, config.wide) for _ in range(2))
        part = Part((aside, config.sunk * tall, along), (wide, tall, deep), surface, ELLIPSOID)
        site.primitives.add_parts(frame, mask, [part])
