# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint is worth on recordings of real scenes, beside controls that see none of them.

Spikes are simulated from the frames; depth is the data set's. Depth is compared at the canonical
focal length, as on procedural scenes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from spike_depth_ros.checkpoint import load, write_atomically
from spike_depth_ros.evaluation.controls import MeanMap
from spike_depth_ros.metrics import STRUCTURE_FIGURES, DepthErrors, UncertaintyErrors, has_truth
from spike_training.datasets import readers
from spike_training.datasets.clip import Clip, SpikeClip
from spike_training.disk import make_folder
from spike_training.engine.fabric import choose_device
from spike_training.errors import ConfigError, DataSetError
from spike_training.evaluation.controls import comparison_line, control_name, not_beaten
from spike_training.evaluation.evaluate import (
    DepthRange,
    FloatImage,
    Predictor,
    Score,
    canonical_depth,
    limited,
    median_depth_baseline,
    network_predictor,
)
from spike_training.evaluation.predictions import Predictions, warn
from spike_training.evaluation.verdict import cell, limits_of, to_evaluate, to_json
from spike_training.runs.sources import looked_at, make_source
from spike_training.sampling.clip_source import MEAN_RATE, ClipSource
from spike_training.sampling.labelled import LabelledSource
from spike_training.sampling.spike_source import SpikeSource
from spike_training.settings.config import RunConfig, check
from spike_training.settings.reading import load_config

DEVELOPMENT = ('sevenscenes', 'kitti')
"""Data sets on which the procedural world was developed: their figures flatter it."""

Clips = Sequence[Clip] | Sequence[SpikeClip]

ALIGNMENTS = ('raw', 'recording_scaled', 'median_scaled')
"""Metres as they are; one scale for a whole recording; one scale for each image."""

BATCH_SIZE = 10
"""Images at a time; changes no figure."""

TABLE_WIDTH = 120
"""Characters of a printed line of figures: so many that no column is cut off."""


def evaluate_real(
    config: Path,
    data: dict[str, str],
    out: Path,
    checkpoint: Path | None = None,
    predictions: Path | None = None,
    per_metre: float | None = None,
    frames: int = 100,
    planes: int = 0,
    mean_rate: float = MEAN_RATE,
    device: Literal['auto', 'cpu', 'cuda'] = 'auto',
) -> None:
    """Score a checkpoint, or anybody's depth maps, on recordings of real scenes, beside controls.

    Spikes are simulated, unless a set holds some. The controls: median-depth baseline, each
    pixel's median depth over procedural training scenes of a style; shuffled input, the depth
    predicted from another frame's spikes; mean prediction, each pixel's mean predicted depth over
    the frames.

    Depth maps are of the samples that the command inputs writes with the same config, data,
    frames, planes and mean_rate: see docs/predictions.md.

    Args:
        config: The config.yaml of a run, or a config of one: size of images, plane rate, and the
            scenes of the median-depth baselines.
        data: Data sets by name: --data.kitti PATH --data.sevenscenes PATH. Options of their
            readers follow the path: --data.tum PATH,per_metre=5000. See docs/data_sets.md.
        out: The report to write, JSON; its folder is made if missing.
        checkpoint: The .safetensors file. Give this or predictions.
        predictions: Folder of depth maps, one for each sample, as for evaluate.
        per_metre: Stored value of one metre in maps of uint16, as for evaluate.
        frames: Labelled frames of each data set, spread over its recordings.
        planes: Length of the windows; 0: what the checkpoint was made for, or the middle one of
            the config's.
        mean_rate: Share of the planes in which a pixel fires, on average over an image.
        device: cpu, cuda, or auto: a GPU where torch sees one.

    Raises:
        ConfigError: The settings are wrong.
        CheckpointError: The checkpoint cannot be used.
        DataSetError: A data set cannot be used, or none of the depth maps.
    """
    if (checkpoint is None) == (predictions is None):
        raise ConfigError('checkpoint or predictions: expected one of the two')
    settings = load_config(config)
    check(settings)
    make_folder(out.parent)
    place = choose_device(device)
    look = Look(settings, planes or middle_planes(settings), mean_rate)
    limits: DepthRange = limits_of(settings)
    who: dict[str, Any] = {'weights_sha256': None, 'stage': 'predictions'}
    maps = None
    if checkpoint is not None:
        info, weights = load(checkpoint)
        network = network_predictor(to_evaluate(info, weights, place), info)
        limits, rgb = info, info.inputs == ('rgb',)
        look = Look(settings, planes or info.planes, mean_rate, info.multiple, rgb)
        who = {'weights_sha256': info.weights_sha256, 'stage': info.stage}
    else:
        assert predictions is not None
        maps = Predictions(predictions, per_metre)
    sets: dict[str, dict[str, Any]] = {}
    baselines = _Baselines(settings, limits, place)
    for name, recordings in read_sets(data, frames).items():
        source = look.source(recordings)
        found = baselines.of(source.height, source.width)
        predictor = network if maps is None else maps.of(name, limits)
        sets[name] = {'role': role(name)}
        sets[name] |= score_predictor(predictor, limits, source, found, frames, place)
        sets[name]['left_out_by_reader'] = {
            clip.name: clip.skipped for clip in recordings if clip.skipped
        }
    if maps is not None:
        who['predictions'] = maps.report()
        warn(who['predictions'])
    report = who | {
        'size': [settings.data.height, settings.data.width],
        'planes': look.planes,
        'rate_hz': settings.data.rate_hz,
        'mean_rate': mean_rate,
        'sets': sets,
    }
    write_atomically(out, to_json(report))
    show(report)


