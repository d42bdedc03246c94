# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``spike_demo``: runs player and depth node, and draws pictures of the depth."""

from __future__ import annotations

import collections
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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import rclpy
from rclpy.signals import SignalHandlerOptions
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from spike_depth_ros.base import cli
from spike_depth_ros.base.errors import OneLineError, check_link
from spike_depth_ros.base.results import check_results, replace_results
from spike_depth_ros.base.values import one_of
from spike_depth_ros.checkpoint import find_checkpoint, load_info
from spike_depth_ros.io.layout_check import check_bit_order, raw_file_problem
from spike_depth_ros.io.recording import Recording, RecordingError, open_recording
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.demo_report import (
    RESULTS,
    draw,
    draw_methods,
    is_result,
    show,
    summarise,
)
from spike_depth_ros.nodes.parts.demo_scores import DemoScores, Plan, PlayerStart, evaluation
from spike_depth_ros.nodes.parts.ending import CLOSING_S, EndRequests
from spike_depth_ros.nodes.parts.live_evaluation import LiveEvaluation
from spike_depth_ros.tools.arguments import (
    LAYOUT_OPTIONS,
    Amount,
    CameraOptions,
    RecordingOptions,
    recording_layout,
)

_CONSOLE = Console(stderr=False, markup=False)

SAMPLES = {
    'office': 'a real office, simulated spikes',
    'street': 'a generated street',
    'stereo': 'a generated room, two cameras',
}
"""Shipped streams, and their titles in pictures."""

PLAYER_OPTIONS = (*LAYOUT_OPTIONS, 'camera_info', 'fx')
"""Options that are passed on to the player."""

NODE_WITHIN_S = 30.0
"""Longest wait for the depth node to publish its model, seconds."""

LOOK = 'look.rrd'
"""View of the demo where there is no display."""

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Terminated(BaseException):
    """Request to end the process; not an Exception, so that only ``main`` handles it."""


