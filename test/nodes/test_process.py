# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import os
import re
import signal
import subprocess
import sys
import threading
import types
from pathlib import Path

import pytest

from spike_depth_ros.nodes.parts import process

PROFILE = process.shared_file('config/dds/shared_memory.xml')


@pytest.fixture
def no_profile(monkeypatch):
    monkeypatch.delenv('FASTRTPS_DEFAULT_PROFILES_FILE', raising=False)
    monkeypatch.delenv('FASTDDS_DEFAULT_PROFILES_FILE', raising=False)


@pytest.mark.usefixtures('no_profile')
def test_the_profile_is_used_where_shared_memory_is_large_enough(tmp_path):
    variables, warnings = process.dds_environment(PROFILE, publishers=0, folder=tmp_path)
    assert variables == {'FASTRTPS_DEFAULT_PROFILES_FILE': str(PROFILE)}
    assert warnings == []


@pytest.mark.usefixtures('no_profile')
@pytest.mark.parametrize('name', ['.', 'absent'])
def test_too_little_shared_memory_falls_back_with_a_warning(tmp_path, name):
    variables, warnings = process.dds_environment(PROFILE, 10**9, folder=tmp_path / name)
    assert variables == {}  # the node goes on seeing other hosts
    assert 'stock DDS transports are used' in warnings[0]


def test_a_profile_of_the_user_is_left_alone(monkeypatch, tmp_path):
    monkeypatch.setenv('FASTRTPS_DEFAULT_PROFILES_FILE', 'mine.xml')
    assert process.dds_environment(PROFILE, 2, folder=tmp_path) == ({}, [])


def memory_table(tmp_path, kilobytes):
    path = tmp_path / 'meminfo'
    path.write_text(f'MemTotal: 99999999 kB\nMemAvailable: {kilobytes} kB\n')
    return path


def test_a_queue_is_as_long_as_was_asked_for_where_there_is_room(tmp_path):
    roomy = memory_table(tmp_path, 64_000_000)
    assert process.queue_depth(40, tmp_path, roomy) == (40, '')


def test_a_queue_takes_a_quarter_of_the_memory_at_most(tmp_path):
    depth, warning = process.queue_depth(512, tmp_path, memory_table(tmp_path, 200_000))
    assert depth == 200_000 * 1024 // 4 // 500_000
    assert f'holds {depth} packets instead of 512: 205 MB of memory' in warning
    assert process.queue_depth(512, tmp_path, memory_table(tmp_path, 0))[0] == 16


def test_a_queue_is_no_longer_than_shared_memory(tmp_path, monkeypatch):
    small = types.SimpleNamespace(f_blocks=16_384, f_frsize=4096)  # docker's 64 MB
    monkeypatch.setattr(process.os, 'statvfs', lambda folder: small)
    depth, warning = process.queue_depth(512, tmp_path, memory_table(tmp_path, 64_000_000))
    assert depth == 16_384 * 4096 // 500_000
    assert f'holds {depth} packets instead of 512: {tmp_path} holds 67 MB' in warning


def test_a_machine_without_such_tables_gets_the_queue(tmp_path):
    assert process.queue_depth(512, tmp_path / 'absent', tmp_path / 'absent') == (512, '')


def niceness():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_work_at_lower_priority_leaves_this_thread_as_it_is():
    here = niceness()
    inherited = []

    def work():
        child = threading.Thread(target=lambda: inherited.append(niceness()))
        child.start()
        child.join()
        return niceness()

    assert process.at_lower_priority(work, pytest.fail) == here + process.LOWER_PRIORITY
    assert inherited == [here + process.LOWER_PRIORITY]
    assert niceness() == here
    with pytest.raises(KeyError):
        process.at_lower_priority(lambda: {}['absent'], pytest.fail)


def test_a_priority_that_is_not_permitted_is_reported_and_work_goes_on(monkeypatch):
    def refuse(*_):
        raise PermissionError(1, 'Operation not permitted')

    monkeypatch.setattr(process.os, 'setpriority', refuse)
    texts = []
    assert process.at_lower_priority(lambda: 3, texts.append) == 3
    assert len(texts) == 1
    assert 'has the priority of ingest (Operation not permitted)' in texts[0]


@pytest.mark.dds
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_way_out_leaves_no_shared_memory_behind(number, empty_domain):
    command = [sys.executable, '-m', 'spike_depth_ros.nodes.depth']
    # Alone in its domain: it maps the segments of those that it meets, too.
    alone = os.environ | {'ROS_DOMAIN_ID': empty_domain}
    before = {str(path) for path in Path('/dev/shm').iterdir()}
    node = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=alone)
    assert 'on cpu by onnx' in node.stderr.readline()  # it runs
    maps = Path(f'/proc/{node.pid}/maps').read_text()
    segments = set(re.findall(r'/dev/shm/fastrtps_(?!port)\w+', maps)) - before
    assert segments
    node.send_signal(number)
    assert node.wait(30) == 0, node.stderr.read()
    node.stderr.close()
    assert not [segment for segment in segments if Path(segment).exists()]


