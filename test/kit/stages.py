# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sources of batches made by hand, and a stage that trains on them in milliseconds.

The stage has everything that makes resuming hard: batch norm, dropout, averaged weights and two
optimisers. As a script it trains and stalls at a step, to be killed there:  stages.py FOLDER STEP
"""

import dataclasses
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from spike_depth_ros.networks.depth_net import DepthOutput
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.engine.fabric import make_fabric
from spike_training.engine.loop import fit
from spike_training.engine.optim import check_groups, groups_of
from spike_training.engine.stage import Stage
from spike_training.evaluation.predictors import Scenes
from spike_training.evaluation.scores import EvaluationSet
from spike_training.learning.looks import target_picture
from spike_training.sampling.sample import Batch, DomainPair
from spike_training.settings.config import TrainConfig


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


def pairs(split='train', target=RampSource, with_rgb=True, **changes):
    """Ramps with labels, and others of one style without; windows of 256 planes.

    Args:
        split: Part of both.
        target: Class of the second source.
        with_rgb: True if the first one has colours.
        changes: Settings of the second source.
    """
    source = RampSource(split=split, planes=(256,), with_rgb=with_rgb)
    given = {'styles': ('indoor',), 'seed': 7, 'split': split, 'planes': (256,)} | changes
    return DomainPair(source, target(**given))


class StoppedAt:
    """Batches of a source, until Ctrl-C at a step."""

    def __init__(self, step, source):
        self.step, self.source = step, source

    def batch(self, step, *others):
        if step == self.step:
            raise KeyboardInterrupt
        return self.source.batch(step, *others)


def learn(stage, batch, steps=2, rate=1e-3):
    """Take steps on one batch, with weight decay, as the loop does; the last step's losses."""
    groups = stage.optimizers()
    check_groups(stage, groups)
    chosen = [
        {'params': group['params'], 'lr': rate * group['lr_scale']}
        for part in groups.values()
        for group in part
    ]
    optimizer = torch.optim.AdamW(chosen, weight_decay=0.1)
    stage.train()
    for step in range(steps):
        torch.manual_seed(step)
        optimizer.zero_grad()
        found = stage(batch, 'train')
        found['loss'].backward()
        optimizer.step()
        stage.after_step(step)
    return found


def copied(module):
    """The tensors of a module as they are now, by their names."""
    return {name: value.clone() for name, value in module.state_dict().items()}


def alike(drawn, step, number=4):
    """Pairs whose source has pictures of other scenes of the target, so that no look differs."""
    pair, other = (drawn.batch(at, number) for at in (step, 1000 + step))
    pictures = target_picture(other.target)
    return dataclasses.replace(pair, source=dataclasses.replace(pair.source, rgb=pictures))


INFO = DepthInfo(
    architecture='tiny', settings={}, planes=32, planes_range=(32, 32), bins=32,
    rate_hz_range=(20e3, 20e3), min_depth=0.3, max_depth=80.0, canonical_fx=400.0,
    fx_range=(300.0, 500.0), stage='tiny', package_version='0',
)  # fmt: skip
STEPS = 24
CONFIG = TrainConfig(
    batch_size=2, learning_rate=0.1, warmup_steps=4, ema_decay=0.9, log_every=4, validate_every=8,
    validate_batches=1, picture_every=0, save_every=6, tensorboard=False,
)  # fmt: skip


class TinyStage(Stage):
    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.network = nn.Sequential(
            nn.Conv2d(32, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.Dropout(0.3), nn.Conv2d(4, 1, 1)
        )
        self.probe = nn.Linear(4, 1)

    @property
    def deployable(self):
        return self.network

    def optimizers(self):
        return {'main': groups_of(self.network), 'probe': groups_of(self.probe, lr_scale=0.1)}

    def forward(self, batch, phase):
        assert self.training == (phase == 'train')
        features = self.network[:3](batch.counts / 8)
        depth = self.network[3](features)[:, 0]
        wanted = batch.depth[:, 0, ::2, ::2].clamp(max=20).log()
        loss = (depth - wanted).square().mean()
        probed = self.probe(features.detach().mean(dim=(2, 3)))[:, 0]
        return {
            'loss': loss + (probed - wanted.mean(dim=(1, 2))).square().mean(),
            'depth': depth.mean().detach(),
        }

    def picture(self, batch):
        rate = batch.counts[0].sum(dim=0).clamp(max=255).byte().cpu().numpy()
        return np.repeat(rate[..., None], 3, axis=2)


class StallingSource(RampSource):
    """Stops the world at a step; what it waits in is killed."""

    def __init__(self, step, marker):
        super().__init__()
        self.step, self.marker = step, marker

    def batch(self, step, batch_size, rank=0, world_size=1):
        if step == self.step:
            self.marker.touch()
            time.sleep(600)
        return super().batch(step, batch_size, rank, world_size)


def train(folder, source=None, stage=None, steps=STEPS, validation=None, **changes):
    """Trains the stage and gives it back."""
    torch.set_num_threads(1)
    stage = stage or TinyStage()
    fit(
        stage,
        train=source or RampSource(),
        validation=validation or RampSource(split='calibration'),
        config=dataclasses.replace(CONFIG, steps=steps, **changes),
        folder=folder,
        info=INFO,
        fabric=make_fabric('cpu', 1, '32-true'),
        seed=5,
    )
    return stage


if __name__ == '__main__':
    folder = Path(sys.argv[1])
    train(folder, StallingSource(int(sys.argv[2]), folder / 'stalled'))


def batch_of(depth, rgb=None):
    """Return the batch of maps in metres, ``[B, 1, H, W]``, and of colours."""
    number, _, *size = depth.shape
    return Batch(
        counts=torch.zeros(number, 1, *size, dtype=torch.uint8),
        planes_per_bin=torch.ones(1, dtype=torch.int32),
        rgb=rgb,
        depth=depth,
        fx=torch.full((number,), 100.0),
        index=torch.arange(number),
    )


def boxes(number=2, height=48, width=64):
    """Return walls at 4 m with boxes at 1 and 2 m before them, and sky."""
    depth = torch.full((number, 1, height, width), 4.0)
    depth[:, :, 10:30, 5:31] = 1.0
    depth[:, :, 7:40, 37:50] = 2.0
    depth[:, :, :6] = float('inf')
    return depth
