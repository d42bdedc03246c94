# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint is worth: its uncertainty fitted, its errors beside those of controls."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from spike_depth_ros.checkpoint import CheckpointInfo, Tensors, load, write_atomically
from spike_depth_ros.model.registry import build_with_weights
from spike_training.config import RunConfig, Style, check
from spike_training.data.procedural import ProceduralSource
from spike_training.engine.evaluate import (
    Scenes,
    constant_depth,
    evaluate,
    fit_uncertainty_factor,
    headline,
)
from spike_training.engine.fabric import choose_device
from spike_training.reading import load_config
from spike_training.scenes import make_source, make_target


def evaluate_checkpoint(
    checkpoint: Path,
    config: Path,
    out: Path,
    device: Literal['auto', 'cpu', 'cuda'] = 'auto',
    planes: Sequence[int] = (),
    scenes: int | None = None,
) -> None:
    """Score a checkpoint on procedural test scenes of each style, beside two controls.

    The controls: constant, each pixel's median depth over training scenes of that style, which
    looks at no image; and other spikes, the depth predicted from another scene's spikes.

    Args:
        checkpoint: The .safetensors file.
        config: The config.yaml of a run, or a config of one: where the scenes come from.
        out: The report to write, JSON.
        device: cpu, cuda, or auto: a GPU where torch sees one.
        planes: Lengths of the windows; those of the config if none are given.
        scenes: Test scenes of each style; as the config says if not given.
    """
    settings = load_config(config)
    if planes:
        settings.data.planes = list(planes)
    if scenes is not None:
        settings.evaluate.scenes = scenes
    check(settings)
    info, weights = load(checkpoint)
    report = score(settings, info, weights, choose_device(device))
    write_atomically(out, to_json(report))
    show(report)


def calibrated(
    config: RunConfig, info: CheckpointInfo, weights: Tensors, device: torch.device
) -> CheckpointInfo:
    """Metadata with the factor of the uncertainty fitted on scenes kept for that."""
    network = to_evaluate(info, weights, device)
    number = config.evaluate.calibration_scenes * len(config.data.styles)
    source = make_source(config, 'calibration', device, rgb=info.inputs == ('rgb',))
    factor = fit_uncertainty_factor(
        network, info, Scenes(source, number, config.evaluate.batch_size)
    )
    return dataclasses.replace(info, uncertainty_factor=factor, uncertainty_calibrated=True)


def score(
    config: RunConfig, info: CheckpointInfo, weights: Tensors, device: torch.device
) -> dict[str, Any]:
    """A report for JSON: by style, the network, both controls, and the uncertainty.

    For a network of spikes and a config with a target the same of that, beside the constant of the
    source: only here, and in stages that say ``domain: target``, labels of the target are read.
    """
    return score_network(config, info, to_evaluate(info, weights, device), device)


def score_network(
    config: RunConfig, info: CheckpointInfo, network: nn.Module, device: torch.device
) -> dict[str, Any]:
    """As :func:`score`, of a network in eval mode that may be more than its checkpoint."""
    rgb, sizes = info.inputs == ('rgb',), config.evaluate
    # The target has no colour images: a teacher of RGB is not for it.
    target = None if rgb else config.target
    target_styles = [] if target is None else target.data(config.data).styles
    constants = {
        style: constant_depth(
            Scenes(
                make_source(config, 'train', device, [style]),
                sizes.constant_scenes,
                sizes.batch_size,
            ),
            info.canonical_fx,
        )
        for style in {*config.data.styles, *target_styles}
    }

    def scores(style: Style, source: ProceduralSource) -> dict[str, Any]:
        scenes = Scenes(source, sizes.scenes, sizes.batch_size)
        return evaluate(network, info, scenes, constants[style])

    report = {
        'weights_sha256': info.weights_sha256,
        'stage': info.stage,
        'seed': config.seed,
        'data': dataclasses.asdict(config.data),
        'styles': {
            style: scores(style, make_source(config, 'test', device, [style], rgb))
            for style in config.data.styles
        },
    }
    if target is not None:
        report['target'] = {
            'settings': dataclasses.asdict(target),
            'styles': {
                style: scores(style, make_target(config, 'test', device, [style]))
                for style in target_styles
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


def to_evaluate(info: CheckpointInfo, weights: Tensors, device: torch.device) -> nn.Module:
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
    table = Table(title=f'{report["stage"]} on unseen procedural scenes (mean over pixels)')
    for column in ('style', 'predictor', 'AbsRel', 'delta1', 'AbsRel scaled', 'delta1 scaled'):
        table.add_column(column)
    for style, scores in styles.items():
        for predictor in ('network', 'constant', 'other_spikes'):
            tables = [scores[predictor][kind] for kind in ('raw', 'median_scaled')]
            cells = [
                cell(one['mean_over_pixels'][name])
                for one in tables
                for name in ('abs_rel', 'delta1')
            ]
            table.add_row(style, predictor.replace('_', ' '), *cells)
    Console(width=99).print(table)
    for style, scores in styles.items():
        unc, sky = scores['uncertainty'], scores['network']['raw']['sky']
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
