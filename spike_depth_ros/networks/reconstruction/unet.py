# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""U-Net of the networks of SSML."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.1
"""Slope of LeakyReLU below 0, as in Laine et al."""


def _conv(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.LeakyReLU(SLOPE))


def _pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2)


class UNet(nn.Module):
    """U-Net of four levels (after Laine et al.).

    Args:
        channels: Channels of the input.
        features: Channels of the encoder.
        conv: Function that makes a convolution with its activation from numbers of channels.
        pool: Function that halves the size.
    """

    def __init__(
        self,
        channels: int,
        features: int,
        conv: Callable[[int, int], nn.Module] = _conv,
        pool: Callable[[Tensor], Tensor] = _pool,
    ) -> None:
        super().__init__()
        self.enter = nn.Sequential(conv(channels, features), conv(features, features))
        self.levels = nn.ModuleList(conv(features, features) for _ in range(3))
        wide = 2 * features
        self.decoders = nn.ModuleList(
            nn.Sequential(conv(lower + skip, wide), conv(wide, wide))
            for lower, skip in ((features, features), (wide, features), (wide, channels))
        )
        self.pool = pool

    def forward(self, image: Tensor) -> Tensor:
        """Map ``[B, channels, H, W]``, multiples of 8, to ``[B, 2 features, H, W]``."""
        skips = [image]
        x = self.enter(image)
        for number, level in enumerate(self.levels):
            x = level(self.pool(x))
            if number < 2:
                skips.append(x)
        for decoder, skip in zip(self.decoders, reversed(skips), strict=True):
            x = F.interpolate(x, scale_factor=2.0, mode='nearest')
            x = decoder(torch.cat([x, skip], dim=1))
        found: Tensor = x
        return found
