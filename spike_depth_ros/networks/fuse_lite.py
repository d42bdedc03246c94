# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Network of a frame beside the spikes: one backbone for both, fused at four strides.

The fusion at strides 16 and 8 is FreDFuse of Sun et al., "FUSE: Label-Free Image-Event Joint
Monocular Depth Estimation via Frequency-Decoupled Alignment and Degradation-Robust Fusion":
low frequencies of the frame ask those of the spikes, high frequencies of the spikes ask those of
the frame. There it works on the tokens of two transformers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.networks.depth_net import DepthOutput, SpikeDepthNet
from spike_depth_ros.networks.encoder import EncoderOutput
from spike_depth_ros.networks.lite_encoder import (
    FINEST_CHANNELS,
    LEVEL_CHANNELS,
    resize_like,
)
from spike_depth_ros.networks.temporal import average_pool
from spike_depth_ros.networks.unet_lite import lite_parts
from spike_depth_ros.tasks.architectures import FuseLiteSettings

LEVELS = 3
"""Levels of the pyramids."""

GROUPS = 8
"""Groups of the first convolution that fuses two levels."""


class FuseLite(SpikeDepthNet):
    """Network from spikes and a frame to depth, either of which may be missing.

    A learnt vector at each stride stands in for the features of places where either is missing,
    so that the result does not depend on what a missing input holds.

    Args:
        bins: Channels of counts.
        depth_range: Lowest and highest depth, metres.
        settings: Sizes and kind of fusion.

    Raises:
        CheckpointError: timm is not installed.
    """

    def __init__(
        self, bins: int, depth_range: tuple[float, float], settings: FuseLiteSettings
    ) -> None:
        s = settings
        super().__init__(**lite_parts(bins, depth_range, s))
        self.uses = s.uses
        channels = [*([FINEST_CHANNELS] if s.features2 else []), *LEVEL_CHANNELS[:2], s.dim]
        self.missing = nn.ParameterList(nn.Parameter(torch.zeros(2, c)) for c in channels)
        joins = [Join(c) for c in channels[:-2]] + [_fusion(c, s) for c in channels[-2:]]
        self.joins = nn.ModuleList(joins)

    def forward(
        self,
        image: Tensor,
        planes_per_bin: Tensor,
        frame: Tensor | None = None,
        has_spikes: Tensor | None = None,
    ) -> DepthOutput:
        """Predict from full-size input.

        Args:
            image: As in :meth:`SpikeNet.forward`.
            planes_per_bin: As there.
            frame: Frame registered to the spikes, ``[B, 3, H, W]``, 0 to 1, gamma encoded; NaN
                where it is missing, in parts or as a whole. None: no sample has one.
            has_spikes: Whether each sample has spikes, ``[B]`` bool; None: all have. Only training
                is without.
        """
        pooled = average_pool(image, self.pool)
        small = None if frame is None else average_pool(frame, self.pool)
        return self.from_pooled(pooled, planes_per_bin, small, has_spikes)

    def from_pooled(
        self,
        counts: Tensor,
        planes_per_bin: Tensor,
        frame: Tensor | None = None,
        has_spikes: Tensor | None = None,
    ) -> DepthOutput:
        """Predict from input at the network's internal size; see :meth:`forward`."""
        picture = self.temporal(counts, planes_per_bin)
        spikes = torch.ones_like(picture[:, :1], dtype=torch.bool)
        if has_spikes is not None:
            spikes = spikes & has_spikes[:, None, None, None]
        known = torch.zeros_like(spikes) if frame is None else frame.isfinite().all(1, True)
        if self.uses == 'frame':
            spikes = torch.zeros_like(spikes)
        elif self.uses == 'spikes':
            known = torch.zeros_like(known)
        # What is unknown has no say: its branch is computed only where it may be known.
        if frame is None or self.uses == 'spikes':
            of_spikes = of_frame = self.encoder(picture)
        else:
            colours = torch.where(known, 2 * frame - 1, 0.0).to(picture.dtype)
            if self.uses == 'frame':
                of_spikes = of_frame = self.encoder(colours)
            else:
                picture = torch.where(spikes, picture, 0.0)
                of_spikes, of_frame = _halves(self.encoder(torch.cat([picture, colours])))
        joined = []
        for join, missing, one, other in zip(
            self.joins, self.missing, _levels(of_spikes), _levels(of_frame), strict=True
        ):
            instead = missing.to(one.dtype)[:, None, :, None, None]
            stride = picture.shape[2] // one.shape[2]
            joined.append(
                join(
                    torch.where(_all_known(spikes, stride), one, instead[0]),
                    torch.where(_all_known(known, stride), other, instead[1]),
                )
            )
        *pyramid, f_enc = joined
        token = f_enc.mean(dim=(2, 3))
        f_dec = self.decoder(EncoderOutput(tuple(pyramid), f_enc, token))
        return DepthOutput(
            self.depth_head(f_dec), self.uncertainty_head(f_dec), f_enc, f_dec, token
        )


