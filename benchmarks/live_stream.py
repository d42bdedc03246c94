# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A live stream through a depth node, as processes of any tree of this repository, measured."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import UInt64

from benchmarks import report
from benchmarks.frame_camera import PER_S, FrameCamera
from benchmarks.named_commit import worktree
from benchmarks.options import count
from spike_depth_ros.checkpoint import default_checkpoint, load_info
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.calibration import set_fields
from spike_depth_ros.nodes.parts.process import OF_WHEELS
from spike_depth_ros.stream.decode import stamp_ns
from spike_depth_ros.stream.window import reference_index

ROOT = Path(__file__).parents[1]

TICKS_PER_S = os.sysconf('SC_CLK_TCK')

START_S = 60.0
"""A process that has not done its first step by then never will."""

STEREO_MIN_DEPTH_M = 0.8
"""Nearest depth that the node of two cameras searches in its sample: 64 disparities."""

SETTLE_S = 5.0
"""Nodes publish their counters once a second; those of the last plane come by then."""

OWN_PROFILE = 'SPIKE_DEPTH_BENCHMARK_PROFILE'
"""Environment variable: each tree's processes take the DDS profile of that tree."""

LOST = (
    'lost_in_transport',
    'lost_in_queue',
    'missed_resubscribing',
    'overwritten',
    'refused',
)
"""Counters of planes that a depth node knows it dropped; the first three never came in."""


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """A player and a depth node to be measured.

    Attributes:
        name: Its name in tables.
        node: Arguments of Python that start the depth node.
        tree: Root of the files that both processes import.
        shows: True if its preview has a subscriber.
        view: Command ``spike_view`` that writes a view of the node meanwhile; None: none does.
        recording: Sample that is played.
        spikes: Topic of the stream, or of that of the left camera.
        camera: Camera whose frames this process publishes meanwhile; None: there is none.
    """

    name: str
    node: tuple[str, ...]
    tree: Path = ROOT
    shows: bool = False
    view: Path | None = None
    recording: str = 'street.npz'
    spikes: str = 'spikes'
    camera: FrameCamera | None = None


def spike_depth(name: str, tree: Path = ROOT) -> Pipeline:
    """Return our player and depth node, of any commit."""
    node = ('-m', 'spike_depth_ros.nodes.depth', '--ros-args')
    return Pipeline(name, (*node, '-p', 'spikes.reliability:=reliable'), tree)


def previewing(method: str) -> Pipeline:
    """Return our player and depth node, which also publishes its preview by some method."""
    ours = spike_depth(f'preview {method}')
    return dataclasses.replace(ours, node=(*ours.node, '-p', f'preview:={method}'), shows=True)


def refining() -> Pipeline:
    """Return our player and depth node, which corrects depth by the motion of the camera."""
    ours = spike_depth('refine motion')
    return dataclasses.replace(ours, node=(*ours.node, '-p', 'refine:=motion'))


def viewed(view: Path) -> Pipeline:
    """Return our player and depth node, with a view of them into a file beside it."""
    return dataclasses.replace(spike_depth('spike_view'), view=view)


def fused(checkpoint: Path, camera: FrameCamera | None) -> Pipeline:
    """Return our player and depth node with a network that takes frames, of this commit.

    Args:
        checkpoint: Its file.
        camera: Camera beside the spikes; None: the spikes answer alone.
    """
    ours = spike_depth('spikes alone' if camera is None else 'with frames')
    node = (*ours.node, '-p', f'checkpoint:={checkpoint}')
    return dataclasses.replace(ours, node=node, camera=camera)


def spike_stereo(fill: str, network: Path | None = None) -> Pipeline:
    """Return our player of two cameras and the node of them, of this commit.

    Args:
        fill: Its parameter.
        network: Model file of the matching network; None: semi-global matching.
    """
    values = {
        'spikes.reliability': 'reliable',
        'fill': fill,
        'min_depth_m': STEREO_MIN_DEPTH_M,
    }
    if network is not None:
        values |= {'matcher': 'network', 'matcher.checkpoint': network}
    given = (part for name, value in values.items() for part in ('-p', f'{name}:={value}'))
    node = ('-m', 'spike_depth_ros.nodes.stereo', '--ros-args', *given)
    name = f'stereo {fill}' + ('' if network is None else ', network')
    return Pipeline(name, node, recording='stereo.npz', spikes='left/spikes')


