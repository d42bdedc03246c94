# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Network that enlarges a depth map by learnt convex combinations of its 3x3 neighbours.

Convex upsampling is that of Teed and Deng, "RAFT: Recurrent All-Pairs Field Transforms for Optical
Flow", section 3.3; here the weights come from the map alone, and holes weigh nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.networks.heads import to_float32
from spike_depth_ros.tasks.architectures import PATCH, UpsampleLiteSettings

LARGEST_LOGIT = 30.0
"""Bound of the logarithms of weights, so that float32 holds their exponentials and their sums."""

SHARPNESS = 2.0
"""Initial decrease of the logarithm of a weight with the squared distance, small pixels."""

_FLATTEST = 1e-6  # range over depth below which differences are rounding
_TINY = 1e-30


class UpsampleLite(nn.Module):
    """Network from a small depth map to larger ones, which needs no unit.

    It sees differences of depth over their range in a patch, so that maps that are multiplied, or
    to which a constant is added, get the same weights. All convolutions work at the small size.
    Each place depends on ``settings.radius`` places around it; what is outside the map is unknown.

    Args:
        settings: Sizes and factors.

    Attributes:
        factors: Factors by which it enlarges.
    """

    def __init__(self, settings: UpsampleLiteSettings) -> None:
        super().__init__()
        width = settings.width
        self.factors = tuple(settings.factors)
        self.stem = nn.Conv2d(2 * PATCH**2 + 1, width, 1)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(settings.blocks)))
        self.norm = ChannelNorm(width)
        self.heads = nn.ModuleDict({str(factor): _head(width, factor) for factor in self.factors})

    def forward(self, depth: Tensor, factor: int, fill: bool = False) -> Tensor:
        """Enlarge depth maps.

        Args:
            depth: ``[B, 1, h, w]`` float32, any unit; 0, NaN, infinite or negative: a hole.
            factor: One of ``factors``.
            fill: Fill the pixels of holes from their neighbours.

        Returns:
            ``[B, 1, factor * h, factor * w]`` float32, each within the range of its 3x3 known
            neighbours; NaN where the own small pixel is a hole, or, with ``fill``, where all nine
            are.
        """
        near = neighbours(depth)
        large = self.enlarged(near, self.features(depth), factor)
        if fill:
            return large
        known = F.interpolate(near.known[:, 4:5], scale_factor=float(factor), mode='nearest')
        return torch.where(known > 0, large, torch.nan)

    def weights(self, depth: Tensor, factor: int) -> Tensor:
        """Compute the weights of the 3x3 neighbours, row by row, the own small pixel fifth.

        Args:
            depth: See :meth:`forward`.
            factor: One of ``factors``.

        Returns:
            ``[B, 9, factor * h, factor * w]`` float32: 0 at holes, of the sum 1, or 0 where all
            nine are holes.
        """
        parts = self._parts(neighbours(depth), self.features(depth), factor)
        shares = parts / parts.sum(dim=1, keepdim=True).clamp_min(_TINY)
        return F.pixel_shuffle(shares.flatten(1, 2), factor)

    def features(self, depth: Tensor) -> Tensor:
        """Map ``[B, 1, h, w]`` to the normalised features of the heads, ``[B, width, h, w]``."""
        x: Tensor = self.norm(self.blocks(self.stem(describe(depth))))
        return x

    def enlarged(self, near: Neighbours, features: Tensor, factor: int) -> Tensor:
        """Combine neighbours by the weights of a factor's head, as :meth:`forward` with ``fill``.

        Args:
            near: Neighbours of the small pixels.
            features: From :meth:`features`.
            factor: One of ``factors``.
        """
        parts = self._parts(near, features, factor)
        # Differences from one of the values: a constant map stays exactly as it is.
        change = (parts * near.differences[:, :, None]).sum(dim=1)
        large = near.reference + change / parts.sum(dim=1).clamp_min(_TINY)
        # Rounding could exceed the range.
        large = torch.maximum(torch.minimum(large, near.highest), near.lowest)
        large = torch.where(near.highest > 0, large, torch.nan)
        return F.pixel_shuffle(large, factor)

    def _parts(self, near: Neighbours, features: Tensor, factor: int) -> Tensor:
        """Return weights before their sum is made 1, ``[B, 9, factor^2, h, w]``, 0 at holes."""
        logits = to_float32(self.heads[str(factor)](features))
        parts = logits.clamp(-LARGEST_LOGIT, LARGEST_LOGIT).exp()
        parts = parts.reshape(parts.shape[0], 9, factor**2, *parts.shape[2:])
        return parts * near.known[:, :, None]


