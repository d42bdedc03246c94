# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks that training adds to DSRNet and DENet: side outputs, and SPNet.

They are those of Sun et al., "Learning Scene Structure Guidance via Cross-Task Knowledge Transfer
for Single Depth Super-Resolution", sections 3.2 and 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spike_training.evaluation.small_maps import MOST_LEVEL

LAYERS = 5
"""Convolutions with ReLU of SPNet, before the last one."""


class SideOutputs(nn.Module):
    """What stands for a map, from the features of each block, by two convolutions (before Eq. 3).

    Args:
        blocks: Number of blocks.
        width: Channels of their features.
    """

    def __init__(self, blocks: int, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv2d(width, 1, 3, padding=1),
            )
            for _ in range(blocks)
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Map features, each ``[B, width, H, W]``, to outputs of the two networks' kind.

        See :meth:`DsrNet.placed`.

        Returns:
            Of each block ``[B, 1, H, W]``.
        """
        return [layer(each) for layer, each in zip(self.layers, features, strict=True)]


class StructureNet(nn.Module):
    """SPNet: the structure of the true map from the last features of both networks (Eq. 7 to 9).

    Args:
        width: Channels of the features of each network.
        error_weights: Weigh features by the errors of both maps; else concatenate them.
    """

    def __init__(self, width: int, error_weights: bool) -> None:
        super().__init__()
        self.weigh = nn.ModuleList(
            nn.Conv2d(1, width, 1) for _ in range(2 if error_weights else 0)
        )
        layers: list[nn.Module] = []
        for channels in (2 * width, *[width] * (LAYERS - 1)):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*layers, nn.Conv2d(width, 1, 3, padding=1))

    def forward(self, features: Sequence[Tensor], errors: Sequence[Tensor]) -> Tensor:
        """Predict the structure map.

        Args:
            features: Those of the last block of DSRNet and of DENet, each ``[B, width, H, W]``.
            errors: Their maps less the truth, each ``[B, 1, H, W]`` grey levels; 0 where it is
                not known.

        Returns:
            ``[B, 1, H, W]`` grey levels.
        """
        if self.weigh:
            features = [
                each * (1 + torch.sigmoid(layer(error)))  # Eq. 9, with U of Eq. 7 or 8
                for each, layer, error in zip(features, self.weigh, errors, strict=True)
            ]
        structure: Tensor = MOST_LEVEL * self.body(torch.cat([*features], dim=1))
        return structure
