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
    shade = torch.zeros_like(inverse_depth)
    most = _GAP * inverse_depth
    deep = (inverse_depth.clamp(min=1e-9) * (2 * _DEEP * len(_REACHES))).reciprocal_()
    for reach in _REACHES:
        step = max(round(reach * inverse_depth.shape[2]), 1)
        hollow = torch.zeros_like(inverse_depth)
        for axis in (1, 2):
            one, other = _neighbours(inverse_depth, step, axis)
            beside = (torch.maximum(one, other) <= most).float()
            hollow += (one + other).sub_(inverse_depth, alpha=2).mul_(deep).mul_(beside)
        # Seen from one place a corner's shade would end in a step.
        hollow = hollow.clamp_(0, 1)[:, None]
        shade += F.avg_pool2d(hollow, 2 * step + 1, 1, step, count_include_pad=False)[:, 0]
    return 1 - shade.clamp_(max=1).mul_(strength[:, None, None])


def _neighbours(image: Tensor, step: int, axis: int) -> tuple[Tensor, Tensor]:
    """The image moved by some pixels either way; its edges are repeated."""
    size = image.shape[axis]
    place = torch.arange(size, device=image.device)
    return (
        image.index_select(axis, (place - step).clamp_(min=0)),
        image.index_select(axis, (place + step).clamp_(max=size - 1)),
    )


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
