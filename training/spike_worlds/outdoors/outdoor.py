# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Outdoor places without a road: yards, parks with paths, and fields up to the horizon."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spike_worlds.building.cameras import (
    in_view,
    open_heading,
    sample_exposure,
    sample_motion,
    sample_viewpoint,
)
from spike_worlds.building.light import Site, SkyConfig, open_shell, sample_sky
from spike_worlds.building.materials import MaterialSampler
from spike_worlds.building.primitives import Frame
from spike_worlds.building.sampler import ALL, Sampler
from spike_worlds.outdoors.ground import (
    ByKind,
    Place,
    Things,
    add_background,
    add_surfaces,
    by_kind,
    sample_floor,
)
from spike_worlds.outdoors.structures import (
    add_bales,
    add_boundaries,
    add_canopy,
    add_sheds,
)
from spike_worlds.scene import Array, Column, Scenes
from spike_worlds.things import (
    add_benches,
    add_bicycles,
    add_bins,
    add_bushes,
    add_crates,
    add_fence,
    add_people,
    add_posts,
    add_trees,
)

PLACE_YARDS = 0.34  # share of yards
PLACE_NOT_FIELDS = 0.7  # share of yards and parks
PLACE_HALF = ByKind(2.5, 9.0, 30.0)  # least half width and half length
PLACE_LARGER = (1.0, 4.0)  # factors on them, uniform over ratios
PLACE_CAMERA = 1.2  # least way of the camera from the boundaries
PLACE_THINGS = 0.4  # least way of things from the boundaries
PLACE_SPEED = ByKind(2.5, 4.0, 8.0)  # greatest of the camera, m/s
PLACE_STEEP = 0.5  # pitch downwards from which on the image shows little ground, radians
PLACE_FEWER = 0.6  # factor on the probabilities of things where the camera sees little ground

# Light outdoors.
LIGHT_STEEPNESS = (0.3, 2.5)  # of the sunlight: fall / run
LIGHT_SHADOW = (0.25, 0.8)  # light that is left in shadows
LIGHT_NIGHT = 0.1  # share of nights
LIGHT_NIGHT_SKY = 0.03  # brightness of the sky at night / brightness by day
LIGHT_SUN = (0.0, 1.4)  # strength of the sun
LIGHT_SUNNY = 0.75  # probability of it by day
LIGHT_SKIES = ((0.02, 0.1), (0.25, 0.6))  # strength of the sky by night, and by day
LIGHT_LAMP = (1.0, 8.0)  # strength of the lamp at night
LIGHT_LAMP_NEAREST, LIGHT_LAMP_FARTHEST = 1.5, 8.0  # distance of the lamp
LIGHT_LAMP_HEIGHT = (2.0, 4.0)
LIGHT_HAZE = (80, 4000)  # depth at which half of the light is scattered, uniform over ratios
LIGHT_OCCLUSION = 0.8  # greatest share of the light that ambient occlusion takes

# Half heights of posts, metres; ``low`` is the probability of short ones.
POST_HEIGHTS_LOW = 0.3
POST_HEIGHTS_SHORT = (0.4, 0.7)
POST_HEIGHTS_TALL = (1.1, 3.5)
SKY = SkyConfig(brightness=(0.55, 1.0), dark_share=(0.4, 1.0))
TREES = Things(8, 2.8, ByKind(16, 40, 120), 2.8, ByKind(0.25, 0.65, 0.4))
BUSHES = Things(9, 1.1, ByKind(9, 20, 40), 1.4, ByKind(0.4, 0.5, 0.6))
CRATES = Things(8, 0.9, ByKind(8, 12, 14), 0.9, ByKind(0.6, 0.2, 0.12))
BINS = Things(3, 1.0, ByKind(10, 20, 20), 1.0, ByKind(0.5, 0.3, 0.06))
BENCHES = Things(2, 1.3, ByKind(8, 16, 20), 1.8, ByKind(0.45, 0.5, 0.1))
BICYCLES = Things(2, 1.2, ByKind(8, 14, 20), 1.2, ByKind(0.45, 0.25, 0.06))
POSTS = Things(4, 1.0, ByKind(14, 40, 120), 0.9, ByKind(0.25, 0.4, 0.35))
FENCES = Things(1, 1.3, ByKind(10, 25, 50), 1.3, ByKind(0.25, 0.35, 0.5))
FENCES_NUMBER = 2
PEOPLE = Things(4, 1.4, ByKind(10, 25, 40), 1.2, ByKind(0.3, 0.4, 0.15))
WALKING, WALKING_SPEED = 0.5, (0.3, 2.0)  # probability that a person walks; m/s