@contextlib.contextmanager
def _handling(
    *handlers: tuple[signal.Signals, Callable[..., object] | signal.Handlers],
) -> Iterator[None]:
    """Context that sets signal handlers and restores the previous ones."""
    before = [(number, signal.signal(number, handler)) for number, handler in handlers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


@contextlib.contextmanager
def _starting() -> Iterator[None]:
    """Context in which a child is started and noted: a signal that ends the demo comes after it.

    Within ``subprocess.Popen`` it would leave a child that nobody stops.
    """
    came: list[int] = []
    # A signal that is ignored, as by nohup, stays so for the child.
    held = [number for number in _ENDING if callable(signal.getsignal(number))]
    try:
        with _handling(*((number, lambda which, _: came.append(which)) for number in held)):
            yield
    finally:
        for number in came:
            signal.raise_signal(number)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoOptions(CameraOptions, RecordingOptions):
    """Play a spike stream through real ROS 2 processes and draw the depth that comes out.

    Nothing leaves this machine.
    """

    sample: Annotated[str, one_of(*SAMPLES)] = 'office'
    """Stream that ships."""
    stream: Path | None = None
    """.dat, .npy or .npz to play in place of the sample."""
    speed: Amount = 1.0
    """Times real time; below 1 for a machine that cannot keep up."""
    seconds: Amount = 8.0
    """How long to play (looped), s."""
    out: Path = Path('demo_out')
    """Folder for the results."""
    checkpoint: Path | None = None
    """Model file, or the name of a shipped model."""
    view: Path | None = None
    """Look on: spike_view of its environment."""
    device: Literal['auto', 'cpu', 'cuda'] = 'auto'
    """Where the model runs."""
    backend: Literal['auto', 'onnx', 'torch'] = 'auto'
    """What runs the model."""

    @property
    def played(self) -> Path:
        """The file that is played."""
        return self.stream or process.asset(f'{self.sample}.npz')


class Demo:
    """One run of the demo: processes, progress, results.

    Args:
        options: The parsed command line.
    """

    def __init__(self, options: DemoOptions) -> None:
        self._options = options
        self._out: Path = options.out
        check_link(self._out)
        self._out.mkdir(parents=True, exist_ok=True)
        check_results(self._out, RESULTS, is_result)
        self._children: list[subprocess.Popen[bytes]] = []
        self._window = bool(os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY'))

    def run(self, plan: Plan) -> int:
        """Play the stream, write the results and return the exit status."""
        with tempfile.TemporaryDirectory() as scratch, self._viewing() as view:
            report = Path(scratch) / 'player.json'
            with self._evaluation(plan, report) as heard:
                started = time.monotonic()
                try:
                    self._play(plan, report, heard)
                finally:
                    self._stop_children()
                took_s = time.monotonic() - started
            sent = json.loads(report.read_text())
            if view is not None and self._window:
                _CONSOLE.print('close the viewer, or press Ctrl-C, to go on')
                with contextlib.suppress(KeyboardInterrupt):
                    view.wait()
        summary = summarise(plan, heard, sent, took_s)
        scores = heard.live.scores
        _CONSOLE.print('drawing pictures')
        with replace_results(self._out, RESULTS, is_result) as folder:
            (folder / 'summary.json').write_text(json.dumps(summary, indent=2) + '\n')
            drawn = [] if plan.is_pair else [draw_methods(plan, folder)]
            if scores is not None:
                drawn += draw(plan, scores.snapshots, folder, summary['scale'])
        show(_CONSOLE, summary, self._out, [self._out / file.name for file in drawn])
        return 0 if summary['windows_out'] else 1

    @contextlib.contextmanager
    def _viewing(self) -> Iterator[subprocess.Popen[bytes] | None]:
        """Context with the process of ``spike_view``; its end closes the window, or the file."""
        if self._options.view is None:
            yield None
            return
        look = self._out / LOOK
        arguments = [] if self._window else ['--save', str(look), '--overwrite']
        kept = {name: value for name, value in os.environ.items() if name not in process.OF_WHEELS}
        view = None
        try:
            with _starting():
                view = self._open('view', [str(self._options.view), *arguments], kept)
            yield view
        finally:
            if view is not None:
                _stop(view)
        if view.returncode:
            _CONSOLE.print(f'warning: spike_view failed: {self._last_line("view")}')
        elif not self._window:
            _CONSOLE.print(f'to look at it: {self._options.view.with_name("rerun")} {look}')

    @contextlib.contextmanager
    def _evaluation(self, plan: Plan, report: Path) -> Iterator[LiveEvaluation[DemoScores]]:
        """Context in which depth is evaluated; at its end all that came is."""
        # Without rclpy's signal handlers: the children must be stopped before this process ends.
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        heard = None
        try:
            heard = evaluation(plan, PlayerStart(report))
            yield heard
        finally:
            if heard is not None:
                heard.live.finish()
                heard.node.destroy_node()
            rclpy.try_shutdown()

    def _play(self, plan: Plan, report: Path, heard: LiveEvaluation[DemoScores]) -> None:
        options = self._options
        arguments = ['--ros-args', '-p', 'spikes.reliability:=reliable']
        arguments += ['-p', f'device:={options.device}', '-p', f'backend:={options.backend}']
        if options.checkpoint:
            arguments += ['-p', f'checkpoint:={options.checkpoint}']
        name = 'stereo' if plan.is_pair else 'depth'
        node = self._start(name, arguments)
        until = time.monotonic() + NODE_WITHIN_S
        while not heard.depth_node.model:
            self._check(node, name)
            if time.monotonic() > until:
                raise process.UserError(
                    f'the {name} node did not start within {NODE_WITHIN_S:g} s: see '
                    f'{self._out / name}.log'
                )
            rclpy.spin_once(heard.node, timeout_sec=0.1)
        player = self._start('player', self._player_arguments(plan, report))
        self._follow(plan, heard, (node, name), player)
        sent = json.loads(report.read_text())['planes_sent']
        self._settle(heard, sent)

    def _player_arguments(self, plan: Plan, report: Path) -> list[str]:
        options = self._options
        arguments = [str(options.played), '--loop', '--planes', str(plan.planes)]
        arguments += ['--rate', f'{plan.rate_hz:g}', '--speed', f'{plan.speed:g}']
        arguments += ['--report', str(report)]
        if options.size:
            arguments += ['--size', f'{options.size[0]}x{options.size[1]}']
        for name in PLAYER_OPTIONS:
            value = getattr(options, name)
            if value is not None and value is not False:
                arguments += [
                    f'--{name.replace("_", "-")}',
                    *([] if value is True else [str(value)]),
                ]
        return arguments

    def _start(self, name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, '-m', f'spike_depth_ros.nodes.{name}', *arguments]
        with _starting():
            child = self._open(name, command)
            self._children.append(child)
        return child

    def _open(
        self, name: str, command: list[str], environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        with (self._out / f'{name}.log').open('wb') as log:
            return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)

    def _check(self, child: subprocess.Popen[bytes], name: str) -> None:
        if child.poll() is not None and (child.returncode or name != 'player'):
            raise process.UserError(
                f'the {name} process ended with status {child.returncode}: '
                f'{self._last_line(name)} (see {self._out / name}.log)'
            )

    def _last_line(self, name: str) -> str:
        log = (self._out / f'{name}.log').read_text(errors='replace').strip().splitlines()
        return log[-1] if log else 'no output'

    def _follow(
        self,
        plan: Plan,
        heard: LiveEvaluation[DemoScores],
        node: tuple[subprocess.Popen[bytes], str],
        player: subprocess.Popen[bytes],
    ) -> None:
        """Show progress until the player ends."""
        seconds = plan.planes / plan.rate_hz / plan.speed
        columns = (TextColumn('{task.description}'), BarColumn(), TimeRemainingColumn())
        with Progress(*columns, console=_CONSOLE) as progress:
            task = progress.add_task('streaming', total=seconds)
            started = None
            while player.poll() is None:
                self._check(*node)
                rclpy.spin_once(heard.node, timeout_sec=0.1)
                if started is None and heard.arrivals:
                    started = time.monotonic()
                if started is not None:
                    done = len(heard.arrivals)
                    progress.update(
                        task,
                        completed=min(seconds, time.monotonic() - started),
                        description=f'{done} depth images',
                    )
            self._check(player, 'player')
            progress.update(task, completed=seconds)

    def _settle(self, heard: LiveEvaluation[DemoScores], sent: int) -> None:
        """Wait for the diagnostics that count the last plane."""
        until = time.monotonic() + 4.0
        while time.monotonic() < until:
            rclpy.spin_once(heard.node, timeout_sec=0.1)
            if heard.depth_node.stream.accounting().expected >= sent:
                return

    def _stop_children(self) -> None:
        _stop(*self._children)


def _stop(*children: subprocess.Popen[bytes]) -> None:
    # A second Ctrl-C or the terminal's hangup must not leave one of them behind.
    with _handling(*((number, signal.SIG_IGN) for number in _ENDING)):
        for child in children:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
        for child in children:
            try:
                child.wait(timeout=1.5 * CLOSING_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _layout_of(path: Path, recording: Recording) -> str:
    """Check size and bit order of a recording; return one line."""
    if problem := raw_file_problem(path, recording):
        given = problem.rpartition(': try ')[2].split()  # --size 400x250, as make demo takes it
        names = [name.removeprefix('--').replace('-', '_').upper() for name in given[::2]]
        made = ' '.join(map('='.join, zip(names, given[1::2], strict=False)))
        how = f' (make demo ... {made})' if ': try ' in problem else ''
        return f'warning: {problem}{how}'
    geometry = recording.geometry
    fits, _ = check_bit_order(recording)
    text = 'fits the picture' if fits else 'cannot be checked on this picture'
    size = f'{geometry.width}x{geometry.height} pixels'
    return f'{path.name}: {size}; bit order {geometry.bit_order} {text}'


def _plan(options: DemoOptions) -> Plan:
    own, played = options.stream is None, options.played
    try:
        recording = open_recording(played, **recording_layout(options))
        if recording.truth is not None:
            collections.deque(recording.truth.checked(), maxlen=0)
        if not own:
            _CONSOLE.print(_layout_of(played, recording), soft_wrap=True)
        rate = options.rate or recording.rate_hz
        if rate is None:
            raise process.UserError(
                f'{played}: the plane rate is not in the recording; give it, for example '
                '--rate 20000 (make demo ... RATE=20000)'
            )
        planes = max(1, round(rate * options.speed * options.seconds))
        if (length := len(recording.planes)) < planes:
            _CONSOLE.print(
                f'{played.name}: {length} planes, {length / rate:.3g} s, are repeated '
                f'for {options.seconds:g} s: what moves jumps back at each end',
                soft_wrap=True,
            )
        info = load_info(find_checkpoint(options.checkpoint))
    except (RecordingError, ValueError, OSError) as error:
        raise process.UserError(str(error)) from error
    return Plan(
        recording=recording,
        rate_hz=rate,
        planes=planes,
        info=info,
        name=SAMPLES[options.sample] if own else played.name,
        speed=options.speed,
        checkpoint=options.checkpoint,
    )


def main(args: list[str] | None = None) -> int:
    """Run the console script ``spike_demo``; return the exit status."""
    given = sys.argv if args is None else args
    options = cli.options(DemoOptions, 'spike_demo', process.own_arguments(given))
    process.keep_freed_memory()
    variables, warnings = process.dds_environment(
        process.shared_file('config/dds/loopback.xml'), publishers=3
    )
    if not variables and not process.given_profile():
        # Stock transports: nothing leaves this machine by them either.
        variables = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
    os.environ.update(variables)
    os.environ.setdefault('ROS_DOMAIN_ID', str(random.SystemRandom().randint(1, 99)))
    for warning in warnings:
        _CONSOLE.print(f'warning: {warning}', soft_wrap=True)
    requests = None
    try:
        with _handling(*((number, signal.SIG_IGN) for number in _ENDING)):
            raised: dict[int, type[BaseException]] = {signal.SIGTERM: _Terminated}
            requests = EndRequests(raised | {signal.SIGINT: KeyboardInterrupt})
            requests.raise_them()
            return Demo(options).run(_plan(options))
    except (process.UserError, OneLineError, OSError) as error:
        print(f'spike_demo: error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _ended(signal.SIGINT)
    except _Terminated:
        return _ended(signal.SIGTERM)
    except RuntimeError:
        if requests is None or not requests.raised:
            raise
        return _ended(requests.raised)  # rclpy's native code has put its error in place of ours


def _ended(number: int) -> int:
    """Tell that a signal ended the demo; return the exit status."""
    for each in _ENDING:  # another one, while Python closes, would replace this status
        signal.signal(each, signal.SIG_IGN)
    how = 'interrupted' if number == signal.SIGINT else 'spike_demo: ended by a signal'
    print(how, file=sys.stderr)
    return 128 + number


if __name__ == '__main__':
    sys.exit(main())
