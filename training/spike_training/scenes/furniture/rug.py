# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rugs on the floor."""

from __future__ import annotations

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Material
from spike_training.scenes.building.primitives import Part
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.rooms.config import Placement, Room

CHANCE = 0.5
HALF_WIDTH: Range = (0.5, 1.3)
HALF_LENGTH: Range = (0.4, 1.0)
HALF_HEIGHT = 0.006
"""Metres."""
PLACEMENT = Placement((1.0, 4.0), 0.6, 0.6)
FABRIC = Material(('weave', 'checks', 'stripes', 'poster', 'mosaic'), (0.4, 2.0))


def add_rug(site: Site, room: Room) -> None:
    """Add a rug to half of the rooms."""
    sampler = site.sampler
    at = room.ahead(sampler, 1, PLACEMENT)
    half_w, half_l = sampler.uniforms(1, HALF_WIDTH, HALF_LENGTH)
    fabric = site.materials.sample(FABRIC, 1)
    rug = Part((0.0, HALF_HEIGHT, 0.0), (half_w, HALF_HEIGHT, half_l), fabric)
    site.primitives.add_parts(at, sampler.chance(1, CHANCE), [rug])
