# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of the files that a run leaves, for those who write them and those who read them."""

from __future__ import annotations

CONFIG = 'config.yaml'
"""All settings."""

MODEL = 'model.safetensors'
"""The result."""

REPORT = 'report.json'
"""Its figures."""

SELECTED = 'selected.safetensors'
"""In a stage's folder: the network that was chosen of two."""

SELECTION = 'selection.json'
"""In a stage's folder: what chose it."""
