# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pictures of the report: what went in and what came out of a few windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from spike_depth_ros import pictures
from spike_depth_ros.evaluation.extremes import Moment
from spike_depth_ros.evaluation.report.page import png_base64
from spike_depth_ros.evaluation.results import ModelRun
from spike_depth_ros.evaluation.truth import enlarged
from spike_depth_ros.metrics import FloatArray, relative_error

SPARSE = 0.3
"""With values at a smaller share of its pixels, an image is drawn with larger points."""


def best_and_worst(runs: Sequence[ModelRun]) -> list[dict[str, Any]]:
    """Title and panels of each window, the worst first, model by model."""
    found = []
    for run in runs:
        best, worst = run.scores.extremes.best_and_worst()
        limits = _limits([*best, *worst])
        for kind, moments in (('worst', worst), ('best', best)):
            for place, moment in enumerate(moments, start=1):
                error = f'Abs Rel {moment.abs_rel:.3f}, ' if math.isfinite(moment.abs_rel) else ''
                unsure = f'uncertainty {100 * moment.relative_uncertainty:.1f} %'
                name = f'{run.label}: ' if len(runs) > 1 else ''
                found.append(
                    {
                        'title': f'{name}{kind} {place}: window {moment.number}, at '
                        f'{moment.time_s:.3f} s, {error}{unsure}',
                        'panels': _panels(moment, run.scores.depth_range, limits),
                    }
                )
    return found


def differing(runs: Sequence[ModelRun]) -> list[dict[str, Any]]:
    """Title and panels of the windows in which models differ most from the first one."""
    first, found = runs[0], []
    for other in runs[1:]:
        assert other.contrasts is not None
        ends = (first, other.contrasts.first_ahead()), (other, other.contrasts.second_ahead())
        near, far, _ = _limits([moment for _, pairs in ends for pair in pairs for moment in pair])
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


def _limits(moments: Sequence[Moment]) -> tuple[float, float, float]:
    """Ends of the colours of all pictures: depth in metres, uncertainty in % of depth."""
    images = [image for m in moments for image in (m.depth, m.truth) if image is not None]
    finite = [image[np.isfinite(image)] for image in images]
    low = min((float(np.percentile(part, 1)) for part in finite if part.size), default=1.0)
    high = max((float(np.percentile(part, 99)) for part in finite if part.size), default=10.0)
    unsure = [_percent_of_depth(m) for m in moments]
    known = [image[np.isfinite(image)] for image in unsure]
    width = max((float(np.percentile(part, 95)) for part in known if part.size), default=100.0)
    return low, max(high, 1.05 * low), max(width, 1.0)


def _percent_of_depth(moment: Moment) -> FloatArray:
    """Uncertainty over depth, %; NaN beyond the range of depth."""
    finite = np.where(np.isfinite(moment.depth), moment.depth, np.nan)
    relative: FloatArray = 100 * moment.uncertainty / finite
    return relative


Panel = tuple[str, pictures.Rgb]


def _panels(
    moment: Moment, depth_range: tuple[float, float], limits: tuple[float, float, float]
) -> list[dict[str, str]]:
    near, far, high = limits
    unsure = pictures.uncertainty_panel(_percent_of_depth(moment), high, '%')
    return _as_png(
        [
            *_spikes(moment),
            ('depth', pictures.depth_panel(moment.depth, near, far)),
            *_true_depth(moment, near, far),
            *_error(moment, depth_range),
            ('uncertainty: half of the 68 % interval, over depth', unsure),
        ]
    )


def _panels_of_two(
    one: tuple[ModelRun, Moment], other: tuple[ModelRun, Moment], near: float, far: float
) -> list[dict[str, str]]:
    """What both saw and what each made of it; what is true and how far off each is."""
    both = (one, other)
    moment = one[1]
    depths = [
        (f'depth of {run.label}', pictures.depth_panel(seen.depth, near, far))
        for run, seen in both
    ]
    errors = [
        (f'{name} of {run.label}', panel)
        for run, seen in both
        for name, panel in _error(seen, run.scores.depth_range)
    ]
    return _as_png([*_spikes(moment), *depths, *_true_depth(moment, near, far), *errors])


def _spikes(moment: Moment) -> list[Panel]:
    if moment.preview is None:
        return []
    return [('spikes', _as_wide(pictures.spike_panel(moment.preview)))]


def _true_depth(moment: Moment, near: float, far: float) -> list[Panel]:
    if moment.truth is None:
        return []
    return [('true depth', pictures.depth_panel(_seen(moment.truth), near, far))]


def _error(moment: Moment, depth_range: tuple[float, float]) -> list[Panel]:
    if moment.truth is None:
        return []
    error = relative_error(enlarged(moment.depth, moment.truth), moment.truth, *depth_range)
    return [('relative error', pictures.error_panel(_seen(error)))]


def _as_png(panels: Sequence[Panel]) -> list[dict[str, str]]:
    return [{'title': title, 'png': png_base64(panel)} for title, panel in panels]


def _seen(image: FloatArray) -> FloatArray:
    """Single points, as of a laser scanner, made large enough to be seen; the least one wins."""
    known = ~np.isnan(image)
    if known.mean() > SPARSE:
        return image
    spread = cv2.erode(np.where(known, image, np.inf), np.ones((3, 3), np.uint8))
    around = cv2.dilate(known.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    seen: FloatArray = np.where(around, spread, np.nan)
    return seen


def _as_wide(panel: pictures.Rgb) -> pictures.Rgb:
    """A panel without a colour bar as wide as those that have one."""
    height = panel.shape[0]
    margin = np.empty((height, pictures.BAR_WIDTH, 3), np.uint8)
    margin[:] = pictures.BACKGROUND
    return np.concatenate([panel, margin], axis=1)
