# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two rows of houses with shops, roofs and awnings, a skyline and hills."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Colour, Extent, Material
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import Range, cos_sin, running_sum
from spike_training.scenes.scene import ELLIPSOID, Array, Column
from spike_training.scenes.streets.config import GREEN, SIDES, Street


class HouseConfig(NamedTuple):
    """Houses of a row. Lengths in metres, angles in radians.

    Attributes:
        number: On each side.
        half_width: Along the road.
        gap: Greatest way between two houses: the cube of a share of it.
        start: Where the row begins along the road.
        half_depth: Away from the road.
        setback: Greatest way from the pavement: the square of a share of it.
        country_setback: Added to that beside country roads.
        half_height: Uniform over ratios, in streets.
        country_half_height: Beside country roads.
        chance: Probability of each in streets.
        country_chance: Likewise beside country roads.
        turned: Greatest angle to the road, there.
        storey: Height of a storey.
        storeys: On a tile of the texture.
        stretch: Width of a tile over its height.
    """

    number: int = 7
    half_width: Range = (4.0, 13.0)
    gap: float = 10
    start: Range = (-10, 2)
    half_depth: Range = (3.0, 8.0)
    setback: float = 5
    country_setback: float = 6
    half_height: Range = (2.5, 16)
    country_half_height: Range = (1.5, 5.0)
    chance: float = 0.92
    country_chance: float = 0.3
    turned: float = 0.4
    storey: Range = (2.6, 3.8)
    storeys: int = 4
    stretch: Range = (0.7, 1.3)


class RoofConfig(NamedTuple):
    """Flat roofs.

    Attributes:
        chance: Probability of each.
        lift: Of the middle over the house, metres.
        depth: Half depth over that of the house.
        half_height: Metres.
        width: Half width over that of the house.
    """

    chance: float = 0.7
    lift: float = 0.4
    depth: Range = (0.5, 1.08)
    half_height: Range = (0.15, 1.2)
    width: Range = (0.5, 1.05)


class ShopConfig(NamedTuple):
    """Shop windows on the ground floor, and awnings above. Lengths in metres.

    Attributes:
        chance: Probability of each in streets.
        before: Of the house, to their middle.
        half_depth: Half thickness.
        half_height: Of the windows, and height of their middles.
        width: Half width over that of the house.
        awning_chance: Probability of each.
        awning_before: Of the house, to its middle.
        awning_height: Of its middle.
        awning_depth: Half depth.
        half_awning: Half height.
        awning_width: Half width over that of the house.
    """

    chance: float = 0.55
    before: float = 0.1
    half_depth: float = 0.12
    half_height: float = 1.5
    width: Range = (0.4, 0.95)
    awning_chance: float = 0.4
    awning_before: float = 0.5
    awning_height: float = 3.1
    awning_depth: float = 0.6
    half_awning: float = 0.25
    awning_width: Range = (0.2, 0.8)


class SkylineConfig(NamedTuple):
    """Towers far away. Lengths in metres.

    Attributes:
        number: Of places for them.
        chance: Probability of each.
        half_height: Limits.
        aside: Greatest way from the road's middle.
        distance: Along the road.
        half_width: Limits.
        half_depth: Of all.
    """

    number: int = 5
    chance: float = 0.5
    half_height: Range = (4.0, 30.0)
    aside: float = 70
    distance: Range = (90, 180)
    half_width: Range = (5, 25)
    half_depth: float = 8.0


class HillConfig(NamedTuple):
    """Hills. Lengths in metres.

    Attributes:
        number: Of places for them.
        chance: Probability of each in streets.
        country_chance: Likewise beside country roads.
        aside: Greatest way from the road's middle.
        sunk: Of the middle below the ground.
        distance: Along the road.
        half_width: Limits.
        half_height: Limits.
        half_depth: Limits.
    """

    number: int = 2
    chance: float = 0.3
    country_chance: float = 0.8
    aside: float = 120
    sunk: float = 2.0
    distance: Range = (160, 250)
    half_width: Range = (40, 120)
    half_height: Range = (8, 30)
    half_depth: Range = (20, 50)


HOUSE, ROOF, SHOP, SKYLINE, HILL = (
    HouseConfig(),
    RoofConfig(),
    ShopConfig(),
    SkylineConfig(),
    HillConfig(),
)
WALL = Material(
    ('facade', 'facade', 'facade', 'tower', 'bricks'), contrast=1.0, bright=Colour(0.12, 0.8, 0.5)
)
ROOFING = Material(('ribs', 'tiles', 'plain', 'bricks'), (0.8, 3.0), bright=Colour(0.08, 0.5, 0.6))
SHOP_FRONT = Material(
    ('goods', 'doors', 'poster', 'print', 'ribs', 'door', 'folds'),
    Extent((2, 7), 3.0),
    fit=True,
    contrast=1.0,
)
AWNING = Material(('stripes', 'plain', 'print', 'sign'), (0.8, 3.0))
TOWER = Material(('tower', 'facade', 'plain'), (10, 18), contrast=0.9)
HILLSIDE = Material(
    ('leaves', 'clouds'),
    (5.0, 20.0),
    contrast=0.7,
    bright=Colour(0.08, 0.4, 0.3, tint=GREEN),
)


