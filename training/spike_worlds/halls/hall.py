# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Large interiors: warehouses and workshops, lobbies, corridors, stairwells."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from spike_worlds.building.cameras import (
    in_view,
    open_heading,
    sample_exposure,
    sample_motion,
    sample_viewpoint,
)
from spike_worlds.building.light import Site, closed_shell, sample_walls
from spike_worlds.building.materials import Colour, Grey, Material, MaterialSampler
from spike_worlds.building.primitives import Frame
from spike_worlds.building.sampler import ALL, ANY_HEADING, QUARTER_TURN, Sampler
from spike_worlds.halls.config import (
    WALL_TEXTURES,
    ByKind,
    FloorThings,
    Hall,
    by_kind,
    least,
)
from spike_worlds.halls.interior import (
    add_columns,
    add_overhead,
    add_partitions,
    add_reception,
    add_seating,
    add_wall_fixtures,
)
from spike_worlds.halls.stairs import Flight, Standing, sample_stairs
from spike_worlds.halls.storage import add_machines, add_pallets, add_racks
from spike_worlds.scene import Array, Scenes
from spike_worlds.things import add_benches, add_bins, add_crates, add_people, add_posts

# Cumulative shares of the kinds of halls; the rest are stairwells.
WAREHOUSES, LOBBIES, CORRIDORS = 0.33, 0.55, 0.8
SHELL_HALF_X = ByKind(4.0, 3.6, 1.7, 1.6)  # least half width
SHELL_HALF_Z = ByKind(6.0, 5.0, 5.0, 2.6)  # least half length
SHELL_HEIGHT = ByKind(3.8, 2.8, 2.3, 4.5)  # least height
SHELL_LARGER = (1.0, 3.5)  # factors on half width and half length, uniform over ratios
SHELL_HIGHER = (1.0, 2.2)  # factors on the height, uniform over ratios
SHELL_NARROW = 4.5  # greatest half width of corridors and stairwells
SHELL_SHORT = 3.6  # greatest half length of stairwells
SHELL_LOW = 3.3  # greatest height of corridors
SHELL_PASSAGE = (0.7, 1.5)  # half width of a corridor between its walls
SHELL_LOBBY_STAIRS = 0.4  # probability of stairs in a lobby

# Cameras in halls.
CAMERA_SIDE_WALLS = 0.45  # least way to the walls along x, m
CAMERA_END_WALLS = 0.6  # least way to the walls along z, m
CAMERA_TURNED = 0.5  # greatest angle to a corridor, of most cameras in corridors
CAMERA_ALONG = 0.88  # probability that one looks along the corridor
CAMERA_SPEED = ByKind(4.0, 2.5, 3.0, 1.5)  # greatest, m/s
CAMERA_STAIRS = 0.5  # least way to stairs in a lobby

# Light in halls.
LIGHT_STEEPNESS = (0.6, 2.5)  # of the light from windows: fall / run
LIGHT_SHADOW = (0.35, 0.9)  # light that is left in shadows
LIGHT_SUN = (0.0, 0.6)  # strength of the light from windows
LIGHT_SUNNY = 0.5  # probability of it
LIGHT_SKY = (0.15, 0.7)  # strength of the light from everywhere
LIGHT_LAMP = (0.0, 0.5)  # strength of the lamps / square of the height, 1 / m^2
LIGHT_LAMP_NEAREST, LIGHT_LAMP_FARTHEST = 0.8, 8.0  # distance of the lamp
LIGHT_LAMP_ABOVE, LIGHT_LAMP_BELOW = 0.3, 0.4  # m above the camera at least; below the ceiling
LIGHT_HAZE = 1e6  # depth at which half of the light is scattered
LIGHT_OCCLUSION = 0.9  # greatest share of the light that ambient occlusion takes

# People and crates on the floor that the camera in a stairwell stands on.
WELL_PEOPLE, WELL_CRATES = 2, 4  # places for them
WELL_CHANCE = 0.5  # probability of each
WELL_SPREAD = 0.9  # greatest way from the camera's place / free length
WELL_CLEAR = 0.9  # least distance from the camera, m
WELL_LARGEST = 0.25  # mean half size of crates, at most

