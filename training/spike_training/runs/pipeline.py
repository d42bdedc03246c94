# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training run: the stages in order, each from earlier checkpoints, then the evaluation."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from spike_depth_ros.base.locks import lock_folder
from spike_depth_ros.base.results import remove_unfinished, write_atomically
from spike_depth_ros.checkpoint import Tensors, load, save
from spike_depth_ros.networks.registry import weights_of
from spike_depth_ros.tasks.base import CheckpointInfo
from spike_training.cpu import configure_cpu
from spike_training.disk import make_folder
from spike_training.engine.checkpoints import POINTER, newest_model
from spike_training.engine.fabric import make_fabric
from spike_training.engine.loop import fit
from spike_training.engine.stage import Context
from spike_training.errors import ConfigError
from spike_training.evaluation.report import finite, to_json
from spike_training.run_data.recordings import check_recordings
from spike_training.run_data.sources import with_steps
from spike_training.runs.build import Work, context, make_work
from spike_training.runs.dry_run import dry_run
from spike_training.runs.sessions import (
    CONFIG,
    MODEL,
    REPORT,
    SELECTED,
    SELECTION,
    SESSIONS,
    Session,
)
from spike_training.sampling.sample import Source
from spike_training.settings.config import (
    EXECUTION,
    ResolvedStage,
    RunConfig,
    check,
    differences,
    listed,
    to_tree,
    to_yaml,
)
from spike_training.settings.reading import NO_OUT, load_config
from spike_training.tasks.base import Given, task_of

if TYPE_CHECKING:
    from lightning_fabric import Fabric

EXECUTION_KEYS = (*EXECUTION, 'data.workers', 'train.prefetch')
"""Settings that may differ when a run is continued: batches do not depend on them."""

WritePage = Callable[[Path], 'Path | None']
"""Function that writes the page of the run in a folder, and returns it if that succeeded."""


def run(config: RunConfig, write_page: WritePage = lambda out: None) -> None:
    """Train all stages, fit the uncertainty, evaluate and export.

    Args:
        config: Config of the run.
        write_page: Called with the folder of the run at its start, after each stage and at its
            end, also after an interruption.

    Raises:
        ConfigError: The settings are invalid, or the folder holds a run of other settings.
        DataSetError: Recordings that the settings name cannot be used, or source and target share
            places.
        FolderLockError: Another process works in the folder of the run.
        TrainingError: Training cannot go on.
    """
    if config.dry_run:
        dry_run(config)
        return
    check(config)
    if config.out == Path():
        raise ConfigError(listed([NO_OUT]))
    fabric = make_fabric(config.device, config.devices, config.train.precision, config.nodes)
    check_recordings(config.data, config.target_data)
    config = with_steps(config, fabric.world_size)
    check(config)  # again, with the steps that epochs come to
    quiet = not fabric.is_global_zero
    with nullcontext() if quiet else lock_folder(config.out):
        if not quiet:
            _init_run_dir(config)
        fabric.barrier()
        configure_cpu(config.threads)
        if not quiet:
            write_page(config.out)
        try:
            with Session(config.out, fabric.device, fabric.world_size, quiet) as session:
                _train(config, fabric, session, write_page)
        finally:
            # Also after an interruption.
            if not quiet and (page := write_page(config.out)) is not None:
                print(f'{page}: the page of the run')
        fabric.barrier()


def _train(config: RunConfig, fabric: Fabric, session: Session, write_page: WritePage) -> None:
    """Train all stages, and evaluate the result."""
    trained: dict[str, Path] = {}
    for stage in config.stages:
        with session.stage(stage.name):
            trained[stage.name] = train_stage(config.resolve(stage), trained, fabric)
        if fabric.is_global_zero:
            write_page(config.out)
        fabric.barrier()
    if fabric.is_global_zero:
        _finish(config, trained[config.stages[-1].name], fabric.device)


def train_stage(config: ResolvedStage, trained: Mapping[str, Path], fabric: Fabric) -> Path:
    """Train one stage, or resume it where it was stopped.

    Args:
        config: All settings that apply to the stage.
        trained: Checkpoints of the stages before it, by name, in their order.
        fabric: Launched fabric.

    Returns:
        Path of the resulting checkpoint.
    """
    here = context(config, trained, fabric.device)
    work = make_work(here)
    fit(
        work.stage,
        train=work.train,
        validation=work.validation,
        config=config.train,
        folder=config.folder,
        info=here.info,
        fabric=fabric,
        seed=config.seed,
    )
    if fabric.is_global_zero:
        _select(work, here)
    fabric.barrier()
    selected = config.folder / SELECTED
    return selected if selected.exists() else newest_model(config.folder)


