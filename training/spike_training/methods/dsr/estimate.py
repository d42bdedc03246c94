# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Supervised training of the network that estimates maps from colours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from spike_depth_ros.networks.dsr_net import DeNet
from spike_training.engine.stage import Context, Phase, Stage
from spike_training.methods.dsr.degradation import draw_crops, generator_of
from spike_training.methods.dsr.losses import estimation_loss, fit_to_truth, l1_loss
from spike_training.methods.dsr.picture import draw_maps
from spike_training.methods.dsr.settings import EstimateConfig
from spike_training.sampling.sample import Batch


class Estimate(Stage[Batch]):
    """Stage with the loss of DENet (Sun et al., Eq. 11).

    Args:
        network: DENet.
        config: Settings of the stage.
    """

    def __init__(self, network: DeNet, config: EstimateConfig) -> None:
        super().__init__()
        self.network = network
        self.config = config

    @classmethod
    def from_config(cls, config: EstimateConfig, context: Context) -> Estimate:
        """Build the stage, see :meth:`Stage.from_config`."""
        return cls(context.init_model(DeNet), config)

    @property
    def deployable(self) -> nn.Module:
        """Trained network, see :attr:`Stage.deployable`."""
        return self.network

    def forward(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`."""
        truth, rgb = draw_crops(batch, self.config, generator_of(batch, phase))
        assert rgb is not None  # asked for by the settings
        estimate = self.estimated(rgb, truth)
        return {
            'loss': estimation_loss(estimate, truth, self.config.ssim_share).mean(),
            'estimated': l1_loss(estimate.detach(), truth).mean(),
        }

    def estimated(self, rgb: Tensor, truth: Tensor) -> Tensor:
        """Return the maps of colours, ``[B, 1, H, W]`` grey levels, fitted if the stage is to."""
        found: Tensor = self.network(rgb)
        return fit_to_truth(found, truth) if self.config.fit_estimates else found

    def picture(self, batch: Batch) -> npt.NDArray[np.uint8]:
        """Draw crops: colours, estimate, truth, and error."""
        truth, rgb = draw_crops(batch, self.config, generator_of(batch, 'val'))
        assert rgb is not None
        return draw_maps({'estimated': self.estimated(rgb, truth)}, truth, rgb)
