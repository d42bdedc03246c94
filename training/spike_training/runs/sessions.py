# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of a run, and the log of its sessions: device, times and versions.

``OUT/sessions.json`` has one entry for each start of the run. It is not read for training, only
for the run page.
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
from typing import Any

import torch

import spike_depth_ros
from spike_depth_ros.base.results import write_atomically
from spike_training.errors import TrainingError, one_line

SESSIONS = 'sessions.json'
"""Log of the sessions."""

CONFIG = 'config.yaml'
"""File of all settings."""

MODEL = 'model.safetensors'
"""Resulting checkpoint."""

REPORT = 'report.json'
"""Evaluation report of the result."""

SELECTED = 'selected.safetensors'
"""Selected or averaged checkpoint, in the stage's folder."""

SELECTION = 'selection.json'
"""Criteria of the selection, in the stage's folder."""


class Session:
    """Session of a run, from its start to the end of the ``with`` block.

    The file is written at once and after each stage, so that it contains the completed stages of a
    process that is killed; its ``outcome`` is then null.

    Args:
        out: Folder of the run; exists.
        device: Training device.
        processes: Number of training processes.
        quiet: True to write nothing, for all processes but the first.
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

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            self._write('finished')
            return
        known = isinstance(error, TrainingError)
        why = f'failed: {one_line(error) if known else type(error).__name__}'
        # A full disk is reported by the error that ends the run.
        with suppress(OSError):
            self._write('interrupted' if isinstance(error, KeyboardInterrupt) else why)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the duration of a stage's training and the peak memory of the process."""
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
    """Read the sessions of a run, the oldest first; an empty list if the file cannot be read.

    Args:
        out: Folder of the run.
    """
    try:
        found = json.loads((out / SESSIONS).read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def device_name(device: torch.device) -> str:
    """Return the name of a device; of a CPU its model on Linux, else its architecture."""
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
    """Return the peak memory of this process, of the GPU or of the machine, in 1e6 bytes."""
    if device.type == 'cuda':
        return round(torch.cuda.max_memory_allocated(device) / 1e6)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)


def source_commit() -> str | None:
    """Return the commit of the source tree; None without a git repository or git."""
    return _git('rev-parse', 'HEAD')


def source_changed() -> bool | None:
    """Check for changes of tracked files since the commit; None if unknown."""
    found = _git('status', '--porcelain', '--untracked-files=no')
    return None if found is None else bool(found)


def _git(*arguments: str) -> str | None:
    git = shutil.which('git')
    if git is None:
        return None
    command = [git, '-C', str(Path(__file__).parent), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if result.returncode else result.stdout.strip()
