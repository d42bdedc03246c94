# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of the report: input and output of example windows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from spike_depth_ros.evaluation.extremes import Example
from spike_depth_ros.evaluation.metrics import FloatArray, relative_error
from spike_depth_ros.evaluation.results import ModelRun
from spike_depth_ros.evaluation.truth import enlarged
from spike_depth_ros.pages import pictures
from spike_depth_ros.pages.blocks import Figure, Figures
from spike_depth_ros.pages.depth_colours import Rgb
from spike_depth_ros.pages.html import png_base64

SPARSE = 0.3
"""Share of pixels with values below which an image is drawn with larger points."""


def best_and_worst(runs: Sequence[ModelRun]) -> list[Figures]:
    """Return the panels of each window, the worst first, model by model."""
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
                title = (
                    f'{name}{kind} {place}: window {example.number}, at {example.time_s:.3f} s, '
                    f'{error}{unsure}'
                )
                panels = _panels([('', run, example)], limits)
                found.append(Figures(panels, 'panels', title))
    return found


def differing(runs: Sequence[ModelRun]) -> list[Figures]:
    """Return the panels of the windows in which models differ most from the first."""
    first, found = runs[0], []
    for other in runs[1:]:
        assert other.largest_differences is not None
        ends = (
            (first, other.largest_differences.first_better()),
            (other, other.largest_differences.second_better()),
        )
        limits = _limits([example for _, pairs in ends for pair in pairs for example in pair])
        for ahead, pairs in ends:
            for place, (one, two) in enumerate(pairs, start=1):
                title = (
                    f'{ahead.label} ahead, {place}: window {one.number}, at {one.time_s:.3f} s, '
                    f'Abs Rel {one.abs_rel:.3f} of {first.label}, {two.abs_rel:.3f} of '
                    f'{other.label}'
                )
                both = (first, one), (other, two)
                panels = _panels([(f' of {run.label}', run, one) for run, one in both], limits)
                found.append(Figures(panels, 'panels', title))
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


def _panels(
    seen: Sequence[tuple[str, ModelRun, Example]], limits: tuple[float, float, float]
) -> list[Figure]:
    """Return panels of a window: spikes, each model's depth, the truth, and each one's error.

    Args:
        seen: Suffix of titles, model and example of each model; a single model's uncertainty is
            drawn, too.
        limits: Ends of the colour scales.
    """
    near, far, high = limits
    panels = []
    example = seen[0][2]
    if example.preview is not None:
        panels.append(('spikes', pad_colour_bar(pictures.spike_panel(example.preview))))
    panels += [(f'depth{of}', pictures.depth_panel(one.depth, near, far)) for of, _, one in seen]
    if example.truth is not None:
        true = pictures.depth_panel(_dilate_sparse(example.truth), near, far)
        panels.append(('true depth', true))
    for of, _, one in seen:
        if one.truth is not None:
            depth = enlarged(one.depth, one.truth)
            error = relative_error(depth, one.truth, *one.depth_range)
            panels.append((f'relative error{of}', pictures.error_panel(_dilate_sparse(error))))
    if len(seen) == 1:
        unsure = pictures.uncertainty_panel(_percent_of_depth(example), high, '%')
        panels.append(('uncertainty: half of the 68 % interval, over depth', unsure))
    return as_png(panels)


def as_png(panels: Sequence[tuple[str, Rgb]]) -> list[Figure]:
    """Return panels as figures that are embedded in a page."""
    return [
        Figure(title, source=f'data:image/png;base64,{png_base64(panel)}')
        for title, panel in panels
    ]


def _dilate_sparse(image: FloatArray) -> FloatArray:
    """Enlarge single points, as of a laser scanner; the least value is on top."""
    known = ~np.isnan(image)
    if known.mean() > SPARSE:
        return image
    spread = cv2.erode(np.where(known, image, np.inf), np.ones((3, 3), np.uint8))
    around = cv2.dilate(known.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    seen: FloatArray = np.where(around, spread, np.nan)
    return seen


def pad_colour_bar(panel: Rgb) -> Rgb:
    """Pad a panel without a colour bar to the width of those with one."""
    height = panel.shape[0]
    margin = np.empty((height, pictures.BAR_WIDTH, 3), np.uint8)
    margin[:] = pictures.BACKGROUND
    return np.concatenate([panel, margin], axis=1)
