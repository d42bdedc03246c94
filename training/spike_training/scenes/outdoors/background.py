# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rows of trees, houses and hills, 15 to 300 m away, beyond the boundaries."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Colour, Material
from spike_training.scenes.building.primitives import Part
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.outdoors.config import Place
from spike_training.scenes.scene import ELLIPSOID
from spike_training.scenes.things.tree import FOLIAGE

SPREAD = 1.2
"""Greatest way to the side over half of the view's width."""


class TreeRowConfig(NamedTuple):
    """Trees far away. Lengths in metres.

    Attributes:
        number: Of places for them.
        chance: Probability of each.
        nearest: Least distance from the camera.
        yard_farthest: Greatest, from yards.
        farthest: Greatest elsewhere.
        half: Half depth.
        lift: Height of the middle over that.
        wide: Half width over that.
        tall: Half height over that.
    """

    number: int = 9
    chance: float = 0.6
    nearest: float = 25.0
    yard_farthest: float = 60.0
    farthest: float = 160.0
    half: Range = (2.0, 7.0)
    lift: float = 0.6
    wide: Range = (0.6, 1.6)
    tall: Range = (0.6, 1.2)


class HouseConfig(NamedTuple):
    """Houses far away. Lengths in metres.

    Attributes:
        number: Of places for them.
        chance: Probability of each, but in fields.
        field_chance: Probability in fields.
        nearest: Least distance from the camera.
        farthest: Greatest.
        height: Limits.
        storey: Height of a storey.
        storeys: On a tile of the texture.
        half_width: Limits.
        half_depth: Limits.
    """

    number: int = 3
    chance: float = 0.4
    field_chance: float = 0.25
    nearest: float = 22.0
    farthest: float = 120.0
    height: Range = (2.5, 9.0)
    storey: Range = (2.6, 3.4)
    storeys: int = 4
    half_width: Range = (3, 9)
    half_depth: Range = (3, 6)


class HillConfig(NamedTuple):
    """Hills. Lengths in metres.

    Attributes:
        number: Of places for them.
        chance: Probability of each, but in yards.
        yard_chance: Probability in yards.
        nearest: Least distance from the camera.
        farthest: Greatest.
        sunk: Of the middle below the ground.
        half_width: Limits.
        half_height: Limits.
        half_depth: Limits.
    """

    number: int = 3
    chance: float = 0.5
    yard_chance: float = 0.2
    nearest: float = 150.0
    farthest: float = 300.0
    sunk: float = 3.0
    half_width: Range = (30, 90)
    half_height: Range = (6, 40)
    half_depth: Range = (20, 50)


TREE_ROW, HOUSE, HILL = TreeRowConfig(), HouseConfig(), HillConfig()
FACADE = Material(('facade', 'tower', 'bricks', 'plaster'), bright=Colour(0.15, 0.85, 0.4))


def add_background(site: Site, place: Place) -> None:
    """Add trees, houses and hills far away."""
    _add_trees(site, place)
    _add_houses(site, place)
    _add_hills(site, place)


def _add_trees(site: Site, place: Place) -> None:
    sampler, number = site.sampler, TREE_ROW.number
    farthest = np.where(place.yard, TREE_ROW.yard_farthest, TREE_ROW.farthest)
    at = place.view.ahead(sampler, number, TREE_ROW.nearest, farthest, SPREAD)
    size = sampler.uniform(number, TREE_ROW.half)
    wide = size * sampler.uniform(number, TREE_ROW.wide)
    half = (wide, size * sampler.uniform(number, TREE_ROW.tall), size)
    leaves = site.materials.sample(FOLIAGE, number)
    tree = Part((0.0, TREE_ROW.lift * size, 0.0), half, leaves, ELLIPSOID)
    site.primitives.add_parts(at, sampler.chance(number, TREE_ROW.chance), [tree])


def _add_houses(site: Site, place: Place) -> None:
    sampler, number = site.sampler, HOUSE.number
    at = place.view.ahead(sampler, number, HOUSE.nearest, HOUSE.farthest, SPREAD)
    tall, storey = sampler.uniforms(number, HOUSE.height, HOUSE.storey)
    half_w = sampler.uniform(number, HOUSE.half_width)
    chance = np.where(place.field, HOUSE.field_chance, HOUSE.chance)
    half = (half_w, tall / 2, sampler.uniform(number, HOUSE.half_depth))
    facade = site.materials.sample(FACADE, number, HOUSE.storeys * storey)
    house = Part((0.0, tall / 2, 0.0), half, facade)
    site.primitives.add_parts(at, sampler.chance(number, chance), [house])


def _add_hills(site: Site, place: Place) -> None:
    sampler, number = site.sampler, HILL.number
    at = place.view.ahead(sampler, number, HILL.nearest, HILL.farthest, SPREAD)
    half_w, half_h, half_d = sampler.uniforms(
        number, HILL.half_width, HILL.half_height, HILL.half_depth
    )
    grass = site.materials.sample(FOLIAGE, number)
    hill = Part((0.0, -HILL.sunk, 0.0), (half_w, half_h, half_d), grass, ELLIPSOID)
    chance = np.where(place.yard, HILL.yard_chance, HILL.chance)
    site.primitives.add_parts(at, sampler.chance(number, chance), [hill])
