# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Logging of a training: progress bar, scalars.jsonl, TensorBoard, pictures."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor

from spike_depth_ros.base.errors import naming
from spike_depth_ros.base.results import write_atomically

Scalars = Mapping[str, float]

SCALARS = 'scalars.jsonl'

WARNINGS = 'warnings.jsonl'


class Mean:
    """Mean of named scalars over steps, summed on the device."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._numbers: Counter[str] = Counter()

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Add the scalars of one step."""
        for name, value in values.items():
            value = value.detach().float()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._numbers[name] += 1

    def take(self) -> dict[str, float]:
        """Return the means since the last call, with a single synchronisation of the device.

        Each is over the steps that had the scalar: those of a loss may begin in between.
        """
        sums = torch.stack([*self._sums.values()])
        means = (sums / sums.new_tensor([self._numbers[name] for name in self._sums])).tolist()
        result = dict(zip(self._sums, means, strict=True))
        self._sums, self._numbers = {}, Counter()
        return result


class Clock:
    """Timer of the training speed and of the share of time spent on batches.

    On a GPU the making of batches is timed on the device. Where batches are made in advance, the
    time that training waits for them is measured instead.

    Args:
        device: Device of the training.
        prefetched: True if another thread makes the batches.
    """

    def __init__(self, device: torch.device, prefetched: bool) -> None:
        self._events_tell = device.type == 'cuda' and not prefetched
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        self._steps = 0
        self._data = 0.0
        self._paused = 0.0
        self._began = time.perf_counter()

    @contextmanager
    def data(self) -> Iterator[None]:
        """Measure the time that making a batch takes, and count it as a step."""
        self._steps += 1
        if self._events_tell:
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            begin.record()
            yield
            end.record()
            self._events.append((begin, end))
        else:
            began = time.perf_counter()
            yield
            self._data += time.perf_counter() - began

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Exclude the time spent within the context, which is not training."""
        began = time.perf_counter()
        yield
        self._paused += time.perf_counter() - began

    def take(self, batch_size: int) -> dict[str, float]:
        """Return images per second and the share of time spent on batches since the last call.

        Args:
            batch_size: Images of a step, on all processes.
        """
        if self._events_tell:
            torch.cuda.synchronize()
            self._data = sum(begin.elapsed_time(end) for begin, end in self._events) / 1000
        seconds = time.perf_counter() - self._began - self._paused
        images = self._steps * batch_size
        result = {'images_per_s': images / seconds, 'data_share': self._data / seconds}
        self._events, self._steps, self._data, self._paused = [], 0, 0.0, 0.0
        self._began = time.perf_counter()
        return result


class Record:
    """Writer of a stage's scalars to ``scalars.jsonl`` and optionally to TensorBoard.

    Warnings go to ``warnings.jsonl``, which exists only if there was one.

    When a training resumes, what was recorded after its last checkpoint is removed.

    Args:
        folder: Folder of the stage; it must exist.
        start: Steps done so far.
        steps: Steps of the whole stage.
        tensorboard: True to write TensorBoard's files, too.
        quiet: True to write and print nothing, for all processes but the first.
    """

    def __init__(
        self, folder: Path, start: int, steps: int, tensorboard: bool, quiet: bool = False
    ) -> None:
        self.folder = folder
        self.steps = steps
        self.quiet = quiet
        self._board: Any = None
        if quiet:
            return
        damaged = {name: _keep_lines(folder / name, start) for name in (SCALARS, WARNINGS)}
        self._file = (folder / SCALARS).open('a', encoding='utf-8')
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(folder, purge_step=start + 1)
        self._bar = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn('{task.fields[metrics]}'),
            TimeElapsedColumn(),
            TextColumn('left'),
            TimeRemainingColumn(),
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        self._task = self._bar.add_task(folder.name, total=steps, completed=start, metrics='')
        self._began, self._start = time.monotonic(), start
        for name, number in damaged.items():
            if number:
                self.warning(start, f'{name}: {number} damaged lines were left out')

    def __enter__(self) -> Record:
        if not self.quiet:
            self._bar.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self.quiet:
            return
        self._bar.stop()
        with naming(self.folder / SCALARS):  # writes again what a full disk did not take
            self._file.close()
        if self._board is not None:
            self._board.close()

    def advance(self, done: int) -> None:
        """Advance the progress bar to the number of steps done."""
        if not self.quiet:
            self._bar.update(self._task, completed=done)

    def scalars(self, done: int, group: str, values: Scalars) -> None:
        """Record named values of a group, such as ``train``, after ``done`` steps."""
        if self.quiet:
            return
        named = {f'{group}/{name}': value for name, value in values.items()}
        # Six digits: JSON of a float32 would have seventeen.
        rounded = {name: float(f'{value:.6g}') for name, value in named.items()}
        with naming(self.folder / SCALARS):
            self._file.write(json.dumps({'step': done, **rounded}) + '\n')
            self._file.flush()
        if self._board is not None:
            for name, value in named.items():
                self._board.add_scalar(name, value, done)
        self._show(done, group, values)

    def picture(self, done: int, image: npt.NDArray[np.uint8]) -> None:
        """Save a picture, ``[height, width, 3]``, beside the scalars and to TensorBoard."""
        if self.quiet:
            return
        from spike_depth_ros.pages.pictures import save_png

        (self.folder / 'pictures').mkdir(exist_ok=True)
        save_png(image, self.folder / 'pictures' / f'{done:07d}.png')
        if self._board is not None:
            self._board.add_image('pictures', image, done, dataformats='HWC')

    def warning(self, done: int, text: str) -> None:
        """Print a warning and record it beside the scalars in ``warnings.jsonl``."""
        if self.quiet:
            return
        path = self.folder / WARNINGS
        with naming(path), path.open('a', encoding='utf-8') as file:
            file.write(json.dumps({'step': done, 'warning': text}) + '\n')
        # Above the bar where there is one.
        self._bar.console.print(f'{self.folder.name} {done}/{self.steps} warning: {text}')

    def _show(self, done: int, group: str, values: Scalars) -> None:
        metrics = '  '.join(
            f'{name} {values[name]:.3g}'
            for name in ('loss', 'error', 'images_per_s')
            if name in values
        )
        if not self._bar.disable:
            if group == 'train':
                self._bar.update(self._task, completed=done, metrics=metrics)
            return
        # Not a terminal: print lines, which suit a log file.
        seconds = (time.monotonic() - self._began) / max(1, done - self._start)
        left = time.strftime('%H:%M:%S', time.gmtime(seconds * (self.steps - done)))
        print(
            f'{self.folder.name} {done}/{self.steps} {group}: {metrics}  {left} left', flush=True
        )


def _keep_lines(path: Path, start: int) -> int:
    """Keep the lines of a file up to a step.

    Returns:
        Number of damaged lines, which are removed; an incomplete last line, of a process that was
        killed, is not counted.
    """
    if not path.exists():
        return 0
    lines = path.read_text(encoding='utf-8', errors='replace').splitlines(keepends=True)
    whole = [line for line in lines if line.endswith('\n')]
    steps = [_step_of(line) for line in whole]
    kept = [line for line, step in zip(whole, steps, strict=True) if 0 <= step <= start]
    write_atomically(path, ''.join(kept).encode())
    return sum(step < 0 for step in steps)


def _step_of(line: str) -> int:
    """Return the step of a line of JSON, -1 where it is damaged."""
    try:
        step = json.loads(line)['step']
    except (ValueError, LookupError, TypeError, RecursionError):
        return -1
    return step if isinstance(step, int) else -1
