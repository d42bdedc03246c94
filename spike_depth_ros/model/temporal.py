# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Temporal modules: from spikes per bin to what the encoder sees; and binning on the device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from spike_depth_ros.chunk import BitOrder
from spike_depth_ros.packing import bin_edges

MIN_RATE = 1e-4
"""Spikes per pixel and plane below which an image counts as dark and is not amplified further."""


class MeanRate(nn.Module):
    """Firing rates relative to the image's mean rate.

    What light, aperture, sensor threshold and plane rate do to a spike stream is, to first order,
    one factor on every rate. Dividing by the mean rate takes it out, and lets windows of any
    length share weights.
    """

    def forward(self, counts: Tensor, planes_per_bin: Tensor) -> Tensor:
        """Normalise counts.

        Args:
            counts: Spikes of each pixel in each bin, ``[B, C, H, W]``, any integer or float dtype.
            planes_per_bin: Planes that each bin covers, ``[C]``, at least 1.

        Returns:
            Float ``[B, C, H, W]`` with mean 1 over each image; below it where the image's mean
            rate is under ``MIN_RATE``, and all 0 for an image without a spike.
        """
        per_plane = planes_per_bin.float().reciprocal()
        # Sums before the cast of the whole tensor: one pass over the small integers, and one scale
        # per bin for the only pass that writes floats.
        sums = counts.sum(dim=(2, 3), dtype=torch.float32)
        pixels = counts.shape[2] * counts.shape[3]
        mean = (sums * per_plane).mean(dim=1) / pixels
        scale = per_plane / mean.clamp_min(MIN_RATE)[:, None]
        return counts.float() * scale[:, :, None, None]


class Centred(nn.Module):
    """The stem of a network that sees RGB: from 0..1 to -1..1."""

    def forward(self, rgb: Tensor, planes_per_bin: Tensor) -> Tensor:
        """Normalise.

        Args:
            rgb: ``[B, 3, H, W]``, 0 to 1.
            planes_per_bin: Not used; there so that all stems are called alike.

        Returns:
            Float, same shape.
        """
        return 2 * rgb.float() - 1


class PlaneBinning(nn.Module):
    """Spikes of each pixel in each bin, on the device that holds the packed planes.

    The same counts as :func:`spike_depth_ros.packing.bin_counts`, for a batch of windows of one
    length. What does not depend on the planes is made once, so that calls can be captured in a
    CUDA graph.
    """

    used: Tensor
    index: Tensor

    def __init__(
        self, planes: int, width: int, bit_order: BitOrder = 'little', bins: int = 32
    ) -> None:
        """Prepare for one kind of window.

        Args:
            planes: Planes of a window.
            width: Pixels of a row.
            bit_order: Which bit of a byte is its leftmost pixel.
            bins: Number of bins.

        Raises:
            ValueError: A bin would cover more than 255 planes.
        """
        super().__init__()
        edges = bin_edges(planes, bins)
        lengths = edges[:, 1] - edges[:, 0]
        longest = int(lengths.max())
        if longest > 255:
            raise ValueError(f'{planes} planes in {bins} bins: expected at most 255 planes a bin')
        # Bins differ in length by one plane at most: all are read to the longest, the rest masked.
        steps = edges[:, :1] + np.arange(longest)
        self.register_buffer('index', torch.from_numpy(steps.clip(max=planes - 1)))
        mask = np.where(np.arange(longest) < lengths[:, None], -1, 0)
        self.register_buffer('used', torch.from_numpy(mask)[:, :, None, None])
        self.width = width
        self.pick = _signed(0x8040201008040201 if bit_order == 'little' else 0x0102040810204080)

    def forward(self, packed: Tensor) -> Tensor:
        """Count.

        Args:
            packed: uint8 ``[B, planes, H, ceil(width / 8)]``.

        Returns:
            uint8 ``[B, bins, H, width]``.
        """
        # A byte of eight pixels becomes eight bytes of one pixel inside an int64: repeat it, pick
        # another bit in each, move that to bit 0. One addition then adds eight counters.
        lanes = packed[:, self.index].long() * _REPEAT & self.pick & self.used
        spikes = (lanes + _signed(0x7F7F7F7F7F7F7F7F)) >> 7 & _REPEAT
        counts = spikes.sum(dim=2)
        # In memory the lowest byte comes first on every machine that torch runs on.
        return counts.view(torch.uint8)[..., : self.width]


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


_REPEAT = 0x0101010101010101
