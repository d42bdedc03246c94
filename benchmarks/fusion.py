# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time of a prediction that takes a frame beside the spikes, beside the shipped network's.

    python training/run.py export --architecture fuse_lite --out runs/fuse_lite.safetensors
    python -m benchmarks.fusion --checkpoint runs/fuse_lite.safetensors --json fusion.json

from the repository's root; weights change no time. Windows of 128 planes of the bundled sample, on
ONNX Runtime with all cores, with a frame of 640x480 pixels that is registered, with one of the
sensor's size, and without. The JSON holds ``machine``, ``settings``, ``bytes`` of the checkpoint
and ``predict``, whose entries have ``name``, the median ``ms`` and ``over_shipped``, the median
over repetitions of the ratio to ``shipped``.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.frame_camera import FrameCamera
from benchmarks.options import count
from benchmarks.packing import sample_window
from spike_depth_ros.checkpoint import CheckpointError, default_checkpoint
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.observation import Frame, Observation
from spike_depth_ros.tasks.fused import FusedInfo

PLANES = 128
CELLS = {'': '{name}', 'ms': '{ms:.2f}', 'times shipped': '{over_shipped:.2f}'}


def _took_ms(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - started)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure; the result is as this module's description has it."""
    try:
        fused = DepthEstimator.from_checkpoint(options.checkpoint, 'cpu', 'onnx')
    except CheckpointError as error:
        raise report.InputError(str(error)) from error
    if not isinstance(fused.info, FusedInfo):
        raise report.InputError(f'--checkpoint {options.checkpoint}: takes no frames')
    shipped = DepthEstimator.from_checkpoint(default_checkpoint(), 'cpu', 'onnx')
    camera, window = FrameCamera.of_sample(), sample_window(PLANES)
    fx_px = camera.spikes.k[0]
    size = (window.geometry.height, window.geometry.width, 3)
    frames = {
        'frame of 640x480': Frame(camera.pixels, registration=camera.registration),
        "frame of the sensor's size": Frame(np.full(size, 128, np.uint8)),
        'no frame': None,
    }
    calls: dict[str, Callable[[], object]] = {
        name: functools.partial(fused.predict, Observation(window, fx_px, image=frame))
        for name, frame in frames.items()
    }
    calls['shipped'] = functools.partial(shipped.predict, Observation(window, fx_px))
    timed = {name: functools.partial(_took_ms, call) for name, call in calls.items()}
    times = report.in_turn(timed, options.repetitions)
    return {
        'settings': {'planes': PLANES, 'repetitions': options.repetitions},
        'bytes': options.checkpoint.stat().st_size,
        'predict': [
            {
                'name': name,
                'ms': statistics.median(took),
                'over_shipped': statistics.median(
                    ms / other for ms, other in zip(took, times['shipped'], strict=True)
                ),
            }
            for name, took in times.items()
        ],
    }


def text(result: dict[str, Any]) -> str:
    """Format the result as a Markdown table."""
    size = f'checkpoint of {result["bytes"] / 2**20:.2f} MiB'
    return f'{report.columns(result["predict"], CELLS)}\n\n{size}'


def main(args: list[str] | None = None) -> int:
    description = 'Time of a prediction with a frame beside the spikes.'
    parser = report.parser('fusion', description)
    parser.add_argument('--checkpoint', type=Path, required=True, help='of task fused')
    parser.add_argument('--repetitions', type=count, default=100, help='default: 100')
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
