# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Large interiors: warehouses and workshops, lobbies, corridors, stairwells."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import (
    Colour,
    Grey,
    Material,
    MaterialSampler,
)
from spike_training.scenes.building.primitives import Frame
from spike_training.scenes.building.sampler import (
    ALL,
    ANY_HEADING,
    QUARTER_TURN,
    Range,
    Sampler,
)
from spike_training.scenes.building.shell import closed_shell, sample_walls
from spike_training.scenes.building.viewpoint import (
    in_view,
    open_heading,
    sample_exposure,
    sample_motion,
    sample_viewpoint,
)
from spike_training.scenes.halls.column import add_columns
from spike_training.scenes.halls.config import (
    WALL_TEXTURES,
    ByKind,
    FloorThings,
    Hall,
    by_kind,
    least,
)
from spike_training.scenes.halls.machine import add_machines
from spike_training.scenes.halls.overhead import add_overhead
from spike_training.scenes.halls.pallet import add_pallets
from spike_training.scenes.halls.partition import add_partitions
from spike_training.scenes.halls.rack import add_racks
from spike_training.scenes.halls.reception import add_reception
from spike_training.scenes.halls.seating import add_seating
from spike_training.scenes.halls.stairs import Flight, Standing, sample_stairs
from spike_training.scenes.halls.wall_fixture import add_wall_fixtures
from spike_training.scenes.scene import Array, Scenes
from spike_training.scenes.things.bench import add_benches
from spike_training.scenes.things.bin import add_bins
from spike_training.scenes.things.crate import add_crates
from spike_training.scenes.things.person import add_people
from spike_training.scenes.things.post import add_posts


class KindConfig(NamedTuple):
    """Cumulative shares of the kinds of halls; the rest are stairwells."""

    warehouses: float = 0.33
    lobbies: float = 0.55
    corridors: float = 0.8


class ShellConfig(NamedTuple):
    """Sizes of halls, metres.

    Attributes:
        half_x: Least half width.
        half_z: Least half length.
        height: Least height.
        larger: Factors on half width and half length, uniform over ratios.
        higher: Factors on the height, uniform over ratios.
        narrow: Greatest half width of corridors and stairwells.
        short: Greatest half length of stairwells.
        low: Greatest height of corridors.
        passage: Half width of a corridor between its walls.
        lobby_stairs: Probability of stairs in a lobby.
    """

    half_x: ByKind = ByKind(4.0, 3.6, 1.7, 1.6)
    half_z: ByKind = ByKind(6.0, 5.0, 5.0, 2.6)
    height: ByKind = ByKind(3.8, 2.8, 2.3, 4.5)
    larger: Range = (1.0, 3.5)
    higher: Range = (1.0, 2.2)
    narrow: float = 4.5
    short: float = 3.6
    low: float = 3.3
    passage: Range = (0.7, 1.5)
    lobby_stairs: float = 0.4


class CameraConfig(NamedTuple):
    """Cameras in halls. Lengths in metres, angles in radians.

    Attributes:
        side_walls: Least way to the walls along x.
        end_walls: Likewise along z.
        turned: Greatest angle to a corridor, of most cameras in corridors.
        along: Probability of that.
        speed: Greatest, m/s.
        stairs: Least way to stairs in a lobby.
    """

    side_walls: float = 0.45
    end_walls: float = 0.6
    turned: float = 0.5
    along: float = 0.88
    speed: ByKind = ByKind(4.0, 2.5, 3.0, 1.5)
    stairs: float = 0.5


class LightConfig(NamedTuple):
    """Light in halls.

    Attributes:
        steepness: Of the light from windows: its fall over its run.
        shadow: Light that is left in shadows.
        sun: Strength of the light from windows.
        sunny: Probability of it.
        sky: Strength of the light from everywhere.
        lamp: Strength of the lamp's over the square of the height, 1 / m^2.
        lamp_nearest: Least distance of the lamp, metres.
        lamp_farthest: Greatest.
        lamp_above: Least height over the camera, metres.
        lamp_below: Of the ceiling, else, metres.
        haze: Depth at which half of the light is scattered, metres.
        occlusion: Greatest share of the light that ambient occlusion takes.
    """

    steepness: Range = (0.6, 2.5)
    shadow: Range = (0.35, 0.9)
    sun: Range = (0.0, 0.6)
    sunny: float = 0.5
    sky: Range = (0.15, 0.7)
    lamp: Range = (0.0, 0.5)
    lamp_nearest: float = 0.8
    lamp_farthest: float = 8.0
    lamp_above: float = 0.3
    lamp_below: float = 0.4
    haze: float = 1e6
    occlusion: float = 0.9


class StairwellThings(NamedTuple):
    """People and crates on the floor that the camera in a stairwell stands on.

    Attributes:
        people: Places for people.
        crates: Places for crates.
        chance: Probability of each.
        spread: Greatest way from the camera's place, over the free length.
        clear: Distance from the camera that they keep, metres.
        largest: Mean half size of crates, at most, metres.
    """

    people: int = 2
    crates: int = 4
    chance: float = 0.5
    spread: float = 0.9
    clear: float = 0.9
    largest: float = 0.25


KINDS, SHELL, CAMERA, LIGHT = KindConfig(), ShellConfig(), CameraConfig(), LightConfig()
STAIRWELL_THINGS = StairwellThings()

