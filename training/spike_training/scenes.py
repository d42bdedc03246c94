# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The scenes that a run's settings describe."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from spike_training.config import RunConfig, TargetConfig
from spike_training.data.procedural import ProceduralSource
from spike_training.data.sensor import SENSORS, Sensor
from spike_training.data.shifted import Look, ShiftedSource
from spike_training.data.world import World

Split = Literal['train', 'calibration', 'test']

TARGET_WORLD = 1 << 31
"""Added to the seed: no scene of the target is one of the source."""


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


def make_target(
    config: RunConfig, split: Split, device: torch.device, styles: Sequence[str] | None = None
) -> ShiftedSource:
    """Scenes of the target as the config describes them, in images of the size of ``data``.

    They come with labels, which the evaluation reads. For training see
    :class:`spike_training.data.pairs.DomainPair`, which takes them away.
    """
    target = config.target
    assert target is not None  # checked with the config
    data = target.data(config.data)
    return ShiftedSource(
        look_of(target),
        styles=tuple(styles or data.styles),
        seed=config.seed + TARGET_WORLD,
        split=split,
        height=data.height,
        width=data.width,
        planes=tuple(data.planes),
        rate_hz=data.rate_hz,
        bins=config.model.bins,
        device=device,
    )


def look_of(target: TargetConfig) -> Look:
    """The lens, light and sensor of a target."""
    return Look(
        target.light,
        target.contrast,
        target.vignette,
        target.blur,
        _scaled(SENSORS[target.sensor], target.sensor_scale),
    )


def _scaled(sensor: Sensor, scale: float) -> Sensor:
    """A sensor with so many times the flaws."""
    flaws = ('dark_current', 'response_mismatch', 'read_noise', 'hot_pixels')
    return dataclasses.replace(sensor, **{name: getattr(sensor, name) * scale for name in flaws})


def fx_range(config: RunConfig) -> tuple[float, float]:
    """Shortest and longest focal length, pixels, over the first 500 scenes of each style."""
    worlds = [World(config.seed, style, 'train') for style in config.data.styles]
    focal = np.concatenate([world.batch(range(500)).focal for world in worlds])
    width = config.data.width
    return float(np.floor(focal.min() * width)), float(np.ceil(focal.max() * width))
