# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Supervised training of a network that matches two eyes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spike_depth_ros.networks.stereo_lite import STRIDE, StereoLite, StereoOutput
from spike_training.engine.stage import Phase, Stage
from spike_training.methods.stereo.augmentation import augment
from spike_training.methods.stereo.match_loss import (
    bad_share,
    disparity_loss,
    held_share,
    laplace_loss,
    volume_loss,
)
from spike_training.methods.stereo.settings import MatchConfig
from spike_training.sampling.sample import Batch
from spike_training.sampling.truth import true_disparity
from spike_training.settings.config import ModelConfig

DRAWN_PX = 48.0
"""Disparity that pictures draw white, pixels."""


class Match(Stage[Batch]):
    """Stage with losses of disparity, of the volume and of the uncertainty.

    Training batches are augmented, those of the validation are as a camera has them.
    """

    def __init__(self, network: StereoLite, config: MatchConfig, model: ModelConfig) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.most_px = float((network.steps - 1) * STRIDE * network.pool)

    @property
    def deployable(self) -> nn.Module:
        """Trained network, see :attr:`Stage.deployable`."""
        return self.network

    def output(self, batch: Batch) -> StereoOutput:
        """Match the pairs of a batch."""
        assert batch.right is not None  # asked for by the settings
        counts = torch.cat([batch.counts, batch.right.counts])
        output: StereoOutput = self.network(counts, batch.planes_per_bin)
        return output

    def truth(self, batch: Batch) -> Tensor:
        """Return the disparities that are learnt, see :func:`true_disparity`."""
        return true_disparity(batch, self.most_px)

    def forward(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`."""
        if phase == 'train':
            batch = augment(batch)
        found, truth = self.output(batch), self.truth(batch)
        disparity = disparity_loss(found.disparity, truth).mean()
        volume = volume_loss(found.logits, truth, self.network.pool).mean()
        likelihood = laplace_loss(found.uncertainty, found.disparity, truth).mean()
        weights = self.config.volume_weight, self.config.uncertainty_weight
        error = found.disparity.detach()
        return {
            'loss': disparity + weights[0] * volume + weights[1] * likelihood,
            'disparity': disparity.detach(),
            'volume': volume.detach(),
            'likelihood': likelihood.detach(),
            'bad2': bad_share(error, truth).mean(),
            'held': held_share(found.uncertainty.detach(), error, truth).mean(),
        }

    def picture(self, batch: Batch) -> npt.NDArray[np.uint8]:
        """Draw the rates of both eyes, true disparity, the predicted one and its error."""
        assert batch.right is not None
        found = self.output(batch)
        rates = [eye.float().mean(dim=1) for eye in (batch.counts, batch.right.counts)]
        brightest = torch.stack(rates).amax(dim=(0, 2, 3)).clamp(min=1e-6)[:, None, None]
        columns = [(rate / brightest).sqrt() for rate in rates]
        for one in (self.truth(batch).nan_to_num(0.0), found.disparity, found.uncertainty):
            columns.append(one[:, 0] / DRAWN_PX)
        grey = (255 * torch.cat(columns, dim=2).clamp(0, 1)).round().to(torch.uint8)
        return np.repeat(grey.flatten(0, 1).cpu().numpy()[:, :, None], 3, axis=2)
