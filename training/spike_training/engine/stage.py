# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Interface between a stage of training and the loop that runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from spike_depth_ros.model import SpikeNet
from spike_training.engine.optim import Groups, groups_of
from spike_training.sampling.sample import AnyBatch

if TYPE_CHECKING:
    from spike_training.engine.context import Context

Phase = Literal['train', 'val']


class Selection(NamedTuple):
    """Network that a stage exports, selected after its last step.

    Attributes:
        name: Name of the network within the stage.
        network: Network with the weights to export.
        criteria: Criterion of each candidate by its name; lower is better.
    """

    name: str
    network: nn.Module
    criteria: dict[str, float]


class Stage(nn.Module, ABC, Generic[AnyBatch]):
    """Networks of a stage of training, and their loss.

    The loop does all the rest. A stage draws random numbers from torch's global generators, which
    the loop seeds for each step.
    """

    @classmethod
    def from_config(cls, config: Any, context: Context) -> Stage[AnyBatch]:
        """Build the stage of a run.

        Args:
            config: Settings of the stage, of the class that names this one as its implementation.
            context: Other inputs for building the stage.
        """
        network = context.init_model(SpikeNet)  # type: ignore[type-abstract]
        return cls(network, config, context.config.model)

    @abstractmethod
    def forward(self, batch: AnyBatch, phase: Phase) -> dict[str, Tensor]:
        """Return the loss of a batch and scalars to log.

        Returns:
            ``loss``, a scalar with a gradient, the mean over the batch's images; and any number of
            named scalars without one.
        """

    @property
    @abstractmethod
    def deployable(self) -> nn.Module:
        """Network that is averaged, validated and exported."""

    @abstractmethod
    def picture(self, batch: AnyBatch) -> npt.NDArray[np.uint8]:
        """Draw predictions of the deployable network for a batch, ``[height, width, 3]``."""

    def optimizers(self) -> Groups:
        """Return parameter groups by the optimiser's name; all optimise the same loss."""
        return {'main': groups_of(self)}

    @property
    def networks(self) -> Sequence[nn.Module]:
        """Networks that process images.

        The loop sets their memory format, activation checkpointing and compilation.
        """
        return [self.deployable]

    def begin(self, batches: Iterable[AnyBatch]) -> None:
        """Prepare the networks before the first step; not called when a training is resumed.

        Args:
            batches: Training batches from the first one on, without end.
        """

    def waits(self, optimizer: str, step: int) -> bool:
        """Return True while an optimiser leaves its weights as they are.

        Args:
            optimizer: Its name in :meth:`optimizers`.
            step: The step, counted from 0.
        """
        return False

    def after_step(self, step: int) -> None:
        """Update what depends on the weights, after each optimiser step, counted from 0."""
        # Most stages have nothing to update.

    def warnings(self, metrics: Mapping[str, float]) -> Sequence[str]:
        """Check the health of the training by the scalars of a validation.

        Returns:
            A sentence for each problem; they are printed, and listed on the page of the run.
        """
        return ()

    def select(self, batches: Iterable[AnyBatch]) -> Selection | None:
        """Select the network to export, after the last step; None: ``deployable``.

        Args:
            batches: Validation batches, others than those used for validation so far.
        """
        return None
