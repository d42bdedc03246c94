# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Activation checkpointing: blocks are recomputed in the backward pass to save memory.

Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016. Gradients are the same, bit for
bit; memory holds the inputs of each block, and the activations within one block at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from spike_depth_ros.networks.depth_net import SpikeDepthNet


def checkpoint_activations(network: nn.Module) -> None:
    """Enable activation checkpointing for each block of a network.

    State dict, outputs and gradients stay the same; passes without a gradient are not affected.
    """
    for block in blocks_of(network):
        block.forward = _checkpointed(block, block.forward)


def blocks_of(network: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules of a network that are recomputed one by one.

    Of a :class:`SpikeDepthNet` they are its temporal module and both heads, which have the largest
    feature maps, and the blocks of encoder and decoder; of another network its blocks. A block is
    a module with children within an ``nn.Sequential`` or ``nn.ModuleList``, the innermost such.
    """
    if isinstance(network, SpikeDepthNet):
        yield network.temporal
        yield from _blocks(network.encoder)
        yield from _blocks(network.decoder)
        yield network.depth_head
        yield network.uncertainty_head
    else:
        yield from _blocks(network)


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        inner = [*_blocks(child)]
        if inner:
            yield from inner
        elif isinstance(module, (nn.Sequential, nn.ModuleList)) and any(child.children()):
            yield child


def _checkpointed(block: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return the forward pass of a block, checkpointed where gradients are enabled."""
    layers = [layer for layer in block.modules() if isinstance(layer, nn.BatchNorm2d)]

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _as_before(layers)

    def call(*inputs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*inputs)
        return checkpoint(forward, *inputs, use_reentrant=False, context_fn=contexts)

    return call


def _as_before(layers: list[nn.BatchNorm2d]) -> AbstractContextManager[None]:
    """Return a context in which batch norms compute as now but keep their running statistics.

    The first forward pass has updated the statistics; the recomputation must not do so again.
    """
    tracked = [layer.track_running_stats for layer in layers]

    @contextmanager
    def context() -> Iterator[None]:
        now = [(layer.track_running_stats, layer.momentum) for layer in layers]
        seen = [
            None if layer.num_batches_tracked is None else layer.num_batches_tracked.clone()
            for layer in layers
        ]
        for layer, track in zip(layers, tracked, strict=True):
            layer.track_running_stats, layer.momentum = track, 0.0
        try:
            yield
        finally:
            for layer, (track, momentum), number in zip(layers, now, seen, strict=True):
                layer.track_running_stats, layer.momentum = track, momentum
                if number is not None:
                    assert layer.num_batches_tracked is not None
                    layer.num_batches_tracked.copy_(number)

    return context()
