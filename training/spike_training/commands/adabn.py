# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adapts a checkpoint to a target in seconds: batch-norm statistics from unlabelled windows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from spike_depth_ros.checkpoint import CheckpointError, DepthInfo, load, save
from spike_depth_ros.model.registry import build_with_weights, weights_of
from spike_depth_ros.stream.chunk import Geometry
from spike_training.datasets.clip import SpikeClip
from spike_training.datasets.readers.recordings import dat_planes, parse_size
from spike_training.engine.fabric import choose_device
from spike_training.errors import ConfigError, DataSetError
from spike_training.evaluation.statistics import batch_norms, estimate_statistics
from spike_training.runs.build import target_batches
from spike_training.sampling.sample import Unlabelled
from spike_training.sampling.spike_source import SpikeSource
from spike_training.settings.reading import load_config


def adabn(
    checkpoint: Path,
    out: Path,
    config: Path | None = None,
    recordings: Path | None = None,
    size: str = '400x250',
    planes: int = 128,
    batches: int = 30,
    batch_size: int = 16,
    device: Literal['auto', 'cpu', 'cuda'] = 'auto',
) -> None:
    """Re-estimate the batch-norm statistics of a checkpoint on unlabelled spikes (AdaBN).

    No weight changes and no label is read; it takes seconds. The windows should be of many places
    of the target: those of one room make statistics of that room, and depth in metres can get
    worse. The uncertainty is no longer calibrated for the new statistics.

    Args:
        checkpoint: The .safetensors file of a network of spikes.
        out: The .safetensors file to write.
        config: The config.yaml of a run with a target: windows of its training scenes. Give this
            or recordings.
        recordings: Recordings of the camera: a .dat file of packed planes, or a folder of such;
            windows are taken evenly from all of them.
        size: Width and height of that camera's sensor, pixels.
        planes: Length of the windows of recordings.
        batches: Batches.
        batch_size: Windows of a batch.
        device: cpu, cuda, or auto: a GPU where torch sees one.
    """
    if (config is None) == (recordings is None):
        raise ConfigError('config or recordings: expected one of the two')
    if batches < 1 or batch_size < 2:
        raise ConfigError(
            f'batches is {batches} and batch_size {batch_size}: expected 1 and 2 or more'
        )
    info, weights = load(checkpoint)
    if info.inputs != ('spikes',):
        raise CheckpointError(f'{checkpoint}: it sees {", ".join(info.inputs)}, expected spikes')
    network = build_with_weights(info, weights)
    if (reason := refusal(network, info.architecture)) is not None:
        raise CheckpointError(
            f'{checkpoint}: {reason}; adapt it with a stage of kind cross_domain'
        )
    place = choose_device(device)
    network.to(device=place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if config is not None:
        unlabelled = _procedural(config, info, batches, batch_size, place)
    else:
        assert recordings is not None
        source = _recorded(recordings, size, planes, info)
        unlabelled = _windows(source, batches, batch_size, place)
    estimate_statistics(network, unlabelled)
    save(out, weights_of(network), adapted(info))
    print(f'{out}: {info.stage} with the statistics of {config or recordings}')


def refusal(network: nn.Module, architecture: str) -> str | None:
    """Why AdaBN cannot adapt a network; None if it can."""
    if batch_norms(network):
        return None
    return f'{architecture} has no batch norm, so there are no statistics to estimate'


def adapted(info: DepthInfo) -> DepthInfo:
    """What a checkpoint says of itself when its statistics are those of a target."""
    return dataclasses.replace(
        info,
        stage=f'{info.stage}_adabn',
        uncertainty_calibrated=False,
        metrics={},
        onnx_sha256=None,
    )


def _procedural(
    config: Path, info: DepthInfo, batches: int, batch_size: int, device: torch.device
) -> Iterator[Unlabelled]:
    settings = load_config(config)
    if settings.target is None:
        raise ConfigError(f'{config}: target is null, expected a target')
    settings.model.bins = info.bins
    return target_batches(settings, batches, batch_size, device)


def _recorded(path: Path, size: str, planes: int, info: DepthInfo) -> SpikeSource:
    """The windows of recordings that have no depth."""
    width, height = parse_size(size)
    geometry = Geometry(height, width)
    files = sorted(path.rglob('*.dat')) if path.is_dir() else [path]
    if not all(file.is_file() for file in files) or not files:
        raise DataSetError(f'{path}: expected a .dat file, or a folder with some')
    clips = []
    for file in files:
        number, load_planes = dat_planes(file, geometry)
        # The plane rate tells a window's duration, which nothing here asks for.
        clip = SpikeClip(file.stem, geometry, number, 0.0, None, load_planes, (), ())
        clips.append(clip)
    return SpikeSource(clips, planes, info.bins, info.multiple)


def _windows(
    source: SpikeSource, batches: int, batch_size: int, device: torch.device
) -> Iterator[Unlabelled]:
    """Batches of windows, each from all over the recordings: neighbours in time look alike."""
    numbers = source.spread(batches * batch_size)
    batches = max(len(numbers) // batch_size, 1)
    for first in range(batches):
        batch = source.usable(numbers[first::batches])
        if batch is not None:
            yield batch.unlabelled().to(device)
