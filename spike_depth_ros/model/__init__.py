# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The networks, in torch: temporal module, encoder, decoder, heads, and their assembly."""
