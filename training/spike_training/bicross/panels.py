# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of what the networks of a stage make of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor

from spike_depth_ros.pictures import depth_panel, spike_panel, strip, uncertainty_panel
from spike_training.config import ModelConfig

Panel = tuple[npt.NDArray[np.uint8] | None, str]
"""A picture and its title."""


class Panels:
    """Makes panels, one for each image of a batch, in the colours of a network's range.

    Args:
        model: The depth range.
    """

    def __init__(self, model: ModelConfig) -> None:
        self._limits = (model.min_depth, model.max_depth)

    def spikes(self, counts: Tensor) -> list[Panel]:
        """Firing rate of counts, ``[B, C, H, W]``."""
        rate = counts.float().mean(dim=1)
        rate = 255 * rate / rate.amax(dim=(1, 2), keepdim=True).clamp_min(1.0)
        return [(spike_panel(image.astype(np.uint8)), 'spikes') for image in _arrays(rate)]

    def depth(self, depth: Tensor, title: str) -> list[Panel]:
        """Depth, ``[B, 1, H, W]`` metres."""
        return [(depth_panel(image, *self._limits), title) for image in _arrays(depth[:, 0])]

    def uncertainty(self, uncertainty: Tensor, title: str) -> list[Panel]:
        """Relative errors, ``[B, 1, H, W]``."""
        images = _arrays(uncertainty[:, 0])
        return [(uncertainty_panel(image, 0.5, ''), title) for image in images]

    def selection(self, selected: Tensor, title: str) -> list[Panel]:
        """What a filter selects, ``[B, 1, H, W]`` bool: white."""
        images = _arrays(255 * selected[:, 0])
        return [(spike_panel(image.astype(np.uint8)), title) for image in images]

    @staticmethod
    def strip(*columns: Sequence[Panel]) -> npt.NDArray[np.uint8]:
        """A row of panels for each image of the batch."""
        rows = zip(*columns, strict=True)
        return strip([panel for row in rows for panel in row], columns=len(columns))


def _arrays(images: Tensor) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = images.float().cpu().numpy()
    return array
