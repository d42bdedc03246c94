# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses of enlarged and of estimated maps.

Equations are those of Sun et al., "Learning Scene Structure Guidance via Cross-Task Knowledge
Transfer for Single Depth Super-Resolution". Maps are grey levels from 0 to 255, where 0 of a true
one is unknown: an unknown pixel has neither a loss nor a gradient. Losses are in grey levels, but
for that of affinities. Each function returns one value per map, ``[B]``; 0 for a map without known
pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from spike_training.evaluation.small_maps import MOST_LEVEL
from spike_training.evaluation.upsampling import structure_map
from spike_training.learning.appearance import appearance_loss, masked_mean

MOST_PLACES = 32
"""Rows and columns between which affinities are computed, at most: all pixels of the large size
would be thousands of times as many pairs."""

_LEAST_VARIANCE = 1e-3
"""Variance below which an estimate is taken as constant, grey levels squared."""


def l1_loss(enlarged: Tensor, truth: Tensor) -> Tensor:
    """Compute the L1 loss of known pixels (Sun et al., Eq. 10), which is the error of Eq. 1 and 2.

    Args:
        enlarged: Grey levels, ``[B, 1, H, W]``; NaN is a hole, which has neither a loss nor a
            gradient.
        truth: True grey levels, same shape; 0 is unknown.
    """
    known = (truth > 0) & ~enlarged.isnan()
    # Chosen before the difference: the gradient of NaN times 0 would be NaN.
    return masked_mean((torch.where(known, enlarged, truth) - truth).abs(), known)


def estimation_loss(estimate: Tensor, truth: Tensor, ssim_share: float) -> Tensor:
    """Compute the loss of an estimated map (Sun et al., Eq. 11).

    Args:
        estimate: Grey levels, ``[B, 1, H, W]``.
        truth: True grey levels, same shape.
        ssim_share: Share of SSIM, lambda, 0 to 1.
    """
    one, other = estimate / MOST_LEVEL, truth / MOST_LEVEL
    return MOST_LEVEL * appearance_loss(one, other, truth > 0, ssim_share)


def fit_to_truth(estimate: Tensor, truth: Tensor) -> Tensor:
    """Fit an estimate to the truth by a scale and a shift, the best ones of least squares.

    Colours do not tell the scale of a map. The fit has a gradient, so that estimates that differ
    by scale and shift have the same loss. The scale of a constant estimate is 0.

    Args:
        estimate: ``[B, 1, H, W]``, any unit.
        truth: True grey levels, same shape.

    Returns:
        Grey levels, same shape.
    """
    known = truth > 0
    mean, true_mean = (
        masked_mean(values, known)[:, None, None, None] for values in (estimate, truth)
    )
    centred = estimate - mean
    covariance, variance = (
        masked_mean(centred * values, known)[:, None, None, None]
        for values in (truth - true_mean, centred)
    )
    scale = covariance / (variance + _LEAST_VARIANCE)
    return true_mean + scale * centred


def output_loss(student: Sequence[Tensor], teacher: Sequence[Tensor], truth: Tensor) -> Tensor:
    """Compute the difference of the side outputs of two networks (Sun et al., Eq. 3).

    Args:
        student: Maps of the N blocks of one network, each ``[B, 1, H, W]`` grey levels.
        teacher: Those of the other one.
        truth: True grey levels, which say what is known.
    """
    known = truth > 0
    apart = [
        masked_mean((one - other).abs(), known)
        for one, other in zip(student, teacher, strict=True)
    ]
    return torch.stack(apart).mean(dim=0)


def affinity(features: Tensor) -> Tensor:
    """Compute the affinities of all pairs of places (Sun et al., Eq. 4).

    Args:
        features: ``[B, C, H, W]``; averaged to at most ``MOST_PLACES`` rows and columns.

    Returns:
        ``[B, places, places]``, the sum of each row being 1.
    """
    height, width = (min(side, MOST_PLACES) for side in features.shape[-2:])
    rows = F.adaptive_avg_pool2d(features, (height, width)).flatten(2).transpose(1, 2)
    return (rows @ rows.transpose(1, 2)).softmax(dim=-1)


def affinity_loss(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Compute the difference of the affinities of two networks (Sun et al., Eq. 5).

    Args:
        student: Affinities of the N blocks of one network, as of :func:`affinity`.
        teacher: Those of the other one.

    Returns:
        Sum over each row of affinities, mean over rows and blocks, ``[B]``, 0 to 2.
    """
    apart = [
        (one - other).abs().sum(dim=-1).mean(dim=-1)
        for one, other in zip(student, teacher, strict=True)
    ]
    return torch.stack(apart).mean(dim=0)


def structure_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """Compute the loss of a predicted structure map (Sun et al., Eq. 12).

    Args:
        predicted: Grey levels, ``[B, 1, H, W]``.
        truth: True map, same shape, of which the structure is computed.
    """
    structure, known = structure_map(truth)
    return masked_mean((predicted - structure).abs(), known)


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
    largest = F.max_pool2d(small, 3, 1, 1)
    least = -F.max_pool2d(-small, 3, 1, 1)
    counted = (largest > least) & (least > 0)
    counted = counted.repeat_interleave(factor, dim=-2).repeat_interleave(factor, dim=-1)
    return (weights[:, 4:5] * counted).sum() / counted.sum().clamp(min=1)
