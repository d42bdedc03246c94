# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ground of outdoor places: its material, paths, lawns, terraces, furrows, mounds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import (
    GREEN,
    Colour,
    Material,
    MaterialSampler,
    choose,
)
from spike_training.scenes.building.primitives import Part
from spike_training.scenes.building.sampler import ALL, QUARTER_TURN, Range, cos_sin
from spike_training.scenes.outdoors.config import ByKind, Place, by_kind, scale
from spike_training.scenes.scene import ELLIPSOID, Array
from spike_training.scenes.things.tree import FOLIAGE


class FloorConfig(NamedTuple):
    """Materials of the ground.

    Attributes:
        paved: Probability of slabs, gravel or stones.
        grass: Probability of grass where it is not paved; else it is earth.
        size: Metres that a tile covers.
        larger: Factor on that in fields.
        earth: Tint of earth.
    """

    paved: ByKind = ByKind(yard=0.65, park=0.2, field=0.0)
    grass: float = 0.7
    size: Range = (0.7, 3.5)
    larger: float = 1.5
    earth: tuple[float, float, float] = (1.0, 0.8, 0.55)


class PatchConfig(NamedTuple):
    """Paths, lawns and terraces, flat on the ground. Lengths in metres, angles in radians.

    Attributes:
        number: Of places for them.
        chance: Probability of each.
        nearest: Least distance from the camera.
        yard_farthest: Greatest in yards.
        farthest: Greatest elsewhere.
        near: Probability of a path that begins at the camera.
        bend: Greatest angle to the view: paths lead away from the camera more often than across.
        across: Probability of a quarter turn.
        path: Probability that it is a path.
        path_half_width: Limits.
        path_half_length: Limits.
        half_width: Of lawns and terraces.
        half_length: Likewise.
        field_wider: Factor on the half width in fields, but of paths.
        field_longer: Likewise.
        height: Of the lowest.
        step: From patch to patch: none lies in another's plane.
        lawn: Probability of grass, but on paths.
    """

    number: int = 4
    chance: float = 0.6
    nearest: float = 0.5
    yard_farthest: float = 6.0
    farthest: float = 25.0
    near: float = 0.5
    bend: float = 0.5
    across: float = 0.3
    path: ByKind = ByKind(yard=0.4, park=0.75, field=0.5)
    path_half_width: Range = (0.3, 1.6)
    path_half_length: Range = (5.0, 60.0)
    half_width: Range = (0.8, 4.0)
    half_length: Range = (1.0, 6.0)
    field_wider: float = 6
    field_longer: float = 8
    height: float = 0.004
    step: float = 0.003
    lawn: float = 0.7


class MoundConfig(NamedTuple):
    """Low mounds far away. Lengths in metres.

    Attributes:
        number: Of places for them.
        chance: Probability of each but in yards.
        nearest: Least distance from the camera.
        farthest: Greatest.
        half: Half width.
        sunk: Of the middle below the ground.
        tall: Height over the half width.
        deep: Half depth over the half width.
    """

    number: int = 3
    chance: float = 0.4
    nearest: float = 12.0
    farthest: float = 60.0
    half: Range = (3.0, 10.0)
    sunk: float = 0.2
    tall: Range = (0.02, 0.12)
    deep: Range = (0.6, 1.4)


FLOOR, PATCH, MOUND = FloorConfig(), PatchConfig(), MoundConfig()
PAVEMENT = Material(
    ('slabs', 'tiles', 'gravel', 'plaster', 'blocks', 'bricks', 'planks'),
    (0.8, 3.0),
    bright=Colour(0.12, 0.7, 0.2),
    contrast=0.6,
)
SOIL = Material(('leaves', 'gravel', 'clouds', 'leaves'), contrast=0.8)
SOIL_COLOUR = Colour(0.1, 0.6, 0.3)
STONE = Material(
    ('gravel', 'slabs', 'plaster', 'tiles', 'planks', 'bricks', 'clouds'),
    (0.7, 2.5),
    bright=Colour(0.1, 0.7, 0.25),
    contrast=0.6,
)


def sample_floor(materials: MaterialSampler, place: Place) -> Array:
    """Sample the ground's material: pavement or grass in yards, grass or earth elsewhere."""
    sampler = materials.sampler
    hard = materials.sample(PAVEMENT, 1)
    grass = sampler.chance(1, FLOOR.grass)
    tint = choose(grass, np.array(GREEN, np.float32), np.array(FLOOR.earth, np.float32))
    size = sampler.uniform(1, FLOOR.size) * np.where(place.field, FLOOR.larger, 1.0)
    bright = materials.sample_colour(1, SOIL_COLOUR) * tint
    bright = np.clip(bright, SOIL_COLOUR.least, 1)
    soft = materials.sample(SOIL, 1, size, bright=bright)
    paved = sampler.chance(1, by_kind(place.yard, place.field, FLOOR.paved))
    return choose(paved, hard, soft).astype(np.float32)


def add_surfaces(site: Site, place: Place) -> None:
    """Add paths, lawns and terraces, and low mounds far away."""
    _add_patches(site, place)
    _add_mounds(site, place)


def _add_patches(site: Site, place: Place) -> None:
    sampler, view, number = site.sampler, place.view, PATCH.number
    farthest = np.where(place.yard, PATCH.yard_farthest, PATCH.farthest)
    at = view.ahead(sampler, number, PATCH.nearest, farthest, 1.0)
    near = sampler.chance(number, PATCH.near)
    bend = sampler.symmetric(number, PATCH.bend)
    bend = bend + QUARTER_TURN * sampler.chance(number, PATCH.across)
    x = np.where(near, view.x + sampler.uniform(number, ALL), at.x)
    z = np.where(near, view.z, at.z)
    stone, lawn = site.materials.sample(STONE, number), site.materials.sample(FOLIAGE, number)
    path = sampler.chance(number, by_kind(place.yard, place.field, PATCH.path))
    narrow = sampler.uniform(number, PATCH.path_half_width)
    wide = np.where(path, narrow, sampler.uniform(number, PATCH.half_width))
    far = sampler.uniform(number, PATCH.path_half_length)
    long = np.where(path, far, sampler.uniform(number, PATCH.half_length))
    wide = scale(wide, PATCH.field_wider, place.field & ~path)
    long = scale(long, PATCH.field_longer, place.field & ~path)
    height = PATCH.height + PATCH.step * np.arange(number, dtype=np.float32)
    grown = choose(sampler.chance(number, PATCH.lawn), lawn, stone)
    site.primitives.add(
        (x, height / 2, z),
        (wide, height / 2, long),
        choose(path, stone, grown),
        heading=cos_sin(view.yaw + bend),
        mask=sampler.chance(number, PATCH.chance),
    )


def _add_mounds(site: Site, place: Place) -> None:
    sampler, number = site.sampler, MOUND.number
    at = place.view.ahead(sampler, number, MOUND.nearest, MOUND.farthest)
    size = sampler.uniform(number, MOUND.half)
    grass = site.materials.sample(FOLIAGE, number)
    tall = MOUND.sunk + sampler.uniform(number, MOUND.tall) * size
    deep = size * sampler.uniform(number, MOUND.deep)
    chosen = ~place.yard & sampler.chance(number, MOUND.chance)
    mound = Part((0.0, -MOUND.sunk, 0.0), (size, tall, deep), grass, ELLIPSOID)
    chosen &= place.view.clear_of(at, MOUND.nearest)
    site.primitives.add_parts(at, chosen, [mound])
