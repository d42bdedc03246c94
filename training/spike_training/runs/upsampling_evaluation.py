# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation of networks of the task ``upsample`` on generated scenes."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from spike_depth_ros.checkpoint import Tensors, UpsampleInfo
from spike_depth_ros.evaluation.controls import NETWORK
from spike_depth_ros.model.registry import build_with_weights
from spike_training.evaluation.report import FORMAT
from spike_training.evaluation.small_maps import disturb, grey_levels, shrink
from spike_training.evaluation.upsampling import BASELINES, CONDITIONS, Enlarge, Scores
from spike_training.runs.sources import make_source
from spike_training.settings.config import BatchSpec, RunConfig


def evaluate_upsampling(
    config: RunConfig, info: UpsampleInfo, weights: Tensors, device: torch.device
) -> dict[str, Any]:
    """Evaluate a network on the test scenes of each style; return the report.

    Each scene is made small under all :data:`.upsampling.CONDITIONS` and by all factors of the
    network, which enlarges it again, as nearest and bilinear enlargement do.

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
    network = build_with_weights(info, weights).eval().requires_grad_(False).to(device)
    methods: dict[str, Enlarge] = {NETWORK: network, **BASELINES}
    return {
        'format': FORMAT,
        'task': 'upsample',
        'stage': info.stage,
        'weights_sha256': info.weights_sha256,
        'seed': config.seed,
        'sets': {
            style: _scores(config, style, info.factors, methods, device)
            for style in config.data.styles
        },
    }


def _scores(
    config: RunConfig,
    style: str,
    factors: tuple[int, ...],
    methods: dict[str, Enlarge],
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
