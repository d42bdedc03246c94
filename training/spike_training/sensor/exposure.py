# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spike counts straight from luminance at a few knots, and the pixels' initial charge.

Integrate and fire (:mod:`spike_depth_ros.io.video.spiking`) in closed form, bit for bit: luminance
that is linear from knot to knot adds up to a whole number of quanta per bin, and a pixel's count
is the whole thresholds in its charge. That is thousands of times less work than making the planes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from spike_depth_ros.io.video.spiking import QUANTA, QUANTUM_BITS, linear_light
from spike_depth_ros.stream import packing
from spike_training.choices import LONGEST_BIN


def initial_charge(seeds: Tensor, height: int, width: int) -> Tensor:
    """Return the charge that pixels begin with: a hash of seed and pixel number.

    Args:
        seeds: One per recording, ``[B]`` int64.
        height: Rows.
        width: Columns.

    Returns:
        ``[B, height, width]`` int32 quanta, uniform from 0 to below one threshold; the same on
        every device and in every batch.
    """
    low = 0xFFFFFFFF
    pixel = torch.arange(height * width, dtype=torch.int64, device=seeds.device)
    mixed = (pixel * 0x3504F333 + (seeds[:, None] & low)) & low
    for shift, factor in ((16, 0x7FEB352D), (15, 0x5F356495), (16, 0x297A2D39)):
        mixed ^= mixed >> shift
        mixed *= factor  # below 2**63
        mixed &= low
    return (mixed >> (32 - QUANTUM_BITS)).to(torch.int32).view(-1, height, width)


def count_spikes(
    luminance: Tensor, knots: Sequence[int], charge: Tensor, bins: int = 32
) -> tuple[Tensor, Tensor]:
    """Count the spikes of each pixel in each bin of a window.

    Args:
        luminance: Thresholds per plane at the knots, ``[B, K, H, W]`` float32 from 0 to 1; linear
            in between. The last knot lies one past the last plane.
        knots: Plane of each knot, increasing from 0 to the number of planes.
        charge: Initial charge, ``[B, H, W]`` int32 quanta.
        bins: Number of bins, see :func:`spike_depth_ros.stream.packing.bin_edges`.

    Returns:
        Counts ``[B, bins, H, W]`` uint8, and the planes of each bin, ``[bins]`` int32.

    Raises:
        ValueError: Knots that do not begin at 0 or do not increase, one image of luminance for
            each of them is missing, or bins of more than 126 planes.
    """
    check_knots(luminance, knots)
    window = Bins(knots[-1], bins, LONGEST_BIN)
    spans = list(itertools.pairwise(knots))
    lights = [
        linear_light(torch, luminance[:, k], luminance[:, k + 1], high - low)
        for k, (low, high) in enumerate(spans)
    ]
    batch, _, height, width = luminance.shape
    counts = luminance.new_empty((batch, len(window.cells), height, width), dtype=torch.uint8)
    charge = charge.clone()
    for cell, (first, end) in enumerate(window.cells.tolist()):
        for (low, high), light in zip(spans, lights, strict=True):
            a, b = max(first, low) - low, min(end, high) - low
            if a < b:
                charge.add_(light.quanta, alpha=b - a)
                charge.add_(light.slope, alpha=(a + b - 1) * (b - a) // 2)
        counts[:, cell] = charge >> QUANTUM_BITS
        charge &= QUANTA - 1
    return window.spread(counts)


class Bins:
    """Bins of a window, and the cells that spikes are counted in before they fill the bins.

    A window of fewer planes than bins has a cell for each plane, which several bins then show.

    Args:
        planes: Length of the window.
        bins: Number of bins, see :func:`spike_depth_ros.stream.packing.bin_edges`.
        longest: Planes that a bin may have.

    Attributes:
        cells: First plane and the one after the last of each cell, ``[cells, 2]``.

    Raises:
        ValueError: A bin has more planes than that.
    """

    def __init__(self, planes: int, bins: int, longest: int) -> None:
        self._edges = packing.bin_edges(planes, bins)
        self.cells = self._edges if planes >= bins else packing.bin_edges(planes, planes)
        if (self._edges[:, 1] - self._edges[:, 0]).max() > longest:
            raise ValueError(
                f'{planes} planes in {bins} bins: expected at most {longest} planes in a bin; '
                'use a shorter window or more bins'
            )

    def spread(self, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Return counts and lengths of the bins from counts of the cells, ``[B, cells, H, W]``."""
        edges = torch.from_numpy(self._edges).to(counts.device)
        lengths = (edges[:, 1] - edges[:, 0]).to(torch.int32)
        return counts if len(self.cells) == len(edges) else counts[:, edges[:, 0]], lengths


def check_knots(luminance: Tensor, knots: Sequence[int]) -> None:
    """Refuse knots that do not increase from 0, or luminance of another number of images.

    Raises:
        ValueError: They do not fit.
    """
    if len(knots) < 2 or knots[0] != 0 or any(b <= a for a, b in itertools.pairwise(knots)):
        raise ValueError(f'knots {list(knots)}: expected two or more planes that increase from 0')
    if luminance.ndim != 4 or luminance.shape[1] != len(knots):
        raise ValueError(
            f'luminance {list(luminance.shape)} at {len(knots)} knots: expected '
            '[recordings, knots, height, width]'
        )
