# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shared parts of the recipes of halls: sizes, kinds, the camera, and textures of walls."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from spike_worlds.building.cameras import Viewpoint
from spike_worlds.building.primitives import Frame
from spike_worlds.building.sampler import Sampler, Value
from spike_worlds.scene import Array

WALL_TEXTURES = (
    'plain', 'plaster', 'plaster', 'bricks', 'blocks', 'tiles', 'ribs', 'slabs', 'wood',
)  # fmt: skip


class ByKind(NamedTuple):
    """A number for each kind of hall."""

    warehouse: float = 0.0
    lobby: float = 0.0
    corridor: float = 0.0
    stairwell: float = 0.0


class FloorThings(NamedTuple):
    """Things of a kind on the floor."""

    number: int  # places for them
    nearest: float  # least distance from the camera, metres
    clear: float  # distance from the camera that they keep, metres
    chance: ByKind  # probability of each
    farthest: float | ByKind = ByKind(16, 12, 14, 4)  # greatest distance from the camera, metres


@dataclasses.dataclass(frozen=True)
class Hall:
    """Kinds, sizes and cameras of a batch of halls."""

    warehouse: Array  # those that are warehouses or workshops, ``[B, 1]``
    lobby: Array  # those that are lobbies
    corridor: Array  # those that are corridors
    stairwell: Array  # the others
    half_x: Array  # half width, ``[B, 1]`` metres
    half_z: Array  # half length
    height: Array
    passage: Array  # half width between the walls; a corridor's shell includes rooms beside it
    view: Viewpoint  # cameras
    limits: tuple[Array, Array]  # half sizes of the floor that things stand on, along x and z

    def by_kind(self, values: ByKind) -> Array:
        """Return the number of each hall's kind, ``[B, 1]``."""
        return by_kind((self.warehouse, self.lobby, self.corridor), values)

    def sample_poses(self, sampler: Sampler, things: FloorThings) -> Frame:
        """Sample poses of things on the floor within view, ``[B, number]``."""
        far = things.farthest
        reach = self.by_kind(far) if isinstance(far, ByKind) else far
        return self.view.ahead(sampler, things.number, things.nearest, reach, limits=self.limits)

    def sample_mask(self, sampler: Sampler, things: FloorThings, frame: Frame) -> Array:
        """Sample the mask of things that exist, clear of the camera, ``[B, number]``."""
        chosen = sampler.chance(things.number, self.by_kind(things.chance))
        return chosen & self.view.clear_of(frame, things.clear)


def by_kind(masks: tuple[Array, Array, Array], values: ByKind) -> Array:
    """Return numbers of warehouses, lobbies, corridors and stairwells, ``[B, 1]``."""
    chosen: Array = np.select([*masks], values[:3], values.stairwell)
    return chosen.astype(np.float32)


def least(value: Value, other: Value, mask: Array) -> Array:
    """Return the smaller value where a mask is true, else the first."""
    smaller: Array = np.where(mask, np.minimum(value, other), value)
    return smaller
