# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of rooms: how they are furnished, and where cameras are."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Texture
from spike_training.scenes.building.primitives import Frame
from spike_training.scenes.building.sampler import ALL, QUARTER_TURN, Range, Sampler, cos_sin
from spike_training.scenes.scene import Array


class Placement(NamedTuple):
    """Places on the floor within the camera's view.

    Attributes:
        distance: Limits in metres, uniform over ratios.
        spread: Greatest way to the side over half of the view's width.
        wall: Least way to the walls, metres.
    """

    distance: Range
    spread: float
    wall: float


class BearingConfig(NamedTuple):
    """Headings of things in view.

    Attributes:
        facing: Probability of facing the camera or its opposite.
        slight: Greatest angle to its view then, radians.
        wide: Greatest angle else.
    """

    facing: float = 0.6
    slight: float = 0.2
    wide: float = 1.6


class WallPlacement(NamedTuple):
    """Places at the far wall or a side wall.

    Attributes:
        far: Probability of the far wall; the side walls share the rest.
        aside: Greatest way from the middle of the far wall, over the free length.
        along: Way towards the far wall at a side wall, over the free length.
        free: Least free length, metres.
    """

    far: float
    aside: float
    along: Range = (0.0, 0.9)
    free: float = 0.1


BEARING = BearingConfig()
LEAST_ROOM = 0.2
"""Half size of the floor that things stand on, at least, metres."""


@dataclasses.dataclass(frozen=True)
class Room:
    """Sizes of rooms and poses of the cameras in them, ``[B, 1]`` each.

    Attributes:
        half_x: Half width, metres.
        half_z: Half length, metres.
        height: Metres.
        corridor: Those that are corridors.
        desk: Those that are seen from behind a table.
        focal: Focal length over image width.
        eye_x: Camera position, metres.
        eye_y: Likewise.
        eye_z: Likewise.
        yaw: Of the camera, radians.
        pitch: Likewise, upwards.
    """

    half_x: Array
    half_z: Array
    height: Array
    corridor: Array
    desk: Array
    focal: Array
    eye_x: Array
    eye_y: Array
    eye_z: Array
    yaw: Array
    pitch: Array

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
        facing = sampler.chance(number, BEARING.facing)
        slight = sampler.symmetric(number, BEARING.slight)
        bearing = np.where(facing, slight, sampler.symmetric(number, BEARING.wide))
        inner_x = np.maximum(self.half_x - placement.wall, LEAST_ROOM)
        inner_z = np.maximum(self.half_z - placement.wall, LEAST_ROOM)
        return Frame(
            np.clip(x, -inner_x, inner_x),
            0.0,
            np.clip(z, -inner_z, inner_z),
            cos_sin(self.yaw + bearing),
        )

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
            half_width: Of the thing, metres.
            away: From the wall to its middle, metres.
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
    """Furniture of rooms and cameras in them; the default is cluttered.

    Pairs are least and greatest value, lengths metres, angles radians.

    Attributes:
        corridors: Share of corridors among the rooms.
        desks: Share of other rooms that are looked at from behind a table.
        focal: Focal length over the width of the image.
        across: Whether cameras stand anywhere between the walls, most of them near the far one;
            else in the rear half, most at the rear wall.
        margin: Least way to the side walls.
        eye: Height of the camera.
        desk_eye: Height of a camera behind a table.
        pitch: Of the camera, upwards.
        steepest: Largest pitch downwards over the height of the camera, radians per metre.
        clutter: Probability of each thing on the floor.
        clutter_from: Distance from which on they are.
        people_from: Likewise of people.
        plants_from: Likewise of plants and standing lamps.
        pillars_from: Likewise of pillars and pieces of wall.
        kitchens: Share of rooms that have a worktop.
        worktop: Half of its length.
        facing: Share of worktops that are at the far wall.
        cupboards: Share of worktops that have cupboards above them.
        fronts: Textures of the doors below and above.
        fronts_contrast: Their contrast.
        notes: Notes, pictures and small shelves over a worktop without cupboards, at most.
        blocks: Share of kitchens with a second block, out in the room or on along the side.
        table_things: Largest size of what lies on tables.
        screens: Share of tables with a screen.
        seats: Share of tables with a set of chairs at both sides; walls hide those beyond them.
        contrast: Factor on the contrast of textures; low values leave more to shading.
        harsh: Whether light is uneven and contrasts are unusual in all rooms.
        desk_pitch: Pitch of a camera behind a table, upwards.
        desk_distance: From that camera to the middle of the table.
        roll: Largest roll of the camera to either side.
        tables: Probability of each of two tables.
        furnish: Adds further furniture to the rooms of a style.
    """

    corridors: float = 0.18
    desks: float = 0.35
    focal: Range = (0.55, 1.4)
    across: bool = False
    margin: float = 0.4
    eye: Range = (0.35, 1.9)
    desk_eye: Range = (1.0, 1.55)
    pitch: Range = (-0.45, 0.25)
    steepest: float = math.inf
    clutter: float = 0.7
    clutter_from: float = 0.7
    people_from: float = 1.2
    plants_from: float = 1.2
    pillars_from: float = 1.8
    kitchens: float = 0.3
    worktop: Range = (0.7, 1.7)
    facing: float = 0.5
    cupboards: float = 0.75
    fronts: Texture = ('doors', 'drawers', 'doors')
    fronts_contrast: float = 0.7
    notes: int = 0
    blocks: float = 0.0
    table_things: float = 0.16
    screens: float = 0.55
    seats: float = 0.0
    contrast: float = 1.0
    harsh: bool = False
    desk_pitch: Range = (-0.68, -0.2)
    desk_distance: Range = (0.75, 1.2)
    roll: float = 0.07
    tables: float = 0.7
    furnish: Callable[[Site, Room], None] | None = None


CLUTTERED = RoomConfig()
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
"""Tidy rooms, seen from where people stand: a wall two or three metres away, a worktop."""
