# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Temporal modules, from spikes per bin to the encoder's input, and binning on the device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.networks.encoder import conv_norm
from spike_depth_ros.stream.chunk import BitOrder
from spike_depth_ros.stream.packing import bin_edges

COLOURS = 3
"""Channels of the picture that an encoder of colours takes."""

MIN_RATE = 1e-4
"""Mean rate, spikes per pixel and plane, below which an image is not amplified further."""


class RateStem(nn.Module):
    """Temporal module of ``dpt_tiny``: from firing rates to feature maps of half the size.

    Illumination, aperture, sensor threshold and plane rate are, to first order, one factor on
    every rate. Division by the image's mean rate removes it, so that windows of any length share
    weights.

    The rate of a short bin is mostly quantisation noise: one spike or none. The rate of the whole
    window is therefore a further input, as its square root, which compresses its range as the
    gamma encoding of pictures.
    """

    def __init__(self, bins: int, out: int) -> None:
        """Build the module.

        Args:
            bins: Channels of counts.
            out: Channels of the feature maps.
        """
        super().__init__()
        self.rates = conv_norm(bins, out, 3, 2, act=False)
        self.brightness = conv_norm(1, out, 3, 2, act=False)

    def forward(self, counts: Tensor, planes_per_bin: Tensor) -> Tensor:
        """Encode counts.

        Args:
            counts: Spikes of each pixel in each bin, ``[B, C, H, W]``, any integer or float dtype.
            planes_per_bin: Planes that each bin covers, ``[C]``, at least 1.

        Returns:
            Float ``[B, out, H / 2, W / 2]``, 0 and more.
        """
        rates, brightness = relative_rates(counts, planes_per_bin)
        kind = next(self.rates.parameters()).dtype
        return F.relu(self.rates(rates.to(kind)) + self.brightness(brightness.to(kind)))


def average_pool(image: Tensor, pool: int) -> Tensor:
    """Average ``pool`` by ``pool`` pixels: ``[B, C, H, W]`` to ``[B, C, H / pool, W / pool]``."""
    return F.avg_pool2d(image.float(), pool) if pool > 1 else image


def relative_rates(counts: Tensor, planes_per_bin: Tensor) -> tuple[Tensor, Tensor]:
    """Compute firing rates over the image's mean rate.

    Args:
        counts: Spikes of each pixel in each bin, ``[B, C, H, W]``, any integer or float dtype.
        planes_per_bin: Planes that each bin covers, ``[C]``, at least 1.

    Returns:
        Rates of the bins, float ``[B, C, H, W]``, with mean 1 over each image (less if the image's
        mean rate is under ``MIN_RATE``), and the square root of their means over the window,
        ``[B, 1, H, W]``.
    """
    per_plane = planes_per_bin.float().reciprocal()
    spikes = counts.float()
    batch, bins, height, width = counts.shape
    # A product with one row of weights reads the counts once; a sum over channels of a product
    # would write them first.
    window = torch.matmul(per_plane / bins, spikes.flatten(2)).view(batch, 1, height, width)
    scale = window.mean(dim=(1, 2, 3)).clamp_min(MIN_RATE).reciprocal()
    rates = spikes * (scale[:, None] * per_plane)[:, :, None, None]
    return rates, (window * scale[:, None, None, None]).sqrt()


def central_bin_weights(bins: int, fractions: Sequence[float]) -> Tensor:
    """Compute the weights of bins in the mean rates of central parts of a window.

    Args:
        bins: Bins of equal length that a window is cut into.
        fractions: Length of each part over that of the window, above 0 to 1.

    Returns:
        ``[len(fractions), bins]`` float32, 0 and more; each row has the sum 1. A bin that lies
        partly within has a proportional weight.
    """
    half = torch.tensor(fractions, dtype=torch.float64)[:, None] / 2
    # transformers can leave linspace without torch's default device.
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64, device=half.device)
    overlap = (edges[1:].minimum(0.5 + half) - edges[:-1].maximum(0.5 - half)).clamp_min(0)
    return (overlap / (2 * half)).float()


def central_rates(counts: Tensor, planes_per_bin: Tensor, shares: Tensor) -> Tensor:
    """Compute firing rates of central parts of the window over the image's mean rate.

    Args:
        counts: Spikes of each pixel in each bin, ``[B, C, H, W]``, any integer or float dtype.
        planes_per_bin: Planes that each bin covers, ``[C]``, at least 1.
        shares: From :func:`central_bin_weights`, ``[K, C]``; the last row is of the whole window.

    Returns:
        Float32 ``[B, K, H, W]``. The last channel has the mean 1 over each image, as the rates of
        :func:`relative_rates`.
    """
    weights = shares.float() * planes_per_bin.float().reciprocal()
    batch, _, height, width = counts.shape
    # One product reads the counts once, for all parts.
    rates = torch.matmul(weights, counts.float().flatten(2)).view(batch, -1, height, width)
    scale = rates[:, -1].mean(dim=(1, 2)).clamp_min(MIN_RATE).reciprocal()
    return rates * scale[:, None, None, None]


