# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated spike camera: integrate and fire, noise, exposure, light between frames."""
