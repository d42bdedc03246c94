# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shells of scenes: skies, walls and sizes."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Grey, Material, choose
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.scene import Array


class SkyConfig(NamedTuple):
    """Colours of skies.

    Attributes:
        brightness: Of the bright parts.
        dark_share: The dark colour as a share of the bright one.
    """

    brightness: Range
    dark_share: Range


CLOUDS = Material(('clouds', 'plain'), (3.0, 8.0), contrast=0.4)
BLUE = (0.9, 1.0, 1.15)
"""Factors on red, green and blue."""
FAR = 400.0
"""Half size of the shell of open scenes, metres."""


def sample_sky(site: Site, config: SkyConfig) -> Array:
    """Sample materials of skies, ``[B, 1, len(MATERIAL)]``."""
    bright = site.materials.sample_colour(1, Grey(config.brightness))
    sky = dataclasses.replace(CLOUDS, dark_share=config.dark_share)
    return site.materials.sample(sky, 1, bright=bright * np.array(BLUE, np.float32))


def sample_walls(site: Site, wall: Material, alike: float, bright: Array | None = None) -> Array:
    """Sample materials of side and end walls, ``[B, 2, len(MATERIAL)]``.

    Args:
        site: Scenes in construction.
        wall: Distribution of the materials.
        alike: Probability of end walls like the side walls.
        bright: Colours where the texture is 1, ``[B, 2, 3]``, in place of those of ``wall``.
    """
    walls = site.materials.sample(wall, 2, bright=bright)
    same = site.sampler.chance(1, alike)
    walls[:, 1:] = choose(same, walls[:, :1], walls[:, 1:])
    return walls


def closed_shell(half_x: Array, half_z: Array, height: Array) -> Array:
    """Return lowest and highest corner of rooms of half sizes and heights ``[B, 1]``, metres."""
    low = np.concatenate([-half_x, 0 * height, -half_z], 1)
    high = np.concatenate([half_x, height, half_z], 1)
    shell: Array = np.stack([low, high], 1).astype(np.float32)
    return shell


def open_shell(batch: int) -> Array:
    """Return lowest and highest corner of the shell of open scenes, ``[B, 2, 3]``."""
    far = np.full(batch, FAR, np.float32)
    return np.stack([np.stack([-far, 0 * far, -far], 1), np.stack([far, far, far], 1)], 1)
