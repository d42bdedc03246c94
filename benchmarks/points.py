# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time to make the points of a depth image beside OpenCV's, and what a subscriber to them costs.

    python -m benchmarks.points --json points.json

from the repository's root. ``--pairs 0`` leaves out the depth node. The JSON holds ``machine``,
``settings``, ``images`` and ``live``. An entry of ``images`` has ``height``, ``width``, ``known``
(share of the pixels with depth), and the medians of wall-clock times of one thread: ``points_ms``,
and ``opencv_ms`` of ``cv2.reprojectImageTo3D`` of the same places as disparities, less the pixels
without depth; ``ratio`` is their quotient. ``live`` has windows/s of one running node, whose
subscriber to ``depth/points`` comes and goes: ``pairs``, each without and with it one after the
other in turn (also ``..._cpu_ms``, CPU time of the node a window, which other programs hardly
change); ``ratio``, of the sums of windows with and without; ``cpu_ratio``, of the medians of that
time. The subscriber leaves the messages as bytes.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from benchmarks import report
from benchmarks.options import count
from spike_depth_ros.geometry.depth_values import FloatImage
from spike_depth_ros.geometry.points import points_of_depth
from spike_depth_ros.nodes.parts import process

IMAGES = ((250, 400, 1.0), (250, 400, 0.7), (500, 640, 0.7))
"""Rows, columns, and share of the pixels with depth."""

FX_PX = 400.0

SETTLE_S = 0.5
"""Time from a change of subscribers to the count of windows, seconds."""

CELLS = {
    'image': '{width}x{height}',
    'with depth': '{known:.0%}',
    'points, ms': '{points_ms:.2f}',
    'OpenCV, ms': '{opencv_ms:.2f}',
    'ratio': '{ratio:.2f}',
}


def with_opencv(depth: FloatImage, q: np.ndarray[Any, np.dtype[np.float64]]) -> FloatImage:
    """Points by way of disparities of a baseline of 1 m, ``[N, 3]``."""
    points: FloatImage = cv2.reprojectImageTo3D(np.float32(FX_PX) / depth, q)
    return points[np.isfinite(depth)]


def measure(height: int, width: int, known: float, repetitions: int) -> dict[str, Any]:
    """One entry of ``images``.

    Raises:
        RuntimeError: The points of both differ.
    """
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.5, 20, (height, width)).astype(np.float32)
    depth[rng.random(depth.shape) >= known] = np.nan
    grey = rng.integers(0, 256, depth.shape, np.uint8)
    cx, cy = (width - 1) / 2, (height - 1) / 2
    k = [FX_PX, 0, cx, 0, FX_PX, cy, 0, 0, 1]
    q = np.array([[1, 0, 0, -cx], [0, 1, 0, -cy], [0, 0, 0, FX_PX], [0, 0, 1, 0]], np.float64)
    if not np.allclose(
        points_of_depth(depth, k, grey)[:, :3], with_opencv(depth, q), rtol=1e-3, atol=1e-4
    ):
        raise RuntimeError('the points are not those of OpenCV')
    times = report.in_turn(
        {
            'points': lambda: milliseconds(lambda: points_of_depth(depth, k, grey)),
            'opencv': lambda: milliseconds(lambda: with_opencv(depth, q)),
        },
        repetitions,
    )
    found = {name: statistics.median(each) for name, each in times.items()}
    return {
        'height': height,
        'width': width,
        'known': known,
        **{f'{name}_ms': value for name, value in found.items()},
        'ratio': found['points'] / found['opencv'],
    }


def milliseconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - started)