def test_a_file_that_is_not_installed_is_named():
    with pytest.raises(FileNotFoundError, match=r'config/absent.xml is in none of .* install'):
        process.shared_file('config/absent.xml')


ENDED_BY_A_SIGNAL = """
import os, signal, sys
from rclpy.signals import SignalHandlerOptions, install_signal_handlers
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.graph import Graph

def threads():
    return set(os.listdir('/proc/self/task'))

before = threads()
install_signal_handlers(SignalHandlerOptions.NO)  # starts the thread of rclpy's signals
(handling,) = threads() - before

class Closing(Graph):
    def close(self):
        print(handling in threads())
        signal.raise_signal(int(sys.argv[1]))  # a second one
        super().close()

def work(node):
    assert handling in threads()
    signal.raise_signal(int(sys.argv[1]))
    node.spin_for(60)
    return 3

sys.exit(process.run(Closing, ['ended'], work))
"""


@pytest.mark.dds
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_rclpy_has_handled_a_signal_before_its_executors_are_freed(processes, number):
    assert processes.run('ended', int(number), code=ENDED_BY_A_SIGNAL) == (0, 'False\n')


ASKED_TWICE = """
import signal, sys
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.graph import Graph

def work(node):
    try:
        signal.raise_signal(int(sys.argv[1]))
        node.spin_for(60)
    finally:
        signal.raise_signal(int(sys.argv[2]))
        sum(range(100_000))
        print('cleaned up')

sys.exit(process.run(Graph, ['asked'], work))
"""


@pytest.mark.dds
@pytest.mark.parametrize('first', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('second', [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_does_not_interrupt_the_clean_up_after_the_first(processes, first, second):
    ended = processes.run('asked', int(first), int(second), code=ASKED_TWICE)
    assert ended == (0, 'cleaned up\n')


INTERRUPTED_IN_NATIVE_CODE = """
import signal, sys
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.graph import Graph

def work(node):
    try:
        signal.raise_signal(signal.SIGINT)
        node.spin_for(60)
    except KeyboardInterrupt:
        raise TypeError('cannot convert')

sys.exit(process.run(Graph, ['interrupted'], work))
"""


@pytest.mark.dds
def test_an_interrupt_that_native_code_turned_into_an_error_ends_well(processes):
    assert processes.run('interrupted', code=INTERRUPTED_IN_NATIVE_CODE) == (0, '')


INTERRUPTED_IN_A_CALLBACK = """
import signal, sys, threading
from rclpy.node import Node
from spike_depth_ros.nodes.parts import process

class Locking(Node):
    def __init__(self):
        super().__init__('locking')
        self.lock = threading.Lock()
        self.create_timer(0.01, self.on_timer)

    def on_timer(self):
        self.lock.acquire()
        signal.raise_signal(signal.SIGINT)
        sum(range(100_000))
        self.lock.release()

    def close(self):
        print(self.lock.acquire(timeout=5))

sys.exit(process.run(Locking, ['locking']))
"""


@pytest.mark.dds
def test_an_interrupt_leaves_no_lock_of_a_callback_taken(processes):
    assert processes.run('locking', code=INTERRUPTED_IN_A_CALLBACK) == (0, 'True\n')


HANGS = """
import ctypes, re, signal, sys, threading
from pathlib import Path
from spike_depth_ros.nodes.parts import ending, process
from spike_depth_ros.nodes.parts.graph import Graph

ending.CLOSING_S = 0.5

class Hanging(Graph):
    def close(self):
        segments = r'/dev/shm/(fastrtps_(?!port)\\w+)'
        print(*set(re.findall(segments, Path('/proc/self/maps').read_text())), flush=True)
        if sys.argv[1] == 'native':
            ctypes.PyDLL(None).sleep(60)  # with the interpreter's lock
        threading.Event().wait()

sys.exit(process.run(Hanging, ['hangs'], lambda node: signal.raise_signal(signal.SIGTERM)))
"""


@pytest.mark.dds
def test_a_close_that_hangs_ends_with_one_line_and_without_shared_memory(processes, empty_domain):
    alone = os.environ | {'ROS_DOMAIN_ID': empty_domain}
    status, output = processes.run('hangs', 'python', code=HANGS, env=alone)
    segments, *lines = output.splitlines()
    assert status == 1
    assert segments
    assert not [name for name in segments.split() if Path('/dev/shm', name).exists()]
    assert len(lines) == 1
    assert 'closing took more than 0.5 s and was given up in ' in lines[0]
    assert '(close)' in lines[0] or '(wait)' in lines[0]


@pytest.mark.dds
def test_a_native_close_that_hangs_is_ended_too(processes):
    assert processes.run('hangs', 'native', code=HANGS)[0] == -signal.SIGALRM
