# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Video files and webcams, and the spike planes between their frames."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from spike_depth_ros.base.errors import OneLineError, check_utf8
from spike_depth_ros.io.arrays import check_pixels
from spike_depth_ros.io.orientation import QUARTER, turn, video_orientation
from spike_depth_ros.io.video.light import Light
from spike_depth_ros.io.video.spiking import IntegrateAndFire, cut
from spike_depth_ros.stream.chunk import PackedPlanes

Bgr = npt.NDArray[np.uint8]
"""An image as OpenCV reads it, ``[H, W, 3]`` uint8: blue, green, red."""

MIN_FRAME_RATE, MAX_FRAME_RATE = 0.1, 1000.0
"""Valid frame rates of a video, frames a second."""

COUNTED = ('.avi', '.m4v', '.mov', '.mp4')
"""Suffixes of formats that hold their number of frames; others give it by their duration."""

_SPARE_FRAMES, _SPARE_S = 2, 0.5

_NEAR = 0.1  # frames that a time without a stamp may differ from its rate
_ROUNDED_S, _EXACT_S = 1e-3, 1e-4
"""How far frames of a constant rate are from it, in files of whole milliseconds and in others."""


class VideoError(ValueError):
    """Error of a video or webcam that cannot be used; the message is one line."""


class VideoTimeError(VideoError):
    """Error of a video whose file does not tell the times of its frames."""


class VideoFile:
    """Frames of a file, turned as viewers show them, at the times that the file tells.

    Args:
        path: The file, of any format of OpenCV.
        frame_rate: Frames a second, in place of the file's times; 0: those times.

    Attributes:
        frame_rate: Frames a second; on average where the rate varies.
        size: (height, width) of its frames, pixels.
        orientation: How stored frames are turned; see :mod:`spike_depth_ros.io.orientation`.

    Raises:
        VideoError: Missing, not a video, without frames or without a frame rate, or mirrored.
    """

    live = False

    def __init__(self, path: Path, frame_rate: float = 0.0) -> None:
        self._path, self._given = path, frame_rate > 0
        try:
            check_utf8(str(path))
        except OneLineError as error:
            raise VideoError(str(error)) from None
        if not path.is_file():
            raise VideoError(f'{path}: no such video file')
        capture = self._open()
        stored = float(capture.get(cv2.CAP_PROP_FPS))
        degrees = float(capture.get(cv2.CAP_PROP_ORIENTATION_META))
        read, first = capture.read()
        capture.release()
        if not read:
            raise VideoError(f'{path}: no frame can be read; expected a video that OpenCV reads')
        try:
            self.orientation = video_orientation(path, degrees)
        except ValueError as error:
            raise VideoError(f'{path}: {error}') from None
        rows, columns = int(first.shape[0]), int(first.shape[1])
        self.size = (columns, rows) if self.orientation in QUARTER else (rows, columns)
        self.frame_rate = frame_rate or stored
        if not MIN_FRAME_RATE <= self.frame_rate <= MAX_FRAME_RATE:
            raise VideoError(
                f'{path}: has {stored:g} frames a second, expected {MIN_FRAME_RATE:g} to '
                f'{MAX_FRAME_RATE:g}: set frame_rate'
            )

    def frames(self, loop: bool = False) -> Iterator[tuple[float, Bgr]]:
        """Yield frames with their times, seconds from the first one.

        The last frame is repeated at the end of its duration. In a loop the first frame follows at
        the same time.

        Args:
            loop: Begin again at the end, indefinitely.

        Raises:
            VideoError: The file is damaged, was cut, or does not tell times; the frames before
                that were yielded.
        """
        start_s = 0.0
        while True:
            image: Bgr | None = None
            capture = self._open()
            clock = _Clock(capture, self.frame_rate, self._given)
            for image in _read(capture):
                image = turn(image, self.orientation)
                yield start_s + self._tick(clock), image
            if image is None:
                raise VideoError(f'{self._path}: no frame can be read any more: restore the file')
            self._check_complete(clock)
            start_s += clock.end_s
            yield start_s, image
            if not loop:
                return

    def times(self) -> Iterator[float]:
        """Yield the times of :meth:`frames` without the frames, once, and without the end.

        Raises:
            VideoError: As there.
        """
        capture = self._open()
        clock = _Clock(capture, self.frame_rate, self._given)
        try:
            while capture.grab():
                yield self._tick(clock)
        finally:
            capture.release()
        self._check_complete(clock)

    def _tick(self, clock: _Clock) -> float:
        try:
            return clock.tick()
        except ValueError as error:
            raise VideoTimeError(
                f'{self._path}: does not tell the times of its frames ({error}): set frame_rate, '
                'or convert it, such as by ffmpeg -i IN OUT.mp4'
            ) from None

    def _check_complete(self, clock: _Clock) -> None:
        """Refuse a file with fewer frames than an undamaged one has at least."""
        counted = self._path.suffix.lower() in COUNTED
        spare = _SPARE_FRAMES if counted else max(_SPARE_FRAMES, _SPARE_S * clock.stored_rate)
        known = math.isfinite(clock.stored_frames) and math.isfinite(spare)
        expected = max(0, math.floor(clock.stored_frames - spare)) if known else 0
        if clock.frames < expected and not clock.reaches_end:
            raise VideoError(
                f'{self._path}: is damaged or was cut: it ends after frame {clock.frames}, '
                f'expected {expected} or more: copy or convert it again'
            )

    def _open(self) -> cv2.VideoCapture:
        capture = _capture(str(self._path))
        if not capture.isOpened():
            raise VideoError(f'{self._path}: expected a video that OpenCV reads (.mp4, .avi, ...)')
        # Versions of OpenCV differ in whether they turn frames, and none mirrors them.
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        try:  # before a frame is decoded
            check_pixels(
                *(
                    int(capture.get(side))
                    for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
                )
            )
        except ValueError as error:
            raise VideoError(f'{self._path}: frames of {error}') from None
        return capture