@dataclasses.dataclass(frozen=True)
class Timing:
    """How a side of a round is measured.

    Attributes:
        rate: Planes a second.
        warm_up: Seconds that are not measured.
        seconds: Seconds that are.
    """

    rate: float
    warm_up: float
    seconds: float


class Subscriber(Node):
    """Subscriber that counts depth images and keeps what the node publishes of its planes.

    Attributes:
        arrivals_s: Monotonic time of each depth image, seconds.
        latencies_ms: Its age: time since the last plane of its window.
        previews: Pictures that have arrived.
        planes_in: Planes that the node has received.
        streams: Newest values of the node's diagnostics of each stream; none for a naive node.
        framed: Windows that had a frame, as the node counts them.
    """

    def __init__(self, rate_hz: float) -> None:
        super().__init__('benchmark')
        info = load_info(default_checkpoint())
        last = info.planes - 1 - reference_index(info.reference_plane, info.planes)
        self._stamp_to_last_ns = last * 1e9 / rate_hz
        self.forget()
        self.create_subscription(Image, 'depth/image', self._on_depth, 50)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self.create_subscription(UInt64, 'planes_in', self._on_planes_in, QoSProfile(depth=10))

    def forget(self) -> None:
        """Begin a side of a round."""
        self.arrivals_s: list[float] = []
        self.latencies_ms: list[float] = []
        self.previews = 0
        self.planes_in = 0
        self.streams: dict[str, dict[str, str]] = {}
        self.framed = 0

    @contextlib.contextmanager
    def watching(self, shows: bool) -> Iterator[None]:
        """Count the node's pictures meanwhile, if it is to publish them."""
        if not shows:
            yield
            return
        subscription = self.create_subscription(Image, 'spikes/image', self._on_preview, 10)
        try:
            yield
        finally:
            self.destroy_subscription(subscription)

    @contextlib.contextmanager
    def filming(self, camera: FrameCamera | None) -> Iterator[None]:
        """Publish the frames of a camera meanwhile, while this node spins."""
        if camera is None:
            yield
            return
        info = CameraInfo(width=camera.frame.width, height=camera.frame.height)
        set_fields(info, camera.frame)
        image = Image(width=info.width, height=info.height, encoding='rgb8', step=3 * info.width)
        image.data = camera.pixels.tobytes()
        infos = self.create_publisher(CameraInfo, 'image/camera_info', 5)
        images = self.create_publisher(Image, 'image', 5)

        def publish() -> None:
            info.header.stamp = image.header.stamp = self.get_clock().now().to_msg()
            infos.publish(info)
            images.publish(image)

        timer = self.create_timer(1 / PER_S, publish)
        try:
            yield
        finally:
            self.destroy_timer(timer)
            self.destroy_publisher(infos)
            self.destroy_publisher(images)

    def _on_preview(self, msg: Image) -> None:
        self.previews += 1

    def planes(self, counter: str) -> int:
        """Return a counter of the node's diagnostics, of all streams; 0 where it has none."""
        key = f'planes_{counter}'
        return sum(int(float(values.get(key, 0))) for values in self.streams.values())

    def _on_depth(self, msg: Image) -> None:
        now_ns = self.get_clock().now().nanoseconds
        self.arrivals_s.append(time.monotonic())
        last_ns = stamp_ns(msg.header.stamp) + self._stamp_to_last_ns
        self.latencies_ms.append((now_ns - last_ns) / 1e6)

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            values = {pair.key: pair.value for pair in status.values}
            if 'planes_received' in values:
                self.streams[status.name] = values
                self.planes_in = self.planes('received')
            self.framed = int(float(values.get('windows_with_frame', self.framed)))

    def _on_planes_in(self, msg: UInt64) -> None:
        self.planes_in = msg.data

    def spin_until(
        self, condition: Callable[[], bool], seconds: float, child: subprocess.Popen[bytes]
    ) -> bool:
        """Handle messages until a condition holds; False if it did not in time.

        Raises:
            RuntimeError: The child ended with an error.
        """
        until = time.monotonic() + seconds
        while not condition():
            if child.poll():
                raise RuntimeError(f'{child.args} ended with status {child.returncode}')
            if time.monotonic() > until:
                return False
            rclpy.spin_once(self, timeout_sec=0.02)
        return True

    def spin_for(self, seconds: float, child: subprocess.Popen[bytes]) -> None:
        """Handle messages for some time."""
        self.spin_until(lambda: False, seconds, child)


