# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a view is shown: in a window of Rerun's viewer, in a browser, or in a file for later.

The viewer is Rerun's command, as its SDK's own servers listen on all networks; it listens on the
loopback alone, keeps a bounded amount of data, and sends no usage statistics.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import rerun_cli

from spike_depth_ros.base.errors import OneLineError, one_line
from spike_depth_ros.base.results import UnfinishedFolder, check_new_file, place_result
from spike_depth_ros.tools.view.command import ViewOptions
from spike_depth_ros.tools.view.frame import ViewFrame
from spike_depth_ros.tools.view.rerun_log import RerunLog

LOOPBACK = '127.0.0.1'

NICENESS = 19
"""Niceness of views and viewers: depth nodes come first."""

RERUN = Path(rerun_cli.__file__).with_name('rerun')
"""Rerun's command, wherever the path leads."""

VIEWER_MEMORY = '1GB'
"""Data that the viewer, or the server of a browser, keeps; the oldest are dropped."""

SPARE_BYTES = 100_000_000
"""Free space that a file leaves on its disk, bytes."""

READY_S = 20.0
"""Longest wait for the viewer to listen, seconds."""

WRITES_S = 20.0
"""Longest wait for a frame, or the end of a file, to be written, seconds."""

TAKES_S = 1.0
"""Longest wait for the viewer to take a frame, seconds."""

_END, _AFTER_END = b'RRF2FOOT', 4
"""Last bytes of a whole .rrd file, and the number of bytes after them."""

_POLL_S = 0.1
_KILL_S = 3.0
_PR_SET_PDEATHSIG = 1


class ViewError(OneLineError):
    """Error of a view that cannot be shown; the message has reason and remedy."""


class View(Protocol):
    """Where frames are shown."""

    def add(self, frame: ViewFrame) -> None:
        """Show a frame."""

    def is_over(self) -> bool:
        """Return True if no more frames are taken."""

    def stay(self) -> None:
        """Wait until the user has seen enough, after the last frame."""


@contextlib.contextmanager
def open_view(options: ViewOptions) -> Iterator[View]:
    """Context of a view: its end closes the viewer, or completes the file.

    Args:
        options: ``save``, ``overwrite``, ``max_gb``, ``web``, ``port``.

    Raises:
        ViewError: It cannot be shown.
        OSError: The file cannot be written.
    """
    os.nice(max(0, NICENESS - os.nice(0)))
    if options.save is not None:
        if options.web:
            raise ViewError('--web and --save: give one of them')
        view: _FileView | _ViewerView = _FileView(options.save, options.overwrite, options.max_gb)
    else:
        view = _ViewerView(options.port if options.web else None)
    try:
        yield view
    finally:
        view.close()


class _FileView:
    """View that is written to a file, which takes its name when it is complete."""

    def __init__(self, path: Path, overwrite: bool, max_gb: float) -> None:
        self._over = self._failed = False
        self._path, self._overwrite, self._max_bytes = path, overwrite, 1e9 * max_gb
        if path.suffix != '.rrd':
            raise ViewError(f'--save {path}: expected a name that ends with .rrd')
        if not path.parent.is_dir():
            raise ViewError(f'--save {path}: no folder {path.parent}: make it first')
        check_new_file(path, overwrite, '--save')
        self._folder = UnfinishedFolder(path.parent)
        self._unfinished = Path(self._folder.name) / path.name
        self._log = RerunLog()
        if not self._log.save(self._unfinished, WRITES_S):
            self._log.abandon()
            self._folder.cleanup()
            raise self._not_written()
        self._log.start()

    def add(self, frame: ViewFrame) -> None:
        """Write a frame.

        Raises:
            ViewError: The disk is full; unless a frame could not be written whole, the file has
                the frames before.
        """
        if shutil.disk_usage(self._unfinished.parent).free < SPARE_BYTES:
            raise ViewError(
                f'--save {self._path}: less than {SPARE_BYTES / 1e6:g} MB are free there: the '
                f'file ends after {self._log.frames} frames'
            )
        self._log.add(frame)
        try:
            self._log.stream.flush(timeout_sec=WRITES_S)
        except (RuntimeError, TimeoutError):  # Rerun tells no reason
            self._failed = True
            raise self._not_written() from None
        if self._unfinished.stat().st_size > self._max_bytes:
            self._over = True
            limit = f'{self._max_bytes / 1e9:g} GB, the limit (--max-gb)'
            print(f'{self._path} has {limit}', file=sys.stderr)

    def is_over(self) -> bool:
        """Return True if the file has its largest size."""
        return self._over

    def stay(self) -> None:
        """Do nothing: the file is looked at later."""

    def close(self) -> None:
        """Complete the file, or remove it if it has no frame or is not whole.

        Raises:
            ViewError: Its end cannot be written.
            OSError: It cannot be put in its place.
        """
        frames = self._log.frames
        with self._folder:
            if self._failed:  # which is told
                self._log.abandon()
                return
            if not self._log.end(WRITES_S) or not _is_whole(self._unfinished):
                self._log.abandon()
                raise self._not_written()
            if not frames:
                print(f'{self._path}: nothing to show, not written', file=sys.stderr)
                return
            placed = place_result(self._unfinished, self._path, self._overwrite)
        megabytes = placed.stat().st_size / 1e6
        script = Path(sys.executable).with_name('rerun')  # a shorter path, in an environment
        # Without --bind it listens to the whole network.
        look = shlex.join(
            [str(script if script.exists() else RERUN), '--bind', LOOPBACK, str(placed)]
        )
        print(f'{placed}: {frames} frames, {megabytes:.1f} MB; to look at it: {look}')

    def _not_written(self) -> ViewError:
        free = shutil.disk_usage(self._path.parent).free
        kept = 'stays as it was' if self._path.exists() else 'is not made'
        return ViewError(
            f'--save {self._path}: cannot be written whole (a full disk, or a limit on files; '
            f'{free / 1e6:.0f} MB are free): free space, or save elsewhere; {self._path.name} '
            f'{kept}'
        )


