# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scene generator: endless procedural scenes of several styles, each identified by its index.

A scene is a function of ``(seed, split, style, index)`` alone: these four numbers of 32 bits are
the entropy of its random number generator. Training, calibration and test have no scene in
common, because their entropy differs in the second number.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

import numpy as np

from spike_worlds.building.sampler import Sampler
from spike_worlds.scene import Scenes

STYLES = {
    'indoor': 'rooms.room',
    'road': 'streets.road',
    'home': 'rooms.room',
    'outdoor': 'outdoors.outdoor',
    'hall': 'halls.hall',
    'office': 'offices',
}
"""Module of each style's recipe, which is imported when its scenes are wanted.

The order is part of each scene's entropy: append.
"""
SPLITS = {'train': 0, 'calibration': 1, 'test': 2}
"""Number of each split, which is part of its scenes' entropy."""

_COLUMNS = 8192  # random numbers of a scene


class SceneGenerator:
    """Generator of the scenes of one style.

    Args:
        seed: 0 to 2**32 - 1.
        style: One of ``STYLES``.
        split: One of ``SPLITS``.

    Raises:
        ValueError: An unknown style or split, or a seed out of range.
    """

    def __init__(self, seed: int, style: str, split: str = 'train') -> None:
        for name, value, known in (('style', style, STYLES), ('split', split, SPLITS)):
            if value not in known:
                raise ValueError(f'{name} is {value!r}, expected one of {", ".join(known)}')
        if not 0 <= seed < 1 << 32:
            raise ValueError(f'seed is {seed}, expected 0 to {(1 << 32) - 1}')
        module = importlib.import_module(f'spike_worlds.{STYLES[style]}')
        self._recipe: Callable[[Sampler], Scenes] = getattr(module, style)
        self._entropy = (seed, SPLITS[split], list(STYLES).index(style))

    def sample(self, index: int) -> Scenes:
        """Sample one scene, as a batch of one."""
        return self.batch([index])

    def batch(self, indices: Sequence[int]) -> Scenes:
        """Sample the scenes of some indices, 0 to 2**32 - 1."""
        for index in indices:
            if not 0 <= index < 1 << 32:
                raise ValueError(f'index is {index}, expected 0 to {(1 << 32) - 1}')
        uniform = np.empty((len(indices), _COLUMNS), np.float32)
        for row, index in zip(uniform, indices, strict=True):
            np.random.default_rng([*self._entropy, index]).random(dtype=np.float32, out=row)
        return self._recipe(Sampler(uniform))
