# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bit-packed spike planes from the sensor to a window: decoding, ring, stamps, accounting."""
