#!/bin/sh
# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Builds this package over a ROS 2 installation, as docs/start/install.md says; run as root in an image of ROS.
#
#   ROS_DISTRO=jazzy scripts/ros_workspace.sh WORKSPACE [COLCON_ARGUMENTS ...]
#
# Makes WORKSPACE/.venv over the system's packages, and WORKSPACE/install.
set -eu

source_folder=$(cd "$(dirname "$0")/.." && pwd)
workspace=$1
shift

apt-get update
apt-get install -y --no-install-recommends git python3-venv
rosdep update --rosdistro "$ROS_DISTRO"
rosdep install --from-paths "$source_folder" --ignore-src -y --rosdistro "$ROS_DISTRO"
python3 -m venv --system-site-packages "$workspace/.venv"
"$workspace/.venv/bin/python" -m pip install --no-deps --require-hashes -r "$source_folder/requirements/ros.txt"
. "/opt/ros/$ROS_DISTRO/setup.sh"
cd "$workspace"
.venv/bin/python -m colcon build --base-paths "$source_folder" "$@"
