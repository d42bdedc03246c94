# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training engine shared by all methods: loop, optimisers, averaged weights, checkpoints."""
