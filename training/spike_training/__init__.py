# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training of spike depth networks; uses ``spike_depth_ros``, never the other way round."""
