# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Construction of stages, their networks and their sources of batches from settings."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

import spike_depth_ros
from spike_depth_ros.checkpoint import load_info
from spike_depth_ros.networks.weights import misfit
from spike_depth_ros.tasks.architectures import SETTINGS
from spike_depth_ros.tasks.base import CheckpointInfo
from spike_training.choices import Split
from spike_training.engine.checkpoints import has_checkpoint, newest_model
from spike_training.engine.stage import Context, Stage
from spike_training.errors import ConfigError, DataSetError
from spike_training.run_data.sources import (
    datasets_of,
    make_source,
    make_target,
    with_held_out,
)
from spike_training.runs.sessions import source_commit
from spike_training.sampling.sample import AnyBatch, DomainPair, Source
from spike_training.settings.config import ResolvedStage
from spike_training.settings.method import import_object
from spike_training.tasks.base import task_of

IMAGENET_WEIGHTS = {'weights learnt on ImageNet-1k': 'Apache-2.0'}
"""Description and licence of timm's weights, for the metadata of checkpoints."""


class Work(NamedTuple):
    """Inputs of the training loop for a stage.

    Attributes:
        stage: Networks and loss.
        train: Source of training batches.
        validation: Source of batches of other scenes.
    """

    stage: Stage[Any]
    train: Source[Any]
    validation: Source[Any]


def context(config: ResolvedStage, trained: Mapping[str, Path], device: torch.device) -> Context:
    """Return the context of a stage of a run."""
    info = describe(config)
    built = Context(config, info, trained, device)
    datasets = dict(info.datasets) | config.stage.data_sets()
    if has_checkpoint(config.folder):
        # Of a resumed training, whose data may have changed meanwhile.
        datasets |= load_info(newest_model(config.folder), CheckpointInfo).datasets
    for name in config.stage.builds_on:
        # The data sets of earlier stages have contributed to the weights of this one, too.
        path = built.checkpoint_of(name)
        if path is not None and path.is_file():  # a dry run has none
            datasets |= load_info(path, CheckpointInfo).datasets
    return dataclasses.replace(built, info=dataclasses.replace(info, datasets=datasets))


def make_work(context: Context) -> Work:
    """Build a stage by its kind.

    All its randomness comes from the run's seed, independent of what was trained before in this
    process: a resumed run builds the same stage.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(context.config.seed)
        stage = make_stage(context)
    train, validation = make_batches(context, 'train'), make_validation(context)
    if not has_checkpoint(context.config.folder):
        size = context.config.train.batch_size
        stage.to(context.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.config.seed)
            stage.begin(_endless(train, size), _endless(validation, size))
    return Work(stage, train, validation)


def _endless(source: Source[AnyBatch], size: int) -> Iterator[AnyBatch]:
    """Yield the batches of a source from the first one on."""
    return (source.batch(step, size) for step in itertools.count())


def make_stage(context: Context) -> Stage[Any]:
    """Build the networks of a stage and their loss.

    Raises:
        ConfigError: The weights that its result is averaged with have other shapes.
    """
    config = context.config.stage
    stage: Stage[Any] = import_object(config.implementation).from_config(config, context)
    name = config.average_with
    if name is not None:
        path = context.checkpoint_of(name)
        assert path is not None
        if wrong := misfit(context.load(path)[1], stage.deployable.state_dict()):
            raise ConfigError(
                f'average_with is {name!r}: {wrong}, as {config.name} has: choose networks of one '
                'size'
            )
    return stage


def make_validation(context: Context) -> Source[Any]:
    """Return the source of validation batches.

    Recordings for stages of raw pixels may be too short for a part of their own. The training
    part then stands in for it, as these stages log the loss and select nothing.

    Raises:
        DataSetError: Recordings cannot be used.
    """
    try:
        return make_batches(context, 'calibration')
    except DataSetError:
        if not context.config.stage.batches.raw_pixels:
            raise
        return make_batches(context, 'train')


def make_batches(context: Context, split: Split) -> Source[Any]:
    """Return the source of the batches of a stage: of one domain, or of pairs of both.

    Raises:
        DataSetError: Recordings cannot be used.
    """
    config, device, spec = context.config, context.device, context.config.stage.batches
    trains = split == 'train'
    config = with_held_out(config)
    if spec.domain == 'target':
        return make_target(config, split, device, in_order=trains, spec=spec)
    own = dataclasses.replace(spec, right=spec.right and spec.domain == 'source')
    source = make_source(config, split, device, spec=own, in_order=trains)
    if spec.domain == 'source':
        return source
    target = make_target(config, split, device, labels=False, in_order=trains, spec=spec)
    return DomainPair(source, target)


def describe(config: ResolvedStage) -> CheckpointInfo:
    """Return the metadata of the checkpoints of a stage."""
    stage, model, domains = config.stage, config.model, config.domains
    common: dict[str, Any] = {
        'architecture': model.architecture,
        'settings': dataclasses.asdict(SETTINGS[model.architecture](**model.settings)),
        'inputs': stage.inputs,
        'stage': stage.name,
        'datasets': datasets_of(domains)
        | (IMAGENET_WEIGHTS if stage.init_from == 'imagenet' else {}),
        'package_version': spike_depth_ros.__version__,
        'commit': source_commit(),
    }
    return task_of(stage.task).metadata(config, common)
