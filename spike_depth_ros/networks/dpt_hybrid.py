# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Network of the paper: temporal module and DPT-Hybrid (Liu et al., BiCross, section III-A).

The decoder is that of Ranftl et al., Vision Transformers for Dense Prediction (DPT), at full size.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.networks.decoder import Readout
from spike_depth_ros.networks.depth_net import SpikeDepthNet
from spike_depth_ros.networks.heads import to_float32
from spike_depth_ros.networks.temporal import Centred
from spike_depth_ros.networks.temporal_attention import TemporalAttention
from spike_depth_ros.networks.vit_hybrid import (
    STAGE_CHANNELS,
    HybridOutput,
    VitHybrid,
    to_batch_norm,
)
from spike_depth_ros.tasks.architectures import HybridSettings


class ResidualUnit(nn.Module):
    """Residual block of two 3x3 convolutions, each behind a ReLU; without normalisation."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, F, h, w]`` to ``[B, F, h, w]``."""
        y: Tensor = self.conv2(F.relu(self.conv1(F.relu(x))))
        return x + y


class FullFusion(nn.Module):
    """Fusion block: add coarser features and refined skip features, refine, project."""

    def __init__(self, features: int, skip: bool) -> None:
        """Build the block; ``skip`` is False at the coarsest level."""
        super().__init__()
        self.skip = ResidualUnit(features) if skip else None
        self.refine = ResidualUnit(features)
        # DPT projects after doubling the resolution: the same numbers for four times the cost.
        self.project = nn.Conv2d(features, features, 1)

    def forward(self, x: Tensor, below: Tensor | None = None) -> Tensor:
        """Map ``[B, F, h, w]``, and ``below`` of the same shape, to ``[B, F, h, w]``."""
        if self.skip is not None and below is not None:
            x = below + self.skip(x)
        y: Tensor = self.project(self.refine(x))
        return y


class FullDptDecoder(nn.Module):
    """Reassemble four levels (strides 4, 8, 16, 32) and fuse them from coarse to fine."""

    def __init__(self, dim: int, features: int) -> None:
        """Build the decoder; ``dim`` is the width of the tokens."""
        super().__init__()
        self.readout = nn.ModuleList(Readout(dim, dim) for _ in range(2))
        self.reassemble = nn.ModuleList(
            [
                nn.Conv2d(dim, dim, 1),
                nn.Sequential(nn.Conv2d(dim, dim, 1), nn.Conv2d(dim, dim, 3, 2, padding=1)),
            ]
        )
        self.narrow = nn.ModuleList(
            nn.Conv2d(channels, features, 3, padding=1, bias=False)
            for channels in (*STAGE_CHANNELS, dim, dim)
        )
        self.fusion = nn.ModuleList(FullFusion(features, skip=level < 3) for level in range(4))

    def forward(self, encoded: HybridOutput) -> Tensor:
        """Decode to ``[B, features, H / 2, W / 2]``."""
        tokens = (
            (encoded.middle, encoded.middle_token),
            (encoded.f_enc, encoded.class_token),
        )
        levels = [*encoded.pyramid]
        for readout, reassemble, (grid, token) in zip(
            self.readout, self.reassemble, tokens, strict=True
        ):
            levels.append(reassemble(readout(grid, token)))
        levels = [narrow(level) for narrow, level in zip(self.narrow, levels, strict=True)]
        x: Tensor = self.fusion[3](levels[3])
        for level in (2, 1, 0):
            # Not a factor of 2: 3 tokens in a row became 2 of stride 32.
            below = _resize(x, levels[level].shape[2], levels[level].shape[3])
            x = self.fusion[level](levels[level], below)
        return _resize(x, 2 * x.shape[2], 2 * x.shape[3])


class LogDepth(nn.Module):
    """Activation to metres: log-depth within its range by a sigmoid."""

    def __init__(self, min_depth: float, max_depth: float) -> None:
        super().__init__()
        self.log_min = math.log(min_depth)
        self.log_range = math.log(max_depth) - self.log_min

    def forward(self, x: Tensor) -> Tensor:
        """Map any values to metres within the range, same shape."""
        return torch.exp(torch.sigmoid(x) * self.log_range + self.log_min)


