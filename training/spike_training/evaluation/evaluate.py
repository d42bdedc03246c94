# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Errors of a network and of controls; the factor of its uncertainty.

Depth is compared at the canonical focal length, prediction and truth alike: relative figures are
the same there as at the true one, and "beyond the range" is one number for all cameras.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spike_depth_ros.checkpoint import DepthInfo
from spike_depth_ros.evaluation.controls import MeanMap
from spike_depth_ros.metrics import DepthErrors, Protocol, StructureErrors, UncertaintyErrors
from spike_depth_ros.model.depth_net import DepthOutput
from spike_training.engine.stage import Source
from spike_training.errors import TrainingError
from spike_training.evaluation.controls import CONTROLS, not_beaten
from spike_training.sampling.sample import Batch, Unlabelled

INTERVAL = 0.68
"""Share of the truth that the interval of the uncertainty is meant to hold."""

FloatImage = npt.NDArray[np.float32]


@dataclasses.dataclass
class Scenes:
    """The first scenes of a source.

    Attributes:
        source: Batches by number.
        number: Of scenes; a multiple of ``batch_size``.
        batch_size: Images at a time; changes no figure.
    """

    source: Source[Batch]
    number: int
    batch_size: int

    def __iter__(self) -> Iterator[Batch]:
        for step in range(self.number // self.batch_size):
            yield self.source.batch(step, self.batch_size)


def predict(network: nn.Module, batch: Batch | Unlabelled, inputs: str) -> DepthOutput:
    """A network's outputs for a batch.

    Args:
        network: Of spikes or RGB.
        batch: With RGB, if that is asked for.
        inputs: ``spikes`` or ``rgb``.
    """
    if inputs == 'rgb':
        assert isinstance(batch, Batch)
        assert batch.rgb is not None
        image, planes = batch.rgb, torch.ones(3, dtype=torch.int32, device=batch.rgb.device)
    else:
        image, planes = batch.counts, batch.planes_per_bin
    # The layout that convolutions are fastest in, while the numbers are still bytes.
    output: DepthOutput = network(image.contiguous(memory_format=torch.channels_last), planes)
    return output


def canonical_depth(batch: Batch, canonical_fx: float) -> Tensor:
    """True depth at the canonical focal length, metres, ``[B, 1, H, W]``; +Inf and NaN stay."""
    return batch.depth * (canonical_fx / batch.fx)[:, None, None, None]


def median_depth_baseline(scenes: Scenes, canonical_fx: float) -> FloatImage:
    """Median-depth baseline: each pixel's median canonical depth, metres, ``[H, W]``."""
    depths = [canonical_depth(batch, canonical_fx)[:, 0] for batch in scenes]
    median: FloatImage = torch.cat(depths).nanmedian(dim=0).values.cpu().numpy()
    return median


@torch.inference_mode()
def fit_uncertainty_factor(network: nn.Module, info: DepthInfo, scenes: Scenes) -> float:
    """The factor that makes the interval ``depth * (1 +- factor * U)`` hold 68 % of the pixels.

    Split conformal: the quantile of ``|truth - depth| / (depth * U)`` over all pixels with a
    finite truth. It holds for other scenes of the same kind.

    Args:
        network: In eval mode.
        info: Of the network.
        scenes: Neither trained nor tested on.

    Raises:
        TrainingError: No pixel has a truth, or the uncertainty is 0 on most pixels.
    """
    ratios = [torch.empty(0)]
    for batch in scenes:
        output = predict(network, batch, info.inputs[0])
        truth = canonical_depth(batch, info.canonical_fx)
        ratio = (truth - output.depth).abs() / (output.depth * output.uncertainty)
        ratios.append(ratio[truth.isfinite()].cpu())
    pooled = torch.cat(ratios)
    rank = math.ceil(INTERVAL * (len(pooled) + 1))
    factor = float(pooled.kthvalue(rank).values) if rank <= len(pooled) else math.inf
    if not 0 < factor < math.inf:
        raise TrainingError(
            f'the factor of the uncertainty would be {factor} over {len(pooled)} pixels: expected '
            'a positive number; the head predicts no uncertainty, or the scenes hold no depth'
        )
    return factor


class DepthRange(typing.Protocol):
    """What predictions are scored by: a checkpoint's metadata, or the settings of a network."""

    @property
    def min_depth(self) -> float:
        """What "nearer than the range" is scored as, metres at the canonical focal length."""

    @property
    def max_depth(self) -> float:
        """What "beyond the range" is scored as, likewise."""

    @property
    def canonical_fx(self) -> float:
        """That focal length, pixels."""


class Estimate(NamedTuple):
    """What a predictor says of a batch.

    Attributes:
        depth: Metres at the canonical focal length, ``[B, H, W]``; infinite and NaN as the
            metrics say.
        half_width: Half of the 68 % interval, likewise; NaN where none is given.
    """

    depth: FloatImage
    half_width: FloatImage


Predictor = Callable[[Batch], Estimate]
"""Anything that says something of a batch, whose truth it must leave alone."""


def network_predictor(network: nn.Module, info: DepthInfo) -> Predictor:
    """What a network says.

    Args:
        network: In eval mode.
        info: Of the network; its factor scales the uncertainty.
    """

    @torch.inference_mode()
    def predictor(batch: Batch) -> Estimate:
        output = predict(network, batch, info.inputs[0])
        depth = output.depth[:, 0].cpu().numpy()
        relative = output.uncertainty[:, 0].cpu().numpy() * info.uncertainty_factor
        return Estimate(depth, depth * relative)

    return predictor


class Score:
    """One predictor's errors: in metres as they are, scaled by each image's median, structure."""

    def __init__(self, limits: DepthRange) -> None:
        ends = (limits.min_depth, limits.max_depth)
        self.raw = DepthErrors(*ends)
        self.median = DepthErrors(*ends, Protocol(alignment='median'))
        self.structure = StructureErrors(*ends)

    def add(self, depth: FloatImage, truth: FloatImage, indices: Sequence[int]) -> None:
        """Count a batch.

        Args:
            depth: Metres, ``[B, H, W]``.
            truth: Metres, same shape.
            indices: Number of each sample in its source.
        """
        self.raw.add(depth, truth)
        self.median.add(depth, truth)
        self.structure.add(depth, truth, indices)

    def report(self) -> dict[str, Any]:
        """For JSON."""
        return {
            'raw': self.raw.report(),
            'median_scaled': self.median.report(),
            'structure': self.structure.report(),
        }


def limited(depth: FloatImage, limits: DepthRange) -> FloatImage:
    """Depth clipped to a range, NaN where it is missing: infinite depth as the metrics score it.

    Args:
        depth: Metres at the canonical focal length, any shape.
        limits: The range.
    """
    clipped: FloatImage = np.clip(depth, limits.min_depth, limits.max_depth)
    return clipped


def evaluate_predictor(
    predictor: Predictor, limits: DepthRange, scenes: Scenes, baseline: FloatImage
) -> dict[str, Any]:
    """Errors of a predictor and of the controls.

    The controls: the median-depth baseline; shuffled input, the prediction for the next scene of
    the batch; and mean prediction, each pixel's mean over the predictions for all scenes. For the
    last the truth of all scenes is held in memory.

    Args:
        predictor: Depth of a batch.
        limits: Range and focal length by which it is scored.
        scenes: At least two a batch.
        baseline: See :func:`median_depth_baseline`; of the same kind of scenes.

    Returns:
        A report for JSON: for ``network`` (whatever the predictor is) and each key of
        ``CONTROLS`` the full tables; ``not_beaten``, the controls that it does not beat; and
        ``uncertainty``.
    """
    scores = {name: Score(limits) for name in ('network', *CONTROLS)}
    truths: list[tuple[FloatImage, list[int]]] = []
    mean = MeanMap()
    uncertainty = UncertaintyErrors(limits.min_depth, limits.max_depth)
    for batch in scenes:
        depth, half_width = predictor(batch)
        truth = canonical_depth(batch, limits.canonical_fx)[:, 0].cpu().numpy()
        indices = batch.index.tolist()
        scores['network'].add(depth, truth, indices)
        scores['constant'].add(np.broadcast_to(baseline, truth.shape), truth, indices)
        scores['other_spikes'].add(np.roll(depth, 1, axis=0), truth, indices)
        uncertainty.add(depth, half_width, truth)
        mean.add(limited(depth, limits))
        truths.append((truth, indices))
    for truth, indices in truths:
        prediction = np.broadcast_to(mean.depth(), truth.shape)
        scores['mean_prediction'].add(prediction, truth, indices)
    reports = {name: score.report() for name, score in scores.items()}
    return reports | {
        'not_beaten': not_beaten(reports),
        'scenes': scenes.number,
        'uncertainty': uncertainty.report(),
    }


def headline(reports: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """The few figures that a checkpoint carries, by style and name."""
    figures = {}
    for style, report in reports.items():
        for predictor, prefix in (('network', ''), ('constant', 'constant_')):
            for kind, suffix in (('raw', ''), ('median_scaled', '_median_scaled')):
                table = report[predictor][kind]['mean_over_pixels']
                figures[f'{style}_{prefix}abs_rel{suffix}'] = table['abs_rel']
                figures[f'{style}_{prefix}delta1{suffix}'] = table['delta1']
        figures[f'{style}_interval_coverage'] = report['uncertainty']['interval_coverage']
    return {name: round(value, 4) for name, value in figures.items() if value is not None}
