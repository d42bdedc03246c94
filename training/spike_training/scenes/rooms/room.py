# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rooms and corridors full of furniture, things and people, at their real sizes."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.cameras import camera_axes, visible
from spike_training.scenes.building.light import Site, sample_ambience
from spike_training.scenes.building.materials import (
    Colour,
    Grey,
    Material,
    MaterialSampler,
)
from spike_training.scenes.building.sampler import ALL, Range, Sampler
from spike_training.scenes.building.shell import closed_shell, sample_walls
from spike_training.scenes.furniture.chair import add_chairs, add_dining_chairs
from spike_training.scenes.furniture.clutter import add_clutter
from spike_training.scenes.furniture.kitchen import add_kitchen
from spike_training.scenes.furniture.pillar import add_pillars
from spike_training.scenes.furniture.rug import add_rug
from spike_training.scenes.furniture.shelf import add_shelf
from spike_training.scenes.furniture.table import add_tables, place_tables
from spike_training.scenes.furniture.wall_furniture import add_wall_furniture
from spike_training.scenes.rooms.config import CLUTTERED, HOME, Placement, Room, RoomConfig
from spike_training.scenes.scene import Array, Scenes
from spike_training.scenes.things.lamp import add_lamps
from spike_training.scenes.things.person import add_people
from spike_training.scenes.things.plant import add_plant


@dataclasses.dataclass(frozen=True)
class ShellConfig:
    """Sizes of rooms, metres.

    Attributes:
        half_x: Half width of a room.
        half_z: Half of its length.
        height: Of rooms and corridors.
        corridor_half_x: Half width of a corridor.
        corridor_half_z: Half of its length.
    """

    half_x: Range = (1.4, 3.5)
    half_z: Range = (1.6, 4.5)
    height: Range = (2.3, 3.2)
    corridor_half_x: Range = (0.7, 1.4)
    corridor_half_z: Range = (3.0, 6.0)


@dataclasses.dataclass(frozen=True)
class CameraConfig:
    """Cameras in rooms. Lengths in metres, angles in radians.

    Attributes:
        free: Least half width of the places of cameras.
        far_wall: From the far wall to the nearest camera that stands anywhere.
        walls: From the far wall to that, and from the rear wall to the last one, together.
        rear_wall: From the rear wall to the last camera of those in the rear half.
        yaw: Greatest.
        corridor_yaw: Greatest in corridors, over that.
        inwards: Yaw away from a side wall, of a camera at that wall.
        clearance: Around a camera, free of solids.
        speed: m/s, uniform over ratios.
        rising: Greatest vertical speed over the horizontal one.
        turning: Greatest rates of pitch, yaw and roll, rad/s.
    """

    free: float = 0.1
    far_wall: float = 1.6
    walls: float = 2.0
    rear_wall: float = 0.4
    yaw: float = 0.9
    corridor_yaw: float = 0.4
    inwards: float = 0.4
    clearance: float = 0.3
    speed: Range = (0.03, 3.0)
    rising: float = 0.4
    turning: tuple[float, float, float] = (1.0, 2.0, 0.7)


@dataclasses.dataclass(frozen=True)
class LightConfig:
    """Light in rooms.

    Attributes:
        steepness: Of the light from windows: its fall over its run.
        shadow: Light that is left in shadows.
        sun: Strength of the light from windows.
        sky: Strength of the light from everywhere.
        lamp: Strength of the lamp's.
        lamp_drop: Of the lamp below the ceiling, metres.
        lamp_along: Its place over the room's half length.
        occlusion: Greatest share of the light that ambient occlusion takes.
        haze: Depth at which half of the light is scattered, metres.
        rate: Mean firing rates that the exposure aims at, uniform over ratios.
    """

    steepness: Range = (0.5, 2.5)
    shadow: Range = (0.3, 0.85)
    sun: Range = (0.0, 0.7)
    sky: Range = (0.25, 0.7)
    lamp: Range = (0.0, 2.0)
    lamp_drop: float = 0.3
    lamp_along: Range = (-0.5, 1)
    occlusion: float = 0.9
    haze: float = 1e6
    rate: Range = (0.03, 0.6)


