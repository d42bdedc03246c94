# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boxes, bins, pots, bags and balls, some of them with another on top."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Material
from spike_training.scenes.building.primitives import Frame
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.scene import BOX, CYLINDER, Array
from spike_training.scenes.things.small import MOST_BOXES


class CrateConfig(NamedTuple):
    """Sizes of crates.

    Attributes:
        smallest: Mean half size, metres; the greatest depends on the place.
        largest: The usual greatest one.
        half: Half sizes over that.
        kinds: Of solids.
        shadow: Half size of the shadow over that of the crate.
        upper: Size of the one on top over that of the lower.
        upper_height: Half height of the upper one over its size.
        upper_chance: Probability of one on each box.
    """

    smallest: float = 0.06
    largest: float = 0.4
    half: Range = (0.45, 1.2)
    kinds: tuple[int, ...] = MOST_BOXES
    shadow: float = 1.15
    upper: Range = (0.4, 0.8)
    upper_height: float = 0.7
    upper_chance: float = 0.35


CRATE = CrateConfig()
TEXTURES = ('plain', 'wood', 'poster', 'planks', 'stripes', 'ribs', 'print', 'weave', 'goods')
SURFACE, UPPER_SURFACE = Material(TEXTURES, fit=True), Material(TEXTURES)


def add_crates(site: Site, frame: Frame, mask: Array, largest: float = CRATE.largest) -> None:
    """Add crates of mean half sizes up to ``largest`` metres."""
    sampler, number = site.sampler, mask.shape[1]
    size = sampler.log_uniform(number, (CRATE.smallest, largest))
    x, y, z = (size * sampler.uniform(number, CRATE.half) for _ in range(3))
    kind = sampler.kinds(number, CRATE.kinds)
    z = np.where(kind == CYLINDER, x, z)
    reach = CRATE.shadow * np.maximum(x, z)
    site.ground.shadow(frame.x, frame.z, (reach, reach), 2 * y, mask)
    site.primitives.add(
        frame.at(0.0, y, 0.0),
        (x, y, z),
        site.materials.sample(SURFACE, number, 2 * size),
        kind=kind,
        heading=frame.heading,
        mask=mask,
    )
    upper = size * sampler.uniform(number, CRATE.upper)
    tall = CRATE.upper_height * upper
    site.primitives.add(
        frame.at(0.0, 2 * y + tall, 0.0),
        (np.minimum(upper, x), tall, np.minimum(upper, z)),
        site.materials.sample(UPPER_SURFACE, number, 2 * upper),
        heading=sampler.headings(number),
        mask=mask & (kind == BOX) & sampler.chance(number, CRATE.upper_chance),
    )
