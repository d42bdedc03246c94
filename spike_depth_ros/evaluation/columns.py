# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A table of numbers that grows row by row, eight bytes a number."""

from __future__ import annotations

import array
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt


class Columns:
    """Columns of doubles.

    Args:
        names: Of the columns.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._columns = {name: array.array('d') for name in names}

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def __getitem__(self, name: str) -> npt.NDArray[np.float64]:
        """A column, ``[rows]``; a copy, so that rows may still be added."""
        return np.array(self._columns[name], np.float64)

    def add(self, row: Mapping[str, float]) -> None:
        """Add a row, which has every column."""
        for name, column in self._columns.items():
            column.append(row[name])
