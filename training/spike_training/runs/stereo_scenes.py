# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks that match two eyes, on generated pairs: calibration, and scores beside matching."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from spike_depth_ros import preview
from spike_depth_ros.checkpoint import Tensors
from spike_depth_ros.model import SpikeNet, to_channels_last
from spike_depth_ros.model.registry import build_with_weights
from spike_depth_ros.model.stereo_lite import STRIDE, StereoOutput
from spike_depth_ros.stereo.rig import StereoRig
from spike_depth_ros.stereo.sgbm import SgbmMatcher, SgbmSettings
from spike_depth_ros.tasks.stereo import StereoInfo
from spike_training.choices import Split
from spike_training.errors import ConfigError
from spike_training.evaluation.calibration import conformal_factor
from spike_training.evaluation.report import FORMAT
from spike_training.evaluation.stereo import Row, Scores, matched_by, score, table_of
from spike_training.evaluation.stereo_pairs import StereoPair
from spike_training.runs.sources import make_source
from spike_training.sampling.sample import Batch
from spike_training.sampling.truth import true_disparity
from spike_training.settings.config import RunConfig

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


def calibrated_pairs(
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


def evaluate_scenes(
    config: RunConfig, info: StereoInfo, weights: Tensors, device: torch.device
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


def stereo_metrics(report: Mapping[str, Any]) -> dict[str, float]:
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
