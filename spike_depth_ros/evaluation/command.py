# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``evaluate_bag``: evaluates models on a bag and writes metrics and a report."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from spike_depth_ros.arguments import (
    count,
    not_negative,
    plane_rate,
    positive,
    sensor_size,
    thread_count,
    within,
)
from spike_depth_ros.commands import run_library


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of ``evaluate_bag``'s command line."""
    parser = argparse.ArgumentParser(
        prog='evaluate_bag',
        description='Replay a rosbag2 in lockstep through a model: every window, none dropped. '
        'Writes metrics.json, windows.csv, timing.json and report.html (docs/evaluation.md).',
        epilog='For example: evaluate_bag my_bag --out results; and to compare: evaluate_bag '
        'my_bag --model a.safetensors --model b.safetensors --out results',
    )
    add = parser.add_argument
    add('bag', type=Path, help='folder of a rosbag2, or its .mcap or .db3 file')
    add(
        '--model',
        type=Path,
        action='append',
        metavar='CKPT',
        help='model file, or the name of a shipped model; give it again to compare models',
    )
    add('--out', type=Path, required=True, metavar='DIR', help='folder for the results')
    topics = parser.add_argument_group('topics')
    topics.add_argument(
        '--spikes',
        metavar='TOPIC',
        help='default: the one called spikes; with --stereo left/spikes',
    )
    topics.add_argument('--camera-info', metavar='TOPIC', help='default: camera_info beside it')
    topics.add_argument(
        '--truth',
        metavar='TOPIC',
        help='true depth, 32FC1 metres or 16UC1 millimetres. Default: depth/truth beside it, if '
        'there is one; none: leave it out',
    )
    _add_frames(parser.add_argument_group('frames, of models that take them').add_argument)
    _add_stream(parser.add_argument_group('stream').add_argument)
    _add_stereo(parser.add_argument_group('two cameras').add_argument)
    _add_pose(parser.add_argument_group('metres from the height of the camera').add_argument)
    _add_scoring(parser.add_argument_group('scoring').add_argument)
    running = parser.add_argument_group('running')
    running.add_argument(
        '--device', default='auto', choices=('auto', 'cpu', 'cuda'), help='default: what is there'
    )
    running.add_argument(
        '--backend',
        default='auto',
        choices=('auto', 'onnx', 'torch'),
        help='what runs the model. Default: torch on a GPU, onnx on a CPU',
    )
    running.add_argument(
        '--threads',
        type=thread_count,
        default=0,
        metavar='N',
        help='of the CPU. Default: all cores',
    )
    running.add_argument(
        '--write-bag',
        choices=('mcap', 'sqlite3'),
        help='also write a new bag with depth, uncertainty and their camera_info: DIR/bag',
    )
    return parser


def _add_frames(add: Callable[..., Any]) -> None:
    add(
        '--image',
        metavar='TOPIC',
        help='frames of a camera beside the spikes. Default: image beside them, if there is one; '
        'none: leave them out',
    )
    add(
        '--image-max-age-s',
        type=functools.partial(within, 0.0, 10.0),
        default=0.0,
        metavar='S',
        help='largest age of a frame. Default: as the model was trained',
    )
    add(
        '--image-delay-s',
        type=functools.partial(within, -10.0, 10.0),
        default=0.0,
        metavar='S',
        help='delay of the stamps of frames, which is subtracted. Default: 0',
    )
    add(
        '--image-flip',
        choices=('none', 'horizontal', 'vertical'),
        default='none',
        help='mirroring of frames, before their calibration applies. Default: none',
    )


def _add_stream(add: Callable[..., Any]) -> None:
    add(
        '--window',
        type=count,
        default=0,
        metavar='PLANES',
        help='default: as the model was trained',
    )
    add(
        '--hop',
        type=count,
        default=0,
        metavar='PLANES',
        help='between the starts of windows. Default: the window',
    )
    add(
        '--rate',
        type=plane_rate,
        default=0.0,
        metavar='HZ',
        help='planes a second. Default: by the stamps',
    )
    add(
        '--stamp-tolerance',
        type=not_negative,
        default=0.5,
        metavar='PLANES',
        help='how far a stamp may be off before it is a gap. Default: 0.5',
    )
    add(
        '--size',
        type=sensor_size,
        metavar='WxH',
        help='sensor size, for a bag without camera_info, which is used where there is one',
    )
    add(
        '--no-rectify',
        action='store_true',
        help='leave lens distortion of camera_info as it is, as the node with rectify: false',
    )
    add(
        '--filter-temporal',
        type=not_negative,
        default=0.0,
        metavar='S',
        help='time constant of the mean of depth over windows, as filter.temporal of the node. '
        'Default: none',
    )


def _add_stereo(add: Callable[..., Any]) -> None:
    add(
        '--stereo',
        action='store_true',
        help='depth from pairs of windows of left/spikes and right/spikes, by the camera_info of '
        'each; true depth is left/depth/truth',
    )
    add(
        '--fill',
        choices=('mono', 'none'),
        help='depth of pixels without a match: of --model from the left window, or none. '
        'Default: mono',
    )
    add(
        '--min-depth-m',
        type=positive,
        metavar='M',
        help='depth of the nearest place that is searched. Default: 0.5',
    )


def _add_pose(add: Callable[..., Any]) -> None:
    add(
        '--camera-height-m',
        type=positive,
        metavar='M',
        help='of the lens above the floor. Default: metres of the model',
    )
    add(
        '--camera-pitch-rad',
        type=float,
        metavar='RAD',
        help='rotation about the left axis (REP 103); positive: looks down. Default: 0',
    )
    add(
        '--camera-roll-rad',
        type=float,
        metavar='RAD',
        help='about the forward axis; positive: its left side is raised. Default: 0',
    )


def _add_scoring(add: Callable[..., Any]) -> None:
    add(
        '--protocol',
        choices=('bicross',),
        help='of the published tables: Garg crop, cap 80 m, not aligned, mean over images',
    )
    add('--crop', choices=('none', 'garg'), help='default: none')
    add('--cap', type=positive, metavar='M', help='farthest truth. Default: none')
    add(
        '--align',
        choices=('none', 'median', 'scale_shift', 'disparity'),
        help='to the truth of each image. Default: none',
    )
    add('--mean', choices=('pixels', 'images'), help='default: pixels')
    add(
        '--mask',
        type=Path,
        metavar='PNG',
        help="of the truth's size; pixels that are 0 are not scored",
    )


def main(args: Sequence[str] | None = None) -> int:
    """Run the console script ``evaluate_bag``; return the exit status."""
    options = argument_parser().parse_args(args)
    return run_library('evaluate_bag', 'spike_depth_ros.evaluation.run', options)


if __name__ == '__main__':
    sys.exit(main())
