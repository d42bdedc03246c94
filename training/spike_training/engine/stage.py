# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Interface of a stage of training: what it is built from, and what the loop calls."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spike_depth_ros.checkpoint import Tensors, find_checkpoint, load
from spike_depth_ros.networks import SpikeNet
from spike_depth_ros.networks.depth_net import SpikeDepthNet
from spike_depth_ros.networks.registry import IMAGENET, build, build_with_weights
from spike_depth_ros.networks.weights import misfit
from spike_depth_ros.tasks.base import CheckpointInfo
from spike_training.engine.fabric import is_first
from spike_training.engine.optim import Groups, groups_of
from spike_training.errors import ConfigError
from spike_training.sampling.sample import AnyBatch
from spike_training.settings.config import ResolvedStage, is_file_of_weights

Phase = Literal['train', 'val']

Network = TypeVar('Network', bound=nn.Module)
"""Network of a task."""


def load_any(path: Path) -> tuple[CheckpointInfo, Tensors]:
    """Read a checkpoint of any task."""
    return load(path, CheckpointInfo)


@dataclasses.dataclass(frozen=True)
class Context:
    """Inputs for building a stage.

    Attributes:
        config: All settings that apply to the stage.
        info: Metadata of its checkpoints.
        trained: Checkpoints of the stages before it, by name, in their order.
        device: Device on which batches are made.
        load: Function that reads one of these checkpoints.
    """

    config: ResolvedStage
    info: CheckpointInfo
    trained: Mapping[str, Path]
    device: torch.device
    load: Callable[[Path], tuple[CheckpointInfo, Tensors]] = load_any

    def init_model(self, kind: type[Network]) -> Network:
        """Build a network with the initial weights of the stage.

        They are random ones of torch's global generator, ImageNet's, those of an earlier stage
        where names and shapes match, or those of a file.

        Args:
            kind: Expected class of the network.

        Raises:
            ConfigError: The file's network has other sizes.
        """
        stage = self.config.stage
        network = build(self.info)
        assert isinstance(network, kind)  # checked with the config
        if stage.init_from == 'imagenet':
            load_imagenet = IMAGENET[self.info.architecture][1]  # checked with the config
            load_imagenet(_encoder(network), stage.imagenet)
        elif stage.starts_from_file:
            self._load_file(network, find_checkpoint(stage.init_from))
        elif stage.init_from != 'scratch':
            path = self.checkpoint_of(stage.init_from)
            assert path is not None  # checked with the config
            self._load_matching_weights(network, path)
        return network

    def _load_file(self, network: nn.Module, path: Path) -> None:
        own, given = network.state_dict(), self.load(path)[1]
        if wrong := misfit(given, own):
            raise ConfigError(
                f'init_from is {str(path)!r}: {wrong}, as {self.config.stage.name} has: choose a '
                'network of the same sizes'
            )
        network.load_state_dict({name: torch.from_numpy(value) for name, value in given.items()})

    def checkpoint_of(self, name: str) -> Path | None:
        """Find a checkpoint by the name of an earlier stage, by ``previous`` or by its path.

        Return None where it is none of these, or a dry run has not trained the stage.
        """
        if is_file_of_weights(name):
            return find_checkpoint(name)
        return self.trained.get([*self.trained][-1] if name == 'previous' else name)

    def trained_model(self, name: str, kind: type[Network]) -> Network:
        """Build the network of an earlier stage, of the given class, with its weights."""
        network = build_with_weights(*self.load(self.trained[name]))
        assert isinstance(network, kind)
        return network

    def _load_matching_weights(self, network: nn.Module, checkpoint: Path) -> None:
        own = network.state_dict()
        given = {name: torch.from_numpy(value) for name, value in self.load(checkpoint)[1].items()}
        fitting = {
            name: value
            for name, value in given.items()
            if name in own and own[name].shape == value.shape
        }
        network.load_state_dict(own | fitting)
        fresh = sorted(own.keys() - fitting.keys())
        if is_first():
            new = ', '.join(fresh) or 'none'
            print(f'{self.config.stage.name}: weights of {checkpoint}; new are {new}')


class Selection(NamedTuple):
    """Network that a stage exports, selected after its last step.

    Attributes:
        name: Name of the network within the stage.
        network: Network with the weights to export.
        criteria: Criterion of each candidate by its name; lower is better.
        details: What else is stored of the selection, as values of JSON.
    """

    name: str
    network: nn.Module
    criteria: dict[str, float]
    details: Mapping[str, Any] = {}


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

    def begin(self, batches: Iterable[AnyBatch], held_out: Iterable[AnyBatch]) -> None:
        """Prepare the networks before the first step; not called when a training is resumed.

        Args:
            batches: Training batches from the first one on, without end.
            held_out: Validation batches likewise.
        """

    def before_measuring(self) -> None:
        """Go to a step that takes the most, where steps differ; in place of :meth:`begin`."""
        # The steps of most stages are alike.

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


def _encoder(network: nn.Module) -> nn.Module:
    assert isinstance(network, SpikeDepthNet)  # checked with the config
    return network.encoder
