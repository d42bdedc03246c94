# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Streets and country roads, seen from vehicles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_worlds.building.cameras import camera_axes, visible
from spike_worlds.building.light import (
    Ground,
    Site,
    SkyConfig,
    open_shell,
    sample_ambience,
    sample_sky,
)
from spike_worlds.building.materials import Grey, Material, MaterialSampler
from spike_worlds.building.primitives import Frame
from spike_worlds.building.sampler import ALL, Sampler
from spike_worlds.scene import Array, Scenes
from spike_worlds.streets.buildings import add_buildings
from spike_worlds.streets.roadside import (
    SIDES,
    Street,
    add_street_furniture,
    add_surfaces,
    add_trees,
    on,
)
from spike_worlds.streets.vehicles import add_cars, add_lorries
from spike_worlds.things import add_people

STREET_COUNTRY = 0.35  # share of country roads
STREET_EDGES = ((2.8, 5.0), (3.2, 9.0))  # half width of a country road, half width of a street
STREET_KERB = (0.06, 0.18)  # height of the pavement
STREET_COUNTRY_KERB = 0.02  # height of the verge
STREET_WALK = (1.2, 4.5)  # width of the pavement

# Cameras of vehicles.
CAMERA_FOCAL = (0.55, 1.4)  # focal length over image width, uniform over ratios
CAMERA_HEIGHT = (1.2, 2.5)  # uniform over ratios
CAMERA_ASIDE = 0.75  # greatest way from the middle / half width of the road
CAMERA_TURNING = 0.2  # share of vehicles that turn
CAMERA_TURNING_YAW = 0.7  # greatest yaw of vehicles that turn, rad
CAMERA_YAW = 0.12  # greatest yaw of the others
CAMERA_PITCH = (-0.1, 0.06)  # upwards
CAMERA_ROLL = 0.04  # greatest, rad
CAMERA_CLEARANCE = 1.0  # around a camera, free of solids
CAMERA_ALONG = 1  # greatest way of the camera from the origin along the road
CAMERA_SPEED = (5.0, 40.0)  # greatest speed of a vehicle, m/s, times a share
CAMERA_SHAKE = 0.3  # greatest added velocity in each direction, m/s
CAMERA_TURNS = (0.3, 0.8, 0.2)  # greatest rates of pitch, yaw and roll, rad/s

# Light on streets.
LIGHT_STEEPNESS = (0.4, 2.5)  # of the sunlight: fall / run
LIGHT_SHADOW = (0.25, 0.8)  # light that is left in shadows
LIGHT_SUN = (0.0, 1.2)  # strength of the sun
LIGHT_SUNNY = 0.75  # probability of it
LIGHT_SKY = (0.3, 0.6)  # strength of the sky
LIGHT_LAMP = (0, 8, 10)  # position of the lamp, which is never lit
LIGHT_HAZE = (60, 4000)  # depth at which half of the light is scattered, uniform over ratios
LIGHT_RATE = (0.03, 0.6)  # mean firing rates that the exposure aims at, uniform over ratios
LIGHT_OCCLUSION = 0.6  # greatest share of the light that ambient occlusion takes

# People on each pavement, and on the road.
PEOPLE_NUMBER = 4  # of places on each pavement
PEOPLE_BESIDE = (0.2, 2.5)  # from the road's edge
PEOPLE_DISTANCE = (4, 45)  # along the road, uniform over ratios
PEOPLE_CHANCE = 0.55  # probability of each, in streets
PEOPLE_COUNTRY_CHANCE = 0.12  # probability of each beside country roads
PEOPLE_SPEED = (0, 1.8)  # m/s
PEOPLE_CROSSING = 2  # number of places on the road
PEOPLE_CROSSING_ASIDE = 0.9  # greatest way from its middle / its half width
PEOPLE_CROSSING_DISTANCE = (5, 40)  # along the road, uniform over ratios
PEOPLE_CROSSING_CHANCE = 0.25  # probability of each
PEOPLE_CROSSING_SPEED = (0.5, 1.8)  # m/s
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
    site = Site.create(materials, asphalt, LIGHT_STEEPNESS, LIGHT_SHADOW)
    verges = add_surfaces(site, street)
    add_buildings(site, street)
    add_cars(site, street)
    add_lorries(site, street)
    add_trees(site, street, verges)
    add_street_furniture(site, street, verges)
    _add_people(site, street, verges)
    return _finish(site, camera)


