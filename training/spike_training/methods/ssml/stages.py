# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stages of SSML (Chen et al., Eq. 8 to 10) and its controls: images from raw planes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spike_depth_ros.networks import SpikeNet
from spike_depth_ros.networks.reconstruction.blind_spot import BlindSpotNet
from spike_depth_ros.networks.reconstruction.rate_estimates import RateEstimates
from spike_depth_ros.stream.preview import COVERED_PLANES
from spike_depth_ros.stream.window import reference_index
from spike_depth_ros.tasks.architectures import BlindSpotSettings
from spike_training.engine.optim import Groups, groups_of
from spike_training.engine.stage import Context, Phase, Stage
from spike_training.methods.ssml.losses import (
    mutual_loss,
    pseudo_label,
    psnr,
    reconstruction_loss,
    robust_error,
)
from spike_training.methods.ssml.settings import (
    BlindSpotConfig,
    HeldOutConfig,
    MutualConfig,
    SupervisedConfig,
)
from spike_training.sampling.sample import Batch
from spike_training.settings.config import ModelConfig


class ImageStage(Stage[Batch]):
    """Stage with one exported network of the task ``image``."""

    def __init__(self, network: SpikeNet) -> None:
        super().__init__()
        self.network = network

    @property
    def deployable(self) -> nn.Module:
        """Trained network, see :attr:`Stage.deployable`."""
        return self.network

    def rate(self, batch: Batch) -> Tensor:
        """Reconstruct the firing rate of a batch, ``[B, 1, H, W]``."""
        found: Tensor = self.network(batch.counts, batch.planes_per_bin).rate
        return found

    def score(self, rate: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the PSNR of a reconstruction where its truth is known."""
        return {} if batch.image is None else {'psnr': psnr(rate.detach(), batch.image)}

    def seen(self, batch: Batch) -> Batch:
        """Return the part of a batch that the network may see."""
        return batch

    def picture(self, batch: Batch) -> npt.NDArray[np.uint8]:
        """Draw inter-spike intervals, the reconstruction and, if it is known, the truth."""
        batch = self.seen(batch)
        spikes = batch.counts.float()
        planes = spikes.shape[1]
        interval = RateEstimates(planes, covered=[min(COVERED_PLANES, planes - 1)])
        columns = [interval.to(spikes.device)(spikes)]
        columns.append(self.rate(batch))
        if batch.image is not None:
            columns.append(batch.image)
        rows = torch.cat([image[:, 0] for image in columns], dim=2)
        grey = (255 * rows.clamp(0, 1).sqrt()).round().to(torch.uint8).flatten(0, 1)
        return np.repeat(grey.cpu().numpy()[:, :, None], 3, axis=2)


class BlindSpot(ImageStage):
    """Stage with the loss L_rec; the labels are the input's own spikes."""

    def __init__(self, network: SpikeNet, config: BlindSpotConfig, model: ModelConfig) -> None:
        super().__init__(network)
        self.label = pseudo_label(config.label, model.bins)

    def forward(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`."""
        rate = self.rate(batch)
        loss = reconstruction_loss(rate, self.label(batch.counts.float()))
        return {'loss': loss, 'rec': loss.detach(), **self.score(rate, batch)}


class HeldOut(ImageStage):
    """Stage with the squared error against the mean of planes that are cut out of the middle.

    Where things move, the planes on both sides show other places than the label.
    """

    def __init__(self, network: SpikeNet, config: HeldOutConfig, model: ModelConfig) -> None:
        super().__init__(network)
        self.planes_out = config.planes_out
        # Around the reference plane of what is read, to which a true image belongs.
        middle = reference_index('middle', model.bins + config.planes_out)
        self.first = middle - config.planes_out // 2

    def seen(self, batch: Batch) -> Batch:
        """Return the batch without the planes of the label."""
        before, after = self.first, self.first + self.planes_out
        counts = torch.cat([batch.counts[:, :before], batch.counts[:, after:]], dim=1)
        lengths = batch.planes_per_bin[: counts.shape[1]]
        return dataclasses.replace(batch, counts=counts, planes_per_bin=lengths)

    def forward(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`."""
        rate = self.rate(self.seen(batch))
        label = batch.counts[:, self.first : self.first + self.planes_out]
        loss = reconstruction_loss(rate, label.float().mean(1, keepdim=True))
        return {'loss': loss, 'rec': loss.detach(), **self.score(rate, batch)}


class Supervised(ImageStage):
    """Stage with a robust error against the truth as its loss."""

    def __init__(self, network: SpikeNet, config: SupervisedConfig, model: ModelConfig) -> None:
        super().__init__(network)

    def forward(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`."""
        assert batch.image is not None  # asked for by the settings
        rate = self.rate(batch)
        return {'loss': robust_error(rate, batch.image), **self.score(rate, batch)}


class Mutual(ImageStage):
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
