# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The method of BiCross (Liu et al.): its losses and its stages."""
