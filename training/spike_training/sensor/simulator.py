# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A spike camera without noise: light in, packed planes of spikes out.

Every pixel gathers charge; a pixel whose charge reaches the threshold fires one spike in that
plane and keeps what is left over, as the sensor does by subtracting the threshold (Chen et al.,
"Self-Supervised Mutual Learning for Dynamic Scene Reconstruction of Spiking Camera", Eq. 1: the
accumulated light modulo the threshold).

Charge is counted in whole quanta of 2**-24 thresholds, as finely as float32 resolves luminance
near 1. Integers make the camera exact: no charge is lost however long it runs, and the result does
not depend on how a recording is cut into calls.

This is the plain statement of it, for one recording; :mod:`spike_training.sensor.camera` takes
whole batches, on any device, with the defects of real sensors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import PackedPlanes

QUANTA = 1 << 24
"""Quanta of charge in one threshold."""


class SpikeSimulator:
    """A camera that keeps its charge from call to call, so that long recordings come in pieces.

    Args:
        height: Sensor rows.
        width: Sensor columns.
        rng: Draws the charge that each pixel begins with, uniform below one threshold; without
            it all pixels of equal luminance would fire in the same planes.
    """

    def __init__(self, height: int, width: int, rng: np.random.Generator) -> None:
        self._charge = rng.integers(0, QUANTA, (height, width), dtype=np.int32)

    @classmethod
    def charged(cls, quanta: npt.NDArray[np.integer[Any]]) -> SpikeSimulator:
        """A camera whose pixels hold a given charge.

        Args:
            quanta: ``[height, width]``, quanta from 0 to below one threshold.

        Raises:
            ValueError: A charge out of that range.
        """
        if quanta.size and not (quanta.min() >= 0 and quanta.max() < QUANTA):
            raise ValueError(
                f'charge from {quanta.min()} to {quanta.max()} quanta: expected 0 to {QUANTA - 1}'
            )
        height, width = quanta.shape
        camera = cls(height, width, np.random.default_rng(0))
        camera._charge = quanta.astype(np.int32)
        return camera

    @property
    def charge(self) -> npt.NDArray[np.float64]:
        """Charge left in the pixels, ``[height, width]``, thresholds, from 0 to below 1."""
        return self._charge / QUANTA

    def step(self, luminance: npt.NDArray[np.floating[Any]]) -> PackedPlanes:
        """Exposes the sensor for as many planes as there are images of luminance.

        Args:
            luminance: ``[planes, height, width]``, thresholds per plane, 0 to 1: the share of the
                planes in which a pixel fires.

        Returns:
            Packed planes ``[planes, height, ceil(width / 8)]`` uint8, ``little``: the least
            significant bit of a byte is its leftmost pixel. Padding bits are 0.

        Raises:
            ValueError: The size is not the sensor's, or a luminance is not between 0 and 1.
        """
        self._check(luminance)
        spikes = np.empty(luminance.shape, np.bool_)
        exact = np.result_type(luminance, np.float32)  # half precision cannot count quanta
        for spike, light in zip(spikes, luminance, strict=True):
            self._charge += np.rint(np.multiply(light, QUANTA, dtype=exact)).astype(np.int32)
            np.greater_equal(self._charge, QUANTA, out=spike)
            self._charge &= QUANTA - 1
        return packing.pack(spikes, 'little')

    def _check(self, luminance: npt.NDArray[np.floating[Any]]) -> None:
        if luminance.ndim != 3 or luminance.shape[1:] != self._charge.shape:
            raise ValueError(
                f'luminance {list(luminance.shape)}: expected [planes, height, width] with '
                f'{self._charge.shape[0]} rows and {self._charge.shape[1]} columns'
            )
        # Written so that NaN fails too.
        if luminance.size and not (luminance.min() >= 0 and luminance.max() <= 1):
            raise ValueError(
                f'luminance from {luminance.min():g} to {luminance.max():g} thresholds per plane: '
                'expected 0 to 1; divide images of 0 to 255 by 255 and clip'
            )


def simulate(
    luminance: npt.NDArray[np.floating[Any]], rng: np.random.Generator | None = None
) -> PackedPlanes:
    """Exposes a fresh camera to a whole recording.

    Args:
        luminance: ``[planes, height, width]``, thresholds per plane, 0 to 1.
        rng: Draws the pixels' initial charge; a generator seeded with 0 unless given.

    Returns:
        Packed planes ``[planes, height, ceil(width / 8)]`` uint8, bit order ``little``.

    Raises:
        ValueError: Luminance that is not three-dimensional or not between 0 and 1.
    """
    height, width = luminance.shape[-2:]
    return SpikeSimulator(height, width, rng or np.random.default_rng(0)).step(luminance)
