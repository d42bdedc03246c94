# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A stage that trains in milliseconds, with everything that makes resuming hard.

Batch norm, dropout, averaged weights and two optimisers. As a script it trains and stalls at a
step, to be killed there:  tiny_stage.py FOLDER STEP
"""

import dataclasses
import sys
import time
from pathlib import Path

import numpy as np
import torch
from ramps import RampSource
from torch import nn

from spike_depth_ros.checkpoint import DepthInfo
from spike_training.engine.fabric import make_fabric
from spike_training.engine.loop import fit
from spike_training.engine.optim import groups_of
from spike_training.engine.stage import Stage
from spike_training.settings.config import TrainConfig

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
