# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Network that matches two spike cameras: features, group-wise correlation, aggregation.

The volume is that of Guo et al., "Group-wise Correlation Stereo Network" (GwcNet), its excitation
by features of the left eye that of Bangunharcana et al., "Correlate-and-Excite" (CoEx). None of
its layers depends on the number of disparities, which a checkpoint's settings may change.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.networks import SpikeNet
from spike_depth_ros.networks.encoder import conv_norm
from spike_depth_ros.networks.heads import combine, convolution_to_weights, enlarge, to_float32
from spike_depth_ros.networks.lite_encoder import resize_like
from spike_depth_ros.networks.temporal import RateStem
from spike_depth_ros.tasks.architectures import StereoLiteSettings

STRIDE = 4
"""Pixels of the internal size between two places, and two disparities, of the volume."""

PEAK = 2
"""Steps of the volume on either side of the likeliest disparity whose mean is the answer."""

LAPLACE_68 = -math.log(1 - 0.6827)
"""Half-width of the 68 % interval of a Laplace distribution, over its scale."""

LEAST_SCALE = 0.02
"""Smallest predicted scale of the error, pixels of the internal size."""

_SHARPNESS = 10.0  # initial factor on the mean correlation, -1 to 1, in the logits
_TINY = 1e-6


class StereoOutput(NamedTuple):
    """Output of the network, of B pairs.

    Attributes:
        disparity: Left less right column, beyond that of what is infinitely far, pixels of the
            input, float32 ``[B, 1, H, W]``.
        uncertainty: Half-width of its 68 % interval, pixels, above 0, as ``disparity``.
        logits: Logarithms, up to a constant, of the probabilities of the disparities 0,
            :data:`STRIDE`, ... of the internal size, float32 ``[B, N, H / s, W / s]``; s is
            :data:`STRIDE` times ``pool``.
    """

    disparity: Tensor
    uncertainty: Tensor
    logits: Tensor


class StereoLite(SpikeNet):
    """Network of shared features, a volume of correlations, its aggregation and two outputs.

    Args:
        bins: Channels of counts of each eye.
        settings: Sizes.
    """

    def __init__(self, bins: int, settings: StereoLiteSettings) -> None:
        super().__init__()
        s = settings
        self.pool, self.groups = s.pool, s.groups
        self.steps = s.disparities // (STRIDE * s.pool)
        self.features = Features(bins, s.stem, s.features)
        self.aggregation = Aggregation(s.groups, s.volume, s.features)
        self.finer = conv_norm(s.stem, s.head, 3, 2)
        self.guide = conv_norm(s.features + s.head, s.head, 3)
        self.weights = convolution_to_weights(s.head, STRIDE)
        self.scale = nn.Sequential(
            nn.Conv2d(s.features + 3, s.head, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(s.head, 1, 1),
        )

    def from_pooled(self, counts: Tensor, planes_per_bin: Tensor) -> StereoOutput:
        """Match pairs; see :class:`SpikeNet`.

        Args:
            counts: Rectified counts of the left eyes, then those of the right ones, ``[2 B, C, H,
                W]``; H and W multiples of 16.
            planes_per_bin: As there, of both eyes.
        """
        half, quarter = self.features(counts, planes_per_bin)
        left, right = quarter.chunk(2)
        logits = self.aggregation(correlations(left, right, self.groups, self.steps), left)
        probability = to_float32(logits).softmax(dim=1)
        coarse, certainty = likeliest(probability)
        guide = self.guide(torch.cat([left, self.finer(half.chunk(2)[0])], dim=1))
        weights = self.weights(guide)
        scale = self._scale(left, coarse, certainty)
        disparity = combine(STRIDE * coarse, weights, STRIDE)
        uncertainty = combine(LAPLACE_68 * scale, weights, STRIDE)
        return StereoOutput(
            disparity=enlarge(self.pool * disparity, self.pool),
            uncertainty=enlarge(self.pool * uncertainty, self.pool),
            logits=to_float32(logits),
        )

    def _scale(self, left: Tensor, coarse: Tensor, certainty: Tensor) -> Tensor:
        """Predict the scale of the error, pixels, ``[B, 1, h, w]``; its inputs get no gradient."""
        seen = torch.cat([coarse / self.steps, certainty], dim=1).detach().to(left.dtype)
        found = self.scale(torch.cat([left.detach(), seen], dim=1))
        return F.softplus(to_float32(found)) + LEAST_SCALE


class Features(nn.Module):
    """Features of one eye, at half and at a quarter of its size.

    Args:
        bins: Channels of counts.
        stem: Channels at half of the size.
        features: Channels at a quarter; half as many more at an eighth, and twice as many at a
            sixteenth, where surfaces without texture see their surroundings.
    """

    def __init__(self, bins: int, stem: int, features: int) -> None:
        super().__init__()
        middle, coarse = features * 3 // 2, 2 * features
        self.stem = RateStem(bins, stem)
        self.fine = Residual(stem)
        self.quarter = _down(stem, features, 2)
        self.eighth = _down(features, middle, 1)
        self.sixteenth = _down(middle, coarse, 1)
        self.to_eighth = conv_norm(coarse + middle, middle, 3)
        self.to_quarter = conv_norm(middle + features, features, 3)
        self.last = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, counts: Tensor, planes_per_bin: Tensor) -> tuple[Tensor, Tensor]:
        """Map counts to ``[B, stem, H / 2, W / 2]`` and ``[B, features, H / 4, W / 4]``."""
        half = self.fine(self.stem(counts, planes_per_bin))
        quarter = self.quarter(half)
        eighth = self.eighth(quarter)
        x = self.sixteenth(eighth)
        x = self.to_eighth(torch.cat([resize_like(x, eighth), eighth], dim=1))
        x = self.to_quarter(torch.cat([resize_like(x, quarter), quarter], dim=1))
        return half, self.last(x)


