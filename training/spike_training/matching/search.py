# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Search of several parameters at once, as they explain each other's effects.

One parameter after the other stops on a ridge: haze brightens what is far, as a flat curve of the
tones does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cmaes
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_STEP, _NEAR_STEP = 0.3, 0.08  # deviation of the first trials, over the range
_BEGIN = 0.2, 0.8  # range of the middle of the first trials, over the range


class Found(NamedTuple):
    """Result of a search.

    Attributes:
        place: The best place, ``[parameters]``, each 0 to 1.
        distance: Its distance.
        ends: Distances at which the restarts ended.
    """

    place: Floats
    distance: float
    ends: tuple[float, ...]


def search(
    distance: Callable[[Floats], float], parameters: int, trials: int, restarts: int, seed: int
) -> Found:
    """Search the place of the least distance by covariance matrix adaptation (Hansen, 2016).

    Args:
        distance: Function of a place; NaN counts as infinite.
        parameters: Number of the parameters, each from 0 to 1.
        trials: Trials of each restart, at least.
        restarts: Searches, each from another place; the best one counts.
        seed: Seed of all draws.
    """
    ends: list[tuple[float, Floats]] = []
    for number in range(restarts):
        generator = np.random.default_rng([seed, number])
        begin = generator.uniform(*_BEGIN, parameters)
        ends.append(_descend(distance, begin, _STEP, trials, generator))
    best = min(ends, key=lambda one: one[0])
    return Found(best[1], best[0], tuple(found for found, _ in ends))


def search_near(
    distance: Callable[[Floats], float], place: Floats, trials: int, seed: int
) -> Found:
    """Search the place of the least distance near another one.

    Args:
        distance: As for :func:`search`.
        place: The other one.
        trials: Trials, at least.
        seed: Seed of all draws.
    """
    if not len(place):  # nothing is left to search
        return Found(place, distance(place), ())
    least, found = _descend(distance, place, _NEAR_STEP, trials, np.random.default_rng(seed))
    return Found(found, least, (least,))


def _descend(
    distance: Callable[[Floats], float],
    begin: Floats,
    step: float,
    trials: int,
    generator: np.random.Generator,
) -> tuple[float, Floats]:
    """Return the least distance from one begin, and its place."""
    optimizer = cmaes.CMA(
        mean=begin,
        sigma=step,
        bounds=np.tile([0.0, 1.0], (len(begin), 1)),
        seed=int(generator.integers(2**31)),
    )
    least, best, tried = np.inf, optimizer.ask(), 0
    while tried < trials and not optimizer.should_stop():
        generation = []
        for place in (optimizer.ask() for _ in range(optimizer.population_size)):
            found = distance(place)
            found = found if np.isfinite(found) else np.inf
            generation.append((place, min(found, 1e12)))
            if found < least:
                least, best = found, place
        optimizer.tell(generation)
        tried += len(generation)
    return float(least), best
