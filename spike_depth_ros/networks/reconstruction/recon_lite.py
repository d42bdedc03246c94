# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``recon_lite``: small network that reconstructs a grey image from 41 planes, for live use."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.networks import SpikeNet
from spike_depth_ros.networks.reconstruction.rate_estimates import RateEstimates
from spike_depth_ros.tasks.architectures import ReconSettings

MOST_GAIN = 1.0
"""Largest logarithm of the factor between the mixed estimates and the result."""


MOST_LOGIT = 30.0
"""Largest logarithm of the weight of an estimate."""


class ImageOutput(NamedTuple):
    """Output of a network of the task ``image``.

    Attributes:
        rate: Firing rate at the reference plane, spikes per plane, ``[B, 1, H, W]`` float32, 0 to
            1; in training networks without a bounded last layer may pass either end.
    """

    rate: Tensor


class ReconLite(SpikeNet):
    """Mixture of estimates of the firing rate, weighted by a small U-Net at stride 2.

    The result is a convex combination of :class:`RateEstimates`, times a bounded factor: it is
    black where nothing fires within the largest box, and brightness keeps its scale without being
    learnt.

    Args:
        planes: Planes of the input, one per bin, an odd number.
        settings: Sizes.
    """

    def __init__(self, planes: int, settings: ReconSettings) -> None:
        super().__init__()
        self.estimates = RateEstimates(planes, settings.covered, settings.windows, settings.boxes)
        channels = self.estimates.channels
        fine, middle, coarse = settings.widths
        self.enter = nn.Sequential(_conv(4 * channels, fine), _conv(fine, fine))
        self.down4 = nn.Sequential(_conv(fine, middle, stride=2), _conv(middle, middle))
        self.down8 = nn.Sequential(_conv(middle, coarse, stride=2), _conv(coarse, coarse))
        self.lateral4 = nn.Conv2d(coarse, middle, 1)
        self.up4 = _conv(middle, middle)
        self.lateral2 = nn.Conv2d(middle, fine, 1)
        self.up2 = _conv(fine, fine)
        self.leave = nn.Conv2d(fine, 4 * (channels + 1), 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.bias)

    def from_pooled(self, counts: Tensor, planes_per_bin: Tensor) -> ImageOutput:
        """Reconstruct; see :class:`SpikeNet`. Bins of one plane and cells of one pixel."""
        spikes = counts.to(self.leave.weight.dtype)
        # Of each estimate the four pixels of a cell, side by side.
        estimates = F.pixel_unshuffle(self.estimates(spikes), 2)
        # The square root evens out the noise of dark and bright pixels.
        fine = self.enter(estimates.sqrt())
        middle = self.down4(fine)
        coarse = self.down8(middle)
        middle = self.up4(middle + _enlarged(self.lateral4(coarse)))
        fine = self.up2(fine + _enlarged(self.lateral2(middle)))
        mixing = self.leave(fine).float()
        gain = MOST_GAIN * torch.tanh(mixing[:, :4])
        # A softmax whose largest value is not subtracted: that would take longer than the rest.
        weights = mixing[:, 4:].clamp(-MOST_LOGIT, MOST_LOGIT).exp()
        weights = torch.unflatten(weights, 1, (-1, 4))
        mixed = (weights * torch.unflatten(estimates, 1, (-1, 4))).sum(1) / weights.sum(1)
        rate = F.pixel_shuffle(mixed * gain.exp(), 2)
        return ImageOutput(rate.clamp(0, 1))


def bounded(rate: Tensor, training: bool) -> Tensor:
    """Return rates as float32, outside of training limited to 0..1."""
    return rate.float() if training else rate.float().clamp(0, 1)


def _conv(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, stride, padding=1), nn.LeakyReLU(0.1, inplace=True)
    )


def _enlarged(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2.0, mode='nearest')
