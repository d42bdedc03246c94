# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sources of scenes and recordings of a run's settings, and the steps of an epoch."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from spike_training.choices import Split
from spike_training.datasets.readers import LICENCES
from spike_training.errors import ConfigError, DataSetError
from spike_training.evaluation.predictors import Scenes
from spike_training.run_data.recordings import (
    Frames,
    focal_lengths,
    has_depth,
    mixed_alone,
    open_recordings,
    recorded_source,
)
from spike_training.sampling.labelled import LabelledSource
from spike_training.sampling.mixed import MixedSource
from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.sample import Unlabelled
from spike_training.sampling.shifted import Optics, ShiftedSource
from spike_training.sampling.spike_source import SpikeSource
from spike_training.sensor.parameters import SENSORS, Sensor
from spike_training.settings.config import (
    BatchSpec,
    DataConfig,
    ModelConfig,
    ResolvedStage,
    RunConfig,
    StageConfig,
    TargetConfig,
)
from spike_worlds.generator import SceneGenerator

TARGET_WORLD = 1 << 31
"""Offset of the target's seed, so that source and target share no scene."""


def make_source(
    config: RunConfig | ResolvedStage,
    split: Split,
    device: torch.device,
    styles: Sequence[str] | None = None,
    spec: BatchSpec = BatchSpec(),  # noqa: B008 - frozen
    in_order: bool = False,
) -> ProceduralSource | LabelledSource | MixedSource:
    """Return a source of recordings, of procedural scenes or of both, as set in the config.

    Args:
        config: Settings of a run, as for its evaluation, or of a stage.
        split: Split of the recordings or scenes.
        device: Device of the batches.
        styles: Styles or data sets, see :attr:`DataConfig.parts`; all of them unless given. Given
            styles are not mixed.
        spec: Required contents of the batches.
        in_order: True if many consecutive batches are read, for which worker processes that draw
            scenes are worthwhile.

    Raises:
        DataSetError: A data set cannot be used.
    """
    data = config.data
    sets = [name for name in styles or () if name in data.mixed_recordings]
    alone = mixed_alone(data) if sets else data
    if alone.recordings:
        return recorded_source(
            alone, split, config.model.bins, size_multiple(config.model), device, config.seed,
            styles or (), spec,
        )  # fmt: skip
    scenes = ProceduralSource(
        styles=tuple(styles or data.styles),
        seed=config.seed,
        split=split,
        height=data.height,
        width=data.width,
        planes=tuple(data.planes),
        rate_hz=data.rate_hz,
        rates_hz=tuple(data.rates_hz) if split == 'train' else (),
        bins=config.model.bins,
        with_rgb=spec.rgb,
        with_spikes=spec.spikes,
        with_image=spec.image,
        with_frame=spec.frame,
        dropped=spec.dropped,
        other_scene=spec.other_scene,
        with_right=spec.right,
        baseline_factors=spec.baseline_factors,
        band='right' if spec.right_band else 'none',
        events=data.events if spec.events else None,
        device=device,
        workers=data.workers if in_order else 0,
    )
    if styles or not data.mixed_recordings:
        return scenes
    return _mix(config, split, scenes, spec)


def make_frames(
    config: RunConfig, split: Split, device: torch.device, condition: str
) -> ProceduralSource:
    """Return generated scenes of all styles with frames beside the spikes.

    Args:
        config: Settings of a run.
        split: Split of the scenes.
        device: Device of the batches.
        condition: What is wrong with frame or spikes, one of :data:`~.frames.CONDITIONS`.

    Raises:
        ConfigError: The settings have recordings.
    """
    if config.data.recordings or config.data.mixed_recordings:
        raise ConfigError(
            'the config has recordings: expected generated scenes alone for a network of spikes '
            'and a frame'
        )
    source = make_source(config, split, device, spec=BatchSpec(frame=True))
    assert isinstance(source, ProceduralSource)
    source.condition = condition
    return source


