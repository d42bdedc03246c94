# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``evaluate_bag``: evaluates models on a bag and writes metrics and a report."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from spike_depth_ros.base import cli
from spike_depth_ros.base.cli import POSITIONAL, REPEATED, Option
from spike_depth_ros.base.values import NotNegative, within
from spike_depth_ros.commands import run_library
from spike_depth_ros.tools.arguments import Amount, PlaneRate, Size, Threads, parse_pose

DELAY_S = 0.05
"""Time after which a live node uses measured points, on two cores, seconds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TopicOptions:
    """Topics."""

    spikes: str | None = None
    """Topic of the spikes. Default: the one called spikes; with --stereo left/spikes."""
    camera_info: str | None = None
    """Default: camera_info beside it."""
    truth: str | None = None
    """True depth, 32FC1 metres or 16UC1 millimetres. Default: depth/truth beside it, if there is
    one; none: leave it out."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrameOptions:
    """Frames, of models that take them."""

    image: str | None = None
    """Frames of a camera beside the spikes. Default: image beside them, if there is one; none:
    leave them out."""
    image_max_age_s: Annotated[float, within(0, 10)] = 0.0
    """Largest age of a frame, s; 0: as the model was trained."""
    image_delay_s: Annotated[float, within(-10, 10)] = 0.0
    """Delay of the stamps of frames, which is subtracted, s."""
    image_flip: Literal['none', 'horizontal', 'vertical'] = 'none'
    """Mirroring of frames, before their calibration applies."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StreamOptions:
    """Stream."""

    window: Annotated[int, within(0, 100_000)] = 0
    """Planes of a window; 0: as the model was trained."""
    hop: Annotated[int, within(0, 1_000_000)] = 0
    """Planes between the starts of windows; 0: the window."""
    rate: PlaneRate | None = None
    """Planes a second. Default: by the stamps."""
    stamp_tolerance: NotNegative = 0.5
    """How far a stamp may be off before it is a gap, planes."""
    size: Size | None = None
    """Sensor size, for a bag without camera_info, which is used where there is one."""
    no_rectify: bool = False
    """Leave lens distortion of camera_info as it is, as the node with rectify: false."""
    filter_temporal: NotNegative = 0.0
    """Time constant of the mean of depth over windows, s, as filter.temporal of the node; 0:
    none."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StereoOptions:
    """Two cameras."""

    stereo: bool = False
    """Depth from pairs of windows of left/spikes and right/spikes, by the camera_info of each;
    true depth is left/depth/truth."""
    fill: Literal['mono', 'none'] | None = None
    """Depth of pixels without a match: of --model from the left window, or none. Default: mono."""
    min_depth_m: Amount | None = None
    """Depth of the nearest place that is searched, m. Default: 0.5."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PoseOptions:
    """Metres from the height of the camera."""

    camera_height_m: Amount | None = None
    """Height of the lens above the floor, m. Default: metres of the model."""
    camera_pitch_rad: float | None = None
    """Rotation about the left axis (REP 103), rad; positive: looks down. Default: 0."""
    camera_roll_rad: float | None = None
    """Rotation about the forward axis, rad; positive: its left side is raised. Default: 0."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MotionOptions:
    """Correction by the motion of the camera."""

    refine: Literal['none', 'motion'] = 'none'
    """What corrects depth: none, or motion (points that are tracked while the camera moves)."""
    odometry: str | None = None
    """Topic of odometry, which gives metres. Default: none, motion corrects the shape alone."""
    camera_pose: Annotated[tuple[float, ...] | None, Option(parse=parse_pose)] = None
    """Pose of the camera's optical frame in the frame that odometry is of: "x y z qx qy qz qw", m
    and a quaternion. Default: it is that frame."""
    refine_delay_ms: Annotated[float, within(0, 10_000)] = 1e3 * DELAY_S
    """Time after which measured points are used, ms; a further row has 0: in their own window."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoringOptions:
    """Scoring."""

    protocol: Literal['bicross'] | None = None
    """Of the published tables: Garg crop, cap 80 m, not aligned, mean over images."""
    crop: Literal['none', 'garg'] | None = None
    """Part of the images that is scored. Default: none."""
    cap: Amount | None = None
    """Farthest truth, m. Default: none."""
    align: Literal['none', 'median', 'scale_shift', 'disparity'] | None = None
    """Alignment to the truth of each image. Default: none."""
    mean: Literal['pixels', 'images'] | None = None
    """What is averaged. Default: pixels."""
    mask: Path | None = None
    """Picture of the truth's size; pixels that are 0 are not scored."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunningOptions:
    """Running."""

    device: Literal['auto', 'cpu', 'cuda'] = 'auto'
    """Where the model runs; auto: what is there."""
    backend: Literal['auto', 'onnx', 'torch'] = 'auto'
    """What runs the model; auto: torch on a GPU, onnx on a CPU."""
    threads: Threads = 0
    """Threads of the CPU; 0: all cores."""
    write_bag: Literal['mcap', 'sqlite3'] | None = None
    """Also write a new bag with depth, uncertainty and their camera_info: OUT/bag."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateOptions(
    RunningOptions, ScoringOptions, MotionOptions, PoseOptions, StereoOptions, StreamOptions,
    FrameOptions, TopicOptions,
):  # fmt: skip
    """Replay a rosbag2 in lockstep through a model: every window, none dropped.

    Writes metrics.json, windows.csv, timing.json and report.html (docs/tasks/evaluate.md). For
    example: evaluate_bag my_bag --out results; and to compare: evaluate_bag my_bag --model
    a.safetensors --model b.safetensors --out results
    """

    bag: Annotated[Path, POSITIONAL]
    """Folder of a rosbag2, or its .mcap or .db3 file."""
    out: Path
    """Folder for the results."""
    model: Annotated[list[Path] | None, REPEATED] = None
    """Model file, or the name of a shipped model; give it again to compare models."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the console script ``evaluate_bag``; return the exit status."""
    options = cli.options(EvaluateOptions, 'evaluate_bag', args)
    return run_library('evaluate_bag', 'spike_depth_ros.tools.evaluate.run', options)


if __name__ == '__main__':
    sys.exit(main())
