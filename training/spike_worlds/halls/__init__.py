# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Warehouses, lobbies, corridors and stairwells, one module for each kind of furnishing."""
