# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``spike_convert``: turns files of spikes into a bag, or a bag into a raw file."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from spike_depth_ros.base import cli
from spike_depth_ros.base.cli import POSITIONAL
from spike_depth_ros.base.values import Count
from spike_depth_ros.commands import run_library
from spike_depth_ros.tools.arguments import CameraOptions, PairOptions, RecordingOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvertOptions(PairOptions, CameraOptions, RecordingOptions):
    """Convert a file of spikes, or two of a rig, to a rosbag2, or a rosbag2 to a raw file.

    For example: spike_convert my.dat --size 400x250 --rate 20000 --out my_bag, and spike_convert
    my_bag --out my.dat. Two cameras: spike_convert left.dat --right right.dat --baseline 0.12
    --fx 430 --size 400x250 --rate 20000 --out my_bag. Without ROS.
    """

    source: Annotated[Path, POSITIONAL]
    """.dat, .npy or .npz file, or a rosbag2."""
    out: Path
    """Folder of the new bag, or the new raw file (.dat)."""
    overwrite: bool = False
    """Replace an existing bag or file."""
    depth: Path | None = None
    """To a bag: folder of true depth, .png (uint16, millimetres) or .npy (metres), whose names end
    with the number of their plane; of two cameras of the left one."""
    depth_along: Literal['axis', 'ray'] | None = None
    """What --depth is measured along: the optical axis, or the ray of each pixel, which needs a
    calibration. Default: axis."""
    planes_per_packet: Count | None = None
    """To a bag: planes of a packet. Default: 40."""
    storage: Literal['mcap', 'sqlite3'] | None = None
    """Of the new bag. Default: mcap."""
    topic: str | None = None
    """From a bag: topic of the spikes, such as left/spikes. Default: the one called spikes."""
    allow_gaps: bool = False
    """From a bag: write what there is of a stream with gaps, and list them in OUT.gaps.json."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the console script ``spike_convert``; return the exit status."""
    options = cli.options(ConvertOptions, 'spike_convert', args)
    return run_library(
        'spike_convert',
        'spike_depth_ros.tools.convert.convert',
        options,
        'interrupted: nothing was written',
    )


if __name__ == '__main__':
    sys.exit(main())