class PeopleConfig(NamedTuple):
    """People in rooms.

    Attributes:
        number: Of places for them.
        placement: Of these; the least distance is a setting of rooms.
        chance: Probability of each.
        walking: Probability that a person walks.
        speed: m/s.
    """

    number: int = 2
    placement: Placement = Placement((1.2, 6.0), 0.9, 0.35)
    chance: float = 0.3
    walking: float = 0.5
    speed: Range = (0.3, 2.0)


SHELL, CAMERA, LIGHT = ShellConfig(), CameraConfig(), LightConfig()
FLOOR = Material(
    ('planks', 'tiles', 'slabs', 'checks', 'gravel', 'weave', 'wood', 'plaster'), (0.8, 3.0)
)
WALL = Material(
    ('plain', 'plaster', 'plaster', 'bricks', 'blocks', 'tiles', 'stripes', 'wood'),
    (1.0, 4.0),
    contrast=0.5,
)
WALL_COLOUR = Colour(0.25, 0.9, 0.4)
WALLS_ALIKE = 0.6
"""Probability of end walls like the side walls."""
CEILING = Material(
    ('plain', 'plaster', 'tiles', 'slabs', 'planks'),
    (1.0, 4.0),
    bright=Grey((0.4, 0.95)),
    contrast=0.3,
)
SKY = Material(('plain',))

PEOPLE = PeopleConfig()
PLANTS = Placement((1.2, 5.0), 1.0, 0.35)
"""Of a plant and a standing lamp; the least distance is a setting of rooms."""
CLUTTER_FARTHEST = 5.0
"""Greatest distance of things on the floor, metres."""


def indoor(sampler: Sampler) -> Scenes:
    """Sample scenes: full rooms, seen along their length."""
    return rooms(sampler, CLUTTERED)


def home(sampler: Sampler) -> Scenes:
    """Sample scenes: tidy rooms, seen from where people stand."""
    return rooms(sampler, HOME)


def rooms(sampler: Sampler, config: RoomConfig) -> Scenes:
    """Sample rooms.

    Args:
        sampler: Random numbers.
        config: Furniture of the rooms, and places of cameras.
    """
    sampler(1)  # a column that scenes have always skipped
    materials = MaterialSampler(sampler, config.contrast)
    room = _sample_room(sampler, config)
    floor = materials.sample(FLOOR, 1)
    site = Site.create(materials, floor, LIGHT.steepness, LIGHT.shadow)
    _furnish(site, room, config)
    walls = sample_walls(site, WALL, WALLS_ALIKE, materials.sample_colour(2, WALL_COLOUR))
    shell = [floor, walls, materials.sample(CEILING, 1), materials.sample(SKY, 1)]
    return _finish(site, room, config, np.concatenate(shell, 1))


def _sample_room(sampler: Sampler, config: RoomConfig) -> Room:
    corridor, desk = sampler.chance(1, config.corridors), sampler.chance(1, config.desks)
    desk &= ~corridor
    narrow, wide = sampler.uniforms(1, SHELL.corridor_half_x, SHELL.half_x)
    half_x = np.where(corridor, narrow, wide)
    long, short = sampler.uniforms(1, SHELL.corridor_half_z, SHELL.half_z)
    half_z = np.where(corridor, long, short)
    height = sampler.uniform(1, SHELL.height)
    focal = sampler.log_uniform(1, config.focal)

    behind, standing = sampler.uniforms(1, config.desk_eye, config.eye)
    eye_y = np.where(desk, behind, standing)
    eye_x = sampler.uniform(1, ALL) * np.maximum(half_x - config.margin, CAMERA.free)
    share = sampler(1) ** 2
    if config.across:
        eye_z = half_z - CAMERA.far_wall - share * (2 * half_z - CAMERA.walls)
    else:
        eye_z = -half_z + CAMERA.rear_wall + share * half_z
    yaw = sampler.symmetric(1, CAMERA.yaw) * np.where(corridor, CAMERA.corridor_yaw, 1.0)
    yaw = yaw - CAMERA.inwards * eye_x / half_x
    behind, standing = sampler.uniforms(1, config.desk_pitch, config.pitch)
    pitch = np.maximum(np.where(desk, behind, standing), -config.steepest * eye_y)
    return Room(half_x, half_z, height, corridor, desk, focal, eye_x, eye_y, eye_z, yaw, pitch)


