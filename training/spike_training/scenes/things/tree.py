# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Broad trees, conifers and bare young trees, 2 to 12 m tall; leaves of plants."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import GREEN, Colour, Material
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.scene import CYLINDER, ELLIPSOID, Array


class TreeConfig(NamedTuple):
    """Sizes of trees. Lengths in metres; those over the crown's are shares of its half width.

    Attributes:
        half_trunk: Half height of the trunk, uniform over ratios.
        crown: Half width of the crown, uniform over ratios.
        conifers: Share of conifers.
        conifer_crown: Factor on the half width of their crowns.
        thickness: Half thickness of the trunk over the half width of the crown and a bit.
        thicker: That bit.
        into_crown: Half of the way that the trunk reaches into the crown, over it.
        levels: Parts of the crown.
        conifer_size: Half width of a conifer's lowest part, over the crown's.
        conifer_taper: Decrease from level to level, likewise.
        conifer_tall: Half height of its parts over their half width.
        conifer_rise: Height of its lowest part over the trunk, over the crown's.
        conifer_step: From level to level, likewise.
        size: Half width of parts of broad trees, over the crown's.
        tall: Half height over half width.
        aside: Greatest way from the trunk, over the crown's.
        rise: Height over the trunk, over the crown's.
    """

    half_trunk: Range = (0.35, 1.6)
    crown: Range = (0.5, 2.6)
    conifers: float = 0.25
    conifer_crown: float = 0.6
    thickness: Range = (0.03, 0.08)
    thicker: float = 0.5
    into_crown: float = 0.5
    levels: int = 6
    conifer_size: float = 1.05
    conifer_taper: float = 0.17
    conifer_tall: float = 0.55
    conifer_rise: float = 0.4
    conifer_step: float = 0.6
    size: Range = (0.35, 0.8)
    tall: Range = (0.6, 1.1)
    aside: float = 0.85
    rise: Range = (0.2, 1.5)


TREE = TreeConfig()
BARK = Material(('folds', 'wood', 'clouds'), (0.3, 0.9), bright=Colour(0.05, 0.4, 0.2))
FOLIAGE = Material(
    ('leaves', 'leaves', 'gravel', 'clouds'),
    (0.4, 1.8),
    contrast=0.95,
    bright=Colour(0.06, 0.6, 0.4, tint=GREEN),
)
"""Leaves, from dry grass to dark green."""


def add_trees(site: Site, frame: Frame, mask: Array) -> None:
    """Add trees."""
    sampler, number, config = site.sampler, mask.shape[1], TREE
    trunk = sampler.log_uniform(number, config.half_trunk)
    crown = sampler.log_uniform(number, config.crown)
    conifer = sampler.chance(number, config.conifers)
    crown = np.where(conifer, config.conifer_crown * crown, crown)
    thick = sampler.uniform(number, config.thickness) * (config.thicker + crown)
    bark, leaves = site.materials.sample(BARK, number), site.materials.sample(FOLIAGE, number)
    site.ground.shadow(frame, crown, 2 * trunk, mask)
    high = trunk + config.into_crown * crown
    stem = Part((0.0, high, 0.0), (thick, high, thick), bark, CYLINDER)
    site.primitives.add_parts(frame, mask, [stem])
    for level in range(config.levels):
        broad = sampler.uniform(number, config.size)
        taper = config.conifer_size - config.conifer_taper * level
        size = crown * np.where(conifer, taper, broad)
        aside, along = (
            np.where(conifer, 0.0, sampler.symmetric(number, config.aside) * crown)
            for _ in range(2)
        )
        tall = size * np.where(conifer, config.conifer_tall, sampler.uniform(number, config.tall))
        steps = (config.conifer_rise + config.conifer_step * level) * crown
        rise = np.where(conifer, steps, sampler.uniform(number, config.rise) * crown)
        part = Part((aside, 2 * trunk + rise, along), (size, tall, size), leaves, ELLIPSOID)
        site.primitives.add_parts(frame, mask, [part])
