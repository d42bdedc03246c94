# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Offices: rooms of the style ``home`` with a block of desks, seen from nearer."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Grey, Material
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import QUARTER_TURN, Range, Sampler, cos_sin
from spike_training.scenes.building.viewpoint import (
    FOCAL,
    ROLL,
    sample_flicker,
    sample_jerks,
    sample_rates,
)
from spike_training.scenes.offices.board import add_boards
from spike_training.scenes.offices.desk import DESKS, Desks, add_desks
from spike_training.scenes.offices.equipment import add_equipment
from spike_training.scenes.offices.swivel_chair import add_swivel_chairs
from spike_training.scenes.rooms.config import HOME, Room
from spike_training.scenes.rooms.room import rooms
from spike_training.scenes.scene import Scenes


class BlockConfig(NamedTuple):
    """Two rows of desks, back to back. Lengths in metres, angles in radians.

    Attributes:
        per_row: Desks in each row.
        chance: Probability of a block.
        desk_chance: Probability of one where a table stands before the camera.
        slanted: Greatest angle to the view.
        across: Quarter turns from that: most blocks stand across the view.
        away: Least way from the camera to the middle of the nearest desk.
        farther: Added to that: the square of a share of it.
        aside: Greatest way to the side.
        walls: Least way of that desk from the walls.
        half_width: Of a desk.
        half_depth: Of a desk.
        height: Of a desk.
        first: Desk of a row that is the nearest.
        taken: Probability of each desk.
        two_rows: Probability of a second row.
        screened: Probability of a screen between the rows.
        half_screen: Half height of it.
        screen_depth: Half thickness of it.
    """

    per_row: int = 3
    chance: float = 0.9
    desk_chance: float = 0.25
    slanted: float = 0.35
    across: tuple[int, ...] = (0, 0, 0, 1, 2, 3)
    away: Range = (0.75, 1.0)
    farther: float = 2.2
    aside: float = 0.8
    walls: float = 0.4
    half_width: Range = (0.55, 0.95)
    half_depth: Range = (0.3, 0.45)
    height: Range = (0.68, 0.78)
    first: tuple[int, ...] = (0, 1, 2)
    taken: float = 0.95
    two_rows: float = 0.6
    screened: float = 0.25
    half_screen: float = 0.2
    screen_depth: float = 0.02


BLOCK = BlockConfig()
CHAIR_CHANCE = 0.75
WOOD = Material(('wood', 'plain', 'plain', 'plaster'), (0.5, 1.5), contrast=0.5)
METAL = Material(('plain',), 0.6, bright=Grey((0.03, 0.7)))
SCREEN = Material(('weave', 'plain', 'plain'), 0.8, vivid=0.8)


def office(sampler: Sampler) -> Scenes:
    """Sample scenes: rooms of the recipe of ``home``, from higher, lower and nearer cameras."""
    scenes = rooms(sampler, OFFICE)
    return dataclasses.replace(
        scenes,
        rate=sample_rates(sampler),
        angular_velocity=scenes.angular_velocity * sample_jerks(sampler),
        flicker=sample_flicker(sampler),
    )


def _furnish(site: Site, room: Room) -> None:
    """Add a block of desks to most rooms, and boards to the walls."""
    sampler = site.sampler
    add_boards(site, room)
    chance = np.where(room.desk, BLOCK.desk_chance, BLOCK.chance)
    mask = sampler.chance(1, chance) & ~room.corridor
    bearing = room.yaw + sampler.symmetric(1, BLOCK.slanted)
    bearing = bearing + QUARTER_TURN * sampler.choose(1, BLOCK.across)
    away = sampler.uniform(1, BLOCK.away) + BLOCK.farther * sampler(1) ** 2
    x, _, z = room.view.at(sampler.symmetric(1, BLOCK.aside), 0.0, away)
    x = np.clip(x, BLOCK.walls - room.half_x, room.half_x - BLOCK.walls)
    z = np.clip(z, BLOCK.walls - room.half_z, room.half_z - BLOCK.walls)
    half_w, half_d, top = sampler.uniforms(1, BLOCK.half_width, BLOCK.half_depth, BLOCK.height)
    block = Frame(x, 0.0, z, cos_sin(bearing))
    row = np.arange(BLOCK.per_row, dtype=np.float32)
    shift = (row - sampler.choose(1, BLOCK.first)) * 2 * half_w
    second = np.arange(DESKS) >= BLOCK.per_row
    place = block.at(np.tile(shift, 2), 0.0, np.where(second, 2 * half_d, 0.0))
    heading = cos_sin(bearing + np.where(second, 2 * QUARTER_TURN, 0.0))
    desk = Frame(place[0], 0.0, place[2], heading)
    wood, metal = site.materials.sample(WOOD, 1), site.materials.sample(METAL, 1)
    inside = (np.abs(desk.x) < room.half_x) & (np.abs(desk.z) < room.half_z)
    exists = mask & inside & sampler.chance(DESKS, BLOCK.taken)
    exists &= sampler.chance(1, BLOCK.two_rows) | ~second
    desks = Desks(desk, exists, half_w, half_d, top)
    add_desks(site, desks, wood, metal)
    add_equipment(site, desks)
    add_swivel_chairs(site, desks, exists & sampler.chance(DESKS, CHAIR_CHANCE))
    screen = Part(
        (shift[:, 1:2], top + BLOCK.half_screen, half_d),
        (BLOCK.per_row * half_w, BLOCK.half_screen, BLOCK.screen_depth),
        site.materials.sample(SCREEN, 1),
    )
    site.primitives.add_parts(block, mask & sampler.chance(1, BLOCK.screened), [screen])


OFFICE = dataclasses.replace(
    HOME,
    corridors=0.05,
    desks=0.3,
    focal=FOCAL,
    margin=0.5,
    eye=(0.3, 2.2),
    desk_eye=(0.95, 1.9),
    pitch=(-0.8, 0.25),
    steepest=0.8,
    desk_pitch=(-1.05, -0.1),
    desk_distance=(0.5, 1.3),
    roll=ROLL,
    clutter=0.45,
    clutter_from=0.9,
    people_from=1.3,
    plants_from=1.3,
    pillars_from=1.8,
    kitchens=0.12,
    table_things=0.12,
    screens=0.8,
    seats=0.4,
    tables=0.25,
    contrast=0.7,
    furnish=_furnish,
)
"""Offices, seen from hands, robots and shelves."""