def _sample_street(sampler: Sampler) -> Street:
    country = sampler.chance(1, STREET_COUNTRY)
    narrow, wide = sampler.uniforms(1, *STREET_EDGES)
    kerb = np.where(country, STREET_COUNTRY_KERB, sampler.uniform(1, STREET_KERB))
    return Street(
        country=country,
        edge=np.where(country, narrow, wide),
        kerb=kerb.astype(np.float32),
        walk=sampler.uniform(2, STREET_WALK),
    )


def _sample_camera(sampler: Sampler, street: Street) -> _Camera:
    focal = sampler.log_uniform(1, CAMERA_FOCAL)
    y = sampler.log_uniform(1, CAMERA_HEIGHT)
    x = sampler.symmetric(1, CAMERA_ASIDE) * street.edge
    turning = sampler.chance(1, CAMERA_TURNING)
    yaw = sampler.uniform(1, ALL) * np.where(turning, CAMERA_TURNING_YAW, CAMERA_YAW)
    return _Camera(focal, x, y, yaw, sampler.uniform(1, CAMERA_PITCH))


def _add_people(site: Site, street: Street, verges: list[Ground]) -> None:
    """Add people on both pavements and on the road."""
    sampler, number = site.sampler, PEOPLE_NUMBER
    for side, verge in zip(SIDES, verges, strict=True):
        x = side * (street.edge + sampler.uniform(number, PEOPLE_BESIDE))
        z = sampler.log_uniform(number, PEOPLE_DISTANCE)
        walkers = Frame(x, street.kerb, z, sampler.headings(number))
        chance = np.where(street.country, PEOPLE_COUNTRY_CHANCE, PEOPLE_CHANCE)
        mask = sampler.chance(number, chance)
        add_people(on(site, verge), walkers, mask, sampler.uniform(number, PEOPLE_SPEED))
    number = PEOPLE_CROSSING
    aside = sampler.symmetric(number, PEOPLE_CROSSING_ASIDE) * street.edge
    z = sampler.log_uniform(number, PEOPLE_CROSSING_DISTANCE)
    walkers = Frame(aside, 0.0, z, sampler.headings(number))
    mask = sampler.chance(number, PEOPLE_CROSSING_CHANCE)
    add_people(site, walkers, mask, sampler.uniform(number, PEOPLE_CROSSING_SPEED))


def _finish(site: Site, camera: _Camera) -> Scenes:
    """Sample motion, sky, light and exposure, and leave out what cameras do not see."""
    sampler, batch = site.sampler, site.sampler.batch
    sky = sample_sky(site, SKY)
    eye_z = sampler.symmetric(1, CAMERA_ALONG)
    eye = np.concatenate([camera.x, camera.y, eye_z], 1).astype(np.float32)
    speed = sampler(1) * sampler.uniform(1, CAMERA_SPEED)
    roll = sampler.symmetric(1, CAMERA_ROLL)
    axes = camera_axes(camera.pitch[:, 0], camera.yaw[:, 0], roll[:, 0])
    along = axes[:, 2] * np.array([1, 0, 1], np.float32)
    focal = camera.focal[:, 0]
    shake = sampler.symmetric(3, CAMERA_SHAKE)
    turning = sampler.uniform(3, ALL) ** 3 * np.array(CAMERA_TURNS, np.float32)
    sunny = sampler.uniform(1, LIGHT_SUN) * sampler.chance(1, LIGHT_SUNNY)
    light = [sunny, sampler.uniform(1, LIGHT_SKY), 0 * sampler(1)]
    return Scenes(
        **visible(site.primitives.arrays(), eye, axes, focal, CAMERA_CLEARANCE),
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
        lamp=np.zeros((batch, 3), np.float32) + np.array(LIGHT_LAMP, np.float32),
        haze=sampler.log_uniform(1, LIGHT_HAZE)[:, 0],
        blur=sampler(1)[:, 0],
        rate=sampler.log_uniform(1, LIGHT_RATE)[:, 0],
        seed=sampler.seeds(),
        **sample_ambience(sampler, LIGHT_OCCLUSION),
    )
