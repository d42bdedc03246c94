# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of a predictor and of its controls on one set of samples.

A set is a style of generated scenes, a split of the recordings that a config names, or a data set.
Its report is that of :class:`spike_depth_ros.evaluation.controls.Comparison`, which
``evaluate_bag`` also writes, and the full tables.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from spike_depth_ros.evaluation.controls import (
    ALIGNED,
    NETWORK,
    Comparison,
    PredictorScore,
    finite_depth,
    prediction_controls,
)
from spike_depth_ros.evaluation.metrics import (
    FLOOR_M,
    DepthErrors,
    EvalProtocol,
    Mean,
    StructureErrors,
    UncertaintyErrors,
    add_structure,
    has_truth,
    without_nan,
)
from spike_depth_ros.evaluation.scores import ErrorBreakdown
from spike_depth_ros.geometry.depth_values import FloatImage
from spike_training.errors import DataSetError
from spike_training.evaluation.predictors import (
    DepthRange,
    Predictor,
    Scenes,
    canonical_depth,
    scored_depth,
)
from spike_training.sampling.labelled import LabelledSource

Domain = Literal['source', 'target', 'data']


@dataclasses.dataclass(frozen=True)
class EvaluationSet:
    """Set of samples that are scored together.

    Attributes:
        domain: ``source`` or ``target`` of a config, or ``data``: a separate data set.
        part: Style, or name of a data set.
        samples: Batches of the samples.
        height: Rows of a sample.
        width: Columns of a sample.
        planes: Window lengths.
        rate_hz: Planes per second.
        role: Name of the set's role in texts, to distinguish a development set from a test set.
        left_out: Names of frames that a reader left out, by recording and reason.
    """

    domain: Domain
    part: str
    samples: Scenes
    height: int
    width: int
    planes: Sequence[int]
    rate_hz: float
    role: str = 'test'
    left_out: Mapping[str, Mapping[str, Sequence[str]]] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """Prefix of the names of its samples: ``source_indoor``, ``kitti``."""
        return self.part if self.domain == 'data' else f'{self.domain}_{self.part}'

    @property
    def title(self) -> str:
        """Title for tables and texts."""
        return f'target, {self.part}' if self.domain == 'target' else self.part

    def recording(self, number: int) -> str:
        """Return the recording of a sample; all generated scenes of a set count as one."""
        source = self.samples.source
        return source.recording(number) if isinstance(source, LabelledSource) else self.part


@dataclasses.dataclass
class SampleScore(PredictorScore):
    """Errors of one predictor on a set.

    Attributes:
        recording: Depth errors after scaling each recording by one factor.
        aligned: Depth errors after a fit of scale and shift of inverse depth to each image: the
            only ones of relative depth.
        scales: Factor of each recording.
    """

    recording: DepthErrors
    aligned: DepthErrors
    scales: Mapping[str, float]

    def metrics(self, mean: Mean) -> dict[str, float]:
        """Extend the metrics of the base class by AbsRel and delta1 of other alignments."""
        recording, aligned = self.recording.metrics(mean), self.aligned.metrics(mean)
        return {
            **super().metrics(mean),
            'abs_rel_recording_scaled': recording['abs_rel'],
            'delta1_recording_scaled': recording['delta1'],
            ALIGNED: aligned['abs_rel'],
            'delta1_aligned': aligned['delta1'],
        }

    def tables(self) -> dict[str, Any]:
        """Return the full tables, for JSON."""
        return {
            'raw': self.raw.report(),
            'recording_scaled': self.recording.report(),
            'median_scaled': self.median.report(),
            'aligned': self.aligned.report(),
            'structure': self.structure.report(),
        }


class Predicted(NamedTuple):
    """Predictions and true depth of a set, canonical metres.

    Attributes:
        depth: Predictions, finite or NaN, ``[N, H, W]``.
        truth: True depth, ``[N, H, W]``; +Inf is sky, NaN unknown.
        relative: True if the truth is relative depth, at the true focal lengths.
        numbers: Numbers of the samples in their source.
        fx: Focal lengths of the samples, pixels.
        uncertainty: Errors of the predicted half-widths.
        breakdown: Errors by distance and uncertainty.
    """

    depth: FloatImage
    truth: FloatImage
    relative: bool
    numbers: list[int]
    fx: list[float]
    uncertainty: UncertaintyErrors
    breakdown: ErrorBreakdown


def predict_set(
    predictor: Predictor, limits: DepthRange, one: EvaluationSet, relative: bool = False
) -> Predicted:
    """Predict all samples of a set and hold them in memory.

    Args:
        predictor: Depth of a batch.
        limits: Depth range and focal length for scoring.
        one: The set.
        relative: True if the predictor knows no metres, so that no focal length is needed.

    Raises:
        DataSetError: Too many of the samples cannot be used, or a focal length is unknown.
    """
    depths: list[FloatImage] = []
    truths: list[FloatImage] = []
    numbers: list[int] = []
    fx: list[float] = []
    uncertainty = UncertaintyErrors(limits.min_depth, limits.max_depth)
    breakdown = ErrorBreakdown((limits.min_depth, limits.max_depth))
    some_relative = relative
    for batch in one.samples.tracked(one.title):
        if relative:
            batch = dataclasses.replace(batch, fx=batch.fx.nan_to_num(limits.canonical_fx))
        some_relative |= batch.relative is not None
        if batch.relative is None and not batch.fx.isfinite().all():
            where = one.recording(int(batch.index[0]))
            raise DataSetError(f'{where}: no focal length is known; give it with the option fx')
        depth, half_width = predictor(batch)
        # Of relative depth nothing is known in metres.
        known = canonical_depth(batch, limits.canonical_fx)[:, 0].cpu().numpy()
        uncertainty.add(depth, half_width, known)
        for image in zip(depth, half_width, known, strict=True):
            breakdown.add(*image)
        depths.append(finite_depth(depth, limits.min_depth, limits.max_depth))
        truths.append(scored_depth(batch, limits.canonical_fx)[:, 0].cpu().numpy())
        numbers += batch.index.tolist()
        fx += batch.fx.tolist()
    if len(numbers) < 2:
        raise DataSetError(f'{one.name}: {len(numbers)} labelled samples, expected 2 or more')
    return Predicted(
        np.concatenate(depths),
        np.concatenate(truths),
        some_relative,
        numbers,
        fx,
        uncertainty,
        breakdown,
    )


