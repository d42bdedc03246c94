# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation of a running depth node, in whichever node: it joins what belongs to a window.

Subscribes (relative names): ``depth/image``, ``depth/uncertainty``, ``depth/camera_info``,
``camera_info`` (the truth is rectified as depth is), ``depth/truth`` (32FC1 metres or 16UC1
millimetres) and ``/diagnostics``, the source of the model and the plane accounting of the depth
node, of one camera or two, in the node's namespace. Publishes the metrics so far as
``evaluation/abs_rel`` and so on (std_msgs/Float64), and ``/diagnostics``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple

import numpy as np
import numpy.typing as npt
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Float64

from spike_depth_ros.checkpoint import CheckpointError, load_info
from spike_depth_ros.evaluation.live import Arrivals, LiveScores, LiveWindow, ScoresT
from spike_depth_ros.evaluation.truth import Truth
from spike_depth_ros.geometry.calibration import Calibration, CalibrationError
from spike_depth_ros.geometry.depth_values import FloatImage
from spike_depth_ros.geometry.rectification import NewestLens, Rectification
from spike_depth_ros.nodes.parts import diagnostic_values as keys
from spike_depth_ros.nodes.parts import diagnostics, process
from spike_depth_ros.nodes.parts.conversions import array_from_msg
from spike_depth_ros.nodes.parts.diagnostic_values import Values
from spike_depth_ros.nodes.parts.spike_topics import several_publishers
from spike_depth_ros.stream.decode import METRES, PacketError, depth_from_msg, stamp_ns
from spike_depth_ros.stream.ingest import problem_of_matrix
from spike_depth_ros.tasks.depth import DepthInfo

QUEUE = 50

MAX_JOINING = 16
"""Windows that wait for the rest of their images at most."""

MAX_JOINING_BYTES = 1 << 28
"""Memory of the images that wait at most."""

PUBLISHED_METRICS = ('abs_rel', 'rmse', 'delta1', 'ause', 'interval_coverage', 'flicker')


@dataclasses.dataclass
class DepthNodeStatus:
    """Diagnostics of the depth node; of two cameras, ``stream`` is that of the left one."""

    stream: Values = dataclasses.field(default_factory=Values)
    inference: Values = dataclasses.field(default_factory=Values)
    model: Values = dataclasses.field(default_factory=Values)
    right_stream: Values = dataclasses.field(default_factory=Values)
    stereo: Values = dataclasses.field(default_factory=Values)

    def update(self, status: DiagnosticStatus, namespace: str) -> None:
        """Store a status, if it is of the depth node in this namespace."""
        name, _, part = status.name.rpartition(': ')
        field = _FIELDS.get(part)
        values = Values.of(status)
        if field and name.rpartition('/')[0] == namespace and not values.of_source:
            setattr(self, field, values)

    def hop(self) -> int:
        """Return the planes between the starts of windows; 0 with policy ``latest``."""
        every = self.stream.get(keys.POLICY) == 'every'
        return self.stream.count(keys.HOP_PLANES) if every else 0

    def plane_rate_hz(self) -> float:
        """Return the plane rate, Hz; 0: not yet known."""
        rate = self.stream.number(keys.PLANE_RATE_HZ)
        return rate if math.isfinite(rate) else 0.0


_FIELDS = {
    keys.STREAM: 'stream', keys.LEFT_STREAM: 'stream', keys.RIGHT_STREAM: 'right_stream',
    keys.INFERENCE: 'inference', keys.MODEL: 'model', keys.STEREO: 'stereo',
}  # fmt: skip
"""Field for each status that is kept."""


class Joined(NamedTuple):
    """Image that is joined with the depth of its window.

    Attributes:
        name: Its name among the images of a window; ``preview`` is the picture of the spikes.
        topic: Its topic.
        kind: Class of its messages.
        read: Reads the pixels of a message; a ValueError refuses it.
    """

    name: str
    topic: str
    kind: Any
    read: Callable[[Any], npt.NDArray[Any]]


