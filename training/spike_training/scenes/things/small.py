# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small things that lie on tables, worktops and furniture."""

from __future__ import annotations

from typing import NamedTuple

from spike_training.scenes.building.materials import Material
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.scene import BOX, CYLINDER, ELLIPSOID

ANY_TEXTURE = (
    'poster', 'text', 'print', 'plain', 'stripes', 'weave', 'checks', 'mosaic', 'wood',
)  # fmt: skip
"""Textures of things in rooms."""
GOODS_TEXTURE = (
    'poster', 'text', 'print', 'plain', 'stripes', 'weave', 'checks', 'wood', 'goods',
)  # fmt: skip
"""Textures of things in other places."""
MOST_BOXES = (BOX, BOX, BOX, CYLINDER, CYLINDER, ELLIPSOID)
"""Kinds of solids of things."""


class SmallThings(NamedTuple):
    """Things of a kind that lie on one surface.

    Attributes:
        size: Half size, metres; uniform over ratios.
        width: Half width over that.
        height: Half height over that.
        depth: Half depth over that.
        aside: Greatest way from the middle of the surface to either side, over its half width.
        along: Likewise in depth, limits.
        chance: Probability of each to exist.
        kinds: Kinds of solids.
        material: Of each.
        number: Of things on each surface.
    """

    size: Range
    width: Range
    height: Range
    depth: Range
    aside: float
    along: Range
    chance: float
    kinds: tuple[int, ...]
    material: Material
    number: int
