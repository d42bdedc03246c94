# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth images a second from a live stream: our node, and a naive one, over real DDS processes.

The bundled sample (400x250, looped) is streamed by ``spike_player`` in a process of its own to a
depth node in another, and this process counts the depth images. Rounds of our node and of
``naive_node.py`` alternate on the same transport (our loopback profile, reliable, the same queue,
packets of 40 planes), each with fresh processes, each measured after a warm-up.

    python -m benchmarks.end_to_end --json end_to_end.json

from the repository's root, with torch installed (the naive node needs it). The JSON holds
``machine``, ``settings``, ``rounds`` (each with ``ours``, ``naive`` and their ``ratio`` of
windows/s), and the medians over rounds as ``ours``, ``naive`` and ``ratio``. One side of a round:

- ``windows_per_s``: depth images that arrived here, per second of the measured time;
- ``latency_ms_p50``, ``latency_ms_p99``: from the time of a window's last plane to its arrival;
- ``planes_sent``, ``planes_in``, ``planes_dropped``: of the whole round with its warm-up, as the
  player and the node count them. Planes that policy ``latest`` passes over are not drops;
- ``planes_per_s``: what the player reached;
- ``node_cpu``, ``player_cpu``: CPU seconds of either process per second;
- ``other_cpu``: of all processes of the machine beside node, player and this one: what disturbed.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import UInt64

from benchmarks import report
from spike_depth_ros.checkpoint import default_checkpoint, load_info
from spike_depth_ros.messages import stamp_ns
from spike_depth_ros.nodes import process
from spike_depth_ros.window import reference_index

ROOT = Path(__file__).parents[1]

TICKS_PER_S = os.sysconf('SC_CLK_TCK')

START_S = 60.0
"""A process that has not done its first step by then never will."""


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """A depth node to be measured."""

    name: str
    arguments: tuple[str, ...]


class Subscriber(Node):
    """Counts depth images, and hears how many planes a node has received.

    Attributes:
        arrivals_s: Monotonic time of each depth image, seconds.
        latencies_ms: Its age: time since the last plane of its window.
        planes_in: Planes that the node has received.
        planes_lost: Planes that it knows it dropped.
    """

    def __init__(self, rate_hz: float) -> None:
        super().__init__('end_to_end')
        info = load_info(default_checkpoint())
        last = info.planes - 1 - reference_index(info.reference_plane, info.planes)
        self._stamp_to_last_ns = last * 1e9 / rate_hz
        self.forget()
        self.create_subscription(Image, 'depth/image', self._on_depth, 50)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self.create_subscription(UInt64, 'planes_in', self._on_planes_in, QoSProfile(depth=10))

    def forget(self) -> None:
        """Begin a round."""
        self.arrivals_s: list[float] = []
        self.latencies_ms: list[float] = []
        self.planes_in = 0
        self.planes_lost = 0

    def _on_depth(self, msg: Image) -> None:
        now_ns = self.get_clock().now().nanoseconds
        self.arrivals_s.append(time.monotonic())
        last_ns = stamp_ns(msg.header.stamp) + self._stamp_to_last_ns
        self.latencies_ms.append((now_ns - last_ns) / 1e6)

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            values = {pair.key: pair.value for pair in status.values}
            if 'planes_received' in values:
                self.planes_in = int(values['planes_received'])
                lost_on_the_way = int(values['planes_lost_in_transport'])
                self.planes_lost = int(values['planes_dropped']) - lost_on_the_way

    def _on_planes_in(self, msg: UInt64) -> None:
        self.planes_in = msg.data

    def spin_until(
        self, condition: Callable[[], bool], seconds: float, child: subprocess.Popen[bytes]
    ) -> bool:
        """Handle messages until a condition holds; False if it did not in time.

        Raises:
            RuntimeError: The child ended badly.
        """
        until = time.monotonic() + seconds
        while not condition():
            if child.poll():
                raise RuntimeError(f'{child.args} ended with status {child.returncode}')
            if time.monotonic() > until:
                return False
            rclpy.spin_once(self, timeout_sec=0.02)
        return True


