# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Supervised training of a network of spikes and frames, either of which may be missing."""

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
from spike_training.methods.fuse.settings import FuseConfig
from spike_training.sampling.sample import Batch
from spike_training.settings.config import ModelConfig


class Fuse(Stage[Batch]):
    """Stage with the losses of labels; what is damaged or missing comes with the batches."""

    def __init__(self, network: SpikeDepthNet, config: FuseConfig, model: ModelConfig) -> None:
        super().__init__()
        self.network, self.config, self.model = network, config, model
        self.supervision = Supervision(config, model)
        freeze(network, config)

    def train(self, mode: bool = True) -> Fuse:
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
        sup, unc, error = self.supervision(predict(self.network, batch, 'spikes'), batch)
        return {
            'loss': sup + self.config.uncertainty_weight * unc,
            'sup': sup.detach(),
            'unc': unc.detach(),
            'error': error,
        }

    def picture(self, batch: Batch) -> npt.NDArray[np.uint8]:
        """Draw spikes, frame, true depth, predicted depth and predicted relative error."""
        # Imported here because it needs OpenCV, which training without pictures does not need.
        from spike_training.learning.panels import Panels

        assert batch.frame is not None  # asked for by the settings
        output = predict(self.network, batch, 'spikes')
        show = Panels(self.model)
        return show.sheet(
            [
                show.spikes(batch.counts),
                show.images(batch.frame.nan_to_num(0), 'frame'),
                show.depth(self.supervision.label(batch).depth, 'truth'),
                show.depth(output.depth, 'depth'),
                show.uncertainty(output.uncertainty, 'uncertainty'),
            ]
        )
