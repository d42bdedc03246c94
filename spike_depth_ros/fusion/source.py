# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Source of observations of a stream with the frames of a camera beside it."""

from __future__ import annotations

import time
from collections.abc import Callable

from spike_depth_ros.fusion.frames import Frames
from spike_depth_ros.observation import Observation
from spike_depth_ros.stream.ingest import Ingest
from spike_depth_ros.stream.window import Window

SILENT_S = 1.0
"""Time without a later frame, beyond the largest age, after which a window no longer waits."""


class FusedSource:
    """Source of the windows of one camera, each with the last frame before it.

    With policy ``every`` a window waits for a later frame, so that what it gets depends on stamps
    alone: until the spikes are the largest age ahead of it, or frames have stopped.

    Args:
        ingest: Ingest of the stream.
        frames: Returns the frames; None, as by default: the network takes none.
    """

    def __init__(self, ingest: Ingest, frames: Callable[[], Frames | None] = lambda: None) -> None:
        self._ingest, self._frames = ingest, frames
        self._waiting: Window | None = None
        self._since_s = 0.0

    def is_ready(self) -> bool:
        """Return True once there is a ring."""
        return self._ingest.ring is not None

    def discard(self) -> None:
        """Skip the planes so far."""
        self._waiting = None
        if self._ingest.ring is not None:
            self._ingest.ring.discard()
            if (frames := self._frames()) is not None:
                frames.store.reset()  # nobody needs them, and they are large

    def take(self, timeout_s: float) -> Observation | None:
        """Return the next window with its focal length and its frame."""
        ring, frames = self._ingest.ring, self._frames()
        if ring is None:
            return None
        window = self._waiting
        if window is None:
            window, self._since_s = ring.take(timeout_s), time.monotonic()
            if window is None:
                return None
        if frames is None:
            self._waiting = None
            return Observation(window, window.camera.fx_px)
        if self._ingest.settings.policy == 'every' and not self._is_decided(
            frames, window, timeout_s
        ):
            self._waiting = window
            return None
        self._waiting = None
        image = frames.observe(window, ring.newest_ns)
        return Observation(window, window.camera.fx_px, image=image)

    def has_depth(self, observation: Observation) -> bool:
        """Return True: each window gives depth."""
        return True

    def _is_decided(self, frames: Frames, window: Window, timeout_s: float) -> bool:
        """Return True once no frame can come that the window would get."""
        # The spikes first: behind a backlog no window waits for a camera that is silent.
        left_s = frames.max_age_s - self._ahead_s(window)
        if left_s < 0 or frames.store.wait(window.reference_ns, min(timeout_s, left_s)):
            return True
        waited_s = time.monotonic() - self._since_s
        return self._ahead_s(window) > frames.max_age_s or waited_s > frames.max_age_s + SILENT_S

    def _ahead_s(self, window: Window) -> float:
        """Return the time from a window's reference plane to the newest plane, seconds."""
        newest_ns = None if self._ingest.ring is None else self._ingest.ring.newest_ns
        return 0.0 if newest_ns is None else (newest_ns - window.reference_ns) / 1e9