class _Clock:
    """Times of the frames that a capture reads: those of the file, or of a given rate.

    Args:
        capture: The capture, before its first frame.
        rate: Frames a second.
        given: True: the times are those of the rate.

    Attributes:
        stored_rate: Frames a second by the file.
        stored_frames: Number of frames by the file, of some formats by its duration.
        frames: Number of frames so far.
    """

    def __init__(self, capture: cv2.VideoCapture, rate: float, given: bool) -> None:
        self._capture, self._rate, self._given = capture, rate, given
        self.stored_rate, self.stored_frames = (
            float(capture.get(one)) for one in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT)
        )
        self.frames = 0
        self._even = True
        self._first_s = self._file_s = self._gap_s = self._longest_s = self._last_s = 0.0

    def tick(self) -> float:
        """Return the time of the frame that was just read, seconds from the first one.

        Raises:
            ValueError: The file does not tell it.
        """
        stored_s = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        number, self.frames = self.frames, self.frames + 1
        by_rate = number / self._rate
        if number == 0:
            self._first_s = stored_s
            return 0.0
        if number == 1 and not 0 <= self._first_s < stored_s:
            self._first_s = 0.0  # OpenCV takes another stamp for one of 0
        file_s = stored_s - self._first_s
        if not (math.isfinite(file_s) and file_s > self._file_s):
            # The last frames of formats with delayed frames have no stamps.
            near = abs(self._last_s + 1 / self._rate - by_rate) < _NEAR / self._rate
            if self._given or (stored_s <= 0 < self._file_s and near):
                self._last_s = by_rate
                return by_rate
            raise ValueError(
                f'frame {number} at {file_s:g} s, the one before at {self._file_s:g} s'
            )
        self._gap_s, self._file_s = file_s - self._file_s, file_s
        self._longest_s = max(self._longest_s, self._gap_s)
        whole = abs(stored_s * 1000 - round(stored_s * 1000)) < 1e-6
        # Of a constant rate, the rate is more exact than rounded stamps.
        self._even &= abs(file_s - number / self._rate) <= (_ROUNDED_S if whole else _EXACT_S)
        at = by_rate if self._even or self._given else file_s
        self._last_s = max(at, self._last_s)
        return self._last_s

    @property
    def end_s(self) -> float:
        """End of the last frame so far, seconds from the first one."""
        if self._even or self._given:
            return self.frames / self._rate
        duration_s = self._duration_s
        if self._last_s < duration_s <= self._last_s + 2 * self._longest_s:
            return duration_s
        return self._last_s + self._gap_s

    @property
    def reaches_end(self) -> bool:
        """True of frames of a varying rate that reach the end of the file."""
        return not self._even and self._file_s + self._longest_s >= self._duration_s - _SPARE_S

    @property
    def _duration_s(self) -> float:
        return self.stored_frames / self.stored_rate if self.stored_rate > 0 else math.inf


