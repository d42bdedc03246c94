# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Open shelves with boards, and things of their own on each board."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Material, repeat
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.rooms.config import Room, WallPlacement
from spike_training.scenes.scene import BOX, CYLINDER, Array


class ShelfConfig(NamedTuple):
    """Sizes of shelves, metres.

    Attributes:
        chance: Probability of a shelf in a room.
        half_width: Limits.
        height: Limits.
        depth: Limits.

        boards: Number of them.
        foot: Height of the lowest.
        half_board: Half thickness.
        half_back: Half thickness of the panel behind.
        back_inset: From the rear edge to the middle of that panel.
    """

    chance: float = 0.6
    half_width: Range = (0.4, 0.7)
    height: Range = (1.2, 2.1)
    depth: Range = (0.24, 0.38)

    boards: int = 5
    foot: float = 0.02
    half_board: float = 0.012
    half_back: float = 0.006
    back_inset: float = 0.01


class ContentConfig(NamedTuple):
    """Things on each board: two groups. Shares are of the shelf's half width or depth.

    Attributes:
        sides: Middles of the groups.
        half_width: Share of the half width.
        half_height: Share of the height between two boards.
        shift: Greatest shift to either side, share of the half width.
        foot: Height of their lower edge over the middle of a board, metres.
        along: Greatest shift in depth, metres.
        depth: Share of the half depth.
        wider: Width of a texture's tile over that of the group.
        kinds: Of solids.
        chance: Probability of each group.
    """

    sides: tuple[float, float] = (-0.5, 0.5)
    half_width: Range = (0.15, 0.45)
    half_height: Range = (0.25, 0.45)
    shift: float = 0.1
    foot: float = 0.032
    along: float = 0.05
    depth: Range = (0.4, 0.8)
    wider: Range = (1, 2)
    kinds: tuple[int, ...] = (BOX, BOX, BOX, CYLINDER)
    chance: float = 0.8


SHELF, CONTENT = ShelfConfig(), ContentConfig()
PLACEMENT = WallPlacement(far=0.5, aside=0.9)
BOARD = Material(('wood', 'plain'), (0.5, 1.5))
GOODS = Material(
    ('books', 'goods', 'poster', 'text', 'stripes', 'plain', 'doors'), fit=True, contrast=0.95
)


def add_shelf(site: Site, room: Room) -> None:
    """Add a shelf at the far wall or a side wall of most rooms."""
    sampler = site.sampler
    mask = sampler.chance(1, SHELF.chance)
    half_w, tall = sampler.uniforms(1, SHELF.half_width, SHELF.height)
    deep = sampler.uniform(1, SHELF.depth)
    frame = room.at_wall(sampler, PLACEMENT, half_w, deep / 2, np.int64)
    board = site.materials.sample(BOARD, 1)
    number = SHELF.boards
    level = np.arange(number, dtype=np.float32) * (tall / number)
    edge = half_w * np.array([-1, 1], np.float32)
    level_half, side_half = (half_w, SHELF.half_board), (SHELF.half_board, tall / 2)
    back_half = (half_w, tall / 2, SHELF.half_back)
    parts = [
        Part((0.0, level + SHELF.foot, 0.0), (*level_half, deep / 2), repeat(board, number)),
        Part((edge, tall / 2, 0.0), (*side_half, deep / 2), repeat(board, 2)),
        Part((0.0, tall / 2, deep / 2 - SHELF.back_inset), back_half, board),
    ]
    site.primitives.add_parts(frame, mask, parts)
    for side in CONTENT.sides:
        _fill(site, frame, mask, side, (half_w, tall, deep))


def _fill(
    site: Site, frame: Frame, mask: Array, side: float, sizes: tuple[Array, Array, Array]
) -> None:
    sampler, number = site.sampler, SHELF.boards
    half_w, tall, deep = sizes
    level = np.arange(number, dtype=np.float32) * (tall / number)
    wide = half_w * sampler.uniform(number, CONTENT.half_width)
    high = tall / number * sampler.uniform(number, CONTENT.half_height)
    aside = half_w * (side + sampler.symmetric(number, CONTENT.shift))
    place = (aside, level + CONTENT.foot + high, sampler.symmetric(number, CONTENT.along))
    half = (wide, high, deep / 2 * sampler.uniform(number, CONTENT.depth))
    tile = (2 * wide * sampler.uniform(number, CONTENT.wider), 2 * high)
    goods = site.materials.sample(GOODS, number, tile)
    part = Part(place, half, goods, sampler.kinds(number, CONTENT.kinds))
    site.primitives.add_parts(frame, mask & sampler.chance(number, CONTENT.chance), [part])
