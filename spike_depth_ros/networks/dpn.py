# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""DPN: the disparities of both eyes from the left picture alone (Shen et al., 3.1 to 3.3).

Shen et al. is "A Depth Estimation Framework Based on Unsupervised Learning and Cross-Modal
Translation". Where it is silent or contradicts itself:

- "a convolution with a stride of 7" has a kernel of 7, and stride 2; "our encoder uses sub-pixel
  convolution" is the decoder.
- For attention it cites Zhang et al., "S&CNet", without details. Channel attention, then spatial
  attention are those of Woo et al., "CBAM: Convolutional Block Attention Module", section 3.
- The "residual pyramid decoder" is one whose finer disparities are changes of the coarser ones.
- Channels and the largest disparity are not given; the latter is that of Godard et al.,
  "Unsupervised Monocular Depth Estimation with Left-Right Consistency".

Other than in the other networks of depth, ``f_enc`` is at stride 32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.networks.depth_net import DepthOutput, SpikeDepthNet
from spike_depth_ros.networks.encoder import EncoderOutput, conv_norm
from spike_depth_ros.networks.heads import enlarge, to_float32
from spike_depth_ros.networks.unet_lite import colours_of
from spike_depth_ros.tasks.architectures import DpnSettings

LEVELS = 4
"""Sizes at which disparities are predicted: all, a half, a quarter and an eighth of the input."""

LARGEST_SHARE = 0.3
"""Largest disparity over the width of the picture."""

INITIAL_SHARE = 0.02
"""Disparity over the width before training: places of one picture are inside the other one."""

STRIDE = 32
"""Stride of the coarsest features; pictures are padded to multiples of it."""

REDUCTION = 16
"""Channels over those within the channel attention (Woo et al., section 4)."""

LEAST_PX = 1e-4
"""Disparity from which logarithm and quotient are finite, pixels: far beyond any depth range."""


class Dpn(SpikeDepthNet):
    """Network whose depth is that of the disparity of the left eye.

    Its two heads have no weights; disparities are the decoder's.

    Attributes:
        baseline_m: Distance of the eyes that the disparities are of, metres.
    """

    baseline_m: float

    def disparities(self, counts: Tensor, planes_per_bin: Tensor) -> list[Tensor]:
        """Predict the disparities of both eyes at all levels.

        Args:
            counts: Input of the left eye, as in :meth:`SpikeNet.from_pooled`.
            planes_per_bin: As there.

        Returns:
            Four maps, finest first, float32 ``[B, 2, H // 2**level, W // 2**level]``: left and
            right eye, in pixels of the level, 0 to 0.3 of its width.
        """
        _, decoded = self._decode(counts, planes_per_bin)
        return _pixels(decoded.shares, *counts.shape[2:])

    def from_pooled(self, counts: Tensor, planes_per_bin: Tensor) -> DepthOutput:
        """Predict depth; see :class:`SpikeNet`.

        Returns:
            ``f_enc`` is behind the attention, ``[B, 8 width, ceil(H / 32), ceil(W / 32)]``, and
            ``class_token`` its mean; ``f_dec`` is before the finest disparities,
            ``[B, width / 4, H, W]``.
        """
        height, width = counts.shape[2:]
        encoded, decoded = self._decode(counts, planes_per_bin)
        (disparities,) = _pixels(decoded.shares[:1], height, width)
        return DepthOutput(
            depth=self.depth_head(disparities[:, :1]),
            uncertainty=self.uncertainty_head(disparities),
            f_enc=encoded.f_enc,
            f_dec=decoded.f_dec[..., :height, :width],
            class_token=encoded.class_token,
        )

    def _decode(
        self, counts: Tensor, planes_per_bin: Tensor
    ) -> tuple[EncoderOutput, DecoderOutput]:
        """Encode and decode the picture, padded at the right and at the bottom."""
        height, width = counts.shape[2:]
        picture = self.temporal(counts, planes_per_bin)
        padding = (0, -width % STRIDE, 0, -height % STRIDE)
        encoded = self.encoder(F.pad(picture, padding, mode='replicate'))
        return encoded, self.decoder(encoded)


def _pixels(shares: Sequence[Tensor], height: int, width: int) -> list[Tensor]:
    """Crop shares of the largest disparity, finest first, and convert them to pixels.

    Args:
        shares: ``[B, 2, h, w]`` each, 0 to 1.
        height: Rows of the picture without padding.
        width: Its columns.
    """
    return [
        LARGEST_SHARE * (width >> level) * share[..., : height >> level, : width >> level]
        for level, share in enumerate(shares)
    ]


