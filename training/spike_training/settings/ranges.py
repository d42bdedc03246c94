# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Range checks of numeric settings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

Problems = Iterator[str]
"""Problems, a phrase for each setting: ``train.steps is 0: expected 1 or more``."""


def at_least(part: Any, low: float, *names: str) -> Problems:
    """Yield the problems of numbers that must be finite and not below a limit."""
    return _outside(part, names, lambda value: low <= value < math.inf, f'{low:g} or more')


def above(part: Any, low: float, *names: str) -> Problems:
    """Yield the problems of numbers that must be finite and above a limit."""
    return _outside(part, names, lambda value: low < value < math.inf, f'above {low:g}')


def share(part: Any, *names: str) -> Problems:
    """Yield the problems of numbers that must be from 0 to below 1."""
    return _outside(part, names, lambda value: 0 <= value < 1, '0 to below 1')


def _outside(part: Any, names: tuple[str, ...], fits: Any, expected: str) -> Problems:
    for name in names:
        value = getattr(part, name)
        if not fits(value):
            shown = value if isinstance(value, int) else f'{value:g}'  # int may exceed float
            yield f'{name} is {shown}: expected {expected}'
