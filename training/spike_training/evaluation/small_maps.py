# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small depth maps as depth sensors and papers have them, made of full-size ones.

Depth is represented by grey levels of inverse depth, in which errors of near and far pixels weigh
as errors of disparity do. 0 is no depth: sky, unknown pixels and holes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_LEVEL = 255.0
"""Grey level of the nearest pixel of a map."""

PATCH = 4
"""Distance of the random values from which patches of holes are interpolated, small pixels."""

_LEAST_FACTOR = 0.1  # of noise, so that no pixel becomes a hole

Low = Literal['cubic', 'area', 'point']
"""How a small map is made, a key of ``SHRINK``."""


def grey_levels(depth: Tensor) -> tuple[Tensor, Tensor]:
    """Scale the inverse depth of each map into 0 to 255, rounded.

    Args:
        depth: Metres, ``[B, 1, H, W]``; what is not finite and above 0 has no depth.

    Returns:
        Levels of the same shape, whole numbers as float32, 0 where there is no depth; and the
        depth of level 255, the nearest of each map, ``[B, 1, 1, 1]`` metres. A map without any
        depth has 1 m.
    """
    known = depth.isfinite() & (depth > 0)
    inverse = torch.where(known, depth, 1.0).reciprocal() * known
    largest = inverse.amax(dim=(1, 2, 3), keepdim=True)
    nearest = torch.where(largest > 0, largest, 1.0).reciprocal()
    return (MOST_LEVEL * nearest * inverse).round(), nearest


def metres(levels: Tensor, nearest: Tensor) -> Tensor:
    """Convert grey levels back to depth.

    Args:
        levels: ``[B, 1, H, W]``; 0 and NaN have no depth.
        nearest: Depth of level 255, as of :func:`grey_levels`.

    Returns:
        Metres, same shape; NaN where there is no depth.
    """
    return torch.where(levels > 0, MOST_LEVEL * nearest / levels, math.nan)


def _cubic(levels: Tensor, factor: int) -> Tensor:
    # Torch has OpenCV's cubic kernel (a = -0.75) and no low-pass filter unless asked for. Both
    # round halves to even.
    size = [side // factor for side in levels.shape[-2:]]
    return F.interpolate(levels, size, mode='bicubic').round().clamp(0, MOST_LEVEL)


def _area(levels: Tensor, factor: int) -> Tensor:
    share = F.avg_pool2d((levels > 0).to(levels.dtype), factor)
    mean = F.avg_pool2d(levels, factor) / share.clamp(min=1 / factor**2)
    return torch.where(share >= 0.5, mean, 0.0)


def _point(levels: Tensor, factor: int) -> Tensor:
    return levels[..., factor // 2 :: factor, factor // 2 :: factor]


SHRINK: dict[str, Callable[[Tensor, int], Tensor]] = {
    'cubic': _cubic,
    'area': _area,
    'point': _point,
}
"""Functions that make small maps."""


def shrink(levels: Tensor, factor: int, low: Low) -> Tensor:
    """Make the small map of a full-size one.

    - ``cubic``: bit for bit ``cv2.resize(levels, size, interpolation=cv2.INTER_CUBIC)`` of 8-bit
      maps, which has no low-pass filter: a small pixel depends on the nearest 4x4 pixels alone,
      at any factor. The published small maps of Middlebury are made so.
    - ``area``: mean of the pixels with depth, a hole where they are less than half: what a depth
      sensor with large pixels sees. Not rounded.
    - ``point``: one pixel of the middle, as of sensors that measure along single rays.

    Args:
        levels: Grey levels, ``[B, 1, H, W]``, H and W multiples of the factor.
        factor: Factor between both sizes, even.
        low: One of these.

    Returns:
        ``[B, 1, H / factor, W / factor]``; 0 is a hole.
    """
    return SHRINK[low](levels, factor)


def disturb(small: Tensor, noise: float, holes: float, generator: torch.Generator) -> Tensor:
    """Add noise and holes to small maps, as depth sensors have them.

    Args:
        small: ``[B, 1, h, w]``; 0 is a hole.
        noise: Standard deviation, share of each pixel's value, 0 or more.
        holes: Share of the pixels that become holes, 0 to below 1: half of them in patches, half
            single ones. Where both meet, or a hole was before, there are fewer new ones.
        generator: Random generator of the CPU.

    Returns:
        Same shape.
    """
    if noise:
        drawn = torch.randn(small.shape, generator=generator).to(small.device)
        small = small * (1 + noise * drawn).clamp(min=_LEAST_FACTOR)
    if holes:
        singles = torch.rand(small.shape, generator=generator) < holes / 2
        height, width = small.shape[-2:]
        coarse = (len(small), 1, height // PATCH + 2, width // PATCH + 2)
        field = F.interpolate(
            torch.rand(coarse, generator=generator), (height, width), mode='bilinear'
        )
        limit = field.flatten(1).quantile(holes / 2, dim=1)[:, None, None, None]
        small = small.masked_fill((singles | (field < limit)).to(small.device), 0.0)
    return small
