# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Conversion of epochs to steps."""

from __future__ import annotations

import dataclasses
import math

import torch

from spike_training.runs.sources import make_source, make_target
from spike_training.sampling.labelled import LabelledSource
from spike_training.settings.config import BatchSpec, ResolvedStage, RunConfig, StageConfig


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


def samples_of(config: ResolvedStage) -> int:
    """Count the samples of an epoch of a stage: those of the target if it trains on the target.

    Raises:
        DataSetError: The recordings cannot be used.
    """
    cpu, domain = torch.device('cpu'), config.stage.batches.domain
    source = (
        make_source(config, 'train', cpu, spec=BatchSpec(spikes=False))
        if domain == 'source'
        else make_target(config, 'train', cpu, labels=domain == 'target')
    )
    assert isinstance(source, LabelledSource)  # checked with the config
    return len(source)


def _with_steps(config: RunConfig, stage: StageConfig, processes: int) -> StageConfig:
    if stage.epochs is None:
        return stage
    here = stage.resolve(config)
    images = here.train.batch_size * here.train.accumulate * processes
    steps = max(1, math.ceil(stage.epochs * samples_of(here) / images))
    return dataclasses.replace(stage, epochs=None, steps=steps)
