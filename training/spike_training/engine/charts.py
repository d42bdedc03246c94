# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Charts of the scalars that a stage logs, as the page of a run draws them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

Levels = Callable[[Any], list[tuple[float, str]]]
"""From a stage's settings: heights of dashed lines, with their labels."""


@dataclasses.dataclass(frozen=True)
class ScalarChart:
    """One chart.

    Attributes:
        title: Over it.
        axis: Along its vertical axis.
        names: Scalars to draw, by the name without ``train/`` or ``validation/``, and their names
            in the legend; empty: none, for the only one.
        text: Under it: how to read it.
        limits: Ends of the vertical axis; None: those of the values.
        levels: Dashed lines.
        marks_warnings: Whether the steps of warnings are marked.
        draws_zeros: Whether a scalar that is 0 throughout is drawn.
    """

    title: str
    axis: str
    names: Mapping[str, str]
    text: str = ''
    limits: tuple[float, float] | None = None
    levels: Levels = lambda settings: []
    marks_warnings: bool = False
    draws_zeros: bool = True
