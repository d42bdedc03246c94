# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Things on the floor of rooms, pillars, rugs, plants, and lamps."""

from __future__ import annotations

from spike_worlds.building.light import Site
from spike_worlds.building.materials import Colour, Grey, Material
from spike_worlds.building.primitives import Frame, Part
from spike_worlds.building.sampler import Range
from spike_worlds.rooms.config import Placement, Room
from spike_worlds.scene import BOX, CYLINDER, ELLIPSOID
from spike_worlds.things import ANY_TEXTURE, Stack, add_stacks

# --- Boxes, bins, bags and balls on the floor, some of them with another on top.

CLUTTER_NUMBER = 10  # places for them
CLUTTER_SIZE = (0.05, 0.3)  # mean half size, m, uniform over ratios
CLUTTER_HALF = (0.4, 1.3)  # each half size / mean half size
CLUTTER_KINDS = (BOX, BOX, BOX, CYLINDER, ELLIPSOID)
CLUTTER_SPREAD, CLUTTER_WALL = 1.0, 0.2  # of the placement
CLUTTER_MATERIAL = Material(ANY_TEXTURE, fit=True)
CLUTTER_STACK = Stack(CLUTTER_MATERIAL, 1.2, (0.4, 0.9), chance=0.4, aside=0.1, within=False)


def add_clutter(site: Site, room: Room, distance: Range, chance: float) -> None:
    """Add things on the floor at distances from the camera, each with a probability."""
    sampler, number = site.sampler, CLUTTER_NUMBER
    frame = room.ahead(sampler, number, Placement(distance, CLUTTER_SPREAD, CLUTTER_WALL))
    mask = sampler.chance(number, chance)
    size = sampler.log_uniform(number, CLUTTER_SIZE)
    x, y, z = (size * sampler.uniform(number, CLUTTER_HALF) for _ in range(3))
    frame.heading = sampler.headings(number)
    kind = sampler.kinds(number, CLUTTER_KINDS)
    add_stacks(site, frame, mask, CLUTTER_STACK, size, (x, y, z), kind)


# --- Pillars and pieces of wall, from the floor to the ceiling.

PILLARS, PILLAR_CHANCE = 2, 0.25  # places for them, probability of each
PILLAR_SIZES = ((0.08, 0.5), (0.06, 0.3))  # half width, half depth
PILLAR_FARTHEST, PILLAR_SPREAD, PILLAR_WALL = 6.0, 1.3, 0.1  # of the placement
PILLAR_SURFACE = Material(('plaster', 'plain', 'bricks', 'tiles', 'wood'), (0.6, 2.5))


def add_pillars(site: Site, room: Room, nearest: float) -> None:
    """Add pillars, at least ``nearest`` metres from the camera."""
    sampler = site.sampler
    placement = Placement((nearest, PILLAR_FARTHEST), PILLAR_SPREAD, PILLAR_WALL)
    at = room.ahead(sampler, PILLARS, placement)
    half_w, half_d = sampler.uniforms(PILLARS, *PILLAR_SIZES)
    site.primitives.add(
        (at.x, room.height / 2, at.z),
        (half_w, room.height / 2, half_d),
        site.materials.sample(PILLAR_SURFACE, PILLARS),
        mask=sampler.chance(PILLARS, PILLAR_CHANCE),
    )


# --- Rugs on the floor.

RUG_CHANCE = 0.5  # probability of one in a room
RUG_SIZES = ((0.5, 1.3), (0.4, 1.0))  # half width, half length
RUG_HALF_HEIGHT = 0.006
RUG_PLACEMENT = Placement((1.0, 4.0), 0.6, 0.6)
RUG_FABRIC = Material(('weave', 'checks', 'stripes', 'poster', 'mosaic'), (0.4, 2.0))


def add_rug(site: Site, room: Room) -> None:
    """Add a rug to half of the rooms."""
    sampler = site.sampler
    at = room.ahead(sampler, 1, RUG_PLACEMENT)
    half_w, half_l = sampler.uniforms(1, *RUG_SIZES)
    fabric = site.materials.sample(RUG_FABRIC, 1)
    rug = Part((0.0, RUG_HALF_HEIGHT, 0.0), (half_w, RUG_HALF_HEIGHT, half_l), fabric)
    site.primitives.add_parts(at, sampler.chance(1, RUG_CHANCE), [rug])


# --- Plants in pots.

