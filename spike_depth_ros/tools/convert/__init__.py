# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Conversion of recordings between files and bags: the command ``spike_convert``."""
