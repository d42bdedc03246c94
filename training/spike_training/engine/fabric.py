# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lightning Fabric as the loop uses it: devices, processes, precision."""

from __future__ import annotations

from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision import MixedPrecision, Precision

DeviceName = Literal['auto', 'cpu', 'cuda']
PrecisionName = Literal['32-true', 'bf16-mixed']


class _Float32(Precision):
    """Batches as they are: Fabric's own would copy them, and knows no frozen dataclass."""

    def convert_input(self, data: Any) -> Any:
        return data


class _Bfloat16(MixedPrecision):
    """Autocast alone: Fabric's own would round depth labels and focal lengths to bfloat16."""

    def convert_input(self, data: Any) -> Any:
        return data


def choose_device(device: DeviceName) -> torch.device:
    """The device that a name means: ``auto`` is a GPU where torch sees one."""
    if device == 'auto':
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    return torch.device(device)


def make_fabric(device: DeviceName, devices: int, precision: PrecisionName) -> Fabric:
    """Fabric for a run, launched.

    Args:
        device: ``cpu``, ``cuda``, or ``auto``: a GPU where torch sees one.
        devices: Processes.
        precision: ``32-true`` or ``bf16-mixed``.
    """
    kind = choose_device(device).type
    plugin = _Float32() if precision == '32-true' else _Bfloat16(precision, kind)
    fabric = Fabric(accelerator=kind, devices=devices, plugins=[plugin])
    fabric.launch()
    if kind == 'cuda':
        torch.backends.cudnn.benchmark = True  # images of one size: the search pays
    return fabric
