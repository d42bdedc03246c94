# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rows of racks with aisles between them: uprights, beams, goods on every level."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Material, repeat
from spike_training.scenes.building.primitives import Frame, Part, corner_parts
from spike_training.scenes.building.sampler import QUARTER_TURN, Range, cos_sin
from spike_training.scenes.halls.config import Hall
from spike_training.scenes.scene import Array


class RackConfig(NamedTuple):
    """Sizes of racks. Lengths in metres.

    Attributes:
        chance: Probability in a warehouse.
        rows: Number of rows, two at each side of the camera.
        bays: In each row.
        levels: Of each bay.
        aisle: Between rows.
        half_depth: Of a row.
        half_bay: Half length of a bay.
        level: Height of a level.
        headroom: Over all of them, at least.
        across: Probability of aisles along x.
        beside: Greatest way of the aisle's middle from the camera, over the aisle.
        start: Of the first bay, before the camera.
        taken: Probability of each bay.
        post: Half thickness of an upright.
        foot: Height of the lowest board's upper side.
        board_below: From there to its middle.
        half_board: Half thickness.
        beam_below: From there to the middle of the beams.
        beam: Half height and half depth of a beam.
        shadow_height: Height that the shadow is of.
    """

    chance: float = 0.75
    rows: int = 4
    bays: int = 3
    levels: int = 3
    aisle: Range = (1.5, 3.2)
    half_depth: Range = (0.4, 0.6)
    half_bay: Range = (0.9, 1.5)
    level: Range = (0.6, 1.9)
    headroom: float = 0.5
    across: float = 0.3
    beside: float = 0.25
    start: Range = (-1.5, 4.0)
    taken: float = 0.9
    post: float = 0.04
    foot: float = 0.12
    board_below: float = 0.03
    half_board: float = 0.02
    beam_below: float = 0.05
    beam: tuple[float, float] = (0.05, 0.025)
    shadow_height: float = 1.0


class GoodsConfig(NamedTuple):
    """Two groups of goods on each level of a bay.

    Attributes:
        aside: Their middles over the half length of the bay.
        half_width: Over the half length of the bay.
        half_height: Over the height of a level.
        highest: Greatest half height, metres.
        wide: Width of a texture's tile over that of the group.
        along: Greatest shift in depth, metres.
        depth: Half depth over that of the rack.
        chance: Probability of each group.
    """

    aside: tuple[float, float] = (-0.5, 0.5)
    half_width: Range = (0.25, 0.46)
    half_height: Range = (0.2, 0.44)
    highest: Range = (0.3, 0.9)
    wide: Range = (0.5, 1.0)
    along: float = 0.1
    depth: Range = (0.6, 0.98)
    chance: float = 0.75


RACK, GOODS = RackConfig(), GoodsConfig()
STEEL = Material(('plain', 'stripes'), 0.6, vivid=1.0)
BOARD = Material(('wood', 'plain', 'planks'), 1.2)
GOODS_MATERIAL = Material(
    ('goods', 'plain', 'print', 'wood', 'poster', 'folds', 'stripes', 'weave'),
    fit=True,
    contrast=0.95,
)


class _Sizes(NamedTuple):
    """Sampled sizes of the racks, ``[B, 1]`` metres."""

    deep: Array
    bay: Array
    level: Array


def add_racks(site: Site, hall: Hall) -> None:
    """Add racks to most warehouses."""
    sampler = site.sampler
    mask = hall.warehouse & sampler.chance(1, RACK.chance)
    aisle = sampler.uniform(1, RACK.aisle)
    deep, bay = sampler.uniforms(1, RACK.half_depth, RACK.half_bay)
    highest = (hall.height - RACK.headroom) / RACK.levels
    level = np.minimum(sampler.uniform(1, RACK.level), highest)
    across = sampler.chance(1, RACK.across)
    frame = _place(site, hall, across, aisle, _Sizes(deep, bay, level))
    half_x, half_z = np.where(across, bay, deep), np.where(across, deep, bay)
    mask = mask & _within(hall, frame, half_x, half_z)
    mask = mask & sampler.chance(RACK.rows * RACK.bays, RACK.taken)
    _add_frames(site, frame, mask, _Sizes(deep, bay, level), (half_x, half_z))
    for k in range(RACK.levels):
        for aside in GOODS.aside:
            _add_goods(site, frame, mask, _Sizes(deep, bay, level), k, aside)


