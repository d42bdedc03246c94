# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of light to packed spike planes, fast enough for a live stream.

Every pixel gathers charge, fires where the charge reaches the threshold, and keeps what is left
over (Chen et al., "Self-Supervised Mutual Learning for Dynamic Scene Reconstruction of Spiking
Camera", Eq. 1). Charge is counted in whole quanta of 2**-24 thresholds: none is lost, however
long the stream runs and wherever it is cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import PackedPlanes
from spike_depth_ros.video.light import Light

QUANTA = 1 << 24
"""Quanta of charge in one threshold."""


class IntegrateAndFire:
    """A spike camera without noise that keeps its charge from call to call.

    Args:
        charge: What the pixels hold at the start, ``[height, width]`` quanta, 0 to below one
            threshold. Equal pixels with equal charge would fire in the same planes for ever: see
            :meth:`shuffled`.

    Raises:
        ValueError: A charge out of that range.
    """

    def __init__(self, charge: npt.NDArray[np.int32]) -> None:
        if charge.size and not (charge.min() >= 0 and charge.max() < QUANTA):
            raise ValueError(
                f'charge from {charge.min()} to {charge.max()} quanta: expected 0 to {QUANTA - 1}'
            )
        self._charge = charge.astype(np.int32)

    @classmethod
    def shuffled(cls, height: int, width: int, seed: int | list[int] = 0) -> IntegrateAndFire:
        """A camera whose pixels begin with random charge."""
        rng = np.random.default_rng(seed)
        return cls(rng.integers(0, QUANTA, (height, width), dtype=np.int32))

    def expose(self, before: Light, after: Light, planes: int) -> PackedPlanes:
        """Exposes the sensor while the light goes linearly from one image to another.

        Args:
            before: Light of the first plane, ``[height, width]`` thresholds per plane, 0 to 1: the
                share of the planes in which a pixel fires.
            after: Light one past the last plane: the first plane of the next call.
            planes: Number of planes, 1 or more.

        Returns:
            ``[planes, height, ceil(width / 8)]`` uint8, bit order ``little``.

        Raises:
            ValueError: Images of another size, light not between 0 and 1, or no planes.
        """
        _check(before, after, self._charge.shape, planes)
        light = np.rint(before * np.float32(QUANTA)).astype(np.int32)
        # Conversion rounds towards zero: light never leaves the range between the two images.
        slope = ((after - before) * np.float32(QUANTA / planes)).astype(np.int32)
        charge = self._charge
        spikes = np.empty((planes, *charge.shape), np.bool_)
        for plane in spikes:
            charge += light
            np.greater_equal(charge, QUANTA, out=plane)
            charge &= QUANTA - 1
            light += slope
        return packing.pack(spikes.view(np.uint8))


def cut(before: Light, after: Light, planes: int, size: int) -> Iterator[tuple[Light, Light, int]]:
    """Cuts a long exposure into short ones of the same light, to save memory.

    Args:
        before: Light of the first plane, ``[height, width]``.
        after: Light one past the last plane.
        planes: Number of planes.
        size: Planes in a part at most.

    Yields:
        What :meth:`IntegrateAndFire.expose` takes.
    """
    low, left = 0, before
    while low < planes:
        high = min(low + size, planes)
        right = after if high == planes else before + np.float32(high / planes) * (after - before)
        yield left, right, high - low
        low, left = high, right


def regrouped(blocks: Iterable[PackedPlanes], size: int) -> Iterator[PackedPlanes]:
    """The same planes in blocks of one size; the last one may be smaller."""
    waiting: list[PackedPlanes] = []
    held = 0
    for block in blocks:
        rest = block
        while held + len(rest) >= size:
            end = size - held
            yield np.concatenate([*waiting, rest[:end]])
            waiting, held, rest = [], 0, rest[end:]
        if len(rest):
            waiting.append(rest)
            held += len(rest)
    if waiting:
        yield np.concatenate(waiting)


def _check(before: Light, after: Light, shape: tuple[int, ...], planes: int) -> None:
    if planes < 1 or before.shape != shape or after.shape != shape:
        raise ValueError(
            f'{planes} planes between images {list(before.shape)} and {list(after.shape)}: '
            f'expected 1 or more, and images {list(shape)}'
        )
    for light in (before, after):
        # Written so that NaN fails too.
        if not (light.min() >= 0 and light.max() <= 1):
            raise ValueError(
                f'light from {light.min():g} to {light.max():g} thresholds per plane: expected 0 '
                'to 1; scale and clip it'
            )