class _Row(NamedTuple):
    """Houses of one side.

    Attributes:
        side: -1 left, 1 right.
        frame: Poses, ``[B, k]``.
        half_d: Half depth, metres.
        tall: Half height.
        half_w: Half width.
        mask: Those that exist.
    """

    side: int
    frame: Frame
    half_d: Array
    tall: Array
    half_w: Array
    mask: Array

    def before(self, away: float) -> Frame:
        """Return poses of things ``away`` metres before the fronts."""
        frame = self.frame
        return Frame(frame.x - self.side * (self.half_d + away), 0.0, frame.z, frame.heading)


def add_buildings(site: Site, street: Street) -> None:
    """Add houses on both sides, a skyline and hills."""
    for side in SIDES:
        row = _add_houses(site, street, side)
        _add_roofs(site, row)
        _add_shops(site, row, street)
    _add_skyline(site)
    _add_hills(site, street)


def _add_houses(site: Site, street: Street, side: int) -> _Row:
    sampler, number, config, country = site.sampler, HOUSE.number, HOUSE, street.country
    line = street.edge + street.walk
    front = line[:, :1] if side < 0 else line[:, -1:]
    wide, gap = sampler.uniform(number, config.half_width), sampler(number) ** 3 * config.gap
    end = sampler.uniform(1, config.start) + running_sum(2 * wide + gap)
    z: Array = end - wide
    back = sampler.uniform(number, config.half_depth)
    setback = np.where(country, config.country_setback, 0)
    x = side * (front + back + sampler(number) ** 2 * config.setback + setback)
    low = sampler.uniform(number, config.country_half_height)
    tall = np.where(country, low, sampler.log_uniform(number, config.half_height))
    chance = np.where(country, config.country_chance, config.chance)
    mask = sampler.chance(number, chance)
    high = config.storeys * sampler.uniform(number, config.storey)
    tile = (high * sampler.uniform(number, config.stretch), high)
    wall = site.materials.sample(WALL, number, tile)
    wall[..., Column.OFFSET_V] = tall / high
    turned = sampler.symmetric(number, config.turned)
    frame = Frame(x, 0.0, z, cos_sin(np.where(country, turned, 0.0)))
    site.primitives.add_parts(frame, mask, [Part((0.0, tall, 0.0), (back, tall, wide), wall)])
    return _Row(side, frame, back, tall, wide, mask)


def _add_roofs(site: Site, row: _Row) -> None:
    sampler, number = site.sampler, HOUSE.number
    roof = site.materials.sample(ROOFING, number)
    half_d = row.half_d * sampler.uniform(number, ROOF.depth)
    half_h = sampler.uniform(number, ROOF.half_height)
    half_w = row.half_w * sampler.uniform(number, ROOF.width)
    part = Part((0.0, 2 * row.tall + ROOF.lift, 0.0), (half_d, half_h, half_w), roof)
    site.primitives.add_parts(row.frame, row.mask & sampler.chance(number, ROOF.chance), [part])


def _add_shops(site: Site, row: _Row, street: Street) -> None:
    """Add shop windows and awnings, in streets."""
    sampler, number = site.sampler, HOUSE.number
    front = site.materials.sample(SHOP_FRONT, number)
    wide, high = row.half_w * sampler.uniform(number, SHOP.width), SHOP.half_height
    window = Part((0.0, high, 0.0), (SHOP.half_depth, high, wide), front)
    mask = row.mask & sampler.chance(number, SHOP.chance) & ~street.country
    site.primitives.add_parts(row.before(SHOP.before), mask, [window])
    cloth = site.materials.sample(AWNING, number)
    wide = row.half_w * sampler.uniform(number, SHOP.awning_width)
    half = (SHOP.awning_depth, SHOP.half_awning, wide)
    awning = Part((0.0, SHOP.awning_height, 0.0), half, cloth)
    mask = row.mask & sampler.chance(number, SHOP.awning_chance) & ~street.country
    site.primitives.add_parts(row.before(SHOP.awning_before), mask, [awning])


def _add_skyline(site: Site) -> None:
    sampler, number = site.sampler, SKYLINE.number
    tall = sampler.uniform(number, SKYLINE.half_height)
    x = sampler.symmetric(number, SKYLINE.aside)
    z = sampler.uniform(number, SKYLINE.distance)
    site.primitives.add(
        (x, tall, z),
        (sampler.uniform(number, SKYLINE.half_width), tall, SKYLINE.half_depth),
        site.materials.sample(TOWER, number),
        mask=sampler.chance(number, SKYLINE.chance),
    )


def _add_hills(site: Site, street: Street) -> None:
    sampler, number = site.sampler, HILL.number
    grass = site.materials.sample(HILLSIDE, number)
    x, z = sampler.symmetric(number, HILL.aside), sampler.uniform(number, HILL.distance)
    half_w, half_h, half_d = sampler.uniforms(
        number, HILL.half_width, HILL.half_height, HILL.half_depth
    )
    chance = np.where(street.country, HILL.country_chance, HILL.chance)
    site.primitives.add(
        (x, -HILL.sunk, z),
        (half_w, half_h, half_d),
        grass,
        kind=ELLIPSOID,
        mask=sampler.chance(number, chance),
    )
