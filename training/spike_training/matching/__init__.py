# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Air, lens, light and sensor of a target, found from its unlabelled windows alone."""
