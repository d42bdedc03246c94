# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Node ``spike_evaluation``: scores the output of a running depth node, drops included.

Subscribes (relative names): ``depth/image``, ``depth/uncertainty``, ``depth/camera_info``,
``camera_info`` (the truth is rectified as depth is), ``depth/truth`` (32FC1 metres or 16UC1
millimetres) and ``/diagnostics``, the source of the model and the plane accounting of the depth
node in its namespace. Publishes the metrics so far as ``evaluation/abs_rel`` and so on
(std_msgs/Float64), and ``/diagnostics``. At its end it writes the same files as ``evaluate_bag``.
Parameters: ``EvaluationParameters``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Float64

from spike_depth_ros.base.values import within
from spike_depth_ros.calibration import Calibration, CalibrationError
from spike_depth_ros.checkpoint import CheckpointError, find_checkpoint, load_info
from spike_depth_ros.errors import check_link, one_line
from spike_depth_ros.evaluation.live import LiveScores, LiveWindow
from spike_depth_ros.evaluation.report.render import render, warnings
from spike_depth_ros.evaluation.results import (
    RESULTS,
    ModelRun,
    Stream,
    control_lines,
    is_result,
    metrics_report,
    timing,
    write_json,
)
from spike_depth_ros.evaluation.scores import Scores
from spike_depth_ros.evaluation.truth import Truth
from spike_depth_ros.metrics import PUBLISHED, Alignment, Crop, EvalProtocol, Mean
from spike_depth_ros.nodes import diagnostic_values as keys
from spike_depth_ros.nodes import diagnostics, parameters, process
from spike_depth_ros.nodes.conversions import array_from_msg
from spike_depth_ros.nodes.diagnostic_values import Values
from spike_depth_ros.nodes.losses import ActiveRemedies, losses
from spike_depth_ros.nodes.spike_topics import several_publishers
from spike_depth_ros.rectification import NewestLens, Rectification
from spike_depth_ros.result_files import (
    UnfinishedFolder,
    check_results,
    old_results,
    replace_results,
)
from spike_depth_ros.stream.accounting import PlaneAccounting
from spike_depth_ros.stream.decode import (
    METRES,
    FloatImage,
    PacketError,
    depth_from_msg,
    stamp_ns,
)
from spike_depth_ros.stream.ingest import problem_of_matrix
from spike_depth_ros.tasks.depth import DepthInfo

QUEUE = 50

MAX_JOINING = 16
"""Windows that wait for the rest of their images at most."""

MAX_JOINING_BYTES = 1 << 28
"""Memory of the images that wait at most."""

PUBLISHED_METRICS = ('abs_rel', 'rmse', 'delta1', 'ause', 'interval_coverage', 'flicker')


@dataclasses.dataclass(frozen=True)
class EvaluationParameters:
    """Parameters of the node ``spike_evaluation``."""

    out: str = ''
    """Folder for metrics.json, windows.csv, report.html; empty: no files."""
    checkpoint: str = ''
    """Model file; empty: the one of the depth node."""
    match_within_ms: Annotated[float, within(0, 60_000)] = 0.0
    """How far a truth may be from its depth image, ms; 0: half the shortest time between two depth
    images."""
    protocol: Literal['', 'bicross'] = ''
    """bicross: Garg crop, cap 80 m, not aligned, mean over images; empty: by crop, cap_m,
    alignment and mean."""
    crop: Crop = 'none'
    """Part of the image that is scored: none, garg."""
    cap_m: Annotated[float, within(0, 100_000)] = 0.0
    """Farthest truth that is scored, m; 0: all."""
    alignment: Alignment = 'none'
    """To the truth of each image: none, median, scale_shift, disparity."""
    mean: Mean = 'pixels'
    """What metrics are a mean over: pixels, images."""


