# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Post-processing: depth of a picture and of its mirror image, combined (Shen et al., 4.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spike_depth_ros.networks.depth_net import DepthOutput

BORDER = 0.05
"""Share of the columns at either border that are of one pass alone."""


class PostProcessed(nn.Module):
    """Network of depth that combines two passes; twice the work.

    Disparities are combined: their mean is the harmonic mean of depths. The uncertainty is the
    mean of both passes.

    Args:
        network: Network of depth.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, planes_per_bin: Tensor) -> DepthOutput:
        """Predict as the network does, see :class:`spike_depth_ros.networks.SpikeNet`."""
        direct: DepthOutput = self.network(image, planes_per_bin)
        mirrored: DepthOutput = self.network(image.flip(-1), planes_per_bin)
        inverse = post_process(1 / direct.depth, 1 / mirrored.depth)
        uncertainty = (direct.uncertainty + mirrored.uncertainty.flip(-1)) / 2
        return direct._replace(depth=1 / inverse, uncertainty=uncertainty)


def post_process(direct: Tensor, of_mirrored: Tensor) -> Tensor:
    """Combine the disparities of a picture and of its mirror image (Shen et al., section 4.2).

    Either pass is wrong at the border, and beside near things, that the other eye does not see:
    the direct one on the left, the mirrored one on the right.

    Args:
        direct: Disparity of the picture, ``[B, 1, H, W]`` pixels.
        of_mirrored: Disparity of the mirror image as the network gives it, not mirrored back.

    Returns:
        Same shape: of the left 5 % of the columns that of the mirrored pass, of the right 5 % that
        of the direct one, their mean between.

    Raises:
        ValueError: The shapes differ.
    """
    if direct.shape != of_mirrored.shape:
        raise ValueError(
            f'{list(direct.shape)} and {list(of_mirrored.shape)}: expected equal shapes'
        )
    mirrored = of_mirrored.flip(-1)
    width = direct.shape[-1]
    border = round(BORDER * width)
    return torch.cat(
        [
            mirrored[..., :border],
            ((direct + mirrored) / 2)[..., border : width - border],
            direct[..., width - border :],
        ],
        dim=-1,
    )
