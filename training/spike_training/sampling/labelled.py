# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Base class of sources of recorded samples: order, crops, flips, and damaged samples."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spike_depth_ros.stream.chunk import PackedPlanes
from spike_training.datasets.clip import Clip, Matrix, SpikeClip
from spike_training.datasets.readers.files import check_share, note_skipped
from spike_training.errors import DataSetError, FrameError
from spike_training.sampling.sample import Batch, collate
from spike_training.sampling.transforms import flip_batch

_ENOUGH = 40
"""Samples from which on the share of damaged ones is checked."""
_LENGTHS, _ORDER, _FLIPS, _CROPS = 7, 9, 10, 11
"""Entropy that keeps the random number generators of one seed apart."""


class PlaneWindow(NamedTuple):
    """Packed planes of a window, and the camera matrix.

    Attributes:
        planes: ``[planes, H, ceil(W / 8)]`` uint8, top row first, ``little``.
        camera: Matrix, ``[3, 3]`` pixels; None where it is unknown.
    """

    planes: PackedPlanes
    camera: Matrix | None


def relative_label(clip: Clip | SpikeClip) -> Tensor | None:
    """Return the mark of a sample of relative depth, ``[1]``; None: its depth is metres."""
    relative = clip.labels is not None and clip.labels.relative
    return torch.ones(1, dtype=torch.bool) if relative else None