def measure(
    pipeline: Pipeline, subscriber: Subscriber, timing: Timing, scratch: Path
) -> dict[str, float]:
    """Measure one side of one round.

    Args:
        pipeline: What to start.
        subscriber: The benchmark's own node.
        timing: Rate and times.
        scratch: Folder for logs and the player's report.

    Returns:
        - ``windows_per_s``: depth images that arrived, per second of the measured time;
          ``previews_per_s``: pictures;
        - ``framed``: share of the round's windows that had a frame, as the node counts them;
        - ``latency_ms_p50``, ``latency_ms_p99``: from the time of a window's last plane to its
          arrival;
        - ``planes_sent``, ``planes_in``, ``planes_dropped``: of the whole round with its warm-up,
          of all cameras, as the player and the node count them. Planes that policy ``latest``
          passes over are not dropped. Planes that the node neither received nor knows to be lost
          count as dropped;
        - ``planes_lost_in_transport``, ``planes_lost_in_queue``, ``planes_missed_resubscribing``,
          ``planes_overwritten``, ``planes_refused``: of these, where the node knows it;
        - ``planes_per_s``: what the player reached, ``player_behind_s``: how far it was behind
          at most (nan where it does not report that);
        - ``node_cpu``, ``player_cpu``: CPU seconds of either process per second;
        - ``other_cpu``: of all processes beside node, player and this one.

    Raises:
        RuntimeError: A process did not start, ended with an error or gave no depth.
    """
    subscriber.forget()
    planes = round((timing.warm_up + timing.seconds + 0.5) * timing.rate)
    with (
        running(pipeline.name, pipeline.node, pipeline.tree, scratch) as node,
        subscriber.watching(pipeline.shows),
        subscriber.filming(pipeline.camera),
        viewing(pipeline.view, subscriber, scratch),
    ):
        with playing(pipeline, subscriber, node, timing.rate, planes, scratch) as player:
            subscriber.spin_for(timing.warm_up, node)
            result = _measure_now(subscriber, node, player, timing.seconds)
            report = wait_for_player(subscriber, node, player, scratch)
        sent = report['planes_sent'] + report.get('right', {}).get('planes_sent', 0)
        subscriber.spin_until(lambda: _complete(subscriber, sent), SETTLE_S, node)
    known = {f'planes_{name}': subscriber.planes(name) for name in LOST}
    never_in = sum(known[f'planes_{name}'] for name in LOST[:3])
    unknown = sent - subscriber.planes_in - never_in
    return {
        **result,
        'framed': subscriber.framed / len(subscriber.arrivals_s),
        'planes_sent': sent,
        'planes_per_s': report['planes_per_s'],
        'player_behind_s': report.get('behind_s_max', float('nan')),
        'planes_in': subscriber.planes_in,
        **known,
        'planes_dropped': sum(known.values()) + unknown,
    }


