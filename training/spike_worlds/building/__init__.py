# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Building blocks of scene recipes: random numbers, materials, primitives, light, cameras."""
