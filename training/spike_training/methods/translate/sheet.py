# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sheet of pictures before and after translation, with their edges."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from torch import Tensor

from spike_training.evaluation.looks import edges_of
from spike_training.learning.panels import Panels
from spike_training.settings.config import ModelConfig


def sheet_of(model: ModelConfig, *rows: Mapping[str, Tensor]) -> npt.NDArray[np.uint8]:
    """Draw pictures of a batch, with the edges of each beside it.

    Args:
        model: Depth range of the panels.
        *rows: Pictures ``[B, 3, H, W]``, by their titles, as many in each row.
    """
    show = Panels(model)
    return show.sheet(
        *(
            [
                panel
                for title, picture in row.items()
                for panel in (
                    show.images(picture.clamp(0, 1), title),
                    show.selection(edges_of(picture), 'edges'),
                )
            ]
            for row in rows
        )
    )