def outdoor(sampler: Sampler) -> Scenes:
    """Sample scenes: yards, parks and fields, about as many of each."""
    sampler(1)  # a column that scenes have always skipped
    materials = MaterialSampler(sampler)
    place = _sample_place(sampler)
    floor = sample_floor(materials, place)
    site = Site.create(materials, floor, LIGHT_STEEPNESS, LIGHT_SHADOW)
    add_surfaces(site, place)
    add_boundaries(site, place)
    add_background(site, place)
    _add_things(site, place)
    return _finish(site, place)


def _sample_place(sampler: Sampler) -> Place:
    kind = sampler(1)
    yard, field = kind < PLACE_YARDS, kind >= PLACE_NOT_FIELDS
    least = by_kind(yard, field, PLACE_HALF).astype(np.float32)
    half_x, half_z = (least * sampler.log_uniform(1, PLACE_LARGER) for _ in range(2))
    x = sampler.uniform(1, ALL) * (half_x - PLACE_CAMERA)
    z = sampler.uniform(1, ALL) * (half_z - PLACE_CAMERA)
    view = sample_viewpoint(sampler, x, z, open_heading(sampler, x, z, half_x, half_z))
    limits = (half_x - PLACE_THINGS, half_z - PLACE_THINGS)
    return Place(yard, field, half_x, half_z, view, limits)


def _add_things(site: Site, place: Place) -> None:
    """Add trees, furniture of yards and parks, sheds, bales and people."""
    sampler = site.sampler
    # Where the camera looks down, the same number of things lies on much less ground.
    fewer = np.where(place.view.pitch < -PLACE_STEEP, PLACE_FEWER, 1.0)

    def scatter(things: Things, add: Callable[[Site, Frame, Array], None]) -> None:
        at = place.sample_poses(sampler, things)
        add(site, at, place.sample_mask(sampler, things, at, fewer))

    scatter(TREES, add_trees)
    scatter(BUSHES, add_bushes)
    scatter(CRATES, add_crates)
    scatter(BINS, add_bins)
    scatter(BENCHES, add_benches)
    scatter(BICYCLES, add_bicycles)
    at = place.sample_poses(sampler, POSTS)
    low = sampler.chance(POSTS.number, POST_HEIGHTS_LOW)
    short = sampler.uniform(POSTS.number, POST_HEIGHTS_SHORT)
    tall = np.where(low, short, sampler.uniform(POSTS.number, POST_HEIGHTS_TALL))
    add_posts(site, at, place.sample_mask(sampler, POSTS, at, fewer), tall)
    for _ in range(FENCES_NUMBER):
        scatter(FENCES, add_fence)
    add_sheds(site, place)
    add_canopy(site, place)
    add_bales(site, place)
    at = place.sample_poses(sampler, PEOPLE)
    walks = sampler.chance(PEOPLE.number, WALKING)
    speed = walks * sampler.uniform(PEOPLE.number, WALKING_SPEED)
    add_people(site, at, place.sample_mask(sampler, PEOPLE, at, fewer), speed)


def _finish(site: Site, place: Place) -> Scenes:
    """Sample motion, sky, light and exposure, and leave out what cameras do not see."""
    sampler, view, batch = site.sampler, place.view, site.sampler.batch
    pose = sample_motion(sampler, view, place.by_kind(PLACE_SPEED))
    night = sampler.chance(1, LIGHT_NIGHT)
    dimmed = np.where(night[..., None], LIGHT_NIGHT_SKY, 1).astype(np.float32)
    sky = sample_sky(site, SKY) * dimmed
    sky[..., Column.UNLIT] = sky[..., Column.UNLIT] / dimmed
    lamp = view.ahead(sampler, 1, LIGHT_LAMP_NEAREST, LIGHT_LAMP_FARTHEST)
    shell = [site.ground.surface, sky, sky, sky, sky]
    sunny = sampler.uniform(1, LIGHT_SUN) * sampler.chance(1, LIGHT_SUNNY) * ~night
    dark, clear = sampler.uniforms(1, *LIGHT_SKIES)
    lit = np.where(night, sampler.uniform(1, LIGHT_LAMP), 0)
    light = [sunny, np.where(night, dark, clear), lit]
    position = [lamp.x, sampler.uniform(1, LIGHT_LAMP_HEIGHT), lamp.z]
    return Scenes(
        **in_view(site.primitives, pose, view),
        **pose,
        shell_material=np.concatenate(shell, 1).astype(np.float32),
        shell=open_shell(batch),
        open=np.ones(batch, np.float32),
        sun=site.ground.sun,
        light=np.concatenate(light, 1).astype(np.float32),
        lamp=np.concatenate(position, 1).astype(np.float32),
        haze=sampler.log_uniform(1, LIGHT_HAZE)[:, 0],
        **sample_exposure(sampler, LIGHT_OCCLUSION, night),
    )