# What things keep from walls, have at least to either side, and keep from stairs.
WALL_GAP, LEAST_FLOOR, STAIRS_GAP = 0.3, 0.2, 0.2
CRATES = FloorThings(8, 0.9, 0.9, ByKind(0.6, 0.25, 0.3))
BINS = FloorThings(3, 1.1, 1.1, ByKind(0.3, 0.5, 0.3))
BENCHES = FloorThings(2, 1.5, 1.7, ByKind(0.1, 0.35, 0.1))
POSTS = FloorThings(4, 1.0, 0.9, ByKind(0.35, 0.3, 0.1))
POST_HALF_HEIGHT = (0.35, 0.9)
PEOPLE = FloorThings(4, 1.2, 1.1, ByKind(0.25, 0.4, 0.4))
WALKING, WALKING_SPEED = 0.5, (0.3, 2.0)  # probability that a person walks; m/s
FLOOR = Material(
    ('tiles', 'slabs', 'plaster', 'plain', 'gravel', 'checks', 'planks', 'weave'),
    (0.8, 4.0),
    bright=Colour(0.1, 0.75, 0.2),
    contrast=0.6,
)
WALL = Material(WALL_TEXTURES, (1.0, 4.0), bright=Colour(0.15, 0.9, 0.35), contrast=0.5)
WALLS_ALIKE = 0.6  # probability of end walls like the side walls
CEILING = Material(
    ('plain', 'plaster', 'tiles', 'slabs', 'ribs', 'planks'),
    (1.0, 4.0),
    bright=Grey((0.15, 0.95)),
    contrast=0.4,
)
SKY = Material(('plain',))


def hall(sampler: Sampler) -> Scenes:
    """Sample scenes: a third warehouses, a fifth lobbies, a quarter corridors, a fifth stairs."""
    sampler(1)  # a column that scenes have always skipped
    materials = MaterialSampler(sampler)
    place, flight, standing = _sample_hall(sampler)
    floor = materials.sample(FLOOR, 1)
    site = Site.create(materials, floor, LIGHT_STEEPNESS, LIGHT_SHADOW)
    # Stairs in a lobby do not stand where the camera does.
    blocked = flight.covers(place.view.x, place.view.z, CAMERA_STAIRS) & ~place.stairwell
    flight = dataclasses.replace(flight, mask=flight.mask & ~blocked)
    flight.build(site)
    add_partitions(site, place)
    add_wall_fixtures(site, place)
    add_columns(site, place)
    add_racks(site, place)
    add_machines(site, place)
    add_pallets(site, place)
    add_seating(site, place)
    add_reception(site, place)
    add_overhead(site, place)
    _add_floor_things(site, place, flight)
    _add_stairwell_things(site, place, standing)
    return _finish(site, place)


def _sample_hall(sampler: Sampler) -> tuple[Hall, Flight, Standing]:
    """Sample kinds, sizes, stairs and cameras."""
    kind = sampler(1)
    store = kind < WAREHOUSES
    lobby = (kind >= WAREHOUSES) & (kind < LOBBIES)
    corridor = (kind >= LOBBIES) & (kind < CORRIDORS)
    stair, masks = kind >= CORRIDORS, (store, lobby, corridor)

    half_x = by_kind(masks, SHELL_HALF_X) * sampler.log_uniform(1, SHELL_LARGER)
    half_x = least(half_x, SHELL_NARROW, corridor | stair)
    half_z = by_kind(masks, SHELL_HALF_Z) * sampler.log_uniform(1, SHELL_LARGER)
    half_z = least(half_z, SHELL_SHORT, stair)
    height = by_kind(masks, SHELL_HEIGHT) * sampler.log_uniform(1, SHELL_HIGHER)
    height = least(height, SHELL_LOW, corridor)
    passage = np.where(corridor, sampler.uniform(1, SHELL_PASSAGE), half_x)
    with_stairs = stair | (lobby & sampler.chance(1, SHELL_LOBBY_STAIRS))
    flight, standing = sample_stairs(sampler, (half_x, half_z, height), with_stairs, stair)

    # Most cameras in corridors look along them, from any place.
    x = sampler.uniform(1, ALL) * (passage - CAMERA_SIDE_WALLS)
    z = sampler.uniform(1, ALL) * (half_z - CAMERA_END_WALLS)
    along = np.where(sampler.chance(1, 0.5), 0.0, 2 * QUARTER_TURN)
    along = along + sampler.symmetric(1, CAMERA_TURNED)
    anywhere = open_heading(sampler, x, z, passage, half_z)
    yaw = np.where(corridor & sampler.chance(1, CAMERA_ALONG), along, anywhere)
    view = sample_viewpoint(
        sampler,
        np.where(stair, standing.x, x),
        np.where(stair, standing.z, z),
        np.where(stair, standing.yaw, yaw),
        np.where(stair, standing.floor, 0.0).astype(np.float32),
        height - np.where(stair, standing.floor, 0.0),
        np.where(stair, standing.pitch, 0.0),
    )
    limits = (np.maximum(passage - WALL_GAP, LEAST_FLOOR), half_z - WALL_GAP)
    place = Hall(store, lobby, corridor, stair, half_x, half_z, height, passage, view, limits)
    return place, flight, standing


