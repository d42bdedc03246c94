# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Estimates of the firing rate at one plane without learning, as input of networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class IntervalRate(nn.Module):
    """Number of inter-spike intervals over their duration (``interval`` of the preview).

    Of each pixel the fewest intervals that cover ``covered`` planes around the middle one count.
    With 1 that is texture from inter-spike intervals (TFI; Chen et al., "Self-Supervised Mutual
    Learning for Dynamic Scene Reconstruction of Spiking Camera", Eq. 3).

    Args:
        planes: Planes of the input.
        covered: Planes to cover, at least 1 and fewer than ``planes``.

    Raises:
        ValueError: The numbers do not fit.
    """

    from_start: Tensor
    from_end: Tensor

    def __init__(self, planes: int, covered: int) -> None:
        if not 1 <= covered < planes:
            raise ValueError(f'{covered} planes to cover: expected 1 or more, under {planes}')
        super().__init__()
        self.first = (planes - covered) // 2
        self.last = self.first + covered
        numbers = torch.arange(1.0, planes + 1).view(1, -1, 1, 1)
        # Not in checkpoints: constants.
        self.register_buffer('from_start', numbers[:, : self.first + 1], persistent=False)
        self.register_buffer('from_end', numbers.flip(1)[:, self.last :], persistent=False)

    def forward(self, spikes: Tensor) -> Tensor:
        """Estimate rates.

        Args:
            spikes: 0 or 1, ``[B, planes, H, W]`` float.

        Returns:
            Spikes per plane, 0 to 1, ``[B, 1, H, W]``; the mean over all planes where there is no
            spike on one side.
        """
        # A maximum finds the nearest spike on either side: much faster than running sums.
        before = (spikes[:, : self.first + 1] * self.from_start).amax(1, keepdim=True)
        after = (spikes[:, self.last :] * self.from_end).amax(1, keepdim=True)
        number = 1 + spikes[:, self.first + 1 : self.last].sum(1, keepdim=True)
        duration = spikes.shape[1] + 1 - before - after
        return torch.where(before * after > 0, number / duration, spikes.mean(1, keepdim=True))


class MeanRate(nn.Module):
    """Mean over the planes around the middle one (texture from playback, TFP; ibid., Eq. 2).

    Args:
        planes: Planes of the input, an odd number.
        window: Planes of the mean, an odd number up to ``planes``.

    Raises:
        ValueError: The numbers do not fit.
    """

    def __init__(self, planes: int, window: int) -> None:
        if planes % 2 == 0 or window % 2 == 0 or not 1 <= window <= planes:
            raise ValueError(
                f'{planes} planes, {window} in a mean: expected two odd numbers, the second no '
                'larger'
            )
        super().__init__()
        self.first = (planes - window) // 2
        self.stop = self.first + window

    def forward(self, spikes: Tensor) -> Tensor:
        """Average 0 or 1, ``[B, planes, H, W]``, to rates from 0 to 1, ``[B, 1, H, W]``."""
        return spikes[:, self.first : self.stop].mean(1, keepdim=True)


class RateEstimates(nn.Module):
    """Estimates over several durations, and their averages over neighbouring pixels.

    All are 0 where nothing fires. Short ones are sharp under motion, long ones and averages over
    pixels have less noise.

    Args:
        planes: Planes of the input, an odd number.
        covered: Planes to cover of each :class:`IntervalRate`.
        windows: Planes of each :class:`MeanRate`.
        boxes: Sides of squares of pixels over which the mean of all planes is averaged, odd.

    Attributes:
        channels: Number of estimates.
    """

    def __init__(
        self, planes: int, covered: Sequence[int], windows: Sequence[int], boxes: Sequence[int]
    ) -> None:
        super().__init__()
        estimates: list[nn.Module] = [IntervalRate(planes, length) for length in covered]
        estimates += [MeanRate(planes, length) for length in windows]
        self.estimates = nn.ModuleList(estimates)
        self.boxes = tuple(boxes)
        self.channels = len(estimates) + len(self.boxes)

    def forward(self, spikes: Tensor) -> Tensor:
        """Estimate rates from 0 or 1, ``[B, planes, H, W]``: ``[B, channels, H, W]``, 0 to 1."""
        found = [estimate(spikes) for estimate in self.estimates]
        mean = spikes.mean(1, keepdim=True)
        for side in self.boxes:
            padded = F.pad(mean, (side // 2,) * 4, mode='replicate')
            # Rows, then columns: much faster than squares.
            rows = F.avg_pool2d(padded, (side, 1), stride=1)
            found.append(F.avg_pool2d(rows, (1, side), stride=1))
        return torch.cat(found, dim=1)