class DpnEncoder(nn.Module):
    """Multi-scale feature extractor (Shen et al., 3.2)."""

    def __init__(self, width: int, attention: bool) -> None:
        """Build the encoder; the arguments are those of :class:`DpnSettings`."""
        super().__init__()
        self.first = conv_norm(3, width, 7, 2)
        sizes = (width, width, 2 * width, 4 * width, 8 * width)
        # Feature residual groups (Figure 2).
        self.groups = nn.ModuleList(
            nn.Sequential(ResidualBlock(before, out, 2), ResidualBlock(out, out, 1))
            for before, out in pairwise(sizes)
        )
        self.attention = (
            nn.Sequential(ChannelAttention(sizes[-1]), SpatialAttention())
            if attention
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> EncoderOutput:
        """Encode ``[B, 3, H, W]``, multiples of 32; the pyramid has strides 2, 4, 8 and 16."""
        maps = [self.first(x)]
        for group in self.groups:
            maps.append(group(maps[-1]))
        f_enc = self.attention(maps.pop())
        return EncoderOutput(tuple(maps), f_enc, f_enc.mean(dim=(2, 3)))


class ResidualBlock(nn.Module):
    """Feature residual block: 1x3 and 3x1 convolutions beside a skip (Shen et al., Figure 3)."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        """Build the block; each of its convolutions has the stride along its own direction."""
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, out, (1, 3), (1, stride), (0, 1), bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
            nn.Conv2d(out, out, (3, 1), (stride, 1), (1, 0), bias=False),
            nn.BatchNorm2d(out),
        )
        same = stride == 1 and channels == out
        self.skip = nn.Identity() if same else conv_norm(channels, out, 1, stride, act=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, channels, H, W]`` to ``[B, out, H / stride, W / stride]``."""
        return F.relu(self.body(x) + self.skip(x))


class ChannelAttention(nn.Module):
    """Weights of channels by their means and maxima over the picture (Woo et al., Eq. 2)."""

    def __init__(self, channels: int) -> None:
        """Build the module."""
        super().__init__()
        hidden = max(1, channels // REDUCTION)
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Weigh ``[B, C, h, w]``."""
        weights: Tensor = self.mlp(x.mean(dim=(2, 3))) + self.mlp(x.amax(dim=(2, 3)))
        return x * weights.sigmoid()[:, :, None, None]


class SpatialAttention(nn.Module):
    """Weights of places by mean and maximum of their channels (Woo et al., Eq. 3)."""

    def __init__(self) -> None:
        """Build the module."""
        super().__init__()
        self.weights = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh ``[B, C, h, w]``."""
        seen = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        weighted: Tensor = x * self.weights(seen).sigmoid()
        return weighted


class DecoderOutput(NamedTuple):
    """Output of the decoder, of the size of its padded input.

    Attributes:
        f_dec: Features before the finest disparities, ``[B, width / 4, H, W]``.
        shares: Disparities of left and right eye over the largest one, 0 to 1, finest first,
            float32 ``[B, 2, H / 2**level, W / 2**level]``.
    """

    f_dec: Tensor
    shares: list[Tensor]


class DpnDecoder(nn.Module):
    """Residual pyramid decoder, and convolutions to disparities (Shen et al., 3.3)."""

    def __init__(self, width: int) -> None:
        """Build the decoder; ``width`` is that of :class:`DpnSettings`."""
        super().__init__()
        sizes = (8 * width, 4 * width, 2 * width, width, width // 2, width // 4)
        # Maps of the encoder at strides 16, 8, 4 and 2; the coarser disparities of both eyes.
        joined = (4 * width, 2 * width, width + 2, width + 2, 2)
        enlarge_by = (UpConv, UpConv, SubPixel, SubPixel, SubPixel)
        self.steps = nn.ModuleList(
            Step(up(before, out), out, beside)
            for up, before, out, beside in zip(enlarge_by, sizes, sizes[1:], joined, strict=False)
        )
        self.heads = nn.ModuleList(nn.Conv2d(out, 2, 3, padding=1) for out in sizes[-LEVELS:])
        share = INITIAL_SHARE / LARGEST_SHARE
        for number, head in enumerate(self.heads):
            assert isinstance(head, nn.Conv2d)
            assert head.bias is not None
            # A tenth of the gain that keeps the scale: all places start near that share.
            nn.init.xavier_normal_(head.weight, gain=0.1)
            nn.init.constant_(head.bias, 0.0 if number else math.log(share / (1 - share)))

    def forward(self, encoded: EncoderOutput) -> DecoderOutput:
        """Decode, coarsest first: each step from the second on has a head.

        A head adds to the logits of the coarser one. Shifts of many pixels are found at the
        coarse levels alone, as pictures are alike over a few pixels only.
        """
        skips = encoded.pyramid[::-1]
        x = self.steps[0](encoded.f_enc, skips[:1])
        shares: list[Tensor] = []
        coarser: Tensor | None = None
        for number, head in enumerate(self.heads, start=1):
            beside = skips[number : number + 1]
            if coarser is None:
                x = self.steps[number](x, beside)
                logits = to_float32(head(x))
            else:
                coarser = enlarge(coarser, 2)
                x = self.steps[number](x, (*beside, coarser.sigmoid().to(x.dtype)))
                logits = coarser + to_float32(head(x))
            shares.insert(0, logits.sigmoid())
            coarser = logits
        return DecoderOutput(x, shares)


class Step(nn.Module):
    """Step of the decoder to twice the size, where maps of that size are joined."""

    def __init__(self, up: nn.Module, channels: int, beside: int) -> None:
        """Build the step.

        Args:
            up: Module that enlarges.
            channels: Its channels out, and those of the step.
            beside: Channels of the maps that are joined.
        """
        super().__init__()
        self.up = up
        self.join = conv_norm(channels + beside, channels, 3)

    def forward(self, x: Tensor, beside: Sequence[Tensor]) -> Tensor:
        """Map ``[B, C, h, w]`` and maps ``[B, C_i, 2 h, 2 w]`` to ``[B, channels, 2 h, 2 w]``."""
        joined: Tensor = self.join(torch.cat([self.up(x), *beside], dim=1))
        return joined


class UpConv(nn.Module):
    """Nearest neighbour to twice the size, and a convolution."""

    def __init__(self, channels: int, out: int) -> None:
        """Build the module."""
        super().__init__()
        self.convolution = conv_norm(channels, out, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, channels, h, w]`` to ``[B, out, 2 h, 2 w]``."""
        enlarged: Tensor = self.convolution(F.interpolate(x, scale_factor=2.0, mode='nearest'))
        return enlarged


class SubPixel(nn.Module):
    """Convolution to four values per channel, which become 2x2 pixels."""

    def __init__(self, channels: int, out: int) -> None:
        """Build the module."""
        super().__init__()
        self.convolution = conv_norm(channels, 4 * out, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, channels, h, w]`` to ``[B, out, 2 h, 2 w]``."""
        return F.pixel_shuffle(self.convolution(x), 2)


class DepthOfDisparity(nn.Module):
    """Depth at the canonical focal length, within the depth range.

    A pixel of canonical depth z has the disparity ``canonical_fx B / z`` at any focal length.
    """

    def __init__(self, factor: float, min_depth: float, max_depth: float) -> None:
        """Build the module.

        Args:
            factor: Canonical focal length times baseline, pixels times metres.
            min_depth: Lowest depth, metres.
            max_depth: Highest depth, metres.
        """
        super().__init__()
        self.log_factor = math.log(factor)
        self.log_range = math.log(min_depth), math.log(max_depth)

    def forward(self, disparity: Tensor) -> Tensor:
        """Map pixels to metres, same shape."""
        log_depth = self.log_factor - disparity.clamp_min(LEAST_PX).log()
        limited = log_depth.clamp(*self.log_range)
        if self.training:  # straight-through gradient, so that clipped pixels are still trained
            limited = log_depth + (limited - log_depth).detach()
        return limited.exp()


class Disagreement(nn.Module):
    """Uncertainty: relative difference of a disparity and that of the other eye at its place.

    ``|d_l(x) - d_r(x - d_l(x))| / d_l(x)``, the terms of Shen et al., Eq. 5 (which prints d_l
    twice). The gradient is that of d_r alone, or depth would be drawn to the other disparity.
    """

    def forward(self, disparities: Tensor) -> Tensor:
        """Compare the eyes.

        Args:
            disparities: Of left and right eye, ``[B, 2, H, W]`` pixels.

        Returns:
            ``[B, 1, H, W]``, 0 and more. What is beyond the right picture is compared with its
            border.
        """
        left, right = disparities.chunk(2, dim=1)
        left = left.detach()
        width = left.shape[-1]
        columns = torch.arange(width, device=left.device, dtype=left.dtype)
        place = (columns - left).clamp_min(0)
        low = place.long()
        high = (low + 1).clamp(max=width - 1)
        there = torch.lerp(right.gather(3, low), right.gather(3, high), place - low)
        return (left - there).abs() / left.clamp_min(LEAST_PX)


def dpn(
    bins: int,
    depth_range: tuple[float, float],
    settings: DpnSettings,
    inputs: Literal['spikes', 'rgb'] = 'spikes',
    *,
    canonical_fx: float,
) -> Dpn:
    """Build the network with random weights (torch's global generator).

    Args:
        bins: Channels of counts; 3 for RGB.
        depth_range: Lowest and highest depth, metres.
        settings: Sizes, baseline and picture.
        inputs: Input modality: spikes, or RGB.
        canonical_fx: Canonical focal length, pixels.
    """
    network = Dpn(
        temporal=colours_of(settings.picture, bins, inputs),
        encoder=DpnEncoder(settings.width, settings.attention),
        decoder=DpnDecoder(settings.width),
        depth_head=DepthOfDisparity(canonical_fx * settings.baseline_m, *depth_range),
        uncertainty_head=Disagreement(),
    )
    network.baseline_m = settings.baseline_m
    return network
