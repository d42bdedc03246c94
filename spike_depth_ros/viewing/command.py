# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``spike_view``: shows depth of running nodes, or of a recording, in Rerun's viewer."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from spike_depth_ros.arguments import (
    LAYOUT_OPTIONS,
    DefaultsFormatter,
    add_camera_options,
    add_recording_options,
    count,
    port,
    positive,
)
from spike_depth_ros.commands import run_library, run_node

GET_RERUN = (
    'spike_view needs Rerun, which needs Python 3.11 and numpy 2: make view-environment, then '
    '.venv-view/bin/spike_view (docs/view.md)'
)

RECORDING_OPTIONS = (
    'checkpoint', 'topic', 'every', 'size', 'rate', *LAYOUT_OPTIONS, 'camera_info', 'fx',
)  # fmt: skip
"""Options that only recordings have."""


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of ``spike_view``'s command line."""
    parser = argparse.ArgumentParser(
        prog='spike_view',
        description='Look at depth, uncertainty, spikes and points in the viewer of Rerun: of a '
        'running depth node, at most five times a second, or of a recording.',
        epilog='For example: spike_view, spike_view --web, spike_view --ros-args -r __ns:=/left, '
        'and spike_view my.dat --size 400x250 --save look.rrd (docs/view.md).',
        formatter_class=DefaultsFormatter,
    )
    add = parser.add_argument
    add(
        'recording',
        type=Path,
        nargs='?',
        help='.dat, .npy or .npz file, or a rosbag2. Default: topics of a running depth node',
    )
    where = parser.add_argument_group('where to look').add_argument
    where('--web', action='store_true', help='in a browser of this machine, in place of a window')
    where(
        '--port',
        type=port,
        default=9090,
        help='of the page for a browser, on 127.0.0.1; its data come through the next one',
    )
    where(
        '--save',
        type=Path,
        metavar='FILE.rrd',
        help="into a file: look at it later, also without this package, by Rerun's command, "
        'rerun --bind 127.0.0.1 FILE.rrd: in the environment, .venv-view/bin/rerun',
    )
    where('--overwrite', action='store_true', help='replace an existing file')
    where('--max-gb', type=positive, default=4.0, metavar='GB', help='largest size of the file')
    recorded = parser.add_argument_group('recordings')
    add = recorded.add_argument
    add('--checkpoint', type=Path, help='model file, or the name of a shipped model')
    add('--topic', metavar='TOPIC', help='spikes of a bag. Default: the one called spikes')
    add('--every', type=count, metavar='PLANES', help='between windows. Default: a window')
    add_recording_options(recorded)
    add_camera_options(recorded)
    return parser


def main(args: Sequence[str] | None = None) -> int:
    """Run the console script ``spike_view``; return the exit status."""
    given = list(sys.argv[1:] if args is None else args)
    own = given[: given.index('--ros-args')] if '--ros-args' in given else given
    options = argument_parser().parse_args(own)
    if importlib.util.find_spec('rerun') is None:
        print(f'spike_view: error: {GET_RERUN}', file=sys.stderr)
        return 1
    os.environ['RUST_LOG'] = 'off'  # Rerun would log each frame that does not arrive
    if options.recording is None:
        return run_node('spike_view', 'view')
    return run_library('spike_view', 'spike_depth_ros.viewing.recorded', options)


if __name__ == '__main__':
    sys.exit(main())
