# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Conversion of epochs to steps."""

from __future__ import annotations

import dataclasses
import math

import torch

from spike_training.runs.sources import make_source, make_target
from spike_training.sampling.labelled import LabelledSource
from spike_training.settings.config import BatchSpec, RunConfig, StageConfig


def with_steps(config: RunConfig, processes: int) -> RunConfig:
    """Convert the epochs of all stages of a run to steps.

    Args:
        config: Config of the run.
        processes: Number of training processes: with more of them an epoch has fewer steps.

    Raises:
        DataSetError: Recordings whose samples are to be counted cannot be used.
    """
    return dataclasses.replace(
        config, stages=[_with_steps(config, stage, processes) for stage in config.stages]
    )


def samples_of(config: RunConfig, stage: StageConfig) -> int:
    """Count the samples of an epoch of a stage: those of the target if it trains on the target.

    Raises:
        DataSetError: The recordings cannot be used.
    """
    here, cpu = dataclasses.replace(config, data=stage.data(config.data)), torch.device('cpu')
    domain = stage.batches.domain
    if domain != 'source':
        target = make_target(here, 'train', cpu, labels=domain == 'target')
        assert isinstance(target, LabelledSource)  # checked with the config
        return len(target)
    source = make_source(here, 'train', cpu, spec=BatchSpec(spikes=False))
    assert isinstance(source, LabelledSource)
    return len(source)


def _with_steps(config: RunConfig, stage: StageConfig, processes: int) -> StageConfig:
    if stage.epochs is None:
        return stage
    train = stage.train(config.train)
    images = train.batch_size * train.accumulate * processes
    steps = max(1, math.ceil(stage.epochs * samples_of(config, stage) / images))
    return dataclasses.replace(stage, epochs=None, steps=steps)
