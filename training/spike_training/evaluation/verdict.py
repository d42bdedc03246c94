# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint is worth: its uncertainty fitted, its errors beside those of controls."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from spike_depth_ros.checkpoint import DepthInfo, Tensors, load, write_atomically
from spike_depth_ros.metrics import STRUCTURE_FIGURES
from spike_depth_ros.model.registry import build_with_weights
from spike_training.disk import make_folder
from spike_training.engine.fabric import choose_device
from spike_training.errors import ConfigError
from spike_training.evaluation.controls import CONTROLS, comparison_line, control_name
from spike_training.evaluation.evaluate import (
    DepthRange,
    FloatImage,
    Predictor,
    evaluate_predictor,
    fit_uncertainty_factor,
    headline,
    median_depth_baseline,
    network_predictor,
)
from spike_training.evaluation.predictions import Predictions, warn
from spike_training.runs.sources import looked_at, make_source, make_target, target_parts
from spike_training.sampling.labelled import LabelledSource
from spike_training.sampling.procedural import ProceduralSource
from spike_training.settings.config import ModelConfig, RunConfig, check
from spike_training.settings.reading import load_config


def evaluate_checkpoint(
    config: Path,
    out: Path,
    checkpoint: Path | None = None,
    predictions: Path | None = None,
    per_metre: float | None = None,
    device: Literal['auto', 'cpu', 'cuda'] = 'auto',
    planes: Sequence[int] = (),
    scenes: int | None = None,
) -> None:
    """Score a checkpoint, or anybody's depth maps, on a config's test scenes, beside controls.

    The controls: median-depth baseline, each pixel's median depth over training scenes of that
    style; shuffled input, the depth predicted from another scene's spikes; mean prediction, each
    pixel's mean predicted depth over the test scenes.

    Depth maps are of the samples that the command inputs writes with the same config, planes and
    scenes: see docs/predictions.md.

    Args:
        config: The config.yaml of a run or of inputs, or a config: where the scenes come from.
        out: The report to write, JSON; its folder is made if missing.
        checkpoint: The .safetensors file. Give this or predictions.
        predictions: Folder of depth maps, one for each sample: NAME.npy or .npz (depth and, if
            there is one, uncertainty: the half-width of the 68 % interval) of floats in metres
            along the optical axis, or NAME.png of uint16.
        per_metre: Stored value of one metre in maps of uint16, of which 0 is no prediction: 1000
            for millimetres.
        device: cpu, cuda, or auto: a GPU where torch sees one.
        planes: Lengths of the windows; those of the config if none are given.
        scenes: Test scenes of each style; as the config says if not given.

    Raises:
        ConfigError: The settings are wrong.
        CheckpointError: The checkpoint cannot be used.
        DataSetError: None of the depth maps can be used.
    """
    if (checkpoint is None) == (predictions is None):
        raise ConfigError('checkpoint or predictions: expected one of the two')
    settings = with_changes(config, planes, scenes)
    make_folder(out.parent)
    place = choose_device(device)
    if checkpoint is not None:
        info, weights = load(checkpoint)
        report = score(settings, info, weights, place)
    else:
        assert predictions is not None
        report = score_maps(settings, Predictions(predictions, per_metre), place)
        warn(report['predictions'])
    write_atomically(out, to_json(report))
    show(report)


def with_changes(config: Path, planes: Sequence[int], scenes: int | None) -> RunConfig:
    """A config, with other windows and another number of test scenes if they are given.

    Raises:
        ConfigError: Lists everything that is wrong with it.
    """
    settings = load_config(config)
    if planes:
        settings.data.planes = list(planes)
        if settings.target is not None:
            settings.target.planes = None  # those of data
    if scenes is not None:
        settings.evaluate.scenes = scenes
    check(settings)
    return settings


def calibrated(
    config: RunConfig, info: DepthInfo, weights: Tensors, device: torch.device
) -> DepthInfo:
    """Metadata with the factor of the uncertainty fitted on scenes kept for that."""
    network = to_evaluate(info, weights, device)
    number = config.evaluate.calibration_scenes * len(config.data.parts)
    rgb = info.inputs == ('rgb',)
    source = make_source(config, 'calibration', device, rgb=rgb, spikes=not rgb)
    scenes = looked_at(source, number, config.evaluate.batch_size, info.canonical_fx)
    factor = fit_uncertainty_factor(network, info, scenes)
    return dataclasses.replace(info, uncertainty_factor=factor, uncertainty_calibrated=True)


def score(
    config: RunConfig, info: DepthInfo, weights: Tensors, device: torch.device
) -> dict[str, Any]:
    """A report for JSON: by style, the network, the controls, and the uncertainty.

    For a network of spikes and a config with a target the same of that, beside the baseline of the
    source: only here, and in stages that say ``domain: target``, labels of the target are read.
    """
    return score_network(config, info, to_evaluate(info, weights, device), device)


def score_network(
    config: RunConfig, info: DepthInfo, network: nn.Module, device: torch.device
) -> dict[str, Any]:
    """As :func:`score`, of a network in eval mode that may be more than its checkpoint."""
    predictor = network_predictor(network, info)
    who = {'weights_sha256': info.weights_sha256, 'stage': info.stage}
    rgb = info.inputs == ('rgb',)
    return who | score_predictors(config, lambda part: predictor, info, device, rgb)


def score_maps(
    config: RunConfig, predictions: Predictions, device: torch.device
) -> dict[str, Any]:
    """As :func:`score`, of anybody's depth maps; ``predictions`` says what was found.

    Raises:
        DataSetError: None of the maps can be used.
    """
    limits = limits_of(config)
    who = {'weights_sha256': None, 'stage': 'predictions'}
    report = score_predictors(config, lambda part: predictions.of(part, limits), limits, device)
    return who | {'predictions': predictions.report()} | report


