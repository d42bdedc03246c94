# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rooms and corridors full of furniture, things and people, at their real sizes."""

from __future__ import annotations

import numpy as np

from spike_worlds.building.cameras import camera_axes, visible
from spike_worlds.building.light import Site, closed_shell, sample_ambience, sample_walls
from spike_worlds.building.materials import Colour, Grey, Material, MaterialSampler
from spike_worlds.building.sampler import ALL, Sampler
from spike_worlds.rooms.config import CLUTTERED, HOME, Placement, Room, RoomConfig
from spike_worlds.rooms.floor import (
    add_clutter,
    add_lamps,
    add_pillars,
    add_plant,
    add_rug,
)
from spike_worlds.rooms.kitchen import add_kitchen
from spike_worlds.rooms.tables import (
    add_chairs,
    add_dining_chairs,
    add_tables,
    place_tables,
)
from spike_worlds.rooms.walls import add_shelf, add_wall_furniture
from spike_worlds.scene import Array, Scenes
from spike_worlds.things import add_people

SHELL_HALF_X = (1.4, 3.5)  # half width of a room
SHELL_HALF_Z = (1.6, 4.5)  # half of its length
SHELL_HEIGHT = (2.3, 3.2)  # of rooms and corridors
SHELL_CORRIDOR_HALF_X = (0.7, 1.4)  # half width of a corridor
SHELL_CORRIDOR_HALF_Z = (3.0, 6.0)  # half of its length

# Cameras in rooms.
CAMERA_FREE = 0.1  # least half width of the places of cameras
CAMERA_FAR_WALL = 1.6  # from the far wall to the nearest camera that stands anywhere, m
CAMERA_WALLS = 2.0  # from the far wall to the nearest camera and from the rear wall to the last, m
CAMERA_REAR_WALL = 0.4  # from the rear wall to the last camera of those in the rear half
CAMERA_YAW = 0.9  # greatest, rad
CAMERA_CORRIDOR_YAW = 0.4  # greatest in corridors / greatest elsewhere
CAMERA_INWARDS = 0.4  # yaw away from a side wall, of a camera at that wall
CAMERA_CLEARANCE = 0.3  # around a camera, free of solids
CAMERA_SPEED = (0.03, 3.0)  # m/s, uniform over ratios
CAMERA_RISING = 0.4  # greatest vertical speed / horizontal speed
CAMERA_TURNING = (1.0, 2.0, 0.7)  # greatest rates of pitch, yaw and roll, rad/s

# Light in rooms.
LIGHT_STEEPNESS = (0.5, 2.5)  # of the light from windows: fall / run
LIGHT_SHADOW = (0.3, 0.85)  # light that is left in shadows
LIGHT_STRENGTHS = ((0.0, 0.7), (0.25, 0.7), (0.0, 2.0))  # from windows, everywhere, the lamp
LIGHT_LAMP_DROP = 0.3  # of the lamp below the ceiling
LIGHT_LAMP_ALONG = (-0.5, 1)  # its place / half length of the room
LIGHT_OCCLUSION = 0.9  # greatest share of the light that ambient occlusion takes
LIGHT_HAZE = 1e6  # depth at which half of the light is scattered
LIGHT_RATE = (0.03, 0.6)  # mean firing rates that the exposure aims at, uniform over ratios

# People in rooms.
PEOPLE_NUMBER = 2  # places for them
PEOPLE_PLACEMENT = Placement((1.2, 6.0), 0.9, 0.35)  # the least distance is a setting of rooms
PEOPLE_CHANCE = 0.3  # probability of each
PEOPLE_WALKING = 0.5  # probability that a person walks
PEOPLE_SPEED = (0.3, 2.0)  # m/s
FLOOR = Material(
    ('planks', 'tiles', 'slabs', 'checks', 'gravel', 'weave', 'wood', 'plaster'), (0.8, 3.0)
)
WALL = Material(
    ('plain', 'plaster', 'plaster', 'bricks', 'blocks', 'tiles', 'stripes', 'wood'),
    (1.0, 4.0),
    contrast=0.5,
)
WALL_COLOUR = Colour(0.25, 0.9, 0.4)
WALLS_ALIKE = 0.6  # probability of end walls like the side walls
CEILING = Material(
    ('plain', 'plaster', 'tiles', 'slabs', 'planks'),
    (1.0, 4.0),
    bright=Grey((0.4, 0.95)),
    contrast=0.3,
)
SKY = Material(('plain',))
PLANTS = Placement((1.2, 5.0), 1.0, 0.35)  # of a plant and a standing lamp
CLUTTER_FARTHEST = 5.0  # greatest distance of things on the floor


