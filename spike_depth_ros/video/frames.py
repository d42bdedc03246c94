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

from spike_depth_ros.errors import OneLineError, check_utf8
from spike_depth_ros.stream.chunk import PackedPlanes
from spike_depth_ros.video.light import Light
from spike_depth_ros.video.spiking import IntegrateAndFire, cut

Bgr = npt.NDArray[np.uint8]
"""An image as OpenCV reads it, ``[H, W, 3]`` uint8: blue, green, red."""

MIN_FRAME_RATE, MAX_FRAME_RATE = 0.1, 1000.0
"""Valid frame rates of a video, frames a second."""

COUNTED = ('.avi', '.m4v', '.mov', '.mp4')
"""Suffixes of formats that hold their number of frames; others give it by their duration."""

_SPARE_FRAMES, _SPARE_S = 2, 0.5


class VideoError(ValueError):
    """Error of a video or webcam that cannot be used; the message is one line."""


class VideoFile:
    """Frames of a file, at the times of its frame rate.

    Args:
        path: The file, of any format of OpenCV.
        frame_rate: Frames a second; 0: from the file.

    Attributes:
        frame_rate: Frames a second.
        size: (height, width) of its frames, pixels.

    Raises:
        VideoError: Missing, not a video, without frames or without a frame rate.
    """

    live = False

    def __init__(self, path: Path, frame_rate: float = 0.0) -> None:
        self._path = path
        try:
            check_utf8(str(path))
        except OneLineError as error:
            raise VideoError(str(error)) from None
        if not path.is_file():
            raise VideoError(f'{path}: no such video file')
        capture = self._open()
        stored = float(capture.get(cv2.CAP_PROP_FPS))
        read, first = capture.read()
        capture.release()
        if not read:
            raise VideoError(f'{path}: no frame can be read; expected a video that OpenCV reads')
        self.size = (int(first.shape[0]), int(first.shape[1]))
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
            VideoError: The file is damaged or was cut; the frames before that were yielded.
        """
        number = 0
        while True:
            image: Bgr | None = None
            capture, before = self._open(), number
            expected = self._expected_frames(capture)
            for image in _read(capture):
                yield number / self.frame_rate, image
                number += 1
            if image is None:
                raise VideoError(f'{self._path}: no frame can be read any more: restore the file')
            if number - before < expected:
                raise VideoError(
                    f'{self._path}: is damaged or was cut: it ends after frame '
                    f'{number - before}, expected {expected} or more: copy or convert it again'
                )
            yield number / self.frame_rate, image
            if not loop:
                return

    def _expected_frames(self, capture: cv2.VideoCapture) -> int:
        """Return the number of frames that an undamaged file has at least."""
        stored, rate = (
            float(capture.get(one)) for one in (cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FPS)
        )
        counted = self._path.suffix.lower() in COUNTED
        spare = _SPARE_FRAMES if counted else max(_SPARE_FRAMES, _SPARE_S * rate)
        known = math.isfinite(stored) and math.isfinite(spare)
        return max(0, math.floor(stored - spare)) if known else 0

    def _open(self) -> cv2.VideoCapture:
        capture = _capture(str(self._path))
        if not capture.isOpened():
            raise VideoError(f'{self._path}: expected a video that OpenCV reads (.mp4, .avi, ...)')
        return capture


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
