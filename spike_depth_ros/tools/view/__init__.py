# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of topics and recordings in the viewer of Rerun: ``spike_view``."""
