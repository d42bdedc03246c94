# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``adabn``: batch-norm statistics of a checkpoint, from unlabelled windows."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from spike_depth_ros.base.cli import checked
from spike_depth_ros.base.values import Count, at_least, file_of
from spike_depth_ros.checkpoint import (
    CheckpointError,
    Tensors,
    find_checkpoint,
    load_with_correction,
    save,
)
from spike_depth_ros.tasks.depth import DepthInfo
from spike_depth_ros.tools.arguments import PlaneRate
from spike_training.choices import ADABN_BATCH_SIZE, ADABN_BATCHES, Device
from spike_training.disk import check_new, make_folder
from spike_training.errors import ConfigError


@checked(ConfigError)
def adabn(
    checkpoint: Path,
    out: Annotated[Path, file_of('.safetensors')],
    config: Path | None = None,
    recordings: Path | None = None,
    size: str = '400x250',
    rate_hz: PlaneRate = 20_000.0,
    planes: Count = 128,
    batches: Count = ADABN_BATCHES,
    batch_size: Annotated[int, at_least(2)] = ADABN_BATCH_SIZE,
    device: Device = 'auto',
    overwrite: bool = False,
) -> None:
    """Re-estimate the batch-norm statistics of a checkpoint on unlabelled spikes (AdaBN).

    No weight changes and no label is read; it takes seconds. Use windows of many places of the
    target: with those of a single room the statistics are specific to that room, and depth in
    metres can get worse. The uncertainty is no longer calibrated for the new statistics.
    Recordings that are too short, dark, saturated or still are refused, as by adapt, and so is a
    result whose depth of its own windows lies at an end of the range.

    Args:
        checkpoint: The .safetensors file of a network of spikes, or the name of a shipped model.
        out: The .safetensors file to write; an existing one is refused without overwrite.
        config: The config.yaml of a run with a target: windows of its training scenes. Give this
            or recordings.
        recordings: Recordings of the camera: a .dat file of packed planes, or a folder of such
            files, 5 s or more in all; windows are spread evenly over all of them.
        size: Width and height of that camera's sensor, pixels.
        rate_hz: Plane rate of that camera.
        planes: Length of the windows of recordings.
        batches: Number of batches.
        batch_size: Windows of a batch.
        device: cpu, cuda, or auto: a GPU if torch finds one.
        overwrite: Replace an existing file.
    """
    if (config is None) == (recordings is None):
        raise ConfigError('config or recordings: expected one of the two')
    before = find_checkpoint(checkpoint)
    if out.resolve() == before.resolve():
        raise ConfigError(f'out is {out}: expected another file than checkpoint')
    check_new(out, overwrite)
    make_folder(out.parent)
    info, weights = _load(before)
    import torch

    from spike_depth_ros.networks.registry import build_with_weights, weights_of
    from spike_training.engine.fabric import choose_device
    from spike_training.evaluation.range_ends import check_own_depth
    from spike_training.evaluation.statistics import adabn_problem, adapt_statistics
    from spike_training.runs.adabn import open_recordings, spread_windows, target_windows

    network = build_with_weights(info, weights)
    if (reason := adabn_problem(network, info.architecture)) is not None:
        raise CheckpointError(
            f'{checkpoint}: {reason}; adapt it with a stage of kind cross_domain'
        )
    place = choose_device(device)
    network.to(device=place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    # Function of a number of batches.
    if config is not None:
        windows = partial(target_windows, config, info, batch_size=batch_size, device=place)
    else:
        assert recordings is not None
        source = open_recordings(recordings, size, rate_hz, planes, info)
        windows = partial(spread_windows, source, batch_size=batch_size, device=place)
    adapted = adapt_statistics(network, info, windows(batches))
    check_own_depth(network, info, windows(1))
    save(out, weights_of(network), adapted)
    print(f'{out}: {info.stage} with the statistics of {config or recordings}')


def _load(path: Path) -> tuple[DepthInfo, Tensors]:
    """Load a network of spikes that sees windows as they are."""
    info, weights, correction = load_with_correction(path)
    if info.inputs != ('spikes',):
        raise CheckpointError(f'{path}: it sees {", ".join(info.inputs)}, expected spikes')
    if correction is not None:
        raise CheckpointError(
            f'{path}: it has a sensor correction, expected none: windows here are raw; run adapt '
            'on the checkpoint that it was made from'
        )
    return info, weights
