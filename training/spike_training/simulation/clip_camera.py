# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulated spike camera for clips of frames: packed planes at any rate.

Frames are converted to linear light, resized, exposed by one gain for the whole clip (a spike
camera has no exposure control), interpolated in time and passed to the simulated sensor. Memory
holds two frames and a block of planes, whatever the length of the clip.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import zlib
from collections.abc import Iterator

import numpy as np
import torch

from spike_depth_ros.io.video.light import Light, luminance
from spike_depth_ros.io.video.spiking import cut
from spike_depth_ros.stream.chunk import PackedPlanes
from spike_training.datasets import readers
from spike_training.datasets.clip import Clip, Depth, Matrix, Rgb
from spike_training.datasets.readers.files import check_share, note_skipped
from spike_training.errors import DataSetError, FrameError, one_line
from spike_training.sampling.transforms import TRANSFORMS
from spike_training.sensor.camera import SpikeCamera
from spike_training.sensor.interpolation import (
    FlowInterpolator,
    Interpolator,
    LinearInterpolator,
    Motion,
    sub_frames,
)
from spike_training.simulation.settings import CameraSettings

INTERPOLATORS: dict[str, type[Interpolator]] = {
    'flow': FlowInterpolator,
    'linear': LinearInterpolator,
}
"""Interpolators between frames by name."""

BLOCK = 128
"""Planes that are simulated at once, at most."""

_GAP = 3.0  # times the usual time between frames
_METERED = 16  # frames that the gain is metered on


