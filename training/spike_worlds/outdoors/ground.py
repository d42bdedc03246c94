# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ground of outdoor places, and what stands far away, beyond their boundaries."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from spike_worlds.building.cameras import Viewpoint
from spike_worlds.building.light import Site
from spike_worlds.building.materials import (
    GREEN,
    Colour,
    Material,
    MaterialSampler,
    choose,
)
from spike_worlds.building.primitives import Frame, Part
from spike_worlds.building.sampler import ALL, QUARTER_TURN, Sampler, Value, cos_sin
from spike_worlds.scene import ELLIPSOID, Array
from spike_worlds.things import FOLIAGE

# --- Kinds and sizes of places, and the camera.


class ByKind(NamedTuple):
    """A number for each kind of place."""

    yard: float = 0.0
    park: float = 0.0
    field: float = 0.0


class Things(NamedTuple):
    """Things of a kind on the ground."""

    number: int  # places for them
    nearest: float  # least distance from the camera, metres
    farthest: ByKind  # greatest distance, m
    clear: float  # distance from the camera that they keep, metres
    chance: ByKind  # probability of each


SPREAD = 1.1  # greatest way of things to the side / half of the view's width


@dataclasses.dataclass(frozen=True)
class Place:
    """Kinds, sizes and cameras of a batch of outdoor places."""

    yard: Array  # those that are yards, ``[B, 1]``
    field: Array  # those that are fields; the others are parks
    half_x: Array  # half width, ``[B, 1]`` metres
    half_z: Array  # half length
    view: Viewpoint  # cameras
    limits: tuple[Array, Array]  # half sizes of the ground that things stand on, along x and z

    def by_kind(self, values: ByKind) -> Array:
        """Return the number of each place's kind, ``[B, 1]`` float32."""
        return by_kind(self.yard, self.field, values).astype(np.float32)

    def sample_poses(self, sampler: Sampler, things: Things) -> Frame:
        """Sample poses of things on the ground within view, ``[B, number]``."""
        far = self.by_kind(things.farthest)
        return self.view.ahead(sampler, things.number, things.nearest, far, SPREAD, self.limits)

    def sample_mask(
        self, sampler: Sampler, things: Things, frame: Frame, factor: Value = 1.0
    ) -> Array:
        """Sample the mask of things that exist, clear of the camera, ``[B, number]``.

        Args:
            sampler: Random numbers.
            things: Kind of things.
            frame: Their poses.
            factor: On their probability.
        """
        chosen = sampler.chance(things.number, factor * self.by_kind(things.chance))
        return chosen & self.view.clear_of(frame, things.clear)


def by_kind(yard: Array, field: Array, values: ByKind) -> Array:
    """Return numbers of yards, parks and fields, ``[B, 1]`` float64."""
    chosen: Array = np.where(yard, values.yard, np.where(field, values.field, values.park))
    return chosen


def scale(value: Value, factor: float, mask: Array) -> Array:
    """Return a value multiplied by a factor where a mask is true."""
    scaled: Array = np.where(mask, factor * value, value)
    return scaled


# --- The ground of outdoor places: its material, paths, lawns, terraces, furrows, mounds.

# Materials of the ground.
FLOOR_PAVED = ByKind(yard=0.65, park=0.2, field=0.0)  # probability of slabs, gravel or stones
FLOOR_GRASS = 0.7  # probability of grass where it is not paved; else it is earth
FLOOR_SIZE = (0.7, 3.5)  # metres that a tile covers
FLOOR_LARGER = 1.5  # factor on the tile's size in fields
FLOOR_EARTH = (1.0, 0.8, 0.55)  # tint of earth

# Paths, lawns and terraces, flat on the ground.
PATCH_NUMBER = 4  # places for them
PATCH_CHANCE = 0.6  # probability of each
PATCH_NEAREST = 0.5  # least distance from the camera
PATCH_YARD_FARTHEST = 6.0  # greatest in yards
PATCH_FARTHEST = 25.0  # greatest elsewhere
PATCH_NEAR = 0.5  # probability of a path that begins at the camera
# Paths lead away from the camera more often than across.
PATCH_BEND = 0.5  # greatest angle to the view
PATCH_ACROSS = 0.3  # probability of a quarter turn
PATCH_PATH = ByKind(yard=0.4, park=0.75, field=0.5)  # probability that it is a path
PATCH_PATH_HALF_WIDTH = (0.3, 1.6)
PATCH_PATH_HALF_LENGTH = (5.0, 60.0)
PATCH_HALF_WIDTH = (0.8, 4.0)  # of lawns and terraces, m
PATCH_HALF_LENGTH = (1.0, 6.0)  # of lawns and terraces, m
PATCH_FIELD_WIDER = 6  # factor on the half width in fields, but of paths
PATCH_FIELD_LONGER = 8  # factor on the half length in fields, but of paths
PATCH_HEIGHT = 0.004  # of the lowest
PATCH_STEP = 0.003  # from patch to patch: none lies in another's plane
PATCH_LAWN = 0.7  # probability of grass, but on paths

