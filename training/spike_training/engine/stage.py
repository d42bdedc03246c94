# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The contract between a stage of training and the loop that runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    NamedTuple,
    Protocol,
    TypeVar,
    runtime_checkable,
)

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from spike_training.engine.optim import Groups, groups_of
from spike_training.sampling.sample import AnyBatch, Batch, Pair

if TYPE_CHECKING:
    from spike_training.engine.context import Context

Phase = Literal['train', 'val']


AnyBatchT_co = TypeVar('AnyBatchT_co', Batch, Pair, covariant=True)


class Source(Protocol[AnyBatchT_co]):
    """Where batches come from."""

    def batch(
        self, step: int, batch_size: int, rank: int = 0, world_size: int = 1
    ) -> AnyBatchT_co:
        """The batch of a step: a function of its arguments alone, so that resuming is exact."""


@runtime_checkable
class Lossy(Protocol):
    """A source some of whose samples may turn out to be damaged; others take their places."""

    def left_out(self) -> list[str]:
        """Names of the samples that could not be used so far."""


def left_out(source: Source[AnyBatch]) -> list[str]:
    """Names of the samples of a source that could not be used so far."""
    return source.left_out() if isinstance(source, Lossy) else []


class Selection(NamedTuple):
    """The network that a stage hands on, chosen after its last step.

    Attributes:
        name: Of the network within the stage.
        network: With the weights to export.
        criteria: By name of each candidate; lower is better.
    """

    name: str
    network: nn.Module
    criteria: dict[str, float]


class Stage(nn.Module, ABC, Generic[AnyBatch]):
    """Networks, and how a batch becomes a loss. The loop does all the rest.

    A stage that needs randomness draws it from torch's global generators, which the loop seeds for
    each step.
    """

    @classmethod
    def from_config(cls, config: Any, context: Context) -> Stage[AnyBatch]:
        """Build the stage of a run.

        Args:
            config: Settings of the stage, of the class that names this one as its implementation.
            context: What it is built from.
        """
        return cls(context.init_model(), config, context.config.model)

    @abstractmethod
    def forward(self, batch: AnyBatch, phase: Phase) -> dict[str, Tensor]:
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
    def picture(self, batch: AnyBatch) -> npt.NDArray[np.uint8]:
        """What the deployable network makes of a batch, to look at, ``[height, width, 3]``."""

    def optimizers(self) -> Groups:
        """Parameter groups by the optimiser's name; each of them steps on the one loss."""
        return {'main': groups_of(self)}

    @property
    def networks(self) -> Sequence[nn.Module]:
        """The networks that images go through: the loop lays them out, and compiles them."""
        return [self.deployable]

    def begin(self, batches: Iterable[AnyBatch]) -> None:
        """Prepare the networks before the first step; not called when a training is resumed.

        Args:
            batches: Those of the training, from the first one on, without end.
        """

    def after_step(self, step: int) -> None:
        """Called after the optimisers' step, counted from 0: for what follows the weights."""
        # Nothing does in most stages.

    def warnings(self, figures: Mapping[str, float]) -> Sequence[str]:
        """Check the health of the training by a validation's figures: a sentence for each fault.

        They are printed, and listed on the page of the run.
        """
        return ()

    def select(self, batches: Iterable[AnyBatch]) -> Selection | None:
        """Choose the network that is handed on, after the last step; None: ``deployable``.

        Args:
            batches: For validation, others than those that were validated on so far.
        """
        return None
