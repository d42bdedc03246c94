#!/bin/sh
# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Resolves requirements/*.in to hashed locks that hold for Python 3.10 to 3.12 (view.txt, docs.txt: from 3.11). No index is written into
# them: whoever installs decides where the files come from, the hashes decide which files they are.
set -eu

cd "$(dirname "$0")/../requirements"

# compile PYTHON FILE.in -o FILE.txt ...
compile() {
    python=$1
    shift
    "${UV:-uv}" pip compile --quiet --universal --python-version "$python" --generate-hashes --no-annotate \
        --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
        ${UPGRADE:+--upgrade} "$@"
}

# uv repeats on every line the environments (pyproject.toml) that it resolved for. On any other, pip would
# skip all lines and succeed with nothing installed; without the markers it fails and says why.
unmark() {
    sed -i -e "s/ and platform_machine == 'x86_64'//g" -e "s/ and sys_platform == 'linux'//g" \
        -e "s/ and python_full_version < '3.13'//g" -e "s/ ; python_full_version < '3.13' and / ; /" \
        -e "s/ ; python_full_version < '3.13' / /" "$1"
}

compile 3.10 runtime.in -o runtime.txt
unmark runtime.txt
compile 3.10 test.in -o test.txt
unmark test.txt
compile 3.11 view.in -o view.txt
unmark view.txt
compile 3.11 docs.in -o docs.txt
unmark docs.txt
# A ROS installation, on any machine, has its own numpy, which the others there were built for.
compile 3.10 --no-config --no-emit-package numpy ros.in -o ros.txt
