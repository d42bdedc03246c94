# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Non-blind-spot network of SSML (NBSN; Chen et al., Figure 2), ``ssml``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spike_depth_ros.networks import SpikeNet
from spike_depth_ros.networks.reconstruction.amim import Amim, ChannelGate
from spike_depth_ros.networks.reconstruction.recon_lite import ImageOutput, bounded
from spike_depth_ros.networks.reconstruction.unet import SLOPE, UNet
from spike_depth_ros.tasks.architectures import SsmlSettings

OFFSET = 7
"""Planes from one of the three overlapping sub-streams to the next (k in the paper's text)."""


def split(spikes: Tensor, streams: int) -> Tensor:
    """Cut a window into overlapping sub-streams of equal length, joined as one batch.

    Args:
        spikes: ``[B, planes, H, W]``.
        streams: Number of sub-streams, :data:`OFFSET` planes apart.

    Returns:
        ``[streams B, length, H, W]``, the first sub-stream of all images first.
    """
    length = stream_length(spikes.shape[1], streams)
    return torch.cat([spikes[:, k * OFFSET : k * OFFSET + length] for k in range(streams)])


def stream_length(planes: int, streams: int) -> int:
    """Return the planes of each sub-stream.

    Raises:
        ValueError: Too few planes.
    """
    length = planes - (streams - 1) * OFFSET
    if length < 3:
        raise ValueError(f'{planes} planes: expected {3 + (streams - 1) * OFFSET} or more')
    return length


class SsmlNet(SpikeNet):
    """Network of two stages: three overlapping sub-streams, then their fusion.

    A network of one stream has the first stage alone, as the blind-spot network. No layer adds a
    constant.

    Args:
        planes: Planes of the input, one per bin, an odd number; of three streams at least 2
            :data:`OFFSET` + 3.
        settings: Sizes.

    Raises:
        ValueError: Too few planes.
    """

    def __init__(self, planes: int, settings: SsmlSettings) -> None:
        super().__init__()
        self.streams = settings.streams
        length = stream_length(planes, self.streams)
        wide = 2 * settings.features
        self.amim = Amim(length, settings.amim, settings.gates) if settings.amim else None
        self.extract = UNet(length + settings.amim, settings.features)
        self.attention = NonLocal(wide, self.streams) if settings.attention else nn.Identity()
        self.fuse: nn.Module = nn.Identity()
        if self.streams > 1:
            self.fuse = UNet(self.streams * wide, settings.features)
        self.mix = nn.Sequential(
            nn.Conv2d(wide, wide, 1, bias=False),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(wide, 1, 1, bias=False),
        )

    def from_pooled(self, counts: Tensor, planes_per_bin: Tensor) -> ImageOutput:
        """Reconstruct; see :class:`SpikeNet`. Bins of one plane and cells of one pixel."""
        spikes = counts.to(next(self.parameters()).dtype)
        # The streams share all weights and pass as one batch.
        joined = split(spikes, self.streams)
        features = self.extract(with_amim(self.amim, joined))
        fused = self.attention(torch.cat(features.chunk(self.streams), dim=1))
        rate: Tensor = self.mix(self.fuse(fused))
        return ImageOutput(bounded(rate, self.training))


def with_amim(amim: Amim | None, spikes: Tensor) -> Tensor:
    """Return the features of AMIM, if there is one, before the spikes."""
    return spikes if amim is None else torch.cat([amim(spikes), spikes], dim=1)


class NonLocal(nn.Module):
    """Sum of criss-cross, channel and temporal attention over features of the streams.

    Args:
        features: Channels of each stream.
        streams: Number of streams.
    """

    def __init__(self, features: int, streams: int) -> None:
        super().__init__()
        self.space = CrissCross(streams * features)
        self.channels = ChannelGate(streams * features)
        self.time = TemporalAttention(features, streams)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, streams features, H, W]`` to the same shape."""
        mixed: Tensor = x + self.space(x) + self.channels(x) + self.time(x)
        return mixed


class Attention(nn.Module):
    """Queries, keys and values of an attention.

    Args:
        channels: Channels of the input and of the values.
        reduction: Channels over those of queries and keys.
    """

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        small = max(channels // reduction, 1)
        self.query = nn.Conv2d(channels, small, 1, bias=False)
        self.key = nn.Conv2d(channels, small, 1, bias=False)
        self.value = nn.Conv2d(channels, channels, 1, bias=False)


class CrissCross(Attention):
    """Attention of each pixel to its row and column (Huang et al., CCNet, section 3.2)."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, C, H, W]`` to the same shape."""
        query, key, value = self.query(x), self.key(x), self.value(x)
        rows = torch.einsum('bchw,bchv->bhwv', query, key)
        columns = torch.einsum('bchw,bcgw->bhwg', query, key)
        height, width = x.shape[2:]
        # The pixel itself is in its row already.
        own = torch.eye(height, dtype=torch.bool, device=x.device)[None, :, None]
        columns = columns.masked_fill(own, float('-inf'))
        weights = torch.cat([rows, columns], dim=3).softmax(dim=3)
        along, across = weights[..., :width], weights[..., width:]
        mixed: Tensor = torch.einsum('bhwv,bchv->bchw', along, value)
        return mixed + torch.einsum('bhwg,bcgw->bchw', across, value)


class TemporalAttention(Attention):
    """Attention of each pixel of a stream to the same pixel of all streams.

    Args:
        channels: Channels of each stream.
        streams: Number of streams.
        reduction: Channels over those of queries and keys.
    """

    def __init__(self, channels: int, streams: int = 3, reduction: int = 8) -> None:
        super().__init__(channels, reduction)
        self.streams = streams

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, streams C, H, W]`` to the same shape."""
        batch, _, height, width = x.shape
        joined = x.reshape(batch * self.streams, -1, height, width)
        query, key, value = (
            layer(joined).reshape(batch, self.streams, -1, height, width)
            for layer in (self.query, self.key, self.value)
        )
        weights = torch.einsum('bschw,btchw->bsthw', query, key).softmax(dim=2)
        mixed: Tensor = torch.einsum('bsthw,btchw->bschw', weights, value)
        return mixed.reshape(batch, -1, height, width)
