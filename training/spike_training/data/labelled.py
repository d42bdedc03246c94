# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What sources of labelled samples have in common: numbers, and a record of what is damaged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch

from spike_training.data.readers.files import check_share
from spike_training.data.sample import Batch
from spike_training.errors import FrameError


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
            DataSetError: Too many samples of the source cannot be used.
        """
        parts = []
        for number in numbers:
            try:
                parts.append(self.sample(number, self.planes[0]))
            except FrameError as error:
                self.skip(number, error)
        return joined(parts) if parts else None

    def skip(self, number: int, error: FrameError) -> None:
        """Notes that a sample cannot be used.

        Raises:
            DataSetError: These are too many now.
        """
        names = self.skipped.setdefault(str(error), [])
        name = f'{self.recording(number)}, frame {self.frame(number)}'
        if name not in names:
            names.append(name)
        check_share(self.skipped, len(self), self.recording(number))

    def spread(self, number: int) -> list[int]:
        """Numbers of samples, evenly spread; of all if there are not more."""
        number = min(number, len(self))
        return [k * len(self) // number for k in range(number)]


def joined(parts: Sequence[Batch]) -> Batch:
    """One batch of several with the same bins.

    Args:
        parts: At least one.
    """
    rgb = [part.rgb for part in parts if part.rgb is not None]
    return Batch(
        counts=torch.cat([part.counts for part in parts]),
        planes_per_bin=parts[0].planes_per_bin,
        rgb=torch.cat(rgb) if rgb else None,
        depth=torch.cat([part.depth for part in parts]),
        fx=torch.cat([part.fx for part in parts]),
        index=torch.cat([part.index for part in parts]),
    )
