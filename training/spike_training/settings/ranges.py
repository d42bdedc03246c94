# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Former checks of numbers, for methods of users; annotations of settings say ranges now."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Annotated, Any

from spike_depth_ros.base import values
from spike_depth_ros.base.schema import Problems

warnings.warn(
    'spike_training.settings.ranges will go: annotate settings with their ranges, such as '
    'spike_depth_ros.base.values.NotNegative',
    DeprecationWarning,
    stacklevel=2,
)


def at_least(part: Any, low: float, *names: str) -> Problems:
    """Yield the problems of numbers that must be finite and not below a limit."""
    return _outside(part, names, Annotated[float, values.at_least(low)])


def above(part: Any, low: float, *names: str) -> Problems:
    """Yield the problems of numbers that must be finite and above a limit."""
    return _outside(part, names, Annotated[float, values.above(low)])


def share(part: Any, *names: str) -> Problems:
    """Yield the problems of numbers that must be from 0 to below 1."""
    return _outside(part, names, values.Share)


def _outside(part: Any, names: tuple[str, ...], hint: Any) -> Iterator[str]:
    for name in names:
        for _, found, expected in values.faults(getattr(part, name), hint):
            yield f'{name} is {found}: expected {expected}'