# Low mounds far away.
MOUND_NUMBER = 3  # places for them
MOUND_CHANCE = 0.4  # probability of each but in yards
MOUND_NEAREST = 12.0  # least distance from the camera, m
MOUND_FARTHEST = 60.0  # greatest distance from the camera, m
MOUND_HALF = (3.0, 10.0)  # half width
MOUND_SUNK = 0.2  # of the middle below the ground
MOUND_TALL = (0.02, 0.12)  # height / half width
MOUND_DEEP = (0.6, 1.4)  # half depth / half width
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
    grass = sampler.chance(1, FLOOR_GRASS)
    tint = choose(grass, np.array(GREEN, np.float32), np.array(FLOOR_EARTH, np.float32))
    size = sampler.uniform(1, FLOOR_SIZE) * np.where(place.field, FLOOR_LARGER, 1.0)
    bright = materials.sample_colour(1, SOIL_COLOUR) * tint
    bright = np.clip(bright, SOIL_COLOUR.least, 1)
    soft = materials.sample(SOIL, 1, size, bright=bright)
    paved = sampler.chance(1, by_kind(place.yard, place.field, FLOOR_PAVED))
    return choose(paved, hard, soft).astype(np.float32)


def add_surfaces(site: Site, place: Place) -> None:
    """Add paths, lawns and terraces, and low mounds far away."""
    _add_patches(site, place)
    _add_mounds(site, place)


def _add_patches(site: Site, place: Place) -> None:
    sampler, view, number = site.sampler, place.view, PATCH_NUMBER
    farthest = np.where(place.yard, PATCH_YARD_FARTHEST, PATCH_FARTHEST)
    at = view.ahead(sampler, number, PATCH_NEAREST, farthest, 1.0)
    near = sampler.chance(number, PATCH_NEAR)
    bend = sampler.symmetric(number, PATCH_BEND)
    bend = bend + QUARTER_TURN * sampler.chance(number, PATCH_ACROSS)
    x = np.where(near, view.x + sampler.uniform(number, ALL), at.x)
    z = np.where(near, view.z, at.z)
    stone, lawn = site.materials.sample(STONE, number), site.materials.sample(FOLIAGE, number)
    path = sampler.chance(number, by_kind(place.yard, place.field, PATCH_PATH))
    narrow = sampler.uniform(number, PATCH_PATH_HALF_WIDTH)
    wide = np.where(path, narrow, sampler.uniform(number, PATCH_HALF_WIDTH))
    far = sampler.uniform(number, PATCH_PATH_HALF_LENGTH)
    long = np.where(path, far, sampler.uniform(number, PATCH_HALF_LENGTH))
    wide = scale(wide, PATCH_FIELD_WIDER, place.field & ~path)
    long = scale(long, PATCH_FIELD_LONGER, place.field & ~path)
    height = PATCH_HEIGHT + PATCH_STEP * np.arange(number, dtype=np.float32)
    grown = choose(sampler.chance(number, PATCH_LAWN), lawn, stone)
    site.primitives.add(
        (x, height / 2, z),
        (wide, height / 2, long),
        choose(path, stone, grown),
        heading=cos_sin(view.yaw + bend),
        mask=sampler.chance(number, PATCH_CHANCE),
    )


def _add_mounds(site: Site, place: Place) -> None:
    sampler, number = site.sampler, MOUND_NUMBER
    at = place.view.ahead(sampler, number, MOUND_NEAREST, MOUND_FARTHEST)
    size = sampler.uniform(number, MOUND_HALF)
    grass = site.materials.sample(FOLIAGE, number)
    tall = MOUND_SUNK + sampler.uniform(number, MOUND_TALL) * size
    deep = size * sampler.uniform(number, MOUND_DEEP)
    chosen = ~place.yard & sampler.chance(number, MOUND_CHANCE)
    mound = Part((0.0, -MOUND_SUNK, 0.0), (size, tall, deep), grass, ELLIPSOID)
    chosen &= place.view.clear_of(at, MOUND_NEAREST)
    site.primitives.add_parts(at, chosen, [mound])


