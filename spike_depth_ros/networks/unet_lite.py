# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Network of an ImageNet encoder (EfficientNet-Lite0) and a convolutional decoder.

Not in BiCross, whose encoder has ImageNet weights too, at thirty times the size. A small network
that is trained on procedural pictures alone does not generalise from them, see
docs/evidence/data.md.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.networks.depth_net import SpikeDepthNet
from spike_depth_ros.networks.encoder import EncoderOutput, conv_norm
from spike_depth_ros.networks.heads import (
    ConvexDepthHead,
    DepthHead,
    FullConvexDepthHead,
    NearestDepthHead,
    SelectingDepthHead,
    UncertaintyHead,
)
from spike_depth_ros.networks.lite_encoder import (
    FINEST_CHANNELS,
    LEVEL_CHANNELS,
    LiteEncoder,
    double_conv,
    resize_like,
)
from spike_depth_ros.networks.temporal import (
    Centred,
    EventColours,
    central_bin_weights,
    central_rates,
    relative_rates,
)
from spike_depth_ros.tasks.architectures import PICTURES, LiteSettings, Modality

GREY = 0.2
"""Linear light, 0 to 1, of the mean rate of an image: the usual exposure of photographs."""

DEPTH_HEADS: dict[str, type[DepthHead]] = {
    'bilinear': DepthHead,
    'convex': ConvexDepthHead,
    'nearest': NearestDepthHead,
    'convex_full': FullConvexDepthHead,
    'selected': SelectingDepthHead,
}
"""Head of depth by the setting ``upsampling``."""


class RateToRgb(nn.Module):
    """Temporal module for ``picture: mean_and_bins``: rate-to-RGB adapter.

    The square root of the window's rate over the image's mean, as a camera would store it, becomes
    three equal colours from -1 to 1. The rates of the bins are added through a convolution that is
    initially 0.
    """

    def __init__(self, bins: int) -> None:
        """Build the module; ``bins`` is the channels of counts."""
        super().__init__()
        self.rates = nn.Conv2d(bins, 3, 3, padding=1, bias=False)
        nn.init.zeros_(self.rates.weight)

    def forward(self, counts: Tensor, planes_per_bin: Tensor) -> Tensor:
        """Map counts to RGB.

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


class CentralRatesToRgb(nn.Module):
    """Temporal module for the other pictures: central rates as colours.

    The mapping to -1..1 is that of :class:`RateToRgb`. The rates of a short part resolve motion,
    and that of the whole window has little noise. Each part's colour is therefore the rate of the
    window times the ratio of the two, both summed over 3x3 pixels. Without motion all colours are
    equal except for a third of the short part's noise, at full detail.
    """

    shares: Tensor

    def __init__(self, bins: int, fractions: tuple[float, ...]) -> None:
        """Build the module, which has no weights.

        Args:
            bins: Channels of counts.
            fractions: Parts of the window, above 0; the last is 1. One, for three equal colours,
                or three.
        """
        super().__init__()
        self.register_buffer('shares', central_bin_weights(bins, fractions), persistent=False)

    def forward(self, counts: Tensor, planes_per_bin: Tensor) -> Tensor:
        """Map counts to RGB, as :meth:`RateToRgb.forward`."""
        rates = central_rates(counts, planes_per_bin, self.shares)
        if len(self.shares) > 1:
            around = _sums_3x3(rates)
            rates = rates[:, -1:] * around / (around[:, -1:] + TINY)
        colours = (2 * (GREY * rates).sqrt().clamp(max=1.0) - 1).to(self.shares.dtype)
        return colours if len(self.shares) > 1 else colours.expand(-1, 3, -1, -1)


def colours_of(picture: str, bins: int, inputs: Modality) -> nn.Module:
    """Build the temporal module of a network that works on three colours from -1 to 1.

    Args:
        picture: Mapping from rates to colours, a key of ``PICTURES``; of spikes alone.
        bins: Channels of counts, or of a voxel grid of events.
        inputs: Input modality.
    """
    if inputs == 'rgb':
        return Centred()
    if inputs == 'events':
        return EventColours(bins)
    if picture == 'mean_and_bins':
        return RateToRgb(bins)
    return CentralRatesToRgb(bins, PICTURES[picture])


TINY = 1e-12
"""Addend that makes 0 / 0 a 0; far below the rates around any pixel with a spike."""


def _sums_3x3(x: Tensor) -> Tensor:
    """Sum over 3x3 pixels, 0 beyond the edges.

    Implemented as additions: ONNX Runtime takes 0.14 ms for 3 channels of 128x208, and 0.78 ms to
    pool them.
    """
    x = F.pad(x, (1, 1, 1, 1))
    x = x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]
    return x[..., :-2] + x[..., 1:-1] + x[..., 2:]


class LiteDecoder(nn.Module):
    """Decoder from stride 16 to 4 or 2 with the backbone's maps as skip connections (U-Net)."""

    def __init__(self, dim: int, features8: int, features: int, features2: int = 0) -> None:
        """Build the decoder; the arguments are those of :class:`LiteSettings`."""
        super().__init__()
        self.middle = double_conv(dim + LEVEL_CHANNELS[1], features8)
        self.fine = double_conv(features8 + LEVEL_CHANNELS[0], features)
        self.finest: nn.Module | None = None
        if features2:
            # Fewer channels first, and one 3x3 convolution: the heads have two more at stride 2.
            self.reduce = conv_norm(features, features2, 1)
            self.finest = conv_norm(features2 + FINEST_CHANNELS, features2, 3)

    def forward(self, encoded: EncoderOutput) -> Tensor:
        """Decode.

        Returns:
            ``[B, features, H / 4, W / 4]``, or ``[B, features2, H / 2, W / 2]`` where there is a
            level at stride 2.
        """
        *finest, fine, middle = encoded.pyramid
        x = self.middle(torch.cat([resize_like(encoded.f_enc, middle), middle], dim=1))
        decoded: Tensor = self.fine(torch.cat([resize_like(x, fine), fine], dim=1))
        if self.finest is not None:
            x = resize_like(self.reduce(decoded), finest[0])
            decoded = self.finest(torch.cat([x, finest[0]], dim=1))
        return decoded


