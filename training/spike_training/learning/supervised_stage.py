# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stage that learns from labels alone, of any method."""

from __future__ import annotations

from torch import Tensor, nn

from spike_depth_ros.networks.depth_net import SpikeDepthNet
from spike_training.engine.optim import Groups
from spike_training.engine.stage import Phase, Stage
from spike_training.evaluation.predictors import predict
from spike_training.learning.backbone import freeze
from spike_training.learning.settings import SupervisedConfig
from spike_training.learning.supervision import Supervision, network_groups
from spike_training.sampling.sample import Batch
from spike_training.settings.config import ModelConfig


class SupervisedStage(Stage[Batch]):
    """Stage with the losses of depth and uncertainty on labels."""

    def __init__(
        self, network: SpikeDepthNet, config: SupervisedConfig, model: ModelConfig
    ) -> None:
        super().__init__()
        self.network, self.config, self.model = network, config, model
        self.supervision = Supervision(config, model)
        freeze(network, config)

    def train(self, mode: bool = True) -> SupervisedStage:
        """Set the mode of the module; keep frozen parts in eval mode."""
        super().train(mode)
        freeze(self.network, self.config)
        return self

    @property
    def deployable(self) -> nn.Module:
        """Trained network, see :attr:`Stage.deployable`."""
        return self.network

    def optimizers(self) -> Groups:
        """Implement :meth:`Stage.optimizers`."""
        return {'main': network_groups(self.network, self.config)}

    def forward(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`."""
        output = predict(self.network, batch, self.config.input)
        sup, unc, error = self.supervision(output, batch)
        return {
            'loss': sup + self.config.uncertainty_weight * unc,
            'sup': sup.detach(),
            'unc': unc.detach(),
            'error': error,
        }
