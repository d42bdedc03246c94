# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shared parts of the recipes of outdoor places: kinds, sizes and the camera."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.cameras import Viewpoint
from spike_training.scenes.building.primitives import Frame
from spike_training.scenes.building.sampler import Sampler, Value
from spike_training.scenes.scene import Array


class ByKind(NamedTuple):
    """A number for each kind of place."""

    yard: float = 0.0
    park: float = 0.0
    field: float = 0.0


class Things(NamedTuple):
    """Things of a kind on the ground."""

    number: int  # places for them
    nearest: float  # least distance from the camera, metres
    farthest: ByKind  # greatest
    clear: float  # distance from the camera that they keep, metres
    chance: ByKind  # probability of each


SPREAD = 1.1  # greatest way of things to the side over half of the view's width


@dataclasses.dataclass(frozen=True)
class Place:
    """Kinds, sizes and cameras of a batch of outdoor places."""

    yard: Array  # those that are yards, ``[B, 1]``
    field: Array  # those that are fields; the others are parks
    half_x: Array  # half width, ``[B, 1]`` metres
    half_z: Array  # half length
    view: Viewpoint  # cameras
    limits: tuple[Array, Array]  # half sizes of the ground that things stand on, along x and z

    def by_kind(self, values: ByKind) -> Array:
        """Return the number of each place's kind, ``[B, 1]`` float32."""
        return by_kind(self.yard, self.field, values).astype(np.float32)

    def sample_poses(self, sampler: Sampler, things: Things) -> Frame:
        """Sample poses of things on the ground within view, ``[B, number]``."""
        far = self.by_kind(things.farthest)
        return self.view.ahead(sampler, things.number, things.nearest, far, SPREAD, self.limits)

    def sample_mask(
        self, sampler: Sampler, things: Things, frame: Frame, factor: Value = 1.0
    ) -> Array:
        """Sample the mask of things that exist, clear of the camera, ``[B, number]``.

        Args:
            sampler: Random numbers.
            things: Kind of things.
            frame: Their poses.
            factor: On their probability.
        """
        chosen = sampler.chance(things.number, factor * self.by_kind(things.chance))
        return chosen & self.view.clear_of(frame, things.clear)


def by_kind(yard: Array, field: Array, values: ByKind) -> Array:
    """Return numbers of yards, parks and fields, ``[B, 1]`` float64."""
    chosen: Array = np.where(yard, values.yard, np.where(field, values.field, values.park))
    return chosen


def scale(value: Value, factor: float, mask: Array) -> Array:
    """Return a value multiplied by a factor where a mask is true."""
    scaled: Array = np.where(mask, factor * value, value)
    return scaled
