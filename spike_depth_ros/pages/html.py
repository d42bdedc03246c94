# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Page of blocks as one self-contained HTML file."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import jinja2
import numpy as np
import numpy.typing as npt

from spike_depth_ros.pages.blocks import Page

ASSETS = Path(__file__).parents[1] / 'assets'
"""Folder of the template."""


def render_page(page: Page) -> str:
    """Render a page; texts are escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template('page.html.j2').render(page=page)


def png_base64(image: npt.NDArray[np.uint8]) -> str:
    """Encode a picture ``[H, W, 3]`` as base64 PNG of 256 colours, a third of the bytes."""
    from PIL import Image  # a page without pictures does without

    file = io.BytesIO()
    reduced = Image.fromarray(image).quantize(256, dither=Image.Dither.NONE)
    reduced.save(file, 'PNG', optimize=True)
    return base64.b64encode(file.getvalue()).decode()
