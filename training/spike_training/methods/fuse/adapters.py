# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adapters of low rank in a backbone (Hu et al., "LoRA"), by the package peft."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

ALPHA = 1
"""Scale of an adapter times its rank, as in the code of Sun et al."""

ADAPTER = 'lora_'
"""Part of the names of an adapter's weights."""

ALSO_LEARN = (
    'embeddings.cls_token',
    'embeddings.position_embeddings',
    'embeddings.patch_embeddings.projection.weight',
)
"""Weights that learn beside adapters and biases."""

_BASE = '.base_layer'
_NAME = 'default'


def add_adapters(backbone: nn.Module, rank: int) -> None:
    """Add adapters to all linear layers, and set which weights of the backbone learn.

    The output stays the same to the bit, as one of an adapter's two matrices is 0.

    Args:
        backbone: Backbone; modified in place.
        rank: Rank of the adapters.
    """
    import peft

    linear = [name for name, part in backbone.named_modules() if isinstance(part, nn.Linear)]
    adapters = peft.LoraConfig(r=rank, lora_alpha=ALPHA, target_modules=linear)
    peft.inject_adapter_in_model(adapters, backbone, adapter_name=_NAME)
    for name, weight in backbone.named_parameters():
        weight.requires_grad_(ADAPTER in name or name.endswith('.bias') or name in ALSO_LEARN)


@torch.no_grad()
def merged_weights(backbone: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the weights of a backbone with its adapters merged, by the names without adapters.

    Args:
        backbone: Backbone of :func:`add_adapters`.
    """
    for name, weight in backbone.named_parameters():
        if ADAPTER in name:
            continue
        path, _, kind = name.rpartition('.')
        layer = backbone.get_submodule(path.removesuffix(_BASE)) if path else backbone
        if path.endswith(_BASE) and kind == 'weight':
            weight = weight + layer.get_delta_weight(_NAME)  # type: ignore[operator]
        yield name.replace(_BASE, ''), weight


@torch.no_grad()
def merge_into(plain: nn.Module, backbone: nn.Module) -> None:
    """Copy the merged weights of a backbone into one without adapters.

    Args:
        plain: Backbone of the same sizes; its weights are changed in place.
        backbone: Backbone of :func:`add_adapters`.
    """
    own = dict(plain.named_parameters())
    for name, weight in merged_weights(backbone):
        own[name].copy_(weight)
