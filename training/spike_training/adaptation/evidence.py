# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evidence, without labels of the target, whether a network is better there than another.

What adaptation optimises is no evidence: a constant output is stable, consistent and certain. Two
networks are compared by their error on labelled scenes that are simulated as the recording's
camera sees, and by properties of depth that a constant, a copy of the picture or another domain's
network does not have.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spike_depth_ros.evaluation.metrics import (
    DepthErrors,
    EvalProtocol,
    has_truth,
    rank_correlation,
)
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.evaluation.predictors import canonical_depth, predict
from spike_training.sampling.sample import Batch, Unlabelled

Verdict = Literal['improved', 'no change', 'worse']

FloatImages = npt.NDArray[np.float32]

EDGES_PX = 4
"""Side of the squares whose depth and brightness edges are compared, pixels."""

PAIRS = 2000
"""Pairs of pixels of an image whose order is compared."""

ORDER_RATIO = 1.1
"""Ratio of two depths from which on their order counts."""

CERTAIN = 0.5
"""Share of the pixels, those of least uncertainty, whose order counts."""


@dataclasses.dataclass(frozen=True)
class Outputs:
    """Outputs of a network for the windows of a recording.

    Attributes:
        depth: Canonical metres, ``[N, H, W]``.
        uncertainty: Relative, same shape.
        mirrored: Depth of the mirrored windows, mirrored back, same shape.
    """

    depth: FloatImages
    uncertainty: FloatImages
    mirrored: FloatImages


@dataclasses.dataclass(frozen=True)
class Evidence:
    """Differences between a candidate and the old network; positive: the candidate has more.

    Attributes:
        matched_error: Log ratio of the median-scaled AbsRel, mean over labelled scenes that are
            simulated as the recording's camera sees.
        edges: Difference of the correlation of depth edges with edges of the picture.
        asymmetry: Log ratio of the difference between depth and depth of the mirrored window, over
            the spread.
        spread: Log ratio of the standard deviation of log depth within images.
        dependence: Log ratio of the difference between the depths of different windows.
        disorder: Share of pixel pairs, certain in both networks, in another order than by the old
            network.
        drift: Log ratio of the median depths, mean over windows.
        drift_spread: Standard deviation of that log ratio between windows.
        measured_error: Log ratio of the median-scaled AbsRel on held-back windows with depth; None
            where the recording has none.
        motion_error: Log ratio of the median-scaled AbsRel at points that were triangulated from
            the motion of the camera, mean over held-back windows; None where there are too few.
        metric_error: Log ratio of the bounded AbsRel in metres on held-back windows with depth,
            mean over pixels; None without a second eye.
    """

    matched_error: float
    edges: float
    asymmetry: float
    spread: float
    dependence: float
    disorder: float
    drift: float
    drift_spread: float
    measured_error: float | None = None
    motion_error: float | None = None
    metric_error: float | None = None

    @property
    def decisive_error(self) -> float | None:
        """Log change of the error that decides alone, in metres with a second eye; None: none."""
        return self.measured_error if self.metric_error is None else self.metric_error


WEIGHTS = {'matched_error': 0.65, 'asymmetry': 0.1}
"""Weights in the expected change, fitted on cases of ``benchmarks/acceptance.py``."""

WEIGHTS_IN_MOTION = {'matched_error': 0.4, 'asymmetry': 0.1, 'motion_error': 0.4}
"""Weights where the error by motion is known: chosen, not fitted."""

LIMITS = (-0.03, 0.04)
"""Expected log change of the error below which a candidate is improved, and above which worse."""

MEASURED_LIMITS = (math.log(0.97), math.log(1.03))
"""Log change of an error that was measured, likewise."""

FULL_DISTANCE = 3.0
"""Distance of the match up to which labelled scenes count in full.

Beyond it, the expected change of an improvement must be ``distance / FULL_DISTANCE`` times as
large: the less the scenes are like the recording, the less they say. The limit of a worse
candidate stays. Real places differ from generated ones whatever the camera.
"""

FLAT = math.log(0.4)
"""Log ratio of the spread below which an output is flat."""

UNVARIED = math.log(0.3)
"""Log ratio of the dependence on the window below which an output hardly varies.

Lower than :data:`FLAT`: noise lets the depth of a network that is not adapted vary.
"""


def expected_change(evidence: Evidence) -> float:
    """Return the relative change of the error: the measured one, or what is expected."""
    if evidence.decisive_error is not None:
        return math.expm1(evidence.decisive_error)
    weights = WEIGHTS if evidence.motion_error is None else WEIGHTS_IN_MOTION
    return math.expm1(sum(weight * getattr(evidence, name) for name, weight in weights.items()))


def is_flat(evidence: Evidence) -> bool:
    """Return True if depth is flat, or hardly varies with the window."""
    return evidence.spread < FLAT or evidence.dependence < UNVARIED