@contextlib.contextmanager
def playing(
    pipeline: Pipeline,
    subscriber: Subscriber,
    node: subprocess.Popen[bytes],
    rate_hz: float,
    planes: int,
    scratch: Path,
) -> Iterator[subprocess.Popen[bytes]]:
    """Play a pipeline's planes to its node; begins when the first depth image has come.

    Raises:
        RuntimeError: The node ended with an error, does not subscribe or gave no depth.
    """
    if not subscriber.spin_until(
        lambda: subscriber.count_subscribers(pipeline.spikes) > 0, START_S, node
    ):
        raise RuntimeError(f'{pipeline.name} does not subscribe to {pipeline.spikes}')
    command = (
        *('-m', 'spike_depth_ros.nodes.player', str(process.asset(pipeline.recording)), '--loop'),
        *('--rate', f'{rate_hz:g}', '--planes', str(planes)),
        *('--report', str(scratch / 'player.json')),
    )
    with running('player', command, pipeline.tree, scratch) as player:
        if not subscriber.spin_until(lambda: bool(subscriber.arrivals_s), START_S, node):
            raise RuntimeError(f'{pipeline.name} publishes no depth')
        yield player


def wait_for_player(
    subscriber: Subscriber,
    node: subprocess.Popen[bytes],
    player: subprocess.Popen[bytes],
    scratch: Path,
) -> dict[str, Any]:
    """Wait for the end of a player, and return its report.

    Raises:
        RuntimeError: The player does not end.
    """
    if not subscriber.spin_until(lambda: player.poll() is not None, START_S, node):
        raise RuntimeError('the player does not end')
    found: dict[str, Any] = json.loads((scratch / 'player.json').read_text())
    return found


def measure_rounds(
    options: argparse.Namespace, pipelines: Sequence[Pipeline], loops: Sequence[int] = (0,)
) -> Iterator[tuple[int, int, dict[str, dict[str, float]]]]:
    """Measure pipelines, and the named commit's, in rounds.

    Args:
        options: Those of :func:`argument_parser`.
        pipelines: Pipelines of this tree.
        loops: Numbers of busy loops beside which each round is measured.

    Yields:
        Number of the round from 1, busy loops, and the result of :func:`measure` by pipeline.
    """
    timing = Timing(options.rate, options.warm_up, options.seconds)
    with contextlib.ExitStack() as stack:
        pipelines = list(pipelines)
        if options.against:
            tree = stack.enter_context(worktree(options.against))
            pipelines.append(spike_depth(options.against, tree))
        subscriber, scratch = stack.enter_context(session(options.rate))
        for number in range(1, options.rounds + 1):
            for beside in loops:
                found = {}
                for pipeline in pipelines:
                    of = f'{number} of {options.rounds}' + (f', {beside} loops' if beside else '')
                    print(f'round {of}: {pipeline.name}', file=sys.stderr)
                    with busy(beside):
                        found[pipeline.name] = measure(pipeline, subscriber, timing, scratch)
                yield number, beside, found
            pipelines.append(pipelines.pop(0))  # what ran before it changes for each


def _complete(subscriber: Subscriber, sent: int) -> bool:
    return max(subscriber.planes_in, subscriber.planes('expected')) >= sent


def _measure_now(
    subscriber: Subscriber,
    node: subprocess.Popen[bytes],
    player: subprocess.Popen[bytes],
    seconds: float,
) -> dict[str, float]:
    """Count for some seconds what a node that is running makes."""
    first, shown = len(subscriber.arrivals_s), subscriber.previews
    before, started = cpu_seconds(), time.monotonic()
    subscriber.spin_for(seconds, node)
    after, elapsed = cpu_seconds(), time.monotonic() - started
    ages = subscriber.latencies_ms[first:]
    if not ages:
        raise RuntimeError(f'no depth image arrived in {seconds:g} s')
    middle, high = np.percentile(ages, [50, 99])
    processes = (node.pid, player.pid, os.getpid())
    used = [(after.get(pid, 0.0) - before[pid]) / elapsed for pid in processes]
    everything = (sum(after.values()) - sum(before.values())) / elapsed
    return {
        'windows_per_s': len(ages) / elapsed,
        'previews_per_s': (subscriber.previews - shown) / elapsed,
        'latency_ms_p50': float(middle),
        'latency_ms_p99': float(high),
        'node_cpu': used[0],
        'player_cpu': used[1],
        'other_cpu': everything - sum(used),
    }


