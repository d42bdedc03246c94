# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sources of the player: recordings, a pipe or a bag, opened as the command line says."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sensor_msgs.msg import CameraInfo

from spike_depth_ros.geometry.calibration import Calibration, read_calibration
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.io.layout_check import PipeCheck, raw_file_problem
from spike_depth_ros.io.recording import (
    Eye,
    Recording,
    RecordingError,
    is_bag,
    is_pipe,
    open_pipe,
    open_recording,
    raw_layout,
    read_pipe,
)
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.calibration import (
    CalibrationError,
    camera_info_from_matrix,
    set_fields,
)
from spike_depth_ros.nodes.parts.player_packets import (
    Item,
    Packet,
    Source,
    same_geometry,
)
from spike_depth_ros.stereo import EYES
from spike_depth_ros.stereo.recorded import given_rig, not_calibrated, recorded_rig
from spike_depth_ros.stream.chunk import PackedPlanes
from spike_depth_ros.stream.plane_clock import (
    FRAME_ID,
    PLANES_PER_PACKET,
    PlaneClock,
)
from spike_depth_ros.tools.arguments import recording_layout

_OF_PIPES = ('size', 'bit_order', 'row_order', 'packing', 'skip_columns')


def open_source(options: Any, keep_going: Callable[[], bool]) -> Source:
    """Open the source on the command line.

    Args:
        options: The parsed command line.
        keep_going: Called while a pipe has no bytes; False ends its packets.

    Raises:
        process.UserError: It cannot be played.
    """
    try:
        source = _open(options, keep_going)
        if given := _given_calibrations(source, options):
            source.cameras = [
                _calibrated(*pair) for pair in zip(source.cameras, given, strict=True)
            ]
    except (RecordingError, CalibrationError, OSError) as error:
        raise process.UserError(str(error)) from error
    if options.frame_id:
        source.cameras[0].header.frame_id = options.frame_id
    if options.planes:
        source.items = _limited(source.items, options.planes, len(source.cameras))
    return source


def _open(options: Any, keep_going: Callable[[], bool]) -> Source:
    path = Path(options.source)
    played = is_pipe(options.source) or (path.exists() and not is_bag(path))
    if options.image is not None and played:
        raise process.UserError(
            f'{options.source}: --image names frames in a bag: leave it out, or play a bag'
        )
    if options.right is not None:
        _check_pair(options)
        return _open_files([path, Path(options.right)], options)
    if is_pipe(options.source):
        return _open_pipe(options, keep_going)
    return _open_bag(path, options) if is_bag(path) else _open_files([path], options)


def _open_bag(path: Path, options: Any) -> Source:
    try:
        # Imported here: files are played without rosbags.
        from spike_depth_ros.nodes.parts.player_bag import open_bag
    except ImportError as error:
        raise process.UserError(
            f'{path}: reading bags needs {error.name}, which is missing: pip install rosbags'
        ) from error
    return open_bag(path, options)


def _check_pair(options: Any) -> None:
    """Refuse what does not play beside another camera."""
    if options.topic is not None:
        raise process.UserError(
            '--topic is a stream of a bag, --right a second file: leave one of them out'
        )
    for source in (options.source, options.right):
        if is_pipe(source):
            raise process.UserError(
                f'{Path(source)}: is a pipe; expected files of both cameras with --right: record '
                'it first'
            )
        if is_bag(Path(source)):
            raise process.UserError(
                f'{Path(source)}: is a bag; expected files of both cameras with --right: leave it '
                'out to play left/spikes and right/spikes of one bag'
            )


def _given_calibrations(source: Source, options: Any) -> Sequence[Calibration]:
    """Return the calibrations of the command line, which replace the recording's.

    Returns:
        One for each camera; none: they are not given.

    Raises:
        CalibrationError: They cannot be used.
        process.UserError: The options do not fit together, or do not fit the source.
    """
    size = source.geometry.width, source.geometry.height
    if len(source.cameras) == len(EYES):
        rig = _given_rig(source, options, *size)
        return () if rig is None else (rig.left, rig.right)
    if options.baseline is not None or options.right_camera_info is not None:
        raise process.UserError(
            f'{options.source}: plays as one camera, --baseline and --right-camera-info are of '
            'two: leave them out, or play two files with --right, or a bag with left/spikes and '
            'right/spikes'
        )
    if options.camera_info:
        return (read_calibration(options.camera_info, *size),)
    return (Calibration.centred(options.fx, *size),) if options.fx else ()


def _given_rig(source: Source, options: Any, width: int, height: int) -> StereoRig | None:
    """Return the rig of the command line; None: a bag plays with its own calibrations."""
    cameras = [Calibration.from_message(camera) for camera in source.cameras]
    known = [camera.k[0] for camera in cameras if camera.k[0]]
    rig = given_rig(options, known, width, height)
    if rig is None and options.right is not None:  # a bag, or one file, may hold both
        raise not_calibrated()
    return rig


def _calibrated(camera: CameraInfo, calibration: Calibration) -> CameraInfo:
    """Return the camera info of a calibration, in the frame of another one."""
    info = CameraInfo(header=camera.header, width=calibration.width, height=calibration.height)
    set_fields(info, calibration)
    return info


