# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Streets and country roads, one module for each kind of thing beside or on them."""
