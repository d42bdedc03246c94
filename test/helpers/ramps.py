# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A source of batches that can be made by hand: ramps whose brightness tells their depth."""

from __future__ import annotations

import torch

from spike_training.sampling.sample import Batch


class RampSource:
    """Ramps of depth, brighter where nearer, with a strip of sky along the top.

    A function of (seed, index) alone, like every source.
    """

    def __init__(
        self,
        styles=('indoor', 'road'),
        seed=0,
        split='train',
        height=32,
        width=48,
        planes=(32,),
        rate_hz=20_000.0,
        bins=32,
        with_rgb=False,
        device='cpu',
    ):
        self.seed = seed * 3 + ('train', 'calibration', 'test').index(split)
        self.shape = (height, width)
        self.planes, self.bins, self.with_rgb, self.device = planes, bins, with_rgb, device
        self.far = 20.0 if 'road' in styles else 5.0

    def batch(self, step, batch_size, rank=0, world_size=1):
        first = (step * world_size + rank) * batch_size
        samples = [self._sample(first + i) for i in range(batch_size)]
        counts, depth, fx = (torch.stack(values) for values in zip(*samples, strict=True))
        planes = self.planes[step % len(self.planes)]
        rgb = (counts[:, :1].float() / 8).clamp(0, 1).repeat(1, 3, 1, 1)
        return Batch(
            counts=counts,
            planes_per_bin=torch.full((self.bins,), max(1, planes // self.bins)).int(),
            rgb=rgb if self.with_rgb else None,
            depth=depth,
            fx=fx,
            index=torch.arange(first, first + batch_size),
        ).to(self.device)

    def _sample(self, index):
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
        height, width = self.shape
        slope, level = torch.rand(2, generator=generator)
        across = torch.linspace(0, 1, width).expand(height, width)
        share = (level + (slope - 0.5) * across).clamp(0, 1)
        depth = 1 + self.far * share
        rate = 8 / depth * 2
        depth = depth.clone()
        depth[:2] = torch.inf
        noise = torch.rand(self.bins, height, width, generator=generator)
        return (rate + noise).clamp(0, 8).byte(), depth[None], 300 + 200 * slope
