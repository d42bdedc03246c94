# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lifecycle node ``spike_depth``: spike topics in, depth and uncertainty out.

Subscribes (relative names, remap them): ``spikes`` (sensor_msgs/Image,
docs/reference/wire_format.md), ``camera_info``; of models that take frames also ``image``,
``image/camera_info``. Publishes:
``depth/image`` (32FC1, metres along the optical axis), its ``depth/camera_info``,
``depth/uncertainty`` (32FC1, metres, half-width of the 68 % interval), ``depth/colour`` (rgb8),
``depth/points`` (sensor_msgs/PointCloud2: x, y, z, intensity; unless ``pointcloud: none``),
``spikes/image`` (mono8 preview), ``spikes/image_rect`` (the same, rectified), ``/diagnostics``.
With ``refine: motion`` also subscribes the topic of ``odometry``, and publishes
``depth/motion_points`` (sensor_msgs/PointCloud2, the points that were used).
Parameters: ``depth_parameters.DepthParameters``.
"""

from __future__ import annotations

import functools
import queue
import sys
import threading
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter as RosParameter

from spike_depth_ros.base.errors import one_line
from spike_depth_ros.checkpoint import IMAGE_MODEL, find_checkpoint, load_info
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.filters.refine_by_motion import RefineByMotion
from spike_depth_ros.filters.scale_from_height import ScaleFromHeight
from spike_depth_ros.filters.temporal_filter import TemporalFilter
from spike_depth_ros.fusion.source import FusedSource
from spike_depth_ros.geometry.floor import CameraPose
from spike_depth_ros.motion.odometry import Poses
from spike_depth_ros.nodes.parts import diagnostic_values as keys
from spike_depth_ros.nodes.parts import diagnostics, parameters, process, shared_memory
from spike_depth_ros.nodes.parts.depth_parameters import DepthParameters
from spike_depth_ros.nodes.parts.frame_inputs import FrameInputs
from spike_depth_ros.nodes.parts.learnt_preview import LEARNT
from spike_depth_ros.nodes.parts.lifecycle import log_exceptions
from spike_depth_ros.nodes.parts.motion_thread import MotionThread
from spike_depth_ros.nodes.parts.odometry_input import OdometryInput
from spike_depth_ros.nodes.parts.perception import PerceptionNode
from spike_depth_ros.nodes.parts.spike_topics import several_publishers
from spike_depth_ros.nodes.parts.topic_inputs import TopicInputs
from spike_depth_ros.nodes.parts.topic_outputs import TopicOutputs
from spike_depth_ros.stream.correction import SensorCorrection
from spike_depth_ros.stream.ingest import Ingest, StreamSettings
from spike_depth_ros.tasks.image import ImageInfo

OF_SCALE = ('scale_', 'camera_')
"""What names of parameters of the scale from the height of the camera begin with."""

OF_MOTION = ('refine', 'scale_', 'camera_pose', 'motion_')
"""What names of parameters of the correction by motion begin with."""


class SpikeDepthNode(PerceptionNode[DepthParameters]):
    """Node that connects ingest, inference and diagnostics to topics, parameters, transitions."""

    def __init__(self) -> None:
        super().__init__('spike_depth', DepthParameters)
        self._estimator: DepthEstimator | None = None
        self._scale: ScaleFromHeight | None = None
        self._ingest: Ingest | None = None
        self._frames: FrameInputs | None = None
        self._odometry: OdometryInput | None = None
        self._motion: MotionThread | None = None
        self._swap_problem = ''
        # A model is loaded beside the running one; the node's state may change meanwhile.
        self._model_lock = threading.Lock()
        self._model_wanted = 0
        self._requests: queue.SimpleQueue[tuple[str, int] | None] = queue.SimpleQueue()
        self._loader: threading.Thread | None = None
        self._begin()

    # Transitions

    @log_exceptions
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model; return FAILURE with a logged reason if it cannot be used."""
        try:
            self._settings = parameters.values(self, DepthParameters)
            if self._settings.preview == LEARNT:
                _check_preview(self._settings.preview_network.checkpoint)
            self._scale = _scale_from(self._settings)
            self._temporal = TemporalFilter(self._settings.filter.temporal)
            self._estimator = self._load(self._settings.checkpoint)
        except (ValueError, OSError, RuntimeError, ImportError) as error:
            self.get_logger().error(f'cannot be configured: {one_line(error)}')
            return TransitionCallbackReturn.FAILURE
        self._outputs = TopicOutputs(self, self._settings, self._warn)
        info = self._estimator.info
        self.get_logger().info(
            f'{self._estimator.checkpoint} ({info.architecture}, {info.stage}) on '
            f'{self._estimator.device} by {self._estimator.backend}'
        )
        if info.stage == 'random':
            self.get_logger().warning('the weights are random: depth is meaningless')
        shared_memory.warn(self.get_logger().warning)
        return TransitionCallbackReturn.SUCCESS

    @log_exceptions
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and start inference."""
        self._ingest = Ingest(self._stream_settings(), self._warn)
        self._inputs = TopicInputs(self, {'': self._ingest}, self._settings, self._warn)
        self._inference_task = diagnostics.InferenceTask()
        frames = FrameInputs(self, self._settings.image, self._frame_age_s, self._warn)
        self._frames = frames
        if self._settings.odometry:
            self._odometry = OdometryInput(
                self, self._settings.odometry, Poses(self._settings.camera_pose), self._warn
            )
        self._motion = self._motion_from(self._settings)
        with self._model_lock:
            assert self._estimator is not None
            self._temporal.reset()  # segments are numbered from 1 again
            source = FusedSource(self._ingest, lambda: frames.frames)
            self._inference = self._make_inference(
                self._estimator, source, self._scale, self._motion
            )
        self._inputs.start()
        self._inference.start()
        return super().on_activate(state)

    def close(self) -> None:
        """End every thread before the node is destroyed.

        Waits for a model that is being loaded: a thread inside a native library aborts the process
        when the interpreter ends.
        """
        self._stop()
        with self._model_lock:
            self._model_wanted += 1
        if self._loader is not None:
            self._requests.put(None)
            self._loader.join()

    def _frame_age_s(self) -> float | None:
        """Return the largest age of frames of the model in use; None: it takes none."""
        estimator = self._estimator
        return None if estimator is None else estimator.info.largest_frame_age_s

    def _forget_streams(self) -> None:
        if self._frames is not None:
            self._frames.stop()
        if self._odometry is not None:
            self._odometry.stop()
        if self._motion is not None:
            self._motion.stop()
        self._frames = self._odometry = self._motion = None
        with self._model_lock:
            self._ingest = self._inference = None

    def _close_models(self) -> None:
        with self._model_lock:
            self._model_wanted += 1
            if self._estimator is not None:
                self._estimator.close()
            self._estimator = None
            self._swap_problem = ''

    # Set-up

    def _load(self, path: str) -> DepthEstimator:
        load = functools.partial(
            DepthEstimator.from_checkpoint,
            path,
            device=self._settings.device,
            backend=self._settings.backend,
            threads=self._settings.threads,
            size=self._sensor_size(),
        )
        # The backend's threads are started here and inherit the priority.
        return process.at_lower_priority(load, self._warn_of_priority)

    def _sensor_size(self) -> tuple[int, int] | None:
        """Return height and width of the stream, or those of the parameters; None: not known."""
        ingest = self._ingest
        if ingest is not None and ingest.size is not None:
            return ingest.size
        return self._settings.sensor_size

    def _stream_settings(self) -> StreamSettings:
        assert self._estimator is not None
        info = self._estimator.info
        return StreamSettings(
            self._settings.window or info.planes,
            info.reference_plane,
            self._settings.rectify,
            **self._settings.of_stream,
        )

    # Parameters

    @property
    def _is_configured(self) -> bool:
        return self._estimator is not None

    def _refuse_changes(self, changes: list[RosParameter]) -> str:
        new = {one.name: one.value for one in changes}
        if new.get('preview') == LEARNT:
            path = self.get_parameter('preview.checkpoint').value
            try:
                _check_preview(new.get('preview.checkpoint', path))
            except (ValueError, OSError) as error:
                return one_line(error)
        return super()._refuse_changes(changes)

    def _check(self, settings: DepthParameters, changed: set[str]) -> None:
        if 'checkpoint' in changed:
            self._check_model(find_checkpoint(settings.checkpoint))

    def _check_model(self, path: Path) -> None:
        """Check by its metadata that a model can replace the running one."""
        assert self._estimator is not None
        info = load_info(path)
        running = self._estimator.info.reference_plane
        if info.reference_plane != running:
            raise ValueError(
                f'{path}: its depth belongs to the {info.reference_plane} plane of a window, the '
                f"running model's to the {running}: clean the node up and configure it again"
            )
        seen = self._ingest.size if self._ingest is not None else None
        if info.sensor_size is not None and seen is not None and info.sensor_size != seen:
            raise ValueError(
                f'{path}: field sensor_size is {info.sensor_size[1]}x{info.sensor_size[0]}, '
                f'expected {seen[1]}x{seen[0]}, the size of the stream: choose a model of that '
                'size'
            )

    def _apply_parameters(self, changes: list[RosParameter]) -> None:
        super()._apply_parameters(changes)
        if not self._is_configured:
            return
        changed = {change.name for change in changes}
        if 'checkpoint' in changed:
            self._load_beside(self._settings.checkpoint)
        if any(name.startswith(OF_SCALE) for name in changed):
            self._scale = _scale_from(self._settings)
            if self._inference is not None:
                self._inference.scale = self._scale
        if any(name.startswith(OF_MOTION) for name in changed) and self._inference is not None:
            if 'camera_pose' in changed and self._odometry is not None:
                self._odometry.poses = Poses(self._settings.camera_pose)
            before, self._motion = self._motion, self._motion_from(self._settings)
            self._inference.motion = self._motion
            if before is not None:
                before.stop()

    def _motion_from(self, settings: DepthParameters) -> MotionThread | None:
        """Return the correction by motion by parameters; None: there is none."""
        if settings.refine != 'motion':
            return None
        poses = None if self._odometry is None else self._odometry.poses.at
        refiner = RefineByMotion(
            poses,
            settings.scale_from == 'odometry',
            settings.scale_timeout_s,
            settings.motion_rate_hz,
        )
        return MotionThread(
            refiner,
            self._correction,
            lambda: process.lower_priority(self._warn_of_priority),
        )

    def _correction(self) -> SensorCorrection | None:
        estimator = self._estimator
        return None if estimator is None else estimator.correction

    def _load_beside(self, path: str) -> None:
        with self._model_lock:
            self._model_wanted += 1
            number = self._model_wanted
        self._requests.put((path, number))
        if self._loader is None or not self._loader.is_alive():  # an internal error ends it
            self._loader = threading.Thread(target=self._swap_as_requested, name='loader')
            self._loader.start()

    def _swap_as_requested(self) -> None:
        """Load models, as one thread: each further one would fragment another arena of malloc."""
        while (request := self._requests.get()) is not None:
            self._swap(*request)

    def _swap(self, path: str, number: int) -> None:
        """Load another model beside the running one and switch to it between two windows.

        Args:
            path: The model file; empty: the shipped one.
            number: Number of the request; a newer one, or a clean-up, overrides it.
        """
        if number != self._model_wanted:
            return
        try:
            estimator = self._load(path)
        except Exception as error:
            problem = f'the new model was not loaded, the old one runs on: {error}'
            with self._model_lock:
                if number == self._model_wanted:
                    self._swap_problem = problem
            self.get_logger().error(problem)
            process.return_freed_memory()
            return
        with self._model_lock:
            replaced = estimator
            if number == self._model_wanted and self._estimator is not None:
                replaced, self._estimator = self._estimator, estimator
                if self._inference is not None:
                    self._inference.replace(estimator)
                self._swap_problem = ''
                self.get_logger().info(f'model changed to {estimator.checkpoint}')
            replaced.close()
            del replaced, estimator
        process.return_freed_memory()

    # Diagnostics

    def _statuses(self, start: str) -> list[DiagnosticStatus]:
        inputs, outputs = self._inputs, self._outputs
        if (inputs is None or outputs is None) or (
            self._ingest is None or self._inference is None or self._estimator is None
        ):
            return [diagnostics.not_active(start + keys.STREAM)]
        frame = self._ingest.camera.frame_id
        others = several_publishers(self, 'depth/image'), inputs.problem_of_reader
        return [
            inputs.cameras[''].status(start + keys.STREAM, *others),
            self._inference_task.status(
                start + keys.INFERENCE, frame, self._inference, outputs.colour_range
            ),
            *(self._frames.status(start + keys.FRAMES) if self._frames is not None else []),
            *(
                [
                    diagnostics.motion_status(
                        start + keys.MOTION,
                        frame,
                        self._motion.refiner.status,
                        self._inference.last,
                        self._odometry,
                    )
                ]
                if self._motion is not None
                else []
            ),
            diagnostics.model_status(
                start + keys.MODEL,
                frame,
                self._estimator,
                self._inference.last,
                self._swap_problem,
            ),
        ]


def _scale_from(settings: DepthParameters) -> ScaleFromHeight | None:
    """Return the scale from the height of the camera by parameters; None: that of the model."""
    if settings.scale_from != 'height':
        return None
    return ScaleFromHeight(CameraPose(*settings.pose), settings.scale_timeout_s)


def _check_preview(path: str) -> None:
    """Refuse a network of the preview by its metadata.

    Args:
        path: The checkpoint; empty: the shipped one.

    Raises:
        ValueError: It cannot be used.
        OSError: It cannot be read.
    """
    load_info(find_checkpoint(path or IMAGE_MODEL), ImageInfo)


def main(args: list[str] | None = None) -> int:
    """Run the console script ``spike_depth``; return the exit status."""
    given = parameters.parse_command_line(
        'spike_depth',
        'ROS 2 lifecycle node: spike topics in, depth and uncertainty images out.',
        DepthParameters,
        args,
    )
    return process.run(SpikeDepthNode, given)


if __name__ == '__main__':
    sys.exit(main())
