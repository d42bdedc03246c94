# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Output of a table, as the task of its networks lays it out."""

from __future__ import annotations

from collections.abc import Sequence

from spike_training.tables.fused_page import FusedPage
from spike_training.tables.means_page import MeansPage
from spike_training.tables.metrics import RowMetrics, claims_of
from spike_training.tables.page import Page, TablePage
from spike_training.tables.plan import Table
from spike_training.tables.upsampling_page import UpsamplingPage

LAYOUTS: dict[str, type[TablePage]] = {
    'domains': Page,
    'conditions': FusedPage,
    'means': MeansPage,
    'factors': UpsamplingPage,
}
"""How tables are laid out, see :class:`spike_training.tasks.base.Tabled`."""


def page_of(table: Table, rows: Sequence[RowMetrics]) -> TablePage:
    """Return the output of a table with its claims evaluated.

    Args:
        table: The table.
        rows: Results of each row, see :func:`.metrics.collect`.
    """
    return LAYOUTS[table.rows[0].tabled.layout](table, rows, claims_of(table, rows))
