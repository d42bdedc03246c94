# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recording in the place of a camera."""

from __future__ import annotations

import time
from pathlib import Path

from spike_depth_ros.cameras.base import (
    Block,
    Camera,
    CameraError,
    CameraSettings,
    Sensor,
    StreamEnd,
)
from spike_depth_ros.io.layout_check import raw_file_problem
from spike_depth_ros.io.recording import Recording, RecordingError, is_pipe, open_recording
from spike_depth_ros.io.vidar import TruncatedError
from spike_depth_ros.stream.plane_clock import NANOSECONDS, PlaneClock


class FileCamera(Camera):
    """Recording (.dat, .npy, .npz) in place of a camera, at its rate."""

    def __init__(self, settings: CameraSettings) -> None:
        super().__init__(settings)
        self._recording: Recording | None = None
        self._clock = PlaneClock(1.0)
        self._begun_s = 0.0
        self._read = 0

    def open(self) -> Sensor:
        """Open the recording, see :meth:`.Camera.open`."""
        settings, path = self.settings, Path(self.settings.device)
        if is_pipe(path):
            raise CameraError(f'{path}: is a pipe: set backend to pipe')
        if settings.size is None and path.suffix not in ('.npy', '.npz'):
            raise CameraError(
                f'{path}: sensor_width or sensor_height is 0, and a raw file does not tell them: '
                'expected those of the camera, such as 400 and 250'
            )
        try:
            recording = open_recording(
                path, settings.size, settings.given_bit_order, settings.given_row_order
            )
            if problem := raw_file_problem(path, recording):
                self.warnings.append(problem)
        except (RecordingError, TruncatedError, OSError) as error:
            raise CameraError(str(error)) from error
        rate_hz = settings.rate_hz or recording.rate_hz
        if not rate_hz:
            raise CameraError(
                f'{path}: the plane rate is not in the recording; give it as rate_hz, such as '
                '20000.0'
            )
        self._recording, self._clock = recording, PlaneClock(rate_hz)
        return Sensor(recording.geometry, rate_hz, recording.camera_matrix)

    def start(self) -> None:
        """Begin at the first plane, see :meth:`.Camera.start`."""
        self._begun_s, self._read = time.monotonic(), 0

    def read(self, most: int, wait_s: float) -> Block | None:
        """Return the next planes when their time is over, see :meth:`.Camera.read`."""
        assert self._recording is not None
        length = len(self._recording.planes)
        first = self._read % length
        if self._read and not first and not self.settings.loop:
            raise StreamEnd
        stop = min(first + most, length)
        until_ns = self._clock.since_start_ns(self._read + stop - first)
        left_s = self._begun_s + until_ns / NANOSECONDS - time.monotonic()
        if left_s > 0:
            time.sleep(min(left_s, wait_s))
            if left_s > wait_s:
                return None
        try:
            planes = self._recording.read(first, stop)
        except (TruncatedError, OSError) as error:
            raise CameraError(str(error)) from error
        self._read += len(planes)
        return Block(planes, self._read - len(planes))

    def stop(self) -> None:
        """Read no more, see :meth:`.Camera.stop`."""

    def close(self) -> None:
        """Close the recording, see :meth:`.Camera.close`."""
        self._recording = None


BACKEND = FileCamera
