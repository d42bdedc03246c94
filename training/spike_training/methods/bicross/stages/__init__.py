# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The stages of BiCross, each a module that gives the loss of a batch."""
