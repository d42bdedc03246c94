# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""AdaBN of checkpoints: supported networks and sources of unlabelled windows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.tasks.depth import DepthInfo
from spike_depth_ros.tools.arguments import parse_size
from spike_training.cpu import configure_cpu
from spike_training.datasets.clip import SpikeClip
from spike_training.datasets.readers.recordings import (
    dat_planes,
    padded_layout,
)
from spike_training.datasets.row_length import measure_row_bytes
from spike_training.datasets.suitability import check_camera, check_suitable
from spike_training.errors import ConfigError, DataSetError
from spike_training.run_data.sources import target_batches
from spike_training.sampling.sample import Unlabelled
from spike_training.sampling.spike_source import SpikeSource
from spike_training.settings.reading import load_config


def target_windows(
    config: Path, info: DepthInfo, batches: int, batch_size: int, device: torch.device
) -> Iterator[Unlabelled]:
    """Return batches of windows of a run's target.

    Args:
        config: The config.yaml of the run.
        info: Metadata of the network.
        batches: Number of batches.
        batch_size: Windows of a batch.
        device: Device of the batches.

    Raises:
        ConfigError: The settings are wrong, or have no target.
    """
    settings = load_config(config)
    if settings.target is None:
        raise ConfigError(f'{config}: target is null, expected a target')
    configure_cpu(settings.threads)
    settings.model.bins = info.bins
    return target_batches(settings, batches, batch_size, device)


def open_recordings(
    path: Path, size: str, rate_hz: float, planes: int, info: DepthInfo
) -> SpikeSource:
    """Return the windows of recordings that have no depth.

    Args:
        path: A .dat file of packed planes, or a folder with some.
        size: Width and height of the sensor, such as 400x250.
        rate_hz: Planes a second.
        planes: Length of a window.
        info: Metadata of the network.

    Raises:
        DataSetError: There is no such file, it is clearly of another size, or they are too short,
            too dark, saturated or still.
    """
    width, height = parse_size(size, DataSetError)
    geometry = Geometry(height, width)
    files = sorted(path.rglob('*.dat')) if path.is_dir() else [path]
    if not all(file.is_file() for file in files) or not files:
        raise DataSetError(f'{path}: expected a .dat file, or a folder with some')
    clips, layout = [], padded_layout(geometry, measure_row_bytes(files, geometry))
    for file in files:
        number, load_planes = dat_planes(file, layout)
        clips.append(SpikeClip(file.stem, geometry, number, rate_hz, None, load_planes, (), ()))
    check_camera(clips)
    check_suitable(clips, several_places=True)
    return SpikeSource(clips, planes, info.bins, info.multiple)


def spread_windows(
    source: SpikeSource, batches: int, batch_size: int, device: torch.device
) -> Iterator[Unlabelled]:
    """Yield batches of windows, each spread over the recordings, as neighbours are similar.

    Args:
        source: Source of the windows.
        batches: Largest number of batches; fewer if the recordings are short.
        batch_size: Windows of a batch.
        device: Device of the batches.
    """
    numbers = source.spread(batches * batch_size)
    batches = max(len(numbers) // batch_size, 1)
    for first in range(batches):
        batch = source.usable(numbers[first::batches])
        if batch is not None:
            yield batch.unlabelled().to(device)
