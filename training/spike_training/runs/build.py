# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From settings to what the loop runs: networks, stages, and where their batches come from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic

import torch

import spike_depth_ros
from spike_depth_ros.checkpoint import DepthInfo, Tensors, load
from spike_depth_ros.model.depth_net import SpikeDepthNet
from spike_depth_ros.model.registry import IMAGENET, SETTINGS, build, build_with_weights
from spike_training.datasets.splits import Split
from spike_training.engine.checkpoints import has_checkpoint
from spike_training.engine.pairs import DomainPair
from spike_training.engine.processes import is_first
from spike_training.engine.stage import Source, Stage
from spike_training.errors import ConfigError
from spike_training.methods.bicross.stages.cross_domain import CrossDomain
from spike_training.methods.bicross.stages.cross_modality import CrossModality
from spike_training.methods.bicross.stages.pretrain import Pretrain
from spike_training.methods.bicross.statistics import batch_norms, estimate_statistics
from spike_training.runs.sessions import source_commit
from spike_training.runs.sources import datasets_of, domains_of, fx_range, make_source, make_target
from spike_training.sampling.sample import AnyBatch, Unlabelled
from spike_training.settings.config import RunConfig, StageConfig


@dataclasses.dataclass(frozen=True)
class Context:
    """What a stage is built from.

    Attributes:
        config: Of the run, with data and model as this stage sees them.
        stage: Of the stage.
        info: What its checkpoints say of themselves.
        trained: The checkpoints of the stages before it, by name, in their order.
        device: Where batches are made.
        load: Reads one of these checkpoints.
    """

    config: RunConfig
    stage: StageConfig
    info: DepthInfo
    trained: Mapping[str, Path]
    device: torch.device
    load: Callable[[Path], tuple[DepthInfo, Tensors]] = load

    @property
    def folder(self) -> Path:
        """Where the stage keeps its checkpoints and records."""
        return self.config.out / self.stage.name


@dataclasses.dataclass(frozen=True)
class Work(Generic[AnyBatch]):
    """What the loop needs of a stage.

    Attributes:
        stage: Networks and loss.
        train: Batches to learn from.
        validation: Batches of other scenes.
    """

    stage: Stage[AnyBatch]
    train: Source[AnyBatch]
    validation: Source[AnyBatch]


def context(
    config: RunConfig, stage: StageConfig, trained: Mapping[str, Path], device: torch.device
) -> Context:
    """The context of a stage of a run."""
    here = dataclasses.replace(
        config, data=stage.data(config.data), model=stage.model(config.model, config.data)
    )
    return Context(here, stage, describe(here, stage), trained, device)


