# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time that the correction of a sensor adds to a prediction of the shipped network on a CPU.

    python -m benchmarks.sensor_correction --json sensor_correction.json

from the repository's root; neither ROS nor torch is needed. Windows of the bundled sample are
counted, and predicted on ONNX Runtime, without and with a correction in turn. The JSON holds
``machine``, ``settings`` and ``windows``, whose entries have ``planes``, the medians
``predict_ms``, ``corrected_ms`` (the same with the correction), ``replace_ms`` (bits of faulty
pixels) and ``counts_ms`` (response and dark current), and ``share``, the median over repetitions
of ``(replace + counts) / predict``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.options import count
from benchmarks.packing import interleaved, sample_window
from spike_depth_ros.backends import Layout
from spike_depth_ros.backends.onnx import OnnxBackend
from spike_depth_ros.checkpoint import default_checkpoint, load_info, onnx_path
from spike_depth_ros.estimator import DepthEstimator, Observation
from spike_depth_ros.stream.correction import SensorCorrection
from spike_depth_ros.stream.window import Window


def sensor(size: tuple[int, int], faulty: float) -> SensorCorrection:
    """A sensor with a share of faulty pixels."""
    generator = np.random.default_rng(0)
    return SensorCorrection(
        generator.random(size) < faulty,
        generator.normal(1, 0.05, size).clip(0.5, 2),
        generator.normal(200, 80, size).clip(0),
    )


def measure(window: Window, faulty: float, repetitions: int) -> dict[str, float]:
    """One entry of ``windows``."""
    path = default_checkpoint()
    info = load_info(path)
    geometry = window.geometry
    correction = sensor((geometry.height, geometry.width), faulty)
    observation = Observation(window, info.canonical_fx)
    raw = DepthEstimator(info, OnnxBackend(onnx_path(path), info))
    corrected = DepthEstimator(info, OnnxBackend(onnx_path(path), info), correction=correction)
    layout = Layout(geometry, window.planes, info.bins, 1, info.pool, correction, window.rate_hz)
    counts = layout.new_counts()
    layout.count(window.data, counts)
    times = interleaved(
        {
            'predict': lambda: raw.predict(observation),
            'corrected': lambda: corrected.predict(observation),
            'replace': lambda: layout.replace_faulty(window.data),
            'counts': lambda: layout.correct_counts(counts),
        },
        repetitions,
    )
    added = zip(times['replace'], times['counts'], times['predict'], strict=True)
    return {
        'planes': window.planes,
        **{f'{name}_ms': statistics.median(took) for name, took in times.items()},
        'share': statistics.median((a + b) / c for a, b, c in added),
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All measurements; the result as this module's description has it."""
    return {
        'settings': {'faulty': options.faulty, 'repetitions': options.repetitions},
        'windows': [
            measure(sample_window(planes), options.faulty, options.repetitions)
            for planes in options.planes
        ],
    }


def text(result: dict[str, Any]) -> str:
    """The result as a Markdown table."""
    keys = ('predict_ms', 'corrected_ms', 'replace_ms', 'counts_ms', 'share')
    cells = {key.replace('_', ' '): f'{{{key}:.3f}}' for key in keys}
    return report.columns(result['windows'], {'planes': '{planes}', **cells})


def main(args: list[str] | None = None) -> int:
    parser = report.parser(
        'sensor_correction', 'Time of the correction of a sensor, beside that of a prediction.'
    )
    add = parser.add_argument
    add('--planes', type=count, nargs='+', default=[128], help='default: 128')
    add('--faulty', type=float, default=0.005, help='share of faulty pixels; default: 0.005')
    add('--repetitions', type=count, default=100, help='default: 100')
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
