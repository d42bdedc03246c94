# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera's planes through ``spike_camera`` to a subscriber, which checks the number of each.

The library of the camera is the stand-in of the tests (``test/kit/spikelink.c``, compiled here),
which delivers numbered planes at the rate. No camera is needed.

    python -m benchmarks.camera --seconds 60 --json camera.json
    python -m benchmarks.camera --size 1000x1000 --rate 2500

from the repository's root. The JSON holds ``machine``, ``settings`` and ``rounds``: of each
``planes_received``, ``planes_lost`` (numbers between the first and the last one received that did
not come; those left out by ``--every-nth`` are not lost), ``planes_out_of_order``, ``mb_per_s`` of
received planes, ``camera_cpu``, CPU seconds of the node per second, and ``load``, the load average
behind it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from benchmarks import report
from benchmarks.live_stream import ROOT, START_S, cpu_seconds, running, session
from benchmarks.options import count
from spike_depth_ros.cameras.base import CameraSettings
from spike_depth_ros.nodes.parts.process import QUEUE_PACKETS
from spike_depth_ros.tools.arguments import parse_size

SOURCE = ROOT / 'test/kit/spikelink.c'


class Numbers:
    """Numbers of the planes that arrive.

    Args:
        node: Its node.
        height: Rows of a plane.
        step: Expected step from one number to the next.
    """

    def __init__(self, node: Any, height: int, step: int) -> None:
        self.received = self.skipped = self.out_of_order = 0
        self.last: int | None = None
        self._height, self._step = height, step
        node.create_subscription(Image, 'spikes', self._count, QoSProfile(depth=QUEUE_PACKETS))

    def _count(self, packet: Image) -> None:
        planes = np.frombuffer(packet.data, np.uint8).reshape(-1, self._height, packet.step)
        numbers = planes[:, 0, :8].copy().view('<i8')[:, 0]
        before = numbers[0] - self._step if self.last is None else self.last
        steps = np.diff(numbers, prepend=before)
        self.out_of_order += int((steps <= 0).sum())
        self.skipped += int((steps[steps > 0] // self._step - 1).sum())
        self.received += len(numbers)
        self.last = int(numbers[-1])


def library(folder: Path) -> Path:
    """Compile the stand-in for the camera's library.

    Raises:
        RuntimeError: There is no C compiler.
    """
    compiler = shutil.which('gcc') or shutil.which('cc')
    if compiler is None:
        raise RuntimeError('no C compiler: install gcc')
    path = folder / 'libspikelinkapi.so'
    options = ['-shared', '-fPIC', '-O2', '-pthread', '-o', str(path), str(SOURCE)]
    subprocess.run([compiler, *options], check=True)
    return path


def measure(options: argparse.Namespace, scratch: Path) -> dict[str, float]:
    """Measure a round, see the module's description."""
    width, height = options.size
    built = library(scratch)
    values = {
        'library': built, 'device': built, 'sensor_width': width, 'sensor_height': height,
        'rate_hz': float(options.rate), 'every_nth': options.every_nth,
        'frame_planes': options.frame_planes, 'frames': options.frames,
        'ring_mb': options.ring_mb,
        'planes_per_packet': max(1, 500_000 * 8 // (width * height)),
    }  # fmt: skip
    given = [part for name, value in values.items() for part in ('-p', f'{name}:={value}')]
    command = ('-m', 'spike_depth_ros.nodes.camera', '--ros-args', *given)
    os.environ['FAKE_RATE'] = f'{options.rate / options.frame_planes:g}'
    node = rclpy.create_node('numbers')
    numbers = Numbers(node, height, options.every_nth)
    try:
        with running('camera', command, ROOT, scratch) as camera:
            _spin(node, START_S, camera, lambda: numbers.received > 0)
            begun, used = time.monotonic(), cpu_seconds().get(camera.pid, 0.0)
            first = numbers.received
            _spin(node, options.seconds, camera)
            took = time.monotonic() - begun
            used = cpu_seconds().get(camera.pid, 0.0) - used
            received = numbers.received - first
    finally:
        node.destroy_node()
    return {
        'planes_received': numbers.received,
        'planes_lost': numbers.skipped,
        'planes_out_of_order': numbers.out_of_order,
        'mb_per_s': received * height * ((width + 7) // 8) / took / 1e6,
        'camera_cpu': used / took,
        'load': os.getloadavg()[0],
    }


def _spin(node: Any, seconds: float, camera: Any, done: Any = lambda: False) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not done():
        if camera.poll() is not None:
            raise RuntimeError('the camera has ended')
        rclpy.spin_once(node, timeout_sec=0.1)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all rounds; the result is as this module's description has it."""
    with session(options.rate) as (_, scratch):
        rounds = [measure(options, scratch) for _ in range(options.rounds)]
    names = (
        'seconds', 'rounds', 'rate', 'size', 'every_nth', 'frame_planes', 'frames', 'ring_mb',
    )  # fmt: skip
    return {'settings': report.settings(options, *names), 'rounds': rounds}


def text(result: dict[str, Any]) -> str:
    """Format the result as a Markdown table of every round."""
    cells = {
        'round': '{number}',
        'received': '{planes_received}',
        'lost': '{planes_lost}',
        'out of order': '{planes_out_of_order}',
        'MB/s': '{mb_per_s:.0f}',
        'CPU': '{camera_cpu:.2f}',
        'load': '{load:.1f}',
    }
    rows = [{'number': number, **one} for number, one in enumerate(result['rounds'], 1)]
    return report.columns(rows, cells)


def argument_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = report.parser('camera', 'Planes from a camera to a subscriber.')
    add = made.add_argument
    add('--seconds', type=float, default=60.0, help='duration. Default: 60')
    add('--rounds', type=count, default=1, help='default: 1')
    add('--rate', type=float, default=20_000.0, help='planes a second. Default: 20000')
    add('--size', type=parse_size, default=(400, 250), help='of the sensor. Default: 400x250')
    add('--every-nth', type=count, default=1, help='publish every n-th plane. Default: 1')
    add('--frame-planes', type=count, default=1, help='planes in a frame. Default: 1')
    defaults = CameraSettings()
    held = f'frames of the SDK. Default: {defaults.frames}'
    add('--frames', type=count, default=defaults.frames, help=held)
    ring = f'planes that wait, MB. Default: {defaults.ring_mb}'
    add('--ring-mb', type=count, default=defaults.ring_mb, help=ring)
    return made


def main(args: list[str] | None = None) -> int:
    return report.run_command(argument_parser(), args, run, text)


if __name__ == '__main__':
    sys.exit(main())
