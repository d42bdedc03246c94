# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Controls: predictions that do not depend on a window's spikes, compared with a model's.

:class:`Comparison` is the schema of every evaluation: of a recording (:class:`ControlWindows`)
and, in training, of scenes and data sets. Of a recording at most ``MAX_WINDOWS`` evenly spread
windows with truth are kept, every n-th pixel of each: memory is bounded and one pass is enough.
Model and controls are scored on the same windows and pixels. The result is deterministic.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from spike_depth_ros.evaluation.metrics import (
    DepthErrors,
    EvalProtocol,
    Mean,
    StructureErrors,
    add_structure,
    has_truth,
    without_nan,
)
from spike_depth_ros.geometry.depth_values import FloatImage

MAX_WINDOWS = 200
"""Largest number of kept windows; from one more on every second one is dropped."""

LONGEST_SIDE = 160
"""Largest height and width of a kept image, pixels."""

MARGIN = 1e-3
"""Relative difference below which two errors count as equal (rounding)."""

CONTROLS = {
    'median_depth': 'median-depth baseline, one number',
    'median_depth_map': 'median-depth baseline, per pixel',
    'mean_prediction': 'mean prediction',
    'shuffled_input': 'shuffled input',
}
"""Name of each control in texts, by its key in reports."""

MAP_OF = 'median_depth_map_'
"""Prefix of the keys of median-depth maps of one kind of scenes; its name follows."""

NETWORK = 'network'
"""Key of the model's scores."""


