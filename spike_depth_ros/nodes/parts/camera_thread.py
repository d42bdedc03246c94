# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Thread from a camera to its topics: reduces, counts, stamps and publishes planes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import rclpy

from spike_depth_ros.cameras.base import Block, Camera, CameraError, StreamEnd
from spike_depth_ros.cameras.reduction import Reduction
from spike_depth_ros.nodes.parts.conversions import spikes_msg
from spike_depth_ros.nodes.parts.private_rclpy import RCLError
from spike_depth_ros.nodes.parts.spike_topics import SpikeTopics
from spike_depth_ros.stream.accounting import PlaneAccounting
from spike_depth_ros.stream.chunk import SpikeChunk
from spike_depth_ros.stream.plane_clock import PlaneClock

WAIT_S = 0.2
"""Longest wait for planes, after which the thread sees that it shall end, seconds."""


class CameraThread(threading.Thread):
    """Thread that publishes the planes of a started camera.

    Args:
        camera: The camera.
        rate_hz: Its planes a second.
        reduction: What is published of it.
        topics: The publishers.
        frame_id: Optical frame of the stamps.
        planes_per_packet: Planes of a message.
        every_nth: Planes of the camera to each of them.
        now_ns: Returns the time of the node's clock, nanoseconds.
        warn: Called with kind and text of each warning.

    Attributes:
        accounting: Counters of the planes; ``windowed`` are those that were published.
        packets_sent: Published messages.
        newest_s: Monotonic time of the newest planes, seconds; that of the start before.
        ended: True: the stream is over.
        problem: Why the camera failed, one line; empty: it has not.
    """

    def __init__(
        self,
        camera: Camera,
        rate_hz: float,
        reduction: Reduction,
        topics: SpikeTopics,
        frame_id: str,
        planes_per_packet: int,
        every_nth: int,
        now_ns: Callable[[], int],
        warn: Callable[[str, str], object],
    ) -> None:
        super().__init__(name='camera')
        self.accounting = PlaneAccounting()
        self.packets_sent = 0
        self.newest_s = time.monotonic()
        self.ended = False
        self.problem = ''
        self._camera, self._reduction, self._topics = camera, reduction, topics
        self._frame_id, self._most = frame_id, planes_per_packet * every_nth
        self._now_ns, self._warn = now_ns, warn
        self._clock = PlaneClock(rate_hz)
        self._start_ns: int | None = None
        self._next = 0
        self._ending = threading.Event()

    def end(self) -> None:
        """End the thread, and wait for it."""
        self._ending.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        """Publish until the thread is ended, the stream is over or the camera fails."""
        try:
            while not self._ending.is_set():
                block = self._camera.read(self._most, WAIT_S)
                while self._camera.warnings:
                    self._warn('camera', self._camera.warnings.pop(0))
                if block is not None:
                    self._publish(block)
        except StreamEnd:
            self.ended = True
        except CameraError as error:
            self.problem = str(error)
        except RCLError:
            if rclpy.ok():  # else ROS was shut down while a packet was published
                raise

    def _publish(self, block: Block) -> None:
        counted = self.accounting
        if block.missing:
            counted.lose(block.missing, 'transport')
        if block.overrun:
            counted.lose(block.overrun, 'queue')
        if block.missing or block.overrun:
            self._warn(
                'lost',
                f'{block.missing} planes are missing in the numbers of the camera, and '
                f'{block.overrun} found the ring full: publish less with crop or every_nth, or '
                'end other programs',
            )
        counted.receive(block.refused)
        counted.refuse(block.refused, 'geometry')
        if not len(block.planes):
            return
        span = (len(block.planes) - 1) * block.stride + 1
        left_out = block.first - self._next - block.missing - block.overrun - block.refused
        self._next = block.first + span
        received = max(0, left_out) + span
        counted.receive(received)
        self.newest_s = time.monotonic()
        if self._start_ns is None:
            self._start_ns = self._now_ns() - self._clock.since_start_ns(self._next)
        kept, number = self._reduction.kept(block)
        if len(kept):
            stamp_ns = self._start_ns + self._clock.since_start_ns(number)
            chunk = SpikeChunk(kept, self._reduction.geometry, stamp_ns)
            self._topics.publish(spikes_msg(chunk, self._frame_id), stamp_ns)
            self.packets_sent += 1
        counted.windowed += len(kept)
        counted.skipped_by_policy += received - len(kept)
