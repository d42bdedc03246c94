# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of rooms: how they are furnished, and where cameras are."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from spike_worlds.building.light import Site
from spike_worlds.building.materials import Texture
from spike_worlds.building.primitives import Frame
from spike_worlds.building.sampler import ALL, QUARTER_TURN, Range, Sampler, cos_sin
from spike_worlds.scene import Array

# Things in view.
BEARING_FACING = 0.6  # probability of facing the camera or its opposite
BEARING_SLIGHT, BEARING_WIDE = 0.2, 1.6  # rad, greatest of things that face the camera, of others
LEAST_ROOM = 0.2  # half size of the floor that things stand on, at least


class Placement(NamedTuple):
    """Places on the floor within the camera's view."""

    distance: Range  # uniform over ratios
    spread: float  # greatest way to the side / half of the view's width
    wall: float  # least way to the walls


class WallPlacement(NamedTuple):
    """Places at the far wall or a side wall."""

    far: float  # probability of the far wall; the side walls share the rest
    aside: float  # greatest way from the middle of the far wall / its free length
    along: Range = (0.0, 0.9)  # way towards the far wall at a side wall / its free length
    free: float = 0.1  # least free length


@dataclasses.dataclass(frozen=True)
class Room:
    """Sizes of rooms and poses of the cameras in them, ``[B, 1]`` each."""

    half_x: Array  # half width
    half_z: Array  # half length
    height: Array
    corridor: Array  # those that are corridors
    desk: Array  # those that are seen from behind a table
    focal: Array  # focal length over image width
    eye_x: Array  # camera position
    eye_y: Array
    eye_z: Array
    yaw: Array  # of the camera, rad
    pitch: Array  # of the camera, upwards, rad

    @property
    def view(self) -> Frame:
        """Return the poses of the cameras on the floor."""
        return Frame(self.eye_x, 0.0, self.eye_z, cos_sin(self.yaw))

    def ahead(self, sampler: Sampler, number: int, placement: Placement) -> Frame:
        """Sample poses on the floor within view, ``[B, number]``."""
        distance = sampler.log_uniform(number, placement.distance)
        reach = 0.5 / self.focal
        aside = sampler.uniform(number, ALL) * placement.spread * reach * distance
        x, _, z = self.view.at(aside, 0.0, distance)
        facing = sampler.chance(number, BEARING_FACING)
        slight = sampler.symmetric(number, BEARING_SLIGHT)
        bearing = np.where(facing, slight, sampler.symmetric(number, BEARING_WIDE))
        inner_x = np.maximum(self.half_x - placement.wall, LEAST_ROOM)
        inner_z = np.maximum(self.half_z - placement.wall, LEAST_ROOM)
        x, z = np.clip(x, -inner_x, inner_x), np.clip(z, -inner_z, inner_z)
        return Frame(x, 0.0, z, cos_sin(self.yaw + bearing))

    def at_wall(
        self,
        sampler: Sampler,
        placement: WallPlacement,
        half_width: Array,
        away: Array,
        dtype: type[np.float32 | np.int64] = np.float32,
    ) -> Frame:
        """Sample poses at walls, ``[B, 1]``.

        Args:
            sampler: Random numbers.
            placement: Distribution of the places.
            half_width: Of the thing.
            away: From the wall to its middle.
            dtype: Of the side walls' signs; integers make poses at side walls float64, as they are
                in the scenes of shipped models.
        """
        wall = sampler(1)
        far = wall < placement.far
        sign = np.where(wall < (1 + placement.far) / 2, dtype(-1), dtype(1))
        free_x = np.maximum(self.half_x - half_width, placement.free)
        free_z = np.maximum(self.half_z - half_width, placement.free)
        aside = sampler.symmetric(1, placement.aside) * free_x
        x = np.where(far, aside, sign * (self.half_x - away))
        z = np.where(far, self.half_z - away, sampler.uniform(1, placement.along) * free_z)
        return Frame(x, 0.0, z, cos_sin(np.where(far, 0.0, sign * QUARTER_TURN)))


@dataclasses.dataclass(frozen=True)
class RoomConfig:
    """Furniture of rooms and cameras in them; the default is cluttered."""

    corridors: float = 0.18  # share of corridors among the rooms
    desks: float = 0.35  # share of other rooms that are looked at from behind a table
    focal: Range = (0.55, 1.4)  # focal length / width of the image
    # Whether cameras stand anywhere between the walls, most of them near the far one; else in the
    # rear half, most at the rear wall.
    across: bool = False
    margin: float = 0.4  # least way to the side walls
    eye: Range = (0.35, 1.9)  # height of the camera
    desk_eye: Range = (1.0, 1.55)  # height of a camera behind a table
    pitch: Range = (-0.45, 0.25)  # of the camera, upwards, rad
    steepest: float = math.inf  # largest pitch downwards / height of the camera, rad/m
    clutter: float = 0.7  # probability of each thing on the floor
    clutter_from: float = 0.7  # least distance of things on the floor, m
    people_from: float = 1.2  # least distance of people, m
    plants_from: float = 1.2  # least distance of plants and standing lamps, m
    pillars_from: float = 1.8  # least distance of pillars and pieces of wall, m
    kitchens: float = 0.3  # share of rooms that have a worktop
    worktop: Range = (0.7, 1.7)  # half of its length
    facing: float = 0.5  # share of worktops that are at the far wall
    cupboards: float = 0.75  # share of worktops that have cupboards above them
    fronts: Texture = ('doors', 'drawers', 'doors')  # textures of the doors below and above
    fronts_contrast: float = 0.7  # their contrast
    notes: int = 0  # notes, pictures and small shelves over a worktop without cupboards, at most
    blocks: float = 0.0  # share of kitchens with a second block
    table_things: float = 0.16  # largest size of what lies on tables
    screens: float = 0.55  # share of tables with a screen
    seats: float = 0.0  # share of tables with chairs at both sides; walls hide those beyond
    contrast: float = 1.0  # factor on the contrast of textures; low values leave more to shading
    harsh: bool = False  # whether light is uneven and contrasts are unusual in all rooms
    desk_pitch: Range = (-0.68, -0.2)  # pitch of a camera behind a table, upwards
    desk_distance: Range = (0.75, 1.2)  # from a camera behind a table to its middle, m
    roll: float = 0.07  # largest roll of the camera to either side
    tables: float = 0.7  # probability of each of two tables
    furnish: Callable[[Site, Room], None] | None = None  # adds what else rooms of a style have


CLUTTERED = RoomConfig()
# Tidy rooms, seen from where people stand: a wall two or three metres away, a worktop.
HOME = RoomConfig(
    corridors=0.08,
    desks=0.5,
    focal=(0.7, 1.3),
    across=True,
    margin=0.8,
    eye=(1.1, 1.8),
    desk_eye=(1.2, 1.75),
    pitch=(-0.6, 0.05),
    clutter=0.3,
    clutter_from=1.3,
    people_from=2.0,
    plants_from=1.8,
    pillars_from=2.4,
    kitchens=0.75,
    worktop=(1.0, 2.5),
    facing=0.7,
    cupboards=0.4,
    fronts=('doors', 'plain', 'drawers', 'wood'),
    fronts_contrast=0.5,
    notes=16,
    blocks=0.3,
    table_things=0.09,
    screens=0.25,
    seats=0.8,
    contrast=0.5,
    harsh=True,
)
