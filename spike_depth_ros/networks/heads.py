# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Heads of depth and uncertainty, three convolutions each (Liu et al., BiCross, Fig. 3 c)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Head(nn.Module):
    """Base of the heads: three convolutions to one value per pixel of half the resolution."""

    def __init__(self, features: int, hidden: int, upsample: int, pool: int = 1) -> None:
        """Build the head.

        Args:
            features: Channels in.
            hidden: Channels between.
            upsample: Stride of the features, in pixels of the network's internal size; a multiple
                of 2.
            pool: Input pixels per side of a pixel of the internal size.
        """
        super().__init__()
        self.last = 2.0 * pool
        self.conv1 = nn.Conv2d(features, hidden, 3, padding=1)
        self.conv2 = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.conv3 = nn.Conv2d(hidden, 1, 1)
        self.upsample = upsample

    def hidden(self, f_dec: Tensor) -> Tensor:
        """Map ``[B, features, h, w]`` to ``[B, hidden, h * upsample / 2, w * upsample / 2]``."""
        x = enlarge(F.relu(self.conv1(f_dec)), self.upsample / 2)
        return F.relu(self.conv2(x))

    def value(self, f_dec: Tensor) -> Tensor:
        """Map ``[B, features, h, w]`` to ``[B, 1, h * upsample / 2, w * upsample / 2]``."""
        return to_float32(self.conv3(self.hidden(f_dec)))


OVERSHOOT = 0.05
"""Extension of the sigmoid beyond either end of the depth range, as a share of the range."""


class DepthHead(Head):
    """Head of depth in metres: log-depth by a sigmoid that exceeds its range a little, clipped.

    A sigmoid that ends at the range would reach the largest depth, as which sky is trained, only
    at infinity.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        upsample: int,
        min_depth: float,
        max_depth: float,
        pool: int = 1,
    ) -> None:
        """Build the head; see :class:`Head`. The range is in metres."""
        super().__init__(features, hidden, upsample, pool)
        self.log_min = math.log(min_depth)
        self.log_range = math.log(max_depth) - self.log_min

    def share(self, f_dec: Tensor) -> Tensor:
        """Predict log-depth as a share of its range, 0 to 1, of the size of :meth:`Head.value`."""
        return self.limited(self.value(f_dec))

    def limited(self, value: Tensor) -> Tensor:
        """Map any values to shares of the range of log-depth, 0 to 1."""
        reached = (1 + 2 * OVERSHOOT) * torch.sigmoid(value) - OVERSHOOT
        share = reached.clamp(0.0, 1.0)
        if self.training:  # straight-through gradient, so that clipped pixels are still trained
            share = reached + (share - reached).detach()
        return share

    def forward(self, f_dec: Tensor, picture: Tensor | None = None) -> Tensor:
        """Predict metres.

        Args:
            f_dec: Features, ``[B, features, h, w]``.
            picture: What the encoder sees, ``[B, 3, H / pool, W / pool]``; used by
                :class:`SelectingDepthHead` alone.

        Returns:
            Float32 ``[B, 1, H, W]`` of the input's size.
        """
        share = enlarge(self.share(f_dec), self.last)
        return torch.exp(share * self.log_range + self.log_min)


class ConvexDepthHead(DepthHead):
    """Head of depth with convex upsampling, so that interpolation does not blur outlines.

    Each pixel of the internal size is a convex combination of the 3x3 values of half that size
    around it (Teed and Deng, RAFT, 2020, section 3.3), with weights from a fourth convolution.
    Upsampling by ``pool`` is bilinear.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        upsample: int,
        min_depth: float,
        max_depth: float,
        pool: int = 1,
    ) -> None:
        """Build the head; see :class:`DepthHead`. It starts as the mean of the 3x3 values."""
        super().__init__(features, hidden, upsample, min_depth, max_depth, pool)
        self.last, self.pool = float(pool), pool
        self.weights = convolution_to_weights(hidden, 2)

    def share(self, f_dec: Tensor) -> Tensor:
        """Predict as :meth:`DepthHead.share`, of twice the size of :meth:`Head.value`."""
        hidden = self.hidden(f_dec)
        return self.combine(self.values(hidden), self.weights(hidden), 2)

    def combine(self, values: Tensor, weights: Tensor, factor: int) -> Tensor:
        """Upsample values by weights: see :func:`combine`."""
        return combine(values, weights, factor)

    def values(self, hidden: Tensor) -> Tensor:
        """Map hidden features to the shares that are combined, float32 ``[B, 1, h, w]``."""
        return self.limited(to_float32(self.conv3(hidden)))