def cpu_seconds() -> dict[int, float]:
    """Return the CPU time of every process by its number: all threads, and children that ended."""
    used = {}
    for folder in Path('/proc').glob('[0-9]*'):
        with contextlib.suppress(OSError):  # it has just ended
            fields = (folder / 'stat').read_text().rsplit(')', 1)[1].split()
            used[int(folder.name)] = sum(map(int, fields[11:15])) / TICKS_PER_S
    return used


@contextlib.contextmanager
def running(
    name: str, arguments: tuple[str, ...], tree: Path, logs: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python process of a tree; it is interrupted, and waited for, in the end."""
    profile = {'FASTRTPS_DEFAULT_PROFILES_FILE': str(tree / 'config/dds/loopback.xml')}
    with (logs / f'{name}.log').open('wb') as log:
        child = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=tree,
            # What is set already is another transport, or this machine's shared memory is small.
            env={**os.environ, **(profile if OWN_PROFILE in os.environ else {})},
            stdout=log,
            stderr=subprocess.STDOUT,
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


@contextlib.contextmanager
def viewing(view: Path | None, subscriber: Subscriber, scratch: Path) -> Iterator[None]:
    """Write a view of the node meanwhile, in the environment of the command.

    Raises:
        RuntimeError: It ended with an error, or shows nothing.
    """
    if view is None:
        yield
        return
    look, log = scratch / 'look.rrd', scratch / 'view.log'
    kept = {name: value for name, value in os.environ.items() if name not in OF_WHEELS}
    with log.open('wb') as output:
        child = subprocess.Popen(
            [view, '--save', look, '--overwrite'],
            env=kept,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        if not subscriber.spin_until(
            lambda: subscriber.count_subscribers('depth/uncertainty') > 0, START_S, child
        ):
            raise RuntimeError(f'{view} does not subscribe')
        yield
    finally:
        child.send_signal(signal.SIGINT)
        status = child.wait(timeout=30)
    if status or not look.exists():
        raise RuntimeError(f'{view} ended with status {status}: {log.read_text()}')


@contextlib.contextmanager
def busy(loops: int) -> Iterator[None]:
    """Keep so many processes computing meanwhile, each all that a core gives; wait for them."""
    command = (sys.executable, '-c', 'print(flush=True)\nwhile True: pass')
    children = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(loops)]
    try:
        for child in children:
            assert child.stdout is not None
            child.stdout.readline()
        yield
    finally:
        for child in children:
            child.kill()
            child.communicate()


def argument_parser(name: str, description: str, rounds: int) -> argparse.ArgumentParser:
    """Make the parser of a benchmark's command line, with the options that all of them have.

    Args:
        name: Module of the benchmark.
        description: For its help.
        rounds: Rounds unless given.
    """
    parser = report.parser(name, description)
    add = parser.add_argument
    add('--seconds', type=float, default=8.0, help='measured time of a side. Default: 8')
    add('--warm-up', type=float, default=2.0, help='before it, seconds. Default: 2')
    add('--rounds', type=count, default=rounds, help=f'default: {rounds}')
    add('--rate', type=float, default=20_000.0, help='planes a second. Default: 20000')
    add('--against', metavar='COMMIT', help='measure the node and player of this commit as well')
    return parser


@contextlib.contextmanager
def session(rate_hz: float) -> Iterator[tuple[Subscriber, Path]]:
    """Set the transport up for this process and its children.

    Args:
        rate_hz: Planes a second of the streams that are measured.

    Yields:
        The subscriber, and a folder for files that nobody keeps.
    """
    process.keep_freed_memory()
    variables, warnings = process.dds_environment(
        process.shared_file('config/dds/loopback.xml'), publishers=3
    )
    os.environ.update(variables)
    if 'FASTRTPS_DEFAULT_PROFILES_FILE' in variables:
        os.environ[OWN_PROFILE] = '1'
    os.environ.setdefault('ROS_DOMAIN_ID', str(random.SystemRandom().randint(1, 99)))
    for warning in warnings:
        print(f'warning: {warning}', file=sys.stderr)
    rclpy.init()
    subscriber = Subscriber(rate_hz)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            yield subscriber, Path(scratch)
    finally:
        subscriber.destroy_node()
        rclpy.try_shutdown()
