# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Real processes over a real DDS on the loopback interface."""

import contextlib
import functools
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kit.forks import Server

ROOT = Path(__file__).parents[2]
os.environ.pop('ROS_AUTOMATIC_DISCOVERY_RANGE', None)
# Before what is there: a sourced ROS brings rclpy this way.
_FROM_ROS = os.environ.get('PYTHONPATH')
os.environ['PYTHONPATH'] = f'{ROOT}{os.pathsep}{_FROM_ROS}' if _FROM_ROS else str(ROOT)

PROFILE = ROOT / 'config/dds/loopback.xml'

QUICK = {
    # Fast DDS writes to all of a segment when it makes it: 256 MB take half a second.
    '<segment_size>268435456</segment_size>': '<segment_size>33554432</segment_size>',
    # With heartbeats every three seconds a lost acknowledgement costs as much.
    '  </profiles>\n': """
    <data_writer profile_name="heartbeats" is_default_profile="true">
      <times><heartbeatPeriod><sec>0</sec><nanosec>100000000</nanosec></heartbeatPeriod></times>
    </data_writer>
  </profiles>
""",
}
"""Changes to the profile that make small streams quick."""

STATUSES = """
from spike_depth_ros.nodes.parts import diagnostics
diagnostics.PERIOD_S = 0.2
"""
"""Statuses five times a second, for which most tests wait."""

PICTURES = """
from PIL import Image
save = Image.Image.save
def quick(image, *given, optimize=False, **options):
    save(image, *given, **options, **({'compress_level': 1} if optimize else {}))
Image.Image.save = quick
"""
"""Pictures that are compressed little: to make them as small as can be takes ten times as long."""

QUICKER = {
    **dict.fromkeys(('camera', 'depth', 'evaluation', 'stereo', 'video_source'), STATUSES),
    'demo': PICTURES,
}
"""What runs before commands."""

RUN = """
import runpy, sys
runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)
"""

IN_THIS_PROCESS = 'in_this_process'
"""Name for a lifecycle node in this process, in which rclpy keeps its services."""


@pytest.fixture(scope='session', autouse=True)
def dds_profile(tmp_path_factory):
    """Let this process and those that it starts talk on the loopback interface alone."""
    text = PROFILE.read_text()
    for shipped, quick in QUICK.items():
        assert text.count(shipped) == 1
        text = text.replace(shipped, quick)
    path = tmp_path_factory.mktemp('dds') / PROFILE.name
    path.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('FASTRTPS_DEFAULT_PROFILES_FILE', str(path))
        yield


@pytest.fixture(scope='session')
def forks(dds_profile):
    """The process whose forks are our commands."""
    server = Server()
    yield server
    server.close()


@pytest.fixture
def shipped_profile(monkeypatch):
    """Start processes with the profile that is shipped."""
    monkeypatch.setenv('FASTRTPS_DEFAULT_PROFILES_FILE', str(PROFILE))


def interruptible():
    """Handle SIGINT, which a shell ignores for what runs in its background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Processes:
    """Starts our commands; in the end each must still have run or have ended well."""

    def __init__(self, logs, forks):
        self.log_folder, self._forks = logs, forks
        self._running, self._started = {}, {}

    def start(self, command, *arguments, name=None, code=None, stdin=None, env=None):
        """Start a command, or the code in its place.

        Args:
            command: Its name.
            arguments: Its command line.
            name: Name of the process here.
            code: Python source.
            stdin: As for ``subprocess.Popen``.
            env: As there: the process is that of a new interpreter; None: a fork.
        """
        name, module = name or command, f'spike_depth_ros.nodes.{command}'
        arguments = [*map(str, arguments)]
        if code is None and command in QUICKER:
            code, arguments = QUICKER[command] + RUN, [module, *arguments]
        with (self.log_folder / f'{name}.log').open('wb') as log:
            if env is None:
                process = self._forks.start(module, arguments, log, stdin, code)
            else:
                what = ['-m', module] if code is None else ['-c', code]
                process = subprocess.Popen(
                    [sys.executable, *what, *arguments], stdin=stdin, stdout=log,
                    stderr=subprocess.STDOUT, env=env, preexec_fn=interruptible,
                )  # fmt: skip
        self._running[name] = self._started[name] = process
        return process

    def resident_mb(self, name):
        """Resident memory of a running command, MB."""
        status = Path(f'/proc/{self._running[name].pid}/status').read_text()
        return int(re.search(r'VmRSS:\s+(\d+) kB', status)[1]) / 1000

    @contextlib.contextmanager
    def paused(self, name):
        """Stop a running command for a while."""
        self._running[name].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._running[name].send_signal(signal.SIGCONT)

    def log(self, name):
        return (self.log_folder / f'{name}.log').read_text()

    def told(self):
        """Name and status of each process, and the end of its log."""
        for name, process in self._started.items():
            yield f'{name}, status {process.poll()}', self.log(name)[-4000:]

    def run(self, command, *arguments, timeout=60, **options):
        """Run to the end; (status, output)."""
        self.start(command, *arguments, **options)
        return self.finish(options.get('name') or command, timeout)

    def finish(self, name, timeout=60):
        """Wait for the end; (status, output)."""
        self._running[name].wait(timeout)
        return self._running.pop(name).returncode, self.log(name)

    def stop(self, name, number=signal.SIGINT, status=0):
        process = self._running[name]  # kept until it has ended: a failure kills the rest
        if process.poll() is None:
            process.send_signal(number)
        ended = process.wait(30)
        assert ended == status, f'{name} ended with {process.returncode}: {self.log(name)}'
        del self._running[name]

    def stop_all(self):
        for name in list(self._running):
            self.stop(name)

    def kill_all(self):
        for process in self._running.values():
            process.kill()
            process.wait()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Add what the processes of a failed test said, and their statuses, to its report."""
    report = (yield).get_result()
    if report.failed and 'processes' in item.funcargs:
        report.sections += item.funcargs['processes'].told()