def _furnish(site: Site, room: Room, config: RoomConfig) -> None:
    sampler = site.sampler
    add_wall_furniture(site, room)
    add_shelf(site, room)
    add_kitchen(site, room, config)
    tables = place_tables(site, room, config)
    mask, sizes = add_tables(site, room, tables, config)
    if config.seats:
        seated = mask & sampler.chance(mask.shape[1], config.seats)
        add_dining_chairs(site, tables, seated, sizes)
    add_chairs(site, room)
    _add_people(site, room, config)
    plants = PLANTS._replace(distance=(config.plants_from, PLANTS.distance[1]))
    poses = room.ahead(sampler, 2, plants)
    add_plant(site, poses)
    add_lamps(site, room, poses)
    add_clutter(site, room, (config.clutter_from, CLUTTER_FARTHEST), config.clutter)
    add_pillars(site, room, config.pillars_from)
    add_rug(site, room)
    if config.furnish:
        config.furnish(site, room)


def _add_people(site: Site, room: Room, config: RoomConfig) -> None:
    sampler = site.sampler
    number = PEOPLE.number
    placement = PEOPLE.placement._replace(
        distance=(config.people_from, PEOPLE.placement.distance[1])
    )
    frame = room.ahead(sampler, number, placement)
    frame.heading = sampler.headings(number)
    walks = sampler.chance(number, PEOPLE.walking)
    speed = sampler.uniform(number, PEOPLE.speed) * walks
    add_people(site, frame, sampler.chance(number, PEOPLE.chance), speed)


def _finish(site: Site, room: Room, config: RoomConfig, shell: Array) -> Scenes:
    """Sample motion, light and exposure, and leave out what cameras do not see."""
    sampler, batch = site.sampler, site.sampler.batch
    half_x, half_z, height = room.half_x, room.half_z, room.height
    eye = np.concatenate([room.eye_x, room.eye_y, room.eye_z], 1).astype(np.float32)
    speed = sampler.log_uniform(1, CAMERA.speed)
    roll = sampler.symmetric(1, config.roll)
    axes = camera_axes(room.pitch[:, 0], room.yaw[:, 0], roll[:, 0])
    direction = [sampler.symmetric(1, limit) for limit in (1, CAMERA.rising, 1)]
    turning = sampler.uniform(3, ALL) ** 3 * np.array(CAMERA.turning, np.float32)

    light = sampler.uniforms(1, LIGHT.sun, LIGHT.sky, LIGHT.lamp)
    lamp_x = sampler.uniform(1, ALL) * half_x
    lamp_z = sampler.uniform(1, LIGHT.lamp_along) * half_z
    lamp = [lamp_x, height - LIGHT.lamp_drop, lamp_z]
    solids = visible(site.primitives.arrays(), eye, axes, room.focal[:, 0], CAMERA.clearance)
    return Scenes(
        **solids,
        shell_material=shell,
        shell=closed_shell(half_x, half_z, height),
        open=np.zeros(batch, np.float32),
        focal=room.focal[:, 0],
        eye=eye,
        axes=axes,
        linear_velocity=(np.concatenate(direction, 1) * speed).astype(np.float32),
        angular_velocity=turning,
        sun=site.ground.sun,
        light=np.concatenate(light, 1),
        lamp=np.concatenate(lamp, 1).astype(np.float32),
        haze=np.full(batch, LIGHT.haze, np.float32),
        blur=sampler(1)[:, 0],
        rate=sampler.log_uniform(1, LIGHT.rate)[:, 0],
        seed=sampler.seeds(),
        **sample_ambience(sampler, LIGHT.occlusion, config.harsh),
    )
