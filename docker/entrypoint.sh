#!/bin/bash
# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Runs a command with ROS 2, the virtual environment and the built package.
set -e
source /opt/workspace/install/setup.bash
export PATH=/opt/workspace/.venv/bin:$PATH
exec "$@"
