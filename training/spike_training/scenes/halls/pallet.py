# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pallets, empty or with boxes stacked in up to three layers."""

from __future__ import annotations

from typing import NamedTuple

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Material
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.halls.config import ByKind, FloorThings, Hall
from spike_training.scenes.scene import Array


class PalletConfig(NamedTuple):
    """Sizes of pallets, metres.

    Attributes:
        top_height: Of the middle of the upper boards.
        top: Half sizes of the upper boards.
        skids: Places of the skids in depth.
        skid: Half sizes of a skid.
        shadow: Half size of the shadow.
        shadow_height: Height that the shadow is of.
    """

    top_height: float = 0.125
    top: tuple[float, float, float] = (0.6, 0.015, 0.4)
    skids: tuple[float, ...] = (-0.35, 0.0, 0.35)
    skid: tuple[float, float, float] = (0.6, 0.055, 0.05)
    shadow: float = 0.65
    shadow_height: float = 0.6


class LoadConfig(NamedTuple):
    """Boxes on a pallet. Lengths in metres.

    Attributes:
        layers: Numbers of layers.
        half_height: Of a box.
        chance: Probability of each box.
        size: Varied size of a box, whose half depth is a share of it.
        depth: That share.
        half_width: Of a box.
        aside: From the middle to either box.
        foot: Height of the lowest boxes.
        tile: Width of a texture's tile.
    """

    layers: tuple[int, ...] = (0, 1, 2, 3, 3)
    half_height: Range = (0.12, 0.32)
    chance: float = 0.93
    size: Range = (0.42, 0.58)
    depth: float = 0.7
    half_width: float = 0.29
    aside: float = 0.3
    foot: float = 0.14
    tile: float = 0.6


PALLETS = FloorThings(5, 1.2, 1.5, ByKind(warehouse=0.6, corridor=0.08), farthest=12.0)
PALLET, LOAD = PalletConfig(), LoadConfig()
WOOD = Material(('planks', 'wood'), 1.0)
BOXES = Material(('print', 'plain', 'goods', 'poster', 'folds', 'wood'), contrast=0.9)


def add_pallets(site: Site, hall: Hall) -> None:
    """Add pallets to warehouses and some corridors."""
    at = hall.sample_poses(site.sampler, PALLETS)
    mask = hall.sample_mask(site.sampler, PALLETS, at)
    wood = site.materials.sample(WOOD, PALLETS.number)
    parts = [Part((0.0, PALLET.top_height, 0.0), PALLET.top, wood)]
    parts += [Part((0.0, PALLET.skid[1], along), PALLET.skid, wood) for along in PALLET.skids]
    site.ground.shadow(at, PALLET.shadow, PALLET.shadow_height, mask)
    site.primitives.add_parts(at, mask, parts)
    _add_load(site, at, mask)


def _add_load(site: Site, at: Frame, mask: Array) -> None:
    """Add layers of two boxes."""
    sampler, number = site.sampler, PALLETS.number
    layers, high = sampler.choose(number, LOAD.layers), sampler.uniform(number, LOAD.half_height)
    material = site.materials.sample(BOXES, number, (LOAD.tile, 2 * high))
    for layer in range(max(LOAD.layers)):
        for side in (-1, 1):
            deep = LOAD.depth * sampler.uniform(number, LOAD.size)
            raised = LOAD.foot + (2 * layer + 1) * high
            box = Part((side * LOAD.aside, raised, 0.0), (LOAD.half_width, high, deep), material)
            chosen = mask & (layers > layer) & sampler.chance(number, LOAD.chance)
            site.primitives.add_parts(at, chosen, [box])
