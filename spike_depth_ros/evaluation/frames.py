# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a bag beside the windows of its spikes, by stamps alone."""

from __future__ import annotations

import collections
from typing import Any

from spike_depth_ros.fusion.frames import KEPT, OF_MESSAGES, Frames, FrameSettings
from spike_depth_ros.fusion.pairing import CLOCK_SLACK_S, MOST_BYTES
from spike_depth_ros.io.bags.bag import CAMERA_INFO, IMAGE, Bag, BagError, BagMessage, decode
from spike_depth_ros.io.topics import FrameTopics
from spike_depth_ros.observation import Frame
from spike_depth_ros.stream.decode import stamp_ns
from spike_depth_ros.stream.window import Window

LATER = 8
"""Frames later than a window that are read before it is decided: a stamp in the future, or some,
must not hide the frames after it."""


class FrameTopic:
    """Reader of frames, in step with the windows.

    Args:
        bag: The bag.
        topics: Topics of the frames.
        settings: Their settings, as the node's parameters ``image.*``.
        max_age_s: Largest age of frames in the network's training, seconds.

    Attributes:
        frames: The frames.
        warnings: Problems of the frames: kind -> (number, first text).
    """

    def __init__(
        self, bag: Bag, topics: FrameTopics, settings: FrameSettings, max_age_s: float
    ) -> None:
        self.warnings: dict[str, tuple[int, str]] = {}
        self.frames = Frames(settings, max_age_s, self._warn)
        self._topics = topics
        self._delay_ns = round(1e9 * settings.delay_s)
        self._later: collections.deque[tuple[int, Any]] = collections.deque()
        self._nbytes = 0  # of those later ones
        self._first_ns: int | None = None  # reference planes of the first and the last window
        self._last_ns: int | None = None
        self._apart_ns: int | None = None  # nearest of the first frames to the first window
        self._astray = 0
        names = [topics.image, *([] if topics.camera_info is None else [topics.camera_info])]
        if topics.camera_info is not None:
            # The first one before the first frame; a live node waits for it, too.
            self._handle(next(iter(bag.messages([topics.camera_info])), None))
        self._messages = iter(bag.in_order(names))

    def take(self, window: Window) -> Frame | None:
        """Return the frame of the next window; None: it has none."""
        reference_ns = window.reference_ns
        if self._first_ns is None:
            self._first_ns = reference_ns
        waiting, self._later, self._nbytes = self._later, collections.deque(), 0
        for at_ns, found in waiting:
            self._place(at_ns, found, reference_ns)
        while self._waits(reference_ns + self._far_ns):
            message = next(self._messages, None)
            if message is None:
                break
            found = self._handle(message)
            if found is None:
                continue
            at_ns = stamp_ns(found.header.stamp) - self._delay_ns
            if reference_ns == self._first_ns:
                apart_ns = at_ns - reference_ns
                known = () if self._apart_ns is None else (self._apart_ns,)
                self._apart_ns = min((*known, apart_ns), key=abs)
            self._place(at_ns, found, reference_ns)
        self._last_ns = reference_ns
        return self.frames.observe(window)

    def _waits(self, far_ns: int) -> bool:
        """Return True while a window waits for further frames, and there is room for them."""
        if len(self._later) >= KEPT or self._nbytes >= MOST_BYTES:
            return False
        return sum(at_ns <= far_ns for at_ns, _ in self._later) < LATER

    def _place(self, at_ns: int, found: Any, reference_ns: int) -> None:
        """Hand a frame over that is not later than a window; later ones wait."""
        if at_ns > reference_ns:
            self._later.append((at_ns, found))
            self._nbytes += len(found.data)
        elif at_ns >= reference_ns - self._far_ns:
            self.frames.on_image(found)
            # Frames far ahead that came before this one have wrong stamps.
            near = [one for one in self._later if one[0] <= reference_ns + self._far_ns]
            self._astray += len(self._later) - len(near)
            if len(near) < len(self._later):
                self._later = collections.deque(near)
                self._nbytes = sum(len(one.data) for _, one in near)
        elif self._last_ns is not None and at_ns < self._last_ns - self._far_ns:
            self._astray += 1  # others, of where no window is, are not missed

    @property
    def _far_ns(self) -> int:
        return round(1e9 * (self.frames.max_age_s + CLOCK_SLACK_S))

    def describe(self) -> list[str]:
        """Return how many windows had frames, and what was refused, one line each."""
        store, texts = self.frames.store, []
        refused = self.frames.refused
        of_windows = refused.total() - sum(refused[cause] for cause in OF_MESSAGES)
        without = store.missing + store.stale + of_windows
        if self._apart_ns is not None and abs(self._apart_ns) > self._far_ns:
            side = 'before' if self._apart_ns < 0 else 'after'
            texts.append(
                f'the first frames are stamped {abs(self._apart_ns) / 1e9:.3f} s {side} the first '
                f'window; expected at most {self._far_ns / 1e9:g} s: stamp both by one clock, or '
                'give --image-delay-s'
            )
        elif self._astray:
            texts.append(
                f'frames that are stamped more than {self._far_ns / 1e9:g} s before or after '
                f'those around them, and are not used: {self._astray}'
            )
        if without:
            texts.append(
                f'{without} of {store.found + store.missing + store.stale} windows have no frame '
                f'of {self.frames.max_age_s:g} s or less that can be used'
            )
        texts += [
            f'{text} ({count} times)' if count > 1 else text
            for count, text in self.warnings.values()
        ]
        return texts

    def _handle(self, message: BagMessage | None) -> Any:
        """Handle a message; return the frame that it is, or None."""
        if message is None:
            return None
        kind = IMAGE if message.topic == self._topics.image else CAMERA_INFO
        try:
            found = decode(message.data, kind)
        except BagError as error:
            self._warn(kind, f'{message.topic}: {error}')
            return None
        if kind == CAMERA_INFO:
            self.frames.on_camera_info(found)
            return None
        return found

    def _warn(self, kind: str, text: str) -> None:
        count, first = self.warnings.get(kind, (0, text))
        self.warnings[kind] = (count + 1, first)
