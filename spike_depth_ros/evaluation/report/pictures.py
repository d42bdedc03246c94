# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of the report: input and output of example windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from spike_depth_ros import pictures
from spike_depth_ros.evaluation.extremes import Example
from spike_depth_ros.evaluation.report.page import png_base64
from spike_depth_ros.evaluation.results import ModelRun
from spike_depth_ros.evaluation.truth import enlarged
from spike_depth_ros.metrics import FloatArray, relative_error

SPARSE = 0.3
"""Share of pixels with values below which an image is drawn with larger points."""


def best_and_worst(runs: Sequence[ModelRun]) -> list[dict[str, Any]]:
    """Return title and panels of each window, the worst first, model by model."""
    found = []
    for run in runs:
        best, worst = run.scores.extremes.best_and_worst()
        limits = _limits([*best, *worst])
        for kind, examples in (('worst', worst), ('best', best)):
            for place, example in enumerate(examples, start=1):
                error = (
                    f'Abs Rel {example.abs_rel:.3f}, ' if math.isfinite(example.abs_rel) else ''
                )
                unsure = f'uncertainty {100 * example.relative_uncertainty:.1f} %'
                name = f'{run.label}: ' if len(runs) > 1 else ''
                found.append(
                    {
                        'title': f'{name}{kind} {place}: window {example.number}, at '
                        f'{example.time_s:.3f} s, {error}{unsure}',
                        'panels': _panels(example, run.scores.depth_range, limits),
                    }
                )
    return found


def differing(runs: Sequence[ModelRun]) -> list[dict[str, Any]]:
    """Return title and panels of the windows in which models differ most from the first."""
    first, found = runs[0], []
    for other in runs[1:]:
        assert other.largest_differences is not None
        ends = (
            (first, other.largest_differences.first_better()),
            (other, other.largest_differences.second_better()),
        )
        near, far, _ = _limits(
            [example for _, pairs in ends for pair in pairs for example in pair]
        )
        for ahead, pairs in ends:
            for place, (one, two) in enumerate(pairs, start=1):
                found.append(
                    {
                        'title': f'{ahead.label} ahead, {place}: window {one.number}, at '
                        f'{one.time_s:.3f} s, Abs Rel {one.abs_rel:.3f} of {first.label}, '
                        f'{two.abs_rel:.3f} of {other.label}',
                        'panels': _panels_of_two((first, one), (other, two), near, far),
                    }
                )
    return found


def _limits(examples: Sequence[Example]) -> tuple[float, float, float]:
    """Return the ends of the colour scales: nearest, farthest depth, m; uncertainty, %."""
    images = [image for m in examples for image in (m.depth, m.truth) if image is not None]
    finite = [image[np.isfinite(image)] for image in images]
    low = min((float(np.percentile(part, 1)) for part in finite if part.size), default=1.0)
    high = max((float(np.percentile(part, 99)) for part in finite if part.size), default=10.0)
    unsure = [_percent_of_depth(m) for m in examples]
    known = [image[np.isfinite(image)] for image in unsure]
    width = max((float(np.percentile(part, 95)) for part in known if part.size), default=100.0)
    return low, max(high, 1.05 * low), max(width, 1.0)


def _percent_of_depth(example: Example) -> FloatArray:
    """Return uncertainty over depth, %; NaN beyond the range of depth."""
    finite = np.where(np.isfinite(example.depth), example.depth, np.nan)
    relative: FloatArray = 100 * example.uncertainty / finite
    return relative


_TitledPanel = tuple[str, pictures.Rgb]


def _panels(
    example: Example, depth_range: tuple[float, float], limits: tuple[float, float, float]
) -> list[dict[str, str]]:
    near, far, high = limits
    unsure = pictures.uncertainty_panel(_percent_of_depth(example), high, '%')
    return as_png(
        [
            *_spikes(example),
            ('depth', pictures.depth_panel(example.depth, near, far)),
            *_true_depth(example, near, far),
            *_error(example, depth_range),
            ('uncertainty: half of the 68 % interval, over depth', unsure),
        ]
    )


def _panels_of_two(
    one: tuple[ModelRun, Example], other: tuple[ModelRun, Example], near: float, far: float
) -> list[dict[str, str]]:
    """Return panels of spikes, both depths, the truth, and both errors."""
    both = (one, other)
    example = one[1]
    depths = [
        (f'depth of {run.label}', pictures.depth_panel(seen.depth, near, far))
        for run, seen in both
    ]
    errors = [
        (f'{name} of {run.label}', panel)
        for run, seen in both
        for name, panel in _error(seen, run.scores.depth_range)
    ]
    return as_png([*_spikes(example), *depths, *_true_depth(example, near, far), *errors])


def _spikes(example: Example) -> list[_TitledPanel]:
    if example.preview is None:
        return []
    return [('spikes', pad_colour_bar(pictures.spike_panel(example.preview)))]


def _true_depth(example: Example, near: float, far: float) -> list[_TitledPanel]:
    if example.truth is None:
        return []
    return [('true depth', pictures.depth_panel(_dilate_sparse(example.truth), near, far))]


def _error(example: Example, depth_range: tuple[float, float]) -> list[_TitledPanel]:
    if example.truth is None:
        return []
    error = relative_error(enlarged(example.depth, example.truth), example.truth, *depth_range)
    return [('relative error', pictures.error_panel(_dilate_sparse(error)))]


def as_png(panels: Sequence[_TitledPanel]) -> list[dict[str, str]]:
    """Return titles and base64 PNG of panels, for the macro ``panels`` of a page."""
    return [{'title': title, 'png': png_base64(panel)} for title, panel in panels]


def _dilate_sparse(image: FloatArray) -> FloatArray:
    """Enlarge single points, as of a laser scanner; the least value is on top."""
    known = ~np.isnan(image)
    if known.mean() > SPARSE:
        return image
    spread = cv2.erode(np.where(known, image, np.inf), np.ones((3, 3), np.uint8))
    around = cv2.dilate(known.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    seen: FloatArray = np.where(around, spread, np.nan)
    return seen


def pad_colour_bar(panel: pictures.Rgb) -> pictures.Rgb:
    """Pad a panel without a colour bar to the width of those with one."""
    height = panel.shape[0]
    margin = np.empty((height, pictures.BAR_WIDTH, 3), np.uint8)
    margin[:] = pictures.BACKGROUND
    return np.concatenate([panel, margin], axis=1)
