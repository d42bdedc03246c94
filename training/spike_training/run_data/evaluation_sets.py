# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sets of samples that depth is scored on, of a config or of data sets, and their baselines."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from spike_depth_ros.geometry.depth_values import FloatImage
from spike_training.choices import MEAN_RATE
from spike_training.datasets import readers
from spike_training.datasets.clip import Clip, SpikeClip
from spike_training.errors import DataSetError
from spike_training.evaluation.predictors import DepthRange, Predictor, median_depth_map
from spike_training.evaluation.report import BASELINE, ONE_DEPTH
from spike_training.evaluation.scores import Domain, EvaluationSet, evaluate_set
from spike_training.run_data.sources import (
    make_source,
    make_target,
    sample_frames,
    scored_parts,
    size_multiple,
)
from spike_training.sampling.clip_source import ClipSource
from spike_training.sampling.labelled import LabelledSource
from spike_training.sampling.mixed import MixedSource
from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.spike_source import SpikeSource
from spike_training.settings.config import (
    BatchSpec,
    DataConfig,
    ModelConfig,
    RunConfig,
    batches_of,
)

DEVELOPMENT = ('sevenscenes', 'kitti', 'tum_office', 'tartanair', 'hololens')
"""Data sets used to develop scenes and networks: results on them are optimistic."""

BATCH_SIZE = 10
"""Batch size for data sets; results do not depend on it."""


def output_limits(config: RunConfig) -> ModelConfig:
    """Return the depth range and focal length that score a run: those of its last stage."""
    return config.resolve(config.stages[-1]).model


def config_sets(
    config: RunConfig,
    device: torch.device,
    canonical_fx: float,
    modality: str = 'spikes',
    true_look: bool = False,
) -> Iterator[EvaluationSet]:
    """Yield the test sets of a config: each style or data set of the source, and of the target.

    Recordings without depth are left out.

    Labels of the target are read only here, and in stages with ``domain: target``.

    Args:
        config: Config of the run.
        device: Device of the samples.
        canonical_fx: Focal length of recordings without one, pixels.
        modality: Input of the network: spikes, rgb or events; a target has spikes alone and is
            left out for others.
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
        source = make_source(config, 'test', device, [part], spec_of(modality))
        yield one('source', part, source, config.data)
    target = config.target_data
    if target is not None and (true_look or modality == 'spikes'):
        spec = BatchSpec('target', rgb=true_look)
        for part in scored_parts(target):
            source = make_target(config, 'test', device, [part], spec=spec)
            yield one('target', part, source, target)


def spec_of(modality: str) -> BatchSpec:
    """Return what samples have that networks of an input are scored on."""
    found = batches_of(modality)
    # Metrics by motion and light are those of spikes, whatever the network sees.
    return found if modality == 'events' else dataclasses.replace(found, spikes=True)


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
        modality: Input of the network: spikes, rgb or events.
    """

    config: RunConfig
    places: Mapping[str, str]
    samples: int
    planes: int
    mean_rate: float = MEAN_RATE
    multiple: int = 0
    modality: str = 'spikes'

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
                with_rgb=self.modality == 'rgb',
                events=data.events if self.modality == 'events' else None,
                device=device,
            )
        spikes = [clip for clip in clips if isinstance(clip, SpikeClip)]
        if self.modality != 'spikes':
            takes = {'rgb': 'RGB'}.get(self.modality, self.modality)
            raise DataSetError(f'{spikes[0].name}: holds spikes, but the network takes {takes}')
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
