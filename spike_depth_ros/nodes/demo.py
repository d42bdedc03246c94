# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``spike_demo``: player and depth node as processes, what they make as pictures."""

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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.utilities import remove_ros_args
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sensor_msgs.msg import Image

from spike_depth_ros import metrics, pictures
from spike_depth_ros.checkpoint import CheckpointInfo, default_checkpoint, load_info
from spike_depth_ros.nodes import process
from spike_depth_ros.nodes.arguments import positive, sensor_size
from spike_depth_ros.nodes.conversions import array_from_msg, stamp_ns
from spike_depth_ros.recording import Recording, RecordingError, open_recording
from spike_depth_ros.window import reference_index

PICTURES = 24
"""Moments of the stream that are drawn, evenly spread over the recording."""

PNG_EVERY = 4
"""Of these, every how many also becomes a PNG."""

GIF_FPS = 8.0

_CONSOLE = Console(stderr=False)


@dataclasses.dataclass
class Moment:
    """What came out for one window; complete once all three images are there."""

    plane: int
    depth: npt.NDArray[np.float32] | None = None
    uncertainty: npt.NDArray[np.float32] | None = None
    preview: npt.NDArray[np.uint8] | None = None

    @property
    def complete(self) -> bool:
        """Whether it can be drawn."""
        return not (self.depth is None or self.uncertainty is None or self.preview is None)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is played, and how stamps lead back to planes of the recording.

    Attributes:
        recording: The stream.
        rate_hz: Planes a second.
        planes: Planes to send in all; the recording is looped to get there.
        info: The checkpoint's metadata.
        name: What the pictures call the stream.
    """

    recording: Recording
    rate_hz: float
    planes: int
    info: CheckpointInfo
    name: str

    @property
    def length(self) -> int:
        """Planes of the recording."""
        return len(self.recording.planes)

    def plane_at(self, stamp: int, first_stamp: int) -> int:
        """Index in the recording of the plane with this stamp."""
        return round((stamp - first_stamp) * self.rate_hz / 1e9) % self.length

    def crosses_seam(self, plane: int) -> bool:
        """Whether the window around a reference plane holds the jump from the end to the start."""
        first = plane - reference_index(self.info.reference_plane, self.info.planes)
        return first < 0 or first + self.info.planes > self.length

    def planes_after_reference(self) -> int:
        """Planes of a window after its reference plane."""
        index = reference_index(self.info.reference_plane, self.info.planes)
        return self.info.planes - 1 - index


class DemoListener(Node):
    """Collects what the depth node publishes.

    Args:
        plan: What is played.
        report: Where the player says what it sent.
    """

    def __init__(self, plan: Plan, report: Path) -> None:
        super().__init__('spike_demo')
        self.latencies_ms: list[float] = []
        self.received_s: list[float] = []
        self.stream: dict[str, str] = {}
        self.model: dict[str, str] = {}
        self.moments: dict[int, Moment] = {}
        info = plan.info
        self.errors = metrics.DepthErrors(info.min_depth, info.max_depth)
        self._plan = plan
        self._report = report
        self._first_stamp: int | None = None
        self._open: dict[int, Moment] = {}
        qos = QoSProfile(depth=10)
        self.create_subscription(Image, 'depth/image', self._on_depth, qos)
        self.create_subscription(
            Image, 'depth/uncertainty', lambda msg: self._collect(msg, 'uncertainty'), qos
        )
        self.create_subscription(
            Image, 'spikes/image', lambda msg: self._collect(msg, 'preview'), qos
        )
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, qos)

    def _on_depth(self, msg: Image) -> None:
        self.received_s.append(time.monotonic())
        after_ns = self._plan.planes_after_reference() * 1e9 / self._plan.rate_hz
        age_ns = self.get_clock().now().nanoseconds - stamp_ns(msg.header.stamp) - after_ns
        self.latencies_ms.append(age_ns / 1e6)
        moment = self._collect(msg, 'depth')
        truth = self._plan.recording.truth
        if truth is None or moment is None or self._plan.crosses_seam(moment.plane):
            return
        depth = truth.nearest(moment.plane)
        if depth.shape == moment.depth.shape:
            self.errors.add(moment.depth, depth)

    def _collect(self, msg: Image, field: str) -> Moment | None:
        """Put an image to its moment; keeps one moment for each place of the recording."""
        first = self._player_start()
        if first is None:
            return None
        stamp = stamp_ns(msg.header.stamp)
        if stamp not in self._open:
            self._open[stamp] = Moment(self._plan.plane_at(stamp, first))
            while len(self._open) > 8:  # one of its images was lost
                self._open.pop(next(iter(self._open)))
        moment = self._open[stamp]
        setattr(moment, field, array_from_msg(msg))
        if moment.complete:
            del self._open[stamp]
            seam = (
                self._plan.crosses_seam(moment.plane)
                and self._plan.length > self._plan.info.planes
            )
            if not seam:
                span = min(self._plan.length, self._plan.planes)
                self.moments.setdefault(moment.plane * PICTURES // span, moment)
        return moment

    def _player_start(self) -> int | None:
        """Stamp of the first plane, from the player's report."""
        if self._first_stamp is None and self._report.exists():
            with contextlib.suppress(ValueError, KeyError):
                self._first_stamp = json.loads(self._report.read_text())['first_stamp_ns']
        return self._first_stamp

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            values = {pair.key: pair.value for pair in status.values}
            if status.name.endswith(': stream'):
                self.stream = values
            elif status.name.endswith(': model'):
                self.model = values


