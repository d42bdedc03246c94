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
from spike_depth_ros.evaluation.page import png_base64
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


def _limits(moments: Sequence[Moment]) -> tuple[float, float, float]:
    """Nearest and farthest depth, and largest uncertainty, of the colours of all pictures."""
    images = [image for m in moments for image in (m.depth, m.truth) if image is not None]
    finite = [image[np.isfinite(image)] for image in images]
    low = min((float(np.percentile(part, 1)) for part in finite if part.size), default=1.0)
    high = max((float(np.percentile(part, 99)) for part in finite if part.size), default=10.0)
    widths = [m.uncertainty[np.isfinite(m.uncertainty)] for m in moments]
    width = max((float(np.percentile(part, 95)) for part in widths if part.size), default=1.0)
    return low, max(high, 1.05 * low), width or 1.0


def _panels(
    moment: Moment, depth_range: tuple[float, float], limits: tuple[float, float, float]
) -> list[dict[str, str]]:
    near, far, high = limits
    panels = []
    if moment.preview is not None:
        panels.append(('spikes', _as_wide(pictures.spike_panel(moment.preview))))
    panels.append(('depth', pictures.depth_panel(moment.depth, near, far)))
    if moment.truth is not None:
        panels.append(('true depth', pictures.depth_panel(_seen(moment.truth), near, far)))
        error = relative_error(enlarged(moment.depth, moment.truth), moment.truth, *depth_range)
        panels.append(('relative error', pictures.error_panel(_seen(error))))
    unsure = pictures.uncertainty_panel(moment.uncertainty, high)
    panels.append(('uncertainty (half of the 68 % interval)', unsure))
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
