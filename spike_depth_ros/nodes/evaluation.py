# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Node ``spike_evaluation``: scores the output of a running depth node, drops included.

Subscribes (relative names): ``depth/image``, ``depth/uncertainty``, ``depth/camera_info``,
``depth/truth`` (32FC1 metres or 16UC1 millimetres) and ``/diagnostics``, the source of the model
and the plane accounting of the depth node in its namespace. Publishes the metrics so far as
``evaluation/abs_rel`` and so on (std_msgs/Float64), and ``/diagnostics``. At its end it writes the
same files as ``evaluate_bag``. Parameters: ``EVALUATION_PARAMETERS``.
"""

from __future__ import annotations

import dataclasses
import math
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Float64, Header

from spike_depth_ros.checkpoint import CheckpointError, DepthInfo, find_checkpoint, load_info
from spike_depth_ros.evaluation.live import LiveScores, LiveWindow
from spike_depth_ros.evaluation.report.render import render, warnings
from spike_depth_ros.evaluation.results import (
    RESULTS,
    ModelRun,
    Stream,
    control_lines,
    metrics_report,
    timing,
    write_json,
)
from spike_depth_ros.evaluation.scores import Scores
from spike_depth_ros.evaluation.truth import Truth
from spike_depth_ros.metrics import PUBLISHED, EvalProtocol
from spike_depth_ros.nodes import diagnostics, parameters, process
from spike_depth_ros.nodes.conversions import array_from_msg
from spike_depth_ros.nodes.losses import ActiveRemedies, losses
from spike_depth_ros.nodes.parameters import Parameter
from spike_depth_ros.nodes.spike_topics import several_publishers
from spike_depth_ros.result_files import old_results, replace_results
from spike_depth_ros.stream.accounting import PlaneAccounting
from spike_depth_ros.stream.decode import (
    METRES,
    FloatImage,
    PacketError,
    depth_from_msg,
    stamp_ns,
)

QUEUE = 50

MAX_JOINING = 16
"""Windows that wait for the rest of their images at most."""

PUBLISHED_METRICS = ('abs_rel', 'rmse', 'delta1', 'ause', 'interval_coverage', 'flicker')

EVALUATION_PARAMETERS = (
    Parameter('out', '', 'Folder for metrics.json, windows.csv, report.html; empty: no files.'),
    Parameter('checkpoint', '', 'Model file; empty: the one of the depth node.'),
    Parameter(
        'match_within_ms',
        0.0,
        'How far a truth may be from its depth image, ms; 0: half the shortest time between two '
        'depth images.',
        0.0,
        60_000.0,
    ),
    Parameter(
        'protocol',
        '',
        'bicross: Garg crop, cap 80 m, not aligned, mean over images; empty: by crop, cap_m, '
        'alignment and mean.',
        choices=('', 'bicross'),
    ),
    Parameter(
        'crop', 'none', 'Part of the image that is scored: none, garg.', choices=('none', 'garg')
    ),
    Parameter('cap_m', 0.0, 'Farthest truth that is scored, m; 0: all.', 0.0, 100_000.0),
    Parameter(
        'alignment',
        'none',
        'To the truth of each image: none, median, scale_shift.',
        choices=('none', 'median', 'scale_shift'),
    ),
    Parameter(
        'mean',
        'pixels',
        'What metrics are a mean over: pixels, images.',
        choices=('pixels', 'images'),
    ),
)


@dataclasses.dataclass
class DepthNode:
    """Diagnostics of the depth node: key -> value of each status."""

    stream: dict[str, str] = dataclasses.field(default_factory=dict)
    inference: dict[str, str] = dataclasses.field(default_factory=dict)
    model: dict[str, str] = dataclasses.field(default_factory=dict)

    def update(self, status: DiagnosticStatus, namespace: str) -> None:
        """Store a status, if it is of the depth node in this namespace."""
        name, _, task = status.name.rpartition(': ')
        if task in ('stream', 'inference', 'model') and name.rpartition('/')[0] == namespace:
            setattr(self, task, {pair.key: pair.value for pair in status.values})

    def accounting(self) -> PlaneAccounting:
        """Return the plane accounting."""
        return diagnostics.read_accounting(self.stream)

    def packets_refused(self) -> dict[str, int]:
        """Return the packets whose planes could not be counted, by reason."""
        return diagnostics.read_counts(self.stream, 'packets_refused_')

    def hop(self) -> int:
        """Return the planes between the starts of windows; 0 with policy ``latest``."""
        every = self.stream.get('policy') == 'every'
        return self._count('hop_planes') if every else 0

    def times_ms(self) -> dict[str, tuple[float, float]]:
        """Return median and 99th percentile of each stage, milliseconds."""
        stages = [key.removesuffix('_ms_p50') for key in self.inference if key.endswith('_p50')]
        return {
            stage: (self._milliseconds(f'{stage}_ms_p50'), self._milliseconds(f'{stage}_ms_p99'))
            for stage in stages
        }

    def plane_rate_hz(self) -> float:
        """Return the plane rate, Hz; 0: not yet known."""
        rate = diagnostics.read_number(self.stream.get('plane_rate_hz', '0'))
        return rate if math.isfinite(rate) else 0.0

    def window(self) -> int:
        """Return the planes of a window; 0: not yet known."""
        return self._count('window_planes')

    def _milliseconds(self, key: str) -> float:
        return diagnostics.read_number(self.inference.get(key, 'nan'))

    def _count(self, key: str) -> int:
        return diagnostics.read_count(self.stream.get(key, '0'))


class EvaluationNode(Node):
    """Node that connects topics to :class:`LiveScores`, and its metrics to topics and files."""

    def __init__(self) -> None:
        super().__init__('spike_evaluation')
        parameters.declare(self, EVALUATION_PARAMETERS)
        try:
            read = parameters.values(self, EVALUATION_PARAMETERS)
            self._out = Path(read['out']) if read['out'] else None
            self._partial: tempfile.TemporaryDirectory[str] | None = None
            model = read['checkpoint']
            self._info = load_info(find_checkpoint(model)) if model else None
            if self._out is not None:
                self._out.mkdir(parents=True, exist_ok=True)
                # Holds windows.csv; earlier results stay until the new ones are complete.
                self._partial = tempfile.TemporaryDirectory(prefix='.incomplete_', dir=self._out)
            cap = read['cap_m'] or None
            protocol = EvalProtocol(read['crop'], cap, read['alignment'])
            published = read['protocol'] == 'bicross'
            self._live = LiveScores(
                PUBLISHED if published else protocol,
                'images' if published else read['mean'],
                round(1e6 * read['match_within_ms']),
                Path(self._partial.name) if self._partial is not None else None,
            )
        except (ValueError, OSError) as error:
            raise process.UserError(str(error)) from error
        self._depth_node = DepthNode()
        self._joining: dict[int, dict[str, Any]] = {}
        self._unjoined = 0
        self._refused_run = False
        self._refused = 0
        self._refusal = ''
        self._fx_px = 0.0
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
        subscribe(Image, 'depth/image', self._on_depth, qos)
        subscribe(Image, 'depth/uncertainty', self._on_uncertainty, qos)
        if self._out is not None:  # only the report shows pictures
            subscribe(Image, 'spikes/image', self._on_preview, qos)
        # Last: a player that waits for this subscriber then finds the others, too.
        subscribe(Image, 'depth/truth', self._on_truth, qos)
        self._metrics = {
            name: self.create_publisher(Float64, f'evaluation/{name}', 10)
            for name in PUBLISHED_METRICS
        }
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.create_timer(1.0, self._publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        namespace = self.get_namespace().strip('/')
        for status in msg.status:
            self._depth_node.update(status, namespace)
        checkpoint = self._depth_node.model.get('checkpoint', '')
        if self._live.info is None and checkpoint not in ('', self._refused_checkpoint):
            try:
                self._live.info = self._info = load_info(Path(checkpoint))
            except (CheckpointError, OSError) as error:
                self._refused_checkpoint = checkpoint
                self.get_logger().error(f'set the parameter checkpoint: {error}')

    def _on_camera_info(self, msg: CameraInfo) -> None:
        if math.isfinite(msg.k[0]) and msg.k[0] >= 0:
            self._fx_px = float(msg.k[0])

    def _on_truth(self, msg: Image) -> None:
        self._live.add_truth(Truth(stamp_ns(msg.header.stamp), msg))

    def _on_depth(self, msg: Image) -> None:
        self._join(msg, 'depth', depth_values)

    def _on_uncertainty(self, msg: Image) -> None:
        self._join(msg, 'uncertainty', depth_values)

    def _on_preview(self, msg: Image) -> None:
        self._join(msg, 'preview', grey_values)

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
            window = LiveWindow(
                stamp, images['depth'], images['uncertainty'], preview, self._fx_px
            )
            self._live.add_window(window)
        while len(self._joining) > MAX_JOINING:
            oldest = self._joining.pop(next(iter(self._joining)))
            self._unjoined += 'depth' in oldest

    def _refuse_several_publishers(self) -> None:
        """End if more than one node publishes a scored topic, as scores would be meaningless.

        Raises:
            UserError: More than one node publishes a topic.
        """
        for topic in ('spikes', 'depth/image', 'depth/truth'):
            if text := several_publishers(self, topic):
                self._refused_run = True
                raise process.UserError(f'not evaluated: {text}')

    def _publish(self) -> None:
        self._refuse_several_publishers()
        metrics = self._live.metrics()
        for name, publisher in self._metrics.items():
            if math.isfinite(metrics.get(name, math.nan)):
                publisher.publish(Float64(data=metrics[name]))
        array = DiagnosticArray(header=Header(stamp=self.get_clock().now().to_msg()))
        name = self.get_fully_qualified_name().lstrip('/')
        array.status = [
            self._status(f'{name}: evaluation', metrics),
            diagnostics.process_status(f'{name}: process'),
        ]
        self._diagnostics.publish(array)

    def _status(self, name: str, metrics: dict[str, float]) -> DiagnosticStatus:
        live, accounting = self._live, self._live.truths.accounting
        rate, _ = self._windows.update(live.windows)
        builder = diagnostics.StatusBuilder('windows are scored')
        if live.info is None:
            builder.warn('the model is not known yet: start the depth node')
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
            'windows_per_s': rate,
            'windows': live.windows,
            'windows_with_truth': accounting.used,
            'windows_incomplete': self._unjoined,
            'images_refused': self._refused,
            'windows_left_out': live.left_out,
            'truth_received': accounting.received,
            'truth_unmatched': accounting.unmatched,
            'truth_within_ms': live.truths.within_ns / 1e6,
            'planes_dropped': self._depth_node.accounting().dropped,
            **{name: value for name, value in metrics.items() if math.isfinite(value)},
        }
        return builder.status(name, '', values)

    def close(self) -> None:
        """Score the waiting windows and write the files."""
        for number in (signal.SIGINT, signal.SIGTERM):  # a second one must not interrupt writing
            signal.signal(number, signal.SIG_IGN)
        self._live.finish()
        if self._out is None or self._partial is None:
            return
        with self._partial as partial:
            if self._refused_run or self._live.scores is None or self._info is None:
                self._report_no_results(self._out)
            else:
                self._write(self._out, Path(partial), self._live.scores, self._info)

    def _report_no_results(self, out: Path) -> None:
        """Print the reason for missing results."""
        if not self._refused_run:
            print('spike_evaluation: no window arrived: no report', file=sys.stderr)
        if old_results(out, RESULTS):
            print(f'spike_evaluation: the earlier results in {out} are kept', file=sys.stderr)

    def _write(self, out: Path, partial: Path, scores: Scores, info: DepthInfo) -> None:
        """Replace the earlier results, and print the main metrics.

        Raises:
            OSError: A file cannot be written.
        """
        stream, run = self._stream(), self._run(scores, info)
        seconds = (self.get_clock().now().nanoseconds - self._started_ns) / 1e9
        with replace_results(out, RESULTS) as folder:
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
        accounting = node.accounting()
        slower = 'play the recording more slowly (speed:=0.5)'
        texts += map(str, losses(accounting, PlaneAccounting(), ActiveRemedies.here(True, slower)))
        topic = self.resolve_topic_name('depth/image')
        return Stream(
            source=topic,
            mode='live',
            topics={'depth': topic, 'truth': self.resolve_topic_name('depth/truth')},
            window=node.window(),
            hop=node.hop(),
            plane_rate_hz=node.plane_rate_hz(),
            windows=live.windows,
            accounting=accounting,
            packets_refused=node.packets_refused(),
            gaps=[],
            truth=live.truths.accounting,
            warnings=texts,
        )

    def _run(self, scores: Scores, info: DepthInfo) -> ModelRun:
        model = self._depth_node.model
        return ModelRun(
            label=Path(model.get('checkpoint', '')).stem or info.architecture,
            info=info,
            backend=model.get('backend', 'unknown'),
            device=model.get('device', 'unknown'),
            scale=model.get('scale', 'unknown'),
            notes=[],
            scores=scores,
            times_ms=self._depth_node.times_ms(),
        )


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
        EVALUATION_PARAMETERS,
        args,
    )
    return process.run(EvaluationNode, given)


if __name__ == '__main__':
    sys.exit(main())