def _mix(
    config: RunConfig | ResolvedStage, split: Split, scenes: ProceduralSource, spec: BatchSpec
) -> MixedSource:
    """Return scenes of which a share is replaced, as set in the config."""
    data, model = config.data, config.model
    views: dict[float, LabelledSource] = {}
    for rate_hz in {*scenes.rates_hz, scenes.rate_hz}:
        own = dataclasses.replace(mixed_alone(data), rate_hz=rate_hz)
        source = recorded_source(
            own, split, model.bins, size_multiple(model), torch.device('cpu'), config.seed,
            spec=spec,
        )  # fmt: skip
        if isinstance(source, SpikeSource) and not spec.spikes:
            raise DataSetError(
                f'{source.recording(0)}: data.mixed_recordings has spikes, and the stage learns '
                'without: expected recordings of frames'
            )
        if isinstance(source, SpikeSource) and (
            source.binning > 1 or (source.height, source.width) != (data.height, data.width)
        ):
            raise DataSetError(
                f'{source.recording(0)}: data.height is {data.height} and data.width '
                f'{data.width}, but {source.height} rows and {source.width} columns of '
                f'{source.binning}x{source.binning} pixels are left of its sensor: expected its '
                f'size, down to multiples of {size_multiple(model)}'
            )
        views[rate_hz] = source
    flip = data.flip and split == 'train'
    return MixedSource(
        scenes, views, data.styles, data.mixed_styles, data.mixed_share, flip, data.workers
    )


def make_target(
    config: RunConfig | ResolvedStage,
    split: Split,
    device: torch.device,
    styles: Sequence[str] | None = None,
    labels: bool = True,
    in_order: bool = False,
    spec: BatchSpec = BatchSpec(),  # noqa: B008 - frozen
) -> ShiftedSource | LabelledSource:
    """Return a source of recordings or scenes of the target, at the size of ``data``.

    Its batches have labels for the evaluation; for training
    :class:`spike_training.sampling.sample.DomainPair` removes them.

    Args:
        config: As for :func:`make_source`.
        split: Split of the recordings or scenes.
        device: Device of the batches.
        styles: Styles or data sets, see :attr:`DataConfig.parts`; all of them unless given.
        labels: True to read the depth of recordings and to centre windows of spikes on it.
        in_order: As for :func:`make_source`.
        spec: Whether batches are pairs of eyes, and their baselines, and whether those without
            labels are mirrored; of the domain ``target`` also
            whether they have colours, of generated scenes as the source's camera sees them. The
            rest does not apply.

    Raises:
        DataSetError: A data set cannot be used.
    """
    data, target = config.target_data, config.target
    assert data is not None  # checked with the config
    assert target is not None
    if data.recordings:
        data = dataclasses.replace(data, flip=data.flip and (labels or spec.mirrored))
        return recorded_source(
            data, split, config.model.bins, size_multiple(config.model), device,
            config.seed + TARGET_WORLD, names=styles or (), labels=labels,
            spec=BatchSpec(right=spec.right),
        )  # fmt: skip
    return ShiftedSource(
        optics_of(target),
        target.fog_m,
        target.speed,
        styles=tuple(styles or data.styles),
        seed=config.seed + TARGET_WORLD,
        split=split,
        height=data.height,
        width=data.width,
        planes=tuple(data.planes),
        rate_hz=data.rate_hz,
        bins=config.model.bins,
        device=device,
        workers=data.workers if in_order else 0,
        with_rgb=spec.rgb and spec.domain == 'target',
        with_right=spec.right,
        baseline_factors=spec.baseline_factors,
        band='all' if target.band == 'other' else 'none',
    )


def optics_of(target: TargetConfig) -> Optics:
    """Return the lens, light and sensor of a target."""
    return Optics(
        target.light,
        target.contrast,
        target.vignette,
        target.blur,
        dataclasses.replace(
            _scaled(SENSORS[target.sensor], target.sensor_scale), row_mismatch=target.row_mismatch
        ),
        target.veil,
    )


def _scaled(sensor: Sensor, scale: float) -> Sensor:
    """Scale the noise and mismatch of a sensor."""
    flaws = ('dark_current', 'response_mismatch', 'read_noise', 'hot_pixels')
    return dataclasses.replace(sensor, **{name: getattr(sensor, name) * scale for name in flaws})


def scored_parts(data: DataConfig) -> list[str]:
    """Return the styles or data sets whose tests have labels, which can be scored.

    Raises:
        DataSetError: A data set cannot be used.
    """
    if not data.recordings:
        return data.parts
    tested = {one.name for one in open_recordings(data).sets if has_depth(one.side('test', 0.0))}
    return [name for name in data.parts if name in tested]


def sample_frames(
    source: ProceduralSource | LabelledSource | MixedSource,
    number: int,
    batch_size: int,
    assumed_fx: float,
) -> Scenes:
    """Return the first scenes of a source, or frames spread over recordings.

    Args:
        source: Source of the samples.
        number: Largest number of samples, a multiple of ``batch_size``.
        batch_size: Images of a batch.
        assumed_fx: Focal length of recordings without one, pixels.
    """
    if isinstance(source, LabelledSource):
        return Frames(source, min(number, len(source)), batch_size, assumed_fx)
    return Scenes(source, number, batch_size)


