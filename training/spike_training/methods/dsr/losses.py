# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Loss of enlarged depth maps."""

from __future__ import annotations

import torch
from torch import Tensor


def l1_loss(enlarged: Tensor, truth: Tensor) -> Tensor:
    """Compute the L1 loss of known pixels (Sun et al., Eq. 10).

    Args:
        enlarged: Grey levels, ``[B, 1, H, W]``; NaN is a hole, which has neither a loss nor a
            gradient.
        truth: True grey levels, same shape; 0 is unknown.

    Returns:
        Mean over the pixels of each map that are known in both, ``[B]`` grey levels; 0 for a map
        without any.
    """
    known = (truth > 0) & ~enlarged.isnan()
    # Chosen before the difference: the gradient of NaN times 0 would be NaN.
    error = (torch.where(known, enlarged, truth) - truth).abs()
    return error.sum(dim=(1, 2, 3)) / known.sum(dim=(1, 2, 3)).clamp(min=1)


def middle_weight(weights: Tensor, small: Tensor, factor: int) -> Tensor:
    """Compute the mean weight of the middle neighbour where weights matter.

    Where all nine neighbours of a pixel are equal any weights are right; beside holes they are
    bound to be larger. Both are left out.

    Args:
        weights: Convex weights of the nine small pixels around each one, ``[B, 9, H, W]``.
        small: Small maps, ``[B, 1, H / factor, W / factor]``; 0 is a hole.
        factor: Factor between both sizes.

    Returns:
        Scalar from 0 to 1; 0 where there are no such pixels.
    """
    largest = torch.nn.functional.max_pool2d(small, 3, 1, 1)
    least = -torch.nn.functional.max_pool2d(-small, 3, 1, 1)
    counted = (largest > least) & (least > 0)
    counted = counted.repeat_interleave(factor, dim=-2).repeat_interleave(factor, dim=-1)
    return (weights[:, 4:5] * counted).sum() / counted.sum().clamp(min=1)
