# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trees beside the road, hedges and walls."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Ground, Site
from spike_training.scenes.building.materials import Colour, Material
from spike_training.scenes.building.primitives import Frame
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.scene import CYLINDER, ELLIPSOID
from spike_training.scenes.streets.config import GREEN, Street, add_shadows


class TreeConfig(NamedTuple):
    """Sizes and places of trees. Lengths in metres; shares are of the crown's half width.

    Attributes:
        number: Of places for them.
        chance: Probability of each in streets.
        country_chance: Likewise beside country roads.
        beside: From the road's edge.
        country_beside: Greatest added to that: the square of a share of it.
        distance: Along the road, uniform over ratios.
        heading: Radians.
        half_trunk: Half height of the trunk.
        crown: Half width of the crown, uniform over ratios.
        half_thickness: Of the trunk.
        shadow: Share.
        parts: Of the crown.
        size: Half width of a part, share.
        tall: Half height of a part over its half width.
        aside: Greatest way of a part from the trunk, share.
        rise: Height of a part over the trunk, share.
    """

    number: int = 9
    chance: float = 0.45
    country_chance: float = 0.85
    beside: Range = (0.6, 2.5)
    country_beside: float = 25
    distance: Range = (4, 110)
    heading: Range = (0, 6)
    half_trunk: Range = (1.0, 2.5)
    crown: Range = (0.9, 3.2)
    half_thickness: Range = (0.08, 0.3)
    shadow: float = 0.8
    parts: int = 4
    size: Range = (0.45, 1.0)
    tall: Range = (0.7, 1.2)
    aside: float = 0.6
    rise: Range = (-0.2, 1.0)


class HedgeConfig(NamedTuple):
    """Hedges and walls along the road. Lengths in metres.

    Attributes:
        number: Of places for them.
        chance: Probability of each.
        half_height: Limits.
        beside: From the road's edge.
        distance: Along the road.
        half_width: Limits.
        half_length: Limits.
    """

    number: int = 6
    chance: float = 0.45
    half_height: Range = (0.3, 1.1)
    beside: Range = (0.5, 6.0)
    distance: Range = (2, 60)
    half_width: Range = (0.1, 0.7)
    half_length: Range = (2, 10)


TREE, HEDGE = TreeConfig(), HedgeConfig()
BARK = Material(('folds', 'wood', 'clouds'), (0.4, 1.0), bright=Colour(0.05, 0.35, 0.2))
LEAVES = Material(
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
    sampler, number, config, add = site.sampler, TREE.number, TREE, site.primitives.add
    side = sampler.signs(number)
    beside = street.edge + sampler.uniform(number, config.beside)
    farther = np.where(street.country, sampler(number) ** 2 * config.country_beside, 0)
    z = sampler.log_uniform(number, config.distance)
    frame = Frame(side * (beside + farther), 0.0, z, sampler.headings(number, config.heading))
    chance = np.where(street.country, config.country_chance, config.chance)
    mask = sampler.chance(number, chance)
    trunk = sampler.uniform(number, config.half_trunk)
    crown = sampler.log_uniform(number, config.crown)
    bark = site.materials.sample(BARK, number)
    thick = sampler.uniform(number, config.half_thickness)
    add_shadows(verges, side, frame, crown * config.shadow, 2 * trunk, mask)
    add(frame.at(0.0, trunk, 0.0), (thick, trunk, thick), bark, kind=CYLINDER, mask=mask)
    leaves = site.materials.sample(LEAVES, number)
    for _ in range(config.parts):
        size = crown * sampler.uniform(number, config.size)
        aside = sampler.symmetric(number, config.aside) * crown
        rise = 2 * trunk + sampler.uniform(number, config.rise) * crown
        along = sampler.symmetric(number, config.aside) * crown
        half = (size, size * sampler.uniform(number, config.tall), size)
        add(frame.at(aside, rise, along), half, leaves, kind=ELLIPSOID, mask=mask)
    _add_hedges(site, street)


def _add_hedges(site: Site, street: Street) -> None:
    sampler, number = site.sampler, HEDGE.number
    side = sampler.signs(number)
    tall = sampler.uniform(number, HEDGE.half_height)
    x = side * (street.edge + sampler.uniform(number, HEDGE.beside))
    z, half_w = sampler.uniforms(number, HEDGE.distance, HEDGE.half_width)
    site.primitives.add(
        (x, tall, z),
        (half_w, tall, sampler.uniform(number, HEDGE.half_length)),
        site.materials.sample(HEDGE_SURFACE, number),
        mask=sampler.chance(number, HEDGE.chance),
    )