PLANT_CHANCE = 0.35  # probability of one in a scene
PLANT_POT = (0.1, 0.22)  # half sizes of the pot
PLANT_HEADING = (0, 6)
PLANT_CROWNS = 3  # number of crowns of leaves
PLANT_CROWN = (0.1, 0.35)  # half width of each
PLANT_ASIDE = 0.2  # greatest way of a crown from the middle
PLANT_RISE = (0.7, 2.0)  # height of its middle above the pot / its half width
PLANT_TALL = (0.6, 1.4)  # half height / half width
POT = Material(('plain', 'stripes'), 0.3)
LEAVES = Material(
    ('leaves',), (0.3, 0.8), contrast=0.95, bright=Colour(0.1, 0.6, 0.2, tint=(0.35, 1.0, 0.25))
)


def add_plant(site: Site, poses: Frame) -> None:
    """Add a plant at the first of the poses."""
    sampler, add = site.sampler, site.primitives.add
    frame = Frame(poses.x[:, :1], 0.0, poses.z[:, :1], sampler.headings(1, PLANT_HEADING))
    mask = sampler.chance(1, PLANT_CHANCE)
    pot = sampler.uniform(1, PLANT_POT)
    site.ground.shadow(frame, pot * 1.6, 0.6, mask)
    clay = site.materials.sample(POT, 1)
    add(frame.at(0.0, pot, 0.0), (pot, pot, pot), clay, kind=CYLINDER, mask=mask)
    leaves = site.materials.sample(LEAVES, 1)
    for _ in range(PLANT_CROWNS):
        crown = sampler.uniform(1, PLANT_CROWN)
        aside = sampler.symmetric(1, PLANT_ASIDE)
        high = 2 * pot + crown * sampler.uniform(1, PLANT_RISE)
        centre = frame.at(aside, high, sampler.symmetric(1, PLANT_ASIDE))
        half = (crown, crown * sampler.uniform(1, PLANT_TALL), crown)
        add(centre, half, leaves, kind=ELLIPSOID, mask=mask)


# --- Standing lamps, and lights at the ceilings of rooms.

LAMP_CHANCE = 0.3  # probability of one in a scene
LAMP_HEADING = (0, 6)
LAMP_HALF_HEIGHT = (0.6, 0.85)  # half height of the pole
LAMP_HALF_POLE = 0.015  # half thickness of the pole
LAMP_SHADE_SIZES = ((0.12, 0.2), (0.1, 0.18))  # half width and half height of the shade
LAMP_POLE = Material(('plain',))
LAMP_SHADE = Material(('plain',), glow=(0, 2), bright=Grey(0.9))
LIGHTS = 4  # places for them
LIGHTS_CHANCE = 0.6  # probability of each
LIGHTS_ASIDE = 2  # greatest way from the camera to either side
LIGHTS_AHEAD = (0.5, 6)  # way before the camera
LIGHTS_SIZES = ((0.08, 0.6), (0.02, 0.08), (0.08, 0.3))  # half width, half height, half length
LIGHTS_KINDS = (BOX, BOX, CYLINDER)
LIGHTS_MATERIAL = Material(('plain',), glow=(0.3, 2.5), bright=Grey(0.9))


def add_lamps(site: Site, room: Room, poses: Frame) -> None:
    """Add a standing lamp at the second of the poses, and lights at the ceiling."""
    sampler, materials, add = site.sampler, site.materials, site.primitives.add
    frame = Frame(poses.x[:, 1:], 0.0, poses.z[:, 1:], sampler.headings(1, LAMP_HEADING))
    mask, tall = sampler.chance(1, LAMP_CHANCE), sampler.uniform(1, LAMP_HALF_HEIGHT)
    pole = (LAMP_HALF_POLE, tall, LAMP_HALF_POLE)
    add(frame.at(0.0, tall, 0.0), pole, materials.sample(LAMP_POLE, 1), kind=CYLINDER, mask=mask)
    half_x, half_y = sampler.uniforms(1, *LAMP_SHADE_SIZES)
    half, cloth = (half_x, half_y, 0.16), materials.sample(LAMP_SHADE, 1)
    add(frame.at(0.0, 2 * tall, 0.0), half, cloth, kind=CYLINDER, mask=mask)

    number = LIGHTS
    x = room.eye_x + sampler.symmetric(number, LIGHTS_ASIDE)
    z = room.eye_z + sampler.uniform(number, LIGHTS_AHEAD)
    half_x, half_y, half_z = sampler.uniforms(number, *LIGHTS_SIZES)
    add(
        (x, room.height - 0.05, z),
        (half_x, half_y, half_z),
        materials.sample(LIGHTS_MATERIAL, number),
        kind=sampler.kinds(number, LIGHTS_KINDS),
        mask=sampler.chance(number, LIGHTS_CHANCE),
    )
