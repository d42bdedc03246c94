# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inputs for building a stage: settings, metadata, and checkpoints of earlier stages."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from spike_depth_ros.checkpoint import CheckpointInfo, Tensors, find_checkpoint, load
from spike_depth_ros.model import SpikeNet
from spike_depth_ros.model.depth_net import SpikeDepthNet
from spike_depth_ros.model.registry import IMAGENET, build, build_with_weights
from spike_training.engine.fabric import is_first
from spike_training.errors import ConfigError
from spike_training.settings.config import ResolvedStage, is_file_of_weights

Network = TypeVar('Network', bound=SpikeNet)
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

    def _load_file(self, network: SpikeNet, path: Path) -> None:
        own, given = network.state_dict(), self.load(path)[1]
        for name in sorted(own.keys() | given.keys()):
            sizes = [list(one[name].shape) if name in one else None for one in (given, own)]
            if sizes[0] != sizes[1]:
                raise ConfigError(
                    f'init_from is {str(path)!r}: its {name} is {sizes[0]}, that of '
                    f'{self.config.stage.name} {sizes[1]}; expected a network of the same sizes'
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

    def _load_matching_weights(self, network: SpikeNet, checkpoint: Path) -> None:
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


def _encoder(network: SpikeNet) -> nn.Module:
    assert isinstance(network, SpikeDepthNet)  # checked with the config
    return network.encoder
