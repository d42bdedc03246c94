# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Streams, bags, topics and arrays: what comes into the package, and what leaves it."""
