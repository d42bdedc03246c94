# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of frames as those of a simulated spike camera, and the files that hold them."""
