# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Blind-spot network of SSML: each pixel from its surroundings alone (BSN, Figure 4).

After Laine et al., "High-Quality Self-Supervised Deep Image Denoising", section 2: four rotated
copies of the input pass through a U-Net whose convolutions see the rows above alone; together they
see everything but the pixel itself. All planes of that pixel are left out, so noisy labels made of
them cannot be learnt by heart.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.networks import SpikeNet
from spike_depth_ros.networks.reconstruction.amim import Amim
from spike_depth_ros.networks.reconstruction.recon_lite import ImageOutput, bounded
from spike_depth_ros.networks.reconstruction.ssml_net import (
    NonLocal,
    split,
    stream_length,
    with_amim,
)
from spike_depth_ros.networks.reconstruction.unet import SLOPE, UNet
from spike_depth_ros.tasks.architectures import BlindSpotSettings


class BlindSpotNet(SpikeNet):
    """Blind-spot network (BSN).

    Args:
        planes: Planes of the input, one per bin, an odd number.
        settings: Sizes.
    """

    def __init__(self, planes: int, settings: BlindSpotSettings) -> None:
        super().__init__()
        features, self.streams = settings.features, settings.streams
        length = stream_length(planes, self.streams)
        self.amim = Amim(length, settings.amim, gates=False) if settings.amim else None
        self.unet = UpwardUNet(length + settings.amim, features)
        joined = 2 * features
        self.attention = NonLocal(joined, self.streams) if settings.attention else nn.Identity()
        # What it sees is blind already.
        self.fuse: UNet | None = None
        if self.streams > 1:
            self.fuse = UNet(self.streams * joined, features, UpwardConv, _upward_pool)
        wide = 8 * features
        self.mix = nn.Sequential(
            _conv1(wide, wide),
            _conv1(wide, 2 * features),
            nn.Conv2d(2 * features, 1, 1, bias=False),
        )

    def from_pooled(self, counts: Tensor, planes_per_bin: Tensor) -> ImageOutput:
        """Reconstruct; see :class:`SpikeNet`. Bins of one plane and cells of one pixel."""
        spikes = counts.to(next(self.parameters()).dtype)
        seen = with_amim(self.amim, split(spikes, self.streams))
        height, width = seen.shape[2:]
        # Square, so that all rotations have one size and pass as one batch.
        side = max(height, width)
        seen = F.pad(seen, (0, side - width, 0, side - height))
        turned = [
            torch.cat([seen.rot90(turn, (2, 3)).chunk(self.streams)[k] for turn in range(4)])
            for k in range(self.streams)
        ]
        features = self.unet(torch.cat(turned)).chunk(self.streams)
        joined = self.attention(torch.cat(features, dim=1))
        parts = (joined if self.fuse is None else self.fuse(joined)).chunk(4)
        back = torch.cat([part.rot90(-turn, (2, 3)) for turn, part in enumerate(parts)], dim=1)
        rate: Tensor = self.mix(back)[:, :, :height, :width]
        return ImageOutput(bounded(rate, self.training))


class UpwardUNet(UNet):
    """U-Net of four levels whose pixels see the rows above them alone.

    Args:
        channels: Channels of the input.
        features: Channels of the encoder.
    """

    def __init__(self, channels: int, features: int) -> None:
        super().__init__(channels, features, UpwardConv, _upward_pool)

    def forward(self, image: Tensor) -> Tensor:
        """Map ``[B, channels, H, W]``, multiples of 8, to ``[B, 2 features, H, W]``."""
        # One row down: the rows above, without the pixel's own.
        return _down(super().forward(image))


class UpwardConv(nn.Module):
    """3x3 convolution of the row itself and the two above, with LeakyReLU."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, channels, H, W]`` to ``[B, out, H, W]``."""
        return F.leaky_relu(self.conv(F.pad(x, (1, 1, 2, 0))), SLOPE)


def _upward_pool(x: Tensor) -> Tensor:
    """Halve the size by maxima over a row and the one above it."""
    return F.max_pool2d(_down(x), 2)


def _down(x: Tensor) -> Tensor:
    """Shift one row down; the first row is 0."""
    return F.pad(x, (0, 0, 1, 0))[:, :, :-1]


def _conv1(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, 1, bias=False), nn.LeakyReLU(SLOPE))