def indoor(sampler: Sampler) -> Scenes:
    """Sample scenes: full rooms, seen along their length."""
    return rooms(sampler, CLUTTERED)


def home(sampler: Sampler) -> Scenes:
    """Sample scenes: tidy rooms, seen from where people stand."""
    return rooms(sampler, HOME)


def rooms(sampler: Sampler, config: RoomConfig) -> Scenes:
    """Sample rooms of a furniture and of places of cameras."""
    sampler(1)  # a column that scenes have always skipped
    materials = MaterialSampler(sampler, config.contrast)
    room = _sample_room(sampler, config)
    floor = materials.sample(FLOOR, 1)
    site = Site.create(materials, floor, LIGHT_STEEPNESS, LIGHT_SHADOW)
    _furnish(site, room, config)
    walls = sample_walls(site, WALL, WALLS_ALIKE, materials.sample_colour(2, WALL_COLOUR))
    shell = [floor, walls, materials.sample(CEILING, 1), materials.sample(SKY, 1)]
    return _finish(site, room, config, np.concatenate(shell, 1))


def _sample_room(sampler: Sampler, config: RoomConfig) -> Room:
    corridor, desk = sampler.chance(1, config.corridors), sampler.chance(1, config.desks)
    desk &= ~corridor
    narrow, wide = sampler.uniforms(1, SHELL_CORRIDOR_HALF_X, SHELL_HALF_X)
    half_x = np.where(corridor, narrow, wide)
    long, short = sampler.uniforms(1, SHELL_CORRIDOR_HALF_Z, SHELL_HALF_Z)
    half_z = np.where(corridor, long, short)
    height = sampler.uniform(1, SHELL_HEIGHT)
    focal = sampler.log_uniform(1, config.focal)

    behind, standing = sampler.uniforms(1, config.desk_eye, config.eye)
    eye_y = np.where(desk, behind, standing)
    eye_x = sampler.uniform(1, ALL) * np.maximum(half_x - config.margin, CAMERA_FREE)
    share = sampler(1) ** 2
    if config.across:
        eye_z = half_z - CAMERA_FAR_WALL - share * (2 * half_z - CAMERA_WALLS)
    else:
        eye_z = -half_z + CAMERA_REAR_WALL + share * half_z
    yaw = sampler.symmetric(1, CAMERA_YAW) * np.where(corridor, CAMERA_CORRIDOR_YAW, 1.0)
    yaw = yaw - CAMERA_INWARDS * eye_x / half_x
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
    sampler, number = site.sampler, PEOPLE_NUMBER
    distance = (config.people_from, PEOPLE_PLACEMENT.distance[1])
    frame = room.ahead(sampler, number, PEOPLE_PLACEMENT._replace(distance=distance))
    frame.heading = sampler.headings(number)
    walks = sampler.chance(number, PEOPLE_WALKING)
    speed = sampler.uniform(number, PEOPLE_SPEED) * walks
    add_people(site, frame, sampler.chance(number, PEOPLE_CHANCE), speed)


def _finish(site: Site, room: Room, config: RoomConfig, shell: Array) -> Scenes:
    """Sample motion, light and exposure, and leave out what cameras do not see."""
    sampler, batch = site.sampler, site.sampler.batch
    half_x, half_z, height = room.half_x, room.half_z, room.height
    eye = np.concatenate([room.eye_x, room.eye_y, room.eye_z], 1).astype(np.float32)
    speed = sampler.log_uniform(1, CAMERA_SPEED)
    roll = sampler.symmetric(1, config.roll)
    axes = camera_axes(room.pitch[:, 0], room.yaw[:, 0], roll[:, 0])
    direction = [sampler.symmetric(1, limit) for limit in (1, CAMERA_RISING, 1)]
    turning = sampler.uniform(3, ALL) ** 3 * np.array(CAMERA_TURNING, np.float32)

    light = sampler.uniforms(1, *LIGHT_STRENGTHS)
    lamp_x = sampler.uniform(1, ALL) * half_x
    lamp_z = sampler.uniform(1, LIGHT_LAMP_ALONG) * half_z
    lamp = [lamp_x, height - LIGHT_LAMP_DROP, lamp_z]
    return Scenes(
        **visible(site.primitives.arrays(), eye, axes, room.focal[:, 0], CAMERA_CLEARANCE),
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
        haze=np.full(batch, LIGHT_HAZE, np.float32),
        blur=sampler(1)[:, 0],
        rate=sampler.log_uniform(1, LIGHT_RATE)[:, 0],
        seed=sampler.seeds(),
        **sample_ambience(sampler, LIGHT_OCCLUSION, config.harsh),
    )
