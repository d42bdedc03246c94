# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Task ``stereo``: disparity of two eyes, scored on generated pairs beside matching."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from spike_depth_ros.checkpoint import Tensors
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.networks import SpikeNet, to_channels_last
from spike_depth_ros.networks.registry import build_with_weights
from spike_depth_ros.networks.stereo_lite import STRIDE, StereoOutput
from spike_depth_ros.pages.blocks import Table, number, percent
from spike_depth_ros.pages.terminal import print_table
from spike_depth_ros.stereo.sgbm import SgbmMatcher, SgbmSettings
from spike_depth_ros.stream import preview
from spike_depth_ros.tasks.architectures import StereoLiteSettings
from spike_depth_ros.tasks.base import TASKS
from spike_depth_ros.tasks.stereo import StereoInfo
from spike_training.choices import Split
from spike_training.errors import ConfigError
from spike_training.evaluation.calibration import conformal_factor
from spike_training.evaluation.report import FORMAT
from spike_training.evaluation.stereo import (
    CAPTION,
    Row,
    Scores,
    matched_by,
    score,
    table,
    table_of,
)
from spike_training.evaluation.stereo_pairs import StereoPair
from spike_training.run_data.sources import make_source
from spike_training.sampling.sample import Batch
from spike_training.sampling.truth import true_disparity
from spike_training.settings.config import RunConfig
from spike_training.tasks import base
from spike_training.tasks.base import (
    Exported,
    Given,
    Report,
    SetScores,
    Shown,
    Task,
    register,
    spike_fields,
)

RANDOM = StereoInfo(
    architecture='stereo_lite',
    settings=dataclasses.asdict(StereoLiteSettings()),
    bins=4,
    **base.RANDOM,
)
"""Metadata of an untrained network."""

Floats = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class _Scored:
    """Answer of a network for one batch.

    Attributes:
        batch: The batch.
        truth: True disparities, ``[B, H, W]`` pixels; NaN: unknown, or not scored.
        disparity: Predicted ones, likewise.
        error: Their errors before they are calibrated, pixels.
    """

    batch: Batch
    truth: Floats
    disparity: Floats
    error: Floats


def calibrated(
    config: RunConfig, info: StereoInfo, weights: Tensors, device: torch.device
) -> StereoInfo:
    """Fit the factor of the 68 % interval on calibration scenes, and return the metadata with it.

    Split conformal: the quantile of the true error over the predicted one, of all pixels with a
    truth.

    Raises:
        ConfigError: The last stage of the config is of one camera.
        TrainingError: No pixel has a truth.
    """
    ratios = []
    sizes = config.evaluate
    number = sizes.calibration_scenes * len(config.data.styles)
    for one in _answers(config, info, weights, device, 'calibration', number):
        known = np.isfinite(one.truth)
        ratios.append((np.abs(one.disparity - one.truth) / one.error)[known])
    factor = conformal_factor(np.concatenate(ratios))
    return dataclasses.replace(info, uncertainty_factor=factor, uncertainty_calibrated=True)


def evaluate(
    config: RunConfig, info: StereoInfo, weights: Tensors, device: torch.device, given: Given
) -> dict[str, Any]:
    """Evaluate a network on the test scenes of each style; return the report.

    Semi-global matching of the rates of the same spikes, with as many disparities, is beside it.
    """
    matcher = SgbmMatcher(0, info.disparities, SgbmSettings())
    sets: dict[str, Any] = {}
    for style in config.data.styles:
        found: dict[Row, dict[str, Scores]] = {Row('network', '', None): {}}
        held, counted = 0, 0
        answers = _answers(config, info, weights, device, 'test', config.evaluate.scenes, [style])
        for one in answers:
            for row, name, scores in _scores(one, matcher, style):
                found.setdefault(row, {})[name] = scores
            known = np.isfinite(one.truth)
            interval = info.uncertainty_factor * one.error
            held += int((np.abs(one.disparity - one.truth) <= interval)[known].sum())
            counted += int(known.sum())
        sets[style] = {
            'title': f'{style}, generated',
            'rows': table_of(found),
            'interval_coverage': held / counted if counted else None,
            'skipped': {},
            'left_out_by_reader': {},
        }
    return {
        'format': FORMAT,
        'task': 'stereo',
        'stage': info.stage,
        'weights_sha256': info.weights_sha256,
        'seed': config.seed,
        'planes': info.planes,
        'disparities': info.disparities,
        'sets': sets,
    }


