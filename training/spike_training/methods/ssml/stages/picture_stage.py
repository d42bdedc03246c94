# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Common parts of stages whose exported network reconstructs pictures."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spike_depth_ros.model import SpikeNet
from spike_depth_ros.model.pictures.rate_estimates import IntervalRate
from spike_depth_ros.preview import COVERED_PLANES
from spike_training.engine.stage import Stage
from spike_training.errors import DataSetError
from spike_training.methods.ssml.losses import psnr
from spike_training.sampling.sample import Batch

CHECKED_BATCHES = 8
"""Batches whose light is checked before self-supervised training."""

MIN_RATE = 0.005
"""Least mean firing rate, spikes per pixel and plane, to learn from noisy labels."""

MAX_SATURATED = 0.5
"""Largest share of pixels that fire in every plane of their window."""


class PictureStage(Stage[Batch]):
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
        columns = [IntervalRate(spikes.shape[1], COVERED_PLANES).to(spikes.device)(spikes)]
        columns.append(self.rate(batch))
        if batch.image is not None:
            columns.append(batch.image)
        rows = torch.cat([image[:, 0] for image in columns], dim=2)
        grey = (255 * rows.clamp(0, 1).sqrt()).round().to(torch.uint8).flatten(0, 1)
        return np.repeat(grey.cpu().numpy()[:, :, None], 3, axis=2)


class SelfSupervisedStage(PictureStage):
    """Stage that learns from spikes alone."""

    def begin(self, batches: Iterable[Batch]) -> None:
        """Check the light of the first batches.

        Raises:
            DataSetError: They are too dark, or saturated.
        """
        first = [*itertools.islice(batches, CHECKED_BATCHES)]
        if (most := max(int(batch.counts.max()) for batch in first)) > 1:
            raise DataSetError(f'counts of up to {most} spikes: expected single planes and pixels')
        rates = torch.cat([batch.counts.float().mean(1).flatten() for batch in first])
        if (rate := rates.mean().item()) < MIN_RATE:
            raise DataSetError(
                f'the spikes to learn from have a mean firing rate of {rate:.2g} a plane: '
                f'expected {MIN_RATE:g} or more; record with more light or a lower plane rate'
            )
        if (share := (rates == 1).float().mean().item()) > MAX_SATURATED:
            raise DataSetError(
                f'{share:.0%} of the pixels to learn from fire in every plane: expected at most '
                f'{MAX_SATURATED:.0%}; record with less light or a higher plane rate'
            )
