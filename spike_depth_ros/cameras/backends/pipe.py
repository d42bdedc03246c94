# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Camera of a program that writes packed planes to a pipe."""

from __future__ import annotations

from spike_depth_ros.cameras.base import (
    Block,
    Camera,
    CameraError,
    CameraSettings,
    Sensor,
    StreamEnd,
)
from spike_depth_ros.io.layout_check import PipeCheck
from spike_depth_ros.io.recording import (
    PlanePipe,
    RecordingError,
    WaitingPipe,
    is_pipe,
    open_pipe,
    raw_layout,
)
from spike_depth_ros.io.vidar import TruncatedError


class PipeCamera(Camera):
    """Packed planes from a named pipe or standard input; the program there sets the pace."""

    def __init__(self, settings: CameraSettings) -> None:
        super().__init__(settings)
        self._stream: WaitingPipe | None = None
        self._pipe: PlanePipe | None = None
        self._read = 0

    def open(self) -> Sensor:
        """Open the pipe, see :meth:`.Camera.open`."""
        settings = self.settings
        if settings.size is None or not settings.rate_hz:
            raise CameraError(
                'sensor_width, sensor_height or rate_hz is 0: a pipe does not tell them: expected '
                'those of the camera, such as 400, 250 and 20000.0'
            )
        source = settings.device or '-'
        if not is_pipe(source):
            raise CameraError(f'{source}: expected a named pipe, or no device: standard input')
        layout = raw_layout(settings.size, settings.given_bit_order, settings.given_row_order)
        check = PipeCheck(layout)
        self.warnings = check.warnings
        try:
            self._stream = open_pipe(source)
        except (RecordingError, OSError) as error:
            raise CameraError(str(error)) from error
        self._pipe = PlanePipe(self._stream, layout, check.look)
        return Sensor(layout.geometry, settings.rate_hz)

    def start(self) -> None:
        """Begin to read, see :meth:`.Camera.start`."""
        self._read = 0

    def read(self, most: int, wait_s: float) -> Block | None:
        """Return the next planes, see :meth:`.Camera.read`."""
        assert self._pipe is not None
        try:
            planes = self._pipe.read(most)
        except TruncatedError as error:
            raise CameraError(str(error)) from error
        if planes is None and self._pipe.ended:
            raise StreamEnd
        if planes is None:
            return None
        self._read += len(planes)
        return Block(planes, self._read - len(planes))

    def stop(self) -> None:
        """Read no more, see :meth:`.Camera.stop`."""

    def close(self) -> None:
        """Close the pipe, see :meth:`.Camera.close`."""
        if self._stream is not None:
            self._stream.close()
        self._stream = self._pipe = None


BACKEND = PipeCamera