def _is_whole(path: Path) -> bool:
    """Return True if a file ends as Rerun ends one; of a failed write only its log tells."""
    with path.open('rb') as file:
        file.seek(max(0, path.stat().st_size - len(_END) - _AFTER_END))
        return file.read().startswith(_END)


class _ViewerView:
    """View in Rerun's viewer: a window, or a server of pages for a browser.

    Args:
        port: Port of the page; None: a window.
    """

    def __init__(self, port: int | None) -> None:
        self._skipped = 0
        display = os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')
        if port is None and not display:
            raise ViewError(
                'no display for a window: add --web for a browser, or --save look.rrd for a file'
            )
        data_port = _free_port() if port is None else port + 1
        arguments = ['--bind', LOOPBACK, '--port', str(data_port)]
        if port is None:
            arguments += ['--memory-limit', VIEWER_MEMORY, '--expect-data-soon']
            arguments += ['--hide-welcome-screen']
        else:
            _check_free(port)
            _check_free(data_port)
            arguments += ['--serve-web', '--web-viewer-port', str(port)]
            arguments += ['--server-memory-limit', VIEWER_MEMORY]
        self._viewer = _Viewer(arguments)
        self._log: RerunLog | None = None
        try:
            self._viewer.wait_for(data_port)
            url = f'rerun+http://{LOOPBACK}:{data_port}/proxy'
            self._log = RerunLog()
            self._log.stream.connect_grpc(url)
            self._log.start()
        except BaseException:
            self.close()
            raise
        if port is not None:
            quoted = urllib.parse.quote(url, safe='')
            print(f'look at http://{LOOPBACK}:{port}/?url={quoted}', flush=True)
            print(
                f'from another machine, first there: ssh -L {port}:{LOOPBACK}:{port} -L '
                f'{data_port}:{LOOPBACK}:{data_port} {socket.gethostname()}',
                flush=True,
            )

    def add(self, frame: ViewFrame) -> None:
        """Show a frame, unless the viewer is still busy with the one before."""
        if self.is_over():
            return
        assert self._log is not None
        try:
            # To log more than it takes would wait without end.
            self._log.stream.flush(timeout_sec=TAKES_S)
        except (RuntimeError, TimeoutError):
            self._skipped += 1
            if self._skipped == 1:
                print('warning: the viewer does not answer: frames are left out', file=sys.stderr)
            return
        self._log.add(frame)

    def stay(self) -> None:
        """Wait for the end of the viewer, or for an interrupt."""
        print('all is shown: close the window, or press Ctrl-C', file=sys.stderr)
        while not self.is_over():
            time.sleep(_POLL_S)

    def is_over(self) -> bool:
        """Return True if the viewer was closed.

        Raises:
            ViewError: It failed.
        """
        status = self._viewer.process.poll()
        if status:
            raise self._viewer.failure()
        return status is not None

    def close(self) -> None:
        """End the viewer."""
        self._viewer.close()  # first: the stream cannot wait for one that does not answer
        if self._log is not None:
            self._log.stream.disconnect()
        if self._skipped:
            print(f'{self._skipped} frames were left out', file=sys.stderr)


class _Viewer:
    """Process of Rerun's command, with a folder of its own for its settings.

    Args:
        arguments: Its arguments.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._home = tempfile.TemporaryDirectory(prefix='spike_view_')
        home = Path(self._home.name)
        variables = {'XDG_CONFIG_HOME': str(home / 'config'), 'XDG_DATA_HOME': str(home / 'data')}
        environment = os.environ | variables | {'RUST_LOG': 'error'}
        self._output = (home / 'output.txt').open('w+b')
        prctl = ctypes.CDLL(None).prctl

        def end_with_parent() -> None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

        try:
            subprocess.run(
                [RERUN, 'analytics', 'disable'],
                env=environment,
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self.process = subprocess.Popen(
                [RERUN, *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for this process, which ends the viewer
                preexec_fn=end_with_parent,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            self._clean_up()
            raise ViewError(
                f"Rerun's command does not start: {one_line(error)}: make view-environment"
            ) from None

    def wait_for(self, port: int) -> None:
        """Wait until the viewer listens.

        Raises:
            ViewError: It ended, or does not listen in time.
        """
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise self.failure()
            with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), _POLL_S):
                return
            time.sleep(_POLL_S)
        raise ViewError(f'the viewer did not start within {READY_S:g} s: try --save look.rrd')

    def failure(self) -> ViewError:
        """Return the error of a viewer that ended by itself, with the last line of its output.

        Without a display it may end before it listens, or just after.
        """
        self._output.seek(0)
        lines = self._output.read().decode(errors='replace').strip().splitlines()
        reason = lines[-1] if lines else f'status {self.process.poll()}'
        return ViewError(f'the viewer ended: {reason}: try --web, or --save look.rrd')

    def close(self) -> None:
        """End the process, also one that does not answer."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_KILL_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._clean_up()

    def _clean_up(self) -> None:
        self._output.close()
        self._home.cleanup()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((LOOPBACK, 0))
        return int(one.getsockname()[1])


def _check_free(port: int) -> None:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((LOOPBACK, port))
        except OSError as error:
            raise ViewError(f'port {port}: {error.strerror}: choose another: --port') from None