class NearestDepthHead(ConvexDepthHead):
    """Head as :class:`ConvexDepthHead`, which repeats pixels to upsample by ``pool``.

    A control: outlines become sharp, though no finer, without anything learnt.
    """

    def forward(self, f_dec: Tensor, picture: Tensor | None = None) -> Tensor:
        """Predict metres; see :meth:`DepthHead.forward`."""
        share = F.interpolate(self.share(f_dec), scale_factor=self.last, mode='nearest')
        return torch.exp(share * self.log_range + self.log_min)


class FullConvexDepthHead(ConvexDepthHead):
    """Head of depth with convex upsampling to the size of the input in one step.

    Starts as :class:`NearestDepthHead`: to the weights of the internal size, those of each pixel
    of the input are added.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        upsample: int,
        min_depth: float,
        max_depth: float,
        pool: int = 1,
    ) -> None:
        """Build the head; see :class:`ConvexDepthHead`."""
        super().__init__(features, hidden, upsample, min_depth, max_depth, pool)
        self.last = 1.0
        self.finer = convolution_to_weights(hidden, 2 * pool)

    def share(self, f_dec: Tensor) -> Tensor:
        """Predict as :meth:`DepthHead.share`, of the size of the input."""
        hidden = self.hidden(f_dec)
        side = range(2 * self.pool)
        coarse = [2 * (row // self.pool) + column // self.pool for row in side for column in side]
        weights = (
            self.weights(hidden).reshape(-1, 4, 9, *hidden.shape[2:])[:, coarse].flatten(1, 2)
        )
        return combine(self.values(hidden), weights + self.finer(hidden), len(side))


class SelectingDepthHead(ConvexDepthHead):
    """Head of depth whose pixels copy one of the values around them, up to the size of the input.

    A mean of the depths on both sides of an outline is a surface that is not there. The first of
    two steps has the weights of :class:`ConvexDepthHead`. Those of the second, by ``pool``, come
    from the hidden features, enlarged to the internal size, and from the picture of this size
    that the encoder sees. In training both steps combine the values, so that weights have a
    gradient. It starts near :class:`NearestDepthHead`.

    Copies make a staircase of each slope, a grid with a period of ``2 * pool`` pixels. With
    ``smoothing`` surfaces are smoothed between the two steps, see :func:`smooth`, but not in
    training.

    Attributes:
        smoothing: Least span of log depth of an outline; 0: no smoothing.
    """

    smoothing: float = 0.0

    def __init__(
        self,
        features: int,
        hidden: int,
        upsample: int,
        min_depth: float,
        max_depth: float,
        pool: int = 1,
    ) -> None:
        """Build the head; see :class:`ConvexDepthHead`."""
        super().__init__(features, hidden, upsample, min_depth, max_depth, pool)
        self.guide = nn.Conv2d(hidden + 3, hidden, 3, padding=1)
        self.finer = convolution_to_weights(hidden, pool, middle=MIDDLE)

    def combine(self, values: Tensor, weights: Tensor, factor: int) -> Tensor:
        """Upsample values by weights: see :func:`select`, and :func:`combine` in training."""
        return (combine if self.training else select)(values, weights, factor)

    def forward(self, f_dec: Tensor, picture: Tensor | None = None) -> Tensor:
        """Predict metres; see :meth:`DepthHead.forward`. Needs the picture."""
        assert picture is not None
        hidden = self.hidden(f_dec)
        share = self.combine(self.values(hidden), self.weights(hidden), 2)
        if self.smoothing and not self.training:
            share = smooth(share, self.smoothing / self.log_range)
        guided = torch.cat([enlarge(hidden, 2), picture.to(hidden.dtype)], dim=1)
        share = self.combine(share, self.finer(F.relu(self.guide(guided))), self.pool)
        return torch.exp(share * self.log_range + self.log_min)


MIDDLE = 4.0
"""Initial logarithm of the weight of the middle of 3x3 values: 0.87 of their sum."""


def convolution_to_weights(hidden: int, factor: int, middle: float = 0.0) -> nn.Conv2d:
    """Build the convolution to the weights of 3x3 values for :func:`combine`.

    Args:
        hidden: Channels in.
        factor: See :func:`combine`.
        middle: Initial logarithm of the weight of the middle value; those of the others are 0.
    """
    weights = nn.Conv2d(hidden, factor**2 * 9, 1)
    nn.init.zeros_(weights.weight)
    assert weights.bias is not None
    nn.init.zeros_(weights.bias)
    with torch.no_grad():
        weights.bias.view(-1, 9)[:, 4] = middle
    return weights


def combine(values: Tensor, weights: Tensor, factor: int) -> Tensor:
    """Upsample by convex combinations of the 3x3 values around each place.

    Args:
        values: ``[B, 1, h, w]``.
        weights: Their logarithms up to a constant, ``[B, factor^2 * 9, h, w]``.
        factor: Pixels per side for each place.

    Returns:
        ``[B, 1, factor * h, factor * w]``.
    """
    shares = _by_place(weights, factor).softmax(dim=2)
    return F.pixel_shuffle((shares * _around(values)).sum(dim=2), factor)


def select(values: Tensor, weights: Tensor, factor: int) -> Tensor:
    """Upsample by copying that of the 3x3 values around each place which has the largest weight.

    Arguments and result are those of :func:`combine`. Of equal weights the mean is taken.
    """
    weights = _by_place(weights, factor)
    # A mask and sums: in ONNX Runtime as fast as indices, and much faster than a softmax.
    chosen = (weights == weights.amax(dim=2, keepdim=True)).to(weights.dtype)
    return F.pixel_shuffle((chosen * _around(values)).sum(dim=2) / chosen.sum(dim=2), factor)


def smooth(values: Tensor, span: float) -> Tensor:
    """Smooth values where no outline is near.

    Where the 3x3 values around a place span less than ``span``, they give way to their mean with
    the weights 1, 2, 1 in rows and columns, which has no part of a period of two places. All
    others stay, so that steps of ``span`` and more stay as they are.

    Args:
        values: ``[B, 1, h, w]``.
        span: Least span of an outline, above 0.
    """
    lowest = highest = mean = F.pad(values, (1, 1, 1, 1), mode='replicate')
    # Rows, then columns: in ONNX Runtime faster than pooling, see _sums_3x3 of unet_lite.
    for axis in (2, 3):
        before, own, after = _three(lowest, axis)
        lowest = torch.minimum(torch.minimum(before, own), after)
        before, own, after = _three(highest, axis)
        highest = torch.maximum(torch.maximum(before, own), after)
        before, own, after = _three(mean, axis)
        mean = (before + 2 * own + after) / 4
    return torch.where(highest - lowest < span, mean, values)


def _three(x: Tensor, axis: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the values before, at and after each inner place of an axis, 2 or 3."""
    if axis == 2:
        return x[:, :, :-2], x[:, :, 1:-1], x[:, :, 2:]
    return x[..., :-2], x[..., 1:-1], x[..., 2:]


