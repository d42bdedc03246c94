# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Estimates of the firing rate at one plane without learning, as input of networks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RateEstimates(nn.Module):
    """Estimates over several durations, and their averages over neighbouring pixels.

    All are 0 where nothing fires within the largest box. Short ones are sharp under motion, long
    ones and averages over pixels have less noise. In the order of the result's channels:

    - Intervals (``interval`` of the preview): their number over their duration, for the fewest
      inter-spike intervals of a pixel that cover some planes around the middle one; the mean of
      all planes where a pixel has no spike on one side. With 1 plane that is texture from
      inter-spike intervals (TFI; Chen et al., "Self-Supervised Mutual Learning for Dynamic Scene
      Reconstruction of Spiking Camera", Eq. 3).
    - Means over some planes around the middle one (texture from playback, TFP; ibid., Eq. 2).
    - Boxes: averages of the mean of all planes over squares of pixels.

    Args:
        planes: Planes of the input.
        covered: Planes to cover of each estimate by intervals, 1 or more and under ``planes``.
        windows: Planes of each mean, odd numbers up to ``planes``, which is odd then.
        boxes: Sides of squares of pixels, odd.

    Attributes:
        channels: Number of estimates.

    Raises:
        ValueError: The numbers do not fit.
    """

    places: Tensor
    sums: Tensor

    def __init__(
        self,
        planes: int,
        covered: Sequence[int] = (),
        windows: Sequence[int] = (),
        boxes: Sequence[int] = (),
    ) -> None:
        for length in covered:
            if not 1 <= length < planes:
                raise ValueError(f'{length} planes to cover: expected 1 or more, under {planes}')
        for length in windows:
            if planes % 2 == 0 or length % 2 == 0 or not 1 <= length <= planes:
                raise ValueError(
                    f'{planes} planes, {length} in a mean: expected two odd numbers, the second '
                    'no larger'
                )
        for side in boxes:
            if side < 1 or side % 2 == 0:
                raise ValueError(f'boxes of {side} pixels: expected an odd number')
        super().__init__()
        self.covered, self.windows, self.boxes = tuple(covered), tuple(windows), tuple(boxes)
        self.channels = len(self.covered) + len(self.windows) + len(self.boxes)
        # Constants, so not in checkpoints.
        numbers = torch.arange(1.0, planes + 1)
        places = torch.where(numbers <= (planes + 1) // 2, numbers, numbers.flip(0))
        self.register_buffer('places', places.view(-1, 1, 1), persistent=False)
        # One 1x1 convolution takes all sums over planes.
        parts = [slice(first + 1, last) for first, last in map(self._ends, self.covered)]
        parts += [slice((planes - length) // 2, (planes + length) // 2) for length in self.windows]
        sums = torch.zeros(len(parts) + 1, planes, 1, 1)
        for row, part in zip(sums, [*parts, slice(None)], strict=True):
            row[part] = 1
        self.register_buffer('sums', sums, persistent=False)

    def forward(self, spikes: Tensor) -> Tensor:
        """Estimate rates.

        Args:
            spikes: 0 or 1, ``[B, planes, H, W]`` float.

        Returns:
            Spikes per plane, 0 to 1, ``[B, channels, H, W]``.
        """
        planes = spikes.shape[1]
        numbers = F.conv2d(spikes, self.sums).float()
        mean = numbers[:, -1:] / planes
        found = []
        for index, (before, after) in enumerate(self._nearest(spikes)):
            rate = (1 + numbers[:, index : index + 1]) / (planes + 1 - before - after)
            found.append(torch.where(before * after > 0, rate, mean))
        for index, length in enumerate(self.windows, len(self.covered)):
            found.append(numbers[:, index : index + 1] / length)
        for side in self.boxes:
            padded = F.pad(mean, (side // 2,) * 4, mode='replicate')
            # Rows, then columns: much faster than squares.
            rows = F.avg_pool2d(padded, (side, 1), stride=1)
            found.append(F.avg_pool2d(rows, (1, side), stride=1))
        return torch.cat(found, dim=1)

    def _nearest(self, spikes: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Find the nearest spikes outside of the planes that each estimate by intervals covers.

        Returns:
            For each estimate the place of the last spike before, counted from the first plane as
            1, and of the first one after, counted from the last plane as 1; ``[B, 1, H, W]``
            each, 0 where there is none.
        """
        if not self.covered:
            return []
        placed = spikes * self.places
        # Most covered planes first, and each plane is looked at once: a maximum finds the nearest
        # spike on either side, much faster than running sums.
        found: dict[int, tuple[Tensor, Tensor]] = {}
        before = after = torch.zeros_like(placed[:, :1])
        start, stop = 0, spikes.shape[1]
        for covered in sorted(set(self.covered), reverse=True):
            first, last = self._ends(covered)
            before = torch.cat([before, placed[:, start : first + 1]], dim=1).amax(1, keepdim=True)
            after = torch.cat([after, placed[:, last:stop]], dim=1).amax(1, keepdim=True)
            start, stop = first + 1, last
            found[covered] = before.float(), after.float()
        return [found[covered] for covered in self.covered]

    def _ends(self, covered: int) -> tuple[int, int]:
        """Return the first and the last of the planes that intervals cover."""
        first = (len(self.places) - covered) // 2
        return first, first + covered


class ShortTermPlasticity(nn.Module):
    """Firing rate from the state of a synapse that each pixel's spikes drive (STP).

    After Zheng et al., "High-speed image reconstruction through short-term plasticity for spiking
    cameras", with the model of Tsodyks and Markram: with each spike the utilisation u decays to
    its rest ``u0`` since the last one and is then raised by the share ``f`` of what is left to 1.
    A steady firing rate has one utilisation, which is solved for the rate. Its other variable, the
    resources left (time constant 1 plane), does not change u and is not needed.

    Args:
        rest: Utilisation at rest, and share by which a spike raises it (u0 and f).
        recovery: Time constant of the utilisation, planes (F).
    """

    def __init__(self, rest: float = 0.15, recovery: float = 10.0) -> None:
        super().__init__()
        self.rest, self.recovery = rest, recovery

    def forward(self, spikes: Tensor) -> Tensor:
        """Estimate the rate at the middle plane from the planes up to it.

        Args:
            spikes: 0 or 1, ``[B, planes, H, W]``.

        Returns:
            Spikes per plane, 0 to 1, ``[B, 1, H, W]`` float32; 0 where fewer than two spikes came.
        """
        rest = self.rest
        used = torch.full_like(spikes[:, 0], rest, dtype=torch.float32)
        # Planes since the last spike; infinite before the first one.
        since = torch.full_like(used, math.inf)
        rate = torch.zeros_like(used)
        for plane in range((spikes.shape[1] + 1) // 2):
            since = since + 1
            raised = used + rest * (1 - used)
            faded = rest + (raised - rest) * torch.exp(-since / self.recovery)
            fires = spikes[:, plane] > 0
            # At a steady rate the utilisation before a spike would always be this one.
            steady = (faded - rest) / (faded + rest * (1 - faded) - rest)
            found = -1 / (self.recovery * steady.clamp(1e-6, 1 - 1e-6).log())
            known = fires & since.isfinite()
            rate = torch.where(known, found.clamp(0, 1), rate)
            used = torch.where(fires, torch.where(since.isfinite(), faded, used), used)
            since = torch.where(fires, 0.0, since)
        return rate[:, None]
