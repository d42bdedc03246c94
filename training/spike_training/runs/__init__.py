# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A run: from settings to networks, stages and batches, through the stages, to a checkpoint."""
