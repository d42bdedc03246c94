# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CPU time that rectifying a wide lens adds to a window of 400x250 pixels, on one core.

    python -m benchmarks.rectification --json rectification.json

from the repository's root; neither ROS nor torch is needed. The JSON holds ``machine``,
``settings`` and ``windows``, whose entries have ``bins``, ``pool`` (pixels per side of a cell that
is counted together) and the medians ``count_ms`` (counting without rectification), ``remap_ms``
(remapping these counts) and ``picture_ms`` (the preview).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

import cv2
import numpy as np

from benchmarks import report
from benchmarks.options import count
from benchmarks.packing import sample_window
from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.geometry.rectification import Rectification
from spike_depth_ros.runtime.layout import Layout

COLUMNS = {
    'bins': 'bins',
    'pool': 'pool',
    'count_ms': 'count ms',
    'remap_ms': 'remap ms',
    'picture_ms': 'preview ms',
}
"""Columns of the table by their names in the JSON."""

NETWORKS = ((9, 2), (32, 2), (32, 1))
"""Bins and pool: of the shipped network, of 32 bins, and of 32 bins of single pixels."""

PLANES = 128
LENS = Calibration(
    400, 250, 'equidistant', (0.03, -0.02, 0.005, 0.0),
    (260.0, 0.0, 199.5, 0.0, 260.0, 124.5, 0.0, 0.0, 1.0),
    p=(180.0, 0.0, 199.5, 0.0, 0.0, 180.0, 124.5, 0.0, 0.0, 0.0, 1.0, 0.0),
)  # fmt: skip


def measure(bins: int, pool: int, repetitions: int) -> dict[str, float]:
    """One entry of ``windows``."""
    window, lens = sample_window(PLANES), Rectification(LENS)
    raw = Layout(window.geometry, PLANES, bins, pool=pool)
    rectified = Layout(window.geometry, PLANES, bins, pool=pool, rectification=lens)
    remap = rectified.remap
    assert remap is not None
    counts, source = np.ones_like(raw.new_counts()), raw.new_counts()
    picture = np.zeros((window.geometry.height, window.geometry.width), np.uint8)
    functions = {
        'count_ms': lambda: raw.count(window.data, source),
        'remap_ms': lambda: remap.apply(counts[0], rectified.remap_scale),
        'picture_ms': lambda: lens.remap_picture(picture),
    }
    times: dict[str, list[float]] = {name: [] for name in functions}
    for repetition in range(repetitions + 1):
        for name, function in functions.items():
            started = time.thread_time()
            function()
            if repetition:  # the first one makes the maps
                times[name].append(1e3 * (time.thread_time() - started))
    medians = {name: statistics.median(took) for name, took in times.items()}
    return {'bins': bins, 'pool': pool, **medians}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All measurements; the result as this module's description has it."""
    cv2.setNumThreads(1)
    return {
        'machine': report.machine(),
        'settings': {'planes': PLANES, 'repetitions': options.repetitions},
        'windows': [measure(bins, pool, options.repetitions) for bins, pool in NETWORKS],
    }


def text(result: dict[str, Any]) -> str:
    """The result as a Markdown table."""
    rows = [
        tuple(f'{row[key]:.3f}' if key.endswith('_ms') else str(row[key]) for key in COLUMNS)
        for row in result['windows']
    ]
    table = report.table(tuple(COLUMNS.values()), rows)
    return f'{report.machine_line(result["machine"])}\n\n{table}'


def argument_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.rectification',
        description='Time that rectifying a wide lens adds to a window, on one core.',
    )
    parser.add_argument('--repetitions', type=count, default=300, help='default: 300')
    report.add_json(parser)
    return parser


def main(args: list[str] | None = None) -> int:
    return report.run_command(argument_parser(), args, run, text)


if __name__ == '__main__':
    sys.exit(main())
