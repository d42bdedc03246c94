# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth labels by a foundation model, for pictures, videos and recordings of spikes."""
