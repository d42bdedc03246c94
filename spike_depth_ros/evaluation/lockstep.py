# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lockstep replay of a bag: every window, none dropped, deterministic.

Packets pass through the node's own ingest and ring. After each packet every completed window is
taken out, so that nothing is overwritten, however slow the model is.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import threading
from collections.abc import Iterator
from typing import Any

from spike_depth_ros.evaluation.truth import Truth, TruthBuffer
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.io.bags.bag import CAMERA_INFO, IMAGE, Bag, BagError, BagMessage, decode
from spike_depth_ros.io.layout_check import message_problem
from spike_depth_ros.io.streams import RecordedStream, Refused
from spike_depth_ros.io.topics import CameraTopics
from spike_depth_ros.observation import Frame
from spike_depth_ros.stream.accounting import PlaneAccounting
from spike_depth_ros.stream.decode import METRES, MILLIMETRES, stamp_ns
from spike_depth_ros.stream.ingest import (
    DEFAULT_RING,
    MAX_WAITING_BYTES,
    MAX_WAITING_PACKETS,
    Ingest,
    StreamSettings,
)
from spike_depth_ros.stream.ring import PlaneRing
from spike_depth_ros.stream.stamps import RESTART_AFTER_NS, Gap
from spike_depth_ros.stream.window import ReferencePlane, Window

SET_BACK = 3
"""Truths in turn whose time was set back, after which no further one is read before a window's."""


@dataclasses.dataclass(frozen=True)
class WindowSample:
    """Window, or pair of windows, and the time at which it was complete.

    Attributes:
        window: Planes and their camera; of a pair, those of the left one.
        recorded_ns: Recording time of the packet that completed the window, nanoseconds.
        right: Planes of the right camera; None: one camera.
        rig: Calibrations of both cameras; None: one camera.
        image: Frame of a camera beside the spikes; None: there is none.
    """

    window: Window
    recorded_ns: int
    right: Window | None = None
    rig: StereoRig | None = None
    image: Frame | None = None