def find_limits(distance: float, *, measured: bool) -> tuple[float, float]:
    """Return the log changes of the error below which a candidate is improved, and above worse.

    Args:
        distance: Distance of the match.
        measured: True if the change is a measured one, False if it is expected.
    """
    if measured:
        return MEASURED_LIMITS
    return LIMITS[0] * max(1.0, distance / FULL_DISTANCE), LIMITS[1]


def decide(evidence: Evidence, distance: float = 0.0) -> Verdict:
    """Decide on a candidate by its evidence.

    Args:
        evidence: The evidence. Flat depth, or depth that hardly varies, is worse. A measured error
            decides alone otherwise, that in metres where there is one.
        distance: Distance of the match. Where the error by motion alone says that a candidate is
            improved, the distance does not count.
    """
    if is_flat(evidence):
        return 'worse'
    change = math.log1p(expected_change(evidence))
    measured = evidence.decisive_error is not None
    seen = evidence.motion_error is not None and evidence.motion_error <= LIMITS[0]
    lower, upper = find_limits(0.0 if seen else distance, measured=measured)
    if change <= lower:
        return 'improved'
    return 'worse' if change >= upper else 'no change'


class Tested(typing.Protocol):
    """Candidate with its evidence and verdict."""

    @property
    def evidence(self) -> Evidence:
        """Evidence of the candidate."""

    @property
    def verdict(self) -> Verdict:
        """Verdict on it."""


AnyTested = TypeVar('AnyTested', bound=Tested)


def choose(tested: Iterable[AnyTested]) -> AnyTested | None:
    """Choose the candidate to keep: the improved one of the least expected error, or None."""
    improved = (one for one in tested if one.verdict == 'improved')
    return min(improved, key=lambda one: expected_change(one.evidence), default=None)


@torch.inference_mode()
def compute_outputs(
    network: nn.Module, windows: Sequence[Unlabelled], factor: float = 1.0
) -> Outputs:
    """Compute the outputs of a network for windows and their mirror images.

    Args:
        network: The network, in eval mode.
        windows: The windows.
        factor: Factor on its depth, of another canonical focal length than the old network's.
    """
    depths, uncertainties, mirrored = [], [], []
    for window in windows:
        output = predict(network, window, 'spikes')
        depths.append(factor * output.depth[:, 0])
        uncertainties.append(output.uncertainty[:, 0])
        flipped = dataclasses.replace(window, counts=window.counts.flip(3))
        mirrored.append(factor * predict(network, flipped, 'spikes').depth[:, 0].flip(2))
    return Outputs(*(_joined(one) for one in (depths, uncertainties, mirrored)))


def _joined(parts: Sequence[Tensor]) -> FloatImages:
    found: FloatImages = torch.cat([*parts]).float().cpu().numpy()
    return found


@dataclasses.dataclass(frozen=True)
class Scores:
    """Errors of a network on labelled windows.

    Attributes:
        images: Median-scaled AbsRel of each window, ``[N]``.
        scaled: Median-scaled AbsRel, mean over pixels.
        metres: AbsRel, mean over pixels.
        bounded: The same, errors above 1 taken as 1: a few false matches, which are far too near,
            would outweigh all other pixels. NaN without any truth.
    """

    images: npt.NDArray[np.float64]
    scaled: float
    metres: float
    bounded: float = math.nan


class AllScores(NamedTuple):
    """Scores of a network.

    Attributes:
        matched: On labelled scenes that are simulated as the recording's camera sees.
        measured: On held-back windows with depth; None without any.
        moving: On held-back windows with depth from motion; None without any.
    """

    matched: Scores
    measured: Scores | None = None
    moving: Scores | None = None


@torch.inference_mode()
def score(
    network: nn.Module, info: DepthInfo, batches: Sequence[Batch], factor: float = 1.0
) -> Scores:
    """Score a network, in eval mode, on labelled windows.

    Args:
        network: The network.
        info: Metadata of the old network.
        batches: The windows.
        factor: As for :func:`compute_outputs`.
    """

    def no_errors(protocol: EvalProtocol) -> DepthErrors:
        return DepthErrors(info.min_depth, info.max_depth, protocol)

    scaling = EvalProtocol(alignment='median')
    scaled, metres = no_errors(scaling), no_errors(EvalProtocol())
    images, bounded = [], [np.empty(0, np.float32)]
    for batch in batches:
        depth = factor * predict(network, batch, 'spikes').depth[:, 0].cpu().numpy()
        truth = canonical_depth(batch, info.canonical_fx)[:, 0].cpu().numpy()
        metres.add(depth, truth)
        known = has_truth(truth)
        bounded.append((np.abs(depth[known] - truth[known]) / truth[known]).clip(max=1))
        for predicted, true in zip(depth, truth, strict=True):
            image = no_errors(scaling)
            image.add(predicted, true)
            images.append(image.abs_rel)
            scaled.merge(image)
    errors = np.concatenate(bounded)
    mean = float(errors.mean(dtype=np.float64)) if len(errors) else math.nan
    return Scores(np.array(images), scaled.abs_rel, metres.abs_rel, mean)


