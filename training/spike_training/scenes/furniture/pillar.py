# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pillars and pieces of wall, from the floor to the ceiling."""

from __future__ import annotations

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Material
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.rooms.config import Placement, Room

NUMBER, CHANCE = 2, 0.25
HALF_WIDTH: Range = (0.08, 0.5)
HALF_DEPTH: Range = (0.06, 0.3)
"""Metres."""
FARTHEST, SPREAD, WALL = 6.0, 1.3, 0.1
"""Of the placement: metres, share of the view, metres."""
SURFACE = Material(('plaster', 'plain', 'bricks', 'tiles', 'wood'), (0.6, 2.5))


def add_pillars(site: Site, room: Room, nearest: float) -> None:
    """Add pillars, at least ``nearest`` metres from the camera."""
    sampler = site.sampler
    at = room.ahead(sampler, NUMBER, Placement((nearest, FARTHEST), SPREAD, WALL))
    half_w, half_d = sampler.uniforms(NUMBER, HALF_WIDTH, HALF_DEPTH)
    site.primitives.add(
        (at.x, room.height / 2, at.z),
        (half_w, room.height / 2, half_d),
        site.materials.sample(SURFACE, NUMBER),
        mask=sampler.chance(NUMBER, CHANCE),
    )
