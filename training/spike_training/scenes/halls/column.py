# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Columns on a grid, round or square, from the floor to the ceiling."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Material, repeat
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import Range, cos_sin
from spike_training.scenes.halls.config import ByKind, Hall
from spike_training.scenes.scene import BOX, CYLINDER


class ColumnConfig(NamedTuple):
    """Two rows of columns. Lengths in metres.

    Attributes:
        chance: Probability in each kind of hall.
        number: Of columns.
        step_x: From the middle to each row, over the half width of the hall.
        steps_z: Number of steps along the hall.
        shift: Greatest shift of all along x, over the half width.
        half: Half thickness.
        walls: Least way to the end walls.
        clear: Distance from the camera that they keep, beyond their half thickness.
        round: Probability of cylinders.
        base_chance: Probability of a base of another material.
        base: Half thickness of the base over that of the column.
        half_base: Half height of the base.
    """

    chance: ByKind = ByKind(warehouse=0.6, lobby=0.6)
    number: int = 12
    step_x: Range = (0.45, 0.7)
    steps_z: Range = (3.0, 6.0)
    shift: float = 0.2
    half: Range = (0.1, 0.4)
    walls: float = 0.3
    clear: float = 0.9
    round: float = 0.5
    base_chance: float = 0.3
    base: float = 1.08
    half_base: float = 0.5


COLUMN = ColumnConfig()
SURFACE = Material(('plaster', 'plain', 'tiles', 'blocks', 'bricks', 'stripes'), (0.6, 2.5))
BASE = Material(('stripes', 'plain', 'ribs'), 0.8, vivid=0.9)


def add_columns(site: Site, hall: Hall) -> None:
    """Add columns to some halls."""
    sampler, number = site.sampler, COLUMN.number
    mask = sampler.chance(1, hall.by_kind(COLUMN.chance))
    step_x = sampler.uniform(1, COLUMN.step_x) * hall.half_x
    step_z = hall.half_z * 2 / sampler.uniform(1, COLUMN.steps_z)
    place = np.arange(number)
    x = step_x * (2 * (place % 2) - 1) + sampler.symmetric(1, COLUMN.shift) * hall.half_x
    z = step_z * (place // 2 - (number / 2 - 1) / 2)
    size = sampler.uniform(1, COLUMN.half)
    heading = cos_sin(np.zeros_like(x))
    frame = Frame(x.astype(np.float32), 0.0, z.astype(np.float32), heading)
    clear = hall.view.clear_of(frame, size + COLUMN.clear)
    mask = mask & ((np.abs(z) < hall.half_z - COLUMN.walls) & clear)
    column = site.materials.sample(SURFACE, 1)
    shape = np.where(sampler.chance(1, COLUMN.round), CYLINDER, BOX).astype(np.int8)
    half = (size, hall.height / 2, size)
    shaft = Part((0.0, hall.height / 2, 0.0), half, repeat(column, number), shape)
    site.primitives.add_parts(frame, mask, [shaft])
    broad, material = COLUMN.base * size, site.materials.sample(BASE, number)
    base = Part((0.0, COLUMN.half_base, 0.0), (broad, COLUMN.half_base, broad), material)
    site.primitives.add_parts(frame, mask & sampler.chance(1, COLUMN.base_chance), [base])
