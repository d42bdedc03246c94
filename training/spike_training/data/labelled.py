# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What sources of labelled samples have in common: numbers, and a record of what is damaged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from spike_training.data.readers.files import check_share
from spike_training.data.sample import Batch, joined
from spike_training.errors import FrameError

_ENOUGH = 40
"""Samples from which on a share of bad ones says something."""


class LabelledSource(ABC):
    """A known number of samples, some of which may turn out to be damaged.

    Args:
        planes: Window lengths.

    Attributes:
        planes: Window lengths.
        skipped: Samples that could not be used so far, their names by reason.
    """

    def __init__(self, planes: tuple[int, ...]) -> None:
        self.planes = planes
        self.skipped: dict[str, list[str]] = {}
        self._tried: set[int] = set()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def recording(self, number: int) -> str:
        """The name of the recording that a sample is of."""

    @abstractmethod
    def frame(self, number: int) -> int:
        """The number of a sample's frame, or plane, in its recording."""

    @abstractmethod
    def sample(self, number: int, planes: int) -> Batch:
        """One sample, as a batch of one.

        Args:
            number: Below the length of the source.
            planes: Window length.

        Raises:
            FrameError: It cannot be used.
        """

    def samples(self, numbers: Sequence[int], planes: int | None = None) -> Batch:
        """Chosen samples.

        Args:
            numbers: Their numbers, below the length of the source.
            planes: Window length; the first of the source's by default.

        Raises:
            FrameError: One of them cannot be used.
        """
        return joined([self.sample(number, planes or self.planes[0]) for number in numbers])

    def usable(self, numbers: Sequence[int]) -> Batch | None:
        """Those of some samples that can be used, None if none can; notes the others.

        Raises:
            DataSetError: Too many of the samples that were asked for so far cannot be used.
        """
        parts = [part for number in numbers if (part := self.attempt(number)) is not None]
        return joined(parts) if parts else None

    def attempt(self, number: int, planes: int | None = None) -> Batch | None:
        """One sample, as a batch of one, or None if it cannot be used, which is noted.

        Args:
            number: Below the length of the source.
            planes: Window length; the first of the source's by default.

        Raises:
            DataSetError: Too many of the samples that were asked for so far cannot be used.
        """
        self._tried.add(number)
        part = None
        try:
            part = self.sample(number, planes or self.planes[0])
        except FrameError as error:
            names = self.skipped.setdefault(str(error), [])
            name = f'{self.recording(number)}, frame {self.frame(number)}'
            if name not in names:
                names.append(name)
        if len(self._tried) >= min(_ENOUGH, len(self)):
            self.check()
        return part

    def check(self) -> None:
        """Refuses a source of which too much was damaged.

        Raises:
            DataSetError: Too many of the samples that were asked for so far cannot be used.
        """
        check_share(self.skipped, len(self._tried), self.recording(0))

    def spread(self, number: int) -> list[int]:
        """Numbers of samples, evenly spread; of all if there are not more."""
        number = min(number, len(self))
        return [k * len(self) // number for k in range(number)]