class Residual(nn.Module):
    """Two 3x3 convolutions that are added to their input.

    Args:
        channels: Channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_norm(channels, channels, 3), conv_norm(channels, channels, 3, act=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Refine ``[B, C, h, w]``."""
        return F.relu(x + self.body(x))


def _down(channels: int, out: int, blocks: int) -> nn.Sequential:
    """Build a convolution of stride 2 and residual blocks."""
    return nn.Sequential(conv_norm(channels, out, 3, 2), *(Residual(out) for _ in range(blocks)))


def correlations(left: Tensor, right: Tensor, groups: int, steps: int) -> Tensor:
    """Compute the group-wise correlation of features (Guo et al., Eq. 4), as cosines.

    Args:
        left: Features of the left eye, ``[B, C, h, w]``.
        right: Of the right eye, likewise.
        groups: Parts of the channels, each of which is compared by itself.
        steps: Number of disparities, 0 to ``steps - 1`` places.

    Returns:
        ``[B, groups, steps, h, w]``, -1 to 1; 0 beyond the edge of the right picture.
    """
    left, right = (_unit(one, groups) for one in (left, right))
    padded = F.pad(right, (steps - 1, 0))
    found = [
        (left * padded[..., steps - 1 - step : padded.shape[-1] - step]).sum(dim=2)
        for step in range(steps)
    ]
    return torch.stack(found, dim=2)


def _unit(features: Tensor, groups: int) -> Tensor:
    """Divide each group of channels by its length: ``[B, groups, C / groups, h, w]``."""
    batch, channels, height, width = features.shape
    parts = features.reshape(batch, groups, channels // groups, height, width)
    return parts * (parts.square().sum(dim=2, keepdim=True) + _TINY).rsqrt()


class Aggregation(nn.Module):
    """3D hourglass over the volume: logits of the disparities of each place.

    Args:
        groups: Channels of the volume.
        channels: Channels within, at the size of the volume; twice and three times as many at a
            half and a quarter.
        features: Channels of the left eye's features, which excite the volume.
    """

    def __init__(self, groups: int, channels: int, features: int) -> None:
        super().__init__()
        c = channels
        self.enter = _conv3d(groups, c)
        self.excitation = nn.Conv2d(features, c, 1)
        self.middle = nn.Sequential(_conv3d(c, 2 * c, 2), _conv3d(2 * c, 2 * c))
        self.coarse = nn.Sequential(_conv3d(2 * c, 3 * c, 2), _conv3d(3 * c, 3 * c))
        self.to_middle = nn.Conv3d(3 * c, 2 * c, 1)
        self.merge_middle = _conv3d(2 * c, 2 * c)
        self.to_whole = nn.Conv3d(2 * c, c, 1)
        self.merge_whole = _conv3d(c, c)
        self.leave = nn.Conv3d(c, 1, 3, padding=1)
        self.sharpness = nn.Parameter(torch.tensor(_SHARPNESS))

    def forward(self, volume: Tensor, left: Tensor) -> Tensor:
        """Aggregate.

        Args:
            volume: ``[B, groups, N, h, w]``; N, h and w multiples of 4.
            left: Features of the left eye, ``[B, features, h, w]``.

        Returns:
            ``[B, N, h, w]``.
        """
        whole = self.enter(volume) * torch.sigmoid(self.excitation(left))[:, :, None]
        middle = self.middle(whole)
        x = self.coarse(middle)
        x = self.merge_middle(middle + _double(self.to_middle(x)))
        x = self.merge_whole(whole + _double(self.to_whole(x)))
        # The correlations themselves are an answer, from which training starts.
        logits: Tensor = self.leave(x)[:, 0] + self.sharpness * volume.mean(dim=1)
        return logits


def _conv3d(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    """Build a 3x3x3 convolution, batch norm and ReLU."""
    # With a bias that batch norm makes useless: onnxscript gives others one of a wrong shape.
    return nn.Sequential(
        nn.Conv3d(channels, out, 3, stride, 1),
        nn.BatchNorm3d(out),
        nn.ReLU(inplace=True),
    )


def _double(x: Tensor) -> Tensor:
    """Repeat the values of ``[B, C, N, h, w]`` to twice the size in each of N, h and w."""
    return F.interpolate(x, scale_factor=2.0, mode='nearest')


def likeliest(probability: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the mean disparity around the likeliest one: a soft argmin of a single peak.

    At an edge there are two peaks, between whose disparities nothing lies (Chen et al., "On the
    Over-Smoothing Problem of CNN Based Disparity Estimation").

    Args:
        probability: ``[B, N, h, w]`` float32, of the sum 1.

    Returns:
        Disparity in steps, ``[B, 1, h, w]``; and share of the peak in the probability, and
        standard deviation of all of it in steps, ``[B, 2, h, w]``.
    """
    number = probability.shape[1]
    step = torch.arange(number, device=probability.device, dtype=probability.dtype)
    step = step[None, :, None, None]
    best = probability.argmax(dim=1, keepdim=True).to(probability.dtype)
    peak = probability * ((step - best).abs() <= PEAK).to(probability.dtype)
    share = peak.sum(dim=1, keepdim=True)
    mean = (peak * step).sum(dim=1, keepdim=True) / share
    spread = (probability * (step - mean).square()).sum(dim=1, keepdim=True)
    return mean, torch.cat([share, (spread + _TINY).sqrt() / number], dim=1)
