# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A run: its stages in order, each from the checkpoint of the one before, then the verdict."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import yaml
from rich.console import Console
from rich.table import Table
from torch import nn

import spike_depth_ros
from spike_depth_ros.checkpoint import (
    CheckpointInfo,
    Tensors,
    load,
    save,
    write_atomically,
)
from spike_depth_ros.model.depth_net import SpikeDepthNet
from spike_depth_ros.model.registry import SETTINGS, build, build_with_weights
from spike_training.bicross.stages.pretrain import Pretrain
from spike_training.config import RunConfig, StageConfig, check, to_yaml
from spike_training.data.procedural import ProceduralSource
from spike_training.data.world import World
from spike_training.engine.checkpoints import newest_model
from spike_training.engine.evaluate import (
    Scenes,
    constant_depth,
    evaluate,
    fit_uncertainty_factor,
    headline,
)
from spike_training.engine.fabric import choose_device, make_fabric
from spike_training.engine.loop import fit
from spike_training.errors import ConfigError
from spike_training.reading import load_config

CONFIG = 'config.yaml'
MODEL = 'model.safetensors'
REPORT = 'report.json'

NOT_THE_RUN = ('out', 'resume', 'device', 'devices', 'threads')
"""Settings that may differ when a run is continued: they say where it runs, not what it does."""

Split = Literal['train', 'calibration', 'test']


def run(config: RunConfig) -> None:
    """Trains all stages, fits the uncertainty, evaluates and exports.

    Raises:
        ConfigError: The settings cannot be, or the folder holds a run of other settings.
        TrainingError: Training cannot go on.
    """
    check(config)
    fabric = make_fabric(config.device, config.devices, config.train.precision)
    if fabric.is_global_zero:
        _claim(config)
    fabric.barrier()
    if config.threads:
        torch.set_num_threads(config.threads)
    previous: Path | None = None
    for stage_config in config.stages:
        folder = config.out / stage_config.name
        info = describe(config, stage_config)
        network = _network(info, config.seed, stage_config, previous)
        rgb = stage_config.input == 'rgb'
        fit(
            Pretrain(network, stage_config, config.model),
            train=make_source(config, 'train', fabric.device, rgb=rgb),
            validation=make_source(config, 'calibration', fabric.device, rgb=rgb),
            config=config.train,
            folder=folder,
            info=info,
            fabric=fabric,
            steps=stage_config.steps or config.train.steps,
            seed=config.seed,
        )
        previous = newest_model(folder)
    if fabric.is_global_zero:
        assert previous is not None  # a config has at least one stage
        _finish(config, previous, fabric.device)
    fabric.barrier()


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
    report = _evaluate(settings, info, weights, choose_device(device))
    write_atomically(out, _json(report))
    _show(report)


def calibrate(
    config: RunConfig, info: CheckpointInfo, weights: Tensors, device: torch.device
) -> CheckpointInfo:
    """Metadata with the factor of the uncertainty fitted on scenes kept for that."""
    network = _to_evaluate(info, weights, device)
    number = config.evaluate.calibration_scenes * len(config.data.styles)
    source = make_source(config, 'calibration', device, rgb=info.inputs == ('rgb',))
    factor = fit_uncertainty_factor(
        network, info, Scenes(source, number, config.evaluate.batch_size)
    )
    return dataclasses.replace(info, uncertainty_factor=factor, uncertainty_calibrated=True)


def describe(config: RunConfig, stage: StageConfig) -> CheckpointInfo:
    """What the checkpoints of a stage say of themselves."""
    model, data = config.model, config.data
    spikes = stage.input == 'spikes'
    return CheckpointInfo(
        architecture=model.architecture,
        settings=dataclasses.asdict(SETTINGS[model.architecture](**model.settings)),
        planes=sorted(data.planes)[len(data.planes) // 2],
        planes_range=(min(data.planes), max(data.planes)),
        bins=model.bins if spikes else 3,
        inputs=(stage.input,),
        rate_hz_range=(data.rate_hz, data.rate_hz),
        min_depth=model.min_depth,
        max_depth=model.max_depth,
        canonical_fx=model.canonical_fx,
        fx_range=_fx_range(config),
        scale='metric',
        stage=stage.name,
        datasets={'procedural world of this package': 'Apache-2.0'},
        package_version=spike_depth_ros.__version__,
        commit=_commit(),
    )


def make_source(
    config: RunConfig,
    split: Split,
    device: torch.device,
    styles: Sequence[str] | None = None,
    rgb: bool = False,
) -> ProceduralSource:
    """Scenes of the procedural world as the config describes them."""
    data = config.data
    return ProceduralSource(
        styles=tuple(styles or data.styles),
        seed=config.seed,
        split=split,
        height=data.height,
        width=data.width,
        planes=tuple(data.planes),
        rate_hz=data.rate_hz,
        bins=config.model.bins,
        with_rgb=rgb,
        device=device,
    )


def _claim(config: RunConfig) -> None:
    """Makes the folder the run's own; a run in it is continued only if that is asked for."""
    path = config.out / CONFIG
    text = to_yaml(config)
    if path.exists():
        if not config.resume:
            raise ConfigError(
                f'{config.out} holds a run already: continue it with --resume true, or choose '
                'another --out'
            )
        before, now = yaml.safe_load(path.read_text(encoding='utf-8')), yaml.safe_load(text)
        if different := [*_differences(before, now)]:
            raise ConfigError(
                f'{config.out} holds a run with another {", ".join(different)}: give the settings '
                'it was started with, or choose another --out'
            )
    config.out.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode())