def _add_floor_things(site: Site, place: Hall, flight: Flight) -> None:
    """Add crates, bins, benches, posts and people in free places."""
    sampler = site.sampler

    def present(things: FloorThings, frame: Frame) -> Array:
        mask = place.sample_mask(sampler, things, frame)
        return mask & ~flight.covers(frame.x, frame.z, STAIRS_GAP)

    kinds: tuple[tuple[FloorThings, Callable[[Site, Frame, Array], None]], ...]
    kinds = ((CRATES, add_crates), (BINS, add_bins), (BENCHES, add_benches))
    for things, add in kinds:
        at = place.sample_poses(sampler, things)
        add(site, at, present(things, at))
    at = place.sample_poses(sampler, POSTS)
    mask = present(POSTS, at)
    add_posts(site, at, mask, sampler.uniform(POSTS.number, POST_HALF_HEIGHT))
    at = place.sample_poses(sampler, PEOPLE)
    walks = sampler.chance(PEOPLE.number, WALKING)
    speed = walks * sampler.uniform(PEOPLE.number, WALKING_SPEED)
    add_people(site, at, present(PEOPLE, at), speed)


def _add_stairwell_things(site: Site, place: Hall, standing: Standing) -> None:
    """Add people and crates on the floor that the camera in a stairwell stands on."""
    sampler = site.sampler
    number = WELL_PEOPLE + WELL_CRATES
    z = standing.z + sampler.symmetric(number, WELL_SPREAD) * standing.reach
    x = sampler.symmetric(number, WELL_SPREAD) * place.half_x
    cos, sin = sampler.headings(number, ANY_HEADING)
    chosen = place.stairwell & sampler.chance(number, WELL_CHANCE)
    frame = Frame(x, standing.floor, z, (cos, sin))
    chosen &= place.view.clear_of(frame, WELL_CLEAR)
    walkers, items = (
        Frame(x[:, part], standing.floor, z[:, part], (cos[:, part], sin[:, part]))
        for part in (slice(WELL_PEOPLE), slice(WELL_PEOPLE, number))
    )
    add_people(site, walkers, chosen[:, :WELL_PEOPLE], 0 * walkers.x)
    add_crates(site, items, chosen[:, WELL_PEOPLE:], WELL_LARGEST)


def _finish(site: Site, place: Hall) -> Scenes:
    """Sample motion, walls, light and exposure, and leave out what cameras do not see."""
    sampler, view, height = site.sampler, place.view, place.height
    pose = sample_motion(sampler, view, place.by_kind(CAMERA_SPEED))
    walls = sample_walls(site, WALL, WALLS_ALIKE)
    ceiling = site.materials.sample(CEILING, 1)
    lamp = view.ahead(sampler, 1, LIGHT_LAMP_NEAREST, LIGHT_LAMP_FARTHEST, 1.0, place.limits)
    lift = np.maximum(view.y + LIGHT_LAMP_ABOVE, height - LIGHT_LAMP_BELOW)

    sky = site.materials.sample(SKY, 1)
    sun = sampler.uniform(1, LIGHT_SUN) * sampler.chance(1, LIGHT_SUNNY)
    everywhere = sampler.uniform(1, LIGHT_SKY)
    light = [sun, everywhere, sampler.uniform(1, LIGHT_LAMP) * height * height]
    return Scenes(
        **in_view(site.primitives, pose, view),
        **pose,
        shell_material=np.concatenate([site.ground.surface, walls, ceiling, sky], 1),
        shell=closed_shell(place.half_x, place.half_z, height),
        open=np.zeros(sampler.batch, np.float32),
        sun=site.ground.sun,
        light=np.concatenate(light, 1).astype(np.float32),
        lamp=np.concatenate([lamp.x, lift, lamp.z], 1).astype(np.float32),
        haze=np.full(sampler.batch, LIGHT_HAZE, np.float32),
        **sample_exposure(sampler, LIGHT_OCCLUSION),
    )
