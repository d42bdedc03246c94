# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What batch norm divides by: whose images its running statistics are made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from spike_training.evaluation.predictors import predict
from spike_training.sampling.sample import Unlabelled


def batch_norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    """The layers of a network that have running statistics."""
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


@contextmanager
def untracked(network: nn.Module) -> Iterator[None]:
    """Within the context images go through the network without a trace in its statistics.

    In training each batch is normalised by its own statistics all the same.
    """
    layers = [layer for layer in batch_norms(network) if layer.track_running_stats]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True


@torch.no_grad()
def estimate_statistics(network: nn.Module, batches: Iterable[Unlabelled]) -> None:
    """AdaBN (Li et al., 2016): running statistics anew, as means over some batches.

    No weight changes, and no label is looked at. Layers are estimated together, each from images
    that the ones before it normalise by their own batch.

    Args:
        network: Of spikes; left in eval mode.
        batches: One or more of the domain that it shall work in.

    Raises:
        ValueError: It has no batch norm.
    """
    layers = batch_norms(network)
    if not layers:
        raise ValueError('no batch norm: there are no statistics to estimate')
    network.eval()
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean of all batches
        layer.train()
    try:
        for batch in batches:
            predict(network, batch, 'spikes')
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
            layer.eval()
