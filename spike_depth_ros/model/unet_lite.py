# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A network whose encoder has seen the real world: EfficientNet-Lite0 and a convolutional decoder.

Not in BiCross, which gives its encoder ImageNet weights too, at thirty times the size. Made
because a small network that learns from procedural pictures alone learns what only they have, see
docs/world.md.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import torch
from torch import Tensor, nn

from spike_depth_ros.model.depth_net import SpikeDepthNet
from spike_depth_ros.model.encoder import EncoderOutput
from spike_depth_ros.model.heads import DepthHead, UncertaintyHead
from spike_depth_ros.model.lite_encoder import LEVEL_CHANNELS, LiteEncoder, double_conv, resized
from spike_depth_ros.model.temporal import Centred, relative_rates

GREY = 0.2
"""Linear light, of 1, that the mean rate of an image becomes: a photograph's usual exposure."""


@dataclasses.dataclass(frozen=True)
class LiteSettings:
    """Sizes of ``unet_lite``, as a checkpoint stores them.

    Attributes:
        pool: Input pixels per side of a pixel that the network works on, as in ``dpt_tiny``.
        dim: Channels of ``f_enc`` at stride 16 and of the class token.
        features8: Channels of the decoder at stride 8.
        features: Channels of ``f_dec``, at stride 4.
        head: Channels within the two heads.
    """

    pool: int = 1
    dim: int = 128
    features8: int = 64
    features: int = 48
    head: int = 24


class PictureStem(nn.Module):
    """Temporal module of ``unet_lite``: spikes as a picture, such as ImageNet's.

    The rate of the whole window over the image's mean, its square root taken, is what a camera
    would have stored, in three equal colours from -1 to 1. The rates of the bins are added through
    a convolution that starts at 0.
    """

    def __init__(self, bins: int) -> None:
        """Build the module; ``bins`` is the channels of counts."""
        super().__init__()
        self.rates = nn.Conv2d(bins, 3, 3, padding=1, bias=False)
        nn.init.zeros_(self.rates.weight)

    def forward(self, counts: Tensor, planes_per_bin: Tensor) -> Tensor:
        """Paint.

        Args:
            counts: Spikes of each pixel in each bin, ``[B, C, H, W]``, any integer or float dtype.
            planes_per_bin: Planes that each bin covers, ``[C]``, at least 1.

        Returns:
            Float ``[B, 3, H, W]``.
        """
        rates, brightness = relative_rates(counts, planes_per_bin)
        kind = self.rates.weight.dtype
        grey = 2 * (brightness * GREY**0.5).clamp(max=1.0) - 1
        picture: Tensor = grey.to(kind) + self.rates(rates.to(kind))
        return picture


class LiteDecoder(nn.Module):
    """From stride 16 to 4, each time with the trunk's map of that size beside it (U-Net)."""

    def __init__(self, dim: int, features8: int, features: int) -> None:
        """Build the decoder; the arguments are those of :class:`LiteSettings`."""
        super().__init__()
        self.middle = double_conv(dim + LEVEL_CHANNELS[1], features8)
        self.fine = double_conv(features8 + LEVEL_CHANNELS[0], features)

    def forward(self, encoded: EncoderOutput) -> Tensor:
        """Decode to ``[B, features, H / 4, W / 4]``."""
        fine, middle = encoded.pyramid
        x = self.middle(torch.cat([resized(encoded.f_enc, middle), middle], dim=1))
        decoded: Tensor = self.fine(torch.cat([resized(x, fine), fine], dim=1))
        return decoded


def unet_lite(
    bins: int,
    depth_range: tuple[float, float],
    settings: LiteSettings,
    inputs: Literal['spikes', 'rgb'] = 'spikes',
) -> SpikeDepthNet:
    """Build the network with random weights (torch's global generator).

    For ImageNet weights see :func:`spike_depth_ros.model.lite_encoder.load_imagenet`.

    Args:
        bins: Channels of counts; 3 for RGB.
        depth_range: Lowest and highest depth, metres.
        settings: Sizes.
        inputs: What the network sees: spikes, or RGB (a teacher in training).

    Raises:
        CheckpointError: timm is not installed.
        ValueError: A size is below 1.
    """
    s = settings
    if min(dataclasses.astuple(s)) < 1:
        raise ValueError(f'{s}: expected sizes of 1 or more')
    heads = (
        DepthHead(s.features, s.head, 4, *depth_range, pool=s.pool),
        UncertaintyHead(s.features, s.head, 4, s.pool),
    )
    for head in heads:
        # As in dpt_tiny: training starts on the slope of sigmoid and softplus.
        nn.init.xavier_normal_(head.conv3.weight, gain=0.5)
        assert head.conv3.bias is not None
        nn.init.zeros_(head.conv3.bias)
    return SpikeDepthNet(
        temporal=PictureStem(bins) if inputs == 'spikes' else Centred(),
        encoder=LiteEncoder(s.dim),
        decoder=LiteDecoder(s.dim, s.features8, s.features),
        depth_head=heads[0],
        uncertainty_head=heads[1],
        pool=s.pool,
    )
