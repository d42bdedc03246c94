# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Streets and country roads, seen from vehicles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.cameras import camera_axes, visible
from spike_training.scenes.building.light import Ground, Site, sample_ambience
from spike_training.scenes.building.materials import Grey, Material, MaterialSampler
from spike_training.scenes.building.primitives import Frame
from spike_training.scenes.building.sampler import ALL, Range, Sampler
from spike_training.scenes.building.shell import SkyConfig, open_shell, sample_sky
from spike_training.scenes.scene import Array, Scenes
from spike_training.scenes.streets.building import add_buildings
from spike_training.scenes.streets.car import add_cars
from spike_training.scenes.streets.config import SIDES, Street, on
from spike_training.scenes.streets.lorry import add_lorries
from spike_training.scenes.streets.roadside_tree import add_trees
from spike_training.scenes.streets.street_furniture import add_street_furniture
from spike_training.scenes.streets.surface import add_surfaces
from spike_training.scenes.things.person import add_people


class StreetConfig(NamedTuple):
    """Sizes of streets and country roads. Lengths in metres.

    Attributes:
        country: Share of country roads.
        edge: Half width of a street.
        country_edge: Half width of a country road.
        kerb: Height of the pavement.
        country_kerb: Height of the verge.
        walk: Width of the pavement.
    """

    country: float = 0.35
    edge: Range = (3.2, 9.0)
    country_edge: Range = (2.8, 5.0)
    kerb: Range = (0.06, 0.18)
    country_kerb: float = 0.02
    walk: Range = (1.2, 4.5)


class CameraConfig(NamedTuple):
    """Cameras of vehicles. Lengths in metres, angles in radians.

    Attributes:
        focal: Focal length over image width, uniform over ratios.
        height: Uniform over ratios.
        aside: Greatest way from the middle over the half width of the road.
        turning: Share of vehicles that turn.
        turning_yaw: Greatest yaw of these.
        yaw: Greatest yaw of the others.
        pitch: Upwards.
        roll: Greatest.
        clearance: Around a camera, free of solids.
        along: Greatest way of the camera from the origin along the road.
        speed: Greatest speed of a vehicle, m/s, times a share.
        shake: Greatest added velocity in each direction, m/s.
        turns: Greatest rates of pitch, yaw and roll, rad/s.
    """

    focal: Range = (0.55, 1.4)
    height: Range = (1.2, 2.5)
    aside: float = 0.75
    turning: float = 0.2
    turning_yaw: float = 0.7
    yaw: float = 0.12
    pitch: Range = (-0.1, 0.06)
    roll: float = 0.04
    clearance: float = 1.0
    along: float = 1
    speed: Range = (5.0, 40.0)
    shake: float = 0.3
    turns: tuple[float, float, float] = (0.3, 0.8, 0.2)


class LightConfig(NamedTuple):
    """Light on streets.

    Attributes:
        steepness: Of the sunlight: its fall over its run.
        shadow: Light that is left in shadows.
        sun: Strength of the sun.
        sunny: Probability of it.
        sky: Strength of the sky.
        lamp: Position of the lamp, which is never lit, metres.
        haze: Depth at which half of the light is scattered, metres, uniform over ratios.
        rate: Mean firing rates that the exposure aims at, uniform over ratios.
        occlusion: Greatest share of the light that ambient occlusion takes.
    """

    steepness: Range = (0.4, 2.5)
    shadow: Range = (0.25, 0.8)
    sun: Range = (0.0, 1.2)
    sunny: float = 0.75
    sky: Range = (0.3, 0.6)
    lamp: tuple[float, float, float] = (0, 8, 10)
    haze: Range = (60, 4000)
    rate: Range = (0.03, 0.6)
    occlusion: float = 0.6


class PeopleConfig(NamedTuple):
    """People on each pavement, and on the road. Lengths in metres.

    Attributes:
        number: Of places on each pavement.
        beside: From the road's edge.
        distance: Along the road, uniform over ratios.
        chance: Probability of each, in streets.
        country_chance: Likewise beside country roads.
        speed: m/s.
        crossing: Number of places on the road.
        crossing_aside: Greatest way from its middle over its half width.
        crossing_distance: Along the road, uniform over ratios.
        crossing_chance: Probability of each.
        crossing_speed: m/s.
    """

    number: int = 4
    beside: Range = (0.2, 2.5)
    distance: Range = (4, 45)
    chance: float = 0.55
    country_chance: float = 0.12
    speed: Range = (0, 1.8)
    crossing: int = 2
    crossing_aside: float = 0.9
    crossing_distance: Range = (5, 40)
    crossing_chance: float = 0.25
    crossing_speed: Range = (0.5, 1.8)


STREET, CAMERA, LIGHT, PEOPLE = StreetConfig(), CameraConfig(), LightConfig(), PeopleConfig()
ASPHALT = Material(
    ('gravel', 'plaster', 'clouds'), (0.8, 4.0), bright=Grey((0.12, 0.4)), contrast=0.5
)
SKY = SkyConfig(brightness=(0.6, 1.0), dark_share=(0.45, 1.0))


