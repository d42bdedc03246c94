# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lamps, beams and ducts below the ceilings of halls."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Grey, Material, repeat
from spike_training.scenes.building.sampler import QUARTER_TURN, Range, cos_sin
from spike_training.scenes.halls.config import ByKind, Hall
from spike_training.scenes.scene import BOX, CYLINDER

BEYOND = 60.0
"""Half length of what reaches through the walls, metres."""


class LampConfig(NamedTuple):
    """Lamps, metres.

    Attributes:
        number: Of places for them.
        chance: Probability of each.
        nearest: Least distance from the camera over ground.
        farthest: Greatest.
        drop: Below the ceiling.
        half_x: Half length.
        half_y: Half height.
        half_z: Half width.
        kinds: Of solids.
    """

    number: int = 6
    chance: float = 0.7
    nearest: float = 1.0
    farthest: float = 16.0
    drop: Range = (0.04, 0.5)
    half_x: Range = (0.08, 0.8)
    half_y: float = 0.04
    half_z: Range = (0.08, 0.2)
    kinds: tuple[int, ...] = (BOX, BOX, CYLINDER)


class BeamConfig(NamedTuple):
    """Beams across the hall, metres.

    Attributes:
        chance: Probability in each kind of hall.
        number: Of beams.
        step: From beam to beam.
        half_height: Limits.
        half_width: Limits.
    """

    chance: ByKind = ByKind(0.9, 0.4, 0.5, 0.2)
    number: int = 6
    step: Range = (1.5, 4.0)
    half_height: Range = (0.06, 0.3)
    half_width: Range = (0.04, 0.15)


class DuctConfig(NamedTuple):
    """Ducts, metres.

    Attributes:
        number: Of ducts.
        chance: Probability of each over that of beams.
        room_height: Height of halls too low for them.
        half: Half thickness.
        along: Probability of a duct along z.
        drop: Of the upper side below the ceiling.
        aside: Greatest way along x from the camera, of one along z.
        ahead: Greatest way along z from the camera, of one along x.
    """

    number: int = 2
    chance: float = 0.6
    room_height: float = 2.9
    half: Range = (0.1, 0.35)
    along: float = 0.6
    drop: float = 0.1
    aside: float = 2
    ahead: float = 4


LAMP, BEAM, DUCT = LampConfig(), BeamConfig(), DuctConfig()
LAMP_MATERIAL = Material(('plain',), glow=(0.3, 3.0), bright=Grey(0.9))
STEEL = Material(('plain', 'wood', 'plaster', 'ribs'), (0.6, 2.0))
SHEET = Material(('plain', 'ribs', 'stripes'), (0.6, 2.0))


def add_overhead(site: Site, hall: Hall) -> None:
    """Add lamps, beams and ducts."""
    share = hall.by_kind(BEAM.chance)
    _add_lamps(site, hall)
    sampler, view, number = site.sampler, hall.view, BEAM.number
    step, deep = sampler.uniforms(1, BEAM.step, BEAM.half_height)
    lines = np.arange(number, dtype=np.float32) - 0.5 * (number - 1)
    steel = site.materials.sample(STEEL, 1)
    site.primitives.add(
        (0.0, hall.height - deep, view.z + step * lines),
        (BEYOND, deep, sampler.uniform(1, BEAM.half_width)),
        repeat(steel, number),
        mask=sampler.chance(1, share),
    )
    duct, along = sampler.uniform(2, DUCT.half), sampler.chance(DUCT.number, DUCT.along)
    x = np.where(along, view.x + sampler.symmetric(DUCT.number, DUCT.aside), 0.0)
    z = np.where(along, 0.0, view.z + sampler.symmetric(DUCT.number, DUCT.ahead))
    site.primitives.add(
        (x, hall.height - DUCT.drop - duct, z),
        (np.where(along, duct, BEYOND), duct, np.where(along, BEYOND, duct)),
        site.materials.sample(SHEET, DUCT.number),
        mask=sampler.chance(DUCT.number, DUCT.chance * share) & (hall.height > DUCT.room_height),
    )


def _add_lamps(site: Site, hall: Hall) -> None:
    sampler, number = site.sampler, LAMP.number
    at = hall.view.ahead(sampler, number, LAMP.nearest, LAMP.farthest)
    drop = sampler.uniform(1, LAMP.drop)
    half_x, half_z = sampler.uniforms(number, LAMP.half_x, LAMP.half_z)
    angle = QUARTER_TURN
    site.primitives.add(
        (at.x, hall.height - drop, at.z),
        (half_x, LAMP.half_y, half_z),
        site.materials.sample(LAMP_MATERIAL, number),
        kind=sampler.kinds(number, LAMP.kinds),
        heading=cos_sin(np.broadcast_to(angle * sampler.choose(1, (0, 1)), at.x.shape)),
        mask=sampler.chance(number, LAMP.chance),
    )
