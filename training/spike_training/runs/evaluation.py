# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation of networks and third-party depth on the test scenes of a config or on data sets."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from spike_depth_ros.checkpoint import Tensors
from spike_depth_ros.tasks.depth import DepthInfo
from spike_depth_ros.tasks.fused import FusedInfo
from spike_training.choices import MEAN_RATE
from spike_training.datasets import readers
from spike_training.datasets.clip import Clip, SpikeClip
from spike_training.errors import ConfigError, DataSetError
from spike_training.evaluation.calibration import NoTruthError, calibrate
from spike_training.evaluation.foundation import foundation_predictor
from spike_training.evaluation.predictions import Predictions
from spike_training.evaluation.predictors import (
    DepthRange,
    FloatImage,
    Predictor,
    build_for_evaluation,
    median_depth_map,
    network_predictor,
)
from spike_training.evaluation.report import BASELINE, FORMAT, ONE_DEPTH
from spike_training.evaluation.scores import Domain, EvaluationSet, evaluate_set
from spike_training.runs.recordings import has_depth, look_up
from spike_training.runs.sources import (
    make_frames,
    make_source,
    make_target,
    sample_frames,
    scored_parts,
    size_multiple,
)
from spike_training.sampling.clip_source import ClipSource
from spike_training.sampling.frames import CONDITIONS
from spike_training.sampling.labelled import LabelledSource
from spike_training.sampling.mixed import MixedSource
from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.spike_source import SpikeSource
from spike_training.settings.config import BatchSpec, DataConfig, ModelConfig, RunConfig
from spike_training.teacher import Teacher

DEVELOPMENT = ('sevenscenes', 'kitti', 'tum_office', 'tartanair', 'hololens')
"""Data sets used to develop scenes and networks: results on them are optimistic."""

BATCH_SIZE = 10
"""Batch size for data sets; results do not depend on it."""


def output_limits(config: RunConfig) -> ModelConfig:
    """Return the depth range and focal length that score a run: those of its last stage."""
    return config.stages[-1].resolve(config).model


def config_sets(
    config: RunConfig,
    device: torch.device,
    canonical_fx: float,
    rgb: bool = False,
    true_look: bool = False,
) -> Iterator[EvaluationSet]:
    """Yield the test sets of a config: each style or data set of the source, and of the target.

    Recordings without depth are left out.

    Labels of the target are read only here, and in stages with ``domain: target``.

    Args:
        config: Config of the run.
        device: Device of the samples.
        canonical_fx: Focal length of recordings without one, pixels.
        rgb: True for colour images; a target has none and is then left out.
        true_look: True for those of a generated target, too, in the colours of the source.
    """

    def one(
        domain: Domain,
        part: str,
        source: ProceduralSource | LabelledSource | MixedSource,
        data: DataConfig,
    ) -> EvaluationSet:
        sizes = config.evaluate
        samples = sample_frames(source, sizes.scenes, sizes.batch_size, canonical_fx)
        size = (source.height, source.width)
        return EvaluationSet(domain, part, samples, *size, source.planes, data.rate_hz)

    for part in scored_parts(config.data):
        source = make_source(config, 'test', device, [part], BatchSpec(rgb=rgb))
        yield one('source', part, source, config.data)
    target = config.target_data
    if target is not None and (true_look or not rgb):
        spec = BatchSpec('target', rgb=true_look)
        for part in scored_parts(target):
            source = make_target(config, 'test', device, [part], spec=spec)
            yield one('target', part, source, target)


@dataclasses.dataclass(frozen=True)
class DataSets:
    """Data sets given outside of the config, as evaluation sets.

    Attributes:
        config: Config with the size of images, plane rate and bins.
        places: Path and reader's options of each by its name, see :func:`readers.read`.
        samples: Labelled frames of each, spread over its recordings; all if there are fewer.
        planes: Length of the windows.
        mean_rate: Share of the planes in which a pixel of simulated spikes fires.
        multiple: Factor of height and width of recorded spikes that the network requires; 0: that
            of the config's network.
        rgb: True for colour images.
    """

    config: RunConfig
    places: Mapping[str, str]
    samples: int
    planes: int
    mean_rate: float = MEAN_RATE
    multiple: int = 0
    rgb: bool = False

    def sets(self, device: torch.device) -> Iterator[EvaluationSet]:
        """Yield an evaluation set for each data set.

        Raises:
            DataSetError: A data set cannot be used, or fewer than two samples are wanted.
        """
        if self.samples < 2:
            raise DataSetError(f'samples is {self.samples}: expected 2 or more')
        for name, where in self.places.items():
            clips = readers.read(name, where)
            source = self.source(clips, device)
            recorded = [clip.rate_hz for clip in clips if isinstance(clip, SpikeClip)]
            yield EvaluationSet(
                'data',
                name,
                sample_frames(source, self.samples, BATCH_SIZE, math.nan),
                source.height,
                source.width,
                source.planes,
                max(recorded, default=self.config.data.rate_hz),
                'development set' if name in DEVELOPMENT else 'test',
                {clip.name: clip.skipped for clip in clips if clip.skipped},
            )

    def source(
        self, clips: Sequence[Clip] | Sequence[SpikeClip], device: torch.device
    ) -> LabelledSource:
        """Return samples of recordings: spikes simulated from frames, or recorded spikes.

        Raises:
            DataSetError: The recordings cannot be used.
        """
        data, bins = self.config.data, self.config.model.bins
        frames = [clip for clip in clips if isinstance(clip, Clip)]
        if frames:
            return ClipSource(
                frames,
                data.height,
                data.width,
                (self.planes,),
                data.rate_hz,
                bins,
                self.mean_rate,
                with_rgb=self.rgb,
                device=device,
            )
        spikes = [clip for clip in clips if isinstance(clip, SpikeClip)]
        if self.rgb:
            raise DataSetError(f'{spikes[0].name}: holds spikes, but the network takes RGB')
        multiple = self.multiple or size_multiple(output_limits(self.config))
        return SpikeSource(spikes, self.planes, bins, multiple, device=device)


