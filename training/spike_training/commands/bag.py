# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A recording of frames as a bag of a spike camera: spikes, camera_info and true depth."""

from __future__ import annotations

import fractions
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from rich.progress import Progress
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.video.spiking import regrouped
from spike_training.datasets.clip import Clip
from spike_training.disk import check_room, make_folder
from spike_training.errors import ConfigError
from spike_training.progress import progress_bar
from spike_training.sampling.clip_planes import (
    CameraSettings,
    ClipCamera,
    Interpolation,
    frame_clips,
    parse_size,
)
from spike_training.sampling.transforms import Transform
from spike_training.sensor.parameters import IDEAL, Sensor

FRAME_ID = 'spike_camera_optical_frame'
TOPICS = {
    'spikes': 'sensor_msgs/msg/Image',
    'camera_info': 'sensor_msgs/msg/CameraInfo',
    'depth/truth': 'sensor_msgs/msg/Image',
}
"""Topics of a bag and their types; what a node predicts is called ``depth/image``."""

METADATA_VERSION: Literal[8] = 8
"""The newest form of metadata.yaml that Humble reads too: version 9 has other QoS profiles."""

_EARLIEST_S = 1.0
_CAMERA_INFO_EVERY_S = 0.1
_MESSAGE_BYTES = 512
_SECOND = 1_000_000_000


def bag(
    data: dict[str, str],
    out: Path,
    clip: str = '',
    size: str = '400x250',
    rate: float = 20_000.0,
    start: float = 0.0,
    seconds: float | None = None,
    storage: Literal['sqlite3', 'mcap'] = 'sqlite3',
    planes_per_packet: int = 40,
    transform: Transform = 'aspect',
    mean_rate: float = 0.2,
    interpolation: Interpolation = 'flow',
    sensor: Sensor = IDEAL,
    seed: int = 0,
) -> None:
    """Write a recording of frames as a rosbag2 with the spikes of a simulated camera.

    Topics: spikes (docs/wire_format.md), camera_info, and depth/truth (32FC1, metres) at the
    stamps of the frames that have depth. The stream is continuous; its size is told before
    anything is written.

    Args:
        data: One data set by name: --data.kitti PATH. Options of its reader follow the path:
            --data.tum PATH,per_metre=5000. See docs/data_sets.md.
        out: The bag to write, a folder that does not exist yet.
        clip: Which recording of the data set, by name; needed where it has several.
        size: Width and height of the sensor in pixels.
        rate: Planes per second.
        start: Seconds of the recording to pass over.
        seconds: How much of the recording; up to its last frame if not given.
        storage: sqlite3 or mcap.
        planes_per_packet: Planes in one message.
        transform: aspect, the largest centred part of the frames; or authors, for KITTI.
        mean_rate: Share of the planes in which a pixel fires, on average over the recording.
        interpolation: From frame to frame along optical flow, or linear: blended.
        sensor: What the pixels add: a YAML file, or single values. The default is ideal.
        seed: Of the charge that pixels begin with, of their noise and of their differences.

    Raises:
        ConfigError: A setting cannot be used, or the disk has no room.
        DataSetError: The data set cannot be used.
    """
    width, height = parse_size(size)
    settings = CameraSettings(
        height, width, rate, transform, mean_rate, interpolation, sensor, seed
    )
    if planes_per_packet < 1:
        raise ConfigError(f'planes_per_packet is {planes_per_packet}: expected 1 or more')
    if out.exists():
        raise ConfigError(f'{out} exists: expected the name of a new folder')
    if len(data) != 1:
        raise ConfigError(f'{len(data)} data sets: expected one, --data.NAME PATH')
    ((name, where),) = data.items()
    chosen = choose(frame_clips(name, where), clip)
    part = span(chosen.times_s, rate, start, seconds)
    camera = ClipCamera(chosen, settings)
    geometry = Geometry(height, width)
    truths = [i for i in chosen.labelled if part.start_s <= chosen.times_s[i] <= part.end_s]
    bytes_wanted = part.planes * (geometry.plane_bytes + _MESSAGE_BYTES / planes_per_packet)
    bytes_wanted += len(truths) * (4 * height * width + _MESSAGE_BYTES)
    print(
        f'{chosen.name}: {part.planes} planes of {geometry} at {rate:g} Hz '
        f'({part.planes / rate:.2f} s), {len(truths)} depth images, {bytes_wanted / 1e6:.0f} MB',
        flush=True,
    )
    make_folder(out.parent)
    check_room(out.parent, bytes_wanted, 'fewer --seconds, a lower --rate or a smaller --size')
    write_bag(camera, part, truths, out, storage, planes_per_packet)
    for reason, names in camera.skipped.items():
        print(f'left out: {", ".join(names)}: {reason}')
    print(f'{out}: written')