def _by_place(weights: Tensor, factor: int) -> Tensor:
    """Return weights of :func:`combine` as float32 ``[B, factor^2, 9, h, w]``."""
    return to_float32(weights).reshape(-1, factor**2, 9, *weights.shape[2:])


def _around(values: Tensor) -> Tensor:
    """Map ``[B, 1, h, w]`` to the 3x3 values around each place, ``[B, 1, 9, h, w]``."""
    padded = F.pad(values, (1, 1, 1, 1), mode='replicate')
    parts = (slice(None, -2), slice(1, -1), slice(2, None))
    return torch.cat([padded[:, :, rows, columns] for rows in parts for columns in parts], 1)[
        :, None
    ]


class UncertaintyHead(Head):
    """Head of uncertainty: the predicted relative error of the depth, at least 0."""

    def error(self, f_dec: Tensor) -> Tensor:
        """Predict the relative error, of the size of :meth:`Head.value`."""
        return F.softplus(self.value(f_dec))

    def forward(self, f_dec: Tensor) -> Tensor:
        """Map ``[B, features, h, w]`` to float32 ``[B, 1, H, W]``, the size of the input."""
        return enlarge(self.error(f_dec), self.last)


def to_float32(value: Tensor) -> Tensor:
    """Convert to float32, also under autocast, as bf16 has three digits; float64 is kept."""
    return value if value.dtype == torch.float64 else value.float()


def enlarge(x: Tensor, factor: float) -> Tensor:
    """Enlarge ``[B, C, h, w]`` bilinearly by a factor."""
    if factor == 1:
        return x
    return F.interpolate(x, scale_factor=factor, mode='bilinear', align_corners=False)
