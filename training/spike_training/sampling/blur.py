# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Gaussian blur of images on their device."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def gaussian_blur(images: Tensor, deviation_px: float) -> Tensor:
    """Convolve images ``[..., H, W]`` with a Gaussian of three deviations; edges are repeated.

    Args:
        images: Floating-point values.
        deviation_px: Standard deviation, pixels, above 0.
    """
    radius = math.ceil(3 * deviation_px)
    place = torch.arange(-radius, radius + 1, device=images.device)
    kernel = torch.exp(-place.square() / (2 * deviation_px**2))
    kernel = kernel / kernel.sum()
    planes = images.reshape(-1, 1, *images.shape[-2:])
    padded = F.pad(planes, (radius,) * 4, mode='replicate')
    rows = F.conv2d(padded, kernel[None, None, :, None])
    return F.conv2d(rows, kernel[None, None, None, :]).reshape(images.shape)