class InverseDepth(nn.Module):
    """Activation to metres: ``1 / (scale * softplus(x) + shift)``, clipped to the depth range.

    DPT has ReLU in place of softplus, whose gradient vanishes where it is 0. The clip passes the
    gradient on, so that pixels at a limit are still trained.
    """

    def __init__(self, scale: float, shift: float, min_depth: float, max_depth: float) -> None:
        if not (scale > 0 and shift > 0 and 1 / shift > min_depth):
            raise ValueError(
                f'scale {scale!r} and shift {shift!r}: expected both above 0, and 1 / shift above '
                f'the lowest depth ({min_depth!r} m)'
            )
        super().__init__()
        self.scale, self.shift = scale, shift
        self.min_depth, self.max_depth = min_depth, max_depth

    def forward(self, x: Tensor) -> Tensor:
        """Map any values to metres within the range, same shape."""
        depth = 1 / (self.scale * F.softplus(x) + self.shift)
        limited = depth.detach().clamp(self.min_depth, self.max_depth)
        # The addend is exactly 0 and carries the gradient.
        return limited + (depth - depth.detach())


class FullHead(nn.Module):
    """Head of three convolutions, the last two at full resolution (DPT; BiCross, Fig. 3 c)."""

    def __init__(self, features: int, hidden: int, activation: nn.Module) -> None:
        """Build the head.

        Args:
            features: Channels in, even.
            hidden: Channels before the last convolution.
            activation: Module that maps its value to the predicted quantity.
        """
        super().__init__()
        self.conv1 = nn.Conv2d(features, features // 2, 3, padding=1)
        self.conv2 = nn.Conv2d(features // 2, hidden, 3, padding=1)
        self.conv3 = nn.Conv2d(hidden, 1, 1)
        self.activation = activation

    def forward(self, f_dec: Tensor) -> Tensor:
        """Map ``[B, features, H / 2, W / 2]`` to float32 ``[B, 1, H, W]``."""
        x = self.conv1(f_dec)
        x = _resize(x, 2 * x.shape[2], 2 * x.shape[3])
        y: Tensor = self.activation(to_float32(self.conv3(F.relu(self.conv2(x)))))
        return y


def dpt_hybrid(
    bins: int,
    depth_range: tuple[float, float],
    settings: HybridSettings,
    inputs: Literal['spikes', 'rgb'] = 'spikes',
) -> SpikeDepthNet:
    """Build ``dpt_hybrid`` with random weights (torch's global generator).

    Its ``f_dec`` has stride 2. For ImageNet weights see
    :func:`spike_depth_ros.networks.vit_hybrid.load_imagenet`.

    Args:
        bins: Planes of a window, one per bin (128 or 1280 in the paper and its code); 3 for RGB.
        depth_range: Lowest and highest depth, metres.
        settings: Sizes and the form of depth.
        inputs: Input modality: spikes, or RGB (a teacher in training).

    Raises:
        CheckpointError: timm is not installed.
        ValueError: The settings do not fit each other.
    """
    s = settings
    if s.depth not in ('log', 'inverse'):
        raise ValueError(f"depth is {s.depth!r}, expected 'log' or 'inverse'")
    if s.norm not in ('group', 'batch'):
        raise ValueError(f"norm is {s.norm!r}, expected 'group' or 'batch'")
    form: nn.Module
    if s.depth == 'log':
        form = LogDepth(*depth_range)
    else:
        form = InverseDepth(s.scale, s.shift, *depth_range)
    temporal: nn.Module
    if inputs == 'rgb':
        temporal, channels = Centred(), bins
    else:
        channels = s.temporal_features
        temporal = TemporalAttention(bins, channels, s.temporal_blocks, s.temporal_dim)
    network = SpikeDepthNet(
        temporal=temporal,
        encoder=VitHybrid(channels, s.dim, s.layers, s.heads),
        decoder=FullDptDecoder(s.dim, s.features),
        depth_head=FullHead(s.features, s.head, form),
        uncertainty_head=FullHead(s.features, s.head, nn.Softplus()),
    )
    if s.norm == 'batch':
        to_batch_norm(network)
    return network


def _resize(x: Tensor, rows: int, columns: int) -> Tensor:
    return F.interpolate(x, size=(rows, columns), mode='bilinear', align_corners=False)