def metrics(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a report for the metadata of the checkpoint."""
    return {
        f'{name}_bad2': row['bad2']
        for name, scores in report['sets'].items()
        for row in scores['rows']
        if row['method'] == 'network'
    }


def _answers(
    config: RunConfig,
    info: StereoInfo,
    weights: Tensors,
    device: torch.device,
    split: Split,
    number: int,
    styles: Sequence[str] | None = None,
) -> Iterator[_Scored]:
    """Yield what a network answers for the first pairs of a split, in batches."""
    network: SpikeNet = build_with_weights(info, weights).eval().requires_grad_(False).to(device)
    to_channels_last(network)
    spec = config.stages[-1].batches
    if not spec.right:
        raise ConfigError(
            f'stage {config.stages[-1].name} of the config is of one camera: expected one of two, '
            'such as kind match of method stereo'
        )
    source = make_source(config, split, device, styles, spec)
    size = config.evaluate.batch_size
    most_px = float(info.disparities - STRIDE * info.pool)
    for step in range(number // size):
        batch = source.batch(step, size)
        assert batch.right is not None
        with torch.inference_mode():
            counts = torch.cat([batch.counts, batch.right.counts])
            output: StereoOutput = network(counts, batch.planes_per_bin)
        images = true_disparity(batch, most_px), output.disparity, output.uncertainty
        yield _Scored(batch, *(image[:, 0].cpu().numpy() for image in images))


def _scores(one: _Scored, matcher: SgbmMatcher, style: str) -> Iterator[tuple[Row, str, Scores]]:
    """Yield the scores of the network and of matching for each pair of a batch with a truth."""
    batch, (height, width) = one.batch, one.truth.shape[1:]
    assert batch.right is not None
    assert batch.baseline_m is not None
    planes = float(batch.planes_per_bin.sum())
    left, right = (
        preview.encode(eye.sum(dim=1).cpu().numpy() / planes)
        for eye in (batch.counts, batch.right.counts)
    )
    for k, truth in enumerate(one.truth):
        if not np.isfinite(truth).any():
            continue  # all of it is farther, or sky
        name = f'{style} {int(batch.index[k])}'
        baseline_m, fx_px = float(batch.baseline_m[k]), float(batch.fx[k])
        rig = StereoRig.from_baseline(baseline_m, fx_px, width, height)
        pair = StereoPair(name, {}, truth, rig)
        yield Row('network', '', None), name, score(pair, one.disparity[k])
        answer = matched_by(matcher, left[k], right[k], rig)
        yield Row('sgbm', 'rate', None), name, score(pair, answer)


def show(report: Mapping[str, Any]) -> None:
    """Print the table of each set of a report."""
    for scores in report['sets'].values():
        by_reason = [scores['skipped'], *scores['left_out_by_reader'].values()]
        left_out = sum(len(names) for reasons in by_reason for names in reasons.values())
        pairs = max((len(row['pairs']) for row in scores['rows']), default=0)
        title = (
            f'{scores["title"]}: {pairs} pairs, {left_out} left out, windows of '
            f'{report["planes"]} planes'
        )
        print_table(Table(*table(scores['rows']), title, caption=CAPTION))


def _tiles(report: Report) -> Iterator[tuple[str, str]]:
    for scores in report['sets'].values():
        own, *others = scores['rows']
        title = ', '.join(f'{row["method"]} {row["bad2"]:.3f}' for row in others)
        yield f'bad-2, {scores["title"]}; {title}', f'{own["bad2"]:.3f}'


def _results(report: Report) -> Table:
    rows = [
        [f'{scores["title"]}, {row["method"]}', number(row['bad2']), percent(row['coverage'])]
        for scores in report['sets'].values()
        for row in scores['rows']
    ]
    note = 'bad-2: share of the pixels that are off by more than 2 pixels, or have no answer.'
    return Table(['', 'bad-2', 'coverage'], rows, 'Disparity of pairs', caption=note)


def _weaknesses(scores: SetScores) -> Iterator[str]:
    own, *others = scores['rows']
    for row in others:
        if row['bad2'] <= own['bad2']:
            yield (
                f'{scores["title"]}: {row["method"]} has a bad-2 of {row["bad2"]:.3f}, the '
                f'network {own["bad2"]:.3f}.'
            )


register(
    Task(
        TASKS['stereo'],
        title='Disparity from spikes',
        noun='a network of two eyes',
        metadata=lambda config, common: StereoInfo(**common, **spike_fields(config)),
        evaluate=evaluate,
        metrics=metrics,
        show=show,
        calibrate=calibrated,
        export=Exported(base.OF_SPIKES, {'stereo_lite': RANDOM}),
        shown=Shown(_tiles, _weaknesses, _results),
    )
)