class _Camera(NamedTuple):
    """Sampled cameras, ``[B, 1]`` each."""

    focal: Array
    x: Array
    y: Array
    yaw: Array
    pitch: Array


def road(sampler: Sampler) -> Scenes:
    """Sample scenes: streets and country roads."""
    sampler(1)  # a column that scenes have always skipped
    materials = MaterialSampler(sampler)
    street = _sample_street(sampler)
    camera = _sample_camera(sampler, street)
    asphalt = materials.sample(ASPHALT, 1)
    site = Site.create(materials, asphalt, LIGHT.steepness, LIGHT.shadow)
    verges = add_surfaces(site, street)
    add_buildings(site, street)
    add_cars(site, street)
    add_lorries(site, street)
    add_trees(site, street, verges)
    add_street_furniture(site, street, verges)
    _add_people(site, street, verges)
    return _finish(site, camera)


def _sample_street(sampler: Sampler) -> Street:
    country = sampler.chance(1, STREET.country)
    narrow, wide = sampler.uniforms(1, STREET.country_edge, STREET.edge)
    kerb = np.where(country, STREET.country_kerb, sampler.uniform(1, STREET.kerb))
    return Street(
        country=country,
        edge=np.where(country, narrow, wide),
        kerb=kerb.astype(np.float32),
        walk=sampler.uniform(2, STREET.walk),
    )


def _sample_camera(sampler: Sampler, street: Street) -> _Camera:
    focal = sampler.log_uniform(1, CAMERA.focal)
    y = sampler.log_uniform(1, CAMERA.height)
    x = sampler.symmetric(1, CAMERA.aside) * street.edge
    turning = sampler.chance(1, CAMERA.turning)
    yaw = sampler.uniform(1, ALL) * np.where(turning, CAMERA.turning_yaw, CAMERA.yaw)
    return _Camera(focal, x, y, yaw, sampler.uniform(1, CAMERA.pitch))


def _add_people(site: Site, street: Street, verges: list[Ground]) -> None:
    """Add people on both pavements and on the road."""
    sampler, number = site.sampler, PEOPLE.number
    for side, verge in zip(SIDES, verges, strict=True):
        x = side * (street.edge + sampler.uniform(number, PEOPLE.beside))
        z = sampler.log_uniform(number, PEOPLE.distance)
        walkers = Frame(x, street.kerb, z, sampler.headings(number))
        chance = np.where(street.country, PEOPLE.country_chance, PEOPLE.chance)
        mask = sampler.chance(number, chance)
        add_people(on(site, verge), walkers, mask, sampler.uniform(number, PEOPLE.speed))
    number = PEOPLE.crossing
    aside = sampler.symmetric(number, PEOPLE.crossing_aside) * street.edge
    z = sampler.log_uniform(number, PEOPLE.crossing_distance)
    walkers = Frame(aside, 0.0, z, sampler.headings(number))
    mask = sampler.chance(number, PEOPLE.crossing_chance)
    add_people(site, walkers, mask, sampler.uniform(number, PEOPLE.crossing_speed))


def _finish(site: Site, camera: _Camera) -> Scenes:
    """Sample motion, sky, light and exposure, and leave out what cameras do not see."""
    sampler, batch = site.sampler, site.sampler.batch
    sky = sample_sky(site, SKY)
    eye_z = sampler.symmetric(1, CAMERA.along)
    eye = np.concatenate([camera.x, camera.y, eye_z], 1).astype(np.float32)
    speed = sampler(1) * sampler.uniform(1, CAMERA.speed)
    roll = sampler.symmetric(1, CAMERA.roll)
    axes = camera_axes(camera.pitch[:, 0], camera.yaw[:, 0], roll[:, 0])
    along = axes[:, 2] * np.array([1, 0, 1], np.float32)
    focal = camera.focal[:, 0]
    shake = sampler.symmetric(3, CAMERA.shake)
    turning = sampler.uniform(3, ALL) ** 3 * np.array(CAMERA.turns, np.float32)
    sunny = sampler.uniform(1, LIGHT.sun) * sampler.chance(1, LIGHT.sunny)
    light = [sunny, sampler.uniform(1, LIGHT.sky), 0 * sampler(1)]
    return Scenes(
        **visible(site.primitives.arrays(), eye, axes, focal, CAMERA.clearance),
        shell_material=np.concatenate([site.ground.surface, sky, sky, sky, sky], 1),
        shell=open_shell(batch),
        open=np.ones(batch, np.float32),
        focal=focal,
        eye=eye,
        axes=axes,
        linear_velocity=along * speed + shake,
        angular_velocity=turning,
        sun=site.ground.sun,
        light=np.concatenate(light, 1).astype(np.float32),
        lamp=np.zeros((batch, 3), np.float32) + np.array(LIGHT.lamp, np.float32),
        haze=sampler.log_uniform(1, LIGHT.haze)[:, 0],
        blur=sampler(1)[:, 0],
        rate=sampler.log_uniform(1, LIGHT.rate)[:, 0],
        seed=sampler.seeds(),
        **sample_ambience(sampler, LIGHT.occlusion),
    )
