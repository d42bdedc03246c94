# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time to enlarge a depth map by the shipped network, beside OpenCV's bilinear enlargement.

    python -m benchmarks.upsampling --json upsampling.json

from the repository's root; neither ROS nor torch is needed. The JSON holds ``machine``,
``settings`` and ``maps``, whose entries have ``height`` and ``width`` (of the small map),
``factor``, and the medians of wall-clock times ``network_ms`` and ``bilinear_ms``, with ``ratio``,
their quotient.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from benchmarks import report
from benchmarks.options import count
from spike_depth_ros.filters.upsampling import Upsampler

MAPS = ((120, 160, 4), (60, 80, 8), (120, 160, 8), (240, 320, 2))
"""Rows and columns of small maps, and factors."""

CELLS = {
    'small map': '{width}x{height}',
    'factor': '{factor}',
    'network, ms': '{network_ms:.1f}',
    'bilinear, ms': '{bilinear_ms:.2f}',
    'ratio': '{ratio:.0f}',
}


def depth_map(height: int, width: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A slanted floor with boxes, noise and holes, metres."""
    rng = np.random.default_rng(0)
    depth = np.linspace(4, 1, height)[:, None] * np.ones(width)
    for _ in range(12):
        row, column = rng.integers(0, height - 8), rng.integers(0, width - 8)
        depth[row : row + 8, column : column + 8] = rng.uniform(0.5, 3)
    depth *= rng.normal(1, 0.01, depth.shape)
    depth[rng.random(depth.shape) < 0.05] = 0
    return depth.astype(np.float32)


def milliseconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - started)


def measure(
    upsampler: Upsampler, height: int, width: int, factor: int, repetitions: int
) -> dict[str, Any]:
    """One entry of ``maps``."""
    small = depth_map(height, width)
    size = (factor * width, factor * height)
    calls = {
        'network': lambda: milliseconds(lambda: upsampler.upsample(small, factor)),
        'bilinear': lambda: milliseconds(
            lambda: cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
        ),
    }
    found = {
        name: statistics.median(times)
        for name, times in report.in_turn(calls, repetitions).items()
    }
    return {
        'height': height,
        'width': width,
        'factor': factor,
        **{f'{name}_ms': value for name, value in found.items()},
        'ratio': found['network'] / found['bilinear'],
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All measurements; the result is as this module's description has it."""
    cv2.setNumThreads(options.threads)
    upsampler = Upsampler.from_checkpoint(threads=options.threads)
    return {
        'settings': report.settings(options, 'threads', 'repetitions'),
        'maps': [measure(upsampler, *one, options.repetitions) for one in MAPS],
    }


def text(result: dict[str, Any]) -> str:
    """The result as a Markdown table."""
    return report.columns(result['maps'], CELLS)


def main(args: list[str] | None = None) -> int:
    parser = report.parser('upsampling', 'Time to enlarge a depth map.')
    parser.add_argument('--threads', type=count, default=2, help='of the CPU; default: 2')
    parser.add_argument('--repetitions', type=count, default=50, help='default: 50')
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
