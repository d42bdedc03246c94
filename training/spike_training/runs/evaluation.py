# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation of networks and third-party depth on the test scenes of a config or on data sets."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from spike_depth_ros.checkpoint import DepthInfo, Tensors
from spike_training.datasets import readers
from spike_training.datasets.clip import Clip, SpikeClip
from spike_training.errors import ConfigError, DataSetError
from spike_training.evaluation.calibration import fit_uncertainty_factor
from spike_training.evaluation.predictions import Predictions
from spike_training.evaluation.predictors import (
    DepthRange,
    FloatImage,
    Predictor,
    build_for_evaluation,
    median_depth_map,
    network_predictor,
)
from spike_training.evaluation.report import BASELINE, FORMAT
from spike_training.evaluation.scores import Domain, EvaluationSet, evaluate_set
from spike_training.runs.sources import (
    make_source,
    make_target,
    sample_frames,
    size_multiple,
    target_parts,
)
from spike_training.sampling.clip_source import MEAN_RATE, ClipSource
from spike_training.sampling.labelled import LabelledSource
from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.spike_source import SpikeSource
from spike_training.settings.config import DataConfig, ModelConfig, RunConfig

DEVELOPMENT = ('sevenscenes', 'kitti', 'tum_office', 'tartanair')
"""Data sets on which generated scenes and networks were developed: their figures flatter them."""

BATCH_SIZE = 10
"""Images of a data set at a time; changes no figure."""


def output_limits(config: RunConfig) -> ModelConfig:
    """What the result of a run is scored by: the settings of the network of its last stage."""
    return config.stages[-1].model(config.model, config.data)


def config_sets(
    config: RunConfig, device: torch.device, canonical_fx: float, rgb: bool = False
) -> Iterator[EvaluationSet]:
    """The test sets of a config: each style or data set of the source, and of the target.

    Only here, and in stages that name ``domain: target``, labels of the target are read.

    Args:
        config: Names them.
        device: Where samples are made.
        canonical_fx: Focal length where a recording tells none, pixels.
        rgb: Whether colour images are wanted; a target has none and is left out then.
    """

    def one(
        domain: Domain, part: str, source: ProceduralSource | LabelledSource, data: DataConfig
    ) -> EvaluationSet:
        sizes = config.evaluate
        samples = sample_frames(source, sizes.scenes, sizes.batch_size, canonical_fx)
        size = (source.height, source.width)
        return EvaluationSet(domain, part, samples, *size, source.planes, data.rate_hz)

    for part in config.data.parts:
        yield one('source', part, make_source(config, 'test', device, [part], rgb), config.data)
    if config.target is not None and not rgb:
        for part in target_parts(config):
            source = make_target(config, 'test', device, [part])
            yield one('target', part, source, config.target.data(config.data))


@dataclasses.dataclass(frozen=True)
class DataSets:
    """Data sets that no config names, as samples.

    Attributes:
        config: Size of images, plane rate, bins.
        places: Path and reader's options of each by its name, see :func:`readers.read`.
        samples: Labelled frames of each, spread over its recordings; all if there are fewer.
        planes: Length of the windows.
        mean_rate: Share of the planes in which a pixel of simulated spikes fires.
        multiple: What height and width of recorded spikes are multiples of, for the network;
            0: what the config's wants.
        rgb: Whether colour images are wanted.
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
        """Samples of recordings: simulated from frames, or as a spike camera saw them.

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
        config: Its training scenes, or recordings.
        canonical_fx: The focal length that depth is given at, pixels.
        device: Where scenes are made.
    """

    def __init__(self, config: RunConfig, canonical_fx: float, device: torch.device) -> None:
        self._config, self._fx, self._device = config, canonical_fx, device
        self._known: dict[tuple[str, int, int], FloatImage] = {}

    def of(self, one: EvaluationSet) -> dict[str, FloatImage]:
        """The maps that a set is compared with, by their key in reports.

        That of the same style or data set where the config trains on it, else of everything that
        it trains on; for a data set that no config names one of each style.
        """
        parts = self._config.data.parts
        if one.domain == 'data':
            return {f'{BASELINE}_{part}': self._map(part, one) for part in parts}
        return {BASELINE: self._map(one.part if one.part in parts else '', one)}

    def _map(self, part: str, one: EvaluationSet) -> FloatImage:
        key = (part, one.height, one.width)
        if key not in self._known:
            data = dataclasses.replace(self._config.data, height=one.height, width=one.width)
            config = dataclasses.replace(self._config, data=data)
            parts, sizes = [part] if part else None, config.evaluate
            source = make_source(config, 'train', self._device, parts, spikes=False)
            scenes = sample_frames(source, sizes.baseline_scenes, sizes.batch_size, self._fx)
            self._known[key] = median_depth_map(scenes, self._fx)
        return self._known[key]


def evaluate_sets(
    sets: Iterable[EvaluationSet],
    predictor: Callable[[str], Predictor],
    limits: DepthRange,
    baselines: Baselines,
) -> dict[str, Any]:
    """The ``sets`` of a report: see :func:`evaluate_set`.

    Args:
        sets: What is evaluated.
        predictor: By the name of a set.
        limits: Range and focal length by which it is scored.
        baselines: Of the same focal length.
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
) -> dict[str, Any]:
    """The report on a network.

    Args:
        config: Names the test sets and the scenes of the baselines.
        info: Of the network.
        network: In eval mode; may be more than its checkpoint.
        device: Where it is.
        data_sets: Evaluated in place of the config's test sets.
    """
    predictor = network_predictor(network, info)
    rgb = info.inputs == ('rgb',)
    sets = config_sets(config, device, info.canonical_fx, rgb)
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


def evaluate_predictions(
    config: RunConfig,
    predictions: Predictions,
    device: torch.device,
    data_sets: DataSets | None = None,
) -> dict[str, Any]:
    """The report on third-party depth maps; ``predictions`` in it tells which were used.

    Args:
        config: As for :func:`evaluate_network`; its last stage's network sets the depth range.
        predictions: The maps.
        device: Where samples are made.
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


def calibrated(
    config: RunConfig, info: DepthInfo, weights: Tensors, device: torch.device
) -> DepthInfo:
    """Metadata with the factor of the uncertainty fitted on scenes kept for that."""
    network = build_for_evaluation(info, weights, device)
    number = config.evaluate.calibration_scenes * len(config.data.parts)
    rgb = info.inputs == ('rgb',)
    source = make_source(config, 'calibration', device, rgb=rgb, spikes=not rgb)
    scenes = sample_frames(source, number, config.evaluate.batch_size, info.canonical_fx)
    factor = fit_uncertainty_factor(network, info, scenes)
    return dataclasses.replace(info, uncertainty_factor=factor, uncertainty_calibrated=True)


def check_size(config: RunConfig, info: DepthInfo) -> None:
    """Refuse a config whose images a network cannot take.

    Raises:
        ConfigError: Height or width is no multiple of what the network works on.
    """
    height, width = config.data.height, config.data.width
    if height % info.multiple or width % info.multiple:
        raise ConfigError(
            f'data.height is {height} and data.width {width}: expected multiples of '
            f'{info.multiple}, which {info.architecture} of this checkpoint works on'
        )
