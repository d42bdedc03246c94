# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plants in pots."""

from __future__ import annotations

from typing import NamedTuple

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Colour, Material
from spike_training.scenes.building.primitives import Frame
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.scene import CYLINDER, ELLIPSOID


class PlantConfig(NamedTuple):
    """Sizes of a plant in its pot. Lengths in metres.

    Attributes:
        chance: Probability of one in a scene.
        pot: Half sizes of the pot.
        heading: Radians.
        shadow: Half size of the shadow over that of the pot.
        height: Of all, for the shadow.
        crowns: Number of crowns of leaves.
        crown: Half width of each.
        aside: Greatest way of a crown from the middle.
        rise: Height of its middle over the pot, over its half width.
        tall: Half height over its half width.
    """

    chance: float = 0.35
    pot: Range = (0.1, 0.22)
    heading: Range = (0, 6)
    shadow: float = 1.6
    height: float = 0.6
    crowns: int = 3
    crown: Range = (0.1, 0.35)
    aside: float = 0.2
    rise: Range = (0.7, 2.0)
    tall: Range = (0.6, 1.4)


PLANT = PlantConfig()
POT = Material(('plain', 'stripes'), 0.3)
LEAVES = Material(
    ('leaves',), (0.3, 0.8), contrast=0.95, bright=Colour(0.1, 0.6, 0.2, tint=(0.35, 1.0, 0.25))
)


def add_plant(site: Site, poses: Frame) -> None:
    """Add a plant at the first of the poses."""
    sampler, add = site.sampler, site.primitives.add
    frame = Frame(poses.x[:, :1], 0.0, poses.z[:, :1], sampler.headings(1, PLANT.heading))
    mask = sampler.chance(1, PLANT.chance)
    pot = sampler.uniform(1, PLANT.pot)
    site.ground.shadow(frame, pot * PLANT.shadow, PLANT.height, mask)
    clay = site.materials.sample(POT, 1)
    add(frame.at(0.0, pot, 0.0), (pot, pot, pot), clay, kind=CYLINDER, mask=mask)
    leaves = site.materials.sample(LEAVES, 1)
    for _ in range(PLANT.crowns):
        crown = sampler.uniform(1, PLANT.crown)
        aside = sampler.symmetric(1, PLANT.aside)
        high = 2 * pot + crown * sampler.uniform(1, PLANT.rise)
        centre = frame.at(aside, high, sampler.symmetric(1, PLANT.aside))
        half = (crown, crown * sampler.uniform(1, PLANT.tall), crown)
        add(centre, half, leaves, kind=ELLIPSOID, mask=mask)