class LiveEvaluation(Generic[ScoresT]):
    """Subscriptions of a node that scores depth, and what they hold.

    Args:
        node: The node.
        live: Thread that scores; it is started.
        info: The model's metadata; None: those of the file that the depth node names.
        pictures: Images to join beside depth and uncertainty.
        whole: True: windows without one of the pictures are not scored.

    Attributes:
        node: This node.
        live: This thread.
        depth_node: Newest diagnostics of the depth node.
        arrivals: When depth images came.
        info: Newest metadata of a model that could be read; None: none yet.
        refused_run: Why nothing is evaluated; empty: it is.
    """

    def __init__(
        self,
        node: Node,
        live: LiveScores[ScoresT],
        info: DepthInfo | None = None,
        pictures: Sequence[Joined] = (),
        whole: bool = False,
    ) -> None:
        self.node, self.live, self.info = node, live, info
        self.depth_node = DepthNodeStatus()
        self.arrivals = Arrivals()
        self.refused_run = ''
        self._is_told = info is not None
        self._joining: dict[int, dict[str, npt.NDArray[Any]]] = {}
        self._needed = {'depth', 'uncertainty', *(one.name for one in pictures if whole)}
        self._unjoined = 0
        self._refused = 0
        self._refusal = ''
        self._fx_px = 0.0
        self._distorted = False
        self._lens = NewestLens()
        self._rectification: Rectification | None = None
        self._refused_checkpoint = ''
        self._windows = diagnostics.Rate()
        live.info = info
        self._open_topics(pictures)
        live.start()

    def _open_topics(self, pictures: Sequence[Joined]) -> None:
        qos = QoSProfile(depth=QUEUE)
        subscribe = self.node.create_subscription
        subscribe(DiagnosticArray, '/diagnostics', self._on_diagnostics, qos)
        subscribe(CameraInfo, 'depth/camera_info', self._on_camera_info, qos)
        any_driver = QoSProfile(depth=10, reliability=QoSReliabilityPolicy.BEST_EFFORT)
        subscribe(CameraInfo, 'camera_info', self._on_sensor, any_driver)

        def join(image: Joined) -> None:
            subscribe(image.kind, image.topic, lambda msg: self._join(msg, image), qos)

        join(Joined('depth', 'depth/image', Image, depth_values))
        join(Joined('uncertainty', 'depth/uncertainty', Image, depth_values))
        for picture in pictures:
            join(picture)
        # Last: a player that waits for this subscriber then finds the others, too.
        subscribe(Image, 'depth/truth', self._on_truth, qos)
        self._metrics = {
            name: self.node.create_publisher(Float64, f'evaluation/{name}', 10)
            for name in PUBLISHED_METRICS
        }
        diagnostics.StatusPublisher(self.node, self._statuses)

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        namespace = self.node.get_namespace().strip('/')
        for status in msg.status:
            self.depth_node.update(status, namespace)
        model, known = self.depth_node.model, self.live.info
        checkpoint, weights = model.get(keys.CHECKPOINT, ''), model.get(keys.WEIGHTS_SHA256, '')
        swapped = known is not None and weights not in ('', known.weights_sha256)
        if self._is_told or (known is not None and not swapped):
            return
        if checkpoint not in ('', self._refused_checkpoint):
            try:
                self.live.info = self.info = load_info(Path(checkpoint))
            except (CheckpointError, OSError) as error:
                self._refused_checkpoint = checkpoint
                self.live.info = None  # its windows are not those of the model before
                self.node.get_logger().error(f'set the parameter checkpoint: {error}')

    def _on_camera_info(self, msg: CameraInfo) -> None:
        if math.isfinite(msg.k[0]) and msg.k[0] >= 0:
            self._fx_px = float(msg.k[0])
        self._distorted = any(msg.d)

    def _on_sensor(self, msg: CameraInfo) -> None:
        """Find how the truth, in pixels of the sensor, is rectified.

        What the depth node does not use, it reports; its camera then stays as it was.
        """
        with contextlib.suppress(CalibrationError):
            given = Calibration.from_message(msg)
            if not problem_of_matrix(given):
                self._rectification = self._lens.update(given)

    def _on_truth(self, msg: Image) -> None:
        self.live.add_truth(Truth(stamp_ns(msg.header.stamp), msg))

    def _join(self, msg: Any, joined: Joined) -> None:
        """Join the images of a window; discard windows that lack one for long."""
        stamp, name = stamp_ns(msg.header.stamp), joined.name
        if name == 'depth':
            self.arrivals.add(stamp, self.node.get_clock().now().nanoseconds)
        images = self._joining.get(stamp, {})
        try:
            image = joined.read(msg)
            pair = [images.get(each, image) for each in ('depth', 'uncertainty')]
            if name in ('depth', 'uncertainty') and pair[0].shape != pair[1].shape:
                raise PacketError('depth and uncertainty differ in size; expected the same')
        except (ValueError, TypeError) as error:
            self._refused += 1
            self._refusal = f'{name}: {error}'
            return
        images[name] = image
        self._joining[stamp] = images
        # The preview is published before depth, or, by a network, for some windows alone.
        if self._needed <= set(images):
            self.live.add_window(self._window(stamp, self._joining.pop(stamp)))
        while len(self._joining) > MAX_JOINING or (
            len(self._joining) > 1 and _nbytes(self._joining.values()) > MAX_JOINING_BYTES
        ):
            oldest = self._joining.pop(next(iter(self._joining)))
            self._unjoined += 'depth' in oldest

    def _window(self, stamp: int, images: dict[str, npt.NDArray[Any]]) -> LiveWindow:
        """Return the window of joined images, and of the newest camera and scale."""
        # That of the newest status: a running median, which moves slowly.
        factor = self.depth_node.model.number(keys.SCALE_FACTOR)
        return LiveWindow(
            stamp,
            images.pop('depth'),
            images.pop('uncertainty'),
            images.pop('preview', None),
            self._fx_px,
            None if self._distorted else self._rectification,
            factor if 0 < factor < math.inf else 1.0,
            images,
        )

    def _refuse_several_publishers(self) -> None:
        """End if more than one node publishes a scored topic, as scores would be meaningless."""
        for topic in ('spikes', 'depth/image', 'depth/truth'):
            if text := several_publishers(self.node, topic):
                self.refused_run = f'not evaluated: {text}'
                raise process.UserError(self.refused_run)

    def _statuses(self, start: str) -> list[DiagnosticStatus]:
        """Publish the metrics so far, and build the status."""
        self._refuse_several_publishers()
        metrics = self.live.metrics()
        metrics = {name: value for name, value in metrics.items() if math.isfinite(value)}
        for name, publisher in self._metrics.items():
            if name in metrics:
                publisher.publish(Float64(data=metrics[name]))
        return [self._status(start + keys.EVALUATION, metrics)]

    def _status(self, name: str, metrics: dict[str, float]) -> DiagnosticStatus:
        live, accounting = self.live, self.live.truths.accounting
        rate, _ = self._windows.update(live.windows)
        builder = diagnostics.StatusBuilder('windows are scored')
        if live.info is None:
            refused = self._refused_checkpoint
            builder.warn(
                f'{refused} cannot be read here: set the parameter checkpoint'
                if refused
                else 'the model is not known yet: start the depth node'
            )
        elif not live.windows:
            builder.warn('no depth yet')
        if accounting.received and not accounting.used and accounting.unmatched:
            near = (accounting.nearest_ns or 0) / 1e6
            builder.warn(
                f'no truth near a window; the nearest {near:.3g} ms away: use one clock for both'
            )
        if self._refused:
            builder.warn(f'{self._refused} images refused, the newest: {self._refusal}')
        if live.problem:
            builder.warn(live.problem)
        if live.late:
            builder.warn(f'{live.late} windows scored before their truth arrived')
        if live.left_out:
            builder.warn(f'{live.left_out} windows not scored: this machine does not keep up')
        values: dict[str, object] = {
            keys.WINDOWS_PER_S: rate,
            keys.WINDOWS: live.windows,
            keys.WINDOWS_WITH_TRUTH: accounting.used,
            keys.WINDOWS_INCOMPLETE: self._unjoined,
            keys.IMAGES_REFUSED: self._refused,
            keys.WINDOWS_LEFT_OUT: live.left_out,
            keys.WINDOWS_WAITING: live.waiting,
            keys.TRUTH_RECEIVED: accounting.received,
            keys.TRUTH_UNMATCHED: accounting.unmatched,
            keys.TRUTH_UNUSABLE: accounting.unusable,
            keys.TRUTH_WITHIN_MS: live.truths.within_ns / 1e6,
            keys.PLANES_DROPPED: self.depth_node.stream.accounting().dropped,
            **metrics,
        }
        return builder.status(name, '', values)

    def unscored(self) -> list[str]:
        """Return what was not scored as it should be, one line each."""
        live = self.live
        texts = [live.problem] if live.problem else []
        if live.late:
            texts.append(f'windows scored before their truth arrived: {live.late}')
        if live.left_out:
            texts.append(f'windows not scored, as scoring did not keep up: {live.left_out}')
        if self._unjoined:
            texts.append(f'depth images without their other images: {self._unjoined}')
        if self._refused:
            texts.append(f'images refused: {self._refused}, the newest: {self._refusal}')
        return texts


def _nbytes(windows: Iterable[dict[str, Any]]) -> int:
    """Return the memory of the images of windows, bytes."""
    return sum(image.nbytes for images in windows for image in images.values())


def depth_values(msg: Image) -> FloatImage:
    """Read a depth or uncertainty image, metres; unlike in a truth, 0 is a valid uncertainty.

    Raises:
        PacketError: Another encoding, or a size that does not fit the data.
    """
    image = depth_from_msg(msg)
    return array_from_msg(msg) if msg.encoding == METRES else image


def grey_values(msg: Image) -> npt.NDArray[np.uint8]:
    """Read a preview of spikes, ``[H, W]`` uint8.

    Raises:
        ValueError: Another encoding, or a size that does not fit the data.
    """
    if msg.encoding != 'mono8':
        raise PacketError(f"encoding {msg.encoding!r}; expected 'mono8'")
    return array_from_msg(msg)


def grey_picture(topic: str, name: str = 'preview') -> Joined:
    """Return a grey picture of spikes as an image to join."""
    return Joined(name, topic, Image, grey_values)
