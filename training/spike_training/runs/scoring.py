# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reports of checkpoints and of third-party depth maps, and the samples that such maps are of."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from spike_depth_ros.checkpoint import ImageInfo, load, load_with_correction, write_atomically
from spike_training.choices import Device
from spike_training.engine.fabric import choose_device
from spike_training.evaluation.images import show_images
from spike_training.evaluation.inputs import write_inputs
from spike_training.evaluation.predictions import Predictions, warn
from spike_training.evaluation.predictors import build_for_evaluation
from spike_training.evaluation.report import show, to_json
from spike_training.runs.evaluation import (
    DataSets,
    check_size,
    config_sets,
    evaluate_network,
    evaluate_predictions,
    output_limits,
)
from spike_training.runs.image_evaluation import evaluate_images
from spike_training.settings.config import to_yaml


def write_samples(sets: DataSets, out: Path, device: Device) -> None:
    """Write the samples of data sets, or of the config if there are none, to a folder."""
    config, place = sets.config, choose_device(device)
    fx = output_limits(config).canonical_fx
    chosen = sets.sets(place) if sets.places else config_sets(config, place, fx)
    # Without the folder of the run, which does not concern the reader.
    write_inputs(out, [*chosen], to_yaml(dataclasses.replace(config, out=Path('runs/inputs'))))


def score_predictions(
    sets: DataSets, folder: Path, per_metre: float | None, out: Path, device: Device
) -> None:
    """Score third-party depth maps; see :func:`spike_training.commands.evaluate.evaluate`."""
    maps = Predictions(folder, per_metre)
    given = sets if sets.places else None
    report = evaluate_predictions(sets.config, maps, choose_device(device), given)
    warn(report['predictions'])
    write_atomically(out, to_json(report))
    show(report)


def score_depth(
    sets: DataSets, checkpoint: Path, planes_given: bool, out: Path, device: Device
) -> None:
    """Score a checkpoint of depth, by its own windows unless others are given."""
    info, weights, correction = load_with_correction(checkpoint)
    if correction is not None:
        print(
            f'warning: {checkpoint}: its sensor correction is not applied to other sensors; '
            'evaluate_bag applies it',
            file=sys.stderr,
        )
    config, place = sets.config, choose_device(device)
    config.model.bins = info.bins
    check_size(config, info)
    if not planes_given:
        sets = dataclasses.replace(sets, planes=info.planes)
    network = build_for_evaluation(info, weights, place)
    report = evaluate_network(config, info, network, place, sets if sets.places else None)
    write_atomically(out, to_json(report))
    show(report)


def score_pictures(sets: DataSets, checkpoint: Path, out: Path, device: Device) -> None:
    """Score a checkpoint of the task ``image``."""
    info, weights = load(checkpoint, ImageInfo)
    report = evaluate_images(sets.config, info, weights, choose_device(device), dict(sets.places))
    write_atomically(out, to_json(report))
    show_images(report)
