# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Light DPT decoder (Ranftl et al., Vision Transformers for Dense Prediction)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.networks.encoder import EncoderOutput, conv_norm


def separable(channels: int) -> nn.Sequential:
    """Build a depthwise 3x3 and a 1x1 convolution, in place of DPT's 3x3 convolutions."""
    return nn.Sequential(
        conv_norm(channels, channels, 3, groups=channels),
        conv_norm(channels, channels, 1, act=False),
    )


class Readout(nn.Module):
    """Reassemble: project tokens and add the class token to each, as DPT's ``project``."""

    def __init__(self, dim: int, features: int) -> None:
        super().__init__()
        self.grid = nn.Conv2d(dim, features, 1)
        self.token = nn.Linear(dim, features, bias=False)

    def forward(self, f_enc: Tensor, class_token: Tensor) -> Tensor:
        """Map ``[B, D, h, w]`` and ``[B, D]`` to ``[B, features, h, w]``."""
        # A linear layer on the concatenation of both is the sum of one on each.
        return F.gelu(self.grid(f_enc) + self.token(class_token)[:, :, None, None])


class Fusion(nn.Module):
    """Refine, add the finer skip features, refine, double the resolution."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.skip = separable(features)
        self.refine = separable(features)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Map coarse ``[B, F, h, w]`` and finer ``[B, F, 2h, 2w]`` to ``[B, F, 2h, 2w]``."""
        x = F.interpolate(x, scale_factor=2.0, mode='bilinear', align_corners=False)
        x = x + skip + self.skip(skip)
        return F.relu(x + self.refine(x))


class DptDecoder(nn.Module):
    """Reassemble each level to one width and fuse from coarse to fine."""

    def __init__(self, pyramid: Sequence[int], dim: int, features: int) -> None:
        """Build the decoder.

        Args:
            pyramid: Channels of the encoder's levels that are finer than its tokens, finest first.
            dim: Width of the tokens.
            features: Channels of every level in the decoder.
        """
        super().__init__()
        self.readout = Readout(dim, features)
        self.reassemble = nn.ModuleList(conv_norm(c, features, 1, act=False) for c in pyramid)
        self.fusion = nn.ModuleList(Fusion(features) for _ in pyramid)

    def forward(self, encoded: EncoderOutput) -> Tensor:
        """Decode to ``[B, features, H / s, W / s]``, s the stride of the finest level used."""
        x: Tensor = self.readout(encoded.f_enc, encoded.class_token)
        levels = len(self.reassemble)
        # The stem's map, finer than any level in use, and the map under the tokens are left out.
        used = encoded.pyramid[-1 - levels : -1]
        for level in reversed(range(levels)):
            x = self.fusion[level](x, self.reassemble[level](used[level]))
        return x
