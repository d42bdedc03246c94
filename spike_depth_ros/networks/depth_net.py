# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spike depth network (Liu et al., BiCross, section III-A), and ``dpt_tiny``."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from spike_depth_ros.networks import SpikeNet
from spike_depth_ros.networks.decoder import DptDecoder
from spike_depth_ros.networks.encoder import HybridEncoder, InvertedBottleneck, conv_norm
from spike_depth_ros.networks.heads import DepthHead, Head, SelectingDepthHead, UncertaintyHead
from spike_depth_ros.networks.temporal import RateStem, RgbStem
from spike_depth_ros.tasks.architectures import TinySettings


class DepthOutput(NamedTuple):
    """Output of the network.

    Attributes:
        depth: Metres at the canonical focal length, float32 ``[B, 1, H, W]``.
        uncertainty: Predicted relative error of the depth, at least 0, float32 ``[B, 1, H, W]``.
        f_enc: Features behind the encoder, ``[B, D, H / 16, W / 16]``; of ``dpn`` at stride 32.
        f_dec: Features before the heads, ``[B, F, H / s, W / s]``; s is 2 in ``dpt_hybrid`` and in
            ``unet_lite`` with ``features2``, else 4.
        class_token: ``[B, D]``.
    """

    depth: Tensor
    uncertainty: Tensor
    f_enc: Tensor
    f_dec: Tensor
    class_token: Tensor


class SpikeDepthNet(SpikeNet):
    """Network of temporal module, encoder, decoder and two heads.

    Attributes:
        pool: Input pixels per side of a pixel that the network works on.
    """

    def __init__(
        self,
        temporal: nn.Module,
        encoder: nn.Module,
        decoder: nn.Module,
        depth_head: nn.Module,
        uncertainty_head: nn.Module,
        pool: int = 1,
    ) -> None:
        super().__init__()
        self.pool = pool
        self.temporal = temporal
        self.encoder = encoder
        self.decoder = decoder
        self.depth_head = depth_head
        self.uncertainty_head = uncertainty_head

    def from_pooled(self, counts: Tensor, planes_per_bin: Tensor) -> DepthOutput:
        """Predict depth; see :class:`SpikeNet`."""
        picture = self.temporal(counts, planes_per_bin)
        encoded = self.encoder(picture)
        f_dec = self.decoder(encoded)
        guide = (picture,) if isinstance(self.depth_head, SelectingDepthHead) else ()
        return DepthOutput(
            depth=self.depth_head(f_dec, *guide),
            uncertainty=self.uncertainty_head(f_dec),
            f_enc=encoded.f_enc,
            f_dec=f_dec,
            class_token=encoded.class_token,
        )


def dpt_tiny(
    bins: int,
    depth_range: tuple[float, float],
    settings: TinySettings,
    inputs: Literal['spikes', 'rgb'] = 'spikes',
) -> SpikeDepthNet:
    """Build ``dpt_tiny``, for embedded computers, with random weights (torch's generator).

    Convolutional stages in the manner of MobileNetV4-conv-small, four small transformer blocks at
    stride 16, a DPT decoder of separable convolutions. The sizes were chosen by ONNX Runtime's
    time on two CPU cores at 400x250.

    Args:
        bins: Channels of counts; 3 for RGB.
        depth_range: Lowest and highest depth, metres.
        settings: Sizes.
        inputs: Input modality: spikes, or RGB (a teacher in training).
    """
    s = settings
    wide = s.stage8 * 3 // 2
    stages = [
        nn.Sequential(conv_norm(s.stem, s.stage4, 3, 2), conv_norm(s.stage4, s.stage4, 1)),
        nn.Sequential(conv_norm(s.stage4, wide, 3, 2), conv_norm(wide, s.stage8, 1)),
        nn.Sequential(
            InvertedBottleneck(s.stage8, s.stage16, start=5, middle=5, stride=2, expand=3),
            InvertedBottleneck(s.stage16, s.stage16, start=0, middle=3, stride=1, expand=2),
            InvertedBottleneck(s.stage16, s.stage16, start=0, middle=3, stride=1, expand=2),
            InvertedBottleneck(s.stage16, s.stage16, start=3, middle=0, stride=1, expand=4),
        ),
    ]
    network = SpikeDepthNet(
        temporal=RateStem(bins, s.stem) if inputs == 'spikes' else RgbStem(s.stem),
        encoder=HybridEncoder(stages, s.stage16, s.dim, s.blocks, s.heads, s.mlp_ratio, s.grid),
        decoder=DptDecoder((s.stage4, s.stage8), s.dim, s.features),
        depth_head=DepthHead(s.features, s.head, 4, *depth_range, pool=s.pool),
        uncertainty_head=UncertaintyHead(s.features, s.head, 4, s.pool),
        pool=s.pool,
    )
    _initialise(network)
    return network


def _initialise(network: SpikeDepthNet) -> None:
    """Initialise weights: He for convolutions, truncated normal for tokens."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity='relu')
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    if isinstance(network.temporal, RateStem):
        # Nearly equal weights for all bins: training starts from the mean rate of the window.
        weight = network.temporal.rates[0].weight
        assert isinstance(weight, nn.Parameter)
        with torch.no_grad():
            weight.copy_(weight.mean(dim=1, keepdim=True) + 0.05 * weight)
    for head in (network.depth_head, network.uncertainty_head):
        if isinstance(head, Head):
            # Half the gain that keeps the scale: training starts on the slope of the activations.
            nn.init.xavier_normal_(head.conv3.weight, gain=0.5)
    encoder = network.encoder
    if isinstance(encoder, HybridEncoder):
        for parameter in (encoder.class_token, encoder.class_position, encoder.position):
            nn.init.trunc_normal_(parameter, std=0.02)