class Baselines:
    """Median-depth maps over the training scenes of a config, made once for each size and part.

    Args:
        config: Config of the training scenes or recordings.
        canonical_fx: Focal length at which depth is given, pixels.
        device: Device of the scenes.
    """

    def __init__(self, config: RunConfig, canonical_fx: float, device: torch.device) -> None:
        self._config, self._fx, self._device = config, canonical_fx, device
        self._known: dict[tuple[str, int, int], FloatImage] = {}

    def of(self, one: EvaluationSet) -> dict[str, FloatImage]:
        """Return the baseline maps of an evaluation set, by their key in reports.

        The map is that of the same style or data set if the config trains on it, else that of all
        its training data, and beside it one depth, its median. For a data set given outside of the
        config there is a map of each style.
        """
        data = self._config.data
        parts = [*data.recordings] or [*data.styles, *data.mixed_recordings]
        if one.domain == 'data':
            return {f'{BASELINE}_{part}': self._map(part, one) for part in parts}
        found = self._map(one.part if one.part in parts else '', one)
        return {BASELINE: found, ONE_DEPTH: np.full_like(found, np.nanmedian(found))}

    def _map(self, part: str, one: EvaluationSet) -> FloatImage:
        key = (part, one.height, one.width)
        if key not in self._known:
            data = dataclasses.replace(self._config.data, height=one.height, width=one.width)
            config = dataclasses.replace(self._config, data=data)
            parts, sizes = [part] if part else None, config.evaluate
            source = make_source(config, 'train', self._device, parts, BatchSpec(spikes=False))
            scenes = sample_frames(source, sizes.baseline_scenes, sizes.batch_size, self._fx)
            self._known[key] = median_depth_map(scenes, self._fx)
        return self._known[key]


def evaluate_sets(
    sets: Iterable[EvaluationSet],
    predictor: Callable[[str], Predictor],
    limits: DepthRange,
    baselines: Baselines,
) -> dict[str, Any]:
    """Evaluate sets with :func:`evaluate_set` and return the ``sets`` of a report.

    Args:
        sets: Evaluation sets.
        predictor: Function from the name of a set to its predictor.
        limits: Depth range and focal length of the evaluation.
        baselines: Baselines of the same focal length.
    """
    return {
        one.name: evaluate_set(predictor(one.name), limits, one, baselines.of(one)) for one in sets
    }


def evaluate_network(
    config: RunConfig,
    info: DepthInfo,
    network: nn.Module,
    device: torch.device,
    data_sets: DataSets | None = None,
    true_look: bool = False,
) -> dict[str, Any]:
    """Evaluate a network and return the report.

    Args:
        config: Config with the test sets and the scenes of the baselines.
        info: Metadata of the network.
        network: Network in eval mode; may wrap that of the checkpoint.
        device: Device of the network.
        data_sets: Data sets to evaluate in place of the config's test sets.
        true_look: True to show a network of RGB a generated target in the source's colours.
    """
    predictor = network_predictor(network, info)
    rgb = info.inputs == ('rgb',)
    sets = config_sets(config, device, info.canonical_fx, rgb, true_look)
    if data_sets is not None:
        sets = dataclasses.replace(data_sets, multiple=info.multiple, rgb=rgb).sets(device)
    baselines = Baselines(config, info.canonical_fx, device)
    return {
        'format': FORMAT,
        'stage': info.stage,
        'weights_sha256': info.weights_sha256,
        'seed': config.seed,
        'sets': evaluate_sets(sets, lambda name: predictor, info, baselines),
    }


