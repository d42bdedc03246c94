# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exponential moving average of weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from spike_depth_ros.checkpoint import Tensors
from spike_depth_ros.networks.registry import weights_of


class ModelEma:
    """Exponential moving average of a module's whole state: parameters and buffers.

    Integers (a batch norm's counter) are copied. After update t, counted from 0, the average is
    ``d average + (1 - d) state`` with ``d = min(decay, (1 + t) / (10 + t))``. This warm-up reduces
    the weight of the initial state in short runs; it ends where both are equal (t = 8990 for
    0.999).

    Args:
        module: Module to average.
        decay: Share of the old average kept at each update, 0 to below 1.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._average = {
            name: value.detach().clone() for name, value in module.state_dict().items()
        }

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Update the average with the module's state after a step."""
        average_into(self._average, module.state_dict(), warmed_up(self.decay, self.updates))
        self.updates += 1

    @contextmanager
    def applied(self, module: nn.Module) -> Iterator[None]:
        """Load the average into the module within the context; restore its own weights after."""
        own = {name: value.detach().clone() for name, value in module.state_dict().items()}
        module.load_state_dict(self._average)
        try:
            yield
        finally:
            module.load_state_dict(own)

    def averaged(self, module: nn.Module) -> Tensors:
        """Return the average as a checkpoint stores it."""
        with self.applied(module):
            return weights_of(module)

    def state_dict(self) -> dict[str, object]:
        """Return the state for :meth:`load_state_dict`."""
        return {'updates': self.updates, 'average': self._average}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Restore a state of :meth:`state_dict`.

        Raises:
            ValueError: The state is of another module.
        """
        average, updates = state['average'], state['updates']
        assert isinstance(average, dict)
        assert isinstance(updates, int)
        if different := average.keys() ^ self._average.keys():
            raise ValueError(f'averaged weights of another network: {min(different)} differs')
        for name, value in average.items():
            self._average[name].copy_(value)
        self.updates = updates


def warmed_up(decay: float, update: int) -> float:
    """Return the decay of update t, counted from 0: ``min(decay, (1 + t) / (10 + t))``."""
    return min(decay, (1 + update) / (10 + update))


def average_into(average: Mapping[str, Tensor], state: Mapping[str, Tensor], decay: float) -> None:
    """Compute ``average = decay average + (1 - decay) state`` in place; integers are copied.

    Args:
        average: State of a module by name, without gradients; changed in place.
        state: State of another module, with the same names.
        decay: Share of the old average that is kept.
    """
    floats = [name for name, value in state.items() if value.is_floating_point()]
    others = [name for name, value in state.items() if not value.is_floating_point()]
    # One kernel launch for all tensors: hundreds of small launches take longer than a step.
    torch._foreach_lerp_(
        [average[name] for name in floats], [state[name] for name in floats], 1 - decay
    )
    if others:
        torch._foreach_copy_([average[name] for name in others], [state[name] for name in others])
