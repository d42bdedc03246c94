# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sheet of some labels of a run: picture, label in colours, share of the pixels kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from spike_depth_ros.pages import pictures
from spike_training.datasets.clip import Depth, Rgb

MOST = 12
"""Labels on a sheet, at most."""

_WIDTH, _HEIGHT = 320, 240
_ROW = 4  # panels side by side


class Shown(NamedTuple):
    """Label on a sheet.

    Attributes:
        name: Of its frame or plane.
        picture: ``[H, W, 3]`` uint8, of the size of a panel.
        depth: ``[H, W]``, likewise.
        share: Share of the pixels kept, 0 to 1.
    """

    name: str
    picture: Rgb
    depth: Depth
    share: float


def shrink(name: str, picture: Rgb, depth: Depth, share: float) -> Shown:
    """Fit a label to the size of a panel."""
    height, width = depth.shape
    factor = min(_WIDTH / width, _HEIGHT / height)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    # Nearest, as a mean with NaN would hide single pixels.
    small = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST
    colours = cv2.resize(picture, size, interpolation=how)
    return Shown(name, colours.astype(np.uint8), small.astype(np.float32), share)


def draw(shown: Sequence[Shown], heading: str, unit: str) -> Rgb:
    """Draw a sheet.

    Args:
        shown: Its labels, one or more.
        heading: Text above it.
        unit: Unit of depth; empty for relative depth.
    """
    panels: list[tuple[Rgb | None, str]] = []
    for one in shown:
        known = one.depth[np.isfinite(one.depth)]
        low, high = np.percentile(known, (1, 99)).tolist() if known.size else (1.0, 2.0)
        panels.append((one.picture, one.name))
        depth = pictures.depth_panel(one.depth, low, max(high, low * 1.01), unit)
        panels.append((depth, f'{one.share:.0%} kept'))
    caption = 'Grey: unknown, as the two passes differ.'
    if not unit:
        caption += ' Relative depth: 1 is the nearest, 100 the farthest of a picture.'
    return pictures.strip([(pictures.strip(panels, columns=_ROW), heading)], caption)
