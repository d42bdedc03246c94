# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``spike_convert``: turns files of spikes into a bag, or a bag into a raw file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from spike_depth_ros.arguments import (
    DefaultsFormatter,
    add_camera_options,
    add_pair_options,
    add_recording_options,
    count,
)
from spike_depth_ros.commands import run_library


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of ``spike_convert``'s command line."""
    parser = argparse.ArgumentParser(
        prog='spike_convert',
        description='Convert a file of spikes, or two of a rig, to a rosbag2, or a rosbag2 to a '
        'raw file.',
        epilog='For example: spike_convert my.dat --size 400x250 --rate 20000 --out my_bag, and '
        'spike_convert my_bag --out my.dat. Two cameras: spike_convert left.dat --right right.dat '
        '--baseline 0.12 --fx 430 --size 400x250 --rate 20000 --out my_bag. Without ROS.',
        formatter_class=DefaultsFormatter,
    )
    add = parser.add_argument
    add('source', type=Path, help='.dat, .npy or .npz file, or a rosbag2')
    add(
        '--out', type=Path, required=True, help='folder of the new bag, or the new raw file (.dat)'
    )
    add('--overwrite', action='store_true', help='replace an existing bag or file')
    add_recording_options(parser)
    to_bag = parser.add_argument_group('from a file to a bag')
    add_camera_options(to_bag)
    add = to_bag.add_argument
    add(
        '--depth',
        type=Path,
        metavar='DIR',
        help='true depth: .png (uint16, millimetres) or .npy (metres), whose names end with the '
        'number of their plane',
    )
    add(
        '--depth-along',
        choices=('axis', 'ray'),
        help='what --depth is measured along: the optical axis, or the ray of each pixel, which '
        'needs a calibration. Default: axis',
    )
    add('--planes-per-packet', type=count, metavar='N', help='default: 40')
    add('--storage', choices=('mcap', 'sqlite3'), help='of the bag. Default: mcap')
    _add_pair_options(parser)
    from_bag = parser.add_argument_group('from a bag to a raw file').add_argument
    from_bag(
        '--topic',
        metavar='TOPIC',
        help='of the spikes, such as left/spikes. Default: the one called spikes',
    )
    from_bag(
        '--allow-gaps',
        action='store_true',
        help='write what there is of a stream with gaps, and list them in OUT.gaps.json',
    )
    return parser


def _add_pair_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        'two cameras to a bag',
        'Both recordings begin at one time, and become left/spikes and right/spikes, each with '
        'its camera_info. --depth is of the left one.',
    )
    add_pair_options(group)


def main(args: Sequence[str] | None = None) -> int:
    """Run the console script ``spike_convert``; return the exit status."""
    options = argument_parser().parse_args(args)
    return run_library(
        'spike_convert',
        'spike_depth_ros.conversion.convert',
        options,
        'interrupted: nothing was written',
    )


if __name__ == '__main__':
    sys.exit(main())
