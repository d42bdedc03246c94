# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Verdict on a difference between two rows of a table, from a few seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Literal

Verdict = Literal['holds', 'does not hold', 'undecided']

ERRORS = 2.0
"""Standard errors by which the mean must lie beyond 0."""


def judge(differences: Sequence[float]) -> Verdict:
    """Judge paired differences: a rule, as two or three seeds allow no test of significance.

    Args:
        differences: Difference of each seed, above 0 where it is as claimed.

    Returns:
        ``holds`` if all are above 0 and their mean by more than two standard errors; ``does not
        hold`` if all are below 0, and their mean likewise; else, and of fewer than two seeds,
        ``undecided``.
    """
    number = len(differences)
    if number < 2:
        return 'undecided'
    error = statistics.stdev(differences) / math.sqrt(number)
    if abs(statistics.fmean(differences)) <= ERRORS * error:
        return 'undecided'
    if min(differences) > 0:
        return 'holds'
    return 'does not hold' if max(differences) < 0 else 'undecided'