def evaluate_set(
    predictor: Predictor,
    limits: DepthRange,
    one: EvaluationSet,
    baselines: Mapping[str, FloatImage],
    relative: bool = False,
) -> dict[str, Any]:
    """Evaluate a predictor and its controls on a set.

    Args:
        predictor: Depth of a batch.
        limits: Depth range and focal length for scoring.
        one: The set.
        baselines: Median-depth maps, canonical metres, ``[H, W]``, by their key in the report.
        relative: True if the predictor knows 1 / depth up to scale and shift alone: metrics are
            those after a fit of both, as of samples whose truth is relative.

    Returns:
        Report for JSON, see docs/reference/training.md.

    Raises:
        DataSetError: Too many of the samples cannot be used, or a focal length is unknown.
    """
    found = predict_set(predictor, limits, one, relative)
    recordings = [one.recording(number) for number in found.numbers]
    predictors = {NETWORK: found.depth}
    for name, baseline in baselines.items():
        finite = finite_depth(baseline, limits.min_depth, limits.max_depth)
        predictors[name] = np.broadcast_to(finite, found.truth.shape)
    predictors |= prediction_controls(found.depth)
    scores = score_depths(predictors, found, limits, recordings)
    known = has_truth(found.truth)
    comparison = Comparison(
        windows=len(found.numbers),
        window_step=1,
        pixel_step=1,
        size=(one.height, one.width),
        median_depth_m=float(np.median(found.truth[known])) if known.any() else math.nan,
        mean='pixels',
        scores=scores,
    )
    return {
        'domain': one.domain,
        'part': one.part,
        'title': one.title,
        'role': one.role,
        **comparison.report(),
        'tables': {name: score.tables() for name, score in scores.items()},
        'uncertainty': found.uncertainty.report(),
        'by_distance': [*map(without_nan, found.breakdown.by_distance.rows())],
        'sparsification': found.uncertainty.sparsification(),
        'planes': [*one.planes],
        'rate_hz': one.rate_hz,
        'fx': _ends(found.fx),
        'truth_share': float(known.mean()),
        'scales': scores[NETWORK].scales,
        'relative': found.relative,
        'skipped': getattr(one.samples.source, 'skipped', {}),
        'left_out_by_reader': dict(one.left_out),
    }


def _ends(fx: Sequence[float]) -> list[float] | None:
    """Return the shortest and the longest of the known focal lengths; None: none is known."""
    known = [one for one in fx if math.isfinite(one)]
    return [min(known), max(known)] if known else None


def score_depths(
    predictors: Mapping[str, FloatImage],
    scored: Predicted,
    limits: DepthRange,
    recordings: Sequence[str],
) -> dict[str, SampleScore]:
    """Compute the errors of predictors.

    Args:
        predictors: Predictions of each, canonical metres, finite or NaN, ``[N, H, W]``.
        scored: Samples with true depth.
        limits: Depth range for scoring.
        recordings: The recording of each sample.
    """
    scores = {
        name: _score_depth(depths, scored, limits, recordings)
        for name, depths in predictors.items()
    }
    if not scored.relative:
        structures = [score.structure for score in scores.values()]
        add_structure(structures, predictors.values(), scored.truth, scored.numbers)
    return scores


def _score_depth(
    depths: FloatImage, scored: Predicted, limits: DepthRange, recordings: Sequence[str]
) -> SampleScore:
    """Compute the errors of one predictor, all but those of structure."""
    ends = (limits.min_depth, limits.max_depth)
    found = SampleScore(
        DepthErrors(*ends),
        DepthErrors(*ends, EvalProtocol(alignment='median')),
        StructureErrors(*ends),
        DepthErrors(*ends),
        DepthErrors(*ends, EvalProtocol(alignment='disparity')),
        recording_scales(depths, scored.truth, recordings),
    )
    found.aligned.add(depths, scored.truth)
    if scored.relative:
        return found
    factors = np.array([found.scales[name] for name in recordings], np.float32)
    found.raw.add(depths, scored.truth)
    found.median.add(depths, scored.truth)
    found.recording.add(depths * factors[:, None, None], scored.truth)
    return found


def recording_scales(
    depths: Iterable[FloatImage],
    truths: Iterable[FloatImage],
    recordings: Sequence[str],
) -> dict[str, float]:
    """Compute the factor of each recording that aligns its predictions with the true depth.

    Args:
        depths: Predictions, metres, finite or NaN where there is none, each ``[H, W]``.
        truths: True depth, metres, each ``[H, W]``.
        recordings: The recording of each image.

    Returns:
        Recording -> median over its images of the ratio of medians, truth over prediction; 1
        where no image has both true depth and a prediction.
    """
    ratios: dict[str, list[float]] = {name: [] for name in recordings}
    for depth, truth, name in zip(depths, truths, recordings, strict=True):
        scored = has_truth(truth) & ~np.isnan(depth)
        if scored.any():
            predicted = max(float(np.median(depth[scored])), FLOOR_M)
            ratios[name].append(float(np.median(truth[scored])) / predicted)
    return {name: float(np.median(own)) if own else 1.0 for name, own in ratios.items()}
