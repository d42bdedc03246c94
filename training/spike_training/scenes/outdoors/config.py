# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shared parts of the recipes of outdoor places: kinds, sizes and the camera."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.sampler import Value
from spike_training.scenes.building.viewpoint import Viewpoint
from spike_training.scenes.scene import Array


class ByKind(NamedTuple):
    """A number for each kind of place."""

    yard: float = 0.0
    park: float = 0.0
    field: float = 0.0


@dataclasses.dataclass(frozen=True)
class Place:
    """Kinds, sizes and cameras of a batch of outdoor places.

    Attributes:
        yard: Those that are yards, ``[B, 1]``.
        field: Those that are fields; the others are parks.
        half_x: Half width, ``[B, 1]`` metres.
        half_z: Half length.
        view: Cameras.
        limits: Half sizes of the ground that things stand on, along x and z.
    """

    yard: Array
    field: Array
    half_x: Array
    half_z: Array
    view: Viewpoint
    limits: tuple[Array, Array]

    def by_kind(self, values: ByKind) -> Array:
        """Return the number of each place's kind, ``[B, 1]`` float32."""
        return by_kind(self.yard, self.field, values).astype(np.float32)


def by_kind(yard: Array, field: Array, values: ByKind) -> Array:
    """Return numbers of yards, parks and fields, ``[B, 1]`` float64."""
    chosen: Array = np.where(yard, values.yard, np.where(field, values.field, values.park))
    return chosen


def scale(value: Value, factor: float, mask: Array) -> Array:
    """Return a value multiplied by a factor where a mask is true."""
    scaled: Array = np.where(mask, factor * value, value)
    return scaled
