# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where, when and with what a run was trained: ``OUT/sessions.json``, one entry for each start.

Nothing is read back for training: it is for people, and for the run page.
"""

from __future__ import annotations

import json
import platform
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

import spike_depth_ros
from spike_depth_ros.checkpoint import write_atomically
from spike_training.errors import TrainingError, one_line

SESSIONS = 'sessions.json'


class Session:
    """One start of a run, from now until the end of the ``with`` block.

    The file is written at once and after each stage, so that of a process that is killed there is
    what it had done by then; its ``outcome`` stays null.

    Args:
        out: Folder of the run; exists.
        device: That trains.
        processes: How many train together.
        quiet: Write nothing: for all processes but the first.
    """

    def __init__(
        self, out: Path, device: torch.device, processes: int = 1, quiet: bool = False
    ) -> None:
        self._path, self._device, self._quiet = out / SESSIONS, device, quiet
        self._before = [] if quiet else read_sessions(out)
        self._began = time.perf_counter()
        self._stages: list[dict[str, Any]] = []
        self._entry: dict[str, Any] = {
            'began': datetime.now(timezone.utc).isoformat(timespec='seconds'),
            'device': device_name(device),
            'processes': processes,
            'threads': torch.get_num_threads(),
            'python': platform.python_version(),
            'torch': torch.__version__,
            'package': spike_depth_ros.__version__,
            'commit': source_commit(),
            'changed': source_changed(),
        }

    def __enter__(self) -> Session:
        self._write(None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._write('finished')
            return
        known = isinstance(error, TrainingError)
        why = f'failed: {one_line(error) if known else type(error).__name__}'
        # On a full disk the error that ends the run says so.
        with suppress(OSError):
            self._write('interrupted' if isinstance(error, KeyboardInterrupt) else why)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times the training of a stage, and notes how much memory the process has used."""
        began = time.perf_counter()
        entry: dict[str, Any] = {'name': name}
        self._stages.append(entry)
        try:
            yield
        finally:
            entry['seconds'] = round(time.perf_counter() - began, 1)
            entry['peak_memory_mb'] = peak_memory_mb(self._device)
            with suppress(OSError):  # nothing is lost: the entry is written again at the end
                self._write(None)

    def _write(self, outcome: str | None) -> None:
        if self._quiet:
            return
        seconds = round(time.perf_counter() - self._began, 1)
        now = {**self._entry, 'seconds': seconds, 'outcome': outcome, 'stages': self._stages}
        write_atomically(self._path, json.dumps([*self._before, now], indent=1).encode())


def read_sessions(out: Path) -> list[dict[str, Any]]:
    """The starts of a run, the oldest first; none where nothing can be read.

    Args:
        out: Folder of the run.
    """
    try:
        found = json.loads((out / SESSIONS).read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def device_name(device: torch.device) -> str:
    """What a device is called: of a CPU as Linux tells it, else by its architecture."""
    if device.type == 'cuda':
        name: str = torch.cuda.get_device_name(device)
        return name
    try:
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
    except OSError:
        lines = []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return f'CPU, {names[0] if names else platform.machine()}'


def peak_memory_mb(device: torch.device) -> int:
    """The most memory that this process held so far: of the GPU, or of the machine, 1e6 bytes."""
    if device.type == 'cuda':
        return round(torch.cuda.max_memory_allocated(device) / 1e6)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)


def source_commit() -> str | None:
    """The commit of the source tree; None where it is none, or git is not there."""
    return _git('rev-parse', 'HEAD')


def source_changed() -> bool | None:
    """Whether tracked files differ from that commit; None where nothing tells it."""
    found = _git('status', '--porcelain', '--untracked-files=no')
    return None if found is None else bool(found)


def _git(*arguments: str) -> str | None:
    git = shutil.which('git')
    if git is None:
        return None
    command = [git, '-C', str(Path(__file__).parent), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if result.returncode else result.stdout.strip()