class Join(nn.Module):
    """Two maps joined by grouped 1x1 convolutions, place by place."""

    def __init__(self, channels: int) -> None:
        """Build the module; ``channels`` of either map and of the result, a multiple of 8."""
        super().__init__()
        self.grouped = nn.Conv2d(2 * channels, channels, 1, groups=GROUPS)
        self.mixed = nn.Conv2d(channels, channels, 1)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Map two maps ``[B, C, h, w]`` to one."""
        # Interleaved, so that each group has channels of both.
        both = torch.stack([first, second], dim=2).flatten(1, 2)
        mixed: Tensor = self.mixed(F.relu(_shuffled(self.grouped(both))))
        return mixed


class Pyramid(nn.Module):
    """Levels of a pyramid joined from coarse to fine."""

    def __init__(self, channels: int) -> None:
        """Build the module; ``channels`` of all levels."""
        super().__init__()
        self.joins = nn.ModuleList(Join(channels) for _ in range(LEVELS - 1))

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Map levels, the finest first, to a map of the size of the finest."""
        *finer, x = levels
        for join, level in zip(self.joins, reversed(finer), strict=True):
            x = join(resize_like(x, level), level)
        return x


class CrossAttention(nn.Module):
    """Attention of the places of one map to those of another, added to the first."""

    def __init__(self, channels: int, heads: int, paper_exact: bool) -> None:
        """Build the module; see :class:`FuseLiteSettings`."""
        super().__init__()
        self.heads, self.paper_exact = heads, paper_exact
        inner = channels // 2
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(2))
        self.query = nn.Linear(channels, inner)
        self.key_value = nn.Linear(channels, 2 * inner)
        self.out = nn.Linear(inner, channels)

    def forward(self, query: Tensor, other: Tensor) -> Tensor:
        """Map tokens ``[B, N, C]`` and ``[B, M, C]`` to ``[B, N, C]``."""
        queries, context = (norm(x) for norm, x in zip(self.norms, (query, other), strict=True))
        q = self._by_head(self.query(queries))
        k, v = (self._by_head(x) for x in self.key_value(context).chunk(2, dim=2))
        found = F.scaled_dot_product_attention(q, k, v)
        # The code of Sun et al. adds to the normed query.
        onto = queries if self.paper_exact else query
        added: Tensor = onto + self.out(found.transpose(1, 2).flatten(2))
        return added

    def _by_head(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)


class FreDFuse(nn.Module):
    """Fusion by frequency: the frame leads low ones, the spikes high ones (Sun et al.)."""

    def __init__(self, channels: int, heads: int, pyramids: bool, paper_exact: bool) -> None:
        """Build the module; see :class:`FuseLiteSettings`."""
        super().__init__()
        self.pyramids = nn.ModuleList(Pyramid(channels) for _ in range(4)) if pyramids else None
        self.low, self.high = (CrossAttention(channels, heads, paper_exact) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(2))
        self.mixed = nn.Linear(channels, channels)

    def forward(self, spikes: Tensor, frame: Tensor) -> Tensor:
        """Map two maps ``[B, C, h, w]`` to one."""
        low_spikes, low_frame, high_spikes, high_frame = spikes, frame, spikes, frame
        if self.pyramids is not None:
            blurred = [gaussian_pyramid(x) for x in (spikes, frame)]
            levels = [*blurred, *map(laplacian_pyramid, blurred)]
            low_spikes, low_frame, high_spikes, high_frame = (
                pyramid(x) for pyramid, x in zip(self.pyramids, levels, strict=True)
            )
        low = self.low(_tokens(low_frame), _tokens(low_spikes))
        high = self.high(_tokens(high_spikes), _tokens(high_frame))
        x = self.norms[1](self.mixed(self.norms[0](low + high)))
        fused: Tensor = x.transpose(1, 2).reshape(spikes.shape)
        return fused


