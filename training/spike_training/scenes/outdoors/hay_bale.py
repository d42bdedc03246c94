# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hay bales, round ones on end and square ones, or heaps of earth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Colour, Material
from spike_training.scenes.building.primitives import Part
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.outdoors.config import ByKind, Place, Things
from spike_training.scenes.scene import BOX, CYLINDER


class BaleConfig(NamedTuple):
    """Sizes of bales. Lengths in metres.

    Attributes:
        fields: Probability of bales on a field.

        round: Probability of round ones.
        half: Half depth.
        long: Half length of square ones over that.
        tall: Half height over that.
        shadow: Half size of the shadow over that of each.
        shadow_height: Height that the shadow is of.
    """

    fields: float = 0.5
    round: float = 0.6
    half: Range = (0.45, 0.8)
    long: Range = (1.0, 2.0)
    tall: float = 0.9
    shadow: float = 1.1
    shadow_height: float = 1.2


BALES = Things(6, 3.0, ByKind(9, 60, 100), 2.0, ByKind(field=0.7))
SIZES = BaleConfig()
HAY = Material(
    ('folds', 'gravel', 'weave'),
    (0.4, 1.2),
    bright=Colour(0.25, 0.8, 0.2, tint=(1.0, 0.85, 0.5), least=0.0),
)


def add_bales(site: Site, place: Place) -> None:
    """Add bales to some fields."""
    sampler, number = site.sampler, BALES.number
    frame = place.sample_poses(sampler, BALES)
    mask = sampler.chance(1, SIZES.fields) & place.sample_mask(sampler, BALES, frame)
    round_ = sampler.chance(1, SIZES.round)
    half = sampler.uniform(number, SIZES.half)
    long = np.where(round_, half, half * sampler.uniform(number, SIZES.long))
    hay = site.materials.sample(HAY, number)
    reach = (SIZES.shadow * long, SIZES.shadow * half)
    site.ground.shadow(frame, reach, SIZES.shadow_height, mask)
    shape = np.where(round_, CYLINDER, BOX).astype(np.int8)
    tall = SIZES.tall * half
    part = Part((0.0, tall, 0.0), (long, tall, half), hay, shape)
    site.primitives.add_parts(frame, mask, [part])
