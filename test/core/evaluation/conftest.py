# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What tests of evaluation share."""

import pytest

from spike_depth_ros.evaluation.report import charts
from spike_depth_ros.tools.evaluate import run


@pytest.fixture
def with_page():
    """Write the texts, tables and pictures of report.html; its charts are empty."""


@pytest.fixture
def with_charts():
    """Write a whole report.html."""


@pytest.fixture(autouse=True)
def pages(request, monkeypatch):
    """Write letters as report.html: a page takes longer than all else of a run.

    Tests that read it ask for a true one; fixtures of a module have it anyway.
    """
    if 'with_page' in request.fixturenames:
        monkeypatch.setattr(charts, 'svg', lambda axes: '<svg/>')
    elif 'with_charts' not in request.fixturenames:
        monkeypatch.setattr(run, 'render', lambda stream, runs: 50_000 * 'x')
