# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Common parts of HTML pages: template, headings of metrics, numbers, pictures.

A page is one self-contained HTML file. Its template extends ``page.html.j2`` and takes tables,
charts and pictures from ``page_parts.html.j2``.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import jinja2
import numpy as np
import numpy.typing as npt

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


ASSETS = Path(__file__).parents[2] / 'assets'
"""Folder of the templates that all pages share."""


def render_page(template: Path, **values: object) -> str:
    """Render a page from its template.

    Args:
        template: File of the template.
        **values: Variables of the template; texts are escaped. ``page.html.j2`` needs ``title``,
            ``subtitle``, ``tiles`` (name and value each) and ``warnings``.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, ASSETS]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {'number': number, 'numbers': _numbers, 'percent': percent}
    headings = {'FIGURES': FIGURES, 'STRUCTURE': STRUCTURE, 'UNCERTAINTY': UNCERTAINTY}
    shared = {**headings, 'uncertainty_cells': _uncertainty_cells}
    return environment.get_template(template.name).render(**shared, **values)


def number(value: float | None, form: str = '.3f') -> str:
    """Format a number for a table; a dash for None, NaN and infinities."""
    return format(value, form) if value is not None and math.isfinite(value) else '–'


def _numbers(metrics: Mapping[str, float | None], names: Iterable[str]) -> list[str]:
    return [number(metrics[name]) for name in names]


def _uncertainty_cells(metrics: Mapping[str, float | None]) -> list[str]:
    """Format the metrics of ``UNCERTAINTY``, the first of which is a share."""
    first, *others = UNCERTAINTY
    return [percent(metrics[first]), *_numbers(metrics, others)]


def percent(value: float | None) -> str:
    """Format a share, 0 to 1, in percent; a dash for None, NaN and infinities."""
    return f'{100 * value:.1f} %' if value is not None and math.isfinite(value) else '–'


def png_base64(image: npt.NDArray[np.uint8]) -> str:
    """Encode a picture ``[H, W, 3]`` as base64 PNG of 256 colours, a third of the bytes."""
    from PIL import Image  # a page without pictures does without

    file = io.BytesIO()
    reduced = Image.fromarray(image).quantize(256, dither=Image.Dither.NONE)
    reduced.save(file, 'PNG', optimize=True)
    return base64.b64encode(file.getvalue()).decode()