def measure_live(options: argparse.Namespace) -> dict[str, Any]:
    """Windows/s of one node, without and with a subscriber to its points in turn.

    Raises:
        RuntimeError: No cloud arrived while there was one.
    """
    from sensor_msgs.msg import PointCloud2

    from benchmarks import live_stream

    pipeline = live_stream.spike_depth('ours')
    seconds = 2.0 + 2 * options.pairs * (options.seconds + SETTLE_S + 1.0)
    planes = round(seconds * options.rate)
    clouds: list[Any] = []
    pairs = []
    with (
        live_stream.session(options.rate) as (subscriber, scratch),
        live_stream.running(pipeline.name, pipeline.node, pipeline.tree, scratch) as node,
        live_stream.playing(pipeline, subscriber, node, options.rate, planes, scratch),
    ):

        def side(subscribed: bool, node: subprocess.Popen[bytes]) -> tuple[float, float]:
            """Windows/s, and CPU time of the node for each, ms."""
            with contextlib.ExitStack() as stack:
                if subscribed:
                    kept = subscriber.create_subscription(
                        PointCloud2, 'depth/points', clouds.append, 5, raw=True
                    )
                    stack.callback(subscriber.destroy_subscription, kept)
                subscriber.spin_for(SETTLE_S, node)
                first, started = len(subscriber.arrivals_s), time.monotonic()
                used = live_stream.cpu_seconds()[node.pid]
                subscriber.spin_for(options.seconds, node)
                used = live_stream.cpu_seconds()[node.pid] - used
                if subscribed and not clouds:
                    raise RuntimeError('no cloud arrived')
                clouds.clear()
                found = len(subscriber.arrivals_s) - first
                return found / (time.monotonic() - started), 1e3 * used / max(found, 1)

        subscriber.spin_for(1.0, node)
        for number in range(options.pairs):
            order = (False, True) if number % 2 else (True, False)
            found = {subscribed: side(subscribed, node) for subscribed in order}
            pair = {}
            for subscribed, name in enumerate(('without', 'with')):
                pair[name], pair[f'{name}_cpu_ms'] = found[bool(subscribed)]
            pairs.append(pair)
    sums = {name: sum(pair[name] for pair in pairs) for name in ('without', 'with')}
    cpu = {name: statistics.median(pair[f'{name}_cpu_ms'] for pair in pairs) for name in sums}
    return {
        'pairs': pairs,
        'ratio': sums['with'] / sums['without'],
        'cpu_ratio': cpu['with'] / cpu['without'],
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All measurements; the result is as this module's description has it."""
    process.keep_freed_memory()  # as the nodes do
    cv2.setNumThreads(1)
    return {
        'settings': report.settings(options, 'repetitions', 'pairs', 'seconds', 'rate'),
        'images': [measure(*one, options.repetitions) for one in IMAGES],
        'live': measure_live(options) if options.pairs else None,
    }


def text(result: dict[str, Any]) -> str:
    """The result as a Markdown table, and a line of the node."""
    table, live = report.columns(result['images'], CELLS), result['live']
    if live is None:
        return table
    medians = {
        name: statistics.median(pair[name] for pair in live['pairs'])
        for name in ('without', 'with', 'without_cpu_ms', 'with_cpu_ms')
    }
    return (
        f'{table}\n\nwindows/s without and with a subscriber to points: {medians["without"]:.1f}, '
        f'{medians["with"]:.1f} (medians of {len(live["pairs"])} pairs); ratio of the sums '
        f'{live["ratio"]:.3f}; CPU time of the node a window {medians["without_cpu_ms"]:.1f}, '
        f'{medians["with_cpu_ms"]:.1f} ms, ratio {live["cpu_ratio"]:.3f}; load '
        f'{os.getloadavg()[0]:.1f}'
    )


def main(args: list[str] | None = None) -> int:
    parser = report.parser('points', 'Time to make points of depth, and what they cost a node.')
    add = parser.add_argument
    add('--repetitions', type=count, default=200, help='default: 200')
    add('--pairs', type=int, default=10, help='times without and with a subscriber. Default: 10')
    add('--seconds', type=float, default=3.0, help='of each. Default: 3')
    add('--rate', type=float, default=20_000.0, help='planes a second. Default: 20000')
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
