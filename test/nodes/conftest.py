# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Real processes over a real DDS on the loopback interface."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
os.environ['FASTRTPS_DEFAULT_PROFILES_FILE'] = str(ROOT / 'config/dds/loopback.xml')
os.environ.pop('ROS_AUTOMATIC_DISCOVERY_RANGE', None)
# Before what is there: a sourced ROS brings rclpy this way.
_FROM_ROS = os.environ.get('PYTHONPATH')
os.environ['PYTHONPATH'] = f'{ROOT}{os.pathsep}{_FROM_ROS}' if _FROM_ROS else str(ROOT)

SIZE = (64, 48)  # small enough to be fast, large enough for the network


class Processes:
    """Starts our commands; in the end each must still have run or have ended well."""

    def __init__(self, logs):
        self.log_folder = logs
        self._running = {}

    def start(self, command, *arguments, name=None, **options):
        name = name or command
        with (self.log_folder / f'{name}.log').open('wb') as log:
            process = subprocess.Popen(
                [sys.executable, '-m', f'spike_depth_ros.nodes.{command}', *map(str, arguments)],
                stdout=log,
                stderr=subprocess.STDOUT,
                **options,
            )
        self._running[name] = process
        return process

    def log(self, name):
        return (self.log_folder / f'{name}.log').read_text()

    def run(self, command, *arguments, timeout=60, **options):
        """Run to the end; (status, output)."""
        self.start(command, *arguments, **options)
        return self.finish(options.get('name') or command, timeout)

    def finish(self, name, timeout=60):
        """Wait for the end; (status, output)."""
        self._running[name].wait(timeout)
        return self._running.pop(name).returncode, self.log(name)

    def stop(self, name, number=signal.SIGINT):
        process = self._running[name]  # kept until it has ended: a failure kills the rest
        if process.poll() is None:
            process.send_signal(number)
        assert process.wait(30) == 0, f'{name} ended with {process.returncode}: {self.log(name)}'
        del self._running[name]

    def stop_all(self):
        for name in list(self._running):
            self.stop(name)

    def kill_all(self):
        for process in self._running.values():
            process.kill()
            process.wait()


@pytest.fixture
def processes(tmp_path):
    started = Processes(tmp_path)
    try:
        yield started
        started.stop_all()
    finally:
        started.kill_all()


@pytest.fixture
def ros_node():
    import rclpy

    rclpy.init()
    node = rclpy.create_node('test')
    yield node
    node.destroy_node()
    rclpy.try_shutdown()


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
def depth_parameters():
    """Arguments of a depth node from keyword parameters."""

    def arguments(**values):
        named = {name.replace('__', '.'): value for name, value in values.items()}
        pairs = [part for key, value in named.items() for part in ('-p', f'{key}:={value}')]
        return ['--ros-args', *pairs]

    return arguments


@pytest.fixture
def listener(ros_node):
    from depth_node import Listener

    return Listener(ros_node)


@pytest.fixture
def depth_node(processes, depth_parameters, listener, spin):
    """Start a depth node and wait until it is there."""

    def start(**values):
        values = {'spikes__reliability': 'reliable', **values}
        processes.start('depth', *depth_parameters(**values))
        spin(lambda: 'stream' in listener.status, what='the first diagnostics')

    return start
