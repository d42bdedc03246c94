# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The scenes that a run's settings describe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from spike_training.config import RunConfig
from spike_training.data.procedural import ProceduralSource
from spike_training.data.world import World

Split = Literal['train', 'calibration', 'test']


def make_source(
    config: RunConfig,
    split: Split,
    device: torch.device,
    styles: Sequence[str] | None = None,
    rgb: bool = False,
) -> ProceduralSource:
    """Scenes of the procedural world as the config describes them."""
    data = config.data
    return ProceduralSource(
        styles=tuple(styles or data.styles),
        seed=config.seed,
        split=split,
        height=data.height,
        width=data.width,
        planes=tuple(data.planes),
        rate_hz=data.rate_hz,
        bins=config.model.bins,
        with_rgb=rgb,
        device=device,
    )


def fx_range(config: RunConfig) -> tuple[float, float]:
    """Shortest and longest focal length, pixels, over the first 500 scenes of each style."""
    worlds = [World(config.seed, style, 'train') for style in config.data.styles]
    focal = np.concatenate([world.batch(range(500)).focal for world in worlds])
    width = config.data.width
    return float(np.floor(focal.min() * width)), float(np.ceil(focal.max() * width))
