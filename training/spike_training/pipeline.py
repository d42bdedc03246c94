# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A run: its stages in order, each from the checkpoint of the one before, then the verdict."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path
from typing import Any

import torch
import yaml

import spike_depth_ros
from spike_depth_ros.checkpoint import CheckpointInfo, load, save, write_atomically
from spike_depth_ros.model.depth_net import SpikeDepthNet
from spike_depth_ros.model.registry import SETTINGS, build
from spike_training.bicross.stages.pretrain import Pretrain
from spike_training.config import RunConfig, StageConfig, check, to_yaml
from spike_training.engine.checkpoints import newest_model
from spike_training.engine.evaluate import headline
from spike_training.engine.fabric import make_fabric
from spike_training.engine.loop import fit
from spike_training.errors import ConfigError
from spike_training.scenes import fx_range, make_source
from spike_training.verdict import calibrated, score, show, to_json

CONFIG = 'config.yaml'
MODEL = 'model.safetensors'
REPORT = 'report.json'

NOT_THE_RUN = ('out', 'resume', 'device', 'devices', 'threads')
"""Settings that may differ when a run is continued: they say where it runs, not what it does."""


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
        here = dataclasses.replace(
            config,
            data=stage_config.data(config.data),
            model=stage_config.model(config.model, config.data),
        )
        info = describe(here, stage_config)
        network = _network(info, config.seed, stage_config, previous)
        rgb = stage_config.input == 'rgb'
        fit(
            Pretrain(network, stage_config, here.model),
            train=make_source(here, 'train', fabric.device, rgb=rgb),
            validation=make_source(here, 'calibration', fabric.device, rgb=rgb),
            config=stage_config.train(config.train),
            folder=folder,
            info=info,
            fabric=fabric,
            seed=config.seed,
        )
        previous = newest_model(folder)
    if fabric.is_global_zero:
        assert previous is not None  # a config has at least one stage
        _finish(config, previous, fabric.device)
    fabric.barrier()


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
        fx_range=fx_range(config),
        scale='metric',
        stage=stage.name,
        datasets={'procedural world of this package': 'Apache-2.0'},
        package_version=spike_depth_ros.__version__,
        commit=_commit(),
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
        return
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
    """A network with its first weights: from the seed, ImageNet, or the stage before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(info)
    assert isinstance(network, SpikeDepthNet)
    if stage.start == 'imagenet':
        from spike_depth_ros.model.vit_hybrid import VitHybrid, load_imagenet

        assert isinstance(network.encoder, VitHybrid)  # checked with the config
        load_imagenet(network.encoder, stage.imagenet)
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
    info = calibrated(config, info, weights, device)
    report = score(config, info, weights, device)
    info = dataclasses.replace(info, metrics=headline(report['styles']))
    model = config.out / MODEL
    save(model, weights, info)
    write_atomically(config.out / REPORT, to_json(report))
    if config.evaluate.export and info.inputs == ('spikes',):
        from spike_training.export import export

        export(model, checkpoint=model)
    show(report)
    print(f'{model}: the checkpoint; {config.out / REPORT}: its figures')


def _commit() -> str | None:
    """The commit of the source tree; None where it is none, or git is not there."""
    git = shutil.which('git')
    if git is None:
        return None
    command = [git, '-C', str(Path(__file__).parent), 'rev-parse', 'HEAD']
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or None
