# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two rows of houses with shops, roofs and awnings, a skyline and hills."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_worlds.building.light import Site
from spike_worlds.building.materials import Colour, Extent, Material
from spike_worlds.building.primitives import Frame, Part
from spike_worlds.building.sampler import cos_sin, running_sum
from spike_worlds.scene import ELLIPSOID, Array, Column
from spike_worlds.streets.roadside import GREEN, SIDES, Street

# Houses of a row.
HOUSE_NUMBER = 7  # on each side
HOUSE_HALF_WIDTH = (4.0, 13.0)  # along the road
HOUSE_GAP = 10  # greatest way between two houses: the cube of a share of it
HOUSE_START = (-10, 2)  # where the row begins along the road
HOUSE_HALF_DEPTH = (3.0, 8.0)  # away from the road
HOUSE_SETBACK = 5  # greatest way from the pavement, m: the square of a share of it
HOUSE_COUNTRY_SETBACK = 6  # added to that way beside country roads, m
HOUSE_HALF_HEIGHT = (2.5, 16)  # uniform over ratios, in streets
HOUSE_COUNTRY_HALF_HEIGHT = (1.5, 5.0)  # beside country roads
HOUSE_CHANCE = 0.92  # probability of each in streets
HOUSE_COUNTRY_CHANCE = 0.3  # probability of each beside country roads
HOUSE_TURNED = 0.4  # greatest angle to country roads, rad
HOUSE_STOREY = (2.6, 3.8)  # height of a storey
HOUSE_STOREYS = 4  # on a tile of the texture
HOUSE_STRETCH = (0.7, 1.3)  # width / height of a tile

# Flat roofs.
ROOF_CHANCE = 0.7  # probability of each
ROOF_DEPTH = (0.5, 1.08)  # half depth / half depth of the house
ROOF_HALF_HEIGHT = (0.15, 1.2)  # m
ROOF_WIDTH = (0.5, 1.05)  # half width / half width of the house

# Shop windows on the ground floor, and awnings above.
SHOP_CHANCE = 0.55  # probability of each in streets
SHOP_WIDTH = (0.4, 0.95)  # half width / half width of the house
SHOP_AWNING_CHANCE = 0.4  # probability of each
SHOP_AWNING_WIDTH = (0.2, 0.8)  # half width / half width of the house

# Towers far away.
SKYLINE_NUMBER = 5  # places for them
SKYLINE_CHANCE = 0.5  # probability of each
SKYLINE_HALF_HEIGHT = (4.0, 30.0)
SKYLINE_ASIDE = 70  # greatest way from the road's middle
SKYLINE_DISTANCE = (90, 180)  # along the road
SKYLINE_HALF_WIDTH = (5, 25)

# Hills.
HILL_NUMBER = 2  # places for them
HILL_CHANCE = 0.3  # probability of each in streets
HILL_COUNTRY_CHANCE = 0.8  # probability of each beside country roads
HILL_ASIDE = 120  # greatest way from the road's middle
HILL_DISTANCE = (160, 250)  # along the road
HILL_SIZES = ((40, 120), (8, 30), (20, 50))  # half width, half height, half depth
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
    """Houses of one side."""

    side: int  # -1 left, 1 right
    frame: Frame  # poses, ``[B, k]``
    half_d: Array  # half depth, metres
    tall: Array  # half height
    half_w: Array  # half width
    mask: Array  # those that exist

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
    sampler, number, country = site.sampler, HOUSE_NUMBER, street.country
    line = street.edge + street.walk
    front = line[:, :1] if side < 0 else line[:, -1:]
    wide, gap = sampler.uniform(number, HOUSE_HALF_WIDTH), sampler(number) ** 3 * HOUSE_GAP
    end = sampler.uniform(1, HOUSE_START) + running_sum(2 * wide + gap)
    z: Array = end - wide
    back = sampler.uniform(number, HOUSE_HALF_DEPTH)
    setback = np.where(country, HOUSE_COUNTRY_SETBACK, 0)
    x = side * (front + back + sampler(number) ** 2 * HOUSE_SETBACK + setback)
    low = sampler.uniform(number, HOUSE_COUNTRY_HALF_HEIGHT)
    tall = np.where(country, low, sampler.log_uniform(number, HOUSE_HALF_HEIGHT))
    chance = np.where(country, HOUSE_COUNTRY_CHANCE, HOUSE_CHANCE)
    mask = sampler.chance(number, chance)
    high = HOUSE_STOREYS * sampler.uniform(number, HOUSE_STOREY)
    tile = (high * sampler.uniform(number, HOUSE_STRETCH), high)
    wall = site.materials.sample(WALL, number, tile)
    wall[..., Column.OFFSET_V] = tall / high
    turned = sampler.symmetric(number, HOUSE_TURNED)
    frame = Frame(x, 0.0, z, cos_sin(np.where(country, turned, 0.0)))
    site.primitives.add_parts(frame, mask, [Part((0.0, tall, 0.0), (back, tall, wide), wall)])
    return _Row(side, frame, back, tall, wide, mask)


