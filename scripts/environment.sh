#!/bin/sh
# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Makes a virtual environment from a lock file, with this package in it; does nothing while it is up to date.
#
#   scripts/environment.sh DIRECTORY LOCK MEGABYTES [OLDEST_PYTHON]
#
# Only the contents of the lock, the place of the environment and a PYTHON asked for by name decide whether
# it is made again, so that a fresh checkout's file times cost nothing.
set -eu

directory=$1
lock=$2
megabytes=$3
oldest=${4:-3.10}
here=$(dirname "$0")
record=$directory/made-from.txt

refuse() {
    echo "spike_depth_ros: $*" >&2
    exit 1
}

describe() {
    echo "# $PWD/$directory, Python $1"
    cat "$lock" setup.py setup.cfg
}

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

if [ -f "$record" ] && [ -x "$directory/bin/python" ]; then
    present=$(version_of "$directory/bin/python") || present=broken
    wanted=$present
    [ -z "${PYTHON:-}" ] || wanted=$(version_of "$PYTHON" 2>/dev/null) || wanted=other
    if [ "$present" = "$wanted" ] && describe "$present" | cmp -s - "$record"; then
        exit 0
    fi
fi

python=$("$here/preflight.sh" "$megabytes" "$oldest")
case $python in
"$directory"/* | "$PWD/$directory"/*)
    # This environment is active, and about to be removed: take the Python that it was made with.
    python=$("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))')
    ;;
esac

echo "Making $directory from $lock, once (a minute or two; about $megabytes MB of disk) ..."
rm -rf "$directory"
log=$directory/install.log
"$python" -m venv "$directory"

# The lock is complete. Left to resolve, pip 23 takes the newest release of what a package asks for with
# an extra (coverage[toml]), which the lock has no hash of.
if ! {
    "$directory/bin/python" -m pip install --disable-pip-version-check --no-deps --require-hashes -r "$lock" &&
        "$directory/bin/python" -m pip install --disable-pip-version-check --no-index --no-deps \
            --no-build-isolation --editable .
} >"$log" 2>&1; then
    if grep -q 'DO NOT MATCH THE HASHES' "$log"; then
        refuse "a download is not the file that $lock names (its hash differs): nothing of it was installed; try again later, and report it if it stays (details: $log)."
    elif grep -qi 'no space left' "$log"; then
        refuse "the disk is full (here, or where TMPDIR and pip's cache are): make room and run it again (details: $log)."
    elif grep -qiE 'Retrying|ConnectionError|NewConnectionError|timed out|Network is unreachable|name resolution' "$log"; then
        refuse "the package index cannot be reached: check the network (or pip's proxy and index settings) and run it again (details: $log)."
    fi
    refuse "pip failed, $(grep -m1 '^ERROR' "$log" || echo "no error given") (details: $log)."
fi

describe "$(version_of "$directory/bin/python")" >"$record"
