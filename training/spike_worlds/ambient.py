# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Indirect light: ambient occlusion, uneven illumination and contrast, in image space.

It approximates rays between surfaces at a thousandth of their cost.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_RADII = (0.012, 0.035)  # of occlusion / image width
_DEEP = 0.06  # relative difference of inverse depths at full occlusion
_GAP = 1.35  # ratio of inverse depths from which on a neighbour is another object
_MIDDLE_GREY = 0.2
_HUGE = 1e12


def ambient_occlusion(inverse_depth: Tensor, strength: Tensor) -> Tensor:
    """Return the share of light that surfaces beside each pixel leave.

    Inverse depth is linear in an image of a plane. A pixel below the mean of two opposite
    neighbours is in a corner or under something. Neighbours that are much nearer belong to other
    objects in front and take no light.

    Args:
        inverse_depth: ``[B, H, W]``, above 0; 0 in the sky.
        strength: Greatest share that is taken, 0 to 1, ``[B]``.

    Returns:
        ``[B, H, W]``, from ``1 - strength`` to 1.
    """
    rows, columns = inverse_depth.shape[1:]
    steps = [max(round(reach * columns), 1) for reach in _RADII]
    wide = F.pad(inverse_depth, (steps[-1], steps[-1]), mode='replicate')
    tall = F.pad(inverse_depth[:, None], (0, 0, steps[-1], steps[-1]), mode='replicate')[:, 0]
    most = _GAP * inverse_depth
    double = 2 * inverse_depth
    deep = (inverse_depth.clamp(min=1e-9) * (2 * _DEEP * len(_RADII))).reciprocal_()
    shade = torch.zeros_like(inverse_depth)
    for step in steps:
        hollow = torch.zeros_like(inverse_depth)
        for padded, axis, size in ((tall, 1, rows), (wide, 2, columns)):
            one, other = (padded.narrow(axis, steps[-1] + move, size) for move in (-step, step))
            # 1 where both are hardly nearer, else 0; comparing would cost several times as much.
            beside = most.sub(torch.maximum(one, other)).mul_(_HUGE).clamp_(0, 1)
            hollow.addcmul_((one + other).sub_(double), beside)
        # Without blur the shade of a corner would end in a step.
        shade += _box_blur(_box_blur(hollow.mul_(deep).clamp_(0, 1), step, 1), step, 2)
    return 1 - shade.clamp_(max=1).mul_(strength[:, None, None])


def _box_blur(image: Tensor, step: int, axis: int) -> Tensor:
    """Return means over up to ``step`` pixels to either side along an axis."""
    size = image.shape[axis]
    step = min(step, size - 1)
    total = image.clone()
    for away in range(1, step + 1):
        near, far = (total.narrow(axis, first, size - away) for first in (0, away))
        near += image.narrow(axis, away, size - away)
        far += image.narrow(axis, 0, size - away)
    place = torch.arange(size, device=image.device)
    beside = place.clamp(max=step) + (size - 1 - place).clamp(max=step)
    share = (beside + 1).float().reciprocal_()
    return total.mul_(share[:, None] if axis == 1 else share)


def illumination_factors(lattice: Tensor, height: int, width: int) -> Tensor:
    """Interpolate factors on the light over an image.

    Args:
        lattice: Logarithms of the factors on a coarse grid, ``[B, rows, columns]``.
        height: Rows of the image.
        width: Columns.

    Returns:
        ``[B, height, width]``, smooth.
    """
    size = (height, width)
    return F.interpolate(lattice[:, None], size, mode='bilinear', align_corners=True)[:, 0].exp()


def contrast_factors(luminance: Tensor, exponent: Tensor) -> Tensor:
    """Return factors that raise images to a power: above 1 shadows get deeper.

    Args:
        luminance: ``[B, H, W]``, linear, 0 or more.
        exponent: Of each image, ``[B]``.

    Returns:
        ``[B, H, W]``; 1 where an image has middle grey.
    """
    # Clamped so that powers stay finite; the exposure that follows sets the mean.
    return (luminance / _MIDDLE_GREY).clamp(1e-3, 1e3).pow(exponent[:, None, None] - 1)
