# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Types and options of command lines that several commands take."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from spike_depth_ros.backends import check_threads
from spike_depth_ros.calibration import FX_RANGE, is_focal_length
from spike_depth_ros.stream.recording import MAX_RATE_HZ, MIN_RATE_HZ
from spike_depth_ros.stream.vidar import MAX_SKIPPED

LAYOUT_OPTIONS = (
    'bit_order', 'row_order', 'packing', 'skip_columns', 'axes', 'allow_partial',
)  # fmt: skip
"""Options of :func:`add_recording_options` that files with a layout of their own refuse."""


class DefaultsFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Formatter of help that adds each option's default, if it has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return super()._get_help_string(action) if action.default else action.help


def parse_size(text: str) -> tuple[int, int]:
    """Parse a sensor size such as 400x250 to (width, height) in pixels.

    Raises:
        ValueError: The text is no size; the message is one line.
    """
    width, _, height = text.lower().partition('x')
    sides = [int(side) for side in (width, height) if side.isdecimal()]
    if len(sides) < 2 or not min(sides):
        raise ValueError(f'size is {text!r}: expected WIDTHxHEIGHT, such as 400x250')
    return sides[0], sides[1]


def sensor_size(text: str) -> tuple[int, int]:
    """Parse a sensor size for argparse, see :func:`parse_size`."""
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive(text: str) -> float:
    """Parse a number above 0 and at most 1e6."""
    value = float(text)
    if not 0 < value <= 1e6:
        raise argparse.ArgumentTypeError(f'{text}: expected above 0 and at most 1e6')
    return value


def plane_rate(text: str) -> float:
    """Parse a plane rate, planes a second, as recordings may have it."""
    value = float(text)
    if not MIN_RATE_HZ <= value <= MAX_RATE_HZ:
        raise argparse.ArgumentTypeError(
            f'{text}: expected above 0: {MIN_RATE_HZ:g} to {MAX_RATE_HZ:g} planes a second'
        )
    return value


def focal_length(text: str) -> float:
    """Parse a focal length in pixels."""
    value = float(text)
    if not is_focal_length(value):
        raise argparse.ArgumentTypeError(f'{text}: expected {FX_RANGE}')
    return value


def not_negative(text: str) -> float:
    """Parse a finite number of at least 0."""
    value = float(text)
    if not 0 <= value < float('inf'):
        raise argparse.ArgumentTypeError(f'{text}: expected 0 or more')
    return value


def within(least: float, most: float, text: str) -> float:
    """Parse a number between two limits, which are included."""
    value = float(text)
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f'{text}: expected {least:g} to {most:g}')
    return value


def count(text: str) -> int:
    """Parse an integer of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text}: expected at least 1')
    return value


def columns(text: str) -> int:
    """Parse a number of columns to leave out."""
    return int(within(0, MAX_SKIPPED, str(int(text))))


def thread_count(text: str) -> int:
    """Parse a number of CPU threads; 0: all cores."""
    value = int(text)
    try:
        check_threads(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return value


def port(text: str) -> int:
    """Parse the number of a port that needs no privileges and leaves room for the next one."""
    value = int(text)
    if not 1024 <= value < 65535:
        raise argparse.ArgumentTypeError(f'{text}: expected 1024 to 65534')
    return value


def add_recording_options(parser: argparse._ActionsContainer) -> None:
    """Add options for the layout of a recording that does not hold it, and for its rate."""
    add = parser.add_argument
    add('--size', type=sensor_size, metavar='WxH', help='sensor size of a raw file or pipe')
    add('--rate', type=plane_rate, metavar='HZ', help='planes a second. Default: as recorded')
    add(
        '--bit-order',
        choices=('little', 'big'),
        help='of a raw file or pipe: leftmost pixel in the lowest (little) or highest bit. '
        'Default: little',
    )
    add(
        '--row-order',
        choices=('bottom_up', 'top_down'),
        help='of a raw file or pipe: which row comes first. Default: bottom_up, as of Vidar',
    )
    add(
        '--packing',
        choices=('rows', 'whole'),
        help='of a raw file or pipe: each row begins with a new byte (rows), or only each plane '
        '(whole: rows are not padded). Default: rows',
    )
    add(
        '--skip-columns',
        type=columns,
        metavar='N',
        help='columns at the left of each stored row that are no pixels, and not of --size: 16 '
        'where rows of 416 hold 400 pixels. Of a raw file, a pipe or an unpacked array',
    )
    add(
        '--axes',
        choices=('thw', 'hwt'),
        help='of an unpacked array, or the bits of a raw file: planes, rows, columns (thw), or '
        'rows, columns, planes (hwt). Default: those that fit --size, else thw',
    )
    add('--allow-partial', action='store_true', help='take a raw file that was cut within a plane')


def recording_layout(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options of :func:`add_recording_options` that ``open_recording`` takes."""
    return {name: getattr(options, name) for name in ('size', *LAYOUT_OPTIONS)}


def add_camera_options(parser: argparse._ActionsContainer) -> None:
    """Add options for the calibration of a recording's camera to a parser or a group."""
    camera = parser.add_mutually_exclusive_group()
    camera.add_argument(
        '--camera-info',
        type=Path,
        metavar='YAML',
        help='calibration as camera_calibration writes it. Default: that of the recording, if any',
    )
    camera.add_argument(
        '--fx',
        type=focal_length,
        metavar='PIXELS',
        help='focal length in place of a calibration; the principal point is the centre',
    )


def add_pair_options(parser: argparse._ActionsContainer) -> None:
    """Add options for a right camera beside the left one to a parser or a group."""
    add = parser.add_argument
    add(
        '--right',
        type=Path,
        metavar='FILE',
        help='recording of the right camera; the source is the left',
    )
    add(
        '--baseline',
        type=float,
        metavar='METRES',
        help='from the left to the right camera: parallel ones, with the focal length of --fx or '
        'of the recording',
    )
    add(
        '--right-camera-info',
        type=Path,
        metavar='YAML',
        help='in place of --baseline: calibration of the right camera, --camera-info is the left',
    )