class Webcam:
    """Frames of a camera, at the times of their arrival.

    Args:
        index: Number of the camera: 0 is /dev/video0.

    Attributes:
        size: (height, width) of its frames, pixels.

    Raises:
        VideoError: There is none, or it gives no frames.
    """

    live = True

    def __init__(self, index: int) -> None:
        self._name = f'webcam {index}'
        self._capture = _capture(index)
        if not self._capture.isOpened():
            raise VideoError(
                f'{self._name}: cannot be opened; expected a camera that is plugged in, free, and '
                f'readable as /dev/video{index}'
            )
        # Without a queue in the driver, whose frames would be late.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        read, first = self._capture.read()
        if not read:
            raise VideoError(f'{self._name}: no frames: close other programs that use it')
        self.size = (int(first.shape[0]), int(first.shape[1]))

    def frames(self, loop: bool = False) -> Iterator[tuple[float, Bgr]]:
        """Yield frames with their times, seconds from the first one, until it is unplugged.

        Args:
            loop: Not used, as a camera has no end.

        Raises:
            VideoError: No more frames arrive.
        """
        start = None
        for image in _read(self._capture):
            now = time.monotonic()
            start = now if start is None else start
            yield now - start, image
        raise VideoError(f'{self._name}: no more frames: check that it is plugged in')


def quiet() -> None:
    """Keep the lines of OpenCV and FFmpeg off standard error, where errors are one line."""
    logging = getattr(cv2.utils, 'logging', cv2)  # OpenCV 5 moved it there
    logging.setLogLevel(0)
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')


def _capture(source: str | int) -> cv2.VideoCapture:
    quiet()  # a VideoError has the reason
    return cv2.VideoCapture(source)


def _read(capture: cv2.VideoCapture) -> Iterator[Bgr]:
    """Yield frames until there are no more, then close the capture."""
    try:
        while True:
            read, image = capture.read()
            if not read:
                return
            yield np.asarray(image, np.uint8)
    finally:
        capture.release()


class Step(NamedTuple):
    """Planes between two frames.

    Attributes:
        first: Number of the first plane.
        planes: Number of planes.
        before: Light of the first plane, ``[height, width]``, thresholds per plane.
        after: Light one past the last plane, likewise.
    """

    first: int
    planes: int
    before: Light
    after: Light


def steps(
    frames: Iterable[tuple[float, Light]], rate_hz: float, longest_s: float = math.inf
) -> Iterator[Step]:
    """Interpolate planes between frames: light changes linearly from each frame to the next.

    Plane k is at k / rate. Planes of long steps are left out, as a late live camera would fall
    behind further.

    Args:
        frames: Times from 0 on, seconds, and light. Two frames at one time are a cut.
        rate_hz: Planes per second.
        longest_s: Longest filled time between frames, seconds; of a longer one its end is filled.

    Yields:
        Steps; planes were left out where one does not begin at the end of the previous one.
    """
    begun: tuple[float, Light] | None = None
    for at, light in frames:
        if begun is not None:
            stop = _plane_at(at, rate_hz)
            first = _plane_at(max(begun[0], at - longest_s), rate_hz)
            if stop > first:
                yield Step(first, stop - first, begun[1], light)
        begun = (at, light)


class Packet(NamedTuple):
    """Consecutive planes of one message.

    Attributes:
        first: Number of the first one.
        planes: ``[planes, height, row_bytes]`` uint8, ``little``.
    """

    first: int
    planes: PackedPlanes


def packets(between: Iterable[Step], camera: IntegrateAndFire, size: int) -> Iterator[Packet]:
    """Expose a camera to steps and yield its spikes in packets.

    Args:
        between: The steps.
        camera: The camera.
        size: Planes of a packet; those at the end and before left-out planes are shorter.
    """
    waiting: list[PackedPlanes] = []
    first = held = 0
    for step in between:
        if step.first != first + held:
            if held:
                yield Packet(first, np.concatenate(waiting))
            waiting, first, held = [], step.first, 0
        for before, after, planes in cut(step.before, step.after, step.planes, size):
            fired = camera.expose(before, after, planes)
            room = size - held
            waiting.append(fired[:room])
            held += len(waiting[-1])
            if held == size:
                yield Packet(first, np.concatenate(waiting))
                waiting, first, held = [fired[room:]], first + size, planes - room
    if held:
        yield Packet(first, np.concatenate(waiting))


def _plane_at(time_s: float, rate_hz: float) -> int:
    """Return the number of the first plane that is not before a time."""
    return math.ceil(time_s * rate_hz - 1e-6)
