# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Supervised training of a network that enlarges depth maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spike_training.engine.stage import Context, Phase, Stage
from spike_training.evaluation.small_maps import MOST_LEVEL
from spike_training.evaluation.upsampling import bilinear, nearest
from spike_training.methods.dsr.degradation import Pairs, draw_pairs
from spike_training.methods.dsr.losses import l1_loss, middle_weight
from spike_training.methods.dsr.settings import EnlargeConfig
from spike_training.sampling.sample import Batch

COLLAPSED = 0.95
"""Mean weight of the middle neighbour above which a network has collapsed: it repeats pixels."""

DRAWN_ERROR = 16.0
"""Error that pictures draw white, grey levels."""

_DRAWN = 3  # crops of a picture


@runtime_checkable
class Weighted(Protocol):
    """Network that enlarges by weights of the nine neighbours of each small pixel."""

    def weights(self, depth: Tensor, factor: int) -> Tensor:
        """Return the weights, ``[B, 9, h factor, w factor]``, of maps ``[B, 1, h, w]``."""


class Enlarge(Stage[Batch]):
    """Stage with the L1 loss of enlarged maps (Sun et al., Eq. 10).

    Args:
        network: Network from small maps ``[B, 1, h, w]`` (0: hole) and a factor to enlarged ones,
            NaN where the own small pixel is a hole.
        config: Settings of the stage.
    """

    def __init__(self, network: nn.Module, config: EnlargeConfig) -> None:
        super().__init__()
        self.network = network
        self.config = config

    @classmethod
    def from_config(cls, config: EnlargeConfig, context: Context) -> Enlarge:
        """Build the stage, see :meth:`Stage.from_config`."""
        return cls(context.init_model(nn.Module), config)

    @property
    def deployable(self) -> nn.Module:
        """Trained network, see :attr:`Stage.deployable`."""
        return self.network

    def pairs(self, batch: Batch, phase: Phase) -> Pairs:
        """Draw the pairs of a batch; those of a validation depend on the batch alone."""
        seed = batch.index[0] if phase == 'val' else torch.randint(1 << 62, ())
        return draw_pairs(batch.depth, self.config, torch.Generator().manual_seed(int(seed)))

    def forward(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`; ``middle`` in validations alone."""
        small, truth, factor = self.pairs(batch, phase)
        scalars = {
            'loss': l1_loss(self.network(small, factor), truth).mean(),
            'nearest': l1_loss(nearest(small, factor), truth).mean(),
            'holes': (small == 0).float().mean(),
        }
        if phase == 'val' and isinstance(self.network, Weighted):
            weights = self.network.weights(small, factor)
            scalars['middle'] = middle_weight(weights, small, factor)
        return scalars

    def warnings(self, metrics: Mapping[str, float]) -> Sequence[str]:
        """Warn of a network that has collapsed to the middle neighbour."""
        middle = metrics.get('middle', 0.0)
        if middle > COLLAPSED:
            return [
                f'the mean weight of the middle neighbour is {middle:.3f}, above {COLLAPSED}: the '
                'network repeats pixels. Train with more warm-up steps, a smaller learning rate '
                'or clip_norm'
            ]
        return ()

    def picture(self, batch: Batch) -> npt.NDArray[np.uint8]:
        """Draw crops: bilinear and learnt enlargement, the truth, and the errors of both."""
        small, truth, factor = self.pairs(batch, 'val')
        small, truth = small[:_DRAWN], truth[:_DRAWN]
        interpolated, learnt = bilinear(small, factor), self.network(small, factor)
        maps = [one.nan_to_num(0.0) / MOST_LEVEL for one in (interpolated, learnt, truth)]
        errors = [
            (one - truth).abs().nan_to_num(0.0) * (truth > 0) / DRAWN_ERROR
            for one in (interpolated, learnt)
        ]
        rows = torch.cat([*maps, *errors], dim=3).flatten(0, 2)
        grey = (255 * rows.clamp(0, 1)).round().to(torch.uint8).cpu().numpy()
        return np.repeat(grey[:, :, None], 3, axis=2)
