# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Controls: predictions that do not depend on a window's spikes, scored on the model's windows.

At most ``MAX_WINDOWS`` evenly spread windows with truth are kept, every n-th pixel of each, so
that memory does not grow with the recording and one pass is enough. Model and controls are scored
on these windows and pixels alike; the same recording gives the same numbers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from spike_depth_ros.metrics import DepthErrors, Mean, Protocol, StructureErrors, has_truth
from spike_depth_ros.stream.decode import FloatImage

MAX_WINDOWS = 200
"""Windows that are kept at most; from the 201st on half as many or more."""

LONGEST_SIDE = 160
"""Rows and columns of a kept image at most."""

MARGIN = 1e-3
"""Share by which an error must be less than that of a control to beat it: not by rounding."""

CONTROLS = {
    'median_depth': 'median-depth baseline, one number',
    'median_depth_map': 'median-depth baseline, per pixel',
    'mean_prediction': 'mean prediction',
    'shuffled_input': 'shuffled input',
}
"""Key in ``metrics.json`` -> name in texts."""

MODEL = 'network'
"""Key of the model's own scores beside those of the controls."""


@dataclasses.dataclass
class ControlScore:
    """Errors of one predictor on the kept windows.

    Attributes:
        raw: Depth errors in metres as they are.
        median: Depth errors after scaling each image by its median.
        structure: Boundaries and order, at the kept resolution.
    """

    raw: DepthErrors
    median: DepthErrors
    structure: StructureErrors

    def figures(self, mean: Mean) -> dict[str, float]:
        """AbsRel and delta1, raw and median-scaled, boundary F1 and ordinal accuracy."""
        raw, median = self.raw.figures(mean), self.median.figures(mean)
        return {
            'abs_rel': raw['abs_rel'],
            'delta1': raw['delta1'],
            'abs_rel_median_scaled': median['abs_rel'],
            'delta1_median_scaled': median['delta1'],
            **self.structure.figures(),
        }


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A model beside the controls, on the same windows and pixels.

    Attributes:
        windows: Windows that were compared.
        window_step: Which of the windows with truth: every n-th.
        pixel_step: Which pixels: every n-th row and column.
        size: Height and width of the compared images.
        median_depth_m: Median of their true depth, metres.
        mean: What figures are means over.
        scores: Of ``MODEL`` and of each control that exists.
    """

    windows: int
    window_step: int
    pixel_step: int
    size: tuple[int, int]
    median_depth_m: float
    mean: Mean
    scores: Mapping[str, ControlScore]

    def figures(self) -> dict[str, dict[str, float]]:
        """Figures by predictor, see :meth:`ControlScore.figures`."""
        return {name: score.figures(self.mean) for name, score in self.scores.items()}

    def not_beaten(self) -> dict[str, tuple[float, float]]:
        """Controls that the model does not beat: name -> AbsRel of the model, of the control.

        The model beats a control where its AbsRel is less by ``MARGIN`` or more.

        Raw AbsRel for ``median_depth``, as one number scaled to each image would be another
        baseline; median-scaled AbsRel for the others.
        """
        figures = self.figures()
        found = {}
        for name in self.scores:
            if name != MODEL:
                key = _compared(name)
                model, control = figures[MODEL][key], figures[name][key]
                if not model < (1 - MARGIN) * control:
                    found[name] = (model, control)
        return found

    def sentence(self, label: str) -> str:
        """Whether the model beats the controls, in one line.

        Args:
            label: Of the model.
        """
        lost = [
            f'{CONTROLS[name]} ({_NAMES[_compared(name)]} {model:.3f}, control {control:.3f})'
            for name, (model, control) in self.not_beaten().items()
        ]
        of = f'on {self.windows} windows'
        if lost:
            return f'{label} DOES NOT BEAT {len(lost)} of its controls {of}: {"; ".join(lost)}'
        return f'{label} beats all {len(self.scores) - 1} controls {of}'

    def report(self) -> dict[str, Any]:
        """Everything, for ``metrics.json``."""
        return {
            'windows': self.windows,
            'window_step': self.window_step,
            'pixel_step': self.pixel_step,
            'size': list(self.size),
            'median_depth_m': self.median_depth_m,
            'mean': self.mean,
            'not_beaten': list(self.not_beaten()),
            'predictors': self.figures(),
        }


_NAMES = {'abs_rel': 'AbsRel', 'abs_rel_median_scaled': 'median-scaled AbsRel'}


def _compared(name: str) -> str:
    return 'abs_rel' if name == 'median_depth' else 'abs_rel_median_scaled'


class ControlWindows:
    """Evenly spread windows of a recording at low resolution, and the controls made of them.

    Every window with truth is kept at first; whenever there are more than ``MAX_WINDOWS``, every
    second one is dropped, and from then on half as many are taken.

    Args:
        depth_range: Nearest and farthest depth of the model, metres.
        protocol: Crop and cap of the depth figures; its alignment is not used.
        mean: What figures are means over.
    """

    def __init__(self, depth_range: tuple[float, float], protocol: Protocol, mean: Mean) -> None:
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
        """Take a window in.

        Args:
            depth: Prediction, metres with the infinities of REP 117, ``[H, W]``.
            truth: True depth, metres, same shape; a window of another shape than the first one's,
                or without any truth, is left out.
        """
        self._shape = self._shape or truth.shape
        if truth.shape != self._shape or not has_truth(truth).any():
            return
        number, self._seen = self._seen, self._seen + 1
        if number % self._window_step:
            return
        self._compared = None
        step = self._pixel_step
        self._depths.append(self._limited(depth[::step, ::step]))
        self._truths.append(truth[::step, ::step].astype(np.float32))
        if len(self) > MAX_WINDOWS:
            self._depths, self._truths = self._depths[::2], self._truths[::2]
            self._window_step *= 2

    @property
    def _pixel_step(self) -> int:
        return math.ceil(max(self._shape) / LONGEST_SIDE)

    def _limited(self, depth: FloatImage) -> FloatImage:
        """Depth with the range's limits for infinities; a copy."""
        near, far = self._range
        limited: FloatImage = np.nan_to_num(
            depth.astype(np.float32), nan=np.nan, neginf=near, posinf=far
        )
        return limited

    def compare(self) -> Comparison | None:
        """The model beside the controls; None with fewer than two windows with truth.

        Of a single window the mean prediction is the prediction, and no other one can be taken
        for it.
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
            MODEL: depths,
            'median_depth': np.broadcast_to(np.float32(median_m), truths.shape),
            'median_depth_map': median_maps(truths, median_m),
            'mean_prediction': np.broadcast_to(mean_map(depths), truths.shape),
            'shuffled_input': shuffled(depths),
        }
        return Comparison(
            windows=len(self),
            window_step=self._window_step,
            pixel_step=self._pixel_step,
            size=(truths.shape[1], truths.shape[2]),
            median_depth_m=median_m,
            mean=self._mean,
            scores={name: self._score(images, truths) for name, images in predictors.items()},
        )

    def _score(self, depths: FloatImage, truths: FloatImage) -> ControlScore:
        raw = dataclasses.replace(self._protocol, alignment='none')
        median = dataclasses.replace(self._protocol, alignment='median')
        score = ControlScore(
            DepthErrors(*self._range, raw),
            DepthErrors(*self._range, median),
            StructureErrors(*self._range),
        )
        score.raw.add(depths, truths)
        score.median.add(depths, truths)
        score.structure.add(depths, truths, range(len(truths)))
        return score


def median_maps(truths: FloatImage, otherwise: float) -> FloatImage:
    """Compute for each image the median, pixel by pixel, of the true depth of all others.

    Its own depth is left out: of sparse truth a pixel has hardly any other, and would be compared
    with itself.

    Args:
        truths: True depth, metres, ``[N, H, W]``.
        otherwise: Metres where no other image has truth.

    Returns:
        Metres, ``[N, H, W]``; 0 where the image itself has no truth.
    """
    measured = has_truth(truths)
    values = np.where(measured, truths, np.inf)  # sorted behind what is measured
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


class MeanMap:
    """Each pixel's mean depth over the images that have one, accumulated."""

    def __init__(self) -> None:
        self._total: npt.NDArray[np.float64] | None = None
        self._count: npt.NDArray[np.int64] | None = None

    def add(self, depths: FloatImage) -> None:
        """Count images.

        Args:
            depths: Metres, finite or NaN, ``[N, H, W]``; of one size for all calls.
        """
        known = ~np.isnan(depths)
        total = np.where(known, depths, 0).sum(axis=0, dtype=np.float64)
        count = known.sum(axis=0, dtype=np.int64)
        self._total = total if self._total is None else self._total + total
        self._count = count if self._count is None else self._count + count

    def depth(self) -> FloatImage:
        """The mean, metres, ``[H, W]``; NaN where no image has a depth.

        Raises:
            ValueError: No image was counted.
        """
        if self._total is None or self._count is None:
            raise ValueError('no images: expected at least one for a mean')
        mean = self._total / np.maximum(self._count, 1)
        return np.where(self._count > 0, mean, np.nan).astype(np.float32)


def mean_map(depths: FloatImage) -> FloatImage:
    """Each pixel's mean depth over the images that have one.

    Args:
        depths: Metres, finite or NaN, ``[N, H, W]`` with N at least 1.

    Returns:
        Metres, ``[H, W]``; NaN where no image has a depth.
    """
    mean = MeanMap()
    mean.add(depths)
    return mean.depth()


def shuffled(depths: FloatImage) -> FloatImage:
    """Images in another order, in which none keeps its place: moved on by half of them, around.

    Args:
        depths: ``[N, H, W]`` with N at least 2.
    """
    moved: FloatImage = np.roll(depths, len(depths) // 2, axis=0)
    return moved
