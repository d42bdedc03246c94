# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Mutual learning of a blind-spot and a non-blind network (Chen et al., SSML, Eq. 8 to 10)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spike_depth_ros.architectures import BlindSpotSettings
from spike_depth_ros.model import SpikeNet
from spike_depth_ros.model.pictures.blind_spot import BlindSpotNet
from spike_training.engine.context import Context
from spike_training.engine.optim import Groups, groups_of
from spike_training.engine.stage import Phase
from spike_training.methods.ssml.losses import mutual_loss, pseudo_label, reconstruction_loss
from spike_training.methods.ssml.settings import MutualConfig
from spike_training.methods.ssml.stages.picture_stage import PictureStage
from spike_training.sampling.sample import Batch


class Mutual(PictureStage):
    """Stage with two networks; the non-blind one is exported.

    Args:
        network: Non-blind network (NBSN).
        blind: Blind-spot network (BSN).
        config: Settings of the stage.
        blind_steps: Steps, at the start, in which the non-blind network does not learn.
        planes: Planes of the input.
    """

    step: Tensor

    def __init__(
        self,
        network: SpikeNet,
        blind: BlindSpotNet,
        config: MutualConfig,
        blind_steps: int,
        planes: int,
    ) -> None:
        super().__init__(network)
        self.blind = blind
        self.label = pseudo_label(config.label, planes)
        self.weight = config.weight
        self.blind_steps = blind_steps
        # In the state of the stage, so that a resumed training goes on alike.
        self.register_buffer('step', torch.zeros((), dtype=torch.int64))

    @classmethod
    def from_config(cls, config: MutualConfig, context: Context) -> Mutual:
        """Implement :meth:`Stage.from_config`."""
        planes = context.config.model.bins
        blind = BlindSpotNet(planes, BlindSpotSettings(features=config.blind_features))
        steps = round(config.blind_fraction * context.config.train.steps)
        network = context.init_model(SpikeNet)  # type: ignore[type-abstract]
        return cls(network, blind, config, steps, planes)

    @property
    def networks(self) -> Sequence[nn.Module]:
        """Both networks, see :attr:`Stage.networks`."""
        return [self.network, self.blind]

    def optimizers(self) -> Groups:
        """Implement :meth:`Stage.optimizers`."""
        return {'non_blind': groups_of(self.network), 'blind': groups_of(self.blind)}

    def waits(self, optimizer: str, step: int) -> bool:
        """Implement :meth:`Stage.waits`.

        Steps without a gradient would let AdamW forget its bias correction and step too far.
        """
        return optimizer == 'non_blind' and step < self.blind_steps

    def after_step(self, step: int) -> None:
        """Count the steps."""
        self.step.fill_(step + 1)

    def forward(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`."""
        spikes = batch.counts.float()
        blind = self.blind(batch.counts, batch.planes_per_bin).rate
        rec = reconstruction_loss(blind, self.label(spikes))
        rate = self.rate(batch)
        mutual = mutual_loss(blind, rate)
        # Without a gradient rather than left out: every parameter has one in every step.
        weight = self.weight * (self.step >= self.blind_steps)
        return {
            'loss': rec + weight * mutual,
            'rec': rec.detach(),
            'mutual': mutual.detach(),
            **self.score(rate, batch),
        }
