# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Set-up of Lightning Fabric: devices, precision, processes."""

from __future__ import annotations

import datetime
import os
from typing import TYPE_CHECKING, Literal

import torch
import torch.distributed as dist
from torch import Tensor

from spike_training.choices import Device
from spike_training.errors import ConfigError, one_line

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PATIENCE = datetime.timedelta(hours=12)
"""Longest time that a process waits for the others."""

NO_BFLOAT16 = (
    'This processor has no bfloat16 instructions: bf16-mixed is computed as 32-true, which is '
    'faster here.'
)

PrecisionName = Literal['32-true', 'bf16-mixed']


def choose_device(device: Device) -> torch.device:
    """Return the device of a name; ``auto`` is a GPU where torch finds one, else the CPU.

    Raises:
        ConfigError: It is ``cuda``, and torch finds none.
    """
    if device == 'cuda' and not torch.cuda.is_available():
        raise ConfigError("device is 'cuda': torch finds no GPU, expected cpu or auto")
    if device == 'auto':
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    return torch.device(device)


def _has_bfloat16() -> bool:
    """Return True if torch computes bfloat16 with instructions of this processor."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def make_fabric(device: Device, devices: int, precision: PrecisionName, nodes: int = 1) -> Fabric:
    """Create and launch the Fabric of a run.

    On one machine it starts the other processes itself, with the command line of this one. Where
    torchrun or SLURM has started them, their number must be ``devices`` on each of ``nodes``.

    Args:
        device: ``cpu``, ``cuda``, or ``auto``: a GPU where torch finds one.
        devices: Processes on each machine.
        precision: ``32-true`` or ``bf16-mixed``; a CPU without instructions for bfloat16 computes
            the former, and says so.
        nodes: Machines.

    Raises:
        ConfigError: torchrun or SLURM started another number of processes, or the machine has
            not so many devices.
    """
    # Imported here, for Fabric takes longer than torch: it imports torch's compiler.
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

    from spike_training.engine.precision import Bfloat16, Float32

    _check_processes(devices, nodes)
    kind = choose_device(device).type
    if precision == 'bf16-mixed' and kind == 'cpu' and not _has_bfloat16():
        print(NO_BFLOAT16)
        precision = '32-true'
    plugin = Float32() if precision == '32-true' else Bfloat16(precision, kind)
    # DDP fails after a timeout; the other processes wait while the first one evaluates.
    strategy = DDPStrategy(timeout=PATIENCE) if devices * nodes > 1 else 'auto'
    try:
        fabric = Fabric(
            accelerator=kind,
            devices=devices,
            num_nodes=nodes,
            strategy=strategy,
            plugins=[plugin],
        )
    except (RuntimeError, ValueError) as error:  # devices that are not there, SLURM's settings
        raise ConfigError(f'devices is {devices} and nodes {nodes}: {one_line(error)}') from error
    fabric.launch()
    if kind == 'cuda':
        torch.backends.cudnn.benchmark = True  # images of one size: the search pays
    return fabric


def _check_processes(devices: int, nodes: int) -> None:
    """Refuse unconnected processes, which would overwrite each other's files."""
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    for name, environment, variable in (
        ('torchrun', TorchElasticEnvironment, 'WORLD_SIZE'),
        ('SLURM', SLURMEnvironment, 'SLURM_NTASKS'),
    ):
        if environment.detect():
            number = int(os.environ[variable])
            if number != devices * nodes:
                raise ConfigError(
                    f'{name} started {number} processes, devices is {devices} and nodes {nodes}: '
                    f'expected --devices (processes of each machine) times --nodes to be {number}'
                )
            return


def mean_over_processes(value: Tensor) -> Tensor:
    """Return the mean of a tensor over all processes, without a gradient.

    With a single process return the tensor itself. Suitable for means over the images of a batch,
    of which all processes have equally many.
    """
    if not _several():
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


def is_first() -> bool:
    """Return True if this is the first process, which prints and writes for all."""
    return not _several() or dist.get_rank() == 0


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
