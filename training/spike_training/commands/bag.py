# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``bag``: a recording of frames as a bag of a simulated spike camera."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from spike_depth_ros.base.cli import checked
from spike_depth_ros.base.values import Count, Positive, within
from spike_depth_ros.tools.arguments import parse_size
from spike_training.choices import MEAN_RATE, Interpolation, Transform
from spike_training.disk import check_new, check_room, make_folder
from spike_training.errors import ConfigError
from spike_training.sensor.parameters import IDEAL, Sensor
from spike_training.simulation.settings import CameraSettings


@checked(ConfigError)
def bag(
    data: dict[str, str],
    out: Path,
    clip: str = '',
    size: str = '400x250',
    rate: float = 20_000.0,
    start: float = 0.0,
    seconds: float | None = None,
    storage: Literal['mcap', 'sqlite3'] = 'sqlite3',
    planes_per_packet: Count = 40,
    transform: Transform = 'aspect',
    mean_rate: float = MEAN_RATE,
    interpolation: Interpolation = 'flow',
    sensor: Sensor = IDEAL,
    seed: int = 0,
    frames: bool = False,
    odometry: bool = True,
    odometry_length: Positive = 1.0,
    odometry_rotation_deg: Annotated[float, within(0, 180)] = 0.0,
    odometry_clock_ms: Annotated[float, within(-500, 500)] = 0.0,
    overwrite: bool = False,
) -> None:
    """Write a recording of frames as a rosbag2 with the spikes of a simulated camera.

    Topics: spikes (docs/reference/wire_format.md), camera_info, depth/truth (32FC1, metres) at the
    stamps of the frames that have depth, and odom (nav_msgs/msg/Odometry) with the camera's poses,
    where the data set has some. The stream is continuous; its size is printed before anything is
    written.

    Args:
        data: One data set by name: --data.kitti PATH. Options of its reader follow the path:
            --data.tum PATH,per_metre=5000. See docs/reference/data_sets.md.
        out: The bag to write, a folder; an existing one is refused without overwrite.
        clip: Name of the recording in the data set; needed if it has several.
        size: Width and height of the sensor in pixels.
        rate: Planes per second.
        start: Start time in the recording, seconds.
        seconds: Duration; up to the last frame if not given.
        storage: sqlite3 or mcap.
        planes_per_packet: Planes in one message.
        transform: aspect, the largest centred part of the frames; or authors, for KITTI.
        mean_rate: Share of the planes in which a pixel fires, on average over the recording.
        interpolation: Between frames: flow, along optical flow; or linear, blended.
        sensor: Noise and mismatch of the pixels: a YAML file, or single values. The default is
            ideal.
        seed: Seed of the pixels' initial charge, noise and mismatch, and of odometry_rotation_deg.
        frames: Also write the frames, pixel for pixel, as image, with image/camera_info.
        odometry: Write the camera's poses as odom, where the data set has some.
        odometry_length: Factor of the way of odom: 1.05 is 5 % too long.
        odometry_rotation_deg: Degrees by which each pose of odom is turned about a random axis.
        odometry_clock_ms: Milliseconds by which the stamps of odom are late.
        overwrite: Replace an existing bag, once the new one is complete.

    Raises:
        ConfigError: A setting cannot be used, or the disk has no room.
        DataSetError: The data set cannot be used.
    """
    width, height = parse_size(size, ConfigError)
    settings = CameraSettings(
        height, width, rate, transform, mean_rate, interpolation, sensor, seed
    )
    check_new(out, overwrite)
    if out.exists():
        from spike_depth_ros.io.bags.bag import BagError
        from spike_depth_ros.io.bags.writing import check_replaceable

        try:
            check_replaceable(out)
        except BagError as error:
            raise ConfigError(str(error)) from None
    if len(data) != 1:
        raise ConfigError(f'{len(data)} data sets: expected one, --data.NAME PATH')
    ((name, where),) = data.items()
    from spike_training.simulation.bag import ClipBag, OdometryErrors, choose_clip, choose_span
    from spike_training.simulation.clip_camera import ClipCamera, describe_gaps, frame_clips

    chosen = choose_clip(frame_clips(name, where), clip)
    span = choose_span(chosen.times_s, rate, start, seconds)
    camera = ClipCamera(chosen, settings)
    errors = OdometryErrors(odometry_length, odometry_rotation_deg, odometry_clock_ms)
    recording = ClipBag(camera, span, planes_per_packet, frames, odometry, errors)
    print(recording.describe(), flush=True)
    for note in describe_gaps(chosen):
        print(note, flush=True)
    make_folder(out.parent)
    check_room(out.parent, recording.nbytes, 'fewer --seconds, a lower --rate or a smaller --size')
    out = recording.write(out, storage, overwrite)
    for reason, names in camera.skipped.items():
        print(f'left out: {", ".join(names)}: {reason}')
    print(f'{out}: written')