def unet_lite(
    bins: int,
    depth_range: tuple[float, float],
    settings: LiteSettings,
    inputs: Modality = 'spikes',
) -> SpikeDepthNet:
    """Build the network with random weights (torch's global generator).

    For ImageNet weights see :func:`spike_depth_ros.networks.lite_encoder.load_imagenet`.

    Args:
        bins: Channels of counts; 3 for RGB.
        depth_range: Lowest and highest depth, metres.
        settings: Sizes, and the picture.
        inputs: Input modality: spikes; or RGB or events, in training.

    Raises:
        CheckpointError: timm is not installed.
    """
    return SpikeDepthNet(**lite_parts(bins, depth_range, settings, inputs))


def lite_parts(
    bins: int,
    depth_range: tuple[float, float],
    settings: LiteSettings,
    inputs: Modality = 'spikes',
) -> dict[str, Any]:
    """Build the parts of :func:`unet_lite`, by the arguments of :class:`SpikeDepthNet`."""
    s = settings
    features, stride = (s.features2, 2) if s.features2 else (s.features, 4)
    heads = (
        DEPTH_HEADS[s.upsampling](features, s.head, stride, *depth_range, pool=s.pool),
        UncertaintyHead(features, s.head, stride, s.pool),
    )
    if isinstance(heads[0], SelectingDepthHead):
        heads[0].smoothing = s.smoothing
    for head in heads:
        # As in dpt_tiny: training starts on the slope of sigmoid and softplus.
        nn.init.xavier_normal_(head.conv3.weight, gain=0.5)
        assert head.conv3.bias is not None
        nn.init.zeros_(head.conv3.bias)
    return {
        'temporal': colours_of(s.picture, bins, inputs),
        'encoder': LiteEncoder(s.dim, finest=s.features2 > 0),
        'decoder': LiteDecoder(s.dim, s.features8, s.features, s.features2),
        'depth_head': heads[0],
        'uncertainty_head': heads[1],
        'pool': s.pool,
    }
