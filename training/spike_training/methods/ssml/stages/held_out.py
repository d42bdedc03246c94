# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Self-supervised training on held-out planes: the control of SSML without a blind spot."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from spike_depth_ros.model import SpikeNet
from spike_depth_ros.stream.window import reference_index
from spike_training.engine.stage import Phase
from spike_training.methods.ssml.losses import reconstruction_loss
from spike_training.methods.ssml.settings import HeldOutConfig
from spike_training.methods.ssml.stages.picture_stage import PictureStage
from spike_training.sampling.sample import Batch
from spike_training.settings.config import ModelConfig


class HeldOut(PictureStage):
    """Stage with the squared error against the mean of planes that are cut out of the middle.

    Where things move, the planes on both sides show other places than the label.
    """

    def __init__(self, network: SpikeNet, config: HeldOutConfig, model: ModelConfig) -> None:
        super().__init__(network)
        self.planes_out = config.planes_out
        # Around the reference plane of what is read, to which a true picture belongs.
        middle = reference_index('middle', model.bins + config.planes_out)
        self.first = middle - config.planes_out // 2

    def seen(self, batch: Batch) -> Batch:
        """Return the batch without the planes of the label."""
        before, after = self.first, self.first + self.planes_out
        counts = torch.cat([batch.counts[:, :before], batch.counts[:, after:]], dim=1)
        lengths = batch.planes_per_bin[: counts.shape[1]]
        return dataclasses.replace(batch, counts=counts, planes_per_bin=lengths)

    def forward(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`."""
        rate = self.rate(self.seen(batch))
        label = batch.counts[:, self.first : self.first + self.planes_out]
        loss = reconstruction_loss(rate, label.float().mean(1, keepdim=True))
        return {'loss': loss, 'rec': loss.detach(), **self.score(rate, batch)}