class RgbStem(nn.Module):
    """Stem of a network of RGB, in place of a temporal module."""

    def __init__(self, out: int) -> None:
        """Build the stem; see :class:`RateStem`."""
        super().__init__()
        self.centred = Centred()
        self.colours = conv_norm(3, out, 3, 2)

    def forward(self, rgb: Tensor, planes_per_bin: Tensor) -> Tensor:
        """Encode ``[B, 3, H, W]``, 0 to 1; to ``[B, out, H / 2, W / 2]``."""
        centred = self.centred(rgb, planes_per_bin)
        features: Tensor = self.colours(centred.to(next(self.colours.parameters()).dtype))
        return features


class Centred(nn.Module):
    """Normalisation of RGB from 0..1 to -1..1."""

    def forward(self, rgb: Tensor, planes_per_bin: Tensor) -> Tensor:
        """Normalise.

        Args:
            rgb: ``[B, 3, H, W]``, 0 to 1.
            planes_per_bin: Not used; for the common signature of stems.

        Returns:
            Float ``[B, 3, H, W]``.
        """
        return 2 * rgb.float() - 1


class EventColours(nn.Module):
    """Three colours of a voxel grid of events, normalised to a deviation of 1.

    Three bins are the colours, as in the code of Sun et al. ("FUSE"); of other numbers they are
    learnt, from those of the first, the middle and the last third on.
    """

    def __init__(self, bins: int) -> None:
        """Build the module for a number of bins, 1 or more."""
        super().__init__()
        self.mix: nn.Module = nn.Identity()
        if bins != COLOURS:
            self.mix = nn.Conv2d(bins, COLOURS, 1, bias=False)
            with torch.no_grad():
                self.mix.weight.zero_()
                for colour in range(COLOURS):
                    first, last = (bins * end // COLOURS for end in (colour, colour + 1))
                    part = slice(min(first, bins - 1), max(last, first + 1))
                    self.mix.weight[colour, part] = 1 / max(last - first, 1)

    def forward(self, grid: Tensor, planes_per_bin: Tensor) -> Tensor:
        """Map ``[B, bins, H, W]`` float to ``[B, 3, H, W]``; the second argument is not used."""
        colours: Tensor = self.mix(grid.float())
        return colours


class PlaneBinning(nn.Module):
    """Count of the spikes of each pixel in each bin, on the device of the packed planes.

    The counts are those of :func:`spike_depth_ros.stream.packing.bin_counts`, for a batch of
    windows of one length. Tensors that do not depend on the planes are made once, so that calls
    can be captured in a CUDA graph.
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
            bit_order: ``little``: the lowest bit of a byte is its leftmost pixel; ``big``: the
                highest.
            bins: Number of bins.
        """
        super().__init__()
        edges = bin_edges(planes, bins)
        lengths = edges[:, 1] - edges[:, 0]
        longest = int(lengths.max())
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
            ``[B, bins, H, width]`` uint8; int32 where a bin may cover over 255 planes.
        """
        # A counter of one byte holds 255 planes; of longer bins, parts are counted and added.
        steps = self.index.shape[1]
        parts = [
            self._count(packed, slice(first, first + _MOST)) for first in range(0, steps, _MOST)
        ]
        return parts[0] if len(parts) == 1 else sum(parts[1:], parts[0].int())

    def _count(self, packed: Tensor, steps: slice) -> Tensor:
        """Count the spikes of each pixel in at most 255 planes of each bin."""
        # A byte of eight pixels becomes eight bytes of one pixel inside an int64: repeat it, pick
        # another bit in each, move that to bit 0. One addition then adds eight counters.
        lanes = packed[:, self.index[:, steps]].long() * _REPEAT & self.pick & self.used[:, steps]
        spikes = (lanes + _signed(0x7F7F7F7F7F7F7F7F)) >> 7 & _REPEAT
        counts = spikes.sum(dim=2)
        # In memory the lowest byte comes first on every machine that torch runs on.
        return counts.view(torch.uint8)[..., : self.width]


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


_REPEAT = 0x0101010101010101

_MOST = 255
