# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The procedural world: an endless number of rooms and streets, each known by its index.

A scene is a function of ``(seed, split, style, index)`` alone. Training, calibration and test
never meet: the split's number is part of what seeds a scene's generator, so that equal seeds and
indices in two splits give unrelated scenes, and unequal ones can do no worse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np

from spike_training.data.builder import Draws
from spike_training.data.indoor import indoor
from spike_training.data.road import road
from spike_training.data.scene import Scenes

Style = Literal['indoor', 'road']
Split = Literal['train', 'calibration', 'test']
STYLES: dict[str, Callable[[Draws], Scenes]] = {'indoor': indoor, 'road': road}
"""What draws the scenes of each style."""
SPLITS: dict[str, int] = {name: number for number, name in enumerate(get_args(Split))}
_NUMBERS = 8192


class World:
    """Scenes of one style.

    Args:
        seed: Which world, 0 or more.
        style: ``indoor`` or ``road``.
        split: What its scenes are used for.

    Raises:
        ValueError: An unknown style or split, or a negative seed.
    """

    def __init__(self, seed: int, style: str, split: str = 'train') -> None:
        for name, value, known in (('style', style, STYLES), ('split', split, SPLITS)):
            if value not in known:
                raise ValueError(f'{name} is {value!r}, expected one of {", ".join(known)}')
        if seed < 0:
            raise ValueError(f'seed is {seed}, expected 0 or more')
        self._draw = STYLES[style]
        self._key = (seed, SPLITS[split], list(STYLES).index(style))

    def sample(self, index: int) -> Scenes:
        """One scene, a batch of its own."""
        return self.batch([index])

    def batch(self, indices: Sequence[int]) -> Scenes:
        """Scenes of some indices, 0 or more."""
        uniform = np.empty((len(indices), _NUMBERS), np.float32)
        for row, index in zip(uniform, indices, strict=True):
            np.random.default_rng([*self._key, index]).random(dtype=np.float32, out=row)
        return self._draw(Draws(uniform))
