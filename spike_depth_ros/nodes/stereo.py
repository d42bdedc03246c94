# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lifecycle node ``spike_stereo``: the spikes of two cameras in, depth in metres out.

Subscribes (relative names, remap them): ``left/spikes``, ``left/camera_info``, ``right/spikes``,
``right/camera_info`` (docs/reference/wire_format.md). Publishes in the rectified frame of the
left camera: ``depth/image``, ``depth/camera_info``, ``depth/uncertainty``, ``depth/colour``,
``depth/points`` as ``spike_depth``,
``disparity`` (stereo_msgs/DisparityImage), ``left/image_rect``, ``right/image_rect`` (mono8) and
the ``camera_info`` of each; as the cameras see it ``left/spikes/image``, ``right/spikes/image``;
``/diagnostics``. Parameters: ``stereo_parameters.StereoParameters``.
"""

from __future__ import annotations

import dataclasses
import sys
import threading
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from spike_depth_ros.base.errors import one_line
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.filters.temporal_filter import TemporalFilter
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.nodes.parts import diagnostic_values as keys
from spike_depth_ros.nodes.parts import diagnostics, parameters, process, shared_memory
from spike_depth_ros.nodes.parts.lifecycle import log_exceptions
from spike_depth_ros.nodes.parts.perception import PerceptionNode
from spike_depth_ros.nodes.parts.spike_topics import several_publishers
from spike_depth_ros.nodes.parts.stereo_diagnostics import StereoTask, only_pictures
from spike_depth_ros.nodes.parts.stereo_outputs import StereoOutputs
from spike_depth_ros.nodes.parts.stereo_parameters import (
    STEREO_PLANES,
    STEREO_RING,
    StereoParameters,
)
from spike_depth_ros.nodes.parts.topic_inputs import TopicInputs
from spike_depth_ros.stereo import EYES
from spike_depth_ros.stereo.estimator import StereoEstimator
from spike_depth_ros.stereo.network import NetworkMatcher, StereoNetwork
from spike_depth_ros.stereo.source import PairSource
from spike_depth_ros.stream.ingest import Ingest, StreamSettings
from spike_depth_ros.tasks.base import SpikeInfo

SHOWN_DEPTHS_M = (1.0, 5.0, 10.0)
"""Depths at which the meaning of a pixel is logged, metres."""


class SpikeStereoNode(PerceptionNode[StereoParameters]):
    """Node that connects the ingest of both cameras, inference and diagnostics to topics."""

    def __init__(self) -> None:
        super().__init__('spike_stereo', StereoParameters)
        self._estimator: StereoEstimator | None = None
        self._source: PairSource | None = None
        self._reported: StereoRig | str | None = None
        self._infos: list[SpikeInfo] = []  # of the loaded models
        self._begin()

    # Transitions

    @log_exceptions
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model; return FAILURE with a logged reason if it cannot be used."""
        try:
            self._settings = parameters.values(self, StereoParameters)
            self._temporal = TemporalFilter(self._settings.filter.temporal)
            self._estimator = self._make_estimator()
        except (ValueError, OSError, RuntimeError, ImportError) as error:
            self.get_logger().error(f'cannot be configured: {one_line(error)}')
            return TransitionCallbackReturn.FAILURE
        self._outputs = StereoOutputs(self, self._settings, self._warn)
        fill = self._estimator.fill
        self.get_logger().info(
            'matched pixels alone have depth'
            if fill is None
            else f'filled by {fill.checkpoint} on {fill.device} by {fill.backend}'
        )
        shared_memory.warn(self.get_logger().warning)
        return TransitionCallbackReturn.SUCCESS

    @log_exceptions
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and start inference."""
        assert self._estimator is not None
        changed, settings = threading.Condition(), self._stream_settings()
        left, right = (Ingest(settings, self._warner(eye), changed=changed) for eye in EYES)
        self._source = PairSource(
            left,
            right,
            self._estimator.fill is not None,
            self._settings.right.offset_s,
            self._settings.pair_wait_s,
            self._estimator.search_range,
        )
        self._inputs = TopicInputs(
            self, {'left/': left, 'right/': right}, self._settings, self._warn
        )
        self._inference = self._make_inference(self._estimator, self._source)
        self._inference_task, self._stereo_task = diagnostics.InferenceTask(), StereoTask()
        self._inputs.start()
        self._inference.start()
        return super().on_activate(state)

    def _forget_streams(self) -> None:
        self._inference = self._source = self._reported = None

    def _close_models(self) -> None:
        if self._estimator is not None:
            self._estimator.close()
        self._estimator = None

    # Set-up

    @property
    def _is_configured(self) -> bool:
        return self._estimator is not None

    def _make_estimator(self) -> StereoEstimator:
        settings = self._settings
        self._infos = []
        # The threads of the runtimes are started here and inherit the priority.
        matcher = process.at_lower_priority(self._load_matcher, self._warn_of_priority)
        fill = process.at_lower_priority(self._load_fill, self._warn_of_priority)
        return StereoEstimator(
            fill, settings.min_depth_m, settings.sgbm, settings.picture, matcher
        )

    @property
    def _runtime(self) -> tuple[str, str, int]:
        """Device, backend and threads of the models."""
        return self._settings.device, self._settings.backend, self._settings.threads

    def _load_matcher(self) -> NetworkMatcher | None:
        settings = self._settings
        if settings.matcher == 'sgbm':
            return None
        path = settings.matching_network.checkpoint
        network = StereoNetwork.from_checkpoint(path, *self._runtime)
        self._infos.append(network.info)
        return NetworkMatcher(network, settings.min_depth_m)

    def _load_fill(self) -> DepthEstimator | None:
        settings = self._settings
        if settings.fill == 'none':
            return None
        fill = DepthEstimator.from_checkpoint(
            settings.checkpoint, *self._runtime, size=settings.sensor_size
        )
        self._infos.append(fill.info)
        return fill

    def _stream_settings(self) -> StreamSettings:
        settings, first = self._settings, next(iter(self._infos), None)
        window = settings.window or (first.planes if first else STEREO_PLANES)
        ring = settings.ring_planes or (STEREO_RING if settings.policy == 'latest' else 0)
        return StreamSettings(
            window,
            first.reference_plane if first else 'middle',
            rectify=False,  # the rig does, by both cameras
            **settings.of_stream | {'ring_planes': max(ring, 2 * window) if ring else 0},
        )

    def _warner(self, eye: str) -> Any:
        return lambda kind, text: self._warn(f'{eye} {kind}', f'{eye}/{text}')

    # Diagnostics

    def _statuses(self, start: str) -> list[DiagnosticStatus]:
        inputs, source, inference = self._inputs, self._source, self._inference
        outputs = self._outputs
        if (inputs is None or source is None or inference is None) or (
            outputs is None or self._estimator is None
        ):
            return [diagnostics.not_active(start + keys.STREAM)]
        self._tell_rig(source)
        left, right = inputs.cameras.values()
        frame = left.ingest.camera.frame_id
        others = several_publishers(self, 'depth/image'), inputs.problem_of_reader
        statuses = [
            left.status(start + keys.LEFT_STREAM, *others),
            right.status(start + keys.RIGHT_STREAM),
            self._stereo_task.status(start + keys.STEREO, frame, source, inference.last),
            self._inference_task.status(
                start + keys.INFERENCE, frame, inference, outputs.colour_range
            ),
        ]
        fill = self._estimator.fill
        if fill is not None:
            name = start + keys.MODEL
            prediction = inference.last
            if prediction is not None:  # whose notes are with the pairs
                prediction = dataclasses.replace(prediction, notes=())
            statuses.append(diagnostics.model_status(name, frame, fill, prediction))
        return statuses

    def _tell_rig(self, source: PairSource) -> None:
        """Log what the rig measures, or why there is none, when that changes."""
        if source.problem:
            self._warn('pairs', source.problem)
        rig, report = source.rig, source.problem_of_rig or source.rig
        if not report or report == self._reported:
            return
        self._reported = report
        if isinstance(report, str):
            if rig is None:
                self.get_logger().error(only_pictures(report))
            else:
                self.get_logger().warning(report)
            return
        assert self._estimator is not None
        lowest, number = self._estimator.search_range(report)
        pixel = ', '.join(
            f'{depth_m * depth_m / (report.fx_px * report.baseline_m):.2g} m at {depth_m:g} m'
            for depth_m in SHOWN_DEPTHS_M
        )
        self.get_logger().info(
            f'baseline {report.baseline_m:.3f} m, focal length {report.fx_px:.0f} px: nearest '
            f'depth {report.depth_of(float(lowest + number)):.2g} m by {number} disparities; one '
            f'pixel is {pixel}'
        )


def main(args: list[str] | None = None) -> int:
    """Run the console script ``spike_stereo``; return the exit status."""
    given = parameters.parse_command_line(
        'spike_stereo',
        'ROS 2 lifecycle node: spikes of two cameras in, depth in metres and disparity out.',
        StereoParameters,
        args,
    )
    return process.run(SpikeStereoNode, given)


if __name__ == '__main__':
    sys.exit(main())