WALL_GAP, LEAST_FLOOR, STAIRS_GAP = 0.3, 0.2, 0.2
"""Metres that things keep from walls, have at least to either side, and keep from stairs."""
CRATES = FloorThings(8, 0.9, 0.9, ByKind(0.6, 0.25, 0.3))
BINS = FloorThings(3, 1.1, 1.1, ByKind(0.3, 0.5, 0.3))
BENCHES = FloorThings(2, 1.5, 1.7, ByKind(0.1, 0.35, 0.1))
POSTS = FloorThings(4, 1.0, 0.9, ByKind(0.35, 0.3, 0.1))
POST_HALF_HEIGHT: Range = (0.35, 0.9)
PEOPLE = FloorThings(4, 1.2, 1.1, ByKind(0.25, 0.4, 0.4))
WALKING, WALKING_SPEED = 0.5, (0.3, 2.0)
"""Probability that a person walks; m/s."""

FLOOR = Material(
    ('tiles', 'slabs', 'plaster', 'plain', 'gravel', 'checks', 'planks', 'weave'),
    (0.8, 4.0),
    bright=Colour(0.1, 0.75, 0.2),
    contrast=0.6,
)
WALL = Material(WALL_TEXTURES, (1.0, 4.0), bright=Colour(0.15, 0.9, 0.35), contrast=0.5)
WALLS_ALIKE = 0.6
"""Probability of end walls like the side walls."""
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
    site = Site.create(materials, floor, LIGHT.steepness, LIGHT.shadow)
    # Stairs in a lobby do not stand where the camera does.
    blocked = flight.covers(place.view.x, place.view.z, CAMERA.stairs) & ~place.stairwell
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
    store = kind < KINDS.warehouses
    lobby = (kind >= KINDS.warehouses) & (kind < KINDS.lobbies)
    corridor = (kind >= KINDS.lobbies) & (kind < KINDS.corridors)
    stair, masks = kind >= KINDS.corridors, (store, lobby, corridor)

    half_x = by_kind(masks, SHELL.half_x) * sampler.log_uniform(1, SHELL.larger)
    half_x = least(half_x, SHELL.narrow, corridor | stair)
    half_z = by_kind(masks, SHELL.half_z) * sampler.log_uniform(1, SHELL.larger)
    half_z = least(half_z, SHELL.short, stair)
    height = by_kind(masks, SHELL.height) * sampler.log_uniform(1, SHELL.higher)
    height = least(height, SHELL.low, corridor)
    passage = np.where(corridor, sampler.uniform(1, SHELL.passage), half_x)
    with_stairs = stair | (lobby & sampler.chance(1, SHELL.lobby_stairs))
    flight, standing = sample_stairs(sampler, (half_x, half_z, height), with_stairs, stair)

    # Most cameras in corridors look along them, from any place.
    x = sampler.uniform(1, ALL) * (passage - CAMERA.side_walls)
    z = sampler.uniform(1, ALL) * (half_z - CAMERA.end_walls)
    along = np.where(sampler.chance(1, 0.5), 0.0, 2 * QUARTER_TURN)
    along = along + sampler.symmetric(1, CAMERA.turned)
    anywhere = open_heading(sampler, x, z, passage, half_z)
    yaw = np.where(corridor & sampler.chance(1, CAMERA.along), along, anywhere)
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
    sampler, config = site.sampler, STAIRWELL_THINGS
    number = config.people + config.crates
    z = standing.z + sampler.symmetric(number, config.spread) * standing.reach
    x = sampler.symmetric(number, config.spread) * place.half_x
    cos, sin = sampler.headings(number, ANY_HEADING)
    chosen = place.stairwell & sampler.chance(number, config.chance)
    frame = Frame(x, standing.floor, z, (cos, sin))
    chosen &= place.view.clear_of(frame, config.clear)
    walkers, items = (
        Frame(x[:, part], standing.floor, z[:, part], (cos[:, part], sin[:, part]))
        for part in (slice(config.people), slice(config.people, number))
    )
    add_people(site, walkers, chosen[:, : config.people], 0 * walkers.x)
    add_crates(site, items, chosen[:, config.people :], config.largest)


def _finish(site: Site, place: Hall) -> Scenes:
    """Sample motion, walls, light and exposure, and leave out what cameras do not see."""
    sampler, view, height = site.sampler, place.view, place.height
    pose = sample_motion(sampler, view, place.by_kind(CAMERA.speed))
    walls = sample_walls(site, WALL, WALLS_ALIKE)
    ceiling = site.materials.sample(CEILING, 1)
    lamp = view.ahead(sampler, 1, LIGHT.lamp_nearest, LIGHT.lamp_farthest, 1.0, place.limits)
    lift = np.maximum(view.y + LIGHT.lamp_above, height - LIGHT.lamp_below)

    sky = site.materials.sample(SKY, 1)
    sun = sampler.uniform(1, LIGHT.sun) * sampler.chance(1, LIGHT.sunny)
    everywhere = sampler.uniform(1, LIGHT.sky)
    light = [sun, everywhere, sampler.uniform(1, LIGHT.lamp) * height * height]
    return Scenes(
        **in_view(site.primitives, pose, view),
        **pose,
        shell_material=np.concatenate([site.ground.surface, walls, ceiling, sky], 1),
        shell=closed_shell(place.half_x, place.half_z, height),
        open=np.zeros(sampler.batch, np.float32),
        sun=site.ground.sun,
        light=np.concatenate(light, 1).astype(np.float32),
        lamp=np.concatenate([lamp.x, lift, lamp.z], 1).astype(np.float32),
        haze=np.full(sampler.batch, LIGHT.haze, np.float32),
        **sample_exposure(sampler, LIGHT.occlusion),
    )
