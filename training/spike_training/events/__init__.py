# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Events of event cameras: streams, voxel grids, and a simulated camera."""
