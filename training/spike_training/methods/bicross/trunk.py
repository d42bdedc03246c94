# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The part of a network that knows ImageNet: held still, and computed once for several."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from spike_depth_ros.model.depth_net import SpikeDepthNet
from spike_depth_ros.model.unet_lite import RateToRgb
from spike_training.methods.bicross.settings import SupervisedConfig

VIEWS = 2
"""Views whose features are kept: the weak and the strong one of a batch."""


def trunk_of(network: SpikeDepthNet) -> nn.Module:
    """Return what of a network ImageNet has weights for; its encoder, if that has no such part."""
    trunk: nn.Module = getattr(network.encoder, 'trunk', network.encoder)
    return trunk


def hold_still(network: SpikeDepthNet, config: SupervisedConfig) -> None:
    """Keep the trunk as it is, its statistics too, where the stage's ``encoder_rate`` is 0.

    So does the module that makes a picture for it: what the trunk knows is pictures like that. To
    be called whenever the network is put into training mode.
    """
    if config.encoder_rate == 0:
        trunk_of(network).requires_grad_(False).eval()
        if isinstance(network.temporal, RateToRgb):
            network.temporal.requires_grad_(False).eval()


def share_trunk(networks: Sequence[SpikeDepthNet], config: SupervisedConfig) -> None:
    """Give networks one trunk, that of the first, which computes each view once.

    Without effect unless ``encoder_rate`` is 0 and the encoders have a trunk apart.

    Args:
        networks: Copies of one network; their trunks have the same weights.
        config: Of the stage.
    """
    trunk = trunk_of(networks[0])
    if config.encoder_rate or trunk is networks[0].encoder:
        return
    for network in networks[1:]:
        network.encoder.trunk = trunk
    trunk.forward = _Remembering(trunk)


class _Remembering:
    """The forward pass of a module, which keeps what it made of the last inputs.

    Only in eval mode: in training mode outputs hang on the batch, and statistics change.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._forward: Callable[[Tensor], Any] = module.forward
        self._seen: deque[tuple[Tensor, Any]] = deque(maxlen=VIEWS)

    def __call__(self, x: Tensor) -> Any:
        if any(part.training for part in self._module.modules()):
            self._seen.clear()
            return self._forward(x)
        for view, made in self._seen:
            if view.shape == x.shape and torch.equal(view, x):
                return made
        made = self._forward(x)
        self._seen.append((x, made))
        return made
