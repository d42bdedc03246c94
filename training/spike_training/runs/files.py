# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of the files of a run."""

from __future__ import annotations

CONFIG = 'config.yaml'
"""File of all settings."""

MODEL = 'model.safetensors'
"""Resulting checkpoint."""

REPORT = 'report.json'
"""Evaluation report of the result."""

SELECTED = 'selected.safetensors'
"""Selected or averaged checkpoint, in the stage's folder."""

SELECTION = 'selection.json'
"""Criteria of the selection, in the stage's folder."""
