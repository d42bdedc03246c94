# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Random numbers of a batch of scenes, and arithmetic that is the same on every machine.

Only elementary arithmetic touches the numbers (no sine, power or sum over the batch), so that a
scene has the same bits in every batch and on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spike_worlds.scene import Array

Value = Array | float
Range = tuple[float, float]
"""Least and greatest value."""
Level = float | Range
"""A fixed value, or the limits of a uniform distribution."""

HALF_TURN = 3.14159265
QUARTER_TURN = 1.5707963
"""Radians, rounded as in the scenes of shipped models, as are the two below."""
ANY_HEADING = (0.0, 6.2831853)
ANY_YAW = (0.0, 6.28)
ALL = (-1.0, 1.0)
"""Limits of a share of a length to either side."""

_COARSE = 4  # steps of log_uniform
_BELOW_COARSE = 3.999
_HALVINGS = 3  # of an angle before its series, undone by as many doublings
_SEED_SCALE = 2.0**24
_SEED_WEIGHTS = (1, 1 << 8)


class Sampler:
    """Uniform random numbers of each scene, consumed column by column.

    Args:
        uniform: ``[B, columns]`` float32 from 0 to below 1.

    Attributes:
        batch: Number of scenes, ``B``.
    """

    def __init__(self, uniform: Array) -> None:
        self._uniform = uniform
        self._next = 0
        self.batch = len(uniform)

    def __call__(self, number: int = 1, low: Value = 0.0, high: Value = 1.0) -> Array:
        """Sample ``[B, number]`` uniformly between two limits."""
        begin, self._next = self._next, self._next + number
        if self._next > self._uniform.shape[1]:
            raise IndexError(f'a scene takes more than {self._uniform.shape[1]} random numbers')
        block = self._uniform[:, begin : self._next]
        return np.asarray(low + (high - low) * block, np.float32)

    def uniform(self, number: int, limits: tuple[Value, Value]) -> Array:
        """Sample ``[B, number]`` uniformly between two limits."""
        return self(number, *limits)

    def uniforms(self, number: int, *limits: tuple[Value, Value]) -> list[Array]:
        """Sample ``[B, number]`` uniformly between each pair of limits."""
        return [self.uniform(number, pair) for pair in limits]

    def log_uniform(self, number: int, limits: Range) -> Array:
        """Sample ``[B, number]`` uniformly over ratios."""
        return log_uniform(*limits, self(number))

    def symmetric(self, number: int, limit: Value) -> Array:
        """Sample ``[B, number]`` uniformly between ``-limit`` and ``limit``."""
        return self(number, -limit, limit)

    def level(self, number: int, level: Level) -> Value:
        """Return a fixed value as it is, or sample ``[B, number]`` between its limits."""
        return self.uniform(number, level) if isinstance(level, tuple) else level

    def chance(self, number: int, probability: Value) -> Array:
        """Sample a mask ``[B, number]``, true with a probability."""
        return self(number) < probability

    def choose(self, number: int, options: Sequence[float]) -> Array:
        """Sample ``[B, number]`` of some values, each as likely; repeated ones are likelier."""
        table = np.asarray(options, np.float32)
        picked: Array = table[(self(number) * len(table)).astype(np.int64)]
        return picked

    def kinds(self, number: int, options: Sequence[int]) -> Array:
        """Sample kinds of primitives ``[B, number]`` int8."""
        return self.choose(number, options).astype(np.int8)

    def signs(self, number: int) -> Array:
        """Sample ``[B, number]`` of -1 and 1."""
        return np.where(self(number) < 0.5, np.float32(-1), np.float32(1))

    def headings(self, number: int, limits: Range = ANY_YAW) -> tuple[Array, Array]:
        """Sample cosines and sines of angles, ``[B, number]`` each."""
        return cos_sin(self.uniform(number, limits))

    def seeds(self) -> Array:
        """Sample seeds of the pixels' initial charge, ``[B]`` int64."""
        seeds: Array = (self(2) * _SEED_SCALE).astype(np.int64) @ np.array(_SEED_WEIGHTS)
        return seeds


def cos_sin(angle: Value) -> tuple[Array, Array]:
    """Return cosine and sine of any angle, to about 1e-6, the same on every machine."""
    value = np.asarray(angle, np.float64)
    eighth = value / (1 << _HALVINGS)
    square = eighth * eighth
    # Taylor series: factorials as products of neighbours, 6 = 2 x 3, 20 = 4 x 5 and so on.
    sine = eighth * (1 - square / 6 * (1 - square / 20 * (1 - square / 42)))
    cosine = 1 - square / 2 * (1 - square / 12 * (1 - square / 30 * (1 - square / 56)))
    for _ in range(_HALVINGS):
        sine, cosine = 2 * sine * cosine, cosine * cosine - sine * sine
    norm = np.sqrt(sine * sine + cosine * cosine)
    return (cosine / norm).astype(np.float32), (sine / norm).astype(np.float32)


def log_uniform(low: float, high: float, share: Array) -> Array:
    """Spread shares from 0 to 1 evenly over ratios: half below the limits' geometric mean."""
    root = np.float32((high / low) ** (1 / _COARSE))  # share 0, 1/4, ... -> low * root ** 0, 1 ...
    whole = np.minimum(share * _COARSE, _BELOW_COARSE).astype(np.int64)
    rest = share * _COARSE - whole
    steps = np.asarray([low * root**k for k in range(_COARSE + 1)], np.float32)
    values: Array = steps[whole] * (1 - rest) + steps[whole + 1] * rest
    return values.astype(np.float32)


def running_sum(steps: Array) -> Array:
    """Return running sums along the second axis, added up one by one."""
    total = np.zeros_like(steps[:, 0])
    sums = []
    for step in np.moveaxis(steps, 1, 0):
        total = total + step
        sums.append(total)
    return np.stack(sums, 1)
