# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Node of the demo that joins depth, uncertainty and preview of each window by stamp."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from spike_depth_ros import metrics
from spike_depth_ros.nodes import diagnostic_values as keys
from spike_depth_ros.nodes.conversions import array_from_msg
from spike_depth_ros.nodes.diagnostic_values import Values
from spike_depth_ros.stream.decode import stamp_ns
from spike_depth_ros.stream.recording import Recording
from spike_depth_ros.stream.window import reference_index
from spike_depth_ros.tasks.depth import DepthInfo

MAX_SNAPSHOTS = 24
"""Windows that are kept for pictures, evenly spread over the recording."""

MAX_OPEN = 8
"""Windows that wait for the rest of their images at most."""

_KEPT = {
    keys.STREAM: 'stream', keys.LEFT_STREAM: 'stream', keys.RIGHT_STREAM: 'right_stream',
    keys.MODEL: 'model', keys.STEREO: 'stereo',
}  # fmt: skip
"""Attribute of the listener for each status that it keeps."""


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """Output of the depth node for one window, or of that of two cameras for one pair.

    Attributes:
        plane: Index in the recording of the window's reference plane.
        depth: Metres, with the infinities and NaN of the topic, ``[height, width]``.
        uncertainty: Half-width of the 68 % interval, metres, same shape.
        preview: Firing rate as grey values, ``[sensor height, sensor width]`` uint8.
        right: As ``preview``, of the right camera; None: there is one camera.
        disparity: Disparity, pixels, as ``depth``; None: there is one camera.
    """

    plane: int
    depth: npt.NDArray[np.float32]
    uncertainty: npt.NDArray[np.float32]
    preview: npt.NDArray[np.uint8]
    right: npt.NDArray[np.uint8] | None = None
    disparity: npt.NDArray[np.float32] | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """Plan of a run: the stream, and the mapping from stamps to its planes.

    Attributes:
        recording: The stream.
        rate_hz: Planes a second.
        planes: Total planes to send; the recording is looped.
        info: The checkpoint's metadata.
        name: Title of the stream in pictures.
        speed: Speed of playback, times real time.
        checkpoint: The model, as on the command line; None: the default one.
    """

    recording: Recording
    rate_hz: float
    planes: int
    info: DepthInfo
    name: str
    speed: float = 1.0
    checkpoint: Path | None = None

    @property
    def is_pair(self) -> bool:
        """True if the recording is of two cameras."""
        return self.recording.baseline_m is not None

    @property
    def length(self) -> int:
        """Planes of the recording."""
        return len(self.recording.planes)

    def plane_at(self, stamp: int, first_stamp: int) -> int:
        """Return the index in the recording of the plane with this stamp."""
        return round((stamp - first_stamp) * self.rate_hz / 1e9) % self.length

    def seen_ns(self, stamp: int, first_stamp: int) -> float:
        """Return the due time of a window's last plane from its reference stamp, nanoseconds."""
        after_ns = self.planes_after_reference() * 1e9 / self.rate_hz
        return first_stamp + (stamp + after_ns - first_stamp) / self.speed

    def truth_at(self, plane: int) -> npt.NDArray[np.float32] | None:
        """Return the true depth nearest to a reference plane, if it lies within its window."""
        truth = self.recording.truth
        if truth is None:
            return None
        before = reference_index(self.info.reference_plane, self.info.planes)
        after = self.planes_after_reference()
        within = (truth.planes >= plane - before) & (truth.planes <= plane + after)
        return truth.nearest(plane) if within.any() else None

    def crosses_seam(self, plane: int) -> bool:
        """Return True if the window around a reference plane contains the loop's seam."""
        first = plane - reference_index(self.info.reference_plane, self.info.planes)
        return first < 0 or first + self.info.planes > self.length

    def planes_after_reference(self) -> int:
        """Return the planes of a window after its reference plane."""
        index = reference_index(self.info.reference_plane, self.info.planes)
        return self.info.planes - 1 - index