def _select(work: Work, here: Context) -> None:
    """Select or average the resulting weights of a stage, if its settings request it."""
    stage, folder = here.config.stage, here.config.folder
    weights: Tensors | None = None
    selection: dict[str, Any] = {}
    work.stage.eval()
    chosen = work.stage.select(_selection_batches(work.validation, here))
    if chosen is not None:
        weights = weights_of(chosen.network)
        selection = {
            'selected': chosen.name,
            'criteria': chosen.criteria,
            **chosen.details,
        }
        print(f'{stage.name}: the {chosen.name} is exported, by {SELECTION}')
    other = stage.average_with
    if other is not None:
        weights = weights or here.load(newest_model(folder))[1]
        path = here.checkpoint_of(other)
        assert path is not None
        weights = _averaged(weights, here.load(path)[1])
        selection['averaged_with'] = other
        print(f'{stage.name}: its weights are averaged with those of {other}')
    if weights is not None:
        save(folder / SELECTED, weights, here.info)
        write_atomically(folder / SELECTION, json.dumps(selection, indent=2).encode())


def _averaged(weights: Tensors, others: Tensors) -> Tensors:
    """Return the mean of two networks' weights and statistics, and the counters of the first."""
    return {
        name: ((value.astype(np.float32) + others[name]) / 2).astype(value.dtype)
        if np.issubdtype(value.dtype, np.floating)
        else value
        for name, value in weights.items()
    }


def _selection_batches(validation: Source[Any], here: Context) -> Iterator[Any]:
    """Yield batches to select a network: as many as for validation, and after those."""
    train = here.config.train
    torch.manual_seed(here.config.seed)
    for step in range(train.validate_batches):
        yield validation.batch(train.validate_batches + step, train.batch_size)


def _init_run_dir(config: RunConfig) -> None:
    """Create the folder of a run; continue a run in it only if ``resume`` is set."""
    path = config.out / CONFIG
    # One that was refused before its first checkpoint is begun anew, as with other settings.
    begun = any(config.out.glob(f'*/{POINTER}'))
    if path.exists() and (begun or config.resume):
        if not config.resume:
            raise ConfigError(
                f'{config.out} holds a run already: continue it with --resume true, or choose '
                'another --out'
            )
        # Read as settings: the file of an older version may lack some.
        changes = differences(to_tree(load_config(path)), to_tree(config))
        different = [name for name, *_ in changes if name not in EXECUTION_KEYS]
        if different:
            raise ConfigError(
                f'{config.out} holds a run with another {", ".join(different)}: give the settings '
                'it was started with, or choose another --out'
            )
        for folder in (config.out, *(config.out / stage.name for stage in config.stages)):
            remove_unfinished(folder)
        return
    make_folder(config.out)
    content = to_yaml(config).encode()
    # Settings of a user, with which a run may be started in their own folder.
    if path.exists() and path.read_bytes() != content and not (config.out / SESSIONS).exists():
        raise ConfigError(f'{path} is of no run, and would be replaced: choose another --out')
    write_atomically(path, content)


def _finish(config: RunConfig, checkpoint: Path, device: torch.device) -> None:
    """Evaluate the resulting weights and write them with their metrics, and the export."""
    info, weights = load(checkpoint, CheckpointInfo)
    task = task_of(info.task)
    if task.calibrate is not None:
        info = task.calibrate(config, info, weights, device)
    model = config.out / MODEL
    save(model, weights, info)  # the evaluation may fail, as with too few labels
    report = task.evaluate(config, info, weights, device, Given())
    save(model, weights, dataclasses.replace(info, metrics=finite(task.metrics(report))))
    write_atomically(config.out / REPORT, to_json(report))
    if config.evaluate.export and task.exports(info):
        from spike_training.runs.export import export

        export(model, checkpoint=model)
    task.show(report)
    print(f'{model}: the checkpoint; {config.out / REPORT}: its metrics')
