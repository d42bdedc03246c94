# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Batches of a training step: labelled, unlabelled, and pairs of both; and their sources."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


@dataclasses.dataclass(frozen=True)
class View:
    """What the right eye of pairs has recorded, all tensors on one device.

    Attributes:
        counts: As in :class:`Batch`.
        rgb: As there.
        depth: As there, from this eye.
        image: As there.
    """

    counts: Tensor
    rgb: Tensor | None
    depth: Tensor
    image: Tensor | None = None

    def to(self, device: torch.device | str) -> View:
        """Return the view on another device."""
        return View(*_apply(lambda tensor: tensor.to(device), vars(self).values()))

    def __getitem__(self, rows: Tensor) -> View:
        """Return some of the samples."""
        return View(*_apply(lambda tensor: tensor[rows], vars(self).values()))


def _apply(function: Callable[[Tensor], Tensor], tensors: Iterable[Tensor | None]) -> list[Any]:
    return [None if tensor is None else function(tensor) for tensor in tensors]


@dataclasses.dataclass(frozen=True)
class Batch:
    """Batch of labelled samples, all tensors on one device.

    Attributes:
        counts: Spikes of each pixel in each bin of its window, ``[B, C, H, W]`` uint8; float32
            where corrected for the sensor.
        planes_per_bin: Planes that each bin covers, ``[C]`` int32.
        rgb: The scene at the reference plane, ``[B, 3, H, W]`` float32 from 0 to 1, gamma
            encoded; None unless asked for.
        depth: Depth along the optical axis at the reference plane, ``[B, 1, H, W]`` float32
            metres at the true focal length; +Inf is sky, NaN unknown.
        fx: Focal length, ``[B]`` float32 pixels. Depth at the canonical focal length is
            ``depth * canonical_fx / fx``.
        index: Number of each sample in its source, ``[B]`` int64.
        image: True firing rate at the reference plane, spikes per plane, ``[B, 1, H, W]`` float32
            from 0 to 1; None unless asked for.
        right: The same scenes from the right eye of a rig, whose rows are those of the left one;
            None: one eye.
        baseline_m: Distance of the eyes, ``[B]`` float32 metres; None: one eye.
        frame: Frame of a camera beside the spikes, registered to them, ``[B, 3, H, W]`` float32
            from 0 to 1, gamma encoded; NaN where there is none; None unless asked for.
        has_spikes: Whether there are spikes, ``[B]`` bool; None: all samples have them.
        relative: True where depth is known up to scale and shift of 1 / depth alone, ``[B]`` bool;
            None: nowhere.
    """

    counts: Tensor
    planes_per_bin: Tensor
    rgb: Tensor | None
    depth: Tensor
    fx: Tensor
    index: Tensor
    image: Tensor | None = None
    right: View | None = None
    baseline_m: Tensor | None = None
    relative: Tensor | None = None
    frame: Tensor | None = None
    has_spikes: Tensor | None = None

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on another device."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        return dataclasses.replace(self, **{k: value.to(device) for k, value in given.items()})

    def take(self, rows: npt.NDArray[np.int64]) -> Batch:
        """Return some of the samples, in the given order.

        Args:
            rows: Their rows, at least one.
        """
        chosen = torch.from_numpy(rows).to(self.counts.device)
        parts = {name: value for name, value in vars(self).items() if name != 'planes_per_bin'}
        taken = {name: value[chosen] for name, value in parts.items() if value is not None}
        return dataclasses.replace(self, **taken)

    @property
    def metres(self) -> Tensor:
        """Depth as :attr:`depth`, NaN also where it is relative."""
        if self.relative is None:
            return self.depth
        return self.depth.masked_fill(self.relative[:, None, None, None], torch.nan)

    def unlabelled(self) -> Unlabelled:
        """Return the spikes without labels, all that is used of a target domain."""
        right = None if self.right is None else self.right.counts
        return Unlabelled(self.counts, self.planes_per_bin, self.index, right, self.baseline_m)


@dataclasses.dataclass(frozen=True)
class Unlabelled:
    """Batch of spikes of a target domain, which has no depth that code could read.

    Attributes:
        counts: Spikes of each pixel in each bin of its window, ``[B, C, H, W]`` uint8.
        planes_per_bin: Planes that each bin covers, ``[C]`` int32.
        index: Number of each sample in its source, ``[B]`` int64.
        right: Counts of the right eye; None: one eye.
        baseline_m: Distance of the eyes, ``[B]`` float32 metres; None: one eye.
    """

    counts: Tensor
    planes_per_bin: Tensor
    index: Tensor
    right: Tensor | None = None
    baseline_m: Tensor | None = None

    def to(self, device: torch.device | str) -> Unlabelled:
        """Return the batch on another device."""
        return Unlabelled(*_apply(lambda tensor: tensor.to(device), vars(self).values()))


