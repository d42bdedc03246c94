# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What tests of evaluation share."""

import pytest

from spike_depth_ros.evaluation import run


@pytest.fixture
def without_page(monkeypatch):
    """Write an empty report.html, whose charts and pictures take longer than all else."""
    monkeypatch.setattr(run, 'render', lambda stream, runs: '')
