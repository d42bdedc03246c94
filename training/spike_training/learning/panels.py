# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of the inputs and outputs of a stage's networks for a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spike_depth_ros.pages.pictures import (
    colour_panel,
    depth_panel,
    error_panel,
    spike_panel,
    strip,
    uncertainty_panel,
)
from spike_training.settings.config import ModelConfig

Panel = tuple[npt.NDArray[np.uint8] | None, str]
"""Picture and its title."""

BRIGHTEST = 0.995
"""Quantile of the rates that is drawn white; hot pixels must not darken the others."""


class Panels:
    """Factory of panels, one for each image of a batch, with the colours of a depth range.

    Args:
        model: Depth range.
    """

    def __init__(self, model: ModelConfig) -> None:
        self._limits = (model.min_depth, model.max_depth)

    def spikes(self, counts: Tensor, title: str = 'spikes') -> list[Panel]:
        """Draw the firing rate of counts, ``[B, C, H, W]``, gamma encoded."""
        rate = counts.float().mean(dim=1)
        brightest = rate.flatten(1).quantile(BRIGHTEST, dim=1).clamp_min(1e-6)
        grey = 255 * (rate / brightest[:, None, None]).clamp(max=1).sqrt()
        return [(spike_panel(image.astype(np.uint8)), title) for image in _arrays(grey)]

    def input(self, counts: Tensor, rgb: Tensor | None) -> list[Panel]:
        """Draw the input of a network: the images ``[B, 3, H, W]``, 0 to 1, or else the counts."""
        return self.spikes(counts) if rgb is None else self.images(rgb, 'image')

    def images(self, images: Tensor, title: str) -> list[Panel]:
        """Draw images from 0 to 1: of colours, ``[B, 3, H, W]``, or grey, ``[B, 1, H, W]``."""
        colours = _arrays(255 * images.expand(-1, 3, -1, -1).permute(0, 2, 3, 1))
        return [(colour_panel(np.rint(image).astype(np.uint8)), title) for image in colours]

    def depth(self, depth: Tensor, title: str) -> list[Panel]:
        """Draw depth, ``[B, 1, H, W]`` metres."""
        return [(depth_panel(image, *self._limits), title) for image in _arrays(depth[:, 0])]

    def uncertainty(self, uncertainty: Tensor, title: str) -> list[Panel]:
        """Draw predicted relative errors, ``[B, 1, H, W]``."""
        images = _arrays(uncertainty[:, 0])
        return [(uncertainty_panel(image, 0.5, ''), title) for image in images]

    def difference(self, depth: Tensor, reference: Tensor, title: str) -> list[Panel]:
        """Draw the relative difference of depth from a reference, ``[B, 1, H, W]`` both."""
        error = (depth - reference).abs() / reference
        error = torch.where(reference.isfinite(), error, torch.nan)
        return [(error_panel(image), title) for image in _arrays(error[:, 0])]

    def selection(self, selected: Tensor, title: str) -> list[Panel]:
        """Draw the positions that a filter selects, ``[B, 1, h, w]`` bool, in white."""
        images = _arrays(255 * selected[:, 0])
        return [(spike_panel(image.astype(np.uint8)), title) for image in images]

    @staticmethod
    def sheet(*rows: Sequence[Sequence[Panel]]) -> npt.NDArray[np.uint8]:
        """Arrange rows of panels, all of one length, for each image of the batch."""
        kinds = [kind for row in rows for kind in row]
        panels = [panel for image in zip(*kinds, strict=True) for panel in image]
        return strip(panels, columns=len(rows[0]))


def _arrays(images: Tensor) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = images.float().cpu().numpy()
    return array
