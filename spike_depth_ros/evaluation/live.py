# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of depth from a running node, with truths that arrive independently."""

from __future__ import annotations

import array
import collections
import dataclasses
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base.errors import one_line
from spike_depth_ros.evaluation.results import WindowsFile
from spike_depth_ros.evaluation.scores import Output
from spike_depth_ros.evaluation.truth import Truth, TruthBuffer, truth_image
from spike_depth_ros.geometry.depth_values import FloatImage
from spike_depth_ros.geometry.rectification import Rectification
from spike_depth_ros.tasks.depth import DepthInfo

MAX_WAITING = 64
"""Windows, and truths, that wait for each other at most; twice as many wait to be scored."""

MAX_WAITING_BYTES = 1 << 29
"""Memory of the windows, and that of the truths, that wait."""


class WindowScores(Protocol):
    """What windows are added to, as :class:`~spike_depth_ros.evaluation.scores.Scores`."""

    def add(self, output: Output, /) -> Mapping[str, float]:
        """Add a window; return its line of ``windows.csv``."""

    def headline(self) -> dict[str, float]:
        """Return the metrics so far; NaN for missing values."""


ScoresT = TypeVar('ScoresT', bound=WindowScores)


@dataclasses.dataclass(frozen=True)
class LiveWindow:
    """Images of one window.

    Attributes:
        stamp_ns: Their common stamp, nanoseconds.
        depth: Metres with the infinities of REP 117, ``[H, W]``.
        uncertainty: Half-width of the 68 % interval, metres, same shape.
        preview: Grey picture of the spikes, uint8; None: not needed.
        fx_px: Focal length in pixels of the depth image; 0: not calibrated.
        rectification: Rectification of the depth image; None: none.
        factor: Factor on the model's metres, as of a known height of the camera.
        others: Further images of the window, by their names.
    """

    stamp_ns: int
    depth: FloatImage
    uncertainty: FloatImage
    preview: npt.NDArray[np.uint8] | None
    fx_px: float
    rectification: Rectification | None = None
    factor: float = 1.0
    others: Mapping[str, npt.NDArray[Any]] = dataclasses.field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Memory of the images, bytes."""
        preview = 0 if self.preview is None else self.preview.nbytes
        others = sum(image.nbytes for image in self.others.values())
        return self.depth.nbytes + self.uncertainty.nbytes + preview + others


class Arrivals:
    """Times at which depth images came, by the clock of their stamps."""

    def __init__(self) -> None:
        self._stamps_ns, self._received_ns = array.array('q'), array.array('q')

    def __len__(self) -> int:
        return len(self._stamps_ns)

    def add(self, stamp_ns: int, received_ns: int) -> None:
        """Add a depth image: its stamp, and when it came."""
        self._stamps_ns.append(stamp_ns)
        self._received_ns.append(received_ns)

    def per_s(self) -> float | None:
        """Return the images a second; None before the second one."""
        span_ns = self._received_ns[-1] - self._received_ns[0] if len(self) > 1 else 0
        return 1e9 * (len(self) - 1) / span_ns if span_ns > 0 else None

    def latency_ms(
        self, due: Callable[[npt.NDArray[np.int64]], npt.NDArray[Any]]
    ) -> tuple[float, float] | None:
        """Return median and 99th percentile of the time from a window's last plane.

        Args:
            due: Called with stamps of windows; returns the times of their last planes; both
                nanoseconds, ``[N]``.

        Returns:
            Milliseconds; None before the first image.
        """
        if not len(self):
            return None
        waited_ns = np.array(self._received_ns) - due(np.array(self._stamps_ns))
        middle, high = np.percentile(waited_ns / 1e6, [50, 99])
        return float(middle), float(high)


def waiting_truths(within_ns: int) -> TruthBuffer:
    """Make the buffer of truths that arrive while windows do.

    Args:
        within_ns: Largest distance of a truth from its window, nanoseconds; 0: half the shortest
            step between windows.
    """
    return TruthBuffer(within_ns, MAX_WAITING, MAX_WAITING_BYTES)


class LiveScores(threading.Thread, Generic[ScoresT]):
    """Thread that matches windows with truths and scores them.

    Adding never blocks. Windows beyond the queue are dropped and counted.

    Args:
        make_scores: Called with the depth range, metres, for the scores of a camera and a model.
        truths: Truths; where they say 0 of how near one must be, it is half the shortest step
            between windows.
        out: Folder for ``windows.csv``; None: not written.

    Attributes:
        scores: Scores so far; None before the first window.
        windows: Number of scored windows.
        late: Windows that were scored before their truth arrived.
        left_out: Windows that were not scored, because scoring did not keep up or the model was
            not known in time.
        problem: Reason for the newest unusable truth; empty if all were usable.
        info: The model's metadata; None: not yet known.
        truths: Waiting truths and their accounting.
    """

    def __init__(
        self,
        make_scores: Callable[[tuple[float, float]], ScoresT],
        truths: TruthBuffer,
        out: Path | None,
    ) -> None:
        super().__init__(name='scores', daemon=True)
        self.scores: ScoresT | None = None
        self.windows = 0
        self.late = 0
        self.left_out = 0
        self.problem = ''
        self.info: DepthInfo | None = None
        self.truths = truths
        self._make_scores = make_scores
        self._file = WindowsFile(out / 'windows.csv') if out is not None else None
        self._fixed_within = truths.within_ns > 0
        self._waiting: collections.deque[LiveWindow] = collections.deque()
        self._nbytes = 0  # of those windows
        self._changed = threading.Condition()
        self._scoring = threading.Lock()
        self._ending = False
        self._newest_ns: int | None = None
        self._step_ns = 0
        self._kind: tuple[object, ...] = ()

    def add_window(self, window: LiveWindow) -> None:
        """Add a window."""
        with self._changed:
            if self._newest_ns is not None and window.stamp_ns > self._newest_ns:
                step = window.stamp_ns - self._newest_ns
                self._step_ns = min(step, self._step_ns or step)
                if not self._fixed_within:
                    self.truths.within_ns = self._step_ns // 2
            self._newest_ns = max(window.stamp_ns, self._newest_ns or window.stamp_ns)
            self._waiting.append(window)
            self._nbytes += window.nbytes
            while len(self._waiting) > 2 * MAX_WAITING or (
                self._nbytes > MAX_WAITING_BYTES and len(self._waiting) > 1
            ):
                self._nbytes -= self._waiting.popleft().nbytes
                self.left_out += 1
            self._changed.notify()

    @property
    def waiting(self) -> int:
        """Windows that wait for their truth, or to be scored."""
        return len(self._waiting)

    def add_truth(self, truth: Truth) -> None:
        """Add a truth."""
        with self._changed:
            self.truths.add(truth)
            self._changed.notify()

    def metrics(self) -> dict[str, float]:
        """Return the metrics so far; empty before the first window."""
        with self._scoring:
            return self.scores.headline() if self.scores is not None else {}

    def finish(self) -> None:
        """Score the waiting windows and end the thread."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        if self.is_alive():
            self.join()
        self._close_file()

    def run(self) -> None:
        """Score windows once their truth is decided, until :meth:`finish`."""
        while True:
            with self._changed:
                while (info := self.info) is None or not self._ready():
                    if self._ending:
                        self.truths.flush()
                        return
                    self._changed.wait()
                window = self._waiting.popleft()
                self._nbytes -= window.nbytes
                limits = self._begin_kind(window, info)
                truth = self.truths.take(window.stamp_ns)
            self._score(window, truth, limits)

    def _ready(self) -> bool:
        """Return True if the oldest window can be scored now."""
        if not self._waiting:
            return False
        self.truths.begin(self._waiting[0].stamp_ns)
        if self._ending:
            return True
        # How near a truth must be is told by the step to the second window.
        known = self._fixed_within or self._step_ns > 0
        if known and self.truths.decided(self._waiting[0].stamp_ns):
            return True
        if len(self._waiting) > MAX_WAITING or 2 * self._nbytes > MAX_WAITING_BYTES:
            self.late += self.truths.accounting.received > 0
            return True
        return False

    def _begin_kind(self, window: LiveWindow, info: DepthInfo) -> tuple[float, float]:
        """Begin anew if camera or model are others than before, whose metrics are not mixed.

        Returns:
            Depth range of the window, metres.
        """
        ratio = window.fx_px / info.canonical_fx if window.fx_px else 1.0
        limits = (info.min_depth * ratio, info.max_depth * ratio)
        kind = (limits, window.depth.shape, info.weights_sha256)
        if self.scores is None or self._kind != kind:
            with self._scoring:
                self.scores = self._make_scores(limits)
            if self._kind:
                self.truths.count_anew()
                self._write(WindowsFile.restart)
            self._kind = kind
            self.windows = 0
        return limits

    def _write(self, what: Callable[[WindowsFile], None]) -> None:
        """Write to the file, until the first error, which :attr:`problem` tells."""
        if self._file is None:
            return
        try:
            what(self._file)
        except OSError as error:
            self.problem = f'windows.csv ends early: {one_line(error)}'
            self._close_file()

    def _close_file(self) -> None:
        """Close the file, which writes what is buffered; :attr:`problem` tells if it cannot."""
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
        except OSError as error:
            self.problem = f'windows.csv ends early: {one_line(error)}'

    def _score(self, window: LiveWindow, truth: Truth | None, limits: tuple[float, float]) -> None:
        assert self.scores is not None
        image = self._image(truth, window) if truth is not None else None
        output = Output(
            self.windows,
            window.stamp_ns,
            window.depth,
            window.uncertainty,
            (window.factor * limits[0], window.factor * limits[1]),
            lambda: window.preview,
            image,
            truth.stamp_ns if truth is not None else 0,
            window.others,
        )
        with self._scoring:
            row = self.scores.add(output)
        self.windows += 1
        self._write(lambda file: file.add(row))

    def _image(self, truth: Truth, window: LiveWindow) -> FloatImage | None:
        height, width = window.depth.shape
        # The depth node bins pixels 2x2 where the sensor is large.
        binning = 2 if truth.image.height >= 2 * height else 1
        try:
            lens = window.rectification
            return truth_image(truth.image, (height, width), binning, rectification=lens)
        except ValueError as error:
            self.truths.reject()
            self.problem = str(error)
            return None