def datasets_of(domains: Sequence[DataConfig]) -> dict[str, str]:
    """Return the licence of each training data set, and of models that have labelled them.

    Raises:
        DataSetError: A data set cannot be used.
    """
    found: dict[str, str] = {}
    for data in domains:
        recorded = data
        if not data.recordings:
            found['procedural scenes of this package'] = 'Apache-2.0'
            recorded = mixed_alone(data)
        found |= {name: LICENCES[name] for name in recorded.recordings}
        labels = open_recordings(recorded).labels
        found |= {one.data_set: one.licence for one in labels}
    return found


def is_relative(data: DataConfig) -> bool:
    """Check whether all depth of settings is relative, so that nothing tells metres.

    Raises:
        DataSetError: A data set cannot be used.
    """
    found = open_recordings(data)
    return any(one.relative for one in found.labels) and not found.has_metres


def fx_range(config: ResolvedStage) -> tuple[float, float]:
    """Return the shortest and longest focal length that a stage trains on, pixels.

    Of procedural scenes 500 of each style are used.

    Raises:
        DataSetError: A data set cannot be used.
    """
    found: list[float] = []
    for data in config.domains:
        if data.recordings:
            canonical = config.model.canonical_fx
            found += focal_lengths(data) or (canonical, canonical)
            continue
        if data.mixed_recordings:
            found += focal_lengths(mixed_alone(data)) or ()
        ranges = [_focal_range(config.seed, style) for style in data.styles]
        focal = np.concatenate(ranges) * data.width
        found += [float(np.floor(focal.min())), float(np.ceil(focal.max()))]
    return min(found), max(found)


@functools.cache
def _focal_range(seed: int, style: str) -> npt.NDArray[np.float32]:
    """Return the shortest and longest focal length of training scenes, image widths."""
    focal = SceneGenerator(seed, style, 'train').batch(range(500)).focal
    return np.stack([focal.min(), focal.max()])


def size_multiple(model: ModelConfig) -> int:
    """Return the factor of rows and columns of an image that a network requires."""
    return 16 * int(model.settings.get('pool', 1))


def with_steps(config: RunConfig, processes: int) -> RunConfig:
    """Convert the epochs of all stages of a run to steps.

    Args:
        config: Config of the run.
        processes: Number of training processes: with more of them an epoch has fewer steps.

    Raises:
        DataSetError: Recordings whose samples are to be counted cannot be used.
    """
    return dataclasses.replace(
        config, stages=[_with_steps(config, stage, processes) for stage in config.stages]
    )


def with_held_out(config: ResolvedStage) -> ResolvedStage:
    """Return the settings of the windows of a stage, longer by the planes that it holds out."""
    data, model, held_out = config.data, config.model, config.stage.batches.held_out
    return dataclasses.replace(
        config,
        data=dataclasses.replace(data, planes=[n + held_out for n in data.planes]),
        model=dataclasses.replace(model, bins=model.bins + held_out),
    )


def samples_of(config: ResolvedStage) -> int:
    """Count the samples of an epoch of a stage: those of the target if it trains on the target.

    Raises:
        DataSetError: The recordings cannot be used.
    """
    cpu, spec = torch.device('cpu'), config.stage.batches
    config = with_held_out(config)
    source = (
        make_source(config, 'train', cpu, spec=BatchSpec(spikes=False, right=spec.right))
        if spec.domain == 'source'
        else make_target(config, 'train', cpu, labels=spec.domain == 'target', spec=spec)
    )
    assert isinstance(source, LabelledSource)  # checked with the config
    return len(source)


def _with_steps(config: RunConfig, stage: StageConfig, processes: int) -> StageConfig:
    if stage.epochs is None:
        return stage
    here = config.resolve(stage)
    images = here.train.batch_size * here.train.accumulate * processes
    steps = max(1, math.ceil(stage.epochs * samples_of(here) / images))
    return dataclasses.replace(stage, epochs=None, steps=steps)


def target_batches(
    config: RunConfig, number: int, batch_size: int, device: torch.device
) -> Iterator[Unlabelled]:
    """Yield the first batches of the target's training scenes, without labels or augmentation."""
    source = make_target(config, 'train', device, labels=False)
    for step in range(number):
        yield source.batch(step, batch_size).unlabelled()
