# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Comparison of weights with those that a network has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Shaped(Protocol):
    """Tensor or array."""

    @property
    def shape(self) -> Sequence[int]:
        """Sizes of its dimensions."""


def misfit(found: Mapping[str, Shaped], wanted: Mapping[str, Shaped]) -> str:
    """Return the first weight that is missing, left over or of another shape; empty: all fit.

    Args:
        found: Weights by name.
        wanted: Weights that a network has, by name.
    """
    for name in sorted(found.keys() | wanted.keys()):
        has = list(found[name].shape) if name in found else 'missing'
        expected = list(wanted[name].shape) if name in wanted else 'none of that name'
        if has != expected:
            return f'weight {name} is {has}, expected {expected}'
    return ''