@pytest.fixture
def processes(tmp_path, forks):
    started = Processes(tmp_path, forks)
    try:
        yield started
        started.stop_all()
    finally:
        started.kill_all()


@pytest.fixture
def empty_domain():
    """A ROS domain, outside those that test runs choose from, of this test run alone."""
    return str(100 + int(os.environ['ROS_DOMAIN_ID']))


class SharedRos:
    """ROS for several tests: a DDS participant, held by a hidden node, costs half a second."""

    def start(self):
        import rclpy

        # An ended process must not be taken for one of the next test.
        end = time.monotonic() + 2
        while rclpy.ok() and self._others():
            if time.monotonic() > end:  # one that was killed
                self.end()
            time.sleep(0.01)
        if not rclpy.ok():
            rclpy.init()
            self._holder = rclpy.create_node(
                '_holder', start_parameter_services=False, enable_rosout=False
            )

    def _others(self):
        return set(self._holder.get_node_names()) - {'_holder', IN_THIS_PROCESS}

    def end(self):
        import rclpy

        if rclpy.ok():
            self._holder.destroy_node()
            rclpy.shutdown()


@pytest.fixture(scope='module')
def ros():
    shared = SharedRos()
    yield shared
    shared.end()


@pytest.fixture
def run_here(ros, monkeypatch, capfd):
    """Run one of our commands in this process; its status and its output."""
    from spike_depth_ros.nodes.parts.internal_errors import INTERNAL_ERRORS

    def run(command, *arguments):
        ros.end()
        main = importlib.import_module(f'spike_depth_ros.nodes.{command}').main
        handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        monkeypatch.setattr(INTERNAL_ERRORS, 'log', INTERNAL_ERRORS.log)
        monkeypatch.setattr(threading, 'excepthook', threading.excepthook)
        capfd.readouterr()
        try:
            status = main([command, *map(str, arguments)])
        except SystemExit as ended:  # the process would print a text, and end with 1
            status = ended.code if isinstance(ended.code, int) else print(ended.code) or 1
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return status, ''.join(capfd.readouterr())

    return run


@pytest.fixture
def ros_node(ros):
    import rclpy

    ros.start()
    node = rclpy.create_node('test')
    yield node
    node.destroy_node()


@pytest.fixture
def spin(ros_node):
    """Handle callbacks until a condition holds; fails after a while."""
    import rclpy

    def until(condition, timeout=60.0, what='the condition'):
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, f'{what} did not come true in {timeout} s'
            rclpy.spin_once(ros_node, timeout_sec=0.05)

    return until


@pytest.fixture
def play(processes, spin):
    """Play to the end while the test's own node goes on; the player's report."""

    def run(*arguments, status=0):
        report = processes.log_folder / 'report.json'
        player = processes.start('player', *arguments, '--report', report)
        spin(lambda: player.poll() is not None, what='the end of the player')
        ended, output = processes.finish('player')
        assert ended == status, output
        return json.loads(report.read_text())

    return run


@pytest.fixture
def depth_parameters():
    """Arguments of a depth node from keyword parameters."""

    def arguments(**values):
        named = {name.replace('__', '.'): value for name, value in values.items()}
        pairs = [part for key, value in named.items() for part in ('-p', f'{key}:={value}')]
        return ['--ros-args', *pairs]

    return arguments


SAID_BY_ROS = {
    r'\[\d+\.\d+\]': '[time]',
    r'^\S+: error:': '<command>: error:',
    r'(Trying to set|Invalid) parameter .*': '<why, of rclpy>',
}
"""What differs from run to run, and from one ROS to another, in what a command says."""


@pytest.fixture
def refused_here(refusals, run_here, depth_parameters):
    """Compare what a command, run in this process, says to bad arguments with test/errors."""

    def check(door, command, rows, status=1, replace=None):
        """A row is the word to be named, arguments, and parameters, of which the node's name."""

        def told(arguments, values):
            given = [*map(str, arguments), *(depth_parameters(**values) if values else ())]
            if values:  # rclpy keeps the services of a lifecycle node in this process
                given += ['-r', f'__node:={IN_THIS_PROCESS}']
            ended, output = run_here(command, *given)
            assert ended == status, output
            assert 'Traceback' not in output
            last = output.strip().splitlines()[-1:]  # behind its usage, or what it found so far
            return last[0] if re.match(r'\S+: error:', *last) else output.strip()

        calls = {
            name: (named, functools.partial(told, arguments, values))
            for name, (named, arguments, values) in rows.items()
        }
        refusals(door, calls, None, SAID_BY_ROS | (replace or {}))

    return check


@pytest.fixture
def listener(ros_node):
    from kit.nodes import Listener

    return Listener(ros_node)


@pytest.fixture
def depth_node(processes, depth_parameters, listener, spin):
    """Start a depth node and wait until it is there."""

    def start(**values):
        values = {'spikes__reliability': 'reliable', **values}
        processes.start('depth', *depth_parameters(**values))
        spin(lambda: 'stream' in listener.status, what='the first diagnostics')

    return start