class Concatenation(nn.Module):
    """Control of :class:`FreDFuse`: convolutions of both maps, of as many weights within 2 %."""

    def __init__(self, channels: int) -> None:
        """Build the module; ``channels`` of either map and of the result."""
        super().__init__()
        inner = channels * 11 // 8
        self.layers = nn.Sequential(
            nn.Conv2d(2 * channels, inner, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, channels, 3, padding=1),
        )

    def forward(self, spikes: Tensor, frame: Tensor) -> Tensor:
        """Map two maps ``[B, C, h, w]`` to one."""
        joined: Tensor = self.layers(torch.cat([spikes, frame], dim=1))
        return joined


def gaussian_pyramid(x: Tensor) -> list[Tensor]:
    """Return a map ``[B, C, h, w]`` and two smaller ones, each blurred and of half the size."""
    levels = [x]
    for _ in range(LEVELS - 1):
        levels.append(_halved(levels[-1]))
    return levels


def laplacian_pyramid(levels: Sequence[Tensor]) -> list[Tensor]:
    """Return what each level of a Gaussian pyramid adds to the next one, and the last level.

    ``l[0] + enlarged(l[1] + enlarged(l[2]))`` is the map itself.
    """
    finer = [level - resize_like(coarser, level) for level, coarser in pairwise(levels)]
    return [*finer, levels[-1]]


def _halved(x: Tensor) -> Tensor:
    """Blur by 1/4, 1/2, 1/4 along rows and columns, and halve the size, rounded up."""
    channels = x.shape[1]
    # Made on x's device: a CUDA graph cannot capture a copy from the host.
    kernel = 0.5 - 0.25 * torch.arange(-1, 2, dtype=x.dtype, device=x.device).abs()
    for dim, shape in ((2, (1, 1, 3, 1)), (3, (1, 1, 1, 3))):
        padding = (0, 0, 1, 1) if dim == 2 else (1, 1, 0, 0)
        weight = kernel.view(shape).expand(channels, -1, -1, -1)
        x = F.conv2d(F.pad(x, padding, mode='replicate'), weight, groups=channels)
    rows, columns = ((size + 1) // 2 for size in x.shape[2:])
    return F.interpolate(x, size=(rows, columns), mode='bilinear', align_corners=False)


def _fusion(channels: int, settings: FuseLiteSettings) -> nn.Module:
    if settings.fusion == 'concatenation':
        return Concatenation(channels)
    pyramids = settings.fusion == 'pyramids'
    return FreDFuse(channels, settings.heads, pyramids, settings.paper_exact)


def _levels(encoded: EncoderOutput) -> list[Tensor]:
    """Return the maps that are joined, the finest first."""
    return [*encoded.pyramid, encoded.f_enc]


def _halves(both: EncoderOutput) -> tuple[EncoderOutput, EncoderOutput]:
    """Part the encoding of a batch of spikes, then frames."""
    pyramid = [level.chunk(2) for level in both.pyramid]
    f_enc, token = both.f_enc.chunk(2), both.class_token.chunk(2)
    first, second = (
        EncoderOutput(tuple(level[k] for level in pyramid), f_enc[k], token[k]) for k in (0, 1)
    )
    return first, second


def _shuffled(x: Tensor) -> Tensor:
    """Take a channel of each group in turn."""
    return x.reshape(len(x), GROUPS, -1, *x.shape[2:]).transpose(1, 2).flatten(1, 2)


def _tokens(x: Tensor) -> Tensor:
    """Map ``[B, C, h, w]`` to ``[B, h * w, C]``."""
    return x.flatten(2).transpose(1, 2)


def _all_known(known: Tensor, stride: int) -> Tensor:
    """Return the places of a map all of whose pixels are known, ``[B, 1, h, w]`` bool."""
    return F.max_pool2d((~known).float(), stride) == 0