class Span(NamedTuple):
    """A part of a clip.

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


def span(
    times_s: npt.NDArray[np.float64], rate_hz: float, start_s: float, seconds: float | None
) -> Span:
    """The part of a clip to write.

    Stamps are the clip's own. A clip that begins before one second, mostly at 0, is moved to begin
    there: a stamp of 0 means in ROS that there is none.

    Args:
        times_s: Of the clip's frames.
        rate_hz: Planes per second.
        start_s: Seconds to pass over.
        seconds: How much; None: up to the last frame.

    Raises:
        ConfigError: There is no such part, not even a plane of it.
    """
    first, last = float(times_s[0]), float(times_s[-1])
    begin = first + start_s
    end = last if seconds is None else min(begin + seconds, last)
    planes = int((end - begin) * rate_hz + 1e-6)
    if start_s < 0 or planes < 1:
        told = 'to its end' if seconds is None else f'for {seconds:g} s'
        raise ConfigError(
            f'from {start_s:g} s on {told}: expected a part of the {last - first:.2f} s between '
            'the first and the last frame'
        )
    stamp_s = max(first, _EARLIEST_S) + start_s
    return Span(begin, begin + planes / rate_hz, planes, round(stamp_s * _SECOND))


def choose(clips: list[Clip], name: str) -> Clip:
    """The clip of a name, or the only one.

    Raises:
        ConfigError: There is none of that name, or there are several to choose from.
    """
    named = [clip for clip in clips if clip.name == name] if name else clips
    if len(named) != 1:
        known = ', '.join(clip.name for clip in clips[:20]) + (', ...' if len(clips) > 20 else '')
        what = f'clip is {name!r}' if name else f'{len(clips)} recordings'
        raise ConfigError(f'{what}: expected --clip with one of {known}')
    return named[0]


def write_bag(
    camera: ClipCamera,
    part: Span,
    truths: list[int],
    out: Path,
    storage: Literal['sqlite3', 'mcap'],
    planes_per_packet: int,
) -> None:
    """Writes a bag under a temporary name, then gives it its own.

    Args:
        camera: Looks at the clip.
        part: Which part of it.
        truths: Frames whose depth to write.
        out: The folder to make.
        storage: Kind of bag.
        planes_per_packet: Planes in one message.

    Raises:
        DataSetError: Too many frames cannot be used.
    """
    # The name of a bag is also that of its file, so it lies in a folder of another name.
    temporary = out.with_name(f'.{out.name}.part')
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        plugin = StoragePlugin.SQLITE3 if storage == 'sqlite3' else StoragePlugin.MCAP
        bag_writer = Writer(temporary / out.name, version=METADATA_VERSION, storage_plugin=plugin)
        with bag_writer as writer, progress_bar() as progress:
            _Messages(writer, camera, part).write(truths, planes_per_packet, progress)
        (temporary / out.name).rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class _Messages:
    """Writes the messages of a bag in the order in which a camera would have sent them."""

    def __init__(self, writer: Writer, camera: ClipCamera, part: Span) -> None:
        self._writer, self._camera, self._part = writer, camera, part
        self._types = get_typestore(Stores.ROS2_JAZZY)
        self._connections = {
            topic: writer.add_connection(f'/{topic}', kind, typestore=self._types)
            for topic, kind in TOPICS.items()
        }
        rate = fractions.Fraction(camera.settings.rate_hz).limit_denominator(1_000_000)
        self._period = _SECOND / rate
        self._matrix = camera.matrix

    def write(self, truths: list[int], planes_per_packet: int, progress: Progress) -> None:
        """Writes all of them."""
        task = progress.add_task('planes', total=self._part.planes)
        done, next_info = 0, 0
        waiting = iter(self._truths(truths))
        truth = next(waiting, None)
        planes = self._camera.planes(self._part.start_s, self._part.planes)
        for block in regrouped(planes, planes_per_packet):
            # A packet is sent when its last plane is over.
            stamp, sent = self._stamp(done), self._stamp(done + len(block))
            while truth is not None and truth[0] <= sent:
                self._write('depth/truth', truth[0], truth[1])
                truth = next(waiting, None)
            if stamp >= next_info:
                self._write('camera_info', sent, self._camera_info(stamp))
                next_info = stamp + round(_CAMERA_INFO_EVERY_S * _SECOND)
            self._write('spikes', sent, self._packet(stamp, block))
            done += len(block)
            progress.update(task, completed=done)
        while truth is not None:
            self._write('depth/truth', truth[0], truth[1])
            truth = next(waiting, None)

    def _stamp(self, plane: int) -> int:
        """Time of a plane, nanoseconds, by counting: it does not drift."""
        return self._part.stamp_ns + int(plane * self._period)

    def _truths(self, frames: list[int]) -> Iterator[tuple[int, Any]]:
        """Depth images with their stamps, those of the frames; unusable ones are left out."""
        for index in frames:
            depth = self._camera.depth(index)
            if depth is None:
                continue
            since_start = float(self._camera.clip.times_s[index]) - self._part.start_s
            stamp = self._part.stamp_ns + round(since_start * _SECOND)
            height, width = depth.shape
            yield stamp, self._image(stamp, height, width, '32FC1', 4 * width, depth)

    def _packet(self, stamp: int, block: npt.NDArray[np.uint8]) -> Any:
        planes, height, row = block.shape
        return self._image(stamp, planes * height, row, '8UC1', row, block)

    def _image(
        self, stamp: int, height: int, width: int, encoding: str, step: int, pixels: Any
    ) -> Any:
        return self._types.types['sensor_msgs/msg/Image'](
            header=self._header(stamp),
            height=height,
            width=width,
            encoding=encoding,
            is_bigendian=0,
            step=step,
            data=np.ascontiguousarray(pixels).reshape(-1).view(np.uint8),
        )

    def _camera_info(self, stamp: int) -> Any:
        types = self._types.types
        region = types['sensor_msgs/msg/RegionOfInterest'](
            x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        )
        return types['sensor_msgs/msg/CameraInfo'](
            header=self._header(stamp),
            height=self._camera.settings.height,
            width=self._camera.settings.width,
            distortion_model='plumb_bob',
            d=np.zeros(5),
            k=self._matrix.ravel(),
            r=np.eye(3).ravel(),
            p=np.hstack([self._matrix, np.zeros((3, 1))]).ravel(),
            binning_x=0,
            binning_y=0,
            roi=region,
        )

    def _header(self, stamp: int) -> Any:
        types = self._types.types
        sec, nanosec = divmod(stamp, _SECOND)
        time = types['builtin_interfaces/msg/Time'](sec=sec, nanosec=nanosec)
        return types['std_msgs/msg/Header'](stamp=time, frame_id=FRAME_ID)

    def _write(self, topic: str, time_ns: int, message: Any) -> None:
        data = self._types.serialize_cdr(message, TOPICS[topic])
        self._writer.write(self._connections[topic], time_ns, data)