def compare(
    old: Outputs,
    new: Outputs,
    windows: Sequence[Unlabelled],
    scores: tuple[AllScores, AllScores],
    in_metres: bool = False,
) -> Evidence:
    """Compute the evidence about a candidate.

    Args:
        old: Outputs of the old network for held-back windows.
        new: Outputs of the candidate for the same windows.
        windows: These windows.
        scores: Scores of the old network and of the candidate.
        in_metres: True if held-back windows with depth tell about metres, too.
    """
    pictures = np.concatenate([_picture(window) for window in windows])
    shift = np.log(np.median(new.depth, (1, 2)) / np.median(old.depth, (1, 2)))
    before, after = scores
    measured_error = motion_error = metric_error = None
    if before.measured is not None and after.measured is not None:
        measured_error = _log_ratio(after.measured.scaled, before.measured.scaled)
        if in_metres:
            metric_error = _log_ratio(after.measured.bounded, before.measured.bounded)
    if before.moving is not None and after.moving is not None:
        motion_error = _mean_log_ratio(after.moving.images, before.moving.images)
    return Evidence(
        matched_error=_mean_log_ratio(after.matched.images, before.matched.images),
        edges=_edge_agreement(new.depth, pictures) - _edge_agreement(old.depth, pictures),
        asymmetry=_log_ratio(_asymmetry(new), _asymmetry(old)),
        spread=_log_ratio(_spread(new.depth), _spread(old.depth)),
        dependence=_log_ratio(_dependence(new.depth), _dependence(old.depth)),
        disorder=_disorder(old, new),
        drift=float(shift.mean()),
        drift_spread=float(shift.std()),
        measured_error=measured_error,
        motion_error=motion_error,
        metric_error=metric_error,
    )


def _log_ratio(new: float, old: float) -> float:
    return math.log(max(new, 1e-6) / max(old, 1e-6))


def _mean_log_ratio(new: npt.NDArray[np.float64], old: npt.NDArray[np.float64]) -> float:
    # An image without truth has no error.
    return float(np.nanmean(np.log(np.maximum(new, 1e-6) / np.maximum(old, 1e-6))))


def _picture(window: Unlabelled) -> FloatImages:
    """Return the brightness of windows as an eye or camera encodes it, ``[B, H, W]``."""
    rate = window.counts.sum(1).float() / window.planes_per_bin.sum()
    found: FloatImages = rate.sqrt().cpu().numpy()
    return found


def _edges(images: FloatImages) -> FloatImages:
    """Return the strength of edges between squares, ``[N, h, w]``."""
    small = np.stack([cv2.resize(one, None, fx=1 / EDGES_PX, fy=1 / EDGES_PX,
                                 interpolation=cv2.INTER_AREA) for one in images])  # fmt: skip
    found: FloatImages = np.hypot(
        np.diff(small, axis=2)[:, :-1], np.diff(small, axis=1)[:, :, :-1]
    )
    return found


def _edge_agreement(depth: FloatImages, pictures: FloatImages) -> float:
    """Return the mean correlation of the ranks of depth edges and picture edges."""
    edges = (_edges(images).astype(np.float64) for images in (np.log(depth), pictures))
    found = [
        rank_correlation(one.ravel(), other.ravel()) for one, other in zip(*edges, strict=True)
    ]
    return float(np.mean(np.nan_to_num(found)))  # NaN where there is no edge


def _asymmetry(outputs: Outputs) -> float:
    difference = float(np.abs(np.log(outputs.depth / outputs.mirrored)).mean())
    return difference / max(_spread(outputs.depth), 1e-3)


def _spread(depth: FloatImages) -> float:
    return float(np.log(depth).std(axis=(1, 2)).mean())


def _dependence(depth: FloatImages) -> float:
    """Return the mean difference of log depth between different windows, medians aligned."""
    logs = np.log(depth)
    logs = logs - np.median(logs, axis=(1, 2), keepdims=True)
    return float(np.abs(logs - np.roll(logs, max(1, len(logs) // 2), axis=0)).mean())


def _disorder(old: Outputs, new: Outputs) -> float:
    random = np.random.default_rng(0)
    wrong = total = 0
    for k in range(len(old.depth)):
        first, second = random.integers(old.depth[k].size, size=(2, PAIRS))
        sure = np.ones(PAIRS, bool)
        for outputs in (old, new):
            limit = np.quantile(outputs.uncertainty[k], CERTAIN)
            certain = outputs.uncertainty[k].ravel() <= limit
            sure &= certain[first] & certain[second]
        before, after = (
            np.log(one.depth[k].ravel()[first] / one.depth[k].ravel()[second])
            for one in (old, new)
        )
        sure &= np.abs(before) > math.log(ORDER_RATIO)
        wrong += int((np.sign(before) != np.sign(after))[sure].sum())
        total += int(sure.sum())
    return wrong / max(total, 1)
