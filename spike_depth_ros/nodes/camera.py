# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lifecycle node ``spike_camera``: publishes the planes of a camera.

Publishes (relative names, remap them): ``spikes`` (sensor_msgs/Image,
docs/reference/wire_format.md), ``camera_info``, ``/diagnostics``. Configuration opens the camera,
activation starts it. Parameters: ``camera_parameters.CameraParameters``; see
docs/tasks/connect_camera.md.
"""

from __future__ import annotations

import sys
import time

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import CameraInfo, RegionOfInterest

from spike_depth_ros.base.errors import one_line
from spike_depth_ros.cameras.base import Camera, Sensor, find, listing
from spike_depth_ros.cameras.reduction import WHOLE, Reduction
from spike_depth_ros.nodes.parts import diagnostic_values as keys
from spike_depth_ros.nodes.parts import diagnostics, parameters, process, shared_memory
from spike_depth_ros.nodes.parts.calibration import camera_info_from_matrix, given_camera_info
from spike_depth_ros.nodes.parts.camera_parameters import CameraParameters
from spike_depth_ros.nodes.parts.camera_thread import CameraThread
from spike_depth_ros.nodes.parts.diagnostics import Rate, StatusBuilder
from spike_depth_ros.nodes.parts.lifecycle import ManagedNode, log_exceptions
from spike_depth_ros.nodes.parts.spike_topics import SpikeTopics, several_publishers

CHECK_EVERY_S = 0.1
"""Time between two looks at the thread, seconds."""

LAST_PACKETS_S = 5.0
"""Longest time that the last packets of a stream take to subscribers, seconds."""

SLOW = 0.95
"""Share of the plane rate below which diagnostics warn."""


class SpikeCameraNode(ManagedNode[CameraParameters]):
    """Node that connects a camera to topics, parameters, transitions and diagnostics."""

    def __init__(self) -> None:
        super().__init__('spike_camera', CameraParameters)
        self._camera: Camera | None = None
        self._sensor: Sensor | None = None
        self._reduction: Reduction | None = None
        self._topics: SpikeTopics | None = None
        self._thread: CameraThread | None = None
        self._rate = Rate()
        self._lost = 0
        self._problem = ''
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(CHECK_EVERY_S, self._look_after, clock=steady)
        self._begin()

    # Transitions

    @log_exceptions
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open the camera; return FAILURE with a logged reason if it cannot be opened."""
        self._problem = ''
        try:
            settings = self._settings = parameters.values(self, CameraParameters)
            self._camera = find(settings.backend)(settings)
            self._sensor = sensor = self._camera.open()
            self._reduction = Reduction(sensor.geometry, settings.crop, settings.every_nth)
            camera_info = self._camera_info(sensor, self._reduction)
        except (ValueError, OSError) as error:
            self._release()
            self._problem = one_line(error)
            self.get_logger().error(f'cannot be configured: {self._problem}')
            return TransitionCallbackReturn.FAILURE
        self._topics = SpikeTopics(
            self,
            camera_info,
            settings.reliability,
            'set reliability to reliable',
            settings.queue_packets,
        )
        published = self._reduction.geometry
        rate_hz = sensor.rate_hz / settings.every_nth
        self.get_logger().info(
            f'{settings.backend}: {sensor.geometry} at {sensor.rate_hz:g} planes/s; published: '
            f'{published} at {rate_hz:g} planes/s, {published.plane_bytes * rate_hz / 1e6:.0f} '
            'MB/s'
        )
        shared_memory.warn(self.get_logger().warning)
        return TransitionCallbackReturn.SUCCESS

    @log_exceptions
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the camera; return FAILURE with a logged reason if it does not start."""
        assert self._camera is not None
        assert self._sensor is not None
        assert self._reduction is not None
        assert self._topics is not None
        try:
            self._camera.start()
        except ValueError as error:
            self._problem = one_line(error)
            self.get_logger().error(f'cannot be activated: {self._problem}')
            return TransitionCallbackReturn.FAILURE
        settings = self._settings
        self._rate, self._lost = Rate(), 0
        self._thread = CameraThread(
            self._camera,
            self._sensor.rate_hz,
            self._reduction,
            self._topics,
            settings.frame_id,
            settings.planes_per_packet,
            settings.every_nth,
            lambda: self.get_clock().now().nanoseconds,
            self._warn,
        )
        self._thread.start()
        return super().on_activate(state)

    def _stop(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.end()
            if rclpy.ok():
                counted = thread.accounting
                self.get_logger().info(
                    f'{counted.windowed} planes in {thread.packets_sent} packets sent; lost: '
                    f'{counted.dropped or "none"}'
                )
        if self._camera is not None:
            self._camera.stop()

    def _release(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()
            for text in camera.warnings if rclpy.ok() else ():
                self.get_logger().warning(text)
        if self._topics is not None:
            self._topics.destroy()
        self._topics = self._sensor = self._reduction = None

    def close(self) -> None:
        """End the thread and close the camera before the node is destroyed."""
        super().close()
        self._release()

    def _look_after(self) -> None:
        """Leave the active state when the camera has failed, or the process at the end."""
        thread = self._thread
        if thread is None or thread.is_alive():
            return
        if thread.ended and self._topics is not None:
            self._topics.spikes.wait_for_all_acked(Duration(seconds=LAST_PACKETS_S))
            if self._settings.autostart:
                raise ExternalShutdownException
        text = thread.problem or 'the stream is over'
        if thread.problem:
            self.get_logger().error(text)
        self.trigger_deactivate()
        self.trigger_cleanup()
        self._problem = text

    # Set-up

    @property
    def _is_configured(self) -> bool:
        return self._camera is not None

    def _camera_info(self, sensor: Sensor, reduction: Reduction) -> CameraInfo:
        settings, size = self._settings, (sensor.geometry.width, sensor.geometry.height)
        info = given_camera_info(settings.camera_info, settings.fx, *size)
        if info is None:
            info = camera_info_from_matrix(sensor.matrix, *size)
        info.header.frame_id = settings.frame_id
        if reduction.region != WHOLE:
            x, y, width, height = reduction.region
            info.roi = RegionOfInterest(
                x_offset=x, y_offset=y, width=width, height=height, do_rectify=True
            )
        return info

    # Diagnostics

    def _statuses(self, start: str) -> list[DiagnosticStatus]:
        """Build the status of rate and plane accounting."""
        name, thread, sensor = start + keys.STREAM, self._thread, self._sensor
        if thread is None or sensor is None:
            builder = StatusBuilder('')
            if self._problem:
                builder.error(self._problem)
                return [builder.status(name, self._settings.frame_id, {})]
            return [diagnostics.not_active(name)]
        counted = thread.accounting
        rate, _ = self._rate.update(counted.received)
        lost, self._lost = counted.dropped - self._lost, counted.dropped
        builder = StatusBuilder('planes are published')
        silent_s = time.monotonic() - thread.newest_s
        if silent_s > self._settings.input_timeout_s:
            builder.error(f'no planes of the camera for {silent_s:.1f} s: check its cable')
        elif 0 < rate < SLOW * sensor.rate_hz:
            builder.warn(
                f'{rate:.0f} of {sensor.rate_hz:g} planes/s come: correct rate_hz, or the SDK '
                'drops planes'
            )
        if lost:
            builder.warn(f'{lost} planes lost')
        if several := several_publishers(self, 'spikes'):
            builder.warn(several)
        values = {
            keys.PLANES_PER_S: rate,
            keys.PLANES_PER_S_ASKED: sensor.rate_hz,
            keys.PLANES_SENT: counted.windowed,
            keys.PACKETS_SENT: thread.packets_sent,
            keys.SENSOR: str(sensor.geometry),
            **keys.of_accounting(counted),
        }
        return [builder.status(name, self._settings.frame_id, values)]


def main(args: list[str] | None = None) -> int:
    """Run the console script ``spike_camera``; return the exit status."""
    given = sys.argv if args is None else args
    if process.own_arguments(given) == ['--list']:
        print(listing())
        return 0
    given = parameters.parse_command_line(
        'spike_camera',
        'ROS 2 lifecycle node: planes of a camera, a pipe or a file out, as topics spikes and '
        'camera_info (docs/tasks/connect_camera.md). --list: the back ends.',
        CameraParameters,
        args,
    )
    return process.run(SpikeCameraNode, given)


if __name__ == '__main__':
    sys.exit(main())
