# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of maps and their errors, of stages that enlarge or estimate them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spike_training.evaluation.small_maps import MOST_LEVEL

DRAWN = 3
"""Crops of a picture."""

DRAWN_ERROR = 16.0
"""Error that pictures draw white, grey levels."""


def draw_maps(
    maps: Sequence[Tensor], truth: Tensor, rgb: Tensor | None = None
) -> npt.NDArray[np.uint8]:
    """Draw a row for each crop: colours, maps, the truth, and the errors of the maps.

    Args:
        maps: Maps in grey levels, each ``[B, 1, H, W]``; NaN is drawn black.
        truth: True grey levels, same shape; 0 is unknown.
        rgb: Colours from 0 to 1, ``[B, 3, H, W]``; None: not drawn.

    Returns:
        ``[rows, columns, 3]``, the first ``DRAWN`` crops.
    """
    errors = [(one - truth).abs() * (truth > 0) / DRAWN_ERROR for one in maps]
    shown = [
        one.expand(-1, 3, -1, -1) for one in [*(m / MOST_LEVEL for m in [*maps, truth]), *errors]
    ]
    rows = torch.cat([*([] if rgb is None else [rgb]), *shown], dim=3)[:DRAWN]
    sheet = rows.nan_to_num(0.0).clamp(0, 1).permute(0, 2, 3, 1).flatten(0, 1)
    drawn: npt.NDArray[np.uint8] = (255 * sheet).round().to(torch.uint8).cpu().numpy()
    return drawn