def evaluate_fused(
    config: RunConfig, info: FusedInfo, network: nn.Module, device: torch.device
) -> dict[str, Any]:
    """Evaluate a network of spikes and a frame; each set has a condition of them.

    Args:
        config: Config with the test scenes and those of the baseline.
        info: Metadata of the network.
        network: Network in eval mode.
        device: Device of the network.

    Returns:
        The report; ``part`` of a set is one of :data:`~.frames.CONDITIONS`. Each has scenes of all
        styles, the same in all of them.
    """
    predictor, sizes = network_predictor(network, info), config.evaluate
    baselines, scored = Baselines(config, info.canonical_fx, device), {}
    for condition in CONDITIONS:
        source = make_frames(config, 'test', device, condition)
        samples = sample_frames(source, sizes.scenes, sizes.batch_size, info.canonical_fx)
        size, rate_hz = (source.height, source.width), config.data.rate_hz
        one = EvaluationSet('source', condition, samples, *size, source.planes, rate_hz)
        scored[one.name] = evaluate_set(predictor, info, one, baselines.of(one))
    return {
        'format': FORMAT,
        'task': 'fused',
        'stage': info.stage,
        'weights_sha256': info.weights_sha256,
        'seed': config.seed,
        'sets': scored,
    }


def evaluate_predictions(
    config: RunConfig,
    predictions: Predictions,
    device: torch.device,
    data_sets: DataSets | None = None,
) -> dict[str, Any]:
    """Evaluate third-party depth maps and return the report; ``predictions`` lists those used.

    Args:
        config: As for :func:`evaluate_network`; its last stage's network sets the depth range.
        predictions: The maps.
        device: Device of the samples.
        data_sets: As for :func:`evaluate_network`.

    Raises:
        DataSetError: None of the maps can be used.
    """
    limits = output_limits(config)
    sets = config_sets(config, device, limits.canonical_fx)
    if data_sets is not None:
        sets = data_sets.sets(device)
    baselines = Baselines(config, limits.canonical_fx, device)
    scored = evaluate_sets(sets, lambda name: predictions.of(name, limits), limits, baselines)
    return {
        'format': FORMAT,
        'stage': 'predictions',
        'weights_sha256': None,
        'seed': config.seed,
        'predictions': predictions.report(),
        'sets': scored,
    }


def evaluate_teacher(
    config: RunConfig, teacher: Teacher, device: torch.device, data_sets: DataSets | None = None
) -> dict[str, Any]:
    """Evaluate a foundation model on pictures of the spikes and return the report.

    Args:
        config: As for :func:`evaluate_predictions`.
        teacher: The model.
        device: Device of the samples.
        data_sets: As there.

    Raises:
        DataSetError: A data set cannot be used.
    """
    limits, files = output_limits(config), teacher.files
    sets = config_sets(config, device, limits.canonical_fx)
    if data_sets is not None:
        sets = data_sets.sets(device)
    baselines = Baselines(config, limits.canonical_fx, device)
    scored = {}
    for one in sets:
        predictor = foundation_predictor(teacher, files.relative, one, limits.canonical_fx)
        scored[one.name] = evaluate_set(
            predictor, limits, one, baselines.of(one), relative=files.relative
        )
    return {
        'format': FORMAT,
        'stage': files.folder.name,
        'scored': 'foundation model',
        'weights_sha256': files.sha256(),
        'seed': config.seed,
        'sets': scored,
    }


def calibrated(
    config: RunConfig, info: DepthInfo, weights: Tensors, device: torch.device
) -> DepthInfo:
    """Fit the 68 % interval on calibration scenes and return the metadata with it.

    Without depth in metres there is nothing to fit it to. Frames and spikes of the task ``fused``
    are undamaged.
    """
    if config.data.recordings:
        held = (clip for one in look_up(config.data) for clip in one.side('calibration', 0.0))
        if not has_depth(held):
            print('the uncertainty is not calibrated: the scenes hold no depth in metres')
            return info
    network = build_for_evaluation(info, weights, device)
    number = config.evaluate.calibration_scenes * len(config.data.parts)
    rgb = info.inputs == ('rgb',)
    spec = BatchSpec(rgb=rgb, spikes=not rgb)
    source = (
        make_frames(config, 'calibration', device, 'clean')
        if isinstance(info, FusedInfo)
        else make_source(config, 'calibration', device, spec=spec)
    )
    scenes = sample_frames(source, number, config.evaluate.batch_size, info.canonical_fx)
    try:
        return calibrate(network, info, scenes.tracked('calibration'))
    except NoTruthError as error:
        print(f'the uncertainty is not calibrated: {error}')
        return info


def check_size(config: RunConfig, info: DepthInfo) -> None:
    """Refuse a config whose images a network cannot take.

    Raises:
        ConfigError: Height or width is not a multiple that the network requires.
    """
    height, width = config.data.height, config.data.width
    if height % info.multiple or width % info.multiple:
        raise ConfigError(
            f'data.height is {height} and data.width {width}: expected multiples of '
            f'{info.multiple}, which {info.architecture} of this checkpoint works on'
        )
