# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The scenes that a run's settings describe."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from spike_training.datasets.readers import LICENCES
from spike_training.datasets.splits import Split
from spike_training.evaluation.predictors import Scenes
from spike_training.runs.recordings import (
    Frames,
    focal_lengths,
    has_depth,
    look_up,
    recorded_source,
)
from spike_training.sampling.labelled import LabelledSource
from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.shifted import Optics, ShiftedSource
from spike_training.scenes.generator import SceneGenerator
from spike_training.sensor.parameters import SENSORS, Sensor
from spike_training.settings.config import (
    DataConfig,
    ModelConfig,
    RunConfig,
    StageConfig,
    TargetConfig,
)

TARGET_WORLD = 1 << 31
"""Added to the seed: no scene of the target is one of the source."""


def make_source(
    config: RunConfig,
    split: Split,
    device: torch.device,
    styles: Sequence[str] | None = None,
    rgb: bool = False,
    spikes: bool = True,
    in_order: bool = False,
) -> ProceduralSource | LabelledSource:
    """Recordings, or scenes of the procedural world, as the config describes them.

    Args:
        config: Of the run, or as a stage sees it.
        split: What they are used for.
        device: Where batches are.
        styles: Styles or data sets, see :attr:`DataConfig.parts`; all of them unless given.
        rgb: Whether batches have colour images.
        spikes: Whether spikes are needed; those of procedural scenes cost little.
        in_order: Whether many batches will be asked for one after another, so that processes that
            draw their scenes pay.

    Raises:
        DataSetError: A data set cannot be used.
    """
    data = config.data
    if data.recordings:
        return recorded_source(
            data, split, config.model.bins, size_multiple(config.model), device, config.seed,
            names=styles or (), rgb=rgb, spikes=spikes,
        )  # fmt: skip
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
        workers=data.workers if in_order else 0,
    )


def make_target(
    config: RunConfig,
    split: Split,
    device: torch.device,
    styles: Sequence[str] | None = None,
    labels: bool = True,
    in_order: bool = False,
) -> ShiftedSource | LabelledSource:
    """Recordings or scenes of the target as the config describes them, at the size of ``data``.

    They come with labels, which the evaluation reads. For training see
    :class:`spike_training.engine.sources.DomainPair`, which takes them away.

    Args:
        config: Of the run, or as a stage sees it.
        split: What they are used for.
        device: Where batches are.
        styles: Styles or data sets, see :attr:`DataConfig.parts`; all of them unless given.
        labels: Whether depth of recordings is read at all, and whether windows of spikes lie
            around it.
        in_order: As for :func:`make_source`.

    Raises:
        DataSetError: A data set cannot be used.
    """
    target = config.target
    assert target is not None  # checked with the config
    data = target.data(config.data)
    if data.recordings:
        # Views mirror what has no labels.
        data = dataclasses.replace(data, flip=data.flip and labels)
        return recorded_source(
            data, split, config.model.bins, size_multiple(config.model), device,
            config.seed + TARGET_WORLD, names=styles or (), labels=labels,
        )  # fmt: skip
    return ShiftedSource(
        optics_of(target),
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
    )


def optics_of(target: TargetConfig) -> Optics:
    """The lens, light and sensor of a target."""
    return Optics(
        target.light,
        target.contrast,
        target.vignette,
        target.blur,
        _scaled(SENSORS[target.sensor], target.sensor_scale),
    )


def _scaled(sensor: Sensor, scale: float) -> Sensor:
    """A sensor with so many times the flaws."""
    flaws = ('dark_current', 'response_mismatch', 'read_noise', 'hot_pixels')
    return dataclasses.replace(sensor, **{name: getattr(sensor, name) * scale for name in flaws})


def target_parts(config: RunConfig) -> list[str]:
    """Styles or data sets of the target that can be scored: those with labels.

    Raises:
        DataSetError: A data set cannot be used.
    """
    if config.target is None:
        return []
    data = config.target.data(config.data)
    if not data.recordings:
        return data.parts
    tested = {one.name for one in look_up(data) if has_depth(one.side('test', 0.0))}
    return [name for name in data.parts if name in tested]


def sample_frames(
    source: ProceduralSource | LabelledSource, number: int, batch_size: int, assumed_fx: float
) -> Scenes:
    """Return the first scenes of a source, or frames spread over recordings.

    Args:
        source: Of the scenes.
        number: Of scenes at most, a multiple of ``batch_size``.
        batch_size: Images at a time.
        assumed_fx: Focal length where a recording tells none, pixels.
    """
    if isinstance(source, LabelledSource):
        return Frames(source, min(number, len(source)), batch_size, assumed_fx)
    return Scenes(source, number, batch_size)


def domains_of(config: RunConfig, stage: StageConfig) -> list[DataConfig]:
    """What a stage looks at: the source, the target, or both."""
    domain = stage.batches.domain
    domains = [] if domain == 'target' else [config.data]
    if domain != 'source':
        assert config.target is not None  # checked with the config
        domains.append(config.target.data(config.data))
    return domains


def datasets_of(domains: Sequence[DataConfig]) -> dict[str, str]:
    """What is learnt from, and on which terms."""
    found: dict[str, str] = {}
    for data in domains:
        if data.recordings:
            found |= {name: LICENCES[name] for name in data.recordings}
        else:
            found['procedural world of this package'] = 'Apache-2.0'
    return found


def fx_range(config: RunConfig, domains: Sequence[DataConfig]) -> tuple[float, float]:
    """Shortest and longest focal length, pixels, of recordings and of 500 scenes of each style.

    Raises:
        DataSetError: A data set cannot be used.
    """
    found: list[float] = []
    for data in domains:
        if data.recordings:
            canonical = config.model.canonical_fx
            found += focal_lengths(data) or (canonical, canonical)
            continue
        worlds = [SceneGenerator(config.seed, style, 'train') for style in data.styles]
        focal = np.concatenate([world.batch(range(500)).focal for world in worlds]) * data.width
        found += [float(np.floor(focal.min())), float(np.ceil(focal.max()))]
    return min(found), max(found)


def size_multiple(model: ModelConfig) -> int:
    """What rows and columns of an image are multiples of, for a network."""
    return 16 * int(model.settings.get('pool', 1))