def _place(site: Site, hall: Hall, across: Array, aisle: Array, sizes: _Sizes) -> Frame:
    """Sample poses of bays: the aisle that the camera stands in has rows at its two sides."""
    sampler, view = site.sampler, hall.view
    index = np.arange(RACK.rows * RACK.bays)
    stand = np.where(across, view.z, view.x)
    middle = stand + sampler.symmetric(1, RACK.beside) * aisle
    row = index // RACK.bays - 0.5 * (RACK.rows - 1)
    lateral = middle + row * (aisle + 2 * sizes.deep)
    cos, sin = cos_sin(view.yaw)
    forward = np.sign(np.where(across, sin, cos))  # along the aisle
    start = np.where(across, view.x, view.z) + forward * sampler.uniform(1, RACK.start)
    along = start + forward * 2 * sizes.bay * (index % RACK.bays)
    x, z = np.where(across, along, lateral), np.where(across, lateral, along)
    heading = cos_sin(np.where(across, 0.0, QUARTER_TURN) + 0 * x)
    return Frame(x, 0.0, z, heading)


def _within(hall: Hall, frame: Frame, half_x: Array, half_z: Array) -> Array:
    """Mask of the bays inside of the hall; afterwards poses are float32."""
    inside: Array = (np.abs(frame.x) < hall.half_x - half_x) & (
        np.abs(frame.z) < hall.half_z - half_z
    )
    frame.x, frame.z = frame.x.astype(np.float32), frame.z.astype(np.float32)
    return inside


def _add_frames(
    site: Site, frame: Frame, mask: Array, sizes: _Sizes, reach: tuple[Array, Array]
) -> None:
    """Add uprights, boards and beams."""
    number, (deep, bay, level) = mask.shape[1], sizes
    steel = site.materials.sample(STEEL, 2)
    post, beam = repeat(steel[:, :1], number), repeat(steel[:, 1:], number)
    board = repeat(site.materials.sample(BOARD, 1), number)
    tall = RACK.levels * level / 2
    site.ground.shadow(frame, reach, RACK.shadow_height, mask)
    upright = (RACK.post, tall, RACK.post)
    parts = corner_parts(bay, tall, deep, upright, post)
    for k in range(RACK.levels):
        high = level * k + RACK.foot
        plate = (bay, RACK.half_board, deep)
        parts.append(Part((0.0, high - RACK.board_below, 0.0), plate, board))
        parts += [
            Part((0.0, high - RACK.beam_below, side * deep), (bay, *RACK.beam), beam)
            for side in (-1, 1)
        ]
    site.primitives.add_parts(frame, mask, parts)


def _add_goods(site: Site, frame: Frame, mask: Array, sizes: _Sizes, k: int, aside: float) -> None:
    """Add a group of goods to level ``k`` of each bay."""
    sampler, number, (deep, bay, level) = site.sampler, mask.shape[1], sizes
    wide = bay * sampler.uniform(number, GOODS.half_width)
    high = level * sampler.uniform(number, GOODS.half_height)
    high = np.minimum(high, sampler.uniform(number, GOODS.highest))
    tile = (2 * wide * sampler.uniform(number, GOODS.wide), 2 * high)
    material = site.materials.sample(GOODS_MATERIAL, number, tile)
    along = sampler.symmetric(number, GOODS.along)
    half = (wide, high, deep * sampler.uniform(number, GOODS.depth))
    part = Part((aside * bay, level * k + RACK.foot + high, along), half, material)
    site.primitives.add_parts(frame, mask & sampler.chance(number, GOODS.chance), [part])