def measure(
    pipeline: Pipeline, subscriber: Subscriber, options: argparse.Namespace, scratch: Path
) -> dict[str, float]:
    """One side of one round; see this module's description for what it returns."""
    subscriber.forget()
    planes = round((options.warm_up + options.seconds + 0.5) * options.rate)
    told = scratch / 'player.json'
    with running(pipeline.name, pipeline.arguments, scratch) as node:
        listening = subscriber.spin_until(
            lambda: subscriber.count_subscribers('spikes') > 0, START_S, node
        )
        if not listening:
            raise RuntimeError(f'{pipeline.name} does not subscribe to spikes')
        player = (
            *('-m', 'spike_depth_ros.nodes.player', str(process.asset('sample.npz')), '--loop'),
            *('--rate', f'{options.rate:g}', '--planes', str(planes), '--report', str(told)),
        )
        with running('player', player, scratch) as playing:
            if not subscriber.spin_until(lambda: bool(subscriber.arrivals_s), START_S, node):
                raise RuntimeError(f'{pipeline.name} publishes no depth')
            spin_for(subscriber, options.warm_up, node)
            result = measure_now(subscriber, node, playing, options.seconds)
            if not subscriber.spin_until(lambda: playing.poll() is not None, START_S, node):
                raise RuntimeError('the player does not end')
        sent = json.loads(told.read_text())
        # Each node says once a second what it has received; 3 s without all planes: some are lost.
        subscriber.spin_until(lambda: subscriber.planes_in >= sent['planes_sent'], 3.0, node)
    return {
        **result,
        'planes_sent': sent['planes_sent'],
        'planes_per_s': sent['planes_per_s'],
        'planes_in': subscriber.planes_in,
        'planes_dropped': sent['planes_sent'] - subscriber.planes_in + subscriber.planes_lost,
    }


def measure_now(
    subscriber: Subscriber,
    node: subprocess.Popen[bytes],
    player: subprocess.Popen[bytes],
    seconds: float,
) -> dict[str, float]:
    """Count for some seconds what a node that is running makes."""
    first = len(subscriber.arrivals_s)
    before, started = cpu_seconds(), time.monotonic()
    spin_for(subscriber, seconds, node)
    after, elapsed = cpu_seconds(), time.monotonic() - started
    ages = subscriber.latencies_ms[first:]
    if not ages:
        raise RuntimeError(f'no depth image arrived in {seconds:g} s')
    middle, high = np.percentile(ages, [50, 99])
    used = [(after[pid] - before[pid]) / elapsed for pid in (node.pid, player.pid, os.getpid())]
    everything = (sum(after.values()) - sum(before.values())) / elapsed
    return {
        'windows_per_s': len(ages) / elapsed,
        'latency_ms_p50': float(middle),
        'latency_ms_p99': float(high),
        'node_cpu': used[0],
        'player_cpu': used[1],
        'other_cpu': everything - sum(used),
    }


def spin_for(subscriber: Subscriber, seconds: float, node: subprocess.Popen[bytes]) -> None:
    """Handle messages for some time."""
    subscriber.spin_until(lambda: False, seconds, node)


def cpu_seconds() -> dict[int, float]:
    """CPU time of every process so far by its number: all threads, and children that ended."""
    used = {}
    for folder in Path('/proc').glob('[0-9]*'):
        with contextlib.suppress(OSError):  # it has just ended
            fields = (folder / 'stat').read_text().rsplit(')', 1)[1].split()
            used[int(folder.name)] = sum(map(int, fields[11:15])) / TICKS_PER_S
    return used


