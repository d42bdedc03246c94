# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ImageNet weights for encoders of timm.

The only module that imports timm, when a network is built.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from spike_depth_ros.base.errors import one_line
from spike_depth_ros.base.unshared_files import unshared
from spike_depth_ros.checkpoint import CheckpointError
from spike_depth_ros.networks.weights import misfit

HUB = 'hub'
"""Source of weights: download through timm."""


def import_timm(architecture: str) -> ModuleType:
    """Import the package timm.

    Args:
        architecture: Architecture that needs it, for the message.

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
    """Read tensors by name, as timm saves them.

    Args:
        source: ``hub``, or a local file: .safetensors, or of ``torch.save``.
        hub_name: Repository of the hub.

    Raises:
        CheckpointError: The hub or file cannot be read.
    """
    return _from_hub(hub_name) if source == HUB else _from_file(Path(source))


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a .safetensors file, which others may write to meanwhile.

    Raises:
        OSError: It cannot be read.
        SafetensorError: It is damaged.
    """
    from safetensors.torch import load, load_file

    with unshared(path) as given:
        return load(given) if isinstance(given, bytes) else load_file(given)


def load_backbone(
    backbone: nn.Module, found: Mapping[str, Tensor], source: str | os.PathLike[str], remedy: str
) -> None:
    """Load weights into a backbone of timm; only a counter of batches may be missing.

    Args:
        backbone: The backbone.
        found: The weights.
        source: Their source, for the message.
        remedy: Remedy if they do not fit, for the message.

    Raises:
        CheckpointError: A weight is missing, left over or of another shape.
    """
    wanted = backbone.state_dict()
    found = {k: v for k, v in wanted.items() if k.endswith('.num_batches_tracked')} | {**found}
    if wrong := misfit(found, wanted):
        raise CheckpointError(f'{source}: {wrong}: {remedy}')
    backbone.load_state_dict(found)


def check_weights(source: str | os.PathLike[str], hub_name: str) -> bool:
    """Look whether weights are there, without reading or downloading them.

    Args:
        source: As for :func:`read_weights`.
        hub_name: As there.

    Returns:
        False if they are to be downloaded.

    Raises:
        CheckpointError: There is no such file, or nothing may be downloaded.
    """
    if source != HUB:
        _check_file(Path(source))
        return True
    from huggingface_hub import constants, try_to_load_from_cache

    files = 'model.safetensors', 'pytorch_model.bin'
    if any(isinstance(try_to_load_from_cache(hub_name, file), str) for file in files):
        return True
    if constants.HF_HUB_OFFLINE:
        raise CheckpointError(
            f'the ImageNet weights {hub_name} are not on this machine, and HF_HUB_OFFLINE is set: '
            'download their model.safetensors elsewhere and give its path'
        )
    return False


def _from_hub(name: str) -> dict[str, Tensor]:
    package = import_timm(name)
    try:
        weights: dict[str, Tensor] = package.models.load_state_dict_from_hf(name)
    except Exception as error:  # the clients of hubs have errors of their own
        raise CheckpointError(
            f'the ImageNet weights {name} cannot be downloaded ({one_line(error)}): download '
            'their model.safetensors elsewhere and give its path'
        ) from None
    return weights


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(f'{path}: no such file; expected ImageNet weights')


def _from_file(path: Path) -> dict[str, Tensor]:
    _check_file(path)
    try:
        if path.suffix == '.safetensors':
            weights: Any = read_safetensors(path)
        else:
            weights = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # unpickling fails in many ways
        raise CheckpointError(f'{path}: no readable weights ({one_line(error)})') from None
    if not isinstance(weights, dict) or not all(isinstance(v, Tensor) for v in weights.values()):
        raise CheckpointError(f'{path}: expected tensors by name, as timm saves them')
    return weights
