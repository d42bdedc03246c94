# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boxes, pots, bags and balls, some of the boxes with another on top."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Material
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.scene import BOX, CYLINDER, Array
from spike_training.scenes.things.small import MOST_BOXES


class CrateConfig(NamedTuple):
    """Sizes of crates.

    Attributes:
        smallest: Mean half size, metres; the greatest depends on the place.
        largest: The usual greatest one.
        half: Half sizes over that.
        kinds: Of solids.
    """

    smallest: float = 0.06
    largest: float = 0.4
    half: Range = (0.45, 1.2)
    kinds: tuple[int, ...] = MOST_BOXES


class Stack(NamedTuple):
    """Things on the ground, some of the boxes with another thing on top.

    Attributes:
        surface: Material of all; centred on the lower things.
        shadow: Half size of the shadow over that of the thing.
        size: Size of the upper thing over that of the lower.
        chance: Probability of one on each box.
        height: Half height of the upper thing over its size.
        aside: Its place over the size of the lower.
        within: Whether it is no wider than the lower.
    """

    surface: Material
    shadow: float
    size: Range
    chance: float
    height: float = 0.7
    aside: float = 0.0
    within: bool = True


CRATE = CrateConfig()
TEXTURES = ('plain', 'wood', 'poster', 'planks', 'stripes', 'ribs', 'print', 'weave', 'goods')
STACK = Stack(Material(TEXTURES, fit=True), shadow=1.15, size=(0.4, 0.8), chance=0.35)


def add_crates(site: Site, frame: Frame, mask: Array, largest: float = CRATE.largest) -> None:
    """Add crates of mean half sizes up to ``largest`` metres."""
    sampler, number = site.sampler, mask.shape[1]
    size = sampler.log_uniform(number, (CRATE.smallest, largest))
    x, y, z = (size * sampler.uniform(number, CRATE.half) for _ in range(3))
    kind = sampler.kinds(number, CRATE.kinds)
    z = np.where(kind == CYLINDER, x, z)
    add_stacks(site, frame, mask, STACK, size, (x, y, z), kind)


def add_stacks(
    site: Site,
    frame: Frame,
    mask: Array,
    stack: Stack,
    size: Array,
    half: tuple[Array, Array, Array],
    kind: Array,
) -> None:
    """Add things with their shadows, and another on top of some boxes.

    Args:
        site: Scenes in construction.
        frame: Poses of the things, ``[B, k]``.
        mask: Those that exist.
        stack: Materials of the things, and distribution of those on top.
        size: Mean half sizes, ``[B, k]`` metres.
        half: Half sizes, each ``[B, k]`` metres.
        kind: Of solids, ``[B, k]``.
    """
    sampler, number, (x, y, z) = site.sampler, mask.shape[1], half
    site.ground.shadow(frame, stack.shadow * np.maximum(x, z), 2 * y, mask)
    material = site.materials.sample(stack.surface, number, 2 * size)
    site.primitives.add_parts(frame, mask, [Part((0.0, y, 0.0), half, material, kind)])
    upper = size * sampler.uniform(number, stack.size)
    tall = stack.height * upper
    wide, deep = (np.minimum(upper, x), np.minimum(upper, z)) if stack.within else (upper, upper)
    site.primitives.add(
        frame.at(stack.aside * size, 2 * y + tall, 0.0),
        (wide, tall, deep),
        site.materials.sample(dataclasses.replace(stack.surface, fit=False), number, 2 * upper),
        heading=sampler.headings(number),
        mask=mask & (kind == BOX) & sampler.chance(number, stack.chance),
    )
