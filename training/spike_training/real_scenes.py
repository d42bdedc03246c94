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
from torch import nn

from spike_depth_ros.checkpoint import CheckpointInfo, load, write_atomically
from spike_depth_ros.metrics import DepthErrors, UncertaintyErrors, has_truth
from spike_training.config import RunConfig, check
from spike_training.data import readers
from spike_training.data.clip import Clip, SpikeClip
from spike_training.data.clip_source import MEAN_RATE, ClipSource
from spike_training.data.labelled import LabelledSource
from spike_training.data.spike_source import SpikeSource
from spike_training.engine.evaluate import (
    DepthRange,
    FloatImage,
    Predictor,
    Scenes,
    Score,
    canonical_depth,
    constant_depth,
    network_predictor,
)
from spike_training.engine.fabric import choose_device
from spike_training.errors import DataSetError
from spike_training.reading import load_config
from spike_training.scenes import make_source
from spike_training.verdict import cell, to_evaluate, to_json

DEVELOPMENT = ('sevenscenes', 'kitti')
"""Data sets on which the procedural world was developed: their figures flatter it."""

ALIGNMENTS = ('raw', 'recording_scaled', 'median_scaled')
"""Metres as they are; one scale for a whole recording; one scale for each image."""


def evaluate_real(
    checkpoint: Path,
    config: Path,
    data: dict[str, str],
    out: Path,
    frames: int = 100,
    planes: int = 0,
    mean_rate: float = MEAN_RATE,
    device: Literal['auto', 'cpu', 'cuda'] = 'auto',
) -> None:
    """Score a checkpoint on recordings of real scenes, their spikes simulated, beside controls.

    The controls: constant, each pixel's median depth over procedural training scenes of a style,
    which looks at no image; and other spikes, the depth predicted from another frame's spikes.

    Args:
        checkpoint: The .safetensors file.
        config: The config.yaml of a run, or a config of one: size of images, plane rate, and the
            scenes of the constants.
        data: Data sets by name: --data.kitti PATH --data.sevenscenes PATH. Options of their
            readers follow the path: --data.tum PATH,per_metre=5000. See docs/data_sets.md.
        out: The report to write, JSON.
        frames: Labelled frames of each data set, spread over its recordings.
        planes: Length of the windows; 0: what the checkpoint was made for.
        mean_rate: Share of the planes in which a pixel fires, on average over an image.
        device: cpu, cuda, or auto: a GPU where torch sees one.

    Raises:
        ConfigError: The settings are wrong.
        CheckpointError: The checkpoint cannot be used.
        DataSetError: A data set cannot be used.
    """
    settings = load_config(config)
    check(settings)
    info, weights = load(checkpoint)
    clips = {name: readers.read(name, where) for name, where in data.items()}
    if not clips or frames < 2:
        raise DataSetError(
            f'{len(clips)} data sets and {frames} frames: expected at least 1 data set '
            '(--data.NAME PATH) and 2 frames'
        )
    place = choose_device(device)
    network = to_evaluate(info, weights, place)
    sets: dict[str, dict[str, Any]] = {}
    constants = _Constants(settings, info, place)
    for name, recordings in clips.items():
        source = _source(settings, info, recordings, planes or info.planes, mean_rate)
        found = constants.of(source.height, source.width)
        sets[name] = {'role': role(name)}
        sets[name] |= score(network, info, source, found, frames, place)
        sets[name]['left_out_by_reader'] = {
            clip.name: clip.skipped for clip in recordings if clip.skipped
        }
    report = {
        'weights_sha256': info.weights_sha256,
        'stage': info.stage,
        'size': [settings.data.height, settings.data.width],
        'planes': planes or info.planes,
        'rate_hz': settings.data.rate_hz,
        'mean_rate': mean_rate,
        'sets': sets,
    }
    write_atomically(out, to_json(report))
    show(report)


def score(
    network: nn.Module,
    info: CheckpointInfo,
    source: LabelledSource,
    constants: Mapping[str, FloatImage],
    frames: int,
    device: torch.device,
    batch_size: int = 10,
) -> dict[str, Any]:
    """Errors of a network, see :func:`score_predictor`.

    Args:
        network: In eval mode.
        info: Of the network.
        source: The frames.
        constants: Controls that look at no image, canonical metres, by name.
        frames: How many, evenly spread; all if there are not so many.
        device: Where the network is.
        batch_size: Images at a time; changes no figure.

    Raises:
        DataSetError: Too many of the frames cannot be used.
    """
    predictor = network_predictor(network, info)
    return score_predictor(predictor, info, source, constants, frames, device, batch_size)


