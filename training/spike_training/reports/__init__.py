# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reports of runs and data sets: pages, charts and contact sheets."""
