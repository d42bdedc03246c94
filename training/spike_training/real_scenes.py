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
import numpy.typing as npt
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from spike_depth_ros.checkpoint import CheckpointInfo, load, write_atomically
from spike_depth_ros.metrics import DepthErrors, UncertaintyErrors, has_truth
from spike_depth_ros.model.registry import build_with_weights
from spike_training.config import RunConfig, check
from spike_training.data import readers
from spike_training.data.clip import Clip
from spike_training.data.clip_source import MEAN_RATE, ClipSource, joined
from spike_training.data.sample import Batch
from spike_training.engine.evaluate import (
    FloatImage,
    Scenes,
    Score,
    canonical_depth,
    constant_depth,
    predict,
)
from spike_training.engine.fabric import choose_device
from spike_training.errors import DataSetError, FrameError
from spike_training.reading import load_config
from spike_training.scenes import make_source
from spike_training.verdict import to_json

DEVELOPMENT = ('sevenscenes', 'kitti')
"""Data sets on which the procedural world was developed: their figures flatter it."""

ALIGNMENTS = ('raw', 'recording_scaled', 'median_scaled')
"""Metres as they are; one scale for a whole recording; one scale for each image."""


def evaluate_real(
    checkpoint: Path,
    settings: Path,
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
        settings: The config.yaml of a run, or a config of one: size of images, plane rate, and the
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
    config = load_config(settings)
    check(config)
    info, weights = load(checkpoint)
    clips = {name: _frame_clips(name, where) for name, where in data.items()}
    if not clips or frames < 2:
        raise DataSetError(
            f'{len(clips)} data sets and {frames} frames: expected at least 1 data set '
            '(--data.NAME PATH) and 2 frames'
        )
    place = choose_device(device)
    network = build_with_weights(info, weights).eval().requires_grad_(False).to(place)
    constants = _constants(config, info, place)
    sets = {}
    for name, recordings in clips.items():
        source = ClipSource(
            recordings,
            config.data.height,
            config.data.width,
            (planes or info.planes,),
            config.data.rate_hz,
            info.bins if info.inputs == ('spikes',) else config.model.bins,
            mean_rate,
            with_rgb=info.inputs == ('rgb',),
            device=place,
        )
        sets[name] = _role(name) | score(network, info, source, constants, frames)
    report = {
        'weights_sha256': info.weights_sha256,
        'stage': info.stage,
        'size': [config.data.height, config.data.width],
        'planes': planes or info.planes,
        'rate_hz': config.data.rate_hz,
        'mean_rate': mean_rate,
        'sets': sets,
    }
    write_atomically(out, to_json(report))
    show(report)


@torch.inference_mode()
def score(
    network: nn.Module,
    info: CheckpointInfo,
    source: ClipSource,
    constants: Mapping[str, FloatImage],
    frames: int,
    batch_size: int = 10,
) -> dict[str, Any]:
    """Errors of a network and of controls on labelled frames of recordings.

    Args:
        network: In eval mode.
        info: Of the network.
        source: The frames.
        constants: Controls that look at no image, canonical metres, by name.
        frames: How many, evenly spread; all if there are not so many.
        batch_size: Images at a time; changes no figure.

    Returns:
        A report for JSON: for each predictor the full tables by alignment; ``uncertainty``; the
        scale of each recording; the clips, focal lengths and frames left out.

    Raises:
        DataSetError: Too many of the frames cannot be used.
    """
    chosen = spread(len(source), frames)
    seen = _Seen()
    for numbers in np.array_split(chosen, -(-len(chosen) // batch_size)):
        batch = _readable(source, numbers.tolist())
        if batch is None:
            continue
        output = predict(network, batch, info.inputs[0])
        seen.depth += [*output.depth[:, 0].cpu().numpy()]
        seen.relative += [*(output.uncertainty[:, 0].cpu().numpy() * info.uncertainty_factor)]
        seen.truth += [*canonical_depth(batch, info.canonical_fx)[:, 0].cpu().numpy()]
        seen.clips += [source.clip(number).name for number in batch.index.tolist()]
        seen.fx += batch.fx.tolist()
    if len(seen.truth) < 2:
        raise DataSetError(f'{len(seen.truth)} labelled frames, expected 2 or more')
    # Half the frames away, for neighbours in time look alike.
    other = [seen.depth[k - len(seen.depth) // 2] for k in range(len(seen.depth))]
    predictors = {'network': seen.depth}
    for name, constant in constants.items():
        predictors[f'constant_{name}'] = [constant] * len(seen.truth)
    predictors['other_spikes'] = other
    uncertainty = UncertaintyErrors(info.min_depth, info.max_depth)
    for depth, relative, truth in zip(seen.depth, seen.relative, seen.truth, strict=True):
        uncertainty.add(depth, depth * relative, truth)
    return {
        'frames': len(seen.truth),
        'skipped': source.skipped,
        'clips': sorted({*seen.clips}),
        'fx': [min(seen.fx), max(seen.fx)],
        'truth_share': float(np.mean([has_truth(truth).mean() for truth in seen.truth])),
        'predictors': {name: _scores(info, depths, seen) for name, depths in predictors.items()},
        'uncertainty': uncertainty.report(),
    }


def spread(total: int, number: int) -> npt.NDArray[np.int64]:
    """Numbers below a total, evenly spread; all of them if there are not so many."""
    if number >= total:
        return np.arange(total)
    return np.arange(number) * total // number


def recording_scales(
    depths: Sequence[FloatImage], truths: Sequence[FloatImage], clips: Sequence[str]
) -> dict[str, float]:
    """The one factor of each recording that its predictions are best multiplied by.

    Args:
        depths: Predictions, metres, finite, each ``[H, W]``.
        truths: True depth, metres, each ``[H, W]``.
        clips: The recording of each image.

    Returns:
        By recording the median over its images of the ratio of medians, truth over prediction;
        1 where no image has truth.
    """
    ratios: dict[str, list[float]] = {clip: [] for clip in clips}
    for depth, truth, clip in zip(depths, truths, clips, strict=True):
        scored = has_truth(truth)
        if scored.any():
            ratios[clip].append(float(np.median(truth[scored]) / np.median(depth[scored])))
    return {clip: float(np.median(own)) if own else 1.0 for clip, own in ratios.items()}


@dataclasses.dataclass
class _Seen:
    """Predictions and truth of each frame, canonical metres, and where they come from."""

    depth: list[FloatImage] = dataclasses.field(default_factory=list)
    relative: list[FloatImage] = dataclasses.field(default_factory=list)
    truth: list[FloatImage] = dataclasses.field(default_factory=list)
    clips: list[str] = dataclasses.field(default_factory=list)
    fx: list[float] = dataclasses.field(default_factory=list)


def _scores(info: CheckpointInfo, depths: Sequence[FloatImage], seen: _Seen) -> dict[str, Any]:
    """Full tables by alignment, and the scale of each recording."""
    # A constant is infinite where sky is the rule; it is scored as the range's end.
    limited = [np.clip(depth, info.min_depth, info.max_depth) for depth in depths]
    scales = recording_scales(limited, seen.truth, seen.clips)
    score = Score(info)
    recording = DepthErrors(info.min_depth, info.max_depth)
    for depth, truth, clip in zip(limited, seen.truth, seen.clips, strict=True):
        score.add(depth, truth)
        recording.add(depth * scales[clip], truth)
    return score.report() | {'recording_scaled': recording.report(), 'scales': scales}


def _readable(source: ClipSource, numbers: Sequence[int]) -> Batch | None:
    """The samples that can be used of some; None if none can."""
    batches = []
    for number in numbers:
        try:
            batches.append(source.samples([number]))
        except FrameError as error:
            source.skip(number, error)
    return joined(batches) if batches else None


def _constants(
    settings: RunConfig, info: CheckpointInfo, device: torch.device
) -> dict[str, FloatImage]:
    """Each pixel's median canonical depth over training scenes, by style."""
    sizes = settings.evaluate
    return {
        style: constant_depth(
            Scenes(
                make_source(settings, 'train', device, [style]),
                sizes.constant_scenes,
                sizes.batch_size,
            ),
            info.canonical_fx,
        )
        for style in settings.data.styles
    }


def _frame_clips(name: str, where: str) -> list[Clip]:
    clips = [clip for clip in readers.read(name, where) if isinstance(clip, Clip)]
    if not clips:
        raise DataSetError(f'{name}: holds spikes, not frames; evaluate it as a recording')
    return clips


def _role(name: str) -> dict[str, str]:
    return {'role': 'development set of the procedural world' if name in DEVELOPMENT else 'test'}


def show(report: Mapping[str, Any]) -> None:
    """Prints the few figures that matter."""
    height, width = report['size']
    table = Table(
        title=f'{report["stage"]} on real scenes, spikes simulated: {report["planes"]} planes at '
        f'{report["rate_hz"]:g} Hz, {width} x {height} (mean over pixels; RMSE in canonical '
        'metres)'
    )
    for column in ('set', 'predictor', 'AbsRel', 'RMSE', 'delta1'):
        table.add_column(column)
    for column in ('AbsRel one scale', 'delta1', 'AbsRel scaled', 'delta1'):
        table.add_column(column)
    for name, scores in report['sets'].items():
        for predictor, tables in scores['predictors'].items():
            figures = {key: tables[key]['mean_over_pixels'] for key in ALIGNMENTS}
            cells = [_cell(figures['raw'][key]) for key in ('abs_rel', 'rmse', 'delta1')]
            for key in ALIGNMENTS[1:]:
                cells += [_cell(figures[key]['abs_rel']), _cell(figures[key]['delta1'])]
            table.add_row(name, predictor.replace('_', ' '), *cells)
        table.add_section()
    Console(width=110).print(table)
    for name, scores in report['sets'].items():
        unc = scores['uncertainty']
        left_out = sum(map(len, scores['skipped'].values()))
        print(
            f'{name} ({scores["role"]}): {scores["frames"]} frames of '
            f'{len(scores["clips"])} recordings, {left_out} left out; 68 % interval holds '
            f'{_cell(unc["interval_coverage"])}, rank correlation with the error '
            f'{_cell(unc["rank_correlation"])}'
        )
    print(
        'one scale: each recording times one factor; scaled: each image times its own. Both '
        'borrow from the truth.'
    )


def _cell(value: float | None) -> str:
    return '-' if value is None else f'{value:.3f}'
