# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints for the runtime: the .safetensors file and the .onnx export bound to it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from spike_depth_ros.base.results import hash_file, write_atomically
from spike_depth_ros.checkpoint import (
    CheckpointError,
    Tensors,
    hash_weights,
    load_with_correction,
    onnx_path,
    save,
)
from spike_depth_ros.networks.registry import build_with_weights
from spike_depth_ros.tasks.base import CheckpointInfo
from spike_training.cpu import configure_cpu
from spike_training.disk import make_folder
from spike_training.settings.reading import load_config
from spike_training.tasks.base import REGISTERED, task_of

MAX_DIFFERENCE = 1e-3
"""Largest accepted relative difference between ONNX Runtime and torch, both float32."""


def export(
    out: Path,
    architecture: str = 'dpt_tiny',
    seed: int = 0,
    checkpoint: Path | None = None,
    calibrate: Path | None = None,
) -> None:
    """Write a checkpoint with its .onnx export; see :mod:`spike_training.commands.export`."""
    correction = None
    make_folder(out.parent)
    if checkpoint is not None:
        info, weights, correction = load_with_correction(checkpoint, CheckpointInfo)
    else:
        info, weights = random_checkpoint(architecture, seed)
    task = task_of(info.task)
    if task.export is None or not task.exports(info):
        raise CheckpointError(
            f'{checkpoint}: the task {info.task!r} of {" and ".join(info.inputs)} is for '
            'training alone and has no ONNX export; expected a network of spikes, or one that '
            'enlarges depth'
        )
    if calibrate is not None:
        if task.calibrate is None:
            raise CheckpointError(
                f'{checkpoint}: calibrate is given for the task {info.task!r}, expected it with '
                'depth or stereo, which have an uncertainty'
            )
        settings = load_config(calibrate)
        configure_cpu(settings.threads)
        task.fit(settings, info)
        info = task.calibrate(settings, info, weights, torch.device('cpu'))
    network = build_with_weights(info, weights).eval()
    # The .onnx names the weights; the checkpoint can name the .onnx only once that is written.
    tensors = weights if correction is None else weights | correction.tensors()
    bound = dataclasses.replace(info, weights_sha256=hash_weights(tensors), onnx_sha256=None)
    exporter = task.export.load()
    content = exporter.to_onnx(network, bound)
    difference = exporter.relative_difference(content, network, bound)
    if not difference <= MAX_DIFFERENCE:
        raise CheckpointError(
            f'the ONNX export differs from the network by {difference:.1e}, expected at most '
            f'{MAX_DIFFERENCE:.0e}'
        )
    onnx_file = onnx_path(out)
    write_atomically(onnx_file, content)
    bound = dataclasses.replace(bound, onnx_sha256=hash_file(onnx_file))
    save(out, weights, bound, correction)
    parameters = sum(value.size for value in weights.values())
    print(f'{out}: {info.architecture}, {info.stage}, {parameters / 1e6:.2f} M values')
    print(f'{onnx_file}: within {difference:.1e} of torch (relative, float32)')


def random_checkpoint(architecture: str, seed: int) -> tuple[CheckpointInfo, Tensors]:
    """Return an untrained checkpoint with random weights.

    Args:
        architecture: An architecture that a task can export untrained.
        seed: Seed of the random weights.

    Raises:
        CheckpointError: The architecture is unknown.
    """
    known = {
        name: (info, task.export)
        for task in REGISTERED.values()
        if task.export is not None
        for name, info in task.export.random.items()
    }
    if architecture not in known:
        raise CheckpointError(f'architecture {architecture!r}: expected one of {", ".join(known)}')
    info, exported = known[architecture]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return info, exported.load().random_weights(info)
