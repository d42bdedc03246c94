# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The spike camera on the training device: counts straight from luminance, without planes.

The same camera as :mod:`spike_training.sensor.simulator`, bit for bit, in closed form: luminance
that runs linearly from knot to knot adds up to a whole number of quanta per bin, and a pixel's
count is the whole thresholds in the charge that it holds. That is thousands of times less work
than making the planes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from spike_depth_ros.stream import packing

_BITS = 24
_QUANTA = 1 << _BITS
LONGEST_BIN = 126
"""Planes of a bin at most: their charge, and the charge left, fit into int32."""


def phases(keys: Tensor, height: int, width: int) -> Tensor:
    """The charge that pixels begin with: a hash of the sample's key and the pixel's number.

    Args:
        keys: One key per image, ``[B]`` int64.
        height: Rows.
        width: Columns.

    Returns:
        ``[B, height, width]`` int32 quanta, uniform from 0 to below one threshold; the same on
        every device and in every batch.
    """
    low = 0xFFFFFFFF
    pixel = torch.arange(height * width, dtype=torch.int64, device=keys.device)
    mixed = (pixel * 0x3504F333 + (keys[:, None] & low)) & low
    for shift, factor in ((16, 0x7FEB352D), (15, 0x5F356495), (16, 0x297A2D39)):
        mixed ^= mixed >> shift
        mixed *= factor  # below 2**63
        mixed &= low
    return (mixed >> (32 - _BITS)).to(torch.int32).view(-1, height, width)


def knot_quanta(luminance: Tensor, knots: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Whole quanta of luminance at the knots, and how many each plane adds up to the next one.

    Args:
        luminance: Thresholds per plane at the knots, ``[B, K, H, W]`` float32 from 0 to 1.
        knots: Plane of each knot, increasing.

    Returns:
        ``[B, K, H, W]`` and ``[B, K - 1, H, W]``, int32. Between knots luminance stays between
        theirs.
    """
    steps = luminance.new_tensor([_QUANTA / (b - a) for a, b in itertools.pairwise(knots)])
    # Conversion rounds towards zero: never past the next knot.
    slopes = ((luminance[:, 1:] - luminance[:, :-1]) * steps[:, None, None]).to(torch.int32)
    return (luminance * _QUANTA).round_().to(torch.int32), slopes


def plane_luminance(luminance: Tensor, knots: Sequence[int]) -> Tensor:
    """The luminance of every plane that :func:`count_spikes` stands for.

    Args:
        luminance: As for :func:`count_spikes`.
        knots: As for :func:`count_spikes`.

    Returns:
        ``[B, planes, H, W]`` float32, thresholds per plane: what
        :func:`spike_training.sensor.simulator.simulate` takes.
    """
    start, slope = knot_quanta(luminance, knots)
    planes = [
        start[:, k] + j * slope[:, k]
        for k in range(len(knots) - 1)
        for j in range(knots[k + 1] - knots[k])
    ]
    return torch.stack(planes, 1).float() / _QUANTA


def count_spikes(
    luminance: Tensor, knots: Sequence[int], phase: Tensor, bins: int = 32
) -> tuple[Tensor, Tensor]:
    """Spikes of each pixel in each bin of a window.

    Args:
        luminance: Thresholds per plane at the knots, ``[B, K, H, W]`` float32 from 0 to 1; linear
            in between. The last knot lies one past the last plane.
        knots: Plane of each knot, increasing from 0 to the number of planes.
        phase: Charge at the start, ``[B, H, W]`` int32 quanta.
        bins: Number of bins, see :func:`spike_depth_ros.stream.packing.bin_edges`.

    Returns:
        Counts ``[B, bins, H, W]`` uint8, and the planes of each bin, ``[bins]`` int32.

    Raises:
        ValueError: Knots that do not begin at 0 or do not increase, one image of luminance for
            each of them is missing, or bins of more than 126 planes.
    """
    check_knots(luminance, knots)
    window = Bins(knots[-1], bins, LONGEST_BIN)
    start, slope = knot_quanta(luminance, knots)
    batch, _, height, width = luminance.shape
    counts = luminance.new_empty((batch, len(window.cells), height, width), dtype=torch.uint8)
    charge = phase.clone()
    for cell, (first, end) in enumerate(window.cells.tolist()):
        for k, (low, high) in enumerate(itertools.pairwise(knots)):
            a, b = max(first, low) - low, min(end, high) - low
            if a < b:
                charge.add_(start[:, k], alpha=b - a)
                charge.add_(slope[:, k], alpha=(a + b - 1) * (b - a) // 2)
        counts[:, cell] = charge >> _BITS
        charge &= _QUANTA - 1
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