class Neighbours(NamedTuple):
    """Values of the 3x3 pixels around each place, row by row.

    Attributes:
        known: 1 where there is depth, 0 at holes and outside the map, ``[B, 9, h, w]``.
        reference: Depth of the place itself; of a hole the lowest of its known neighbours,
            ``[B, 1, h, w]``, and so are the next two.
        lowest: Lowest known depth; 0: all nine are holes.
        highest: Highest known depth; 0: all nine are holes.
        differences: Depth less ``reference``, 0 where it is not known, ``[B, 9, h, w]``.
    """

    known: Tensor
    reference: Tensor
    lowest: Tensor
    highest: Tensor
    differences: Tensor


def neighbours(depth: Tensor) -> Neighbours:
    """Return the neighbours of the places of a map ``[B, 1, h, w]`` with holes."""
    depth, mask = _split(depth)
    around, known = _around(depth, 3), _around(mask, 3)
    lowest, highest = _range(around, known)
    reference = torch.where(mask > 0, depth, lowest)
    return Neighbours(known, reference, lowest, highest, (around - reference) * known)


def describe(depth: Tensor) -> Tensor:
    """Describe the patch of 5x5 pixels around each place, without a scale and an offset.

    Args:
        depth: Map with holes, ``[B, 1, h, w]``.

    Returns:
        ``[B, 51, h, w]``: depths over the range of the patch, -1 to 1, 0 at holes; 1 where they
        are known and 0 elsewhere; and the range over the largest one of the patches around.
    """
    depth, mask = _split(depth)
    around, known = _around(depth, PATCH), _around(mask, PATCH)
    lowest, highest = _range(around, known)
    extent = highest - lowest
    least = (_FLATTEST * highest).clamp_min(_TINY)
    values = (2 * (around - lowest) / torch.maximum(extent, least) - 1) * known
    largest = F.max_pool2d(extent, PATCH, 1, PATCH // 2)
    return torch.cat([values, known, extent / largest.clamp_min(_TINY)], dim=1)


def _split(depth: Tensor) -> tuple[Tensor, Tensor]:
    """Return depth with holes of 0, and 1 where it is known and 0 elsewhere."""
    known = (depth > 0) & (depth < torch.inf)
    return torch.where(known, depth, 0.0), known.to(depth.dtype)


def _range(around: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lowest and highest known depth of each patch; 0 where none is known."""
    highest = around.amax(dim=1, keepdim=True)  # holes are 0
    lowest = torch.where(known > 0, around, highest).amin(dim=1, keepdim=True)
    return lowest, highest


def _around(x: Tensor, side: int) -> Tensor:
    """Map ``[B, 1, h, w]`` to the pixels around each place, ``[B, side^2, h, w]``; outside: 0."""
    padded = F.pad(x, [side // 2] * 4)
    parts = [slice(first, first + 1 - side or None) for first in range(side)]
    return torch.cat([padded[:, :, rows, columns] for rows in parts for columns in parts], dim=1)


class ChannelNorm(nn.Module):
    """Division of the channels of each place by their root mean square, and learnt gains.

    That of Zhang and Sennrich, "Root Mean Square Layer Normalization". It has no statistics of
    batches, in which factors and kinds of maps are mixed.

    Args:
        channels: Channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``[B, C, h, w]``."""
        return x * (x.square().mean(dim=1, keepdim=True) + 1e-5).rsqrt() * self.gain


class Block(nn.Module):
    """A norm and two 3x3 convolutions, which are added to their input.

    Args:
        channels: Channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ChannelNorm(channels),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Refine ``[B, C, h, w]``."""
        refined: Tensor = x + self.body(x)
        return refined


def _head(width: int, factor: int) -> nn.Conv2d:
    """Build the convolution to the logarithms of weights, ``[B, 9 * factor^2, h, w]``.

    They begin near those of a Gaussian around each large pixel: learnt weights that begin at the
    middle neighbour may stay there.
    """
    place = (torch.arange(factor) + 0.5) / factor - 0.5
    squared = (place - torch.tensor([[-1.0], [0.0], [1.0]])).square()  # neighbour, place
    distance = squared[:, None, :, None] + squared[None, :, None, :]
    head = nn.Conv2d(width, 9 * factor**2, 1)
    assert head.bias is not None
    with torch.no_grad():
        nn.init.normal_(head.weight, std=0.02)
        head.bias.copy_(-SHARPNESS * distance.flatten())
    return head
