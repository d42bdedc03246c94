# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weak and strong views of windows of spikes, made from their counts.

The weak view is the window as recorded. The strong view simulates another camera, other light and
lost planes. The geometry stays the same for each pixel, so that a teacher's output for the weak
view is a label for the strong one.

All random numbers are drawn from torch's global generators, which the training loop seeds at each
step.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from spike_training.methods.bicross.settings import ViewConfig


def mirrored(counts: Tensor, chosen: Tensor) -> Tensor:
    """Flip the chosen images, ``[B]`` bool, of counts or maps, ``[B, C, H, W]``, left to right.

    Apply it to a batch before making its views, so that all of them are flipped alike.
    """
    return torch.where(chosen[:, None, None, None], counts.flip(3), counts)


def half(counts: Tensor) -> Tensor:
    """Choose each image of a batch with probability one half, ``[B]`` bool."""
    return torch.rand(len(counts), device=counts.device) < 0.5


def strong_view(counts: Tensor, planes_per_bin: Tensor, limits: ViewConfig) -> Tensor:
    """Make the strong view of a batch of windows.

    All parameters are drawn for each image: gain, gamma, vignette, response of its pixels, dark
    spikes and hot pixels. They are factors on, or addends to, the expected counts, which are
    rounded at random and clipped to the number of planes. In half of the images planes, and whole
    bins, are lost as well: the spikes of the remaining planes are drawn binomially.

    Args:
        counts: ``[B, C, H, W]`` uint8, or float where corrected.
        planes_per_bin: ``[C]`` int32.
        limits: Limits of the parameters.

    Returns:
        ``[B, C, H, W]`` uint8, at most ``planes_per_bin``.
    """
    planes = planes_per_bin.float()[:, None, None]
    left = _planes_left(len(counts), planes_per_bin, limits)
    seen = _thinned(counts, left)
    window = counts.float().sum(dim=1, keepdim=True) / planes_per_bin.sum()
    factor = _power(counts, limits.gain) * _curve(window, counts, limits)
    factor = factor * _shade(counts, limits) * _response(counts, limits)
    # A lost plane has no dark spikes either.
    dark = (limits.dark * _uniform(counts) + _hot(counts, limits)) * left
    expected = (seen * factor).add_(dark * planes_per_bin[:, None, None])
    # floor(x + u) is x on average: a count of 1 becomes 1 or 2, never 1.3.
    drawn = expected.add_(torch.rand_like(expected)).floor_()
    return torch.minimum(drawn, planes).to(torch.uint8)


def _uniform(counts: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Draw a uniform number for each image, ``[B, 1, 1, 1]``."""
    return low + (high - low) * torch.rand(len(counts), 1, 1, 1, device=counts.device)


def _power(counts: Tensor, most: float) -> Tensor:
    """Draw a log-uniform factor from 1 / most to most for each image, ``[B, 1, 1, 1]``."""
    return _uniform(counts, -math.log(most), math.log(most)).exp()


def _curve(window: Tensor, counts: Tensor, limits: ViewConfig) -> Tensor:
    """Draw a gamma curve and return its factor on each pixel's rate, ``[B, 1, H, W]``.

    The factor depends on the rate over the whole window, because a bin has mostly one spike or
    none. The mean rate of the image stays about the same.
    """
    gamma = _power(counts, limits.gamma)
    mean = window.mean(dim=(2, 3), keepdim=True).clamp_min(1e-4)
    return (window / mean).clamp_min(1e-2).pow(gamma - 1).clamp(max=10.0)


def _shade(counts: Tensor, limits: ViewConfig) -> Tensor:
    """Draw light that falls off to one side, as factors ``[B, 1, H, W]``."""
    rows, columns = counts.shape[2:]
    angle = _uniform(counts, 0, 2 * math.pi)
    y = torch.linspace(-1, 1, rows, device=counts.device)[:, None]
    x = torch.linspace(-1, 1, columns, device=counts.device)
    towards = (angle.cos() * x + angle.sin() * y) / math.sqrt(2)  # -1 to 1
    return 1 - _uniform(counts, 0, limits.vignette) * (1 + towards) / 2


def _response(counts: Tensor, limits: ViewConfig) -> Tensor:
    """Draw the response of the pixels, the same in all bins, ``[B, 1, H, W]``, 0 or more."""
    batch, _, rows, columns = counts.shape
    normal = torch.randn(batch, 1, rows, columns, device=counts.device)
    return (1 + _uniform(counts, 0, limits.mismatch) * normal).clamp_min_(0)


def _hot(counts: Tensor, limits: ViewConfig) -> Tensor | float:
    """Draw hot pixels, as spikes per plane to add, ``[B, 1, H, W]``, 0 to 1; 0 elsewhere."""
    if not limits.hot:
        return 0.0
    place = torch.rand(len(counts), 1, *counts.shape[2:], device=counts.device)
    chosen = place < limits.hot * _uniform(counts)
    return torch.where(chosen, torch.rand_like(place), 0.0)


def _planes_left(batch: int, planes_per_bin: Tensor, limits: ViewConfig) -> Tensor:
    """Draw the share of each bin's planes that remain, ``[B, C, 1, 1]``."""
    device = planes_per_bin.device
    number = planes_per_bin.float().expand(batch, -1)
    suffers = (torch.rand(batch, 1, device=device) < 0.5).float()
    share = limits.drop * torch.rand(batch, 1, device=device) * suffers
    left = torch.binomial(number, (1 - share).expand_as(number)) / number
    whole = torch.rand_like(number) < limits.drop_bins * suffers
    return left.masked_fill(whole, 0.0)[:, :, None, None]


def _thinned(counts: Tensor, left: Tensor) -> Tensor:
    """Draw the counts of the remaining planes, float, binomially from the spikes."""
    seen = counts.to(torch.float32, copy=True)
    # Only where planes are lost: this draw takes longer than the rest of the view.
    some = (left < 1)[:, :, 0, 0]
    part = seen[some]
    share = left[some].expand_as(part)
    # Corrected counts have a fraction, of which its share remains.
    whole = part.floor()
    seen[some] = torch.binomial(whole, share) + (part - whole) * share
    return seen
