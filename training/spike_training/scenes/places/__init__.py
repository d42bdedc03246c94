# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Styles of the procedural world beyond rooms and streets, and the parts they are made of."""