# --- Rows of trees, houses and hills, 15 to 300 m away, beyond the boundaries.

FAR_SPREAD = 1.2  # greatest way to the side / half of the view's width

# Trees far away.
TREE_ROW_NUMBER = 9  # places for them
TREE_ROW_CHANCE = 0.6  # probability of each
TREE_ROW_NEAREST = 25.0  # least distance from the camera, m
TREE_ROW_YARD_FARTHEST = 60.0  # greatest distance from yards, m
TREE_ROW_FARTHEST = 160.0  # greatest distance elsewhere, m
TREE_ROW_HALF = (2.0, 7.0)  # half depth, m
TREE_ROW_WIDE = (0.6, 1.6)  # half width / half depth
TREE_ROW_TALL = (0.6, 1.2)  # half height / half depth

# Houses far away.
HOUSE_NUMBER = 3  # places for them
HOUSE_CHANCE = 0.4  # probability of each, but in fields
HOUSE_FIELD_CHANCE = 0.25  # probability in fields
HOUSE_NEAREST = 22.0  # least distance from the camera
HOUSE_FARTHEST = 120.0  # greatest distance from the camera, m
HOUSE_SIZES = ((2.5, 9.0), (2.6, 3.4))  # height, height of a storey
HOUSE_STOREYS = 4  # on a tile of the texture
HOUSE_HALF_WIDTH = (3, 9)
HOUSE_HALF_DEPTH = (3, 6)

# Hills.
HILL_NUMBER = 3  # places for them
HILL_CHANCE = 0.5  # probability of each, but in yards
HILL_YARD_CHANCE = 0.2  # probability in yards
HILL_NEAREST = 150.0  # least distance from the camera
HILL_FARTHEST = 300.0  # greatest distance from the camera, m
HILL_SIZES = ((30, 90), (6, 40), (20, 50))  # half width, half height, half depth
FACADE = Material(('facade', 'tower', 'bricks', 'plaster'), bright=Colour(0.15, 0.85, 0.4))


def add_background(site: Site, place: Place) -> None:
    """Add trees, houses and hills far away."""
    _add_trees(site, place)
    _add_houses(site, place)
    _add_hills(site, place)


def _add_trees(site: Site, place: Place) -> None:
    sampler, number = site.sampler, TREE_ROW_NUMBER
    farthest = np.where(place.yard, TREE_ROW_YARD_FARTHEST, TREE_ROW_FARTHEST)
    at = place.view.ahead(sampler, number, TREE_ROW_NEAREST, farthest, FAR_SPREAD)
    size = sampler.uniform(number, TREE_ROW_HALF)
    wide = size * sampler.uniform(number, TREE_ROW_WIDE)
    half = (wide, size * sampler.uniform(number, TREE_ROW_TALL), size)
    leaves = site.materials.sample(FOLIAGE, number)
    tree = Part((0.0, 0.6 * size, 0.0), half, leaves, ELLIPSOID)
    site.primitives.add_parts(at, sampler.chance(number, TREE_ROW_CHANCE), [tree])


def _add_houses(site: Site, place: Place) -> None:
    sampler, number = site.sampler, HOUSE_NUMBER
    at = place.view.ahead(sampler, number, HOUSE_NEAREST, HOUSE_FARTHEST, FAR_SPREAD)
    tall, storey = sampler.uniforms(number, *HOUSE_SIZES)
    half_w = sampler.uniform(number, HOUSE_HALF_WIDTH)
    chance = np.where(place.field, HOUSE_FIELD_CHANCE, HOUSE_CHANCE)
    half = (half_w, tall / 2, sampler.uniform(number, HOUSE_HALF_DEPTH))
    facade = site.materials.sample(FACADE, number, HOUSE_STOREYS * storey)
    house = Part((0.0, tall / 2, 0.0), half, facade)
    site.primitives.add_parts(at, sampler.chance(number, chance), [house])


def _add_hills(site: Site, place: Place) -> None:
    sampler, number = site.sampler, HILL_NUMBER
    at = place.view.ahead(sampler, number, HILL_NEAREST, HILL_FARTHEST, FAR_SPREAD)
    half_w, half_h, half_d = sampler.uniforms(number, *HILL_SIZES)
    grass = site.materials.sample(FOLIAGE, number)
    hill = Part((0.0, -3.0, 0.0), (half_w, half_h, half_d), grass, ELLIPSOID)
    chance = np.where(place.yard, HILL_YARD_CHANCE, HILL_CHANCE)
    site.primitives.add_parts(at, sampler.chance(number, chance), [hill])
