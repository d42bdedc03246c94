# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Memory estimate of a training stage: counted, or extrapolated from small images."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from spike_training.engine.activation_checkpointing import checkpoint_activations
from spike_training.engine.fabric import PrecisionName
from spike_training.engine.stage import Context, Stage
from spike_training.sampling.sample import Batch, Pair, Unlabelled, View

SMALL = 64
"""Largest rows and columns of the images on which activations are measured, unless the network
requires larger ones."""


_PRODUCTS = ('convolution', 'convolution_backward', 'mm', 'addmm', 'bmm', 'baddbmm')
"""Operators that take many times as long in bfloat16 on processors without it."""


class _Float32Products(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Computes products of bfloat16 in float32; what autograd keeps stays bfloat16."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call an operator; see torch.utils._python_dispatch."""
        given = args, dict(kwargs or {})
        product = func.overloadpacket.__name__ in _PRODUCTS
        if not product or not any(_is_bfloat16(value) for value in args):
            return func(*given[0], **given[1])
        wide, options = tree_map_only(
            Tensor, lambda value: value.float() if _is_bfloat16(value) else value, given
        )
        return tree_map_only(Tensor, Tensor.bfloat16, func(*wide, **options))


def _is_bfloat16(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.bfloat16


@dataclasses.dataclass(frozen=True)
class MemoryEstimate:
    """Memory of one process, bytes.

    Attributes:
        weights: Trained weights.
        frozen: Frozen weights of teachers, and statistics.
        gradients: Gradients of the trained weights.
        moments: Moments of Adam.
        average: Averaged weights.
        batch: Batches, including prefetched ones.
        activations: Tensors that a forward pass keeps for the backward pass; an estimate.
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
        """Sum of all parts."""
        return float(sum(dataclasses.astuple(self)))


def estimate_memory(here: Context, stage: Stage[Any]) -> MemoryEstimate:
    """Estimate the memory of a stage on the device, without the workspace of kernels.

    Args:
        here: Context of the stage.
        stage: Stage on the CPU. Do not use it afterwards: forward and backward passes change its
            state, and activation checkpointing may be enabled.
    """
    train, data = here.config.train, here.config.data
    weights = sum(_bytes(p) for p in stage.parameters() if p.requires_grad)
    return MemoryEstimate(
        weights=weights,
        frozen=sum(map(_bytes, _tensors(stage))) - weights,
        gradients=weights,
        moments=2 * weights,
        average=sum(map(_bytes, stage.deployable.state_dict().values())),
        batch=_bytes_of(noise(here, 1, data.height, data.width))
        * train.batch_size
        * (1 + train.prefetch),
        activations=_activations(here, stage),
    )


def noise(here: Context, images: int, height: int, width: int) -> Batch | Pair:
    """Return a batch of noise in the form of a stage's batches, with depth at all pixels."""
    config, spec = here.config, here.config.stage.batches
    bins, near = config.model.bins, config.model.min_depth
    generator = torch.Generator().manual_seed(0)
    rgb = None
    if spec.rgb:
        rgb = torch.rand(images, 3, height, width, generator=generator)
    # Without spikes, counts have a single bin.
    bins = bins + spec.held_out if spec.spikes else 1
    shape = (images, bins, height, width)
    batch = Batch(
        counts=torch.randint(0, 2, shape, generator=generator, dtype=torch.uint8),
        planes_per_bin=torch.full((bins,), max(1, max(config.data.planes) // bins)).int(),
        rgb=rgb,
        depth=torch.full((images, 1, height, width), 2 * near),
        fx=torch.full((images,), config.model.canonical_fx),
        index=torch.arange(images),
        image=torch.full((images, 1, height, width), 0.2) if spec.image else None,
        baseline_m=torch.full((images,), 0.1) if spec.right else None,
        frame=torch.rand(images, 3, height, width, generator=generator) if spec.frame else None,
        has_spikes=torch.ones(images, dtype=torch.bool) if spec.frame else None,
    )
    if spec.right:
        right = View(batch.counts, batch.rgb, batch.depth, batch.image)
        batch = dataclasses.replace(batch, right=right)
    return Pair(batch, batch.unlabelled()) if spec.domain == 'both' else batch


def _activations(here: Context, stage: Stage[Any]) -> float:
    """Return bytes of a whole batch, extrapolated from small batches of two and three images."""
    train, size = here.config.train, here.config.stage.image_size(here.config.data)
    # Networks without spikes enlarge small maps, whose size is a fraction of the image's.
    multiple = here.info.multiple
    least = max(2 * multiple, -(-here.config.stage.smallest_side // multiple) * multiple)
    height, width = (max(least, min(side, SMALL) // multiple * multiple) for side in size)
    if train.checkpoint_activations:
        for network in stage.networks:
            checkpoint_activations(network)
    stage.train()
    stage.before_measuring()
    # Not one: batch norm refuses to train on a single image of which a map has one position.
    two, three = (
        saved_bytes(stage, noise(here, images, height, width), train.precision)
        for images in (2, 3)
    )
    # The part that is independent of the images, such as weights in bfloat16, counts once.
    scale = train.batch_size * math.prod(size) / (height * width)
    return max(0, 3 * two - 2 * three) + (three - two) * scale


def saved_bytes(stage: Stage[Any], batch: Batch | Pair, precision: PrecisionName) -> int:
    """Return the bytes that a forward pass keeps besides the weights; test the backward pass."""
    own = {value.untyped_storage().data_ptr() for value in _tensors(stage)}
    found: dict[int, Tensor] = {}

    def pack(value: Tensor) -> Tensor:
        found.setdefault(value.untyped_storage().data_ptr(), value)
        return value

    quick = _Float32Products()  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices=[]), quick:
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


def _tensors(stage: Stage[Any]) -> list[Tensor]:
    """Return the tensors of a state, which may have other values beside them."""
    return [value for value in stage.state_dict().values() if isinstance(value, Tensor)]


def _bytes(value: Tensor) -> int:
    return value.numel() * value.element_size()


def _bytes_of(batch: Batch | Pair) -> int:
    parts: list[Batch | Unlabelled]
    parts = [batch.source, batch.target] if isinstance(batch, Pair) else [batch]
    eyes = [part.right for part in parts if isinstance(part.right, View)]
    values = [value for part in (*parts, *eyes) for value in vars(part).values()]
    return sum(_bytes(value) for value in values if isinstance(value, Tensor))