class Replay:
    """One pass over a bag.

    Args:
        bag: The bag.
        topics: Topics to read.
        window: Planes in a window.
        hop: Planes between the starts of windows; 0: the window length.
        reference: The plane of a window that its depth belongs to.
        rate_hz: Planes a second; 0 infers it from stamps.
        stamp_tolerance: Largest deviation of a packet's stamp that is not a gap, planes.
        size: Sensor (width, height) in pixels; None: from camera_info.
        shorten: Advice to the user whose stream is shorter than a window.
        rectify: Rectify lens distortion of camera_info.
        changed: Condition that two streams share; None: there is one, whose windows do not wait.

    Attributes:
        warnings: Problems of the stream: kind -> (number, first text).
    """

    def __init__(
        self,
        bag: Bag,
        topics: CameraTopics,
        window: int,
        hop: int = 0,
        reference: ReferencePlane = 'middle',
        rate_hz: float = 0.0,
        stamp_tolerance: float = 0.5,
        size: tuple[int, int] | None = None,
        shorten: str = 'shorten it with --window',
        rectify: bool = True,
        changed: threading.Condition | None = None,
    ) -> None:
        self._shorten = shorten
        self.warnings: dict[str, tuple[int, str]] = {}
        self._bag = bag
        self._stream = RecordedStream(bag, topics.spikes, topics.camera_info)
        width, height = size or (0, 0)
        self._settings = StreamSettings(
            window=window,
            hop=hop,
            policy='every',
            reference=reference,
            spike_rate_hz=rate_hz,
            stamp_tolerance_planes=stamp_tolerance,
            sensor_width=width,
            sensor_height=height,
            rectify=rectify,
        )
        # Without a clock for gaps, so that the accounting is deterministic.
        self._ingest = Ingest(self._settings, self._warn, self._capacity, math.inf, changed)
        self._waits = changed is not None

    @property
    def accounting(self) -> PlaneAccounting:
        """Plane accounting so far."""
        return self._ingest.accounting()

    @property
    def gaps(self) -> list[Gap]:
        """First gaps of the stream; those at its end after the last window."""
        return self._ingest.ring.gaps if self._ingest.ring is not None else []

    @property
    def packets_refused(self) -> collections.Counter[str]:
        """Packets whose planes could not be counted, by reason."""
        return self._ingest.packets_refused

    @property
    def window(self) -> int:
        """Planes in a window."""
        return self._settings.window

    @property
    def hop(self) -> int:
        """Planes between the starts of windows."""
        return self._settings.hop or self._settings.window

    @property
    def hop_ns(self) -> int:
        """Time between windows, nanoseconds; 0: the plane rate is not yet known."""
        return self.hop * self.period_ns

    @property
    def period_ns(self) -> int:
        """Time between planes, nanoseconds; 0: not yet known."""
        return self._ingest.ring.period_ns if self._ingest.ring is not None else 0

    def windows(self, also: Iterator[BagMessage] | None = None) -> Iterator[WindowSample]:
        """Yield every window, in order.

        Args:
            also: Messages to read instead of the topics' own, which must be among them.

        Raises:
            BagError: There was no window; the message has the reason. Or packets were so much
                larger than the first that the ring could not hold them.
        """
        self.read_camera()
        number = 0
        for message in self._bag.in_order(self.topics, also):
            self.feed(message)
            ring = self.ring if message.topic == self._stream.topic else None
            while ring is not None and (window := ring.take()) is not None:
                number += 1
                if number == 1:
                    self.check_layout(window)
                yield WindowSample(window, message.time_ns)
        self.settle()
        if not number:
            raise BagError(self.no_windows_reason())
        self.check_overwritten()

    @property
    def topics(self) -> list[str]:
        """Names of the topics of the stream and of its camera."""
        return self._stream.topics

    @property
    def ring(self) -> PlaneRing | None:
        """Ring of the planes; None: the sensor size or the plane rate is not yet known."""
        return self._ingest.ring

    def feed(self, entry: BagMessage) -> None:
        """Handle a message; one of another topic is ignored."""
        if entry.topic not in self.topics:
            return
        read = self._stream.message(entry)
        if entry.topic != self._stream.topic:
            self._on_camera_info(read)
        elif isinstance(read, Refused):
            self.packets_refused['damaged'] += 1
            self._warn('damaged', f'spikes: packet refused: {read.reason}')
        else:
            self._ingest.on_spikes(read)

    def settle(self) -> None:
        """Count provisional gaps as lost, as the stream has ended."""
        self._ingest.settle()

    def check_overwritten(self) -> None:
        """Refuse a stream that its ring could not hold.

        Raises:
            BagError: Packets were so much larger than the first that planes were overwritten.
        """
        if self.accounting.overwritten:
            raise BagError(
                f'{self._bag.path}: {self.accounting.overwritten} planes were overwritten; '
                'expected packets of about the size of the first one: record the bag again'
            )

    def check_layout(self, window: Window) -> None:
        """Warn if the size or the bit order of the messages is clearly not that of the planes."""
        if problem := message_problem(window.data, window.geometry):
            self._warn('layout', problem)

    def read_camera(self) -> None:
        """Handle the first camera_info before the first packet; a live node waits for it, too."""
        if (first := next(self._stream.cameras(), None)) is None:
            return
        self._on_camera_info(first)
        given = (self._settings.sensor_height, self._settings.sensor_width)
        used = self._ingest.size or given
        if all(given) and used != given:
            text = f'camera_info: size {used[1]}x{used[0]} is used, not --size '
            self._warn('size', f'{text}{given[1]}x{given[0]}')

    def _on_camera_info(self, info: Any | Refused) -> None:
        if isinstance(info, Refused):
            self._warn('camera_info', f'camera_info: {info.reason}')
        else:
            self._ingest.on_camera_info(info)

    def _capacity(self, planes: int) -> int:
        """Return the capacity of a ring in which waiting packets overwrite no plane.

        Those of a pair also wait for the other camera.

        Args:
            planes: Planes of the first packet.
        """
        height, width = self._ingest.size or (1, 1)
        held = MAX_WAITING_BYTES // (planes * height * -(-width // 8))
        waiting = (min(MAX_WAITING_PACKETS, held) + 2) * planes
        capacity = 2 * self._settings.window + self._settings.hop + waiting
        if self._waits:
            return max(DEFAULT_RING['every'], 2 * capacity)
        return max(DEFAULT_RING['latest'], capacity)

    def _warn(self, kind: str, text: str) -> None:
        count, first = self.warnings.get(kind, (0, text))
        self.warnings[kind] = (count + 1, first)

    def no_windows_reason(self) -> str:
        """Return why there was no window, one line."""
        start, spikes = f'{self._bag.path}: not one window', self._stream.topic
        accounting = self.accounting
        if not self._bag.topics[spikes].messages:
            return f'{start}: topic {spikes} is empty; the bag has {self._bag.known.describe()}'
        if self._ingest.size is None and self._ingest.camera_problem:
            return f'{start}: {self._ingest.camera_problem}'
        if self._ingest.size is None:
            return (
                f'{start}: the sensor size is unknown, as there is no {CAMERA_INFO} beside '
                f'{spikes}; the bag has {self._bag.known.describe()}; give it, for example '
                '--size 400x250'
            )
        if refused := self.packets_refused:
            reasons = [text for kind, (_, text) in self.warnings.items() if kind in refused]
            reason = next(iter(reasons), ', '.join(refused))
            return f'{start}: {self.packets_refused.total()} packets refused: {reason}'
        if self.period_ns == 0:
            return (
                f'{start}: no plane rate fits the stamps of {accounting.received} planes; give '
                'it, for example --rate 20000'
            )
        interrupted = ''
        if accounting.gaps or accounting.restarts:
            interrupted = f' with {accounting.gaps} gaps and {accounting.restarts} restarts'
        return (
            f'{start}: {accounting.received} planes came{interrupted}, a window takes '
            f'{self._settings.window} without a gap; {self._remedy()}'
        )

    def _remedy(self) -> str:
        """Return the remedy for planes that made no window."""
        ring = self._ingest.ring
        if ring is not None and ring.stamped_period_ns:
            return (
                f'the stamps have {1e9 / ring.stamped_period_ns:.6g} planes/s, not '
                f'{1e9 / ring.period_ns:.6g}: leave out --rate'
            )
        return self._shorten


