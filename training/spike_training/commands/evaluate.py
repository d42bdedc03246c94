# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``evaluate``: scores of checkpoints and third-party depth maps."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from spike_depth_ros.checkpoint import (
    CheckpointInfo,
    ImageInfo,
    find_checkpoint,
    load,
    load_info,
    load_with_correction,
    write_atomically,
)
from spike_training.disk import make_folder
from spike_training.engine.fabric import choose_device
from spike_training.errors import ConfigError
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
from spike_training.sampling.clip_source import MEAN_RATE
from spike_training.settings.config import RunConfig, check, to_yaml
from spike_training.settings.reading import load_config


def evaluate(
    config: Path,
    out: Path,
    checkpoint: Path | None = None,
    predictions: Path | None = None,
    inputs_only: bool = False,
    data: dict[str, str] | None = None,
    samples: int | None = None,
    planes: int | Sequence[int] = (),
    mean_rate: float = MEAN_RATE,
    per_metre: float | None = None,
    device: Literal['auto', 'cpu', 'cuda'] = 'auto',
) -> None:
    """Score a checkpoint, or third-party depth maps, beside controls; or write the inputs of both.

    Without data the test scenes of the config are scored: generated scenes, or its recordings.
    With data, data sets are scored; spikes are simulated from frames, unless a set has spikes.

    A network of pictures (task image) is scored by PSNR and SSIM, beside estimates without
    learning; recordings also without truth, by planes held out: docs/reconstruction.md.

    The controls of depth: median-depth baseline, each pixel's median depth over training scenes;
    shuffled input, the depth predicted from another sample's spikes; mean prediction, each pixel's
    mean predicted depth over the samples. The first lines name those that are not beaten.

    Third-party depth maps are of the samples that inputs_only writes with the same config, data,
    samples, planes and mean_rate: see docs/predictions.md.

    Args:
        config: The config.yaml of a run or of inputs, or a config: its test scenes, the size of
            images, the plane rate, and the scenes of the median-depth baselines.
        out: The report to write, JSON, its folder is made if missing; with inputs_only a folder,
            refused unless empty.
        checkpoint: The .safetensors file, or the name of a shipped model. Give this, predictions,
            or inputs_only.
        predictions: Folder of depth maps, one for each sample: NAME.npy or .npz (depth and, if
            there is one, uncertainty: the half-width of the 68 % interval) of floats in metres
            along the optical axis, or NAME.png of uint16.
        inputs_only: Score nothing; write the samples without their truth: the spikes of each in
            NAME.npz, their names and sizes in index.csv, and config.yaml.
        data: Data sets by name: --data.kitti PATH --data.sevenscenes PATH. Options of their
            readers follow the path: --data.tum PATH,per_metre=5000. A set with another name than
            its reader also gives the reader: --data.office folder:PATH. See docs/data_sets.md.
        samples: Test scenes of each style, or labelled frames of each data set, spread over its
            recordings; as the config's evaluate.scenes if not given.
        planes: Length of the windows, or a list; those of the config if not given. Of data sets
            the first one; if not given, that of the checkpoint or the middle one of the config.
        mean_rate: With data: share of the planes in which a pixel of simulated spikes fires, on
            average over an image.
        per_metre: Stored value of one metre in maps of uint16, of which 0 is no prediction: 1000
            for millimetres.
        device: cpu, cuda, or auto: a GPU if torch finds one. Scenes made on another kind of
            device may differ in single spikes.

    Raises:
        ConfigError: The settings are wrong, or the folder of inputs is not empty.
        CheckpointError: The checkpoint cannot be used.
        DataSetError: A data set cannot be used, or none of the depth maps.
    """
    if sum((checkpoint is not None, predictions is not None, inputs_only)) != 1:
        raise ConfigError('checkpoint, predictions or inputs_only: expected one of the three')
    if per_metre is not None and predictions is None:
        raise ConfigError('per_metre is given: expected it with predictions alone')
    planes = [planes] if isinstance(planes, int) else planes
    settings = with_changes(config, planes, None if data else samples)
    sets = _data_sets(settings, data or {}, samples, planes, mean_rate)
    place = choose_device(device)
    if inputs_only:
        _write_inputs(settings, out, sets, place)
        return
    make_folder(out.parent)
    if checkpoint is not None:
        report = _evaluate_checkpoint(checkpoint, sets, place, bool(planes), samples)
    else:
        assert predictions is not None
        maps = Predictions(predictions, per_metre)
        report = evaluate_predictions(settings, maps, place, sets if data else None)
        warn(report['predictions'])
    write_atomically(out, to_json(report))
    (show_images if report.get('task') == 'image' else show)(report)


def _data_sets(
    settings: RunConfig,
    data: dict[str, str],
    samples: int | None,
    planes: Sequence[int],
    mean_rate: float,
) -> DataSets:
    number = settings.evaluate.scenes if samples is None else samples
    lengths = planes or sorted(settings.data.planes)[len(settings.data.planes) // 2 :]
    return DataSets(settings, data, number, lengths[0], mean_rate)


def _write_inputs(settings: RunConfig, out: Path, sets: DataSets, device: torch.device) -> None:
    fx = output_limits(settings).canonical_fx
    chosen = sets.sets(device) if sets.places else config_sets(settings, device, fx)
    # Without the folder of the run, which does not concern the reader.
    write_inputs(out, [*chosen], to_yaml(dataclasses.replace(settings, out=Path('runs/inputs'))))


def _evaluate_checkpoint(
    checkpoint: Path, sets: DataSets, device: torch.device, planes: bool, samples: int | None
) -> dict[str, Any]:
    """Score a checkpoint of depth or pictures.

    Args:
        checkpoint: The .safetensors file, or the name of a shipped model.
        sets: Data sets; without any the test scenes of their config are scored.
        device: Device of the network.
        planes: Whether lengths of windows are given.
        samples: Given number of samples.
    """
    settings, path = sets.config, find_checkpoint(checkpoint)
    if isinstance(load_info(path, CheckpointInfo), ImageInfo):
        unused = {
            'planes': planes,
            'mean_rate': sets.mean_rate != MEAN_RATE,
            'samples': bool(sets.places) and samples is not None,
        }
        if given := [name for name, is_given in unused.items() if is_given]:
            raise ConfigError(
                f'{", ".join(given)} given: expected none for a network of pictures'
                f'{" and recordings" if sets.places else ""}'
            )
        return evaluate_images(settings, *load(path, ImageInfo), device, sets.places)
    info, weights, correction = load_with_correction(path)
    if correction is not None:
        print(
            f'warning: {path}: its sensor correction is not applied to other sensors; '
            'evaluate_bag applies it',
            file=sys.stderr,
        )
    settings.model.bins = info.bins
    check_size(settings, info)
    if not planes:
        sets = dataclasses.replace(sets, planes=info.planes)
    network = build_for_evaluation(info, weights, device)
    return evaluate_network(settings, info, network, device, sets if sets.places else None)


def with_changes(config: Path, planes: Sequence[int], samples: int | None) -> RunConfig:
    """Load a config, with other windows and another number of test scenes if they are given.

    Raises:
        ConfigError: The settings are invalid; the message lists all problems.
    """
    settings = load_config(config)
    if planes:
        settings.data.planes = list(planes)
        if settings.target is not None:
            settings.target.planes = None  # those of data
    if samples is not None:
        sizes = settings.evaluate
        # Whole batches, of the baselines' scenes too.
        sizes.scenes, sizes.batch_size = samples, math.gcd(samples, sizes.batch_size)
    check(settings)
    return settings
