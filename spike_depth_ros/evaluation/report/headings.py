# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Headings of metrics in tables of depth, and their cells."""

from __future__ import annotations

from collections.abc import Mapping

from spike_depth_ros.pages.blocks import numbers, percent

FIGURES = {
    'abs_rel': 'Abs Rel ↓',
    'sq_rel': 'Sq Rel, m ↓',
    'rmse': 'RMSE, m ↓',
    'rmse_log': 'RMSE log ↓',
    'delta1': 'δ < 1.25 ↑',
    'delta2': 'δ < 1.25² ↑',
    'delta3': 'δ < 1.25³ ↑',
}
"""Table headings of depth metrics."""

STRUCTURE = {
    'boundary_f1': 'boundary F1 ↑',
    'flying_pixels': 'flying pixels ↓',
    'edges_seen': 'edges seen ↑',
    'ordinal': 'ordinal accuracy ↑',
}
"""Table headings of metrics of boundaries, edges and depth order."""

UNCERTAINTY = {
    'interval_coverage': '68 % interval holds',
    'ause': 'AUSE ↓',
    'aurg': 'AURG ↑',
    'rank_correlation': 'rank correlation ↑',
    'median_error': 'median error',
    'median_uncertainty': 'median uncertainty',
    'edge_ratio': 'at outlines / elsewhere',
}
"""Table headings of metrics of the uncertainty."""


def uncertainty_cells(metrics: Mapping[str, float | None]) -> list[str]:
    """Format the metrics of ``UNCERTAINTY``, the first of which is a share."""
    first, *others = UNCERTAINTY
    return [percent(metrics[first]), *numbers(metrics, others)]
