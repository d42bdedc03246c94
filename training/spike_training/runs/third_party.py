# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation of depth that no checkpoint of this package gives: maps of others, a teacher."""

from __future__ import annotations

from typing import Any

import torch

from spike_training.evaluation.foundation import foundation_predictor
from spike_training.evaluation.predictions import Predictions
from spike_training.evaluation.report import FORMAT
from spike_training.evaluation.scores import evaluate_set
from spike_training.run_data.evaluation_sets import (
    Baselines,
    DataSets,
    config_sets,
    evaluate_sets,
    output_limits,
)
from spike_training.settings.config import RunConfig
from spike_training.teacher import Teacher


def evaluate_predictions(
    config: RunConfig,
    predictions: Predictions,
    device: torch.device,
    data_sets: DataSets | None = None,
) -> dict[str, Any]:
    """Evaluate third-party depth maps and return the report; ``predictions`` lists those used.

    Args:
        config: Config with the test sets and the scenes of the baselines; its last stage's network
            sets the depth range.
        predictions: The maps.
        device: Device of the samples.
        data_sets: Data sets to evaluate in place of the config's test sets.

    Raises:
        DataSetError: None of the maps can be used.
    """
    limits = output_limits(config)
    sets = config_sets(config, device, limits.canonical_fx)
    if data_sets is not None:
        sets = data_sets.sets(device)
    baselines = Baselines(config, limits.canonical_fx, device)
    scored = evaluate_sets(sets, lambda name: predictions.of(name, limits), limits, baselines)
    return {
        'format': FORMAT,
        'stage': 'predictions',
        'weights_sha256': None,
        'seed': config.seed,
        'predictions': predictions.report(),
        'sets': scored,
    }


def evaluate_teacher(
    config: RunConfig, teacher: Teacher, device: torch.device, data_sets: DataSets | None = None
) -> dict[str, Any]:
    """Evaluate a foundation model on pictures of the spikes and return the report.

    Args:
        config: As for :func:`evaluate_predictions`.
        teacher: The model.
        device: Device of the samples.
        data_sets: As there.

    Raises:
        DataSetError: A data set cannot be used.
    """
    limits, files = output_limits(config), teacher.files
    sets = config_sets(config, device, limits.canonical_fx)
    if data_sets is not None:
        sets = data_sets.sets(device)
    baselines = Baselines(config, limits.canonical_fx, device)
    scored = {}
    for one in sets:
        predictor = foundation_predictor(teacher, files.relative, one, limits.canonical_fx)
        scored[one.name] = evaluate_set(
            predictor, limits, one, baselines.of(one), relative=files.relative
        )
    return {
        'format': FORMAT,
        'stage': files.folder.name,
        'scored': 'foundation model',
        'weights_sha256': files.sha256(),
        'seed': config.seed,
        'sets': scored,
    }
