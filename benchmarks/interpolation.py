# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How near interpolated frames come to real ones that were kept back, and how long they take.

    PYTHONPATH=training python -m benchmarks.interpolation kitti=/data/kitti --json figures.json

from the repository's root, without ROS. Between two frames of a recording lie one or more that are
kept back; the middle one is interpolated along optical flow and by a blend, at 400x250, and
compared with the real one. What a spike camera needs is easier: there the two frames are
neighbours.

The JSON holds ``machine``, ``settings`` and ``recordings``. Each entry of the last has ``name``,
``gap`` (frames between the two, plus one), ``frames`` compared, ``motion_px`` (median over them of
how far things move between the two), ``blended`` (how often flow was given up), the mean absolute
difference of brightness from the real frame in percent of white, gamma encoded, as ``flow`` and
``linear``, and the median times ``look_ms`` (once per pair) and ``image_ms`` (each instant).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.options import count
from spike_depth_ros.io.video.light import Light
from spike_training.sensor.interpolation import Blend, FlowInterpolator
from spike_training.simulation.clip_camera import ClipCamera, frame_clips
from spike_training.simulation.settings import CameraSettings

GAMMA = 1 / 2.2


def difference(first: Light, second: Light) -> float:
    """Mean absolute difference of what a display would show, percent of white."""
    return 100 * float(np.abs(first**GAMMA - second**GAMMA).mean())


def measure(camera: ClipCamera, gap: int, most: int) -> dict[str, Any]:
    """Compares some frames of a recording with what is interpolated.

    Args:
        camera: Looks at the recording.
        gap: Frames from the first to the second of a pair, even.
        most: Pairs to compare at most, spread over the recording.
    """
    flow = FlowInterpolator()
    last = len(camera.clip) - gap
    found: dict[str, list[float]] = {
        name: [] for name in ('motion_px', 'flow', 'linear', 'look_ms', 'image_ms')
    }
    blended = 0
    for first in np.unique(np.linspace(0, last - 1, most).astype(int)):
        frames = [camera.light(int(first) + k) for k in (0, gap // 2, gap)]
        before, truth, after = (frame for frame in frames if frame is not None)
        times = camera.clip.times_s[[first, first + gap // 2, first + gap]]
        share = float((times[1] - times[0]) / (times[2] - times[0]))
        start = time.perf_counter()
        motion = flow.between(before, after)
        looked = time.perf_counter()
        image = motion.at(share)
        found['look_ms'].append(1e3 * (looked - start))
        found['image_ms'].append(1e3 * (time.perf_counter() - looked))
        found['motion_px'].append(motion.pixels)
        found['flow'].append(difference(image, truth))
        found['linear'].append(difference(Blend(before, after).at(share), truth))
        blended += isinstance(motion, Blend)
    figures = {
        name: (statistics.fmean if name in ('flow', 'linear') else statistics.median)(values)
        for name, values in found.items()
    }
    return {
        'name': camera.clip.name,
        'gap': gap,
        'frames': len(found['flow']),
        'blended': blended,
        **figures,
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measures every recording of every data set at every gap."""
    recordings = []
    for data in options.data:
        name, _, where = data.partition('=')
        for clip in frame_clips(name, where):
            camera = ClipCamera(clip, CameraSettings())
            gaps = [gap for gap in options.gaps if gap < len(clip)]
            recordings += [measure(camera, gap, options.frames) for gap in gaps]
    if not recordings:
        sys.exit(f'expected recordings of more frames than {min(options.gaps)}, the gap')
    settings = {'height': 250, 'width': 400, 'frames': options.frames}
    return {'settings': settings, 'recordings': recordings}


def text(result: dict[str, Any]) -> str:
    """The figures as a table."""
    cells = {
        'recording': '{name}', 'gap': '{gap}', 'frames': '{frames}',
        'motion px': '{motion_px:.1f}', 'flow %': '{flow:.2f}', 'linear %': '{linear:.2f}',
        'blended': '{blended}', 'look ms': '{look_ms:.0f}', 'image ms': '{image_ms:.1f}',
    }  # fmt: skip
    return report.columns(result['recordings'], cells)


def main(args: list[str] | None = None) -> int:
    parser = report.parser('interpolation', 'How near interpolated frames come to real ones.')
    parser.add_argument('data', nargs='+', metavar='NAME=PATH', help='data sets of frames')
    parser.add_argument('--frames', type=count, default=30, help='of each recording; default: 30')
    parser.add_argument('--gaps', type=count, nargs='+', default=[2, 4], help='default: 2 4')
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
