# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Generated scenes, a share of which is replaced by views of recorded or rendered places."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from spike_training.errors import DataSetError
from spike_training.sampling.labelled import LabelledSource
from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.sample import Batch, collate
from spike_training.sampling.transforms import flip_batch

_FLIPS = 10  # entropy


class MixedSource:
    """Endless source of generated scenes and views; a sample is a function of its number alone.

    A share of the samples of some styles is replaced, evenly spread: of any consecutive samples of
    such a style their number is exact but for one. Each view is taken once before any is taken
    again. The other samples are those of the generated scenes alone.

    Args:
        scenes: Generated scenes, without true images.
        views: Views at each of the scenes' plane rates, of the same size, bins and seed, on any
            device; on the CPU those of a batch go to the device of the scenes together.
        styles: Styles of the scenes, in turn.
        replaced: Styles of which a share is replaced.
        share: This share, 0 to 1.
        flip: Whether half of the views are mirrored.
        workers: Threads that make the views of a batch; 0: the caller's thread alone.

    Raises:
        ValueError: The share is out of range, or the sources do not fit together.

    Attributes:
        scenes: Generated scenes.
    """

    def __init__(
        self,
        scenes: ProceduralSource,
        views: Mapping[float, LabelledSource],
        styles: Sequence[str],
        replaced: Collection[str],
        share: float,
        flip: bool = False,
        workers: int = 0,
    ) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f'share is {share:g}: expected 0 to 1')
        if scenes.with_image:
            raise ValueError('scenes have true images: expected none, views have none')
        size = (scenes.height, scenes.width, scenes.bins)
        other = any((one.height, one.width, one.bins) != size for one in views.values())
        if other or {*scenes.rates_hz, scenes.rate_hz} - views.keys():
            raise ValueError('expected views of the size, bins and plane rates of the scenes')
        self.scenes, self._views, self._share, self._flip = scenes, dict(views), share, flip
        self._pool = ThreadPoolExecutor(workers, 'views') if workers else None
        self._styles = len(styles)
        slots = [slot for slot, style in enumerate(styles) if style in replaced]
        self._ranks = {slot: rank for rank, slot in enumerate(slots)}
        self.height, self.width, self.planes = scenes.height, scenes.width, scenes.planes

    def turn(self, index: int) -> int | None:
        """Return the number of a sample among those that are replaced; None: it is generated.

        Args:
            index: Number of the sample, 0 or more.
        """
        place, slot = divmod(index, self._styles)
        if slot not in self._ranks:
            return None
        # Each slot counts up by the share from its own start, and is replaced at whole numbers.
        rank, number = self._ranks[slot], len(self._ranks)
        before, after = (math.floor((place + k) * self._share + rank / number) for k in (0, 1))
        return before * number + rank if after > before else None

    def batch(self, step: int, batch_size: int, rank: int = 0, world_size: int = 1) -> Batch:
        """Return the batch of a step on one of several processes.

        Args:
            step: Number of the step, 0 or more.
            batch_size: Samples on each process.
            rank: This process.
            world_size: Number of processes.

        Raises:
            DataSetError: Too many of the views cannot be used.
        """
        first = (step * world_size + rank) * batch_size
        turns = [self.turn(first + k) for k in range(batch_size)]
        planes, rate_hz = self.scenes.window_of(step)
        replaced = {k: turn for k, turn in enumerate(turns) if turn is not None}
        kept = [k for k in range(batch_size) if k not in replaced]

        def make(k: int) -> Batch:
            view = self._view(replaced[k], planes, rate_hz)
            return dataclasses.replace(view, index=view.index.new_tensor([first + k]))

        parts = []
        if kept:
            parts.append(self.scenes.batch(step, batch_size, rank, world_size, kept))
        if replaced:
            run = map if self._pool is None else self._pool.map
            parts.append(collate([*run(make, replaced)]).to(self.scenes.device))
        return collate(parts).take(np.argsort([*kept, *replaced]))

    def left_out(self) -> list[str]:
        """Return the names of the views that could not be used so far."""
        return list(dict.fromkeys(n for one in self._views.values() for n in one.left_out()))

    def _view(self, turn: int, planes: int, rate_hz: float) -> Batch:
        """Return the view of a turn, or the nearest one after it that can be used."""
        source = self._views[rate_hz]
        number, place = source.shuffled(turn), source.place(turn)
        for later in range(len(source)):
            view = source.attempt((number + later) % len(source), planes, place)
            if view is not None:
                break
        else:
            raise DataSetError(
                f'{source.recording(number)}: no view can be used ({len(source)} tried)'
            )
        drawn = np.random.default_rng([source.seed, _FLIPS, turn]).random()
        mirrored = torch.tensor([self._flip and drawn < 0.5], device=view.counts.device)
        return flip_batch(view, mirrored)
