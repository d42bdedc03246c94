#!/bin/sh
# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Says, before anything is downloaded, whether an environment can be made here.
#
#   scripts/preflight.sh MEGABYTES [OLDEST]
#
# Prints the Python to use and succeeds, or prints one line with the remedy and fails. PYTHON names an
# interpreter; without it python3 and then python3.12, 3.11 and 3.10 are tried. OLDEST is 3.10 or 3.11.
set -eu

refuse() {
    echo "spike_depth_ros: $*" >&2
    exit 1
}

megabytes=$1
oldest=${2:-3.10}
case $oldest in
3.10) versions='3.10, 3.11 or 3.12' ;;
*) versions='3.11 or 3.12' ;;
esac

system=$(uname -s)
[ "$system" = Linux ] || refuse "needs Linux, this is $system: use a Linux machine, a virtual machine or WSL 2."

machine=$(uname -m)
case $machine in
x86_64 | amd64) ;;
*) refuse "ROS 2 has no wheels for $machine, only for x86_64: install ROS 2 itself and follow \"With ROS 2\" of docs/start/install.md." ;;
esac

# Prints "major.minor libc has-ensurepip"; written so that any Python still in use can run it.
probe() {
    "$1" -c '
import platform, sys
try:
    import ensurepip, venv
    complete = "yes"
except ImportError:
    complete = "no"
print("%d.%d %s %s" % (sys.version_info[0], sys.version_info[1], platform.libc_ver()[0] or "other", complete))
' 2>/dev/null
}

supported() {
    case $1 in
    3.11 | 3.12 | "$oldest") return 0 ;;
    *) return 1 ;;
    esac
}

python=
version=
found=
for candidate in ${PYTHON:-python3 python3.12 python3.11 python3.10}; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    facts=$(probe "$candidate") || continue
    [ -n "$found" ] || found="$candidate is Python ${facts%% *}"
    if supported "${facts%% *}"; then
        python=$candidate
        version=${facts%% *}
        break
    fi
done

if [ -z "$python" ]; then
    remedy='install one of them (apt, or "uv python install 3.12"), then run make with PYTHON=python3.12 behind it.'
    [ -n "$found" ] && refuse "needs Python $versions, but $found: $remedy"
    [ -n "${PYTHON:-}" ] && refuse "PYTHON=$PYTHON does not run: give the path of a Python $versions."
    refuse "python3 not found: sudo apt install python3 python3-venv"
fi

case $facts in
*' yes') ;;
*)
    case $python in
    python3) refuse "this Python cannot make virtual environments: sudo apt install python3-venv" ;;
    *) refuse "this Python cannot make virtual environments: sudo apt install python$version-venv" ;;
    esac
    ;;
esac

case $facts in
*' glibc '*) ;;
*) refuse "ROS 2 has no wheels for this C library (glibc 2.28 or later is needed, as in Debian and Ubuntu): use such a system or container." ;;
esac

free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
if [ "$free" -lt "$megabytes" ]; then
    refuse "needs about $megabytes MB of disk here, $free MB are free: make room, or clone to a larger disk."
fi

command -v "$python"