def score_predictor(
    predictor: Predictor,
    limits: DepthRange,
    source: LabelledSource,
    constants: Mapping[str, FloatImage],
    frames: int,
    device: torch.device,
    batch_size: int = 10,
) -> dict[str, Any]:
    """Errors of a predictor and of controls on labelled frames of recordings.

    Args:
        predictor: Whatever says depth.
        limits: What it is scored by.
        source: The frames.
        constants: Controls that look at no image, canonical metres, by name.
        frames: How many, evenly spread; all if there are not so many.
        device: Where batches go.
        batch_size: Images at a time; changes no figure.

    Returns:
        A report for JSON: for each predictor the full tables by alignment; ``uncertainty``; the
        scale of each recording; the clips, focal lengths and frames left out.

    Raises:
        DataSetError: Too many of the frames cannot be used.
    """
    chosen, seen = source.spread(frames), _Seen()
    for first in range(0, len(chosen), batch_size):
        batch = source.usable(chosen[first : first + batch_size])
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
    source.check()
    if len(seen.truth) < 2:
        raise DataSetError(f'{len(seen.truth)} labelled frames, expected 2 or more')
    # Half the frames away, for neighbours in time look alike.
    other = [seen.depth[k - len(seen.depth) // 2] for k in range(len(seen.depth))]
    predictors = {'network': seen.depth}
    for name, constant in constants.items():
        predictors[f'constant_{name}'] = [constant] * len(seen.truth)
    predictors['other_spikes'] = other
    uncertainty = UncertaintyErrors(limits.min_depth, limits.max_depth)
    for one, width, truth in zip(seen.depth, seen.half_width, seen.truth, strict=True):
        uncertainty.add(one, width, truth)
    return {
        'frames': len(seen.truth),
        'skipped': source.skipped,
        'clips': sorted({*seen.clips}),
        'fx': [min(seen.fx), max(seen.fx)],
        'truth_share': float(np.mean([has_truth(truth).mean() for truth in seen.truth])),
        'predictors': {name: _scores(limits, depths, seen) for name, depths in predictors.items()},
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


def _scores(limits: DepthRange, depths: Sequence[FloatImage], seen: _Seen) -> dict[str, Any]:
    """Full tables by alignment, and the scale of each recording."""
    # A constant is infinite where sky is the rule; it is scored as the range's end.
    limited = [np.clip(depth, limits.min_depth, limits.max_depth) for depth in depths]
    scales = recording_scales(limited, seen.truth, seen.clips)
    score = Score(limits)
    recording = DepthErrors(limits.min_depth, limits.max_depth)
    for depth, truth, clip in zip(limited, seen.truth, seen.clips, strict=True):
        score.add(depth, truth)
        recording.add(depth * scales[clip], truth)
    return score.report() | {'recording_scaled': recording.report(), 'scales': scales}


class _Constants:
    """Each pixel's median canonical depth over training scenes, by size of images and style."""

    def __init__(self, config: RunConfig, info: CheckpointInfo, device: torch.device) -> None:
        self._config, self._info, self._device = config, info, device
        self._known: dict[tuple[int, int], dict[str, FloatImage]] = {}

    def of(self, height: int, width: int) -> dict[str, FloatImage]:
        """The constants of a size of images, ``[height, width]`` each, by style."""
        if (height, width) not in self._known:
            data = dataclasses.replace(self._config.data, height=height, width=width)
            config = dataclasses.replace(self._config, data=data)
            sizes = config.evaluate
            self._known[height, width] = {
                style: constant_depth(
                    Scenes(
                        make_source(config, 'train', self._device, [style]),
                        sizes.constant_scenes,
                        sizes.batch_size,
                    ),
                    self._info.canonical_fx,
                )
                for style in data.styles
            }
        return self._known[height, width]


def _source(
    config: RunConfig,
    info: CheckpointInfo,
    clips: Sequence[Clip] | Sequence[SpikeClip],
    planes: int,
    mean_rate: float,
) -> ClipSource | SpikeSource:
    """Samples as the network wants them: simulated from frames, or as a camera saw them."""
    rgb = info.inputs == ('rgb',)
    frames = [clip for clip in clips if isinstance(clip, Clip)]
    if frames:
        return ClipSource(
            frames,
            config.data.height,
            config.data.width,
            (planes,),
            config.data.rate_hz,
            config.model.bins,
            mean_rate,
            with_rgb=rgb,
        )
    spikes = [clip for clip in clips if isinstance(clip, SpikeClip)]
    if rgb:
        raise DataSetError(f'{spikes[0].name}: holds spikes, but the network looks at images')
    return SpikeSource(spikes, planes, config.model.bins, info.multiple)


def role(name: str) -> str:
    """What a data set may be called: nothing was chosen on a test set."""
    return 'development set of the procedural world' if name in DEVELOPMENT else 'test'


def show(report: Mapping[str, Any]) -> None:
    """Prints the few figures that matter."""
    height, width = report['size']
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
        for column in ('', 'AbsRel', 'RMSE', 'delta1', 'one scale: AbsRel', 'delta1'):
            table.add_column(column)
        table.add_column('scaled: AbsRel')
        table.add_column('delta1')
        for predictor, tables in scores['predictors'].items():
            figures = {key: tables[key]['mean_over_pixels'] for key in ALIGNMENTS}
            cells = [cell(figures['raw'][key]) for key in ('abs_rel', 'rmse', 'delta1')]
            for key in ALIGNMENTS[1:]:
                cells += [cell(figures[key]['abs_rel']), cell(figures[key]['delta1'])]
            table.add_row(predictor.replace('_', ' '), *cells)
        Console(width=99).print(table)
        unc = scores['uncertainty']
        print(
            f'68 % interval holds {cell(unc["interval_coverage"])}, rank correlation with the '
            f'error {cell(unc["rank_correlation"])}'
        )
