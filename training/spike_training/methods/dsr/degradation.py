# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs of small and full-size maps for training, drawn from the depth of a batch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from spike_training.evaluation.small_maps import SHRINK, disturb, grey_levels
from spike_training.methods.dsr.settings import EnlargeConfig


class Pairs(NamedTuple):
    """Small maps and their truth, grey levels of inverse depth.

    Attributes:
        small: ``[B, 1, h, w]``; 0 is a hole.
        truth: ``[B, 1, h factor, w factor]``, whole numbers from 0 to 255; 0 is unknown.
        factor: Factor between both sizes.
    """

    small: Tensor
    truth: Tensor
    factor: int


def draw_pairs(depth: Tensor, config: EnlargeConfig, generator: torch.Generator) -> Pairs:
    """Draw crops of full-size maps and make their small maps.

    Factor, way to make small maps, noise and holes are drawn once for all crops, their places for
    each one.

    Args:
        depth: Metres, ``[B, 1, H, W]``; what is not finite and above 0 has no depth.
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
    levels, _ = grey_levels(depth)
    truth = _crops(levels, config, generator)
    small = disturb(SHRINK[low](truth, factor), noise, holes, generator)
    return Pairs(small, truth, factor)


def _crops(levels: Tensor, config: EnlargeConfig, generator: torch.Generator) -> Tensor:
    """Return crops at random places of each map."""
    height, width = levels.shape[-2:]
    # A dry run measures on maps that are smaller than the crops.
    side = min(config.crop, height, width) // max(config.factors) * max(config.factors)
    found = []
    for one in levels:
        for _ in range(config.crops):
            row, column = (_whole(size - side + 1, generator) for size in (height, width))
            found.append(one[:, row : row + side, column : column + side])
    return torch.stack(found)


def _whole(below: int, generator: torch.Generator) -> int:
    return int(torch.randint(below, (), generator=generator))