class Demo:
    """One run: processes, progress, results.

    Args:
        options: The parsed command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._out: Path = options.out
        self._out.mkdir(parents=True, exist_ok=True)
        self._children: list[subprocess.Popen[bytes]] = []

    def run(self, plan: Plan) -> int:
        """Play, collect, write; the exit status."""
        with tempfile.TemporaryDirectory() as scratch:
            report = Path(scratch) / 'player.json'
            with self._listener(plan, report) as listener:
                started = time.monotonic()
                try:
                    self._play(plan, report, listener)
                finally:
                    self._stop_children()
                took_s = time.monotonic() - started
            sent = json.loads(report.read_text())
        summary = _summary(plan, listener, sent, took_s)
        (self._out / 'summary.json').write_text(json.dumps(summary, indent=2) + '\n')
        _CONSOLE.print('drawing pictures')
        drawn = draw(plan, listener.moments, self._out)
        _print_summary(summary, self._out, drawn)
        return 0 if summary['windows_out'] else 1

    @contextlib.contextmanager
    def _listener(self, plan: Plan, report: Path) -> Iterator[DemoListener]:
        rclpy.init()
        node = DemoListener(plan, report)
        try:
            yield node
        finally:
            node.destroy_node()
            rclpy.try_shutdown()

    def _play(self, plan: Plan, report: Path, listener: DemoListener) -> None:
        options = self._options
        arguments = ['--ros-args', '-p', 'spikes.reliability:=reliable']
        arguments += ['-p', f'device:={options.device}', '-p', f'backend:={options.backend}']
        if options.checkpoint:
            arguments += ['-p', f'checkpoint:={options.checkpoint}']
        node = self._start('depth', arguments)
        while not listener.model:
            self._check(node, 'depth')
            rclpy.spin_once(listener, timeout_sec=0.1)
        player = self._start('player', self._player_arguments(plan, report))
        self._follow(plan, listener, node, player)
        sent = json.loads(report.read_text())['planes_sent']
        self._settle(listener, sent)

    def _player_arguments(self, plan: Plan, report: Path) -> list[str]:
        options = self._options
        arguments = [str(options.stream), '--loop', '--planes', str(plan.planes)]
        arguments += ['--rate', f'{plan.rate_hz:g}', '--report', str(report)]
        if options.size:
            arguments += ['--size', f'{options.size[0]}x{options.size[1]}']
        return arguments

    def _start(self, name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, '-m', f'spike_depth_ros.nodes.{name}', *arguments]
        with (self._out / f'{name}.log').open('wb') as log:
            child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        self._children.append(child)
        return child

    def _check(self, child: subprocess.Popen[bytes], name: str) -> None:
        if child.poll() is not None and (child.returncode or name == 'depth'):
            log = (self._out / f'{name}.log').read_text(errors='replace').strip().splitlines()
            raise process.UserError(
                f'the {name} process ended with status {child.returncode}: '
                f'{log[-1] if log else "it said nothing"} (all of it in {self._out / name}.log)'
            )

    def _follow(
        self,
        plan: Plan,
        listener: DemoListener,
        node: subprocess.Popen[bytes],
        player: subprocess.Popen[bytes],
    ) -> None:
        """Show progress until the player is done."""
        seconds = plan.planes / plan.rate_hz
        columns = (TextColumn('{task.description}'), BarColumn(), TimeRemainingColumn())
        with Progress(*columns, console=_CONSOLE) as progress:
            task = progress.add_task('streaming', total=seconds)
            started = None
            while player.poll() is None:
                self._check(node, 'depth')
                rclpy.spin_once(listener, timeout_sec=0.1)
                if started is None and listener.received_s:
                    started = time.monotonic()
                if started is not None:
                    done = len(listener.received_s)
                    progress.update(
                        task,
                        completed=min(seconds, time.monotonic() - started),
                        description=f'{done} depth images',
                    )
            self._check(player, 'player')
            progress.update(task, completed=seconds)

    def _settle(self, listener: DemoListener, sent: int) -> None:
        """Wait for the diagnostics that account for the last plane."""
        until = time.monotonic() + 4.0
        while time.monotonic() < until:
            rclpy.spin_once(listener, timeout_sec=0.1)
            if int(listener.stream.get('planes_expected', 0)) >= sent:
                return

    def _stop_children(self) -> None:
        for child in self._children:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
        for child in self._children:
            try:
                child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _summary(
    plan: Plan, listener: DemoListener, sent: dict[str, Any], took_s: float
) -> dict[str, Any]:
    """What the run measured; null where there is nothing to say."""
    stream = {key: value for key, value in listener.stream.items() if key.startswith('planes_')}
    account = {key: int(float(value)) for key, value in stream.items() if key != 'planes_per_s'}
    received = account.get('planes_received', 0)
    counted = received + account.get('planes_lost_in_transport', 0)
    windows = len(listener.received_s)
    span_s = listener.received_s[-1] - listener.received_s[0] if windows > 1 else 0.0
    latency = np.percentile(listener.latencies_ms, [50, 99]) if windows else [None, None]
    scored = listener.errors.pixels > 0
    return {
        'stream': plan.name,
        'planes_sent': sent['planes_sent'],
        'planes_in': received,
        'planes_per_s': sent['planes_per_s'],
        'windows_out': windows,
        'windows_per_s': (windows - 1) / span_s if span_s else None,
        'latency_ms_p50': None if latency[0] is None else float(latency[0]),
        'latency_ms_p99': None if latency[1] is None else float(latency[1]),
        # What the player sent and the node neither received nor missed was lost at either end.
        'planes_dropped': account.get('planes_dropped', 0) + sent['planes_sent'] - counted,
        'abs_rel': listener.errors.abs_rel if scored else None,
        'abs_rel_coverage': listener.errors.coverage if scored else None,
        'planes_per_window': plan.info.planes,
        'checkpoint': Path(listener.model.get('checkpoint', '')).name,
        'weights': plan.info.stage,
        'weights_sha256': plan.info.weights_sha256,
        'backend': listener.model.get('backend'),
        'device': listener.model.get('device'),
        'cpus': len(os.sched_getaffinity(0)),
        'seconds': took_s,
        'accounting': account,
    }


def draw(plan: Plan, moments: dict[int, Moment], out: Path) -> list[Path]:
    """Write the pictures: PNG files of some moments and a GIF of all, in the recording's order.

    Args:
        plan: What was played.
        moments: Complete moments by their place in the recording.
        out: Folder to write to.

    Returns:
        The files.
    """
    ordered = [moments[place] for place in sorted(moments)]
    if not ordered:
        return []
    for old in out.glob('depth_*.png'):
        old.unlink()
    near, far = _depth_limits(ordered)
    high = float(np.nanpercentile([_finite(m.uncertainty, 95) for m in ordered], 95)) or 1.0
    sheets = [_sheet(plan, moment, near, far, high) for moment in ordered]
    files = []
    for index in range(0, len(sheets), PNG_EVERY):
        files.append(out / f'depth_{ordered[index].plane:06d}.png')
        pictures.save_png(sheets[index], files[-1])
    files.append(out / 'depth.gif')
    pictures.save_gif(sheets, files[-1], GIF_FPS)
    return files


def _finite(image: npt.NDArray[np.float32], percent: float) -> float:
    values = image[np.isfinite(image)]
    return float(np.percentile(values, percent)) if values.size else np.nan


def _depth_limits(moments: list[Moment]) -> tuple[float, float]:
    near = np.nanmin([_finite(m.depth, 1) for m in moments] + [np.inf])
    far = np.nanmax([_finite(m.depth, 99) for m in moments] + [0.0])
    if not 0 < near < np.inf or far <= 0:
        return 1.0, 10.0
    return float(near), float(max(far, 1.05 * near))


def _sheet(plan: Plan, moment: Moment, near: float, far: float, high: float) -> pictures.Rgb:
    truth = plan.recording.truth
    error = None
    if truth is not None and truth.depth.shape[1:] == moment.depth.shape:
        relative = metrics.relative_error(
            moment.depth, truth.nearest(moment.plane), plan.info.min_depth, plan.info.max_depth
        )
        error = pictures.error_panel(relative)
    weights = plan.info.stage
    label = 'RANDOM WEIGHTS: depth means nothing' if weights == 'random' else f'weights: {weights}'
    return pictures.strip(
        [
            (pictures.spike_panel(moment.preview), f'spikes, {plan.info.planes} planes'),
            (pictures.depth_panel(moment.depth, near, far), 'depth'),
            (pictures.uncertainty_panel(moment.uncertainty, high), 'uncertainty (68 %)'),
            (error, 'relative error'),
        ],
        caption=f'{plan.name}, plane {moment.plane} = {1e3 * moment.plane / plan.rate_hz:.2f} ms. '
        f'{plan.info.architecture}, {label}.',
    )


def _print_summary(summary: dict[str, Any], out: Path, files: list[Path]) -> None:
    def text(key: str, form: str) -> str:
        return '-' if summary[key] is None else format(summary[key], form)

    table = Table(show_header=False)
    rows = (
        ('planes in', f'{summary["planes_in"]} at {text("planes_per_s", ".0f")}/s'),
        ('planes dropped', text('planes_dropped', 'd')),
        ('depth images', f'{summary["windows_out"]} at {text("windows_per_s", ".1f")}/s'),
        (
            'latency',
            f'{text("latency_ms_p50", ".1f")} ms median, {text("latency_ms_p99", ".1f")} ms p99',
        ),
        ('AbsRel against truth', text('abs_rel', '.3f')),
        ('model', f'{summary["checkpoint"]} ({summary["weights"]} weights)'),
        ('ran on', f'{summary["device"]} by {summary["backend"]}, {summary["cpus"]} CPUs'),
    )
    for row in rows:
        table.add_row(*row)
    _CONSOLE.print(table)
    if summary['weights'] == 'random':
        _CONSOLE.print('The weights are random: the depth, and its error, mean nothing yet.')
    if files:
        _CONSOLE.print(f'pictures: {files[-1]} and {len(files) - 1} PNG files', soft_wrap=True)
    _CONSOLE.print(f'figures:  {out / "summary.json"}', soft_wrap=True)


def _plan(options: argparse.Namespace) -> Plan:
    own = options.stream is None
    if own:
        options.stream = process.asset('sample.npz')
    try:
        recording = open_recording(options.stream, options.size)
        info = load_info(options.checkpoint or default_checkpoint())
    except (RecordingError, ValueError, OSError) as error:
        raise process.UserError(str(error)) from error
    rate = options.rate or recording.rate_hz
    if rate is None:
        raise process.UserError(
            f'{options.stream}: the recording does not tell its plane rate; give it, for example '
            '--rate 20000 (make demo ... RATE=20000)'
        )
    return Plan(
        recording=recording,
        rate_hz=rate,
        planes=max(1, round(rate * options.seconds)),
        info=info,
        name='own synthetic sample' if own else options.stream.name,
    )


def argument_parser() -> argparse.ArgumentParser:
    """The command line of ``spike_demo``."""
    parser = argparse.ArgumentParser(
        prog='spike_demo',
        description='Play a spike stream through real ROS 2 processes and draw the depth that '
        'comes out. Nothing leaves this machine.',
    )
    add = parser.add_argument
    add('--stream', type=Path, help='.dat, .npy or .npz; default: the sample that ships')
    add('--size', type=sensor_size, metavar='WxH', help='sensor size of a raw file')
    add('--rate', type=positive, metavar='HZ', help='planes a second; default: as recorded')
    add('--seconds', type=positive, default=8.0, help='how long to play (looped). Default: 8')
    add('--out', type=Path, default=Path('demo_out'), help='default: demo_out')
    add('--checkpoint', type=Path, help='model file; default: the one that ships')
    add('--device', default='auto', choices=('auto', 'cpu', 'cuda'), help='default: auto')
    add('--backend', default='auto', choices=('auto', 'onnx', 'torch'), help='default: auto')
    return parser


def main(args: list[str] | None = None) -> int:
    """Console script ``spike_demo``."""
    given = sys.argv if args is None else args
    options = argument_parser().parse_args(remove_ros_args(given)[1:])
    process.keep_freed_memory()
    variables, warnings = process.dds_environment(
        process.shared_file('config/dds/loopback.xml'), publishers=3
    )
    os.environ.update(variables)
    os.environ.setdefault('ROS_DOMAIN_ID', str(random.SystemRandom().randint(1, 99)))
    for warning in warnings:
        _CONSOLE.print(f'warning: {warning}', soft_wrap=True)
    try:
        return Demo(options).run(_plan(options))
    except (process.UserError, OSError) as error:
        print(f'spike_demo: error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
