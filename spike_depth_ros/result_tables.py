# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of results on a terminal or in a file."""

from __future__ import annotations

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table


def print_table(table: Table) -> None:
    """Print a table at its full width, also where the terminal is narrower."""
    # Names are not markup.
    console = Console(width=1000, markup=False, highlight=False)
    width = Measurement.get(console, console.options, table).maximum
    Console(width=width, markup=False, highlight=False).print(table)
