# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Degradation-robust fusion (Sun et al., stage 2): a teacher of undamaged frames, no labels."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spike_depth_ros.networks.depth_net import DepthOutput
from spike_depth_ros.networks.fuse_lite import FuseLite
from spike_training.engine.optim import Groups, groups_of
from spike_training.engine.stage import Context, Phase, Stage
from spike_training.evaluation.predictors import predict
from spike_training.learning.losses import si_loss_absolute
from spike_training.methods.fuse.losses import token_loss
from spike_training.methods.fuse.settings import RobustConfig
from spike_training.sampling.sample import Batch
from spike_training.settings.config import ModelConfig


class Robust(Stage[Batch]):
    """Stage whose student sees damaged frames beside spikes, and whose teacher undamaged ones.

    There the loss of depth is that of :func:`disparity_loss`; here it is of metres, which the
    teacher has.
    """

    def __init__(
        self, network: FuseLite, teacher: FuseLite, config: RobustConfig, model: ModelConfig
    ) -> None:
        """Build the stage.

        Args:
            network: Network with the teacher's weights; its fusion learns.
            teacher: Network of frames; it is frozen here.
            config: Settings.
            model: Depth range, for pictures.
        """
        super().__init__()
        self.network = network.requires_grad_(False)
        for part in (network.joins, network.missing):
            part.requires_grad_(True)
        self.teacher = teacher.requires_grad_(False).eval()
        self.config, self.model = config, model

    @classmethod
    def from_config(cls, config: RobustConfig, context: Context) -> Robust:
        """Implement :meth:`Stage.from_config`."""
        assert config.teacher is not None  # checked with the config
        teacher = context.trained_model(config.teacher, FuseLite)
        return cls(context.init_model(FuseLite), teacher, config, context.config.model)

    def train(self, mode: bool = True) -> Robust:
        """Set the mode of the module; keep frozen parts in eval mode."""
        super().train(mode)
        self.teacher.eval()
        for part in (self.network.encoder, self.network.decoder, self.network.temporal):
            part.eval()
        return self

    @property
    def deployable(self) -> nn.Module:
        """Trained network, see :attr:`Stage.deployable`."""
        return self.network

    @property
    def networks(self) -> list[nn.Module]:
        """Student and teacher, see :attr:`Stage.networks`."""
        return [self.network, self.teacher]

    def optimizers(self) -> Groups:
        """Implement :meth:`Stage.optimizers`."""
        return {'main': groups_of(self.network)}

    def forward(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`."""
        wanted, found = self._both(batch)
        everywhere = torch.ones_like(wanted.depth)
        depth = si_loss_absolute(found.depth, wanted.depth, everywhere, lam=0.0).mean()
        mine, theirs = ([one.f_enc.flatten(2).transpose(1, 2)] for one in (found, wanted))
        tokens = token_loss(mine, theirs, self.config.largest_cosine)
        return {
            'loss': depth + self.config.token_weight * tokens.loss.mean(),
            'depth': depth.detach(),
            'tokens': tokens.loss.detach().mean(),
            'cosine': tokens.cosine.mean(),
            'counted': tokens.counted.mean(),
        }

    def _both(self, batch: Batch) -> tuple[DepthOutput, DepthOutput]:
        undamaged = dataclasses.replace(batch, frame=batch.rgb, has_spikes=None)
        with torch.no_grad():
            wanted = predict(self.teacher, undamaged, 'spikes')
        return wanted, predict(self.network, batch, 'spikes')

    def picture(self, batch: Batch) -> npt.NDArray[np.uint8]:
        """Draw spikes, frames, and the depth of teacher and student."""
        # Imported here because it needs OpenCV, which training without pictures does not need.
        from spike_training.learning.panels import Panels

        assert batch.frame is not None  # asked for by the settings
        wanted, found = self._both(batch)
        show = Panels(self.model)
        return show.sheet(
            [
                show.spikes(batch.counts),
                show.images(batch.frame.nan_to_num(0), 'frame'),
                show.depth(wanted.depth, 'depth, teacher'),
                show.depth(found.depth, 'depth'),
            ]
        )
