# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Supervised training of one network, on spikes (the baseline Pre_src) or RGB (the teacher)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spike_depth_ros.model.depth_net import DepthOutput, SpikeDepthNet
from spike_training.bicross.losses import (
    gradient_loss,
    si_loss,
    si_loss_rooted,
    soft_error,
    uncertainty_loss,
)
from spike_training.config import ModelConfig, StageConfig
from spike_training.data.sample import Batch
from spike_training.engine.evaluate import canonical_depth, predict
from spike_training.engine.stage import Phase, Stage


class Pretrain(Stage):
    """L_sup + L_unc (Liu et al., BiCross, Eq. 5 on labels, and Eq. 2); edges too, if wanted.

    Depth is learnt at the canonical focal length, clamped to the range of the network. Sky is
    trained as the largest depth, with a weight of its own: it teaches "far", yet half an image of
    sky must not decide the scale of the other half. The uncertainty is not trained on it.
    """

    def __init__(self, network: SpikeDepthNet, config: StageConfig, model: ModelConfig) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.model = model

    @property
    def deployable(self) -> nn.Module:
        """See :class:`Stage`."""
        return self.network

    def forward(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """See :class:`Stage`."""
        output = self.predict(batch)
        target, weight = self.label(batch)
        measured = batch.depth.isfinite()
        si = si_loss if self.config.si == 'plain' else si_loss_rooted
        sup = si(output.depth, target, weight, self.config.si_lambda).mean()
        unc = uncertainty_loss(output.uncertainty, output.depth, target, measured).mean()
        error = torch.where(measured, soft_error(output.depth, target), 0.0).sum()
        loss = sup + self.config.uncertainty_weight * unc
        parts = {'sup': sup.detach(), 'unc': unc.detach()}
        if self.config.gradient_weight:
            gradient = gradient_loss(output.depth, target, weight).mean()
            loss = loss + self.config.gradient_weight * gradient
            parts['edges'] = gradient.detach()
        return {'loss': loss, **parts, 'error': error / measured.sum().clamp_min(1)}

    def predict(self, batch: Batch) -> DepthOutput:
        """The network's outputs, at the canonical focal length."""
        return predict(self.network, batch, self.config.input)

    def picture(self, batch: Batch) -> npt.NDArray[np.uint8]:
        """See :class:`Stage`: firing rate, true depth, depth, predicted relative error."""
        from spike_depth_ros.pictures import depth_panel, spike_panel, strip, uncertainty_panel

        output = self.predict(batch)
        limits = (self.model.min_depth, self.model.max_depth)
        truth = canonical_depth(batch, self.model.canonical_fx)
        rate = batch.counts.float().mean(dim=1)
        rate = 255 * rate / rate.amax(dim=(1, 2), keepdim=True).clamp_min(1.0)
        panels: list[tuple[npt.NDArray[np.uint8] | None, str]] = []
        for i in range(len(batch.counts)):
            panels += [
                (spike_panel(_numpy(rate[i]).astype(np.uint8)), 'spikes'),
                (depth_panel(_numpy(truth[i, 0]), *limits), 'truth'),
                (depth_panel(_numpy(output.depth[i, 0]), *limits), 'depth'),
                (uncertainty_panel(_numpy(output.uncertainty[i, 0]), 0.5, ''), 'uncertainty'),
            ]
        return strip(panels, columns=4)

    def label(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Canonical depth (NaN: unknown) and the weight of each pixel, both ``[B, 1, H, W]``."""
        depth = canonical_depth(batch, self.model.canonical_fx)
        target = depth.clamp(self.model.min_depth, self.model.max_depth)
        weight = torch.where(batch.depth.isinf(), self.config.sky_weight, 1.0)
        return target, weight


def _numpy(image: Tensor) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = image.float().cpu().numpy()
    return array