class ClipCamera:
    """Simulated spike camera of a clip.

    Args:
        clip: The frames.
        settings: The camera.

    Attributes:
        skipped: Names of the frames that could not be used so far, by reason.

    Raises:
        DataSetError: No frame, more bad frames than a set may have, all frames are black, they do
            not fit the transform, or the camera is not calibrated.
    """

    def __init__(self, clip: Clip, settings: CameraSettings) -> None:
        self.clip, self.settings = clip, settings
        self.skipped: dict[str, list[str]] = {}
        self._frames: dict[int, Light | None] = {}
        self._motions: dict[tuple[float, float], Motion] = {}
        self._interpolator = INTERPOLATORS[settings.interpolation]()
        shown = self._first_frame()
        try:
            self._placement = TRANSFORMS[settings.transform](
                shown, settings.height, settings.width
            )
        except ValueError as error:
            raise DataSetError(f'{clip.name}: {error}') from error
        if clip.camera is None:
            raise DataSetError(f'{clip.name}: its camera is not calibrated, expected one that is')
        self.matrix: Matrix = self._placement.camera(clip.camera)
        self._gain = self._metered()

    def depth(self, index: int) -> Depth | None:
        """Return the true depth at a frame in this camera's image, ``[height, width]`` metres.

        NaN is unknown, +Inf sky; None where the frame has no depth or one that cannot be used,
        which is noted.
        """
        try:
            depth = self.clip.depth(index)
            return None if depth is None else self._placement.depth(depth)
        except (FrameError, ValueError) as error:
            self._skip(index, error)
            return None

    def colours(self, index: int) -> Rgb | None:
        """Return a frame as this camera's pixels, ``[height, width, 3]`` uint8 RGB.

        None where it cannot be used, which is noted.
        """
        try:
            shown = self._placement.image(self.clip.image(index).astype(np.float32))
        except (FrameError, ValueError) as error:
            self._skip(index, error)
            return None
        return np.clip(np.rint(shown), 0, 255).astype(np.uint8)

    def light(self, index: int) -> Light | None:
        """Return the light of a frame on this camera, ``[height, width]`` thresholds per plane.

        Returns:
            0 to 1; None where the frame cannot be used, which is noted.

        Raises:
            DataSetError: Too many frames cannot be used.
        """
        light = self._luminance(index)
        return None if light is None else self._exposed(light)

    def planes(self, start_s: float, count: int, stream: int = 0) -> Iterator[PackedPlanes]:
        """Simulate the planes of a part of the clip.

        Before the first frame and after the last one the scene is still, unless the clip's motion
        goes on. Between frames, light is
        interpolated at instants between which nothing moves more than about a pixel, and linear in
        between. Each frame of a clip that is no video is shown from halfway to the one before it
        to halfway to the next. A frame that cannot be used is left out.

        Args:
            start_s: Time of plane 0, seconds as in the clip.
            count: Number of planes, 1 or more.
            stream: Number of the stream; streams differ in initial charge and noise.

        Yields:
            ``[planes, height, ceil(width / 8)]`` uint8, ``little``; at most :data:`BLOCK` planes.

        Raises:
            DataSetError: Too many frames cannot be used.
        """
        settings = self.settings
        key = zlib.crc32(f'{settings.seed} {self.clip.name} {stream}'.encode())
        # Streams differ in noise; all are recorded by the same sensor.
        camera = SpikeCamera(
            settings.height,
            settings.width,
            torch.tensor([key]),
            dataclasses.replace(settings.sensor, rate_hz=settings.rate_hz),
            sensor_ids=torch.tensor([settings.seed]),
        )
        for step in self._steps(start_s, count):
            for before, after, planes in cut(*step, BLOCK):
                light = torch.from_numpy(np.stack([before, after])).clamp_(0, 1)
                yield camera.expose(light[None], [0, planes])[0].numpy()

    def _steps(self, start_s: float, count: int) -> Iterator[tuple[Light, Light, int]]:
        """Yield light at two instants and the number of planes between them."""
        rate = self.settings.rate_hz
        done = 0
        last: tuple[float, Light, float, Light] | None = None
        for time, light, next_time, next_light in self._pairs(start_s):
            # Plane k is at start + k / rate; rounding must not move a frame's own plane.
            stop = (
                math.ceil((next_time - start_s) * rate - 1e-6) if next_light is not None else count
            )
            stop = min(stop, count)
            if next_light is not None and self.clip.goes_on:
                last = time, light, next_time, next_light
            if stop <= done:
                continue
            if next_light is None:
                if last is None:
                    yield light, light, stop - done
                    return
                time, light, next_time, next_light = last
            before, after = (time - start_s) * rate, (next_time - start_s) * rate
            if self.clip.video:
                motion = self._motion(time, light, next_time, next_light)
                yield from _line(motion, before, after, done, stop)
            else:
                # Without motion between frames, each is shown around its own time.
                middle = min(max(math.ceil((before + after) / 2), done), stop)
                for shown, planes in ((light, middle - done), (next_light, stop - middle)):
                    if planes:
                        yield shown, shown, planes
            done = stop
            if done == count:
                return

    def _pairs(self, start_s: float) -> Iterator[tuple[float, Light, float, Light | None]]:
        """Yield usable frames from an instant on, each with the next one, the last with None."""
        times = self.clip.times_s
        last = len(times) - (2 if self.clip.goes_on else 1)  # of two frames, for their motion
        first = max(min(int(np.searchsorted(times, start_s, 'right')) - 1, last), 0)
        while first > 0 and self.light(first) is None:
            first -= 1
        before: tuple[float, Light] | None = None
        for index in range(first, len(times)):
            light = self.light(index)
            if light is None:
                continue
            time = float(times[index])
            if before is None and time > start_s and not self.clip.goes_on:
                before = (start_s, light)  # still until the first frame
            if before is not None:
                yield (*before, time, light)
            before = (time, light)
        assert before is not None  # one frame at least was read to find the size
        yield (*before, math.inf, None)

    def _motion(self, time: float, light: Light, next_time: float, next_light: Light) -> Motion:
        """Return the motion between two frames, kept for the windows around both of them."""
        key = (time, next_time)
        if key not in self._motions:
            for old in list(self._motions)[:-1]:
                del self._motions[old]
            self._motions[key] = self._interpolator.between(light, next_light)
        return self._motions[key]

    def _luminance(self, index: int) -> Light | None:
        if index not in self._frames:
            # Two frames are needed at a time.
            for old in list(self._frames)[:-1]:
                del self._frames[old]
            try:
                self._frames[index] = self._placement.image(luminance(self.clip.image(index)))
            except (FrameError, ValueError) as error:
                self._frames[index] = None
                self._skip(index, error)
        return self._frames[index]

    def _exposed(self, light: Light) -> Light:
        exposed: Light = np.clip(light * self._gain, 0, 1)
        return exposed

    def _first_frame(self) -> tuple[int, int]:
        """Return (height, width) of the frames."""
        for index in range(len(self.clip)):
            try:
                height, width, _ = self.clip.image(index).shape
                return height, width
            except FrameError as error:
                self._skip(index, error)
        raise DataSetError(f'{self.clip.name}: no frame can be read, expected two or more')

    def _metered(self) -> np.float32:
        """Return the gain for the clip's mean rate, metered on frames spread over the clip."""
        chosen = np.unique(np.linspace(0, len(self.clip) - 1, _METERED).round().astype(int))
        means = [
            float(light.mean()) for k in chosen if (light := self._luminance(int(k))) is not None
        ]
        mean = sum(means) / len(means) if means else 0.0
        if mean <= 0:
            raise DataSetError(f'{self.clip.name}: its frames are black, expected some light')
        return np.float32((self.clip.mean_rate or self.settings.mean_rate) / mean)

    def _skip(self, index: int, error: Exception) -> None:
        note_skipped(self.skipped, one_line(error), f'{self.clip.name}, frame {index}')
        check_share(self.skipped, len(self.clip), self.clip.name)


