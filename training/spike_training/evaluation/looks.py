# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Looks of pictures: matched without learning, and scores of translated ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.evaluation.image_metrics import psnr, ssim
from spike_training.sampling.blur import gaussian_blur

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Shares of linear red, green and blue (BT.709)."""

LEVELS = 256
"""Levels of a histogram from 0 to 1."""

EDGE_STEP = 0.2
"""Step of the logarithm of brightness from pixel to pixel that is an edge."""

EDGE_BLUR = 1.0
"""Standard deviation of the blur before edges are sought, pixels."""

EDGE_REACH = 2
"""Distance at which edges of two pictures are the same, pixels."""

DARKEST = 1 / 255
"""Brightness below which nothing is told apart."""


class Moments(nn.Module):
    """Look by mean and standard deviation of each channel over both domains, without learning.

    Args:
        source: Pictures of the source, ``[N, 3, H, W]``.
        target: Pictures of the target, same shape.
    """

    gain: Tensor
    offset: Tensor

    def __init__(self, source: Tensor, target: Tensor) -> None:
        super().__init__()
        (mean, deviation), (before, spread) = map(_moments, (source, target))
        gain = deviation / spread.clamp_min(1e-6)
        self.register_buffer('gain', gain)
        self.register_buffer('offset', mean - gain * before)

    def forward(self, picture: Tensor) -> Tensor:
        """Translate pictures ``[B, 3, H, W]``, 0 to 1, to the same shape and range."""
        return (picture * self.gain + self.offset).clamp(0, 1)


class Histogram(nn.Module):
    """Look by the histogram of each channel over both domains, without learning.

    Args:
        source: Pictures of the source, ``[N, 3, H, W]``.
        target: Pictures of the target, same shape.
    """

    levels: Tensor

    def __init__(self, source: Tensor, target: Tensor) -> None:
        super().__init__()
        mapped = []
        for channel in range(3):
            own, other = (_cumulative(part[:, channel]) for part in (source, target))
            # The level of the source below which as many of its values are.
            mapped.append(torch.searchsorted(own, other.clamp_max(own[-1])).clamp(max=LEVELS - 1))
        self.register_buffer('levels', torch.stack(mapped) / (LEVELS - 1))

    def forward(self, picture: Tensor) -> Tensor:
        """Translate pictures ``[B, 3, H, W]``, 0 to 1, to the same shape and range."""
        found = _level(picture)
        channels = [self.levels[channel][found[:, channel]] for channel in range(3)]
        return torch.stack(channels, dim=1)


LOOKS: dict[str, type[Moments] | type[Histogram]] = {'moments': Moments, 'histogram': Histogram}
"""Looks that are matched without learning, by their names in tables."""


def _moments(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel, ``[3, 1, 1]``."""
    channels = pictures.double().transpose(0, 1).flatten(1)
    return (
        channels.mean(dim=1).float()[:, None, None],
        channels.std(dim=1).float()[:, None, None],
    )


def _level(values: Tensor) -> Tensor:
    return (values * (LEVELS - 1)).round().long().clamp(0, LEVELS - 1)


def _cumulative(values: Tensor) -> Tensor:
    """Return the share of values at and below each level, ``[LEVELS]``."""
    counts = torch.bincount(_level(values).flatten(), minlength=LEVELS)
    return counts.cumsum(0).double() / counts.sum()


def brightness(picture: Tensor) -> Tensor:
    """Return the luminance of gamma encoded pictures, encoded in the same way.

    Args:
        picture: ``[B, 3, H, W]``, 0 to 1.

    Returns:
        ``[B, 1, H, W]`` float32, 0 to 1.
    """
    weights = torch.tensor(LUMINANCE, device=picture.device)[:, None, None]
    linear = picture.float().clamp(0, 1).square()
    return (linear * weights).sum(dim=1, keepdim=True).sqrt()


def edges_of(picture: Tensor) -> Tensor:
    """Find edges: steps of log-brightness above :data:`EDGE_STEP` after a blur.

    Args:
        picture: ``[B, 3, H, W]``, 0 to 1.

    Returns:
        ``[B, 1, H, W]`` bool: a step to the pixel on the right or below.
    """
    log = gaussian_blur(brightness(picture), EDGE_BLUR).clamp_min(DARKEST).log()
    right = F.pad(log.diff(dim=3).abs(), (0, 1)) > EDGE_STEP
    below = F.pad(log.diff(dim=2).abs(), (0, 0, 0, 1)) > EDGE_STEP
    return right | below


def edge_f1(picture: Tensor, reference: Tensor) -> Tensor:
    """Compute the F1 of the edges of pictures against those of others.

    An edge is found where the other picture has one within :data:`EDGE_REACH` pixels.

    Args:
        picture: ``[B, 3, H, W]``, 0 to 1.
        reference: Same shape.

    Returns:
        ``[B]``, 0 to 1; 1 where neither has an edge.
    """
    own, other = edges_of(picture).float(), edges_of(reference).float()
    near = 2 * EDGE_REACH + 1
    shares = []
    for found, wanted in ((own, other), (other, own)):
        reached = F.max_pool2d(wanted, near, 1, EDGE_REACH) * found
        number = found.sum(dim=(1, 2, 3))
        shares.append(torch.where(number > 0, reached.sum(dim=(1, 2, 3)) / number, 1.0))
    precision, recall = shares
    return 2 * precision * recall / (precision + recall).clamp_min(1e-6)


class PictureScores(NamedTuple):
    """Scores of translated pictures, means over pictures.

    Attributes:
        psnr: Of luminance against the true look, dB.
        ssim: The same, -1 to 1.
        edge_f1: F1 of their edges against those of their input, 0 to 1.
        changed: Mean absolute difference from their input.
    """

    psnr: float
    ssim: float
    edge_f1: float
    changed: float


@torch.inference_mode()
def score_pictures(
    translator: nn.Module, pictures: Iterable[tuple[Tensor, Tensor]]
) -> PictureScores:
    """Score a translator.

    Args:
        translator: Module from pictures to pictures, in eval mode.
        pictures: Batches of pictures of the target and the same scenes in the look of the source,
            ``[B, 3, H, W]`` each; at least one.
    """
    rows = []
    for given, wanted in pictures:
        made = translator(given)
        compared = (brightness(one)[:, 0].cpu().numpy() for one in (made, wanted))
        f1, changed = edge_f1(made, given), (made - given).abs().mean(dim=(1, 2, 3))
        for image, truth, *rest in zip(*compared, f1.tolist(), changed.tolist(), strict=True):
            rows.append((psnr(image, truth), ssim(image, truth), *rest))
    return PictureScores(*torch.tensor(rows, dtype=torch.float64).mean(dim=0).tolist())
