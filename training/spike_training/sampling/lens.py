# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Light on its way to the sensor: through air, and through a lens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_BLOTCHES = 4, 6  # of dirt, down and across


def clearness(depth: Tensor, haze_m: Tensor | float) -> Tensor:
    """Return the share of the light of each pixel that haze leaves, ``[B, H, W]``, 0 to 1.

    Haze of the generated scenes: ``1 / (1 + depth / haze_m)``. The sky is clear.

    Args:
        depth: Metres, ``[B, H, W]``; +Inf is sky.
        haze_m: Depth at which half of the light is left, metres, ``[B, 1, 1]`` or a number.
    """
    near = (1 + depth / haze_m).reciprocal()
    return torch.where(depth.isinf(), 1.0, near)


def falloff(rows: int, columns: int, device: torch.device | str) -> Tensor:
    """Return the squared distance from the middle, ``[H, W]``: 0 there, 1 in the corners."""
    y = torch.linspace(-1, 1, rows, device=device)[:, None]
    x = torch.linspace(-1, 1, columns, device=device)
    return (x.square() + y.square()) / 2


def dirt(rows: int, columns: int, device: torch.device | str) -> Tensor:
    """Return how much light a dirty lens scatters to each pixel, ``[H, W]``, mean 1.

    Blotches that are fixed to the lens, the same in all pictures.
    """
    drawn = torch.rand((1, 1, *_BLOTCHES), generator=torch.Generator().manual_seed(0))
    blotches = F.interpolate(drawn, (rows, columns), mode='bilinear', align_corners=True)[0, 0]
    return (blotches / blotches.mean()).to(device)