def _line(
    motion: Motion, before: float, after: float, first: int, stop: int
) -> Iterator[tuple[Light, Light, int]]:
    """Yield steps of linear light from plane ``first`` to ``stop`` of the motion of two frames.

    Args:
        motion: Motion between the frames.
        before: Time of the first frame, in planes.
        after: Time of the second frame, in planes.
        first: The first plane wanted.
        stop: One past the last plane wanted.
    """
    whole = after - before
    steps = min(math.ceil(sub_frames(motion) * (stop - first) / whole), stop - first)

    def light(plane: int) -> Light:
        # Within a plane of a frame, the light is that frame's.
        if abs(plane - before) < 1:
            return motion.at(0)
        return motion.at(1) if abs(after - plane) < 1 else motion.at((plane - before) / whole)

    knots = sorted({first + round(k * (stop - first) / steps) for k in range(steps + 1)})
    left = light(knots[0])
    for a, b in itertools.pairwise(knots):
        right = light(b)
        yield left, right, b - a
        left = right


def describe_gaps(clip: Clip) -> list[str]:
    """Return a line about gaps between frames, within which motion is uncertain, or none."""
    steps = np.diff(clip.times_s)
    if not clip.video or len(steps) < 2:
        return []
    usual, longest = float(np.median(steps)), float(steps.max())
    gaps = np.count_nonzero(steps > _GAP * usual)
    if not gaps:
        return []
    return [
        f'{clip.name}: {gaps} gaps of up to {longest:.3g} s between frames that are {usual:.3g} s '
        'apart elsewhere: motion within them may be wrong'
    ]


def frame_clips(name: str, where: str) -> list[Clip]:
    """Return the recordings of a data set of frames.

    Args:
        name: Of the data set.
        where: Its path, and options of its reader: see :func:`.readers.read`.

    Raises:
        DataSetError: It cannot be used, has no recordings of frames, or has relative depth.
    """
    clips = [clip for clip in readers.read(name, where) if isinstance(clip, Clip)]
    if not clips:
        raise DataSetError(f'{where}: no recordings of frames, expected at least one')
    for clip in clips:
        if clip.labels is not None and clip.labels.relative:
            raise DataSetError(
                f'{clip.name}: its depth is relative (labels by {clip.labels.teacher}), expected '
                'metres, which are written as true depth'
            )
    return clips
