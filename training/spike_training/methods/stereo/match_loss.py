# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses of disparity and of its uncertainty; one value per image, ``[B]``.

The truth is that of :func:`spike_training.sampling.truth.true_disparity`: pixels where it is NaN
are left out. An image without remaining pixels gives 0.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from spike_depth_ros.networks.stereo_lite import LAPLACE_68, STRIDE

FARTHEST_ERROR_PX = 32.0
"""Error from which the uncertainty is not trained to grow, pixels."""


def disparity_loss(disparity: Tensor, truth: Tensor) -> Tensor:
    """Compute the mean of ``log(1 + |error in pixels|)``.

    Its gradient falls as an error grows, so that what cannot be matched does not rule.

    Args:
        disparity: Pixels, ``[B, 1, H, W]``.
        truth: As ``disparity``; NaN: unknown.

    Returns:
        ``[B]``, 0 or more.
    """
    known = truth.isfinite()
    error = torch.where(known, disparity - torch.where(known, truth, 0.0), 0.0)
    return _mean(error.abs().log1p(), known)


def laplace_loss(uncertainty: Tensor, disparity: Tensor, truth: Tensor) -> Tensor:
    """Compute the negative log-likelihood of the errors as a Laplace distribution.

    ``|error| / b + log b`` of a scale b, whose 68 % interval has the half-width ``uncertainty``
    (Kendall and Gal, "What Uncertainties Do We Need in Bayesian Deep Learning", section 3.1, with
    absolute values). Errors are clipped, and have no gradient: of what matches, it trains the
    weights of the upsampling alone.

    Args:
        uncertainty: Pixels, ``[B, 1, H, W]``, above 0.
        disparity: Pixels, as ``uncertainty``.
        truth: As ``disparity``; NaN: unknown.

    Returns:
        ``[B]``.
    """
    known = truth.isfinite()
    error = (disparity.detach() - torch.where(known, truth, 0.0)).abs()
    scale = uncertainty / LAPLACE_68
    return _mean(error.clamp(max=FARTHEST_ERROR_PX) / scale + scale.log(), known)


def volume_loss(logits: Tensor, truth: Tensor, pool: int) -> Tensor:
    """Compute the cross entropy of the volume's disparities.

    The true distribution is that of the two steps beside the true disparity whose mean it is. This
    loss chooses between peaks, which the other one, of a single peak, cannot.

    Args:
        logits: Of disparities of 0, ``STRIDE * pool``, ... pixels, ``[B, N, h, w]``.
        truth: Pixels, ``[B, 1, H, W]``; NaN: unknown.
        pool: Pixels per side of a pixel that the network works on.

    Returns:
        ``[B]``, 0 or more.
    """
    side = STRIDE * pool
    # Of the places' middle pixels.
    here = truth[..., (side - 1) // 2 :: side, (side - 1) // 2 :: side] / side
    last = logits.shape[1] - 1
    known = here.isfinite() & (here <= last)
    here = torch.where(known, here, 0.0)
    low = here.floor().clamp(max=last - 1)
    share = here - low
    logarithm = F.log_softmax(logits, dim=1)
    at_low = logarithm.gather(1, low.long())
    at_high = logarithm.gather(1, low.long() + 1)
    return _mean(-((1 - share) * at_low + share * at_high), known)


def bad_share(disparity: Tensor, truth: Tensor, limit_px: float = 2.0) -> Tensor:
    """Return the share of an image's known pixels that is off by more than a limit, ``[B]``."""
    known = truth.isfinite()
    error = (disparity - torch.where(known, truth, 0.0)).abs()
    return _mean((error > limit_px).float(), known)


def held_share(uncertainty: Tensor, disparity: Tensor, truth: Tensor) -> Tensor:
    """Return the share of an image's known pixels whose interval holds the truth, ``[B]``."""
    known = truth.isfinite()
    error = (disparity - torch.where(known, truth, 0.0)).abs()
    return _mean((error <= uncertainty).float(), known)


def _mean(values: Tensor, known: Tensor) -> Tensor:
    """Return the mean of each image's known values."""
    kept = torch.where(known, values, 0.0).sum(dim=(1, 2, 3))
    return kept / known.sum(dim=(1, 2, 3)).clamp(min=1)