class DemoListener(Node):
    """Node that collects the output of the depth node.

    Args:
        plan: Plan of the run.
        report: Report file of the player.
    """

    def __init__(self, plan: Plan, report: Path) -> None:
        super().__init__('spike_demo')
        self.latencies_ms: list[float] = []
        self.received_s: list[float] = []
        self.stream, self.right_stream = Values(), Values()
        self.model, self.stereo = Values(), Values()
        self.snapshots: dict[int, Snapshot] = {}
        info = plan.info
        limits = (info.min_depth, info.max_depth)
        self.errors = metrics.DepthErrors(*limits)
        self.scaled_errors = metrics.DepthErrors(*limits, metrics.EvalProtocol(alignment='median'))
        self._plan = plan
        self._report = report
        self._first_stamp: int | None = None
        self._open: dict[int, dict[str, npt.NDArray[Any]]] = {}
        qos = QoSProfile(depth=10)
        topics = {'depth/uncertainty': 'uncertainty'}
        if plan.is_pair:
            # Imported here: one camera needs no messages of two.
            from stereo_msgs.msg import DisparityImage

            topics |= {'left/image_rect': 'preview', 'right/image_rect': 'right'}
            self.create_subscription(DisparityImage, 'disparity', self._on_disparity, qos)
        else:
            topics['spikes/image'] = 'preview'
        self._fields = {'depth', *topics.values(), *(['disparity'] if plan.is_pair else [])}
        self.create_subscription(Image, 'depth/image', self._on_depth, qos)
        for topic, field in topics.items():
            on_image = functools.partial(self._on_image, field)
            self.create_subscription(Image, topic, on_image, qos)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, qos)

    def _on_depth(self, msg: Image) -> None:
        self.received_s.append(time.monotonic())
        stamp = stamp_ns(msg.header.stamp)
        now_ns, first = self.get_clock().now().nanoseconds, self._player_start()
        if first is not None:
            self.latencies_ms.append((now_ns - self._plan.seen_ns(stamp, first)) / 1e6)
        depth = array_from_msg(msg)
        self._score(stamp, depth)
        self._collect(stamp, 'depth', depth)

    def _score(self, stamp: int, depth: npt.NDArray[np.float32]) -> None:
        """Add a depth image to the errors; windows across the loop's seam are left out."""
        first = self._player_start()
        if first is None:
            return
        plane = self._plan.plane_at(stamp, first)
        truth = self._plan.truth_at(plane)
        if truth is None or truth.shape != depth.shape or self._plan.crosses_seam(plane):
            return
        for errors in (self.errors, self.scaled_errors):
            errors.add(depth, truth)

    def _collect(self, stamp: int, field: str, image: npt.NDArray[Any]) -> None:
        """Join the images of one window; keep one snapshot for each part of the recording."""
        first = self._player_start()
        images = self._open.setdefault(stamp, {})
        images[field] = image
        while len(self._open) > MAX_OPEN:  # one of its images was lost
            self._open.pop(next(iter(self._open)))
        if first is None or images.keys() != self._fields:
            return
        self._open.pop(stamp, None)
        snapshot = Snapshot(self._plan.plane_at(stamp, first), **images)
        only_seams = self._plan.length <= self._plan.info.planes
        if only_seams or not self._plan.crosses_seam(snapshot.plane):
            span = min(self._plan.length, self._plan.planes)
            self.snapshots.setdefault(snapshot.plane * MAX_SNAPSHOTS // span, snapshot)

    def _on_image(self, field: str, msg: Image) -> None:
        self._collect(stamp_ns(msg.header.stamp), field, array_from_msg(msg))

    def _on_disparity(self, msg: Any) -> None:
        disparity = array_from_msg(msg.image).copy()
        disparity[disparity < msg.min_disparity] = np.nan
        self._collect(stamp_ns(msg.header.stamp), 'disparity', disparity)

    def _player_start(self) -> int | None:
        """Return the stamp of the first plane, from the player's report, nanoseconds."""
        if self._first_stamp is None and self._report.exists():
            with contextlib.suppress(ValueError, KeyError):
                self._first_stamp = json.loads(self._report.read_text())['first_stamp_ns']
        return self._first_stamp

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            name = _KEPT.get(status.name.rpartition(': ')[2])
            if name is not None:
                setattr(self, name, Values.of(status))
