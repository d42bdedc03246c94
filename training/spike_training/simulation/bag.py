# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags of a simulated spike camera from clips of frames.

They have spikes, camera_info, true depth and odometry.
"""

from __future__ import annotations

import functools
import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from rosbags.rosbag2 import WriterError

from spike_depth_ros.base.results import UnfinishedFolder, place_result
from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.io.bags.writing import Storage
from spike_depth_ros.io.topics import FRAME_TOPICS, ODOMETRY_TOPICS, TOPICS
from spike_depth_ros.io.video.spiking import regroup
from spike_depth_ros.motion.odometry import pose_values
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.tools.convert.spike_bag import (
    PacketStream,
    TimedMessage,
    depth_message,
    frame_messages,
    odometry_message,
    packet_problem,
    write_messages,
)
from spike_training.datasets.clip import Clip, Matrix
from spike_training.errors import ConfigError, DataSetError
from spike_training.progress import progress_bar
from spike_training.simulation.clip_camera import ClipCamera

_EARLIEST_S = 1.0
_MESSAGE_BYTES = 512
_ODOMETRY_BYTES = 1024
_SECOND = 1_000_000_000


class Span(NamedTuple):
    """Part of a clip.

    Attributes:
        start_s: Time of its first plane, seconds as in the clip.
        end_s: One period after its last plane.
        planes: Number of planes.
        stamp_ns: Time of its first plane in the bag, nanoseconds.
    """

    start_s: float
    end_s: float
    planes: int
    stamp_ns: int


class OdometryErrors(NamedTuple):
    """Errors of the odometry that a bag has.

    Attributes:
        length: Factor of all shifts.
        rotation_deg: Angle by which each pose is turned about a random axis, degrees.
        clock_ms: Time by which stamps are late, milliseconds.
    """

    length: float = 1.0
    rotation_deg: float = 0.0
    clock_ms: float = 0.0


NO_ERRORS = OdometryErrors()


def choose_clip(clips: list[Clip], name: str) -> Clip:
    """Return the clip of a name, or the only one.

    Raises:
        ConfigError: There is none of that name, or there are several to choose from.
    """
    named = [clip for clip in clips if clip.name == name] if name else clips
    if len(named) != 1:
        known = ', '.join(clip.name for clip in clips[:20]) + (', ...' if len(clips) > 20 else '')
        what = f'clip is {name!r}' if name else f'{len(clips)} recordings'
        raise ConfigError(f'{what}: expected --clip with one of {known}')
    return named[0]


def choose_span(
    times_s: npt.NDArray[np.float64], rate_hz: float, start_s: float, seconds: float | None
) -> Span:
    """Return the part of a clip to write.

    Stamps are the clip's own. A clip that begins before one second, mostly at 0, is moved to begin
    there: a stamp of 0 means in ROS that there is none.

    Args:
        times_s: Of the clip's frames.
        rate_hz: Planes per second.
        start_s: Seconds to skip.
        seconds: Duration; None: up to the last frame.

    Raises:
        ConfigError: There is no such part, not even a plane of it.
    """
    first, last = float(times_s[0]), float(times_s[-1])
    begin = first + start_s
    end = last if seconds is None else min(begin + seconds, last)
    span = (end - begin) * rate_hz + 1e-6
    if not (start_s >= 0 and 1 <= span < math.inf):
        duration = 'to its end' if seconds is None else f'for {seconds:g} s'
        raise ConfigError(
            f'from {start_s:g} s on {duration}: expected a part of the {last - first:.2f} s '
            'between the first and the last frame'
        )
    planes = int(span)
    stamp_s = max(first, _EARLIEST_S) + start_s
    return Span(begin, begin + planes / rate_hz, planes, round(stamp_s * _SECOND))


class ClipBag:
    """Messages of a part of a clip, in the order in which a camera would send them.

    Args:
        camera: Camera of the clip.
        span: Part of the clip.
        planes_per_packet: Planes in one message of spikes.
        frames: Whether the clip's frames lie beside the spikes, as this camera's pixels.
        odometry: Whether its poses do, where it has some.
        errors: Errors of those poses; random ones by the seed of the camera.

    Raises:
        ConfigError: There is no frame in the span, though they are asked for, no pose that could
            have the errors, or packets are too large.
    """

    def __init__(
        self,
        camera: ClipCamera,
        span: Span,
        planes_per_packet: int,
        frames: bool = False,
        odometry: bool = True,
        errors: OdometryErrors = NO_ERRORS,
    ) -> None:
        self._camera, self._span, self._planes_per_packet = camera, span, planes_per_packet
        clip, settings = camera.clip, camera.settings
        self._labelled = [
            i for i in clip.labelled if span.start_s <= clip.times_s[i] <= span.end_s
        ]
        self._shown = [
            i
            for i, time_s in enumerate(clip.times_s)
            if frames and span.start_s <= time_s <= span.end_s
        ]
        if frames and not self._shown:
            raise ConfigError(
                f'frames is true: expected a frame of {clip.name} between {span.start_s:g} and '
                f'{span.end_s:g} s: choose other --start and --seconds'
            )
        self._errors = errors
        self._poses: list[tuple[float, Matrix]] = []
        if odometry and clip.poses is not None:
            self._poses = [
                (time_s, pose)
                for time_s, pose in zip(*clip.poses, strict=True)
                if span.start_s <= time_s <= span.end_s
            ]
        if errors != NO_ERRORS and not self._poses:
            named = ', '.join(
                f'odometry_{name} is {value:g}'
                for name, value in errors._asdict().items()
                if value != getattr(NO_ERRORS, name)
            )
            raise ConfigError(
                f'{named}: expected --odometry true, and poses of {clip.name} between '
                f'{span.start_s:g} and {span.end_s:g} s'
            )
        self._geometry = Geometry(settings.height, settings.width)
        if problem := packet_problem(self._geometry, min(planes_per_packet, span.planes)):
            raise ConfigError(f'{problem}: lower --planes_per_packet')
        size = settings.width, settings.height
        self._calibration = given = Calibration.from_matrix(camera.matrix, *size)
        self._stream = PacketStream(self._geometry, settings.rate_hz, given, span.stamp_ns)

    @property
    def nbytes(self) -> float:
        """Approximate size of the bag, bytes."""
        geometry = self._geometry
        plane = geometry.plane_bytes + _MESSAGE_BYTES / self._planes_per_packet
        truth = 4 * geometry.height * geometry.width + _MESSAGE_BYTES
        frame = 3 * geometry.height * geometry.width + 2 * _MESSAGE_BYTES
        of_frames = len(self._shown) * frame + len(self._poses) * _ODOMETRY_BYTES
        return self._span.planes * plane + len(self._labelled) * truth + of_frames

    def describe(self) -> str:
        """Return a summary of the bag's content in one line."""
        planes, rate = self._span.planes, self._camera.settings.rate_hz
        beside = f'{len(self._shown)} frames, ' if self._shown else ''
        beside += f'{len(self._poses)} poses, ' if self._poses else ''
        return (
            f'{self._camera.clip.name}: {planes} planes of {self._geometry} at {rate:g} Hz '
            f'({planes / rate:.2f} s), {len(self._labelled)} depth images, {beside}'
            f'{self.nbytes / 1e6:.0f} MB'
        )

    def write(self, out: Path, storage: Storage, overwrite: bool = False) -> Path:
        """Write a bag under a temporary name, then rename it.

        Args:
            out: The folder to make.
            storage: Kind of bag.
            overwrite: Replace a bag in that folder.

        Returns:
            The folder; another one if a process has made ``out`` meanwhile.

        Raises:
            DataSetError: Too many frames cannot be used, or the bag cannot be written.
        """
        # The name of a bag is also that of its file, so it lies in a folder of another name.
        with UnfinishedFolder(out.parent) as temporary:
            unfinished = Path(temporary) / out.name
            planes = self._camera.planes(self._span.start_s, self._span.planes)
            packets = regroup(planes, self._planes_per_packet)
            with progress_bar() as progress:
                task = progress.add_task('planes', total=self._span.planes)
                advance = functools.partial(progress.advance, task)
                messages = self._stream.messages(packets, advance)
                topics = TOPICS | (FRAME_TOPICS if self._shown else {})
                topics |= ODOMETRY_TOPICS if self._poses else {}
                beside = self._truths(), self._frames(), self._odometry()
                try:
                    write_messages(unfinished, storage, topics, *beside, messages)
                except (WriterError, sqlite3.Error) as error:
                    raise DataSetError(
                        f'{out}: cannot be written ({error}): free space there, or choose another '
                        'folder'
                    ) from error
            return place_result(unfinished, out, overwrite)

    def _truths(self) -> Iterator[TimedMessage]:
        """Yield depth images at the stamps of their frames; unusable ones are left out."""
        for index in self._labelled:
            depth = self._camera.depth(index)
            if depth is not None:
                stamp_ns = self._stamp_ns(self._camera.clip.times_s[index])
                yield depth_message(stamp_ns, stamp_ns, depth)

    def _frames(self) -> Iterator[TimedMessage]:
        """Yield frames at their stamps; unusable ones are left out."""
        for index in self._shown:
            pixels = self._camera.colours(index)
            if pixels is not None:
                stamp_ns = self._stamp_ns(self._camera.clip.times_s[index])
                yield from frame_messages(stamp_ns, stamp_ns, pixels, self._calibration)

    def _odometry(self) -> Iterator[TimedMessage]:
        """Yield the poses, with their errors, when they were taken."""
        random = np.random.default_rng(self._camera.settings.seed)
        late_ns = round(self._errors.clock_ms * 1e6)
        for time_s, true in self._poses:
            axis = random.normal(size=3)
            turn = axis * (math.radians(self._errors.rotation_deg) / np.linalg.norm(axis))
            pose = true.copy()
            pose[:3, :3] = true[:3, :3] @ cv2.Rodrigues(turn)[0]
            pose[:3, 3] *= self._errors.length
            sent_ns = self._stamp_ns(time_s)
            yield odometry_message(sent_ns, sent_ns + late_ns, pose_values(pose))

    def _stamp_ns(self, time_s: float) -> int:
        """Return the stamp of a time of the clip, nanoseconds."""
        return self._span.stamp_ns + round((float(time_s) - self._span.start_s) * _SECOND)
