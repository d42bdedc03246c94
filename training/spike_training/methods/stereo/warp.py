# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Disparity of canonical depth, and the picture of one eye made from that of the other.

A place at the left column x is at the right column ``x - d_l(x)``; one at the right column x is at
the left column ``x + d_r(x)``. Both eyes are rectified; what is infinitely far has disparity 0.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from spike_training.learning.appearance import BLOCK

NEAREST_M = 1e-3
"""Depth below which nothing is a depth, metres; it keeps gradients finite."""

LEAST_PX = 1e-6
"""Disparity below which depth has no gradient, pixels."""


def disparity_of(depth: Tensor, baseline_m: Tensor, canonical_fx: float) -> Tensor:
    """Compute the disparity of canonical depth.

    Canonical depth is ``z canonical_fx / fx``, so that ``canonical_fx B / depth`` is ``fx B / z``
    pixels at any focal length fx.

    Args:
        depth: Metres at the canonical focal length, ``[B, 1, H, W]``; +Inf: infinitely far.
        baseline_m: Distance of the eyes, ``[B]`` metres.
        canonical_fx: Canonical focal length, pixels.

    Returns:
        Pixels, same shape; NaN, without a gradient, where it is no depth.
    """
    is_depth = depth >= NEAREST_M  # NaN compares as False
    metres = torch.where(is_depth & depth.isfinite(), depth, 1.0)
    pixels = (canonical_fx * baseline_m)[:, None, None, None] / metres
    return torch.where(is_depth, torch.where(depth.isfinite(), pixels, 0.0), torch.nan)


class Warped(NamedTuple):
    """Picture of one eye, made from that of the other.

    Attributes:
        picture: ``[B, C, H, W]``; 0, without a gradient, where ``inside`` is False.
        inside: Mask of the pixels whose place the other picture shows, ``[B, 1, H, W]`` bool: in
            it, of a known disparity, and known.
    """

    picture: Tensor
    inside: Tensor


def left_from_right(right: Tensor, disparity: Tensor) -> Warped:
    """Make the left picture, ``left'(x) = right(x - d_l(x))``, bilinearly.

    Args:
        right: Picture or map of the right eye, ``[B, C, H, W]``.
        disparity: Of the left eye, ``[B, 1, H, W]`` pixels.

    Raises:
        ValueError: The shapes do not fit.
    """
    return _sample(right, disparity, -1)


def right_from_left(left: Tensor, disparity: Tensor) -> Warped:
    """Make the right picture, ``right'(x) = left(x + d_r(x))``, bilinearly.

    Args:
        left: Picture or map of the left eye, ``[B, C, H, W]``.
        disparity: Of the right eye, ``[B, 1, H, W]`` pixels.

    Raises:
        ValueError: The shapes do not fit.
    """
    return _sample(left, disparity, 1)


def picture_pyramid(picture: Tensor, levels: int) -> list[Tensor]:
    """Average squares of 1, 2, 4, ... pixels per side of a picture.

    Args:
        picture: ``[B, C, H, W]``; rows and columns that fill no square are left out.
        levels: Number of pictures, 1 or more.

    Raises:
        ValueError: The last one would be smaller than a block.
    """
    height, width = picture.shape[2:]
    least = BLOCK << (levels - 1)
    if min(height, width) < least:
        raise ValueError(
            f'pictures of {height}x{width}: expected at least {least}x{least} for {levels} levels'
        )
    return [F.avg_pool2d(picture, 1 << level) for level in range(levels)]


def disparity_pyramid(disparity: Tensor, levels: int) -> list[Tensor]:
    """Average disparities as :func:`picture_pyramid`, each level in pixels of its own.

    Args:
        disparity: ``[B, 1, H, W]`` pixels.
        levels: Number of maps, 1 or more.

    Raises:
        ValueError: As there.
    """
    averaged = picture_pyramid(disparity, levels)
    return [one / (1 << level) for level, one in enumerate(averaged)]


def _sample(picture: Tensor, disparity: Tensor, sign: int) -> Warped:
    """Take a picture at ``x + sign * disparity``."""
    batch, channels, height, width = picture.shape
    if disparity.shape != (batch, 1, height, width):
        raise ValueError(
            f'picture {list(picture.shape)} and disparity {list(disparity.shape)}: expected one '
            'size, the disparity of one channel'
        )
    known = picture.isfinite().all(dim=1, keepdim=True)
    columns = torch.arange(width, device=picture.device, dtype=disparity.dtype)
    at = columns + sign * disparity
    inside = (at >= 0) & (at <= width - 1)  # NaN compares as False
    # Unknown values are replaced before they are used, or their NaN would reach the gradient.
    at = torch.where(inside, at, 0.0)
    low = at.detach().floor().long()
    high = (low + 1).clamp(max=width - 1)
    clean = torch.where(known, picture, 0.0)
    at_low, at_high = (
        clean.gather(3, column.expand(-1, channels, -1, -1)) for column in (low, high)
    )
    inside = inside & known.gather(3, low) & known.gather(3, high)
    values = torch.lerp(at_low, at_high, (at - low).to(clean.dtype).expand_as(at_low))
    return Warped(torch.where(inside, values, 0.0), inside)
