# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of runs: dataclasses, their checks, and how they are read."""
