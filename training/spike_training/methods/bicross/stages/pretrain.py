# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Supervised training of one network, on spikes (the baseline Pre_src) or RGB (the teacher)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from spike_depth_ros.model.depth_net import SpikeDepthNet
from spike_training.engine.optim import Groups
from spike_training.engine.stage import Phase, Stage
from spike_training.evaluation.predictors import predict
from spike_training.learning.backbone import freeze
from spike_training.learning.supervision import Supervision, network_groups
from spike_training.methods.bicross.settings import PretrainConfig
from spike_training.sampling.sample import Batch
from spike_training.settings.config import ModelConfig


class Pretrain(Stage[Batch]):
    """Stage with the loss L_sup + L_unc (Liu et al., BiCross, Eq. 5 on labels, and Eq. 2)."""

    def __init__(self, network: SpikeDepthNet, config: PretrainConfig, model: ModelConfig) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.supervision = Supervision(config, model)
        self.model = model
        freeze(network, config)

    def train(self, mode: bool = True) -> Pretrain:
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

    def picture(self, batch: Batch) -> npt.NDArray[np.uint8]:
        """Draw the input, true depth, predicted depth and predicted relative error."""
        # Imported here because it needs OpenCV, which training without pictures does not need.
        from spike_training.learning.panels import Panels

        output = predict(self.network, batch, self.config.input)
        show = Panels(self.model)
        return show.sheet(
            [
                show.input(batch.counts, batch.rgb if self.config.input == 'rgb' else None),
                show.depth(self.supervision.label(batch).depth, 'truth'),
                show.depth(output.depth, 'depth'),
                show.uncertainty(output.uncertainty, 'uncertainty'),
            ]
        )
