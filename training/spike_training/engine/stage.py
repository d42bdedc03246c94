# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The contract between a stage of training and the loop that runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from spike_training.data.sample import Batch
from spike_training.engine.optim import Groups, groups_of

Phase = Literal['train', 'val']


class Source(Protocol):
    """Where batches come from."""

    def batch(self, step: int, batch_size: int, rank: int = 0, world_size: int = 1) -> Batch:
        """The batch of a step: a function of its arguments alone, so that resuming is exact."""


class Stage(nn.Module, ABC):
    """Networks, and how a batch becomes a loss. The loop does all the rest.

    A stage that needs randomness draws it from torch's global generators, which the loop seeds for
    each step.
    """

    @abstractmethod
    def forward(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """The loss of a batch, and what to log.

        Returns:
            ``loss``, a scalar with a gradient, the mean over the batch's images; and any number of
            named scalars without one.
        """

    @property
    @abstractmethod
    def deployable(self) -> nn.Module:
        """The network that is averaged, validated and exported."""

    @abstractmethod
    def picture(self, batch: Batch) -> npt.NDArray[np.uint8]:
        """What the deployable network makes of a batch, to look at, ``[height, width, 3]``."""

    def optimizers(self) -> Groups:
        """Parameter groups by the optimiser's name; each of them steps on the one loss."""
        return {'main': groups_of(self)}
