# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A source of batches that can be made by hand: ramps whose brightness tells their depth."""

import dataclasses

import torch
from torch import nn

from spike_depth_ros.model.depth_net import DepthOutput
from spike_training.evaluation.predictors import Scenes
from spike_training.evaluation.scores import EvaluationSet
from spike_training.learning.looks import target_picture
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


class Brightness(nn.Module):
    """A network that is not bad at ramps: brighter is nearer."""

    def __init__(self, uncertainty=0.1):
        super().__init__()
        self.uncertainty = uncertainty

    def forward(self, counts, planes_per_bin):
        rate = counts.float().mean(dim=1, keepdim=True)
        depth = (16 / (rate - 0.3).clamp_min(0.2)).clamp(0.3, 80.0)
        nothing = torch.zeros(1)
        uncertainty = torch.full_like(depth, self.uncertainty)
        return DepthOutput(depth, uncertainty, nothing, nothing, nothing)


def ramp_scenes(split='test', batch_size=4, number=12):
    """The first scenes of a source of ramps."""
    return Scenes(RampSource(split=split), number, batch_size)


def ramp_set(split='test', batch_size=4, number=12):
    """The same as a set of an evaluation."""
    scenes = ramp_scenes(split, batch_size, number)
    return EvaluationSet('source', 'indoor', scenes, 32, 48, (32,), 20_000.0)


def alike(drawn, step, number=4):
    """Pairs whose source has pictures of other scenes of the target, so that no look differs."""
    pair, other = (drawn.batch(at, number) for at in (step, 1000 + step))
    pictures = target_picture(other.target)
    return dataclasses.replace(pair, source=dataclasses.replace(pair.source, rgb=pictures))
