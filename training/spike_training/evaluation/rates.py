# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rate-to-RGB adapter: evaluation of a network for RGB on spikes, without training on them."""

from __future__ import annotations

from torch import Tensor, nn

from spike_depth_ros.networks.depth_net import DepthOutput
from spike_depth_ros.networks.temporal import relative_rates

LEVEL = 0.25
"""Mean linear intensity of the colour images rendered for training."""


class RateToGrey(nn.Module):
    """Network for RGB, applied to the firing-rate image repeated on three channels.

    The rate of a pixel over the whole window is proportional to its light intensity. It is exposed
    and gamma encoded like the training images, because darker or linear images alone would make
    the network's errors larger.

    Args:
        network: Network for RGB.
        translator: Module that gives such pictures another look first; None: none.
    """

    def __init__(self, network: nn.Module, translator: nn.Module | None = None) -> None:
        super().__init__()
        self.network, self.translator = network, translator

    def forward(self, counts: Tensor, planes_per_bin: Tensor) -> DepthOutput:
        """Predict depth from spikes.

        Args:
            counts: Spikes of each pixel in each bin, ``[B, C, H, W]``.
            planes_per_bin: Planes that each bin covers, ``[C]``.
        """
        seen = picture(counts, planes_per_bin)
        if self.translator is not None:
            seen = self.translator(seen)
        output: DepthOutput = self.network(seen, planes_per_bin.new_ones(3))
        return output


def picture(counts: Tensor, planes_per_bin: Tensor) -> Tensor:
    """Convert counts to the firing-rate image as RGB.

    Args:
        counts: Spikes of each pixel in each bin, ``[B, C, H, W]``.
        planes_per_bin: Planes that each bin covers, ``[C]``.

    Returns:
        ``[B, 3, H, W]`` float32 from 0 to 1, gamma encoded.
    """
    # The square root of rates whose mean is 1.
    brightness = relative_rates(counts, planes_per_bin)[1]
    grey: Tensor = (LEVEL**0.5 * brightness).clamp(max=1)
    return grey.expand(-1, 3, -1, -1)