class LabelledSource(ABC):
    """Source of a known number of samples, some of which may be damaged.

    Each epoch has its own random order. Samples, window length, crops and flips of a batch are
    functions of the seed and the batch's number alone: resuming and the number of processes or
    threads change nothing.

    Args:
        planes: Window lengths; every batch has one of them.
        seed: Of the order, window lengths, crops and flips.
        flip: Whether batches mirror half of their samples, spikes, colours and depth together.
        random_crop: Whether crops are random, not central.
        workers: Threads that make the samples of a batch; 0: the caller's thread alone.

    Attributes:
        planes: Window lengths.
        skipped: Names of the samples that could not be used so far, by reason.
    """

    height: int
    width: int
    bins: int

    def __init__(
        self,
        planes: tuple[int, ...],
        seed: int = 0,
        flip: bool = False,
        random_crop: bool = False,
        workers: int = 0,
    ) -> None:
        self.planes, self.seed = planes, seed
        self._flip, self._random_crop = flip, random_crop
        self._pool = ThreadPoolExecutor(workers, 'samples') if workers else None
        self._order: tuple[int, npt.NDArray[np.int64]] = -1, np.empty(0, np.int64)
        self.skipped: dict[str, list[str]] = {}
        self._tried: set[int] = set()
        self._noting = threading.Lock()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def recording(self, number: int) -> str:
        """Return the name of the recording of a sample."""

    @abstractmethod
    def frame(self, number: int) -> int:
        """Return the number of a sample's frame, or plane, in its recording."""

    @abstractmethod
    def sample(self, number: int, planes: int, place: float = 0.5) -> Batch:
        """Return one sample, as a batch of one.

        Args:
            number: Below the length of the source.
            planes: Window length.
            place: Position of the crop, from 0 (top or left) to 1 (bottom or right).

        Raises:
            FrameError: It cannot be used.
        """

    @abstractmethod
    def window(self, number: int) -> PlaneWindow:
        """Return the packed planes of a sample, at the first of the window lengths.

        :meth:`sample` counts the same spikes.

        Args:
            number: Below the length of the source.

        Raises:
            FrameError: It cannot be used.
        """

    def batch(self, step: int, batch_size: int, rank: int = 0, world_size: int = 1) -> Batch:
        """Return the batch of a step on one of several processes.

        A sample that cannot be used is replaced by the one after it.

        Args:
            step: Number of the step, 0 or more.
            batch_size: Samples on each process.
            rank: This process.
            world_size: Number of processes.

        Raises:
            DataSetError: Too many of the samples cannot be used.
        """
        choice = np.random.default_rng([self.seed, _LENGTHS, step]).integers(len(self.planes))
        length = self.planes[int(choice)]
        first = (step * world_size + rank) * batch_size

        def make(k: int) -> Batch:
            return self._usable_from(first + k, length)

        run = map if self._pool is None else self._pool.map
        batch = collate([*run(make, range(batch_size))])
        if not self._flip:
            return batch
        tossed = [self._drawn(_FLIPS, first + k) < 0.5 for k in range(batch_size)]
        return flip_batch(batch, torch.tensor(tossed, device=batch.counts.device))

    def _usable_from(self, turn: int, planes: int) -> Batch:
        """Return the sample of a turn, or the nearest one after it that can be used."""
        number, place = self.shuffled(turn), self.place(turn)
        for later in range(len(self)):
            part = self.attempt((number + later) % len(self), planes, place)
            if part is not None:
                return part
        raise DataSetError(f'{self.recording(number)}: no frame can be used ({len(self)} tried)')

    def shuffled(self, turn: int) -> int:
        """Return the number of the sample of a turn; each is taken once in an epoch."""
        epoch, offset = divmod(turn, len(self))
        known = self._order  # a local copy: other threads may be in another epoch
        if known[0] != epoch:
            order = np.random.default_rng([self.seed, _ORDER, epoch]).permutation(len(self))
            self._order = known = epoch, order
        return int(known[1][offset])

    def place(self, turn: int) -> float:
        """Return where the sample of a turn is cropped, 0 to 1; 0.5: in the middle."""
        return self._drawn(_CROPS, turn) if self._random_crop else 0.5

    def _drawn(self, what: int, turn: int) -> float:
        return float(np.random.default_rng([self.seed, what, turn]).random())

    def samples(self, numbers: Sequence[int], planes: int | None = None) -> Batch:
        """Return chosen samples.

        Args:
            numbers: Their numbers, below the length of the source.
            planes: Window length; the first of the source's by default.

        Raises:
            FrameError: One of them cannot be used.
        """
        return collate([self.sample(number, planes or self.planes[0]) for number in numbers])

    def usable(self, numbers: Sequence[int]) -> Batch | None:
        """Return those samples that can be used, None if none can; record the others.

        Raises:
            DataSetError: Too many of the samples requested so far cannot be used.
        """
        parts = [part for number in numbers if (part := self.attempt(number)) is not None]
        return collate(parts) if parts else None

    def attempt(self, number: int, planes: int | None = None, place: float = 0.5) -> Batch | None:
        """Return one sample, as a batch of one, or None if it cannot be used, which is recorded.

        Args:
            number: Below the length of the source.
            planes: Window length; the first of the source's by default.
            place: See :meth:`sample`.

        Raises:
            DataSetError: Too many of the samples requested so far cannot be used.
        """
        part, reason = None, None
        try:
            part = self.sample(number, planes or self.planes[0], place)
        except FrameError as error:
            reason = str(error)
        with self._noting:
            self._tried.add(number)
            if reason is not None:
                name = f'{self.recording(number)}, frame {self.frame(number)}'
                note_skipped(self.skipped, reason, name)
            if len(self._tried) >= min(_ENOUGH, len(self)):
                self.check()
        return part

    def check(self) -> None:
        """Raise an error where too many samples are damaged.

        Raises:
            DataSetError: Too many of the samples requested so far cannot be used.
        """
        check_share(self.skipped, len(self._tried), self.recording(0))

    def left_out(self) -> list[str]:
        """Return the names of the samples that could not be used so far."""
        with self._noting:
            return [name for names in self.skipped.values() for name in names]

    def spread(self, number: int) -> list[int]:
        """Return numbers of samples, evenly spread; all where there are not more."""
        number = min(number, len(self))
        return [k * len(self) // number for k in range(number)]
