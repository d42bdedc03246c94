# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a video as a spike camera sees them: light, placement, integrate and fire."""
