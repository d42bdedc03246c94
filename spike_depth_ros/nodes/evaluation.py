# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Node ``spike_evaluation``: scores the output of a running depth node, drops included.

Topics: ``live_evaluation``; with files also ``spikes/image``. At its end it writes the same files
as ``evaluate_bag``. Parameters: ``EvaluationParameters``.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Literal

from rclpy.node import Node

from spike_depth_ros.base.errors import check_link, one_line
from spike_depth_ros.base.results import (
    UnfinishedFolder,
    check_results,
    old_results,
    replace_results,
)
from spike_depth_ros.base.values import within
from spike_depth_ros.checkpoint import find_checkpoint, load_info
from spike_depth_ros.evaluation.live import LiveScores, waiting_truths
from spike_depth_ros.evaluation.metrics import PUBLISHED, Alignment, Crop, EvalProtocol, Mean
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
from spike_depth_ros.nodes.parts import diagnostic_values as keys
from spike_depth_ros.nodes.parts import parameters, process
from spike_depth_ros.nodes.parts.live_evaluation import LiveEvaluation, grey_picture
from spike_depth_ros.nodes.parts.losses import ActiveRemedies, losses
from spike_depth_ros.stream.accounting import PlaneAccounting
from spike_depth_ros.stream.window import planes_after_reference
from spike_depth_ros.tasks.depth import DepthInfo


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


class EvaluationNode(Node):
    """Node that evaluates a running depth node, and writes files.

    Attributes:
        evaluation: What it has heard, and the scores.
    """

    def __init__(self) -> None:
        super().__init__('spike_evaluation')
        parameters.declare(self, EvaluationParameters)
        try:
            read = parameters.values(self, EvaluationParameters)
            self._out = Path(read.out) if read.out else None
            self._partial: UnfinishedFolder | None = None
            model = read.checkpoint
            info = load_info(find_checkpoint(model)) if model else None
            if self._out is not None:
                check_link(self._out)
                self._out.mkdir(parents=True, exist_ok=True)
                check_results(self._out, RESULTS, is_result)  # before the stream is played
                # Holds windows.csv; earlier results stay until the new ones are complete.
                self._partial = UnfinishedFolder(self._out)
            cap = read.cap_m or None
            protocol = EvalProtocol(read.crop, cap, read.alignment)
            mean = read.mean
            if read.protocol == 'bicross':
                protocol, mean = PUBLISHED, 'images'
            live = LiveScores(
                lambda limits: Scores(limits, protocol, mean),
                waiting_truths(round(1e6 * read.match_within_ms)),
                Path(self._partial.name) if self._partial is not None else None,
            )
        except (ValueError, OSError) as error:
            raise process.UserError(str(error)) from error
        self.evaluation = LiveEvaluation(
            self,
            live,
            info,
            # Only the report shows pictures.
            [] if self._out is None else [grey_picture('spikes/image')],
        )
        self._started_ns = self.get_clock().now().nanoseconds

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
        heard = self.evaluation
        heard.live.finish()
        if self._out is None or self._partial is None:
            return
        try:
            with self._partial as partial:
                if heard.refused_run or heard.live.scores is None or heard.info is None:
                    raise process.LossError(self._why_no_results(self._out))
                self._write(self._out, Path(partial), heard.live.scores, heard.info)
        except OSError as error:
            raise process.LossError(f'no results: {one_line(error)}') from error

    def _why_no_results(self, out: Path) -> str:
        """Return the reason for missing results."""
        why = self.evaluation.refused_run or 'no window arrived'
        kept = old_results(out, RESULTS, is_result)
        return f'{why}: no report' + (f', the earlier results in {out} are kept' if kept else '')

    def _write(self, out: Path, partial: Path, scores: Scores, info: DepthInfo) -> None:
        """Replace the earlier results, and print the main metrics."""
        stream, run, received = self._stream(), self._run(scores, info), self._received(info)
        seconds = (self.get_clock().now().nanoseconds - self._started_ns) / 1e9
        with replace_results(out, RESULTS, is_result) as folder:
            for file in partial.iterdir():
                file.replace(folder / file.name)
            write_json(folder / 'metrics.json', metrics_report(stream, [run]))
            write_json(folder / 'timing.json', timing([run], seconds, received))
            (folder / 'report.html').write_text(render(stream, [run]), encoding='utf-8')
        headline = run.scores.errors.headline(run.scores.mean)
        for text in control_lines([run]):
            print(f'spike_evaluation: {text}')
        print(f'spike_evaluation: {stream.windows} windows, {stream.truth.used} with truth')
        per_s, latency_ms = received['per_s'], received['latency_ms_p50']
        if per_s is not None and latency_ms is not None:
            print(
                f'spike_evaluation: {received["count"]} depth images, {per_s:.1f}/s, '
                f'{latency_ms:.1f} ms after the last plane of their windows (median)'
            )
        print(f'spike_evaluation: {headline}')
        for text in warnings(stream, [run]):
            print(f'spike_evaluation: warning: {text}')
        print(f'spike_evaluation: report: {out / "report.html"}', flush=True)

    def _stream(self) -> Stream:
        node, live = self.evaluation.depth_node, self.evaluation.live
        texts = self.evaluation.unscored()
        accounting = node.stream.accounting()
        slower = 'play the recording more slowly (speed:=0.5)'
        right = node.right_stream.accounting() if node.right_stream else None
        for each in (accounting, *([] if right is None else [right])):
            texts += map(str, losses(each, PlaneAccounting(), ActiveRemedies.here(True, slower)))
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
            right=right,
        )

    def _received(self, info: DepthInfo) -> dict[str, float | None]:
        """Return number, rate and latency of the depth images, by the clock of their stamps."""
        arrivals, rate_hz = self.evaluation.arrivals, self.evaluation.depth_node.plane_rate_hz()
        latency = None
        if rate_hz:
            after = planes_after_reference(info.reference_plane, info.planes)
            latency = arrivals.latency_ms(lambda stamps: stamps + after * 1e9 / rate_hz)
        return {
            'count': len(arrivals),
            'per_s': arrivals.per_s(),
            'latency_ms_p50': latency and latency[0],
            'latency_ms_p99': latency and latency[1],
        }

    def _run(self, scores: Scores, info: DepthInfo) -> ModelRun:
        node = self.evaluation.depth_node
        model = node.model
        return ModelRun(
            label=Path(model.get(keys.CHECKPOINT, '')).stem or info.architecture,
            info=info,
            backend=model.get(keys.BACKEND, 'unknown'),
            device=model.get(keys.DEVICE, 'unknown'),
            scale=model.get(keys.SCALE, 'unknown'),
            notes=[],
            scores=scores,
            times_ms=node.inference.latencies(),
        )


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
