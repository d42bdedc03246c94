# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Self-supervised training of a blind-spot network on noisy labels (Chen et al., SSML, Eq. 8)."""

from __future__ import annotations

from torch import Tensor

from spike_depth_ros.model import SpikeNet
from spike_training.engine.stage import Phase
from spike_training.methods.ssml.losses import pseudo_label, reconstruction_loss
from spike_training.methods.ssml.settings import BlindSpotConfig
from spike_training.methods.ssml.stages.picture_stage import PictureStage
from spike_training.sampling.sample import Batch
from spike_training.settings.config import ModelConfig


class BlindSpot(PictureStage):
    """Stage with the loss L_rec; the labels are the input's own spikes."""

    def __init__(self, network: SpikeNet, config: BlindSpotConfig, model: ModelConfig) -> None:
        super().__init__(network)
        self.label = pseudo_label(config.label, model.bins)

    def forward(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`."""
        rate = self.rate(batch)
        loss = reconstruction_loss(rate, self.label(batch.counts.float()))
        return {'loss': loss, 'rec': loss.detach(), **self.score(rate, batch)}
