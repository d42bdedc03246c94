# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a camera beside the spikes: pairing by stamps, registration, and its check."""
