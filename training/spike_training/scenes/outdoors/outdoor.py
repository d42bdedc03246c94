# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Outdoor places without a road: yards, parks with paths, and fields up to the horizon."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import MaterialSampler
from spike_training.scenes.building.primitives import Frame
from spike_training.scenes.building.sampler import ALL, Range, Sampler
from spike_training.scenes.building.shell import SkyConfig, open_shell, sample_sky
from spike_training.scenes.building.viewpoint import (
    in_view,
    open_heading,
    sample_exposure,
    sample_motion,
    sample_viewpoint,
)
from spike_training.scenes.outdoors.background import add_background
from spike_training.scenes.outdoors.boundary import add_boundaries
from spike_training.scenes.outdoors.canopy import add_canopy
from spike_training.scenes.outdoors.config import ByKind, Place, Things, by_kind
from spike_training.scenes.outdoors.ground import add_surfaces, sample_floor
from spike_training.scenes.outdoors.hay_bale import add_bales
from spike_training.scenes.outdoors.shed import add_sheds
from spike_training.scenes.scene import Array, Column, Scenes
from spike_training.scenes.things.bench import add_benches
from spike_training.scenes.things.bicycle import add_bicycles
from spike_training.scenes.things.bin import add_bins
from spike_training.scenes.things.bush import add_bushes
from spike_training.scenes.things.crate import add_crates
from spike_training.scenes.things.fence import add_fence
from spike_training.scenes.things.person import add_people
from spike_training.scenes.things.post import add_posts
from spike_training.scenes.things.tree import add_trees


class PlaceConfig(NamedTuple):
    """Sizes of places and cameras in them. Lengths in metres.

    Attributes:
        yards: Share of yards.
        not_fields: Share of yards and parks.
        half: Least half width and half length.
        larger: Factors on them, uniform over ratios.
        camera: Least way of the camera from the boundaries.
        things: Least way of things from the boundaries.

        speed: Greatest of the camera, m/s.
        steep: Pitch downwards from which on the image shows little ground, radians.
        fewer: Factor on the probabilities of things there.
    """

    yards: float = 0.34
    not_fields: float = 0.7
    half: ByKind = ByKind(2.5, 9.0, 30.0)
    larger: Range = (1.0, 4.0)
    camera: float = 1.2
    things: float = 0.4

    speed: ByKind = ByKind(2.5, 4.0, 8.0)
    steep: float = 0.5
    fewer: float = 0.6


class LightConfig(NamedTuple):
    """Light outdoors.

    Attributes:
        steepness: Of the sunlight: its fall over its run.
        shadow: Light that is left in shadows.
        night: Share of nights.
        night_sky: Brightness of the sky at night, over that by day.
        sun: Strength of the sun.
        sunny: Probability of it by day.
        sky: Strength of the sky.
        sky_by_night: Likewise.
        lamp: Strength of the lamp at night.
        lamp_nearest: Least distance of the lamp, metres.
        lamp_farthest: Greatest.
        lamp_height: Metres.
        haze: Depth at which half of the light is scattered, metres, uniform over ratios.
        occlusion: Greatest share of the light that ambient occlusion takes.
    """

    steepness: Range = (0.3, 2.5)
    shadow: Range = (0.25, 0.8)
    night: float = 0.1
    night_sky: float = 0.03
    sun: Range = (0.0, 1.4)
    sunny: float = 0.75
    sky: Range = (0.25, 0.6)
    sky_by_night: Range = (0.02, 0.1)
    lamp: Range = (1.0, 8.0)
    lamp_nearest: float = 1.5
    lamp_farthest: float = 8.0
    lamp_height: Range = (2.0, 4.0)
    haze: Range = (80, 4000)
    occlusion: float = 0.8


class PostHeights(NamedTuple):
    """Half heights of posts, metres; ``low`` is the probability of short ones."""

    low: float = 0.3
    short: Range = (0.4, 0.7)
    tall: Range = (1.1, 3.5)


PLACE, LIGHT, POST_HEIGHTS = PlaceConfig(), LightConfig(), PostHeights()
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
WALKING, WALKING_SPEED = 0.5, (0.3, 2.0)
"""Probability that a person walks; m/s."""


def outdoor(sampler: Sampler) -> Scenes:
    """Sample scenes: yards, parks and fields, about as many of each."""
    sampler(1)  # a column that scenes have always skipped
    materials = MaterialSampler(sampler)
    place = _sample_place(sampler)
    floor = sample_floor(materials, place)
    site = Site.create(materials, floor, LIGHT.steepness, LIGHT.shadow)
    add_surfaces(site, place)
    add_boundaries(site, place)
    add_background(site, place)
    _add_things(site, place)
    return _finish(site, place)


def _sample_place(sampler: Sampler) -> Place:
    kind = sampler(1)
    yard, field = kind < PLACE.yards, kind >= PLACE.not_fields
    least = by_kind(yard, field, PLACE.half).astype(np.float32)
    half_x, half_z = (least * sampler.log_uniform(1, PLACE.larger) for _ in range(2))
    x = sampler.uniform(1, ALL) * (half_x - PLACE.camera)
    z = sampler.uniform(1, ALL) * (half_z - PLACE.camera)
    view = sample_viewpoint(sampler, x, z, open_heading(sampler, x, z, half_x, half_z))
    limits = (half_x - PLACE.things, half_z - PLACE.things)
    return Place(yard, field, half_x, half_z, view, limits)


def _add_things(site: Site, place: Place) -> None:
    """Add trees, furniture of yards and parks, sheds, bales and people."""
    sampler = site.sampler
    # Where the camera looks down, the same number of things lies on much less ground.
    fewer = np.where(place.view.pitch < -PLACE.steep, PLACE.fewer, 1.0)

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
    low = sampler.chance(POSTS.number, POST_HEIGHTS.low)
    short = sampler.uniform(POSTS.number, POST_HEIGHTS.short)
    tall = np.where(low, short, sampler.uniform(POSTS.number, POST_HEIGHTS.tall))
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
    pose = sample_motion(sampler, view, place.by_kind(PLACE.speed))
    night = sampler.chance(1, LIGHT.night)
    dimmed = np.where(night[..., None], LIGHT.night_sky, 1).astype(np.float32)
    sky = sample_sky(site, SKY) * dimmed
    sky[..., Column.UNLIT] = sky[..., Column.UNLIT] / dimmed
    lamp = view.ahead(sampler, 1, LIGHT.lamp_nearest, LIGHT.lamp_farthest)
    shell = [site.ground.surface, sky, sky, sky, sky]
    sunny = sampler.uniform(1, LIGHT.sun) * sampler.chance(1, LIGHT.sunny) * ~night
    dark, clear = sampler.uniforms(1, LIGHT.sky_by_night, LIGHT.sky)
    lit = np.where(night, sampler.uniform(1, LIGHT.lamp), 0)
    light = [sunny, np.where(night, dark, clear), lit]
    position = [lamp.x, sampler.uniform(1, LIGHT.lamp_height), lamp.z]
    return Scenes(
        **in_view(site.primitives, pose, view),
        **pose,
        shell_material=np.concatenate(shell, 1).astype(np.float32),
        shell=open_shell(batch),
        open=np.ones(batch, np.float32),
        sun=site.ground.sun,
        light=np.concatenate(light, 1).astype(np.float32),
        lamp=np.concatenate(position, 1).astype(np.float32),
        haze=sampler.log_uniform(1, LIGHT.haze)[:, 0],
        **sample_exposure(sampler, LIGHT.occlusion, night),
    )
