# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Back ends, a module each, found by name: its ``BACKEND`` is a class of ``cameras.base``."""