def _differences(before: Any, now: Any) -> list[str]:
    names = []
    for name in [*before.keys(), *(now.keys() - before.keys())]:
        one, other = before.get(name), now.get(name)
        if name in NOT_THE_RUN or one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            names += [f'{name}.{inner}' for inner in _differences(one, other)]
        else:
            names.append(name)
    return names


def _network(
    info: CheckpointInfo, seed: int, stage: StageConfig, previous: Path | None
) -> SpikeDepthNet:
    """A network with its first weights: from the seed, or the stage before where they fit."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(info)
    assert isinstance(network, SpikeDepthNet)
    if stage.start == 'previous':
        assert previous is not None  # checked with the config
        own = network.state_dict()
        given = {name: torch.from_numpy(value) for name, value in load(previous)[1].items()}
        fitting = {
            name: value
            for name, value in given.items()
            if name in own and own[name].shape == value.shape
        }
        network.load_state_dict(own | fitting)
        fresh = sorted(own.keys() - fitting.keys())
        print(f'{stage.name}: weights of {previous}; new are {", ".join(fresh) or "none"}')
    return network


def _finish(config: RunConfig, checkpoint: Path, device: torch.device) -> None:
    info, weights = load(checkpoint)
    info = calibrate(config, info, weights, device)
    report = _evaluate(config, info, weights, device)
    info = dataclasses.replace(info, metrics=headline(report['styles']))
    model = config.out / MODEL
    save(model, weights, info)
    write_atomically(config.out / REPORT, _json(report))
    if config.evaluate.export and info.inputs == ('spikes',):
        from spike_training.export import export

        export(model, checkpoint=model)
    _show(report)
    print(f'{model}: the checkpoint; {config.out / REPORT}: its figures')


def _evaluate(
    config: RunConfig, info: CheckpointInfo, weights: Tensors, device: torch.device
) -> dict[str, Any]:
    network = _to_evaluate(info, weights, device)
    sizes, rgb = config.evaluate, info.inputs == ('rgb',)
    styles = {}
    for style in config.data.styles:
        train = make_source(config, 'train', device, [style])
        test = make_source(config, 'test', device, [style], rgb)
        constant = constant_depth(
            Scenes(train, sizes.constant_scenes, sizes.batch_size), info.canonical_fx
        )
        scenes = Scenes(test, sizes.scenes, sizes.batch_size)
        styles[style] = evaluate(network, info, scenes, constant)
    return {
        'weights_sha256': info.weights_sha256,
        'stage': info.stage,
        'seed': config.seed,
        'data': dataclasses.asdict(config.data),
        'styles': styles,
    }


def _to_evaluate(info: CheckpointInfo, weights: Tensors, device: torch.device) -> nn.Module:
    network = build_with_weights(info, weights).eval().requires_grad_(False)
    moved: nn.Module = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


def _show(report: dict[str, Any]) -> None:
    table = Table(title=f'{report["stage"]} on unseen procedural scenes (mean over pixels)')
    for column in ('style', 'predictor', 'AbsRel', 'delta1', 'AbsRel scaled', 'delta1 scaled'):
        table.add_column(column)
    for style, scores in report['styles'].items():
        for predictor in ('network', 'constant', 'other_spikes'):
            tables = [scores[predictor][kind] for kind in ('raw', 'median_scaled')]
            cells = [
                _cell(one['mean_over_pixels'][name])
                for one in tables
                for name in ('abs_rel', 'delta1')
            ]
            table.add_row(style, predictor.replace('_', ' '), *cells)
    Console(width=99).print(table)
    for style, scores in report['styles'].items():
        unc, sky = scores['uncertainty'], scores['network']['raw']['sky']
        print(
            f'{style}: 68 % interval holds {_cell(unc["interval_coverage"])}, rank correlation '
            f'with the error {_cell(unc["rank_correlation"])}; sky found '
            f'{_cell(sky["recall"])}, of what is called sky {_cell(sky["precision"])} is'
        )


def _fx_range(config: RunConfig) -> tuple[float, float]:
    """Shortest and longest focal length, pixels, over the first thousand scenes of each style."""
    worlds = [World(config.seed, style, 'train') for style in config.data.styles]
    focal = np.concatenate([world.batch(range(1000)).focal for world in worlds])
    width = config.data.width
    return float(np.floor(focal.min() * width)), float(np.ceil(focal.max() * width))


def _cell(value: float | None) -> str:
    return '-' if value is None else f'{value:.3f}'


def _json(report: dict[str, Any]) -> bytes:
    return (json.dumps(report, indent=2) + '\n').encode()


def _commit() -> str | None:
    """The commit of the source tree; None where it is none, or git is not there."""
    git = shutil.which('git')
    if git is None:
        return None
    command = [git, '-C', str(Path(__file__).parent), 'rev-parse', 'HEAD']
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or None