@dataclasses.dataclass(frozen=True)
class Pair:
    """Batches of two domains for one step.

    Attributes:
        source: Labelled.
        target: Unlabelled, with as many samples.
    """

    source: Batch
    target: Unlabelled

    @property
    def index(self) -> Tensor:
        """Numbers of the samples, first the source's, then the target's."""
        return torch.cat([self.source.index, self.target.index])

    def to(self, device: torch.device | str) -> Pair:
        """Return the pair on another device."""
        return Pair(self.source.to(device), self.target.to(device))


AnyBatch = TypeVar('AnyBatch', Batch, Pair)
"""Input of a stage."""


AnyBatchT_co = TypeVar('AnyBatchT_co', Batch, Pair, covariant=True)


class Source(Protocol[AnyBatchT_co]):
    """Source of batches."""

    def batch(
        self, step: int, batch_size: int, rank: int = 0, world_size: int = 1
    ) -> AnyBatchT_co:
        """Return the batch of a step.

        It is a function of the arguments alone, so that a resumed training is exact.
        """


@runtime_checkable
class Lossy(Protocol):
    """Source that replaces samples that cannot be used, such as damaged ones, by others."""

    def left_out(self) -> list[str]:
        """Return the names of the samples that could not be used so far."""


def left_out(source: Source[AnyBatch]) -> list[str]:
    """Return the names of the samples of a source that could not be used so far."""
    return source.left_out() if isinstance(source, Lossy) else []


def collate(parts: Sequence[Batch]) -> Batch:
    """Concatenate batches with the same bins.

    Args:
        parts: At least one.
    """
    if len(parts) == 1:
        return parts[0]
    rights = [part.right for part in parts if part.right is not None]
    return Batch(
        counts=torch.cat([part.counts for part in parts]),
        planes_per_bin=parts[0].planes_per_bin,
        rgb=_concatenate([part.rgb for part in parts]),
        depth=torch.cat([part.depth for part in parts]),
        fx=torch.cat([part.fx for part in parts]),
        index=torch.cat([part.index for part in parts]),
        image=_concatenate([part.image for part in parts]),
        right=View(
            counts=torch.cat([right.counts for right in rights]),
            rgb=_concatenate([right.rgb for right in rights]),
            depth=torch.cat([right.depth for right in rights]),
            image=_concatenate([right.image for right in rights]),
        )
        if rights
        else None,
        baseline_m=_concatenate([part.baseline_m for part in parts]),
        relative=_relative(parts),
        frame=_concatenate([part.frame for part in parts]),
        has_spikes=_concatenate([part.has_spikes for part in parts]),
    )


def _relative(parts: Sequence[Batch]) -> Tensor | None:
    """Return which samples of some batches have relative depth; None: none of them."""
    if all(part.relative is None for part in parts):
        return None
    nowhere = (torch.zeros_like(part.index, dtype=torch.bool) for part in parts)
    marks = zip((part.relative for part in parts), nowhere, strict=True)
    return torch.cat([none if mark is None else mark for mark, none in marks])


def _concatenate(tensors: Sequence[Tensor | None]) -> Tensor | None:
    """Concatenate what is there; None: nothing is."""
    given = [tensor for tensor in tensors if tensor is not None]
    return torch.cat(given) if given else None


@dataclasses.dataclass
class DomainPair:
    """Source of pairs from a source of each domain.

    It removes the labels of the target's samples, so that no loss, validation or picture can read
    them.

    Attributes:
        source: Source of the labelled domain.
        target: Source of the target domain; its depth is not read.
    """

    source: Source[Batch]
    target: Source[Batch]

    def batch(self, step: int, batch_size: int, rank: int = 0, world_size: int = 1) -> Pair:
        """Return the pair of a step, ``batch_size`` samples of each domain."""
        return Pair(
            self.source.batch(step, batch_size, rank, world_size),
            self.target.batch(step, batch_size, rank, world_size).unlabelled(),
        )

    def left_out(self) -> list[str]:
        """Return the names of the samples of both that could not be used so far."""
        return [*left_out(self.source), *left_out(self.target)]
