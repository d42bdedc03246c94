# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``spike_reconstruct``: turns a recording into a slow-motion video or pictures."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from pathlib import Path

from spike_depth_ros.arguments import DefaultsFormatter, add_recording_options, count, within
from spike_depth_ros.commands import run_library
from spike_depth_ros.preview import METHODS


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of ``spike_reconstruct``'s command line."""
    parser = argparse.ArgumentParser(
        prog='spike_reconstruct',
        description='Write a slow-motion video, or pictures, of a recording of spikes.',
        epilog='For example: spike_reconstruct my.dat --size 400x250 --every 20 --out slow.webm',
        formatter_class=DefaultsFormatter,
    )
    add = parser.add_argument
    add('recording', type=Path, help='.dat, .npy or .npz file, or a rosbag2')
    add(
        '--out',
        type=Path,
        required=True,
        help='video to write: .webm (VP9, plays in browsers), .gif (plays everywhere, at most 300 '
        'pictures) or .mp4 (MPEG-4, the fastest to write, for players such as VLC); or a folder '
        'for pictures, .png, new or empty',
    )
    add(
        '--h264',
        action='store_true',
        help='write an .mp4 as H.264, which plays nearly everywhere, by the program ffmpeg',
    )
    add('--overwrite', action='store_true', help='replace an existing video')
    add('--method', default='interval', choices=(*METHODS, 'learnt'), help='learnt: by a network')
    add('--checkpoint', type=Path, help='network of learnt. Default: the shipped one')
    add('--every', type=count, default=20, metavar='PLANES', help='between two pictures')
    add(
        '--planes', type=count, default=128, metavar='N', help='of a window, for rate and interval'
    )
    add(
        '--fps',
        type=functools.partial(within, 0.1, 1000.0),
        default=30.0,
        help='pictures a second of the video, 0.1 to 1000; of a .gif at most 50',
    )
    add_recording_options(parser)
    add('--topic', metavar='TOPIC', help='of the spikes in a bag. Default: the one called spikes')
    return parser  # fmt: skip


def main(args: Sequence[str] | None = None) -> int:
    """Run the console script ``spike_reconstruct``; return the exit status."""
    options = argument_parser().parse_args(args)
    return run_library(
        'spike_reconstruct',
        'spike_depth_ros.reconstruction.slow_motion',
        options,
        'interrupted: the pictures so far are kept',
    )


if __name__ == '__main__':
    sys.exit(main())
