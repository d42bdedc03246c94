# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Filter by uncertainty (BiCross, section III-B): positions to distil, pixels to learn from."""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclasses.dataclass(frozen=True)
class Threshold:
    """Threshold of an uncertainty map: epsilon in the paper, which gives no value.

    Attributes:
        absolute: Largest relative error that counts as confident; None: each image's quantile.
        quantile: Share of an image's positions that are confident. Of n positions these are
            ``round(n quantile)``, more if some have the same uncertainty: 0 selects none, 1 all.
    """

    absolute: float | None = None
    quantile: float = 0.5

    def confident(self, uncertainty: Tensor) -> Tensor:
        """Return the confidence mask: the positions with an uncertainty not above the threshold.

        Args:
            uncertainty: ``[B, 1, h, w]``, 0 or more.

        Returns:
            Same shape, bool.
        """
        if self.absolute is not None:
            return uncertainty <= self.absolute
        flat = uncertainty.detach().flatten(1)
        number = round(self.quantile * flat.shape[1])
        if number == 0:
            return torch.zeros_like(uncertainty, dtype=torch.bool)
        # kthvalue takes a tenth of the time of torch.quantile, which sorts.
        limit = flat.kthvalue(number, dim=1).values
        return uncertainty <= limit[:, None, None, None]


def drawn(selected: Tensor) -> Tensor:
    """Draw as many positions of each image as are selected, a control of the choice.

    Args:
        selected: ``[B, 1, h, w]`` bool.

    Returns:
        Same shape; positions are drawn by torch's generator.
    """
    number = selected.flatten(1).sum(dim=1, keepdim=True)
    noise = torch.rand(selected.flatten(1).shape, device=selected.device)
    ranks = noise.argsort(dim=1).argsort(dim=1)
    return (ranks < number).view_as(selected)


def spike_oriented_filter(
    rgb_uncertainty: Tensor,
    spike_uncertainty: Tensor,
    grid: tuple[int, int],
    rgb: Threshold,
    spike: Threshold,
) -> Tensor:
    """Select positions where RGB is confident and spikes are not (BiCross, section III-B).

    The maps of uncertainty are averaged to the grid of the features and then compared with the
    thresholds. Comparing first would give shares of pixels, which need another threshold, and a
    quantile of one half would no longer select half of the grid.

    Args:
        rgb_uncertainty: Relative error that the teacher predicts, ``[B, 1, H, W]``.
        spike_uncertainty: Relative error that the student predicts, same shape.
        grid: Rows and columns of the features; each divides H and W, or is that of the image.
        rgb: Threshold up to which RGB is confident.
        spike: Threshold up to which spikes are confident.

    Returns:
        ``[B, 1, *grid]`` bool, without a gradient.
    """
    confident = rgb.confident(F.adaptive_avg_pool2d(rgb_uncertainty.detach(), grid))
    return confident & ~spike.confident(F.adaptive_avg_pool2d(spike_uncertainty.detach(), grid))