def read_sets(data: Mapping[str, str], frames: int) -> dict[str, Clips]:
    """The recordings of data sets, by their names.

    Args:
        data: Path and options of each.
        frames: How many frames are wanted of each.

    Raises:
        DataSetError: A data set cannot be used, there is none, or too few frames are wanted.
    """
    if not data or frames < 2:
        raise DataSetError(
            f'{len(data)} data sets and {frames} frames: expected at least 1 data set '
            '(--data.NAME PATH) and 2 frames'
        )
    return {name: readers.read(name, where) for name, where in data.items()}


def middle_planes(config: RunConfig) -> int:
    """The window length that a run of these settings is for: the middle one of them."""
    return sorted(config.data.planes)[len(config.data.planes) // 2]


@dataclasses.dataclass(frozen=True)
class Look:
    """How recordings are looked at.

    Attributes:
        config: Size of images, plane rate, bins.
        planes: Length of the windows.
        mean_rate: Share of the planes in which a pixel of simulated spikes fires.
        multiple: What height and width of recorded spikes are multiples of; None: what the
            network of the config wants.
        rgb: Whether colour images are wanted.
    """

    config: RunConfig
    planes: int
    mean_rate: float
    multiple: int | None = None
    rgb: bool = False

    def source(self, clips: Clips) -> ClipSource | SpikeSource:
        """Samples simulated from frames, or as a camera saw them.

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
            )
        spikes = [clip for clip in clips if isinstance(clip, SpikeClip)]
        if self.rgb:
            raise DataSetError(f'{spikes[0].name}: holds spikes, but the network looks at images')
        pool = limits_of(self.config).settings.get('pool', 1)
        return SpikeSource(spikes, self.planes, bins, self.multiple or 16 * int(pool))


def score_predictor(
    predictor: Predictor,
    limits: DepthRange,
    source: LabelledSource,
    baselines: Mapping[str, FloatImage],
    frames: int,
    device: torch.device,
) -> dict[str, Any]:
    """Errors of a predictor and of controls on labelled frames of recordings.

    Args:
        predictor: Whatever says depth.
        limits: What it is scored by.
        source: The frames.
        baselines: Median-depth baselines, canonical metres, by name.
        frames: How many, evenly spread; all if there are not so many.
        device: Where batches go.

    Returns:
        A report for JSON: for each predictor the full tables by alignment; ``not_beaten``, the
        controls that it does not beat; ``uncertainty``; the scale of each recording; the clips,
        focal lengths and frames left out.

    Raises:
        DataSetError: Too many of the frames cannot be used.
    """
    chosen, seen = source.spread(frames), _Seen()
    for first in range(0, len(chosen), BATCH_SIZE):
        batch = source.usable(chosen[first : first + BATCH_SIZE])
        if batch is None:
            continue
        if not batch.fx.isfinite().all():
            where = source.recording(int(batch.index[0]))
            raise DataSetError(f'{where}: no focal length is known; give it with the option fx')
        batch = batch.to(device)
        depth, half_width = predictor(batch)
        seen.depth += [*depth]
        seen.half_width += [*half_width]
        seen.truth += [*canonical_depth(batch, limits.canonical_fx)[:, 0].cpu().numpy()]
        seen.clips += [source.recording(number) for number in batch.index.tolist()]
        seen.fx += batch.fx.tolist()
        seen.numbers += batch.index.tolist()
    source.check()
    if len(seen.truth) < 2:
        raise DataSetError(f'{len(seen.truth)} labelled frames, expected 2 or more')
    # Half the frames away, for neighbours in time look alike.
    other = [seen.depth[k - len(seen.depth) // 2] for k in range(len(seen.depth))]
    predictors = {'network': seen.depth}
    for name, baseline in baselines.items():
        predictors[f'constant_{name}'] = [baseline] * len(seen.truth)
    predictors['other_spikes'] = other
    predictors['mean_prediction'] = [_mean_prediction(seen, limits)] * len(seen.truth)
    uncertainty = UncertaintyErrors(limits.min_depth, limits.max_depth)
    for one, width, truth in zip(seen.depth, seen.half_width, seen.truth, strict=True):
        uncertainty.add(one, width, truth)
    reports = {name: _scores(limits, depths, seen) for name, depths in predictors.items()}
    return {
        'frames': len(seen.truth),
        'skipped': source.skipped,
        'clips': sorted({*seen.clips}),
        'fx': [min(seen.fx), max(seen.fx)],
        'truth_share': float(np.mean([has_truth(truth).mean() for truth in seen.truth])),
        'predictors': reports,
        'not_beaten': not_beaten(reports),
        'uncertainty': uncertainty.report(),
    }


def recording_scales(
    depths: Sequence[FloatImage], truths: Sequence[FloatImage], clips: Sequence[str]
) -> dict[str, float]:
    """The one factor of each recording that its predictions are best multiplied by.

    Args:
        depths: Predictions, metres, finite or NaN where there is none, each ``[H, W]``.
        truths: True depth, metres, each ``[H, W]``.
        clips: The recording of each image.

    Returns:
        By recording the median over its images of the ratio of medians, truth over prediction;
        1 where no image has truth and a prediction.
    """
    ratios: dict[str, list[float]] = {clip: [] for clip in clips}
    for depth, truth, clip in zip(depths, truths, clips, strict=True):
        scored = has_truth(truth) & ~np.isnan(depth)
        if scored.any():
            ratios[clip].append(float(np.median(truth[scored]) / np.median(depth[scored])))
    return {clip: float(np.median(own)) if own else 1.0 for clip, own in ratios.items()}


@dataclasses.dataclass
class _Seen:
    """Predictions and truth of each frame, canonical metres, and where they come from."""

    depth: list[FloatImage] = dataclasses.field(default_factory=list)
    half_width: list[FloatImage] = dataclasses.field(default_factory=list)
    truth: list[FloatImage] = dataclasses.field(default_factory=list)
    clips: list[str] = dataclasses.field(default_factory=list)
    fx: list[float] = dataclasses.field(default_factory=list)
    numbers: list[int] = dataclasses.field(default_factory=list)


def _mean_prediction(seen: _Seen, limits: DepthRange) -> FloatImage:
    """Each pixel's mean predicted depth over the frames, ``[H, W]``."""
    mean = MeanMap()
    for depth in seen.depth:
        mean.add(limited(depth, limits)[None])
    return mean.depth()


def _scores(limits: DepthRange, depths: Sequence[FloatImage], seen: _Seen) -> dict[str, Any]:
    """Full tables by alignment, and the scale of each recording."""
    # A baseline is infinite where sky is the rule; it is scored as the range's end.
    clipped = [limited(depth, limits) for depth in depths]
    scales = recording_scales(clipped, seen.truth, seen.clips)
    score = Score(limits)
    recording = DepthErrors(limits.min_depth, limits.max_depth)
    places = zip(clipped, seen.truth, seen.clips, seen.numbers, strict=True)
    for depth, truth, clip, number in places:
        score.add(depth[None], truth[None], [number])
        recording.add(depth * scales[clip], truth)
    return score.report() | {'recording_scaled': recording.report(), 'scales': scales}


class _Baselines:
    """Each pixel's median canonical depth over training scenes, by size of images and style.

    Of a config of recordings by data set.
    """

    def __init__(self, config: RunConfig, limits: DepthRange, device: torch.device) -> None:
        self._config, self._limits, self._device = config, limits, device
        self._known: dict[tuple[int, int], dict[str, FloatImage]] = {}

    def of(self, height: int, width: int) -> dict[str, FloatImage]:
        """The baselines of a size of images, ``[height, width]`` each, by style."""
        if (height, width) not in self._known:
            data = dataclasses.replace(self._config.data, height=height, width=width)
            config = dataclasses.replace(self._config, data=data)
            sizes = config.evaluate
            self._known[height, width] = {
                style: median_depth_baseline(
                    looked_at(
                        make_source(config, 'train', self._device, [style], spikes=False),
                        sizes.constant_scenes,
                        sizes.batch_size,
                        self._limits.canonical_fx,
                    ),
                    self._limits.canonical_fx,
                )
                for style in data.recordings or data.styles
            }
        return self._known[height, width]


def role(name: str) -> str:
    """What a data set may be called: nothing was chosen on a test set."""
    return 'development set of the procedural world' if name in DEVELOPMENT else 'test'


def show(report: Mapping[str, Any]) -> None:
    """Prints the few figures that matter."""
    height, width = report['size']
    who = 'predictions' if 'predictions' in report else 'network'
    for name, scores in report['sets'].items():
        print(comparison_line(who, name, scores['not_beaten']))
    print(
        f'{report["stage"]} on real scenes: windows of {report["planes"]} planes, simulated at '
        f'{report["rate_hz"]:g} Hz and {width} x {height} unless a set holds spikes. Means over '
        'pixels, RMSE in metres at the canonical focal length. One scale: each recording times '
        'one factor; scaled: each image times its own; both borrow from the truth.'
    )
    for name, scores in report['sets'].items():
        by_reason = [scores['skipped'], *scores['left_out_by_reader'].values()]
        left_out = sum(len(names) for reasons in by_reason for names in reasons.values())
        table = Table(
            title=f'{name}, {scores["role"]}: {scores["frames"]} frames of '
            f'{len(scores["clips"])} recordings, {left_out} left out'
        )
        table.add_column('')
        for column in ('AbsRel', 'RMSE', 'delta1', 'one scale: AbsRel', 'delta1'):
            table.add_column(column)
        for column in ('scaled: AbsRel', 'delta1', 'boundary F1', 'ordinal'):
            table.add_column(column)
        for predictor, tables in scores['predictors'].items():
            figures = {key: tables[key]['mean_over_pixels'] for key in ALIGNMENTS}
            cells = [cell(figures['raw'][key]) for key in ('abs_rel', 'rmse', 'delta1')]
            for key in ALIGNMENTS[1:]:
                cells += [cell(figures[key]['abs_rel']), cell(figures[key]['delta1'])]
            cells += [cell(tables['structure'][key]) for key in STRUCTURE_FIGURES]
            name = who if predictor == 'network' else control_name(predictor)
            mark = '' if tables['raw']['complete'] else ', INCOMPLETE'
            table.add_row(name + mark, *cells)
        Console(width=TABLE_WIDTH).print(table)
        unc = scores['uncertainty']
        print(
            f'68 % interval holds {cell(unc["interval_coverage"])}, rank correlation with the '
            f'error {cell(unc["rank_correlation"])}'
        )
