# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Difference of two pictures or maps, of which some pixels do not count."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 3
"""Rows and columns of the blocks of SSIM; pictures have as many, at least."""

SSIM_CONSTANTS = (0.01**2, 0.03**2)
"""Constants of SSIM for brightness from 0 to 1 (Wang et al., "Image Quality Assessment")."""


def appearance_loss(picture: Tensor, other: Tensor, counts: Tensor, alpha: float = 0.85) -> Tensor:
    """Compute the difference of two pictures.

    It is that of Shen et al., Eq. 3, and of Sun et al., Eq. 11, after Godard et al., "Unsupervised
    Monocular Depth Estimation with Left-Right Consistency", Eq. 2. Mean of
    ``alpha (1 - SSIM) / 2`` over the blocks all of whose pixels count, plus that of
    ``(1 - alpha) |difference|`` over the pixels that count.

    Args:
        picture: ``[B, C, H, W]``, 0 to 1.
        other: The other one, same shape.
        counts: Mask of the pixels that count, ``[B, 1, H, W]`` bool; they are known in both.
        alpha: Share of SSIM, 0 to 1.

    Returns:
        ``[B]``, 0 or more.
    """
    one, other = (torch.where(counts, values, 0.0) for values in (picture, other))
    whole = F.max_pool2d((~counts).float(), BLOCK, 1) == 0
    structure = (1 - ssim(one, other)) / 2
    return alpha * masked_mean(structure, whole) + (1 - alpha) * masked_mean(
        (one - other).abs(), counts
    )


def ssim(one: Tensor, other: Tensor) -> Tensor:
    """Compute the structural similarity of blocks of 3x3 pixels, of equal weight.

    Args:
        one: ``[B, C, H, W]``, 0 to 1.
        other: Same shape.

    Returns:
        -1 to 1, ``[B, C, H - 2, W - 2]``, float32 or more.
    """
    # Variances are small differences of squares: in bfloat16 the result would be -20 to 20.
    one, other = (one.to(torch.promote_types(one.dtype, torch.float32)) for one in (one, other))
    mean_one, mean_other, square_one, square_other, product = (
        F.avg_pool2d(values, BLOCK, 1)
        for values in (one, other, one.square(), other.square(), one * other)
    )
    c1, c2 = SSIM_CONSTANTS
    means = mean_one * mean_other
    squares = mean_one.square() + mean_other.square()
    likeness = (2 * means + c1) * (2 * (product - means) + c2)
    return likeness / ((squares + c1) * (square_one + square_other - squares + c2))


def masked_mean(values: Tensor, counts: Tensor) -> Tensor:
    """Compute the mean of each image's values that count.

    Args:
        values: ``[B, C, H, W]``.
        counts: Mask of those that count, ``[B, 1, H, W]`` bool.

    Returns:
        Mean over channels and the counted pixels, ``[B]``; 0 where none counts.
    """
    kept = torch.where(counts, values, 0.0).mean(dim=1).sum(dim=(1, 2))
    return kept / counts.sum(dim=(1, 2, 3)).clamp(min=1)


def edge_aware_slope(values: Tensor, picture: Tensor) -> Tensor:
    """Compute the slope of a map, less where its picture has edges (Shen et al., Eq. 4).

    Mean of ``|dx v| exp(-|dx I|) + |dy v| exp(-|dy I|)`` over neighbours that are known; |dx I| is
    the mean over the channels.

    Args:
        values: ``[B, 1, H, W]``; not finite: unknown.
        picture: ``[B, C, H, W]``, 0 to 1; not finite: unknown.

    Returns:
        ``[B]``, 0 or more.
    """
    known = values.isfinite() & picture.isfinite().all(dim=1, keepdim=True)
    sloped = torch.where(known, values, 0.0)
    shown = torch.where(known, picture, 0.0)
    total = torch.zeros_like(sloped[:, 0, 0, 0])
    for dim in (2, 3):
        pairs = known.shape[dim] - 1
        both = known.narrow(dim, 1, pairs) & known.narrow(dim, 0, pairs)
        edge = shown.diff(dim=dim).abs().mean(dim=1, keepdim=True)
        total = total + masked_mean(sloped.diff(dim=dim).abs() * torch.exp(-edge), both)
    return total
