# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Devices that deliver spike planes, through back ends: SDK of a camera, pipe, file."""