class TruthTopic:
    """Reader of the truth topic, in step with the windows.

    Args:
        bag: The bag.
        topic: The topic; None: there is no truth.
        within_ns: Half a hop, nanoseconds.
    """

    def __init__(self, bag: Bag, topic: str | None, within_ns: int) -> None:
        self.buffer = TruthBuffer(within_ns)
        self._messages = iter(bag.in_order([topic]) if topic is not None else ())
        self._name = topic
        self._held: list[Truth] = []  # of a time that was set back
        self._before_ns: int | None = None

    def take(self, reference_ns: int) -> Truth | None:
        """Return the truth of the next window, its image still a message; None without one.

        Raises:
            BagError: The topic does not hold depth.
        """
        if self.buffer.begin(reference_ns):
            self._release()
        while (
            len(self._held) < SET_BACK
            and not self.buffer.decided(reference_ns)
            and self._pull(reference_ns)
        ):
            self.buffer.expire(reference_ns)
        return self.buffer.take(reference_ns)

    def finish(self) -> None:
        """Count the truths after the last window."""
        self._release()
        while self._pull(None):
            self.buffer.flush()
        self.buffer.flush()

    def _release(self) -> None:
        for truth in self._held:
            self.buffer.add(truth)
        self._held.clear()

    def _place(self, truth: Truth, reference_ns: int | None) -> None:
        """Hold truths whose time was set back, until that of the windows is; buffer others."""
        back = self._before_ns is not None and self._before_ns - truth.stamp_ns > RESTART_AFTER_NS
        self._before_ns = truth.stamp_ns
        old = reference_ns is not None and reference_ns - truth.stamp_ns > RESTART_AFTER_NS
        if old and (back or self._held):
            self._held.append(truth)
        else:
            self._release()
            self.buffer.add(truth)

    def _pull(self, reference_ns: int | None) -> bool:
        message = next(self._messages, None)
        if message is None:
            return False
        try:
            image = decode(message.data, IMAGE)
        except BagError:
            self.buffer.accounting.received += 1
            self.buffer.accounting.unusable += 1
            return True
        if image.encoding not in (METRES, MILLIMETRES):
            raise BagError(
                f'topic {self._name}: encoding {image.encoding!r}; true depth is expected as '
                f'{METRES} (metres) or {MILLIMETRES} (millimetres)'
            )
        self._place(Truth(stamp_ns(image.header.stamp), image), reference_ns)
        return True
