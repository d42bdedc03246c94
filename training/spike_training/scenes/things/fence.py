# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fences of posts with rails or boards that one can see through."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Colour, Material, repeat
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.scene import Array


class FenceConfig(NamedTuple):
    """Sizes of fences. Lengths in metres.

    Attributes:
        posts: Number of them.
        step: From post to post.
        half_height: Limits.
        boards: Steps below which posts are boards.
        board: Half width of boards.
        half_board: Half thickness of boards.
        post: Half thickness of posts.
        rails: Numbers of rails.
        top_rail: Height of the highest rail over the half height of the fence.
        rail_step: From rail to rail, likewise.
        rail: Half height and half depth of a rail.
        rail_behind: The posts.
    """

    posts: int = 12
    step: Range = (0.25, 2.2)
    half_height: Range = (0.4, 0.8)
    boards: float = 0.9
    board: Range = (0.03, 0.07)
    half_board: float = 0.012
    post: Range = (0.03, 0.06)
    rails: tuple[int, ...] = (1, 2, 3)
    top_rail: float = 1.8
    rail_step: float = 0.55
    rail: tuple[float, float] = (0.035, 0.015)
    rail_behind: float = 0.03


FENCE = FenceConfig()
WOOD = Material(('wood', 'plain', 'planks'), 0.5, bright=Colour(0.08, 0.7, 0.2))


def add_fence(site: Site, frame: Frame, mask: Array) -> None:
    """Add one fence to each scene, ``[B, 1]``."""
    sampler, number = site.sampler, FENCE.posts
    step, tall = sampler.uniforms(1, FENCE.step, FENCE.half_height)
    narrow = step < FENCE.boards
    wood = site.materials.sample(WOOD, 1)
    place = (np.arange(number, dtype=np.float32) - 0.5 * (number - 1)) * step
    board, post = sampler.uniforms(1, FENCE.board, FENCE.post)
    half = np.where(narrow, board, post)
    size = (half, tall, np.where(narrow, FENCE.half_board, half))
    upright = Part((place, tall, 0.0), size, repeat(wood, number))
    site.primitives.add_parts(frame, mask, [upright])
    rails = sampler.choose(1, FENCE.rails)
    for k in range(max(FENCE.rails)):
        high = tall * (FENCE.top_rail - FENCE.rail_step * k)
        rail = Part((0.0, high, FENCE.rail_behind), (0.5 * number * step, *FENCE.rail), wood)
        site.primitives.add_parts(frame, mask & (rails > k), [rail])
