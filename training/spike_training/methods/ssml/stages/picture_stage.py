# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Common parts of stages whose exported network reconstructs pictures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spike_depth_ros.model import SpikeNet
from spike_depth_ros.model.pictures.rate_estimates import RateEstimates
from spike_depth_ros.preview import COVERED_PLANES
from spike_training.engine.stage import Stage
from spike_training.methods.ssml.losses import psnr
from spike_training.sampling.sample import Batch


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
        interval = RateEstimates(spikes.shape[1], covered=[COVERED_PLANES])
        columns = [interval.to(spikes.device)(spikes)]
        columns.append(self.rate(batch))
        if batch.image is not None:
            columns.append(batch.image)
        rows = torch.cat([image[:, 0] for image in columns], dim=2)
        grey = (255 * rows.clamp(0, 1).sqrt()).round().to(torch.uint8).flatten(0, 1)
        return np.repeat(grey.cpu().numpy()[:, :, None], 3, axis=2)
