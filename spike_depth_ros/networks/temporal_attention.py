# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Temporal module of ``dpt_hybrid``: attention over planes, then residual blocks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.networks.encoder import TransformerBlock

CELLS = 8
"""Rows and columns of the grid of firing rates of a plane's token."""

GROUPS = 8
"""Groups of group normalisation, which does not depend on the batch."""


class ResidualBlock(nn.Module):
    """Residual block of two 3x3 convolutions with group normalisation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(GROUPS, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(GROUPS, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, C, H, W]`` to ``[B, C, H, W]``."""
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(x + self.norm2(self.conv2(y)))


class TemporalAttention(nn.Module):
    """Temporal module from raw planes to feature maps (BiCross, section III-A, Fig. 3 a).

    The paper names temporal attention and residual blocks without details. Here planes attend to
    each other: a plane's token is its firing rate on a coarse grid with its position in time, and
    the output is a weight of the plane, 0 to 2. The weighted planes are mixed into ``features``
    maps pixel by pixel, and residual blocks refine these. The cost depends on the number of planes
    only up to that mixing.
    """

    def __init__(self, planes: int, features: int, blocks: int, dim: int, heads: int = 4) -> None:
        """Build the module.

        Args:
            planes: Planes of a window.
            features: Output channels, a multiple of ``GROUPS``.
            blocks: Residual blocks.
            dim: Width of the planes' tokens; ``heads`` divides it.
            heads: Attention heads.
        """
        super().__init__()
        self.embed = nn.Linear(CELLS**2, dim)
        self.time = nn.Parameter(torch.empty(1, planes, dim))
        self.attention = TransformerBlock(dim, heads, mlp_ratio=2)
        self.norm = nn.LayerNorm(dim)
        self.gate = nn.Linear(dim, 1)
        self.mix = nn.Linear(planes, features)
        self.norm_mix = nn.GroupNorm(GROUPS, features)
        self.blocks = nn.Sequential(*(ResidualBlock(features) for _ in range(blocks)))
        nn.init.trunc_normal_(self.time, std=0.02)

    def forward(self, counts: Tensor, planes_per_bin: Tensor) -> Tensor:
        """Map planes to feature maps.

        Args:
            counts: Spikes, ``[B, planes, H, W]``, any real dtype; H and W at least 1.
            planes_per_bin: ``[planes]``, 1 each for raw planes. A window of another length has
                counts over more planes, or repeated planes.

        Returns:
            Float ``[B, features, H, W]``.
        """
        # A spike becomes 1, none -1.
        scale = 2 * planes_per_bin.float().reciprocal()
        x = (counts * scale[:, None, None] - 1).to(self.mix.weight.dtype)
        # The weights go to the mixing matrix, [B, features, planes], not to a copy of all planes.
        matrix = self.mix.weight * self.plane_weights(x)[:, None, :]
        mixed = torch.bmm(matrix, x.flatten(2)) + self.mix.bias[:, None]
        maps = self.norm_mix(mixed.reshape(len(x), -1, *x.shape[2:]))
        y: Tensor = self.blocks(F.relu(maps))
        return y

    def plane_weights(self, x: Tensor) -> Tensor:
        """Compute the weight of each plane, 0 to 2, ``[B, planes]``, for planes in -1..1."""
        rates = F.adaptive_avg_pool2d(x, CELLS).flatten(2)
        tokens = self.attention(self.embed(rates) + self.time)
        return 2 * torch.sigmoid(self.gate(self.norm(tokens))).squeeze(2)
