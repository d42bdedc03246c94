# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of maps and their errors, of stages that enlarge or estimate them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from torch import Tensor

from spike_depth_ros.pages import pictures
from spike_depth_ros.pages.depth_colours import DepthColours, Rgb
from spike_training.evaluation.small_maps import metres

DRAWN = 3
"""Crops of a picture."""

DRAWN_ERROR = 16.0
"""Error of the brightest colour, grey levels."""

CAPTION = (
    'Depth is relative: 1 is the nearest pixel of a whole map, bright. Grey: unknown. Errors of '
    'inverse depth, in grey levels.'
)


def draw_maps(
    maps: Mapping[str, Tensor], truth: Tensor, rgb: Tensor | None = None
) -> npt.NDArray[np.uint8]:
    """Draw a row for each crop: colours, depth of the maps and the truth, and errors of the maps.

    Args:
        maps: Maps by their titles, grey levels of inverse depth, each ``[B, 1, H, W]``; 0 and NaN
            are unknown.
        truth: True grey levels, same shape; 0 is unknown.
        rgb: Colours from 0 to 1, ``[B, 3, H, W]``; None: not drawn.

    Returns:
        ``[rows, columns, 3]``, the first ``DRAWN`` crops.
    """
    shown = {**maps, 'truth': truth}
    depths = {title: _array(metres(one, one.new_tensor(1.0))) for title, one in shown.items()}
    errors = {
        title: _array((one - truth).abs().where(truth > 0, one.new_tensor(np.nan)))
        for title, one in maps.items()
    }
    panels: list[tuple[Rgb | None, str]] = []
    for k, true in enumerate(depths['truth'][:DRAWN]):
        if rgb is not None:
            colours = (255 * rgb[k].permute(1, 2, 0)).round().byte().cpu().numpy()
            panels.append((pictures.colour_panel(colours), 'colours'))
        limits = DepthColours().limits(true)
        for title, depth in depths.items():
            panels.append((pictures.depth_panel(depth[k], *limits, unit=''), title))
        for title, error in errors.items():
            panel = pictures.uncertainty_panel(error[k], DRAWN_ERROR, '')
            panels.append((panel, f'error: {title}'))
    return pictures.strip(panels, CAPTION, len(panels) // min(DRAWN, len(truth)))


def _array(maps: Tensor) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = maps[:, 0].float().cpu().numpy()
    return array