def _add_roofs(site: Site, row: _Row) -> None:
    sampler, number = site.sampler, HOUSE_NUMBER
    roof = site.materials.sample(ROOFING, number)
    half_d = row.half_d * sampler.uniform(number, ROOF_DEPTH)
    half_h = sampler.uniform(number, ROOF_HALF_HEIGHT)
    half_w = row.half_w * sampler.uniform(number, ROOF_WIDTH)
    part = Part((0.0, 2 * row.tall + 0.4, 0.0), (half_d, half_h, half_w), roof)
    site.primitives.add_parts(row.frame, row.mask & sampler.chance(number, ROOF_CHANCE), [part])


def _add_shops(site: Site, row: _Row, street: Street) -> None:
    """Add shop windows and awnings, in streets."""
    sampler, number = site.sampler, HOUSE_NUMBER
    front = site.materials.sample(SHOP_FRONT, number)
    wide, high = row.half_w * sampler.uniform(number, SHOP_WIDTH), 1.5
    window = Part((0.0, high, 0.0), (0.12, high, wide), front)
    mask = row.mask & sampler.chance(number, SHOP_CHANCE) & ~street.country
    site.primitives.add_parts(row.before(0.1), mask, [window])
    cloth = site.materials.sample(AWNING, number)
    wide = row.half_w * sampler.uniform(number, SHOP_AWNING_WIDTH)
    half = (0.6, 0.25, wide)
    awning = Part((0.0, 3.1, 0.0), half, cloth)
    mask = row.mask & sampler.chance(number, SHOP_AWNING_CHANCE) & ~street.country
    site.primitives.add_parts(row.before(0.5), mask, [awning])


def _add_skyline(site: Site) -> None:
    sampler, number = site.sampler, SKYLINE_NUMBER
    tall = sampler.uniform(number, SKYLINE_HALF_HEIGHT)
    x = sampler.symmetric(number, SKYLINE_ASIDE)
    z = sampler.uniform(number, SKYLINE_DISTANCE)
    site.primitives.add(
        (x, tall, z),
        (sampler.uniform(number, SKYLINE_HALF_WIDTH), tall, 8.0),
        site.materials.sample(TOWER, number),
        mask=sampler.chance(number, SKYLINE_CHANCE),
    )


def _add_hills(site: Site, street: Street) -> None:
    sampler, number = site.sampler, HILL_NUMBER
    grass = site.materials.sample(HILLSIDE, number)
    x, z = sampler.symmetric(number, HILL_ASIDE), sampler.uniform(number, HILL_DISTANCE)
    half_w, half_h, half_d = sampler.uniforms(number, *HILL_SIZES)
    chance = np.where(street.country, HILL_COUNTRY_CHANCE, HILL_CHANCE)
    site.primitives.add(
        (x, -2.0, z),
        (half_w, half_h, half_d),
        grass,
        kind=ELLIPSOID,
        mask=sampler.chance(number, chance),
    )