@contextlib.contextmanager
def running(
    name: str, arguments: tuple[str, ...], logs: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that is interrupted, and waited for, in the end."""
    with (logs / f'{name}.log').open('wb') as log:
        child = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield child
    except Exception:
        print((logs / f'{name}.log').read_text(errors='replace'), file=sys.stderr)
        raise
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def pipelines(rate_hz: float) -> tuple[Pipeline, Pipeline]:
    """Ours and the naive one."""
    ours = ('-m', 'spike_depth_ros.nodes.depth', '--ros-args', '-p')
    naive = ('-m', 'benchmarks.naive_node', '--ros-args', '-p')
    return (
        Pipeline('ours', (*ours, 'spikes.reliability:=reliable')),
        Pipeline('naive', (*naive, f'rate_hz:={rate_hz:.1f}')),
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All rounds; the result as this module's description has it."""
    machine = report.machine()
    rounds: list[dict[str, Any]] = []
    subscriber = Subscriber(options.rate)
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(1, options.rounds + 1):
            sides: dict[str, Any] = {}
            for pipeline in pipelines(options.rate):
                print(f'round {number} of {options.rounds}: {pipeline.name}', file=sys.stderr)
                sides[pipeline.name] = measure(pipeline, subscriber, options, Path(scratch))
            sides['ratio'] = sides['ours']['windows_per_s'] / sides['naive']['windows_per_s']
            rounds.append(sides)
    subscriber.destroy_node()
    return {
        'machine': machine,
        'settings': {
            name: getattr(options, name) for name in ('seconds', 'rounds', 'warm_up', 'rate')
        },
        'rounds': rounds,
        'ours': _medians([sides['ours'] for sides in rounds]),
        'naive': _medians([sides['naive'] for sides in rounds]),
        'ratio': statistics.median(sides['ratio'] for sides in rounds),
    }


def _medians(sides: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(side[name] for side in sides) for name in sides[0]}


def text(result: dict[str, Any]) -> str:
    """The result as a Markdown table: medians, then every round."""
    header = ('', 'ours / naive', 'windows/s', 'latency p50 ms', 'p99 ms', 'planes in', 'dropped')
    header = (*header, 'planes/s', 'node CPU', 'player CPU', 'other CPU')
    rows = []
    titled = [('median', result), *((f'round {n}', r) for n, r in enumerate(result['rounds'], 1))]
    for title, sides in titled:
        for name in ('ours', 'naive'):
            side = sides[name]
            rows.append(
                (
                    f'{title}, {name}',
                    f'{sides["ratio"]:.2f}' if name == 'ours' else '',
                    *(_fixed(side, 1, 'windows_per_s', 'latency_ms_p50', 'latency_ms_p99')),
                    *(_fixed(side, 0, 'planes_in', 'planes_dropped', 'planes_per_s')),
                    *(_fixed(side, 2, 'node_cpu', 'player_cpu', 'other_cpu')),
                )
            )
    return report.machine_line(result['machine']) + '\n\n' + report.table(header, rows)


def _fixed(side: dict[str, float], digits: int, *keys: str) -> list[str]:
    return [f'{side[key]:.{digits}f}' for key in keys]


def argument_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.end_to_end',
        description='Depth images a second from a live stream: our node and a naive one in turn.',
    )
    add = parser.add_argument
    add('--seconds', type=float, default=8.0, help='measured time of a side. Default: 8')
    add('--warm-up', type=float, default=2.0, help='before it, seconds. Default: 2')
    add('--rounds', type=int, default=3, help='default: 3')
    add('--rate', type=float, default=20_000.0, help='planes a second. Default: 20000')
    add('--json', type=Path, help='file for the result')
    return parser


def main(args: list[str] | None = None) -> int:
    options = argument_parser().parse_args(args)
    process.keep_freed_memory()
    variables, warnings = process.dds_environment(
        process.shared_file('config/dds/loopback.xml'), publishers=3
    )
    os.environ.update(variables)
    os.environ.setdefault('ROS_DOMAIN_ID', str(random.SystemRandom().randint(1, 99)))
    for warning in warnings:
        print(f'warning: {warning}', file=sys.stderr)
    rclpy.init()
    try:
        result = run(options)
    finally:
        rclpy.try_shutdown()
    print(text(result))
    report.write_json(options.json, result)
    return 0


if __name__ == '__main__':
    sys.exit(main())
