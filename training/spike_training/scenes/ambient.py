# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Light that has been around: darker where surfaces meet, uneven over a scene.

Stands for what rays between surfaces would do, at a thousandth of their price.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_REACHES = (0.012, 0.035)
_DEEP = 0.06
_GAP = 1.35
_MIDDLE_GREY = 0.2
_HUGE = 1e12


def corner_shade(inverse_depth: Tensor, strength: Tensor) -> Tensor:
    """Share of light that reaches each pixel past the surfaces beside it.

    Inverse depth is linear in an image of a plane. What lies below the mean of two opposite
    neighbours, each as far away, is in a corner or under something. Neighbours that are much
    nearer are other things, before it: they take no light away.

    Args:
        inverse_depth: ``[B, H, W]``, above 0; 0 in the sky.
        strength: 0 (no shade) to 1 of each image, ``[B]``.

    Returns:
        ``[B, H, W]``, from ``1 - strength`` to 1.
    """
    rows, columns = inverse_depth.shape[1:]
    steps = [max(round(reach * columns), 1) for reach in _REACHES]
    wide = F.pad(inverse_depth, (steps[-1], steps[-1]), mode='replicate')
    tall = F.pad(inverse_depth[:, None], (0, 0, steps[-1], steps[-1]), mode='replicate')[:, 0]
    most = _GAP * inverse_depth
    double = 2 * inverse_depth
    deep = (inverse_depth.clamp(min=1e-9) * (2 * _DEEP * len(_REACHES))).reciprocal_()
    shade = torch.zeros_like(inverse_depth)
    for step in steps:
        hollow = torch.zeros_like(inverse_depth)
        for padded, axis, size in ((tall, 1, rows), (wide, 2, columns)):
            one, other = (padded.narrow(axis, steps[-1] + move, size) for move in (-step, step))
            # 1 where both are hardly nearer, else 0; comparing would cost several times as much.
            beside = most.sub(torch.maximum(one, other)).mul_(_HUGE).clamp_(0, 1)
            hollow.addcmul_((one + other).sub_(double), beside)
        # Seen from one place a corner's shade would end in a step.
        shade += _blurred(_blurred(hollow.mul_(deep).clamp_(0, 1), step, 1), step, 2)
    return 1 - shade.clamp_(max=1).mul_(strength[:, None, None])


def _blurred(image: Tensor, step: int, axis: int) -> Tensor:
    """Means over each pixel and as many as there are of the ``step`` beside it, along an axis."""
    size = image.shape[axis]
    total = image.clone()
    for away in range(1, step + 1):
        near, far = (total.narrow(axis, first, size - away) for first in (0, away))
        near += image.narrow(axis, away, size - away)
        far += image.narrow(axis, 0, size - away)
    place = torch.arange(size, device=image.device)
    beside = place.clamp(max=step) + (size - 1 - place).clamp(max=step)
    share = (beside + 1).float().reciprocal_()
    return total.mul_(share[:, None] if axis == 1 else share)


def uneven(lattice: Tensor, height: int, width: int) -> Tensor:
    """Factors on the light over an image.

    Args:
        lattice: Logarithms of the factors at a few places, ``[B, rows, columns]``.
        height: Rows of the image.
        width: Columns.

    Returns:
        ``[B, height, width]``, smooth.
    """
    size = (height, width)
    return F.interpolate(lattice[:, None], size, mode='bilinear', align_corners=True)[:, 0].exp()


def contrasted(luminance: Tensor, exponent: Tensor) -> Tensor:
    """Factors that raise images to a power: above 1 shadows get deeper.

    Args:
        luminance: ``[B, H, W]``, linear, 0 or more.
        exponent: Of each image, ``[B]``.

    Returns:
        ``[B, H, W]``; 1 where an image has middle grey.
    """
    # In a range whose powers are numbers; the exposure that follows takes care of the mean.
    return (luminance / _MIDDLE_GREY).clamp(1e-3, 1e3).pow(exponent[:, None, None] - 1)
