# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Supervised training of a network that enlarges depth maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from spike_training.engine.stage import Context, Phase, Stage
from spike_training.evaluation.upsampling import bilinear, nearest
from spike_training.methods.dsr.degradation import Pairs, draw_pairs, generator_of
from spike_training.methods.dsr.losses import l1_loss, middle_weight
from spike_training.methods.dsr.picture import draw_maps
from spike_training.methods.dsr.settings import EnlargeConfig
from spike_training.sampling.sample import Batch

COLLAPSED = 0.95
"""Mean weight of the middle neighbour above which a network has collapsed: it repeats pixels."""


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
        return draw_pairs(batch, self.config, generator_of(batch, phase))

    def forward(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`; ``middle`` in validations alone."""
        small, truth, factor, _ = self.pairs(batch, phase)
        loss = l1_loss(self.network(small, factor), truth).mean()
        scalars = {
            'loss': loss,
            'enlarged': loss.detach(),
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
        pairs = self.pairs(batch, 'val')
        maps = {
            'bilinear': bilinear(pairs.small, pairs.factor),
            'learnt': self.network(pairs.small, pairs.factor),
        }
        return draw_maps(maps, pairs.truth)
