# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Running statistics of batch norm: suspended updates, and estimation on another domain."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.evaluation.predictors import predict
from spike_training.sampling.sample import Unlabelled


def batch_norms(network: nn.Module) -> list[nn.BatchNorm2d | nn.BatchNorm3d]:
    """Return the batch-norm layers of a network."""
    kinds = nn.BatchNorm2d, nn.BatchNorm3d
    return [module for module in network.modules() if isinstance(module, kinds)]


@contextmanager
def untracked(network: nn.Module) -> Iterator[None]:
    """Suspend updates of the running statistics of a network within the context.

    In training mode each batch is still normalised by its own statistics.
    """
    layers = [layer for layer in batch_norms(network) if layer.track_running_stats]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True


@contextmanager
def fresh_statistics(network: nn.Module) -> Iterator[None]:
    """Estimate the running statistics anew, as means over the batches of the context.

    All layers are estimated together; while they are, each normalises a batch by the batch's own
    statistics. Their momentum is restored; they are left in eval mode.
    """
    layers = batch_norms(network)
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean of all batches
        layer.train()
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
            layer.eval()


@torch.no_grad()
def estimate_statistics(network: nn.Module, batches: Iterable[Unlabelled]) -> None:
    """Adapt batch norm to a domain (AdaBN, Li et al., 2016); see :func:`fresh_statistics`.

    No weight changes, and no label is read.

    Args:
        network: Network for spikes; left in eval mode.
        batches: One or more batches of the domain in which the network is to be used.

    Raises:
        ValueError: The network has no batch norm.
    """
    if not batch_norms(network):
        raise ValueError('no batch norm: there are no statistics to estimate')
    network.eval()
    with fresh_statistics(network):
        for batch in batches:
            predict(network, batch, 'spikes')


def adabn_problem(network: nn.Module, architecture: str) -> str | None:
    """Return the reason why AdaBN cannot adapt a network; None if it can."""
    if batch_norms(network):
        return None
    return f'{architecture} has no batch norm, so there are no statistics to estimate'


def adapt_statistics(
    network: nn.Module, info: DepthInfo, windows: Iterable[Unlabelled]
) -> DepthInfo:
    """Estimate the statistics of a network on windows of a target.

    Args:
        network: Network of spikes; left in eval mode.
        info: Metadata of the network.
        windows: Batches of the target, one or more.

    Returns:
        The metadata of the adapted network.
    """
    estimate_statistics(network, windows)
    return dataclasses.replace(
        info,
        stage=f'{info.stage}_adabn',
        uncertainty_calibrated=False,
        metrics={},
        onnx_sha256=None,
    )