@dataclasses.dataclass
class PredictorScore:
    """Errors of one predictor on the compared windows.

    Attributes:
        raw: Depth errors without alignment.
        median: Depth errors after scaling each image by its median.
        structure: Errors of boundaries and order, at the kept resolution.
    """

    raw: DepthErrors
    median: DepthErrors
    structure: StructureErrors

    def metrics(self, mean: Mean) -> dict[str, float]:
        """Return AbsRel and delta1, raw and median-scaled, and the metrics of structure."""
        raw, median = self.raw.metrics(mean), self.median.metrics(mean)
        return {
            'abs_rel': raw['abs_rel'],
            'delta1': raw['delta1'],
            'abs_rel_median_scaled': median['abs_rel'],
            'delta1_median_scaled': median['delta1'],
            **self.structure.metrics(),
        }


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Scores of a model and its controls on the same windows and pixels.

    Attributes:
        windows: Number of compared windows.
        window_step: Every n-th window with truth was compared.
        pixel_step: Every n-th row and column was compared.
        size: Height and width of the compared images.
        median_depth_m: Median of their true depth, metres.
        mean: Metrics are means over ``pixels`` or ``images``.
        scores: Scores of ``NETWORK`` and of each available control.
    """

    windows: int
    window_step: int
    pixel_step: int
    size: tuple[int, int]
    median_depth_m: float
    mean: Mean
    scores: Mapping[str, PredictorScore]

    def metrics(self) -> dict[str, dict[str, float]]:
        """Return the metrics of each predictor, see :meth:`PredictorScore.metrics`."""
        return {name: score.metrics(self.mean) for name, score in self.scores.items()}

    def not_beaten(self) -> dict[str, tuple[float, float]]:
        """Return the controls that the model does not beat: name -> AbsRel of model and control.

        The model beats a control if its AbsRel is less by ``MARGIN`` or more. A control without
        AbsRel counts as beaten, but by a model without AbsRel, which beats none.

        Raw AbsRel is compared for ``median_depth``, as one number scaled to each image would be
        another baseline, and median-scaled AbsRel for the others; of relative depth the aligned
        one.
        """
        metrics = self.metrics()
        found = {}
        for name in self.scores:
            if name != NETWORK:
                key = _compared(name, without_nan(metrics))
                model, control = metrics[NETWORK][key], metrics[name][key]
                beaten = model < (1 - MARGIN) * control or math.isnan(control)
                if math.isnan(model) or not beaten:
                    found[name] = (model, control)
        return found

    def sentence(self, label: str) -> str:
        """Return the result in one line, see :func:`comparison_sentence`."""
        return comparison_sentence(label, self.report())

    def report(self) -> dict[str, Any]:
        """Return all values for JSON; None for NaN."""
        return without_nan(
            {
                'windows': self.windows,
                'window_step': self.window_step,
                'pixel_step': self.pixel_step,
                'size': self.size,
                'median_depth_m': self.median_depth_m,
                'mean': self.mean,
                'not_beaten': [*self.not_beaten()],
                'predictors': self.metrics(),
            }
        )


def comparison_sentence(label: str, report: Mapping[str, Any]) -> str:
    """Return in one line whether a predictor beats its controls.

    Args:
        label: Name of the predictor.
        report: From :meth:`Comparison.report`.
    """
    predictors, of = report['predictors'], f'on {report["windows"]} windows'
    lost = []
    for name in report['not_beaten']:
        key = _compared(name, predictors)
        values = [predictors[one][key] for one in (NETWORK, name)]
        model, control = ('none' if value is None else f'{value:.3f}' for value in values)
        lost.append(f'{control_name(name)} ({_NAMES[key]} {model}, control {control})')
    if lost:
        return f'{label} DOES NOT BEAT {len(lost)} of its controls {of}: {"; ".join(lost)}'
    return f'{label} beats all {len(predictors) - 1} controls {of}'


def control_name(key: str) -> str:
    """Return the name of a control in texts.

    Args:
        key: Key of ``CONTROLS``, or ``MAP_OF`` and a kind of scenes; other keys are returned.
    """
    if key.startswith(MAP_OF):
        return f'{CONTROLS["median_depth_map"]}, {key.removeprefix(MAP_OF)}'
    return CONTROLS.get(key, key)


ALIGNED = 'abs_rel_aligned'
"""AbsRel after a fit of scale and shift of inverse depth to each image: all of relative depth."""

_NAMES = {
    'abs_rel': 'AbsRel',
    'abs_rel_median_scaled': 'median-scaled AbsRel',
    ALIGNED: 'aligned AbsRel',
}


def _compared(name: str, predictors: Mapping[str, Mapping[str, float | None]]) -> str:
    """Return the metric by which a control is compared, given the metrics of all predictors."""
    key = 'abs_rel' if name == 'median_depth' else 'abs_rel_median_scaled'
    aligned_alone = any(one.get(ALIGNED) is not None for one in predictors.values()) and all(
        one[key] is None for one in predictors.values()
    )
    return ALIGNED if aligned_alone else key


class ControlWindows:
    """Sample of a recording's windows at low resolution, and the controls made of them.

    Every window with truth is kept at first. Whenever there are more than ``MAX_WINDOWS``, every
    second one is dropped, and from then on half as many are kept.

    Args:
        depth_range: Nearest and farthest depth of the model, metres.
        protocol: Crop and cap of the depth metrics; its alignment is not used.
        mean: Metrics are means over ``pixels`` or ``images``.
    """

    def __init__(
        self, depth_range: tuple[float, float], protocol: EvalProtocol, mean: Mean
    ) -> None:
        self._range = depth_range
        self._protocol = protocol
        self._mean: Mean = mean
        self._seen = 0
        self._window_step = 1
        self._shape: tuple[int, ...] = ()
        self._depths: list[FloatImage] = []
        self._truths: list[FloatImage] = []
        self._compared: Comparison | None = None

    def __len__(self) -> int:
        return len(self._depths)

    def add(self, depth: FloatImage, truth: FloatImage) -> None:
        """Add a window.

        Args:
            depth: Prediction, metres with the infinities of REP 117, ``[H, W]``.
            truth: True depth, metres, same shape. A window of another shape than the first, or
                without truth, is ignored.
        """
        self._shape = self._shape or truth.shape
        if truth.shape != self._shape or not has_truth(truth).any():
            return
        number, self._seen = self._seen, self._seen + 1
        if number % self._window_step:
            return
        self._compared = None
        step = self._pixel_step
        self._depths.append(finite_depth(depth[::step, ::step], *self._range))
        self._truths.append(truth[::step, ::step].astype(np.float32))
        if len(self) > MAX_WINDOWS:
            self._depths, self._truths = self._depths[::2], self._truths[::2]
            self._window_step *= 2

    @property
    def _pixel_step(self) -> int:
        return math.ceil(max(self._shape) / LONGEST_SIDE)

    def compare(self) -> Comparison | None:
        """Score model and controls; None with fewer than two windows with truth.

        For a single window the mean prediction is the prediction itself, and there is no other
        window to shuffle with.
        """
        if self._compared is None and len(self) > 1:
            truths = np.stack(self._truths)
            measured = truths[has_truth(truths)]
            if measured.size:
                self._compared = self._compare(truths, float(np.median(measured)))
        return self._compared

    def _compare(self, truths: FloatImage, median_m: float) -> Comparison:
        depths = np.stack(self._depths)
        predictors = {
            NETWORK: depths,
            'median_depth': np.broadcast_to(np.float32(median_m), truths.shape),
            'median_depth_map': median_maps(truths, median_m),
            **prediction_controls(depths),
        }
        scores = {name: self._score(images, truths) for name, images in predictors.items()}
        structures = [score.structure for score in scores.values()]
        add_structure(structures, predictors.values(), truths, range(len(truths)))
        return Comparison(
            windows=len(self),
            window_step=self._window_step,
            pixel_step=self._pixel_step,
            size=(truths.shape[1], truths.shape[2]),
            median_depth_m=median_m,
            mean=self._mean,
            scores=scores,
        )

    def _score(self, depths: FloatImage, truths: FloatImage) -> PredictorScore:
        raw = dataclasses.replace(self._protocol, alignment='none')
        median = dataclasses.replace(self._protocol, alignment='median')
        score = PredictorScore(
            DepthErrors(*self._range, raw),
            DepthErrors(*self._range, median),
            StructureErrors(*self._range),
        )
        score.raw.add(depths, truths)
        score.median.add(depths, truths)
        return score


def median_maps(truths: FloatImage, otherwise: float) -> FloatImage:
    """Compute for each image the median, pixel by pixel, of the true depth of all others.

    Its own depth is left out: with sparse truth a pixel would mostly be compared with itself.

    Args:
        truths: True depth, metres, ``[N, H, W]``.
        otherwise: Metres where no other image has truth.

    Returns:
        Metres, ``[N, H, W]``; 0 where the image itself has no truth.
    """
    measured = has_truth(truths)
    values = np.where(measured, truths, np.inf)  # sorted behind the measured ones
    order = values.argsort(axis=0, kind='stable')
    ascending = np.take_along_axis(values, order, axis=0)
    rank = order.argsort(axis=0, kind='stable')  # of each image's own depth
    others = measured.sum(axis=0) - 1
    middle = [
        np.take_along_axis(ascending, np.minimum(place + (place >= rank), len(truths) - 1), axis=0)
        for place in (np.maximum(others - 1, 0) // 2, np.maximum(others, 0) // 2)
    ]
    median = np.where(others > 0, (middle[0] + middle[1]) / 2, otherwise)
    maps: FloatImage = np.where(measured, median, 0).astype(np.float32)
    return maps


def finite_depth(depth: FloatImage, near: float, far: float) -> FloatImage:
    """Replace infinities by the limits of the depth range, in a copy; NaN is kept.

    Args:
        depth: Metres with the infinities of REP 117, any shape.
        near: Nearest depth of the range, metres.
        far: Farthest depth of the range, metres.
    """
    finite: FloatImage = np.nan_to_num(
        depth.astype(np.float32), nan=np.nan, neginf=near, posinf=far
    )
    return finite


def prediction_controls(depths: FloatImage) -> dict[str, FloatImage]:
    """Compute the controls that are made of a model's own predictions.

    Args:
        depths: Predicted depth, metres, finite or NaN, ``[N, H, W]`` with N at least 2.

    Returns:
        By key of ``CONTROLS``, ``[N, H, W]`` each.
    """
    return {
        'mean_prediction': np.broadcast_to(mean_map(depths), depths.shape),
        'shuffled_input': shuffled(depths),
    }


def mean_map(depths: FloatImage) -> FloatImage:
    """Compute each pixel's mean depth over the images that have a value there.

    Args:
        depths: Metres, finite or NaN, ``[N, H, W]`` with N at least 1.

    Returns:
        Metres, ``[H, W]``; NaN where no image has a depth.
    """
    known = ~np.isnan(depths)
    total = np.where(known, depths, 0).sum(axis=0, dtype=np.float64)
    count = known.sum(axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    mapped: FloatImage = mean.astype(np.float32)
    return mapped


def shuffled(depths: FloatImage) -> FloatImage:
    """Shuffle images deterministically: a circular shift by half of them.

    Args:
        depths: ``[N, H, W]`` with N at least 2.
    """
    moved: FloatImage = np.roll(depths, len(depths) // 2, axis=0)
    return moved