def _open_files(paths: Sequence[Path], options: Any) -> Source:
    """Open the file of one camera or of two, or those of a left and a right one."""

    def open_eye(path: Path, eye: Eye = 'left') -> Recording:
        return open_recording(path, eye=eye, **recording_layout(options))

    recordings = [open_eye(path) for path in paths]
    if len(paths) == 1 and recordings[0].baseline_m is not None:
        paths = [*paths, *paths]
        recordings.append(open_eye(paths[0], 'right'))
    geometry = same_geometry(paths, [recording.geometry for recording in recordings])
    rate_hz = options.rate or _same_rate(paths, recordings)
    planes, warnings = _same_length(paths, recordings)
    problems = map(raw_file_problem, paths, recordings)
    warnings += [problem for problem in problems if problem]
    size = options.planes_per_packet or PLANES_PER_PACKET
    starts = range(0, planes, size)
    blocks = (
        [recording.read(start, min(start + size, planes)) for recording in recordings]
        for start in (itertools.cycle(starts) if options.loop else starts)
    )
    frames = [FRAME_ID] if len(paths) == 1 else [f'{eye}_{FRAME_ID}' for eye in EYES]
    cameras = []
    for recording, frame in zip(recordings, frames, strict=True):
        matrix = recording.camera_matrix
        cameras.append(camera_info_from_matrix(matrix, geometry.width, geometry.height))
        cameras[-1].header.frame_id = frame
    if recordings[-1].baseline_m is not None and len(cameras) == len(EYES):
        set_fields(cameras[1], recorded_rig(*recordings).right)
    items = _counted(blocks, rate_hz)
    return Source(items, geometry, float(rate_hz), cameras, warnings=warnings)


def _same_rate(paths: Sequence[Path], recordings: Sequence[Recording]) -> float:
    """Return the plane rate that all files hold."""
    rates = []
    for path, recording in zip(paths, recordings, strict=True):
        if recording.rate_hz is None:
            raise _unknown_rate(str(path))
        rates.append(recording.rate_hz)
    if rates[0] != rates[-1]:
        raise process.UserError(
            f'{paths[-1]}: has {rates[-1]:.12g} planes/s; expected {rates[0]:.12g} as of '
            f'{paths[0]}: two cameras have one rate; where a file is wrong, give the true one '
            'with --rate'
        )
    return rates[0]


def _same_length(paths: Sequence[Path], recordings: Sequence[Recording]) -> tuple[int, list[str]]:
    """Return the planes to play of each file, and a warning if others are left out."""
    lengths = [len(recording.planes) for recording in recordings]
    planes = min(lengths)
    if planes == max(lengths):
        return planes, []
    found = ' and '.join(map('{} has {} planes'.format, paths, lengths))
    return planes, [f'{found}: only the first {planes} of both are played']


def _open_pipe(options: Any, keep_going: Callable[[], bool]) -> Source:
    if options.size is None:
        raise process.UserError(
            'the sensor size of a pipe is unknown; give it, for example --size 400x250'
        )
    if options.axes == 'hwt':
        raise process.UserError(
            f'{options.source}: is a pipe, which has one plane after another: leave out --axes hwt'
        )
    given = recording_layout(options)
    layout = raw_layout(**{name: given[name] for name in _OF_PIPES})
    if options.rate is None:
        raise _unknown_rate(options.source)
    pipe = open_pipe(options.source)
    size = options.planes_per_packet or PLANES_PER_PACKET
    check = PipeCheck(layout)
    blocks = read_pipe(pipe, layout, size, keep_going, check.look)
    camera = camera_info_from_matrix(None, *options.size)
    camera.header.frame_id = FRAME_ID
    items = _counted(([block] for block in blocks), options.rate)
    warnings = check.warnings
    return Source(items, layout.geometry, options.rate, [camera], pipe=pipe, warnings=warnings)


def _unknown_rate(name: str) -> process.UserError:
    return process.UserError(
        f'{name}: the plane rate is not in the recording; give it, for example --rate 20000'
    )


def _counted(blocks: Iterable[Sequence[PackedPlanes]], rate_hz: float) -> Iterator[Packet]:
    """Yield blocks of all cameras as packets, with times from the count of planes.

    Args:
        blocks: Planes of one time, as many of each camera.
        rate_hz: Planes a second.
    """
    clock, planes = PlaneClock(rate_hz), 0
    for eyes in blocks:
        start_ns = clock.since_start_ns(planes)
        planes += len(eyes[0])
        end_ns = clock.since_start_ns(planes)
        for eye, block in enumerate(eyes):
            yield Packet(block, start_ns, end_ns, eye)


def _limited(items: Iterator[Item], planes: int, cameras: int) -> Iterator[Item]:
    """Yield the items up to a number of planes of each camera; the last packet is cut."""
    remaining = [planes] * cameras
    for item in items:
        if not isinstance(item, Packet):
            yield item
            continue
        share = min(remaining[item.eye], len(item.data))
        if share:
            length_ns = (item.end_ns - item.start_ns) * share // len(item.data)
            yield item._replace(data=item.data[:share], end_ns=item.start_ns + length_ns)
        remaining[item.eye] -= share
        if not any(remaining):
            return
