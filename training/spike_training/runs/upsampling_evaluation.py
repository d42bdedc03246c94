# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation of networks of the task ``upsample``: generated scenes, and folders of maps."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from spike_depth_ros.checkpoint import Tensors
from spike_depth_ros.evaluation.controls import NETWORK
from spike_depth_ros.model.registry import build_with_weights
from spike_depth_ros.tasks.upsample import UpsampleInfo
from spike_training.datasets.depth_maps import DepthMap, Levels, factors_of, read_maps
from spike_training.errors import ConfigError, DataSetError
from spike_training.evaluation.report import FORMAT
from spike_training.evaluation.small_maps import disturb, grey_levels, shrink
from spike_training.evaluation.upsampling import (
    BASELINES,
    CONDITIONS,
    MAPS,
    Enlarge,
    Scores,
    mad,
)
from spike_training.runs.sources import make_source
from spike_training.settings.config import BatchSpec, RunConfig


def evaluate_upsampling(
    config: RunConfig, info: UpsampleInfo, weights: Tensors, device: torch.device
) -> dict[str, Any]:
    """Evaluate a network on the test scenes of each style; return the report.

    Each scene is made small under all :data:`.upsampling.CONDITIONS` and by all factors of the
    network, which enlarges it again, as :data:`.upsampling.BASELINES` do.

    Args:
        config: Config with the test scenes; height and width are multiples of the factors.
        info: Metadata of the network.
        weights: Its weights.
        device: Device of the network.
    """
    # Recordings may have no depth at the size of the tests: generated scenes stand in for them.
    none: dict[str, str] = {}
    data = dataclasses.replace(
        config.data, recordings=none, test_recordings=none, mixed_recordings=none
    )
    config = dataclasses.replace(config, data=data)
    methods = _methods(info, weights, device)
    return _origin(info) | {
        'seed': config.seed,
        'sets': {
            style: _scores(config, style, info.factors, methods, device)
            for style in config.data.styles
        },
    }


def evaluate_maps(
    root: Path, info: UpsampleInfo, weights: Tensors, device: torch.device
) -> dict[str, Any]:
    """Evaluate a network on a folder of maps with their small maps; return the report.

    Factors that the network and the folder have are scored, by :func:`.upsampling.mad`, beside
    :data:`.upsampling.BASELINES`.

    Args:
        root: The folder, see :mod:`spike_training.datasets.depth_maps`.
        info: Metadata of the network.
        weights: Its weights.
        device: Device of the network.

    Raises:
        DataSetError: The folder or a map cannot be used, or no factor is of both.
    """
    maps = read_maps(root, info.factors)
    methods = _methods(info, weights, device)
    keys = [(factor, method) for factor in maps[0].small for method in methods]
    scores = {
        'title': f'{root.resolve().name}: {len(maps)} maps',
        'factors_left_out': [one for one in factors_of(root) if one not in info.factors],
        'rows': [_row(maps, factor, name, methods[name], device) for factor, name in keys],
    }
    return _origin(info) | {'sets': {MAPS: scores}}


def _origin(info: UpsampleInfo) -> dict[str, Any]:
    """Return the part of a report that names its form and the network."""
    return {
        'format': FORMAT,
        'task': 'upsample',
        'stage': info.stage,
        'weights_sha256': info.weights_sha256,
    }


def _methods(info: UpsampleInfo, weights: Tensors, device: torch.device) -> Mapping[str, Enlarge]:
    """Return the network and the enlargements without learning, by name."""
    if info.inputs != ('depth',):
        raise ConfigError(
            f'the network takes {" and ".join(info.inputs)}: expected depth alone, of which maps '
            'are made small'
        )
    network = build_with_weights(info, weights).eval().requires_grad_(False).to(device)
    return {NETWORK: network, **BASELINES}


def _row(
    maps: list[DepthMap], factor: int, name: str, enlarge: Enlarge, device: torch.device
) -> dict[str, Any]:
    """Return the scores of a method on all maps, enlarged one at a time."""
    found = {}
    for one in maps:
        with torch.inference_mode():
            enlarged = enlarge(_tensor(one.small[factor], device), factor)
        found[one.name] = mad(enlarged, _tensor(one.truth, device))
        if math.isnan(found[one.name]):
            raise DataSetError(
                f'{one.name}, x{factor}: no pixel is known in both sizes: expected a small map of '
                'the full-size one'
            )
    return {
        'condition': MAPS,
        'factor': factor,
        'method': name,
        'maps': len(maps),
        'mad': statistics.fmean(found.values()),
        'by_map': found,
    }


def _tensor(levels: Levels, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(levels).to(device, torch.float32)[None, None]


def _scores(
    config: RunConfig,
    style: str,
    factors: tuple[int, ...],
    methods: Mapping[str, Enlarge],
    device: torch.device,
) -> dict[str, Any]:
    """Return the scores of all methods on the test scenes of a style."""
    source = make_source(config, 'test', device, [style], BatchSpec(spikes=False))
    keys = [
        (condition, factor, method)
        for condition in CONDITIONS
        for factor in factors
        for method in methods
    ]
    found = {key: Scores() for key in keys}
    # One at a time: whole maps are large.
    for index in range(config.evaluate.scenes):
        truth, near = grey_levels(source.batch(index, 1).depth)
        for condition in CONDITIONS:
            for factor in factors:
                generator = torch.Generator().manual_seed(index)
                small = shrink(truth, factor, condition.low)
                small = disturb(small, condition.noise, condition.holes, generator)
                for name, enlarge in methods.items():
                    with torch.inference_mode():
                        enlarged = enlarge(small, factor)
                    found[condition, factor, name].add(enlarged, truth, near, index)
    return {
        'title': f'{style}, generated',
        'rows': [
            {'condition': condition.name, 'factor': factor, 'method': name}
            | found[condition, factor, name].report()
            for condition, factor, name in keys
        ],
    }
