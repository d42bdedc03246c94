#!/bin/sh
# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Resolves requirements/*.in to hashed locks that hold for Python 3.10 to 3.12. No index is written into
# them: whoever installs decides where the files come from, the hashes decide which files they are.
set -eu

cd "$(dirname "$0")/../requirements"

compile() {
    "${UV:-uv}" pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-annotate \
        --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
        ${UPGRADE:+--upgrade} "$@"
}

compile runtime.in -o runtime.txt
compile test.in -o test.txt
# A ROS installation has its own numpy, which the others there were built for.
compile --no-emit-package numpy ros.in -o ros.txt
