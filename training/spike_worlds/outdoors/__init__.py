# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Yards, parks and fields, one module for each kind of thing that only they have."""
