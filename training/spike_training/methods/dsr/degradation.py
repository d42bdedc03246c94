# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Crops of full-size maps for training, and their small maps, drawn from the depth of a batch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from spike_training.engine.stage import Phase
from spike_training.evaluation.small_maps import SHRINK, disturb, grey_levels
from spike_training.methods.dsr.settings import CropsConfig, EnlargeConfig
from spike_training.sampling.sample import Batch


class Crops(NamedTuple):
    """Crops of full-size maps and of their pictures.

    Attributes:
        truth: Grey levels of inverse depth, ``[B, 1, H, W]``, whole numbers from 0 to 255; 0 is
            unknown.
        rgb: Colours from 0 to 1, ``[B, 3, H, W]``; None: there are none.
    """

    truth: Tensor
    rgb: Tensor | None


class Pairs(NamedTuple):
    """Small maps and their truth, grey levels of inverse depth.

    Attributes:
        small: ``[B, 1, h, w]``; 0 is a hole.
        truth: ``[B, 1, h factor, w factor]``, whole numbers from 0 to 255; 0 is unknown.
        factor: Factor between both sizes.
        rgb: Colours from 0 to 1 at the full size, ``[B, 3, H, W]``; None: there are none.
    """

    small: Tensor
    truth: Tensor
    factor: int
    rgb: Tensor | None


def generator_of(batch: Batch, phase: Phase) -> torch.Generator:
    """Return the random generator of a batch; that of a validation depends on the batch alone."""
    seed = batch.index[0] if phase == 'val' else torch.randint(1 << 62, ())
    return torch.Generator().manual_seed(int(seed))


def draw_pairs(batch: Batch, config: EnlargeConfig, generator: torch.Generator) -> Pairs:
    """Draw crops of full-size maps and make their small maps.

    Factor, way to make small maps, noise and holes are drawn once for all crops, their places for
    each one.

    Args:
        batch: Depth of scenes, and their colours.
        config: Settings of the stage.
        generator: Random generator of the CPU.

    Returns:
        Pairs of ``config.crops`` crops of each map. Crops are smaller where a map is smaller.
    """
    factor = config.factors[_whole(len(config.factors), generator)]
    lows = [*SHRINK] if config.low == 'mixed' else [config.low]
    low = lows[_whole(len(lows), generator)]
    noise, holes = (
        most * float(torch.rand((), generator=generator)) for most in (config.noise, config.holes)
    )
    truth, rgb = draw_crops(batch, config, generator, max(config.factors))
    small = disturb(SHRINK[low](truth, factor), noise, holes, generator)
    return Pairs(small, truth, factor, rgb)


def draw_crops(
    batch: Batch, config: CropsConfig, generator: torch.Generator, multiple: int = 1
) -> Crops:
    """Draw crops at random places of each map of a batch.

    Args:
        batch: Depth of scenes in metres, ``[B, 1, H, W]``, and their colours; what is not finite
            and above 0 has no depth.
        config: Settings of the stage.
        generator: Random generator of the CPU.
        multiple: Number that the side of crops is a multiple of, where maps are smaller than them.

    Returns:
        ``config.crops`` crops of each map.
    """
    levels, _ = grey_levels(batch.depth)
    images = levels if batch.rgb is None else torch.cat([levels, batch.rgb], dim=1)
    height, width = images.shape[-2:]
    # A dry run measures on maps that are smaller than the crops.
    side = min(config.crop, height, width) // multiple * multiple
    found = []
    for one in images:
        for _ in range(config.crops):
            row, column = (_whole(size - side + 1, generator) for size in (height, width))
            found.append(one[:, row : row + side, column : column + side])
            if config.rotate and torch.rand((), generator=generator) < 0.5:
                found[-1] = found[-1].rot90(2, (-2, -1))
    crops = torch.stack(found)
    return Crops(crops[:, :1], None if batch.rgb is None else crops[:, 1:])


def _whole(below: int, generator: torch.Generator) -> int:
    return int(torch.randint(below, (), generator=generator))
