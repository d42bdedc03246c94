# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of data sets: readers, clips, splits, and transforms of their images."""
