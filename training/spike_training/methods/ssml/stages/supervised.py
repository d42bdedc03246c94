# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Supervised training on the true firing rate of generated scenes: the control of SSML."""

from __future__ import annotations

from torch import Tensor

from spike_depth_ros.model import SpikeNet
from spike_training.engine.stage import Phase
from spike_training.methods.ssml.losses import robust_error
from spike_training.methods.ssml.settings import SupervisedConfig
from spike_training.methods.ssml.stages.picture_stage import PictureStage
from spike_training.sampling.sample import Batch
from spike_training.settings.config import ModelConfig


class Supervised(PictureStage):
    """Stage with a robust error against the truth as its loss."""

    def __init__(self, network: SpikeNet, config: SupervisedConfig, model: ModelConfig) -> None:
        super().__init__(network)

    def forward(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`."""
        assert batch.image is not None  # asked for by the settings
        rate = self.rate(batch)
        return {'loss': robust_error(rate, batch.image), **self.score(rate, batch)}
