# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights that were trained on ImageNet, for the encoders that timm has.

The only module that imports timm, and only when a network is built.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from spike_depth_ros.checkpoint import CheckpointError

HUB = 'hub'
"""As a source of weights: download them through timm."""


def timm(architecture: str) -> ModuleType:
    """The package timm.

    Args:
        architecture: What needs it, for the message.

    Raises:
        CheckpointError: It is not installed.
    """
    try:
        import timm as module
    except ImportError as error:
        raise CheckpointError(
            f'{architecture} needs timm, which cannot be imported ({error}): pip install timm'
        ) from None
    found: ModuleType = module
    return found


def read_weights(source: str | os.PathLike[str], hub_name: str) -> dict[str, Tensor]:
    """Tensors by name, as timm saves them.

    Args:
        source: ``hub``, or a local file: .safetensors, or what ``torch.save`` wrote.
        hub_name: The repository that the hub has them under.

    Raises:
        CheckpointError: The hub or file cannot be read.
    """
    return _from_hub(hub_name) if source == HUB else _from_file(Path(source))


def fit(
    trunk: nn.Module, found: Mapping[str, Tensor], source: str | os.PathLike[str], remedy: str
) -> None:
    """Loads weights into a trunk of timm, all of them; a counter of batches may be missing.

    Args:
        trunk: What takes them.
        found: The weights.
        source: Where they are from, for the message.
        remedy: What to do if they do not fit, for the message.

    Raises:
        CheckpointError: A weight is missing, left over or of another shape.
    """
    wanted = trunk.state_dict()
    found = {k: v for k, v in wanted.items() if k.endswith('.num_batches_tracked')} | {**found}
    for key in sorted(wanted.keys() | found.keys()):
        has = list(found[key].shape) if key in found else 'missing'
        expected = list(wanted[key].shape) if key in wanted else 'none of that name'
        if has != expected:
            raise CheckpointError(
                f'{source}: weight {key} is {has}, expected {expected}: {remedy}'
            )
    trunk.load_state_dict(found)


def _from_hub(name: str) -> dict[str, Tensor]:
    package = timm(name)
    try:
        weights: dict[str, Tensor] = package.models.load_state_dict_from_hf(name)
    except Exception as error:  # each client of a hub has errors of its own
        raise CheckpointError(
            f'the ImageNet weights {name} cannot be downloaded ({_one_line(error)}): download '
            'their model.safetensors elsewhere and give its path'
        ) from None
    return weights


def _from_file(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise CheckpointError(f'{path}: no such file of ImageNet weights')
    try:
        if path.suffix == '.safetensors':
            from safetensors.torch import load_file

            weights: Any = load_file(path)
        else:
            weights = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # unpickling fails in many ways
        raise CheckpointError(f'{path}: no readable weights ({_one_line(error)})') from None
    if not isinstance(weights, dict) or not all(isinstance(v, Tensor) for v in weights.values()):
        raise CheckpointError(f'{path}: expected tensors by name, as timm saves them')
    return weights


def _one_line(error: Exception) -> str:
    return f'{type(error).__name__}: {" ".join(str(error).split())[:120]}'
