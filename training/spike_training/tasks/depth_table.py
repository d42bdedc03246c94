# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of depth in tables, and where reports have them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any, Literal

from spike_depth_ros.evaluation.controls import NETWORK
from spike_training.evaluation.preparation import TRUE_LOOK, Preparation
from spike_training.evaluation.published import METRICS, SHARES
from spike_training.evaluation.report import domain_sets
from spike_training.settings.config import RunConfig
from spike_training.tasks.base import Domain, Metric, Report, Tabled
from spike_training.tasks.translation import has_both_looks

Scale = Literal['raw', 'median_scaled']

SCALED = 'scaled_'
"""Start of the names of metrics of depth that is scaled by each image's median."""


DEPTH = {
    f'{prefix}{name}': Metric(f'{words}{title}', name not in SHARES)
    for prefix, words in (('', ''), (SCALED, 'scaled '))
    for name, title in METRICS.items()
}
"""Metrics of depth."""

UNCERTAINTY = {
    'rank_correlation': Metric('rank correlation of U', lower=False),
    'aurg': Metric('AURG', lower=False),
    'edge_ratio': Metric('U at outlines / elsewhere', lower=False),
}
"""Metrics of the uncertainty of depth, U."""

SCALE_ERROR = 'scale_error'

OF_NETWORKS = UNCERTAINTY | {SCALE_ERROR: Metric('error of scale')}
"""Metrics of networks of depth alone, which the median-depth baseline lacks."""

PICTURES = {
    'psnr': Metric('PSNR of pictures, dB', lower=False),
    'ssim': Metric('SSIM of pictures', lower=False),
    'edge_f1': Metric('F1 of edges', lower=False),
    'changed': Metric('change of pictures'),
}
"""Metrics of translated pictures, of rows with ``translate`` and generated scenes."""


def metrics(config: RunConfig, before: Preparation) -> dict[str, Metric]:
    """Return the metrics of depth, of networks, and of the pictures that a row translates."""
    translates = before.translate not in (None, TRUE_LOOK) and has_both_looks(config)
    return DEPTH | (OF_NETWORKS if config.stages else {}) | (PICTURES if translates else {})


def value(
    report: Report, metric: str, scale: Scale, domain: str, predictor: str, style: str = ''
) -> float | None:
    """Return a metric of a report of depth; None where it lacks it.

    Args:
        report: The report.
        metric: Key of :data:`~.published.METRICS`, or of :data:`OF_NETWORKS`, which raw depth has.
        scale: Depth as predicted, or scaled by each image's median.
        domain: Domain of the test scenes.
        predictor: The network, or a baseline.
        style: Style of the scenes; empty: the mean over all styles.
    """
    sets = domain_sets(report, domain)
    parts = [sets[name] for name in ([style] if style else sets) if name in sets]
    found = [_of_style(part, metric, scale, predictor) for part in parts]
    known = [value for value in found if value is not None]
    if not known or len(known) < len(found):
        return None
    # Weighted by the number of images: the mean over the images of all styles.
    images = [part['tables'][predictor][scale]['images'] for part in parts]
    total = sum(value * number for value, number in zip(known, images, strict=True))
    return float(total / sum(images))


def _of_style(
    scores: Mapping[str, Any], metric: str, scale: Scale, predictor: str
) -> float | None:
    found: float | None
    if predictor not in scores['tables']:
        found = None  # reports of older versions lack it
    elif metric not in OF_NETWORKS:
        found = scores['tables'][predictor][scale]['mean_over_images'][metric]
    elif predictor != NETWORK:
        found = None
    elif metric == SCALE_ERROR:
        factors = scores.get('scales', {}).values()
        found = statistics.fmean(abs(1 / one - 1) for one in factors) if factors else None
    else:  # reports of older versions lack some
        found = scores['uncertainty'].get(metric)
    return found


def read(
    config: RunConfig, report: Report, name: str, domain: Domain, predictor: str
) -> float | None:
    """Return a metric by its name; see :attr:`.base.Tabled.read`."""
    if name in PICTURES:
        pictures = report.get('pictures')
        return None if pictures is None else statistics.fmean(of[name] for of in pictures.values())
    scale: Scale = 'median_scaled' if name.startswith(SCALED) else 'raw'
    return value(report, name.removeprefix(SCALED), scale, domain, predictor)


TABLED = Tabled(
    metrics,
    read,
    layout='domains',
    baseline=True,
    prepared=True,
    by_domain=frozenset(DEPTH | OF_NETWORKS),
)
"""What tables of depth have."""