def make_work(context: Context) -> Work[Any]:
    """Builds a stage by its kind.

    All that is random in it comes from the run's seed, whatever was trained before it in this
    process: a run that goes on builds the same.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(context.config.seed)
        stage = make_stage(context)
    train, validation = (make_batches(context, split) for split in ('train', 'calibration'))
    return Work(stage, train, validation)


def make_stage(context: Context) -> Stage[Any]:
    """The networks of a stage and their loss.

    Raises:
        ConfigError: The network that its result is averaged with is another one.
    """
    stage = KINDS[context.stage.kind](context)
    name = context.stage.average_with
    if name is not None:
        given = context.load(context.trained[name])[1]
        own = stage.deployable.state_dict()
        differ = sorted(k for k in own.keys() | given.keys() if _shape(own, k) != _shape(given, k))
        if differ:
            raise ConfigError(
                f'average_with is {name!r}: its {differ[0]} is {_shape(given, differ[0])}, that '
                f'of {context.stage.name} {_shape(own, differ[0])}; expected networks of one size'
            )
    return stage


def _shape(weights: Mapping[str, Any], name: str) -> list[int] | None:
    return list(weights[name].shape) if name in weights else None


def make_batches(context: Context, split: Split) -> Source[Any]:
    """Where the batches of a stage come from: one domain, or pairs of both.

    Raises:
        DataSetError: Recordings cannot be used.
    """
    config, stage, device = context.config, context.stage, context.device
    trains = split == 'train'
    if stage.kind == 'cross_domain':
        return DomainPair(
            make_source(config, split, device, in_order=trains),
            make_target(config, split, device, labels=False, in_order=trains),
        )
    if stage.domain == 'target':  # the upper bound, which has labels of the target
        return make_target(config, split, device, in_order=trains)
    both = stage.kind == 'cross_modality'
    rgb = stage.input == 'rgb'
    return make_source(
        config, split, device, rgb=rgb or both, spikes=both or not rgb, in_order=trains
    )


def _pretrain(context: Context) -> Stage[Any]:
    return Pretrain(first_weights(context), context.stage, context.config.model)


def _cross_modality(context: Context) -> Stage[Any]:
    stage = context.stage
    assert stage.teacher is not None  # checked with the config
    teacher = build_with_weights(*context.load(context.trained[stage.teacher]))
    assert isinstance(teacher, SpikeDepthNet)
    student = first_weights(context)
    return CrossModality(student, teacher, stage, context.config.model, _dim(context))


def _cross_domain(context: Context) -> Stage[Any]:
    config, stage, device = context.config, context.stage, context.device
    student = first_weights(context)
    # A stage that goes on has its statistics in its checkpoint.
    if stage.adapt.start_batches and batch_norms(student) and not has_checkpoint(context.folder):
        number, size = stage.adapt.start_batches, stage.train(config.train).batch_size
        estimate_statistics(student.to(device), target_batches(config, number, size, device))
    return CrossDomain(student, stage, config.model, _dim(context))


KINDS: dict[str, Callable[[Context], Stage[Any]]] = {
    'pretrain': _pretrain,
    'cross_modality': _cross_modality,
    'cross_domain': _cross_domain,
}
"""What builds a stage, by its kind."""


def target_batches(
    config: RunConfig, number: int, batch_size: int, device: torch.device
) -> Iterator[Unlabelled]:
    """The first batches of the target's training scenes, as the camera saw them."""
    source = make_target(config, 'train', device, labels=False)
    for step in range(number):
        yield source.batch(step, batch_size).unlabelled()


def _dim(context: Context) -> int:
    """Width of the network's tokens."""
    dim: int = context.info.settings['dim']
    return dim


def first_weights(context: Context) -> SpikeDepthNet:
    """A network with the weights that a stage starts from.

    Random ones of torch's global generator, ImageNet's, or those of an earlier stage wherever the
    shapes fit.
    """
    stage = context.stage
    network = build(context.info)
    assert isinstance(network, SpikeDepthNet)
    if stage.start == 'imagenet':
        load_imagenet = IMAGENET[context.info.architecture][1]  # checked with the config
        load_imagenet(network.encoder, stage.imagenet)
    elif stage.start != 'scratch':
        name = [*context.trained][-1] if stage.start == 'previous' else stage.start
        _take_over(network, context, context.trained[name])
    return network


def _take_over(network: SpikeDepthNet, context: Context, checkpoint: Path) -> None:
    own = network.state_dict()
    given = {name: torch.from_numpy(value) for name, value in context.load(checkpoint)[1].items()}
    fitting = {
        name: value
        for name, value in given.items()
        if name in own and own[name].shape == value.shape
    }
    network.load_state_dict(own | fitting)
    fresh = sorted(own.keys() - fitting.keys())
    if is_first():
        print(
            f'{context.stage.name}: weights of {checkpoint}; new are {", ".join(fresh) or "none"}'
        )


def describe(config: RunConfig, stage: StageConfig) -> DepthInfo:
    """What the checkpoints of a stage say of themselves."""
    model, domains = config.model, domains_of(config, stage)
    spikes = stage.input == 'spikes'
    planes = sorted(length for data in domains for length in data.planes)
    rates = [data.rate_hz for data in domains]
    return DepthInfo(
        architecture=model.architecture,
        settings=dataclasses.asdict(SETTINGS[model.architecture](**model.settings)),
        planes=planes[len(planes) // 2],
        planes_range=(planes[0], planes[-1]),
        bins=model.bins if spikes else 3,
        inputs=(stage.input,),
        rate_hz_range=(min(rates), max(rates)),
        min_depth=model.min_depth,
        max_depth=model.max_depth,
        canonical_fx=model.canonical_fx,
        fx_range=fx_range(config, domains),
        scale='metric',
        stage=stage.name,
        datasets=datasets_of(domains),
        package_version=spike_depth_ros.__version__,
        commit=source_commit(),
    )
