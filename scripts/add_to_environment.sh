#!/bin/sh
# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Installs a lock file into an environment that is there; does nothing while that is done.
#
#   scripts/add_to_environment.sh DIRECTORY LOCK OLDEST_PYTHON
set -eu

directory=$1
lock=$2
oldest=$3
added=$directory/$(basename "$lock")

refuse() {
    echo "spike_depth_ros: $*" >&2
    exit 1
}

! cmp -s "$lock" "$added" || exit 0
"$directory/bin/python" -c "import sys; sys.exit(sys.version_info[:2] < tuple(map(int, '$oldest'.split('.'))))" ||
    refuse "$lock needs Python $oldest, $directory has $("$directory/bin/python" -V): remove $directory, and name another one, such as PYTHON=python3.12."
echo "Adding $lock to $directory, once ..."
log=$directory/add.log
"$directory/bin/python" -m pip install --disable-pip-version-check --no-deps --require-hashes -r "$lock" >"$log" 2>&1 ||
    refuse "pip failed, $(grep -m1 '^ERROR' "$log" || echo "no error given") (details: $log)."
cp "$lock" "$added"
