# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adaptive motion inference module, AMIM (Chen et al., SSML, Eq. 4 to 7)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spike_depth_ros.networks.reconstruction.rate_estimates import RateEstimates

SCALES = (11, 19, 27)
"""Planes around the middle one of the three masks in Eq. 4; not in the paper."""


class Amim(nn.Module):
    """Features of still and of moving parts of a window.

    Masks of three lengths keep the planes around the middle one and are mixed by 1x1 convolutions
    (Eq. 4); beside them the inter-spike interval (Eq. 6). Spatial attention marks the still and
    the moving area (Eq. 5 and 6), channel attention mixes both (Eq. 7). No layer adds a constant.

    Args:
        planes: Planes of the input, an odd number of at least 3.
        features: Channels of the result.
        gates: False: no attention, as its pooling would let a blind-spot network see the pixel.
    """

    def __init__(self, planes: int, features: int, gates: bool = True) -> None:
        super().__init__()
        self.scales = [min(length, planes) for length in SCALES]
        self.masks = nn.ModuleList(nn.Conv2d(n, 1, 1, bias=False) for n in self.scales)
        self.still = nn.Conv2d(len(SCALES), features, 1, bias=False)
        self.interval = RateEstimates(planes, covered=[1])
        self.moving = nn.Conv2d(1, features, 1, bias=False)
        self.still_area = SpatialGate() if gates else nn.Identity()
        self.moving_area = SpatialGate() if gates else nn.Identity()
        self.mixture = ChannelGate(features) if gates else nn.Identity()

    def forward(self, spikes: Tensor) -> Tensor:
        """Map spikes, ``[B, planes, H, W]``, to ``[B, features, H, W]``."""
        total = spikes.shape[1]
        scales = [
            mask(spikes[:, (total - n) // 2 : (total - n) // 2 + n])
            for mask, n in zip(self.masks, self.scales, strict=True)
        ]
        still = self.still_area(self.still(torch.cat(scales, dim=1)))
        moving = self.moving_area(self.moving(self.interval(spikes)))
        mixed: Tensor = self.mixture(still + moving)
        return mixed


class SpatialGate(nn.Module):
    """Spatial attention: weights of the pixels from mean and maximum over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Weight ``[B, C, H, W]`` by one factor per pixel, 0 to 1."""
        pooled = torch.cat([features.mean(1, keepdim=True), features.amax(1, keepdim=True)], dim=1)
        return features * torch.sigmoid(self.conv(pooled))


class ChannelGate(nn.Module):
    """Channel attention: weights of the channels from mean and maximum over the image."""

    def __init__(self, features: int, reduction: int = 4) -> None:
        super().__init__()
        hidden = max(features // reduction, 1)
        self.mlp = nn.Sequential(
            nn.Conv2d(features, hidden, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(hidden, features, 1, bias=False),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Weight ``[B, C, H, W]`` by one factor per channel, 0 to 1."""
        mean = features.mean((2, 3), keepdim=True)
        highest = features.amax((2, 3), keepdim=True)
        return features * torch.sigmoid(self.mlp(mean) + self.mlp(highest))
