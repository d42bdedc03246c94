# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Types and options of command lines that several commands take."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

from spike_depth_ros.base.cli import Option
from spike_depth_ros.base.schema import Problems, across
from spike_depth_ros.base.values import Check, within
from spike_depth_ros.geometry.calibration import (
    FX_RANGE,
    MAX_BASELINE_M,
    MIN_BASELINE_M,
    is_focal_length,
)
from spike_depth_ros.io.recording import MAX_RATE_HZ, MIN_RATE_HZ
from spike_depth_ros.io.vidar import MAX_SKIPPED
from spike_depth_ros.motion.odometry import PoseError, pose_matrix
from spike_depth_ros.runtime.backend import MAX_THREADS

LAYOUT_OPTIONS = (
    'bit_order', 'row_order', 'packing', 'skip_columns', 'axes', 'allow_partial',
)  # fmt: skip
"""Options of :class:`RecordingOptions` that files with a layout of their own refuse."""


def parse_size(text: str, problem: type[Exception] = ValueError) -> tuple[int, int]:
    """Parse a sensor size such as 400x250 to (width, height) in pixels.

    Args:
        text: The size.
        problem: Class of the error.

    Raises:
        problem: The text is no size; the message is one line.
    """
    width, _, height = text.lower().partition('x')
    sides = [int(side) for side in (width, height) if side.isdecimal()]
    if len(sides) < 2 or not min(sides):
        raise problem(f'size is {text!r}: expected WIDTHxHEIGHT, such as 400x250')
    return sides[0], sides[1]


Size = Annotated[tuple[int, int], Option(parse=parse_size)]
"""Width and height of a sensor, WIDTHxHEIGHT, pixels."""


def parse_pose(text: str, problem: type[Exception] = ValueError) -> tuple[float, ...]:
    """Parse a pose, "x y z qx qy qz qw".

    Args:
        text: The pose.
        problem: Class of the error.

    Raises:
        problem: The text is no pose; the message is one line.
    """
    try:
        values = tuple(float(one) for one in text.replace(',', ' ').split())
        pose_matrix(values)
    except ValueError as error:
        wrong = error if isinstance(error, PoseError) else f'pose {text!r}'
        raise problem(f'{wrong}: expected "x y z qx qy qz qw"') from None
    return values


PlaneRate = Annotated[float, within(MIN_RATE_HZ, MAX_RATE_HZ, 'planes a second')]
FocalLength = Annotated[float, Check(is_focal_length, FX_RANGE)]
OptionalFocalLength = Annotated[
    float, Check(lambda fx: fx == 0 or is_focal_length(fx), f'0, or {FX_RANGE}')
]
"""Focal length, pixels; 0: it comes from elsewhere."""
Baseline = Annotated[float, within(MIN_BASELINE_M, MAX_BASELINE_M, 'metres, left to right')]
"""Distance from the left to the right camera, metres."""

PerMetre = Annotated[float, Check(lambda value: value > 0, 'above 0, 1000 for millimetres')]
"""Stored value of one metre."""

Amount = Annotated[float, Check(lambda value: 0 < value <= 1e6, 'above 0 and at most 1e6')]
Threads = Annotated[int, within(0, MAX_THREADS)]
Port = Annotated[int, within(1024, 65534)]
"""Port that needs no privileges and leaves room for the next one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordingOptions:
    """Layout and rate of a recording that does not hold them."""

    size: Size | None = None
    """Sensor size of a raw file or pipe, WIDTHxHEIGHT."""
    rate: PlaneRate | None = None
    """Planes a second. Default: as recorded."""
    bit_order: Literal['little', 'big'] | None = None
    """Of a raw file or pipe: leftmost pixel in the lowest (little) or highest bit. Default:
    little."""
    row_order: Literal['bottom_up', 'top_down'] | None = None
    """Of a raw file or pipe: which row comes first. Default: bottom_up, as of Vidar."""
    packing: Literal['rows', 'whole'] | None = None
    """Of a raw file or pipe: each row begins with a new byte (rows), or only each plane (whole:
    rows are not padded). Default: rows."""
    skip_columns: Annotated[int, within(0, MAX_SKIPPED)] | None = None
    """Columns at the left of each stored row that are no pixels, and not of --size: 16 where rows
    of 416 hold 400 pixels. Of a raw file, a pipe or an unpacked array."""
    axes: Literal['thw', 'hwt'] | None = None
    """Of an unpacked array, or the bits of a raw file: planes, rows, columns (thw), or rows,
    columns, planes (hwt). Default: those that fit --size, else thw."""
    allow_partial: bool = False
    """Take a raw file that was cut within a plane."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CameraOptions:
    """Calibration of a recording's camera."""

    camera_info: Path | None = None
    """Calibration as camera_calibration writes it, YAML. Default: that of the recording, if
    any."""
    fx: FocalLength | None = None
    """Focal length in place of a calibration, pixels; the principal point is the centre."""

    @across('camera_info', 'fx')
    def _one_calibration(self) -> Problems:
        if self.camera_info is not None and self.fx is not None:
            yield 'fx is given beside --camera-info: expected one of them'


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairOptions:
    """Right camera beside the left one.

    Both recordings begin at one time, and become left/spikes and right/spikes, each with its
    camera_info.
    """

    right: Path | None = None
    """Recording of the right camera; the source is the left."""
    baseline: Baseline | None = None
    """From the left to the right camera, metres: parallel ones, with the focal length of --fx or
    of the recording."""
    right_camera_info: Path | None = None
    """In place of --baseline: calibration of the right camera; --camera-info is the left."""


def recording_layout(options: Any) -> dict[str, Any]:
    """Return the options of :class:`RecordingOptions` that ``open_recording`` takes."""
    return {name: getattr(options, name) for name in ('size', *LAYOUT_OPTIONS)}
