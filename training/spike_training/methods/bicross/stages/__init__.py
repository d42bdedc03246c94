# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stages of BiCross, each a module that computes the loss of a batch."""
