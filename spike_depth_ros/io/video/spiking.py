# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Integrate and fire: conversion of light to spikes, for live and simulated sensors.

Every pixel integrates charge, fires when it reaches the threshold, and keeps the excess
(Chen et al., "Self-Supervised Mutual Learning for Dynamic Scene Reconstruction of Spiking Camera",
Eq. 1). Charge is counted in integer quanta of 2**-24 thresholds, the resolution of float32
near 1: none is lost over long streams or at the cuts between calls.

The functions work on numpy arrays or on tensors: ``xp`` is the module ``numpy`` or ``torch``, of
which they use common names. This module imports only numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from spike_depth_ros.io.video.light import Light
from spike_depth_ros.stream.chunk import PackedPlanes

Array: TypeAlias = Any
"""Array of the namespace: numpy.ndarray or torch.Tensor."""

Mode = Literal['keep', 'reset']
"""Charge after a spike: ``keep``: the excess over the threshold; ``reset``: 0."""

QUANTUM_BITS = 24
QUANTA = 1 << QUANTUM_BITS
"""Quanta of charge in one threshold."""


class LinearLight(NamedTuple):
    """Light of consecutive planes that changes linearly.

    Attributes:
        planes: Number of planes.
        quanta: Charge that the first plane adds, ``[..., H, W]`` int32.
        slope: Increment of ``quanta`` from plane to plane, same shape; None: 0.
    """

    planes: int
    quanta: Array
    slope: Array = None


class Noise(Protocol):
    """Noise of a sensor from plane to plane."""

    def set_light(self, light: LinearLight) -> None:
        """Set the light of the planes that follow."""

    def disturb(self, plane: int) -> Array:
        """Add noise to the charge and return the charge for the plane's comparison."""


def to_quanta(xp: Any, light: Array) -> Array:
    """Convert light to whole quanta of charge, rounded to the nearest.

    Args:
        xp: Array namespace.
        light: Thresholds per plane, 0 to 1, float32.

    Returns:
        The same shape, int32.
    """
    scaled = light * QUANTA
    return xp.asarray(xp.round(scaled, out=scaled), dtype=xp.int32)


def linear_light(xp: Any, before: Array, after: Array, planes: int) -> LinearLight:
    """Return the planes between two images.

    Args:
        xp: Array namespace.
        before: Light of the first plane, ``[..., H, W]`` float32 thresholds per plane, 0 to 1.
        after: Light one past the last plane.
        planes: Number of planes, 1 or more.
    """
    # Conversion rounds towards zero: light never leaves the range between the two images.
    slope = xp.asarray((after - before) * (QUANTA / planes), dtype=xp.int32)
    return LinearLight(planes, to_quanta(xp, before), slope)


def integrate_and_fire(
    xp: Any,
    charge: Array,
    light: Iterable[LinearLight],
    spikes: Array,
    mode: Mode = 'keep',
    noise: Noise | None = None,
) -> Iterator[int]:
    """Expose pixels to light, plane by plane.

    Args:
        xp: Array namespace.
        charge: Charge of the pixels, ``[..., H, W]`` int32 quanta; updated in place.
        light: Light of consecutive planes; ``quanta`` are overwritten.
        spikes: Receives the pixels that fire in the plane, ``[..., H, W]`` bool.
        mode: Charge after a spike, see :data:`Mode`.
        noise: Noise, which acts on ``charge``; None: none.

    Yields:
        Number of the plane, from 0 on, once ``spikes`` holds it.
    """
    threshold = xp.asarray(QUANTA, dtype=xp.int32)
    scratch = None if noise is None else xp.empty_like(charge)
    plane = 0
    for planes, quanta, slope in light:
        if noise is not None:
            noise.set_light(LinearLight(planes, quanta, slope))
        for _ in range(planes):
            charge += quanta
            compared = charge if noise is None else noise.disturb(plane)
            xp.greater_equal(compared, QUANTA, out=spikes)
            if mode == 'reset':
                charge *= ~spikes
            elif noise is None:
                charge &= QUANTA - 1  # the excess is below one threshold
            else:
                charge -= xp.multiply(spikes, threshold, out=scratch)
            yield plane
            plane += 1
            if slope is not None:
                quanta += slope


class IntegrateAndFire:
    """Spike camera without noise, with a charge that is kept from call to call.

    Args:
        charge: Initial charge, ``[height, width]`` quanta, 0 to below one threshold. Pixels of
            equal light and charge always fire in the same planes: see :meth:`shuffled`.

    Raises:
        ValueError: A charge out of that range.
    """

    def __init__(self, charge: npt.NDArray[np.integer[Any]]) -> None:
        if charge.size and not (charge.min() >= 0 and charge.max() < QUANTA):
            raise ValueError(
                f'charge from {charge.min()} to {charge.max()} quanta: expected 0 to {QUANTA - 1}'
            )
        self._charge = charge.astype(np.int32)

    @classmethod
    def shuffled(cls, height: int, width: int, seed: int | list[int] = 0) -> IntegrateAndFire:
        """Make a camera of random initial charge."""
        rng = np.random.default_rng(seed)
        return cls(rng.integers(0, QUANTA, (height, width), dtype=np.int32))

    def expose(self, before: Light, after: Light, planes: int) -> PackedPlanes:
        """Expose the sensor while the light changes linearly from one image to another.

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
        height, width = self._charge.shape
        row = (width + 7) // 8
        padded = np.zeros((height, row * 8), np.bool_)
        packed = np.empty((planes, height * row), np.uint8)
        light = linear_light(np, before, after, planes)
        for plane in integrate_and_fire(np, self._charge, [light], padded[:, :width]):
            packed[plane] = np.packbits(padded.reshape(-1), bitorder='little')
        return packed.reshape(planes, height, row)


def cut(before: Light, after: Light, planes: int, size: int) -> Iterator[tuple[Light, Light, int]]:
    """Cut a long exposure into short ones of the same light, to save memory.

    Args:
        before: Light of the first plane, ``[height, width]``.
        after: Light one past the last plane.
        planes: Number of planes.
        size: Planes in a part at most.

    Yields:
        Arguments of :meth:`IntegrateAndFire.expose`.
    """
    low, left = 0, before
    while low < planes:
        high = min(low + size, planes)
        right = after if high == planes else before + np.float32(high / planes) * (after - before)
        yield left, right, high - low
        low, left = high, right


def regroup(blocks: Iterable[PackedPlanes], size: int) -> Iterator[PackedPlanes]:
    """Yield the same planes in blocks of one size; the last one may be smaller."""
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