@dataclasses.dataclass
class DepthNodeStatus:
    """Diagnostics of the depth node."""

    stream: Values = dataclasses.field(default_factory=Values)
    inference: Values = dataclasses.field(default_factory=Values)
    model: Values = dataclasses.field(default_factory=Values)

    def update(self, status: DiagnosticStatus, namespace: str) -> None:
        """Store a status, if it is of the depth node in this namespace."""
        name, _, part = status.name.rpartition(': ')
        parts = (keys.STREAM, keys.INFERENCE, keys.MODEL)
        values = Values.of(status)
        if part in parts and name.rpartition('/')[0] == namespace and not values.of_source:
            setattr(self, part, values)

    def hop(self) -> int:
        """Return the planes between the starts of windows; 0 with policy ``latest``."""
        every = self.stream.get(keys.POLICY) == 'every'
        return self.stream.count(keys.HOP_PLANES) if every else 0

    def plane_rate_hz(self) -> float:
        """Return the plane rate, Hz; 0: not yet known."""
        rate = self.stream.number(keys.PLANE_RATE_HZ)
        return rate if math.isfinite(rate) else 0.0


class EvaluationNode(Node):
    """Node that connects topics to :class:`LiveScores`, and its metrics to topics and files."""

    def __init__(self) -> None:
        super().__init__('spike_evaluation')
        parameters.declare(self, EvaluationParameters)
        try:
            read = parameters.values(self, EvaluationParameters)
            self._out = Path(read.out) if read.out else None
            self._partial: UnfinishedFolder | None = None
            model = read.checkpoint
            self._info = load_info(find_checkpoint(model)) if model else None
            self._is_told = bool(model)
            if self._out is not None:
                check_link(self._out)
                self._out.mkdir(parents=True, exist_ok=True)
                check_results(self._out, RESULTS, is_result)  # before the stream is played
                # Holds windows.csv; earlier results stay until the new ones are complete.
                self._partial = UnfinishedFolder(self._out)
            cap = read.cap_m or None
            protocol = EvalProtocol(read.crop, cap, read.alignment)
            published = read.protocol == 'bicross'
            self._live = LiveScores(
                PUBLISHED if published else protocol,
                'images' if published else read.mean,
                round(1e6 * read.match_within_ms),
                Path(self._partial.name) if self._partial is not None else None,
            )
        except (ValueError, OSError) as error:
            raise process.UserError(str(error)) from error
        self._depth_node = DepthNodeStatus()
        self._joining: dict[int, dict[str, Any]] = {}
        self._unjoined = 0
        self._refused_run = ''  # why
        self._refused = 0
        self._refusal = ''
        self._fx_px = 0.0
        self._distorted = False
        self._lens = NewestLens()
        self._rectification: Rectification | None = None
        self._refused_checkpoint = ''
        self._windows = diagnostics.Rate()
        self._started_ns = self.get_clock().now().nanoseconds
        self._live.info = self._info
        self._open_topics()
        self._live.start()

    def _open_topics(self) -> None:
        qos = QoSProfile(depth=QUEUE)
        subscribe = self.create_subscription
        subscribe(DiagnosticArray, '/diagnostics', self._on_diagnostics, qos)
        subscribe(CameraInfo, 'depth/camera_info', self._on_camera_info, qos)
        any_driver = QoSProfile(depth=10, reliability=QoSReliabilityPolicy.BEST_EFFORT)
        subscribe(CameraInfo, 'camera_info', self._on_sensor, any_driver)

        def join(topic: str, field: str, read: Callable[[Image], npt.NDArray[Any]]) -> None:
            subscribe(Image, topic, lambda msg: self._join(msg, field, read), qos)

        join('depth/image', 'depth', depth_values)
        join('depth/uncertainty', 'uncertainty', depth_values)
        if self._out is not None:  # only the report shows pictures
            join('spikes/image', 'preview', grey_values)
        # Last: a player that waits for this subscriber then finds the others, too.
        subscribe(Image, 'depth/truth', self._on_truth, qos)
        self._metrics = {
            name: self.create_publisher(Float64, f'evaluation/{name}', 10)
            for name in PUBLISHED_METRICS
        }
        diagnostics.StatusPublisher(self, self._statuses)

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        namespace = self.get_namespace().strip('/')
        for status in msg.status:
            self._depth_node.update(status, namespace)
        model, known = self._depth_node.model, self._live.info
        checkpoint, weights = model.get(keys.CHECKPOINT, ''), model.get(keys.WEIGHTS_SHA256, '')
        swapped = known is not None and weights not in ('', known.weights_sha256)
        if self._is_told or (known is not None and not swapped):
            return
        if checkpoint not in ('', self._refused_checkpoint):
            try:
                self._live.info = self._info = load_info(Path(checkpoint))
            except (CheckpointError, OSError) as error:
                self._refused_checkpoint = checkpoint
                self._live.info = None  # its windows are not those of the model before
                self.get_logger().error(f'set the parameter checkpoint: {error}')

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
        self._live.add_truth(Truth(stamp_ns(msg.header.stamp), msg))

    def _join(self, msg: Image, field: str, read: Callable[[Image], npt.NDArray[Any]]) -> None:
        """Join the images of a window; discard windows that lack one for long."""
        stamp = stamp_ns(msg.header.stamp)
        images = self._joining.get(stamp, {})
        try:
            image = read(msg)
            pair = [images.get(name, image) for name in ('depth', 'uncertainty')]
            if field != 'preview' and pair[0].shape != pair[1].shape:
                raise PacketError('depth and uncertainty differ in size; expected the same')
        except (ValueError, TypeError) as error:
            self._refused += 1
            self._refusal = f'{field}: {error}'
            return
        images[field] = image
        self._joining[stamp] = images
        # The preview is published before depth, or, by a network, for some windows alone.
        if {'depth', 'uncertainty'} <= set(images):
            del self._joining[stamp]
            preview = images.get('preview')
            lens = None if self._distorted else self._rectification
            # That of the newest status: a running median, which moves slowly.
            factor = self._depth_node.model.number(keys.SCALE_FACTOR)
            window = LiveWindow(
                stamp,
                images['depth'],
                images['uncertainty'],
                preview,
                self._fx_px,
                lens,
                factor if 0 < factor < math.inf else 1.0,
            )
            self._live.add_window(window)
        while len(self._joining) > MAX_JOINING or (
            len(self._joining) > 1 and _nbytes(self._joining.values()) > MAX_JOINING_BYTES
        ):
            oldest = self._joining.pop(next(iter(self._joining)))
            self._unjoined += 'depth' in oldest

    def _refuse_several_publishers(self) -> None:
        """End if more than one node publishes a scored topic, as scores would be meaningless."""
        for topic in ('spikes', 'depth/image', 'depth/truth'):
            if text := several_publishers(self, topic):
                self._refused_run = f'not evaluated: {text}'
                raise process.UserError(self._refused_run)

    def _statuses(self, start: str) -> list[DiagnosticStatus]:
        """Publish the metrics so far, and build the status."""
        self._refuse_several_publishers()
        metrics = self._live.metrics()
        metrics = {name: value for name, value in metrics.items() if math.isfinite(value)}
        for name, publisher in self._metrics.items():
            if name in metrics:
                publisher.publish(Float64(data=metrics[name]))
        return [self._status(start + keys.EVALUATION, metrics)]

    def _status(self, name: str, metrics: dict[str, float]) -> DiagnosticStatus:
        live, accounting = self._live, self._live.truths.accounting
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
            keys.PLANES_DROPPED: self._depth_node.stream.accounting().dropped,
            **metrics,
        }
        return builder.status(name, '', values)

    def evaluate(self) -> int:
        """Score windows until the process is asked to end, and write the files.

        Returns:
            The exit status.
        """
        try:
            return process.spin(self)
        finally:
            self._finish()  # before the node closes, whose time is bounded

    def _finish(self) -> None:
        """Score the waiting windows and write the files."""
        self._live.finish()
        if self._out is None or self._partial is None:
            return
        try:
            with self._partial as partial:
                if self._refused_run or self._live.scores is None or self._info is None:
                    raise process.LossError(self._why_no_results(self._out))
                self._write(self._out, Path(partial), self._live.scores, self._info)
        except OSError as error:
            raise process.LossError(f'no results: {one_line(error)}') from error

    def _why_no_results(self, out: Path) -> str:
        """Return the reason for missing results."""
        why = self._refused_run or 'no window arrived'
        kept = old_results(out, RESULTS, is_result)
        return f'{why}: no report' + (f', the earlier results in {out} are kept' if kept else '')

    def _write(self, out: Path, partial: Path, scores: Scores, info: DepthInfo) -> None:
        """Replace the earlier results, and print the main metrics."""
        stream, run = self._stream(), self._run(scores, info)
        seconds = (self.get_clock().now().nanoseconds - self._started_ns) / 1e9
        with replace_results(out, RESULTS, is_result) as folder:
            for file in partial.iterdir():
                file.replace(folder / file.name)
            write_json(folder / 'metrics.json', metrics_report(stream, [run]))
            write_json(folder / 'timing.json', timing([run], seconds))
            (folder / 'report.html').write_text(render(stream, [run]), encoding='utf-8')
        headline = run.scores.errors.headline(run.scores.mean)
        for text in control_lines([run]):
            print(f'spike_evaluation: {text}')
        print(f'spike_evaluation: {stream.windows} windows, {stream.truth.used} with truth')
        print(f'spike_evaluation: {headline}')
        for text in warnings(stream, [run]):
            print(f'spike_evaluation: warning: {text}')
        print(f'spike_evaluation: report: {out / "report.html"}', flush=True)

    def _stream(self) -> Stream:
        node, live = self._depth_node, self._live
        texts = [live.problem] if live.problem else []
        if live.late:
            texts.append(f'windows scored before their truth arrived: {live.late}')
        if live.left_out:
            texts.append(f'windows not scored, as scoring did not keep up: {live.left_out}')
        if self._unjoined:
            texts.append(f'depth images without their other images: {self._unjoined}')
        if self._refused:
            texts.append(f'images refused: {self._refused}, the newest: {self._refusal}')
        accounting = node.stream.accounting()
        slower = 'play the recording more slowly (speed:=0.5)'
        texts += map(str, losses(accounting, PlaneAccounting(), ActiveRemedies.here(True, slower)))
        topic = self.resolve_topic_name('depth/image')
        return Stream(
            source=topic,
            mode='live',
            topics={'depth': topic, 'truth': self.resolve_topic_name('depth/truth')},
            window=node.stream.count(keys.WINDOW_PLANES),
            hop=node.hop(),
            plane_rate_hz=node.plane_rate_hz(),
            windows=live.windows,
            accounting=accounting,
            packets_refused=node.stream.counts(keys.PACKETS_REFUSED),
            gaps=[],
            truth=live.truths.accounting,
            warnings=texts,
        )

    def _run(self, scores: Scores, info: DepthInfo) -> ModelRun:
        model = self._depth_node.model
        return ModelRun(
            label=Path(model.get(keys.CHECKPOINT, '')).stem or info.architecture,
            info=info,
            backend=model.get(keys.BACKEND, 'unknown'),
            device=model.get(keys.DEVICE, 'unknown'),
            scale=model.get(keys.SCALE, 'unknown'),
            notes=[],
            scores=scores,
            times_ms=self._depth_node.inference.latencies(),
        )


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


def main(args: list[str] | None = None) -> int:
    """Run the console script ``spike_evaluation``; return the exit status."""
    given = parameters.parse_command_line(
        'spike_evaluation',
        'ROS 2 node: scores published depth against true depth while it runs.',
        EvaluationParameters,
        args,
    )
    # Not interrupted in a callback: the thread that scores might wait for its lock for ever.
    return process.run(EvaluationNode, given, EvaluationNode.evaluate, interruptible=False)


if __name__ == '__main__':
    sys.exit(main())
