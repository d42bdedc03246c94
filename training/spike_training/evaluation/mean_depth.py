# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Mean of the depth of two networks of spikes and a frame: a control of their fusion."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spike_depth_ros.networks.depth_net import DepthOutput


class MeanDepth(nn.Module):
    """Two networks whose depth is averaged by its logarithm; twice the work.

    Where a sample has no frame the first network alone counts, without spikes the second alone,
    as the other one has nothing to see. The features are those of the first.

    Args:
        first: Network that needs spikes.
        second: Network that needs a frame, of the same canonical focal length.
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
        share = self._share_of_first(image, frame, has_spikes)[:, None, None, None]
        log_depth = torch.lerp(other.depth.log(), one.depth.log(), share)
        uncertainty = torch.lerp(other.uncertainty, one.uncertainty, share)
        return one._replace(depth=log_depth.exp(), uncertainty=uncertainty)

    @staticmethod
    def _share_of_first(image: Tensor, frame: Tensor | None, has_spikes: Tensor | None) -> Tensor:
        """Return the share of the first network's depth in each sample's mean, ``[B]``."""
        share = torch.full((len(image),), 0.5, device=image.device)
        if has_spikes is not None:
            share[~has_spikes] = 0.0
        share[slice(None) if frame is None else frame.isnan().flatten(1).all(1)] = 1.0
        return share
