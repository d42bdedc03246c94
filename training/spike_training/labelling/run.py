# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Labelling of pictures: two passes of the model, their agreement, files, a sheet."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from spike_depth_ros.pages import pictures as drawing
from spike_training.datasets.clip import Depth, Rgb
from spike_training.datasets.labels import Labels
from spike_training.datasets.readers.files import check_share, note_skipped
from spike_training.errors import FrameError, one_line
from spike_training.labelling import sheet
from spike_training.labelling.agreement import merge, relative_depth
from spike_training.labelling.pictures import Pictures, Seen, Unseen

SHEET = 'labels.png'

LEAST_KEPT = 0.5
"""Share of the pixels below which labels are of no use."""

_WRITERS = max(2, min(4, (os.cpu_count() or 1) // 2))
"""Threads that write labels: to compress a picture takes longer than a GPU takes to label it."""
_AHEAD = 4
"""Pictures that are read in advance."""

Result = TypeVar('Result')


class Summary(NamedTuple):
    """Result of a run.

    Attributes:
        labels: Number of labels written.
        kept: Share of the pixels kept, on average over the labels, 0 to 1.
        seconds: Duration.
        in_model: Share of it inside the model, 0 to 1.
        skipped: Names of the pictures that could not be used, by reason.
        shown: Some labels, spread over the run.
    """

    labels: int
    kept: float
    seconds: float
    in_model: float
    skipped: dict[str, list[str]]
    shown: Sequence[sheet.Shown]

    @property
    def useless(self) -> bool:
        """True if too few pixels are kept."""
        return self.labels > 0 and self.kept < LEAST_KEPT


def label_all(
    recordings: Sequence[Pictures],
    teacher: Callable[[Rgb], Depth],
    labels: Labels,
    agreement: float,
    advance: Callable[[], object],
) -> Summary:
    """Label what has no label yet.

    The model runs in this thread, while others read the next pictures and write the labels.

    Args:
        recordings: The pictures.
        teacher: The model: a function from a picture to its values.
        labels: Origin of the labels.
        agreement: See :func:`.merge`.
        advance: Called after each picture.

    Raises:
        DataSetError: Too many pictures cannot be used.
        OSError: A label cannot be written.
    """
    missing = sum(one.planned - one.present for one in recordings)
    chosen = {k * missing // sheet.MOST for k in range(sheet.MOST)}
    skipped: dict[str, list[str]] = {}
    for one in recordings:
        for reason, names in one.skipped.items():
            note_skipped(skipped, reason, *names)
    unusable: dict[str, list[str]] = {}
    total = sum(one.planned for one in recordings)
    kept, in_model, shown = [], 0.0, []
    begin = time.perf_counter()

    def finish(label: tuple[float, sheet.Shown | None]) -> None:
        kept.append(label[0])
        if label[1] is not None:
            shown.append(label[1])

    with ThreadPoolExecutor(_WRITERS, 'labels') as writers:
        waiting: deque[Future[tuple[float, sheet.Shown | None]]] = deque()
        seen_ahead = _ahead(_see(recordings, labels), _AHEAD)
        number = 0
        try:
            for recording, seen in seen_ahead:
                name = f'{recording.name}, {recording.of} {seen.number}'
                try:
                    if isinstance(seen, Unseen):
                        raise FrameError(seen.reason)
                    start = time.perf_counter()
                    passes = _passes(teacher, seen.picture)
                    in_model += time.perf_counter() - start
                except FrameError as error:
                    note_skipped(unusable, one_line(error), name)
                    check_share(unusable, total, recording.name)
                    advance()
                    continue
                title = name if number in chosen else None
                waiting.append(
                    writers.submit(_write, recording, seen, passes, labels, agreement, title)
                )
                number += 1
                if len(waiting) > _WRITERS:
                    finish(waiting.popleft().result())
                advance()
            while waiting:
                finish(waiting.popleft().result())
        finally:
            for future in waiting:
                future.cancel()
            seen_ahead.close()
    seconds = time.perf_counter() - begin
    return Summary(
        len(kept),
        float(np.mean(kept)) if kept else 0.0,
        seconds,
        in_model / seconds if seconds else 0.0,
        skipped | unusable,
        shown,
    )


def write_sheet(out: Path, summary: Summary, labels: Labels) -> None:
    """Write the sheet of a run's labels.

    Raises:
        OSError: It cannot be written.
    """
    heading = f'{len(summary.shown)} of {summary.labels} labels: {summary.kept:.0%} kept'
    if summary.useless:
        heading += ': too few, OF NO USE'
    unit = '' if labels.relative else 'm'
    drawing.save_png(sheet.draw(summary.shown, heading, unit), out / SHEET)


def print_summary(out: Path, summary: Summary, recordings: Sequence[Pictures]) -> None:
    """Print what was labelled and left out, and how the labels are read."""
    for reason, names in summary.skipped.items():
        print(f'left out: {", ".join(names)}: {reason}')
    if summary.labels:
        print(
            f'{summary.labels} labels, {summary.kept:.0%} of the pixels kept, '
            f'{2 * summary.labels / summary.seconds:.3g} pictures/s (two for a label), '
            f'{summary.in_model:.0%} of the time in the model'
        )
    if summary.useless:
        print(
            'warning: less than half of the pixels are kept: the labels are of no use. Are these '
            'trained weights, and pictures that show something?'
        )
    if any(one.of == 'plane' for one in recordings):
        print(f'{out}: written, for --data.npz {out}')
        return
    rates = {
        one.folder: '' if one.frame_hz is None else f',frame_hz={one.frame_hz:.9g}'
        for one in recordings
    }
    if len({*rates.values()}) == 1:
        print(f'{out}: written, for --data.folder {out}{next(iter(rates.values()))}')
    else:
        print(f'{out}: written; recordings of different frame rates, to be read one by one:')
        for folder, rate in rates.items():
            print(f'  folder:{folder}{rate}')


def _see(
    recordings: Sequence[Pictures], labels: Labels
) -> Generator[tuple[Pictures, Seen | Unseen], None, None]:
    """Yield the pictures of all recordings, each with its recording, whose folder is made."""
    for one in recordings:
        if one.planned:
            one.prepare(labels)
            for seen in one.see():
                yield one, seen


def _passes(teacher: Callable[[Rgb], Depth], picture: Rgb) -> tuple[Depth, Depth]:
    """Return the model's values for a picture, and for its mirror image, mirrored back."""
    mirrored = teacher(np.ascontiguousarray(picture[:, ::-1]))
    return teacher(picture), mirrored[:, ::-1]


def _write(
    recording: Pictures,
    seen: Seen,
    passes: tuple[Depth, Depth],
    labels: Labels,
    agreement: float,
    shown: str | None,
) -> tuple[float, sheet.Shown | None]:
    """Write a label; return the share kept and, if a name is given, what a sheet shows."""
    depth = merge(*passes, labels.relative, agreement)
    if seen.known is not None:
        depth[~seen.known] = np.nan
    if labels.relative:
        depth = relative_depth(depth)
    recording.write(seen, depth, labels)
    kept = np.isfinite(depth)
    share = float((kept if seen.known is None else kept[seen.known]).mean())
    return share, None if shown is None else sheet.shrink(shown, seen.picture, depth, share)


def _ahead(items: Iterable[Result], number: int) -> Generator[Result, None, None]:
    """Yield items in order, which a thread takes in advance."""
    end: Any = object()
    taken = iter(items)
    with ThreadPoolExecutor(1, 'pictures') as reader:
        waiting = deque(reader.submit(next, taken, end) for _ in range(number))
        try:
            while (item := waiting.popleft().result()) is not end:
                waiting.append(reader.submit(next, taken, end))
                yield item
        finally:
            for future in waiting:
                future.cancel()
