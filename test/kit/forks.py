# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Commands in processes of their own that need not import again what all of them import.

Imports take most of the CPU time of a process that lives for seconds. A server imports them once
and has a fork of it run each command, as ``python -m`` would: with its own arguments, environment,
files and signals. It has no threads and nothing of ROS but messages. (Processes of
``multiprocessing``'s forkserver end without ``atexit`` and import pytest's main module first.)
"""

import contextlib
import gc
import importlib
import json
import os
import re
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
from pathlib import Path

NODES = Path(__file__).parents[2] / 'spike_depth_ros' / 'nodes'
NOT_FORKED = ('rclpy', 'spike_depth_ros.nodes', 'onnxruntime', 'rerun')
"""Modules that start threads, which no fork has, and those that import them."""


class Server:
    """A process from which others are forked."""

    def __init__(self):
        self._connection, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(other.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
            )

    def start(self, module, arguments, output, stdin=None, code=None):
        """Run a module, or code in its place.

        Args:
            module: Its full name.
            arguments: Command line without the program.
            output: File of stdout and stderr.
            stdin: File, or ``subprocess.PIPE``; None: that of this process.
            code: Python source.
        """
        request = {
            'module': module, 'arguments': arguments, 'code': code, 'cwd': os.getcwd(),
            'environment': dict(os.environ),
        }  # fmt: skip
        read, status = os.pipe()
        given, ours = 0 if stdin is None else stdin, None
        if stdin == subprocess.PIPE:
            given, end = os.pipe()
            ours = os.fdopen(end, 'wb')
        files = [status, given if isinstance(given, int) else given.fileno(), output.fileno()]
        socket.send_fds(self._connection, [json.dumps(request).encode()], files)
        os.close(status)
        if ours:
            os.close(given)
        return Fork(int(self._connection.recv(100)), read, ours)

    def close(self):
        self._connection.close()
        self._process.wait()


class Fork:
    """What is needed of ``subprocess.Popen``."""

    def __init__(self, pid, status, stdin):
        self.pid, self.stdin, self.returncode = pid, stdin, None
        self._status = status

    def poll(self):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout=None):
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            self.returncode = int(os.read(self._status, 100))
            os.close(self._status)
            if self.stdin:
                with contextlib.suppress(BrokenPipeError):
                    self.stdin.close()
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def _serve(connection):
    """Fork a process for each request; return in it, with what it has to run."""
    selector = selectors.DefaultSelector()
    selector.register(connection, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is not connection:
                child, status = key.data
                _, ended = os.waitpid(child, 0)
                selector.unregister(key.fileobj)
                os.close(key.fileobj)
                with contextlib.suppress(BrokenPipeError):
                    os.write(status, str(os.waitstatus_to_exitcode(ended)).encode())
                os.close(status)
                continue
            request, files, _, _ = socket.recv_fds(connection, 1 << 20, 3)
            if not request:
                os._exit(0)
            child = os.fork()
            if child == 0:
                for other in selector.get_map().values():
                    if other.data:
                        os.close(other.fileobj)
                        os.close(other.data[1])
                selector.close()
                connection.close()
                return json.loads(request), files
            for file in files[1:]:
                os.close(file)
            selector.register(os.pidfd_open(child), selectors.EVENT_READ, (child, files[0]))
            connection.send(str(child).encode())


def _become(request, files):
    """Make this process one that was just started."""
    status, stdin, output = files
    os.close(status)
    for file, place in ((stdin, 0), (output, 1), (output, 2)):
        os.dup2(file, place)
    os.close(stdin)
    os.close(output)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request['cwd'])
    os.environ.clear()
    os.environ.update(request['environment'])
    sys.argv = ['-c' if request['code'] else request['module'], *request['arguments']]


def _import_all():
    """Import what the nodes import, but what starts threads."""
    names = {'cv2'}
    for file in NODES.rglob('*.py'):
        names.update(re.findall(r'^(?:from|import) ([\w.]+)', file.read_text(), re.MULTILINE))
    for name in sorted(names):
        if not name.startswith(NOT_FORKED):
            with contextlib.suppress(ImportError):  # of what is not installed here
                importlib.import_module(name)
    assert len(os.listdir('/proc/self/task')) == 1


if __name__ == '__main__':
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, for the tests
    sys.path.pop(0)  # the folder of this file
    _import_all()
    gc.freeze()  # a fork that ends would otherwise visit, and thereby copy, all of it
    REQUEST, FILES = _serve(socket.socket(fileno=int(sys.argv[1])))
    _become(REQUEST, FILES)
    if REQUEST['code'] is None:
        runpy.run_module(REQUEST['module'], run_name='__main__', alter_sys=True)
    else:
        exec(compile(REQUEST['code'], '<string>', 'exec'), {'__name__': '__main__'})
