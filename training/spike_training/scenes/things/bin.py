# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Wheeled bins with lids, barrels, and planters with a plant."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Material
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.scene import BOX, CYLINDER, ELLIPSOID, Array
from spike_training.scenes.things.tree import FOLIAGE


class BinConfig(NamedTuple):
    """Sizes of bins. Lengths in metres.

    Attributes:
        half: Half width.
        half_height: Limits.
        square: Share of square ones.
        lidded: Share of those with a lid, all of them square.
        unplanted: Share of those never with a plant.
        planted: Probability of a plant in the others.
        shadow: Half size of the shadow over the half width.
        lid: Half width and half depth of the lid over the half width.
        half_lid: Half thickness.
        lid_lift: Height of its middle over the bin.
        lid_before: The bin's middle.
        handle_width: Half width of the handle over that of the bin.
        handle: Half thickness of the handle.
        handle_below: From the upper edge to its middle.
        handle_behind: From the rear face to its middle.
    """

    half: Range = (0.24, 0.42)
    half_height: Range = (0.25, 0.62)
    square: float = 0.65
    lidded: float = 0.4
    unplanted: float = 0.5
    planted: float = 0.7
    shadow: float = 1.2
    lid: tuple[float, float] = (1.05, 1.08)
    half_lid: float = 0.035
    lid_lift: float = 0.03
    lid_before: float = 0.02
    handle_width: float = 0.8
    handle: float = 0.02
    handle_below: float = 0.03
    handle_behind: float = 0.04


class PlanterConfig(NamedTuple):
    """The plant of a planter.

    Attributes:
        size: Half width of its parts over that of the planter.
        parts: Number of parts.
        aside: Greatest way of a part from the middle, over the planter's half width.
        rise: Height of the middle over the planter, over the part's half width.
        tall: Half height over half width.
    """

    size: Range = (0.8, 1.4)
    parts: int = 2
    aside: float = 0.3
    rise: float = 0.6
    tall: Range = (0.7, 1.5)


BIN, PLANTER = BinConfig(), PlanterConfig()
BODY = Material(('plain', 'ribs', 'planks', 'stripes'), (0.5, 1.5), vivid=0.9)
LID = Material(('plain',), 1.0)


def add_bins(site: Site, frame: Frame, mask: Array) -> None:
    """Add bins, barrels and planters."""
    sampler, number = site.sampler, mask.shape[1]
    half, tall = sampler.uniforms(number, BIN.half, BIN.half_height)
    kind = sampler(number)
    body, lid = site.materials.sample(BODY, number), site.materials.sample(LID, number)
    site.ground.shadow(frame, BIN.shadow * half, 2 * tall, mask)
    shape = np.where(kind < BIN.square, BOX, CYLINDER).astype(np.int8)
    trunk = Part((0.0, tall, 0.0), (half, tall, half), body, shape)
    site.primitives.add_parts(frame, mask, [trunk])
    parts = [
        Part(
            (0.0, 2 * tall + BIN.lid_lift, -BIN.lid_before),
            (BIN.lid[0] * half, BIN.half_lid, BIN.lid[1] * half),
            lid,
        ),
        Part(
            (0.0, 2 * tall - BIN.handle_below, half + BIN.handle_behind),
            (BIN.handle_width * half, BIN.handle, BIN.handle),
            lid,
        ),
    ]
    site.primitives.add_parts(frame, mask & (kind < BIN.lidded), parts)
    size = half * sampler.uniform(number, PLANTER.size)
    leaves = site.materials.sample(FOLIAGE, number)
    planted = mask & (kind > BIN.unplanted) & sampler.chance(number, BIN.planted)
    for _ in range(PLANTER.parts):
        aside = sampler.symmetric(number, PLANTER.aside) * half
        along = sampler.symmetric(number, PLANTER.aside) * half
        high = size * sampler.uniform(number, PLANTER.tall)
        place = (aside, 2 * tall + PLANTER.rise * size, along)
        crown = Part(place, (size, high, size), leaves, ELLIPSOID)
        site.primitives.add_parts(frame, planted, [crown])