def limits_of(config: RunConfig) -> ModelConfig:
    """What the result of a run of these settings is scored by: the network of its last stage."""
    return config.stages[-1].model(config.model, config.data)


def score_predictors(
    config: RunConfig,
    predictor: Callable[[str], Predictor],
    limits: DepthRange,
    device: torch.device,
    rgb: bool = False,
) -> dict[str, Any]:
    """The tables of each style or data set, of the source and, where there is one, of the target.

    Args:
        config: Says what is looked at.
        predictor: What says depth of the samples of a part: ``source_indoor``, ``target_kitti``.
        limits: What it is scored by.
        device: Where scenes are made.
        rgb: Whether it looks at colour images, which the target has not.
    """
    sizes, fx = config.evaluate, limits.canonical_fx
    # The target has no colour images: a teacher of RGB is not for it.
    target = None if rgb else config.target
    baselines: dict[tuple[str, int, int], FloatImage] = {}

    def baseline(part: str, height: int, width: int) -> FloatImage:
        """Of the same style or data set where the source has it, else of all of the source."""
        own = part in (config.data.recordings or config.data.styles)
        key = (part if own else '', height, width)
        if key not in baselines:
            data = dataclasses.replace(config.data, height=height, width=width)
            here = dataclasses.replace(config, data=data)
            source = make_source(here, 'train', device, [part] if own else None, spikes=False)
            seen = looked_at(source, sizes.constant_scenes, sizes.batch_size, fx)
            baselines[key] = median_depth_baseline(seen, fx)
        return baselines[key]

    def scores(
        domain: str, part: str, source: ProceduralSource | LabelledSource
    ) -> dict[str, Any]:
        seen = looked_at(source, sizes.scenes, sizes.batch_size, fx)
        control = baseline(part, source.height, source.width)
        found = evaluate_predictor(predictor(f'{domain}_{part}'), limits, seen, control)
        if isinstance(source, LabelledSource):
            found['skipped'] = source.skipped
        return found

    report: dict[str, Any] = {
        'seed': config.seed,
        'data': dataclasses.asdict(config.data),
        'styles': {
            part: scores('source', part, make_source(config, 'test', device, [part], rgb))
            for part in config.data.parts
        },
    }
    if target is not None:
        report['target'] = {
            'settings': dataclasses.asdict(target),
            'styles': {
                part: scores('target', part, make_target(config, 'test', device, [part]))
                for part in target_parts(config)
            },
        }
    return report


def figures(report: Mapping[str, Any]) -> dict[str, float]:
    """The few figures of a report that a checkpoint carries, by domain, style and name."""
    found = headline(report['styles'])
    if 'target' in report:
        target = headline(report['target']['styles'])
        found |= {f'target_{name}': value for name, value in target.items()}
    return found


def to_evaluate(info: DepthInfo, weights: Tensors, device: torch.device) -> nn.Module:
    """The network of a checkpoint, in eval mode, on a device."""
    network = build_with_weights(info, weights).eval().requires_grad_(False)
    moved: nn.Module = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


def show(report: Mapping[str, Any]) -> None:
    """Prints the few figures that matter."""
    domains = {'': report['styles']}
    if 'target' in report:
        domains['target, '] = report['target']['styles']
    styles = {
        f'{domain}{style}': scores
        for domain, by_style in domains.items()
        for style, scores in by_style.items()
    }
    settings = [report['data'], report.get('target', {}).get('settings', {})]
    kind = 'scenes' if any(part.get('recordings') for part in settings) else 'procedural scenes'
    who = 'predictions' if 'predictions' in report else 'network'
    for style, scores in styles.items():
        print(comparison_line(who, style, scores['not_beaten']))
    table = Table(title=f'{report["stage"]} on unseen {kind} (mean over pixels)')
    for column in ('style', 'predictor', 'AbsRel', 'delta1', 'AbsRel scaled', 'delta1 scaled'):
        table.add_column(column)
    for column in STRUCTURE_FIGURES:
        table.add_column(column.replace('_', ' '))
    names = {'network': who}
    for style, scores in styles.items():
        for predictor in ('network', *CONTROLS):
            complete = scores[predictor]['raw']['complete']
            name = names.get(predictor, control_name(predictor))
            name += '' if complete else ', INCOMPLETE'
            tables = [scores[predictor][kind] for kind in ('raw', 'median_scaled')]
            cells = [
                cell(one['mean_over_pixels'][name])
                for one in tables
                for name in ('abs_rel', 'delta1')
            ]
            cells += [cell(scores[predictor]['structure'][name]) for name in STRUCTURE_FIGURES]
            table.add_row(style, name, *cells)
    Console(width=120).print(table)
    for style, scores in styles.items():
        if left_out := sum(map(len, scores.get('skipped', {}).values())):
            print(f'{style}: {left_out} of {scores["scenes"]} frames cannot be used')
        unc, sky = scores['uncertainty'], scores['network']['raw']['sky']
        if not scores['network']['raw']['complete']:
            print(
                f'{style}: INCOMPLETE: {cell(scores["network"]["raw"]["coverage"])} of the pixels '
                'have a prediction'
            )
        print(
            f'{style}: 68 % interval holds {cell(unc["interval_coverage"])}, rank correlation '
            f'with the error {cell(unc["rank_correlation"])}; sky found '
            f'{cell(sky["recall"])}, of what is called sky {cell(sky["precision"])} is'
        )


def cell(value: float | None) -> str:
    """A figure as tables show it."""
    return '-' if value is None else f'{value:.3f}'


def to_json(report: dict[str, Any]) -> bytes:
    """A report as a file holds it."""
    return (json.dumps(report, indent=2) + '\n').encode()
