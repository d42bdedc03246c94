# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras and places: calibration, rectification, rigs, registration, the floor; meaning of depth."""
