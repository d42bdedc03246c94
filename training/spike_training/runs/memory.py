# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How much memory a stage of training takes: counted where it can be, else measured in small."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from spike_training.engine.context import Context
from spike_training.engine.fabric import PrecisionName
from spike_training.engine.recompute import recompute_activations
from spike_training.engine.stage import Stage
from spike_training.sampling.sample import Batch, Pair

SMALL = 96
"""Rows and columns, at most, of the pictures that activations are measured on, unless the network
needs larger ones."""


@dataclasses.dataclass(frozen=True)
class Footprint:
    """Bytes of one process.

    Attributes:
        weights: That are trained.
        frozen: Weights that are not: teachers, and statistics.
        gradients: Of the weights.
        moments: That Adam keeps.
        average: The averaged weights.
        batch: Batches, those made in advance too.
        activations: What a forward pass keeps for the backward pass: an estimate.
    """

    weights: float
    frozen: float
    gradients: float
    moments: float
    average: float
    batch: float
    activations: float

    @property
    def whole(self) -> float:
        """All of them together."""
        return float(sum(dataclasses.astuple(self)))


def footprint(here: Context, stage: Stage[Any]) -> Footprint:
    """What a stage takes on the device, beside what kernels need for themselves.

    Args:
        here: What the stage is built from.
        stage: On the CPU. It is used up: a forward and a backward pass leave their traces, and
            blocks may be recomputed from now on.
    """
    train, data = here.stage.train(here.config.train), here.config.data
    weights = sum(_bytes(p) for p in stage.parameters() if p.requires_grad)
    return Footprint(
        weights=weights,
        frozen=sum(map(_bytes, stage.state_dict().values())) - weights,
        gradients=weights,
        moments=2 * weights,
        average=sum(map(_bytes, stage.deployable.state_dict().values())),
        batch=_bytes_of(noise(here, 1, data.height, data.width))
        * train.batch_size
        * (1 + train.ahead),
        activations=_activations(here, stage),
    )


def noise(here: Context, images: int, height: int, width: int) -> Batch | Pair:
    """A batch of the form that a stage is given, of noise; all depth is known."""
    config, spec = here.config, here.stage.batches
    bins, near = config.model.bins, config.model.min_depth
    generator = torch.Generator().manual_seed(0)
    rgb = None
    if spec.rgb:
        rgb = torch.rand(images, 3, height, width, generator=generator)
    # A network of RGB has no spikes simulated.
    bins = bins if spec.spikes else 1
    shape = (images, bins, height, width)
    batch = Batch(
        counts=torch.randint(0, 2, shape, generator=generator, dtype=torch.uint8),
        planes_per_bin=torch.full((bins,), max(1, max(config.data.planes) // bins)).int(),
        rgb=rgb,
        depth=torch.full((images, 1, height, width), 2 * near),
        fx=torch.full((images,), config.model.canonical_fx),
        index=torch.arange(images),
    )
    return Pair(batch, batch.unlabelled()) if spec.domain == 'both' else batch


def _activations(here: Context, stage: Stage[Any]) -> float:
    """Of a whole batch, from what small ones of two and of three images keep."""
    train, data = here.stage.train(here.config.train), here.config.data
    multiple = here.info.multiple
    height, width = (
        max(2 * multiple, min(size, SMALL) // multiple * multiple)
        for size in (data.height, data.width)
    )
    if train.checkpoint_activations:
        for network in stage.networks:
            recompute_activations(network)
    stage.train()
    # Not one: batch norm refuses to train on a single image of which a map has one position.
    two, three = (
        kept(stage, noise(here, images, height, width), train.precision) for images in (2, 3)
    )
    # What does not grow with the images, such as weights in bfloat16, counts once.
    scale = train.batch_size * (data.height * data.width) / (height * width)
    return max(0, 3 * two - 2 * three) + (three - two) * scale


def kept(stage: Stage[Any], batch: Batch | Pair, precision: PrecisionName) -> int:
    """Bytes beside the weights that a forward pass keeps; the backward pass is tried, too."""
    own = {value.untyped_storage().data_ptr() for value in stage.state_dict().values()}
    found: dict[int, Tensor] = {}

    def pack(value: Tensor) -> Tensor:
        found.setdefault(value.untyped_storage().data_ptr(), value)
        return value

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        autocast = torch.autocast('cpu', torch.bfloat16, enabled=precision == 'bf16-mixed')
        with autocast, saved_tensors_hooks(pack, lambda value: value):
            loss = stage(batch, 'train')['loss']
    size = sum(
        value.untyped_storage().nbytes() for place, value in found.items() if place not in own
    )
    found.clear()
    loss.backward()
    for parameter in stage.parameters():
        parameter.grad = None
    return size


def _bytes(value: Tensor) -> int:
    return value.numel() * value.element_size()


def _bytes_of(batch: Batch | Pair) -> int:
    parts = [batch.source, batch.target] if isinstance(batch, Pair) else [batch]
    values = [value for part in parts for value in vars(part).values()]
    return sum(_bytes(value) for value in values if isinstance(value, Tensor))
