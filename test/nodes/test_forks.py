# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Forks that run commands are, to a test, what new processes are."""

import os
import signal
import subprocess
import sys

import pytest

TELL = """
import os, signal, sys
print(__name__, sys.argv[1:], os.environ['TOLD'], os.getcwd(), input(), os.getpid())
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
sys.exit('ended with a text')
"""


def test_a_fork_has_its_own_arguments_environment_files_and_end(processes, tmp_path, monkeypatch):
    monkeypatch.setenv('TOLD', 'here')
    monkeypatch.chdir(tmp_path)
    told = []
    for name, env in (('forked', None), ('new', dict(os.environ))):
        given = {'name': name, 'code': TELL, 'stdin': subprocess.PIPE, 'env': env}
        process = processes.start('any', 1, 'two', **given)
        process.stdin.write(b'a line\n')
        process.stdin.close()
        told.append((process.pid, *processes.finish(name)))
    for pid, status, output in told:
        line = f"__main__ ['1', 'two'] here {tmp_path} a line {pid}"
        assert (status, sorted(output.splitlines())) == (1, [line, 'ended with a text'])
    assert told[0][0] != told[1][0] != os.getpid()


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
def test_a_fork_that_a_signal_ends_has_the_status_of_it(processes, number):
    process = processes.start('any', code='import time; time.sleep(60)')
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.send_signal(number)
    assert processes.finish('any') == (-number, '')


def test_a_module_is_run_as_by_its_name(processes):
    command = [sys.executable, '-m', 'spike_depth_ros.nodes.player', '--help']
    alone = subprocess.run(command, capture_output=True, text=True, check=True)
    assert processes.run('player', '--help') == (0, alone.stdout)
