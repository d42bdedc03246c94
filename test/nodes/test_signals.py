# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two signals in quick succession, to every command that uses ROS."""

import functools
import itertools
import os
import re
import signal
import time

import cv2
import numpy as np
import pytest

from kit.nodes import save_bars
from kit.shared_files import all_files, family, left_of, shared_files, steady_files

pytestmark = [pytest.mark.dds, pytest.mark.usefixtures('shipped_profile')]

SIGNALS = {'int': signal.SIGINT, 'term': signal.SIGTERM}
WHEN = {2: 'start', 10: 'running', 50: 'start', 300: 'running'}
"""Time between the two signals, milliseconds, and the moment of the first one."""

COMMANDS = {
    'depth': [],
    'evaluation': ['--ros-args', '-p', 'out:=OUT'],
    'video_source': [
        *['--ros-args', '-p', 'video:=VIDEO', '-p', 'sensor_width:=64'],
        *['-p', 'sensor_height:=48', '-p', 'rate_hz:=1000.0', '-p', 'wait_s:=0.0'],
    ],
    'camera': ['--ros-args', '-p', 'backend:=file', '-p', 'device:=BARS'],
    'player': ['BARS', '--loop', '--wait', 0],
    'check_stream': ['--duration', 60],
    'recorder': ['/spikes', '--out', 'OUT', '--seconds', 60],
    'inspection': ['diagnostics', '--watch'],
    'demo': ['--seconds', 60, '--out', 'OUT'],
}
"""Module and arguments of each command, which run until they are asked to end."""

FROM_PLAYER = ('check_stream', 'recorder', 'inspection')
"""Commands that need a publisher."""

ENDED_EARLY = {'check_stream': 1, 'recorder': 1, 'evaluation': 1}
"""Status of commands whose result is not complete when they are asked to end before."""


QUICK = {('depth', 'int-int', 50), ('recorder', 'term-int', 2), ('demo', 'int-term', 10)}
CASES = [
    pytest.param(*case, marks=[] if case in QUICK else pytest.mark.long)
    for case in itertools.product(COMMANDS, ('int-term', 'term-int', 'int-int'), WHEN)
]


def arguments_of(command, folder):
    """Arguments of a command, with its files made in a folder."""
    made = {'BARS': folder / 'bars.npz', 'VIDEO': folder / 'video.avi', 'OUT': folder / 'out'}
    save_bars(made['BARS'])
    writer = cv2.VideoWriter(str(made['VIDEO']), cv2.VideoWriter_fourcc(*'MJPG'), 20, (64, 48))
    for _ in range(20):
        writer.write(np.full((48, 64, 3), 90, np.uint8))
    writer.release()
    return [
        re.sub(r'[A-Z]+', lambda m: str(made.get(m[0], m[0])), str(a)) for a in COMMANDS[command]
    ]


def wait_for(condition, what, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.02)


def start(processes, command, folder, domain):
    """Start a command alone in its domain, or with its publisher."""
    environment = os.environ | {'ROS_DOMAIN_ID': domain}
    start_process = functools.partial(processes.start, env=environment)
    arguments = arguments_of(command, folder)
    if command in FROM_PLAYER:
        player = start_process('player', *arguments_of('player', folder), name='publisher')
        wait_for(lambda: shared_files([player.pid]), lambda: processes.log('publisher'))
    return start_process(command, *arguments)


@pytest.mark.parametrize(('command', 'pair', 'delay_ms'), CASES)
def test_a_second_signal_changes_neither_status_nor_what_is_left(
    processes, tmp_path, empty_domain, command, pair, delay_ms
):
    before = all_files()
    process = start(processes, command, tmp_path, empty_domain)
    log = functools.partial(processes.log, command)
    moment = WHEN[delay_ms]
    expected = 3 if command == 'demo' and moment == 'running' else 1
    wait_for(
        lambda: (
            process.poll() is not None
            or (len(family(process.pid)) >= expected and shared_files(family(process.pid)))
        ),
        log,
    )
    if moment == 'running':
        time.sleep(1.0)
    assert process.poll() is None, log()
    files_of = steady_files if moment == 'running' else shared_files  # at once at the start
    own = files_of(family(process.pid)) - before
    first, second = (SIGNALS[name] for name in pair.split('-'))
    process.send_signal(first)
    time.sleep(delay_ms / 1000)
    if process.poll() is None:
        process.send_signal(second)
    status, output = processes.finish(command, 20)
    good = {0, ENDED_EARLY.get(command, 0)}
    if command == 'demo':  # Python handles the lower number first where both are pending
        good = {128 + first, 128 + second}
    assert 'Traceback' not in output, output
    assert status in good, output
    assert not left_of(own)
