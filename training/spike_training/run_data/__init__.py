# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data of a run: its scenes, recordings and sets of samples that are scored."""
