# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``spike_reconstruct``: turns a recording into a slow-motion video or pictures."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from spike_depth_ros.base import cli
from spike_depth_ros.base.cli import POSITIONAL
from spike_depth_ros.base.values import Count, within
from spike_depth_ros.commands import run_library
from spike_depth_ros.stream.preview import Method
from spike_depth_ros.tools.arguments import RecordingOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReconstructOptions(RecordingOptions):
    """Write a slow-motion video, or pictures, of a recording of spikes.

    For example: spike_reconstruct my.dat --size 400x250 --every 20 --out slow.webm
    """

    recording: Annotated[Path, POSITIONAL]
    """.dat, .npy or .npz file, or a rosbag2."""
    out: Path
    """Video to write: .webm (VP9, plays in browsers), .gif (plays everywhere, at most 300
    pictures) or .mp4 (MPEG-4, the fastest to write, for players such as VLC); or a folder for
    pictures, .png, new or empty."""
    h264: bool = False
    """Write an .mp4 as H.264, which plays nearly everywhere, by the program ffmpeg."""
    overwrite: bool = False
    """Replace an existing video."""
    method: Literal[Method, 'learnt'] = 'interval'
    """Estimate of the firing rate; learnt: by a network."""
    checkpoint: Path | None = None
    """Network of learnt. Default: the shipped one."""
    every: Count = 20
    """Planes between two pictures."""
    planes: Count = 128
    """Planes of a window, for rate and interval."""
    fps: Annotated[float, within(0.1, 1000)] = 30.0
    """Pictures a second of the video; of a .gif at most 50."""
    topic: str | None = None
    """Topic of the spikes in a bag. Default: the one called spikes."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the console script ``spike_reconstruct``; return the exit status."""
    options = cli.options(ReconstructOptions, 'spike_reconstruct', args)
    return run_library(
        'spike_reconstruct',
        'spike_depth_ros.tools.reconstruct.slow_motion',
        options,
        'interrupted: the pictures so far are kept',
    )


if __name__ == '__main__':
    sys.exit(main())
