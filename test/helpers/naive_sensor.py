# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Integrate and fire as a naive loop: the reference of the sensor's tests."""

import itertools
from collections.abc import Sequence

import numpy as np

QUANTA = 1 << 24


def plane_quanta(light: np.ndarray, knots: Sequence[int]) -> np.ndarray:
    """Return what each plane adds, ``[planes, H, W]`` quanta, of light ``[K, H, W]`` at knots."""
    planes = []
    for k, (first, end) in enumerate(itertools.pairwise(knots)):
        slope = ((light[k + 1] - light[k]) * np.float32(QUANTA / (end - first))).astype(int)
        planes += [quanta_of(light[k]) + j * slope for j in range(end - first)]
    return np.stack(planes)


def quanta_of(light: np.ndarray) -> np.ndarray:
    """Return light in whole quanta, rounded to the nearest."""
    return np.rint(light.astype(float) * QUANTA).astype(int)


def naive_spikes(quanta: np.ndarray, charge: np.ndarray, mode: str = 'keep') -> np.ndarray:
    """Return spikes ``[planes, H, W]`` of 0 and 1, one pixel and one plane at a time."""
    spikes = np.zeros(quanta.shape, np.uint8)
    for place in np.ndindex(charge.shape):
        held = int(charge[place])
        for plane in range(len(quanta)):
            held += int(quanta[(plane, *place)])
            if held >= QUANTA:
                held = held - QUANTA if mode == 'keep' else 0
                spikes[(plane, *place)] = 1
    return spikes
