# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Mean of the depth of two networks of spikes and a frame: a control of their fusion."""

from __future__ import annotations

from torch import Tensor, nn

from spike_depth_ros.model.depth_net import DepthOutput


class MeanDepth(nn.Module):
    """Two networks whose depth is averaged by its logarithm; twice the work.

    The uncertainty is the mean of both, the features are those of the first.

    Args:
        first: Network of spikes and a frame.
        second: Another one, of the same canonical focal length.
    """

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(
        self,
        image: Tensor,
        planes_per_bin: Tensor,
        frame: Tensor | None = None,
        has_spikes: Tensor | None = None,
    ) -> DepthOutput:
        """Predict as the networks do, see :meth:`.fuse_lite.FuseLite.forward`."""
        one: DepthOutput = self.first(image, planes_per_bin, frame, has_spikes)
        other: DepthOutput = self.second(image, planes_per_bin, frame, has_spikes)
        mean = (one.depth.log() + other.depth.log()) / 2
        uncertainty = (one.uncertainty + other.uncertainty) / 2
        return one._replace(depth=mean.exp(), uncertainty=uncertainty)
