# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of networks and of third-party predictions, beside baselines and controls."""
