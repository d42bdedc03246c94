# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Conversion of recordings, file to bag and bag to raw file; what ``spike_convert`` runs."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rosbags.rosbag2 import WriterError

from spike_depth_ros.base.errors import check_link, printable
from spike_depth_ros.base.progress import progress
from spike_depth_ros.base.results import UnfinishedFolder, check_new_file, place_result
from spike_depth_ros.geometry.calibration import Calibration, CalibrationError
from spike_depth_ros.geometry.ray_depth import ray_lengths
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.io.bags.bag import Bag, BagError
from spike_depth_ros.io.bags.writing import check_replaceable
from spike_depth_ros.io.layout_check import raw_file_problem
from spike_depth_ros.io.recording import (
    Eye,
    Recording,
    RecordingError,
    TrueDepth,
    is_bag,
    open_recording,
)
from spike_depth_ros.io.topics import NONE
from spike_depth_ros.io.vidar import RowOrder
from spike_depth_ros.stereo.recorded import given_rig, not_calibrated, recorded_rig
from spike_depth_ros.stream.chunk import BitOrder
from spike_depth_ros.stream.plane_clock import PLANES_PER_PACKET
from spike_depth_ros.tools.arguments import LAYOUT_OPTIONS, recording_layout
from spike_depth_ros.tools.convert.command import ConvertOptions
from spike_depth_ros.tools.convert.raw_file import RawFile
from spike_depth_ros.tools.convert.spike_bag import CameraMessages, DepthFolder, write_messages
from spike_depth_ros.tools.recorded_windows import check_kind, recorded_calibration

SPARE_BYTES = 100_000_000
"""Free space that a conversion leaves on its disk, bytes."""

_OF_PAIRS = ('right', 'baseline', 'right_camera_info')
_OF_FILES = (
    *('camera_info', 'fx', 'depth', 'depth_along', 'planes_per_packet', 'storage'),
    *(name for name in LAYOUT_OPTIONS if name not in ('bit_order', 'row_order')),
    *_OF_PAIRS,
)
_OF_BAGS = ('topic', 'allow_gaps')


def run(options: ConvertOptions) -> None:
    """Convert a recording, and print what was written.

    Args:
        options: The options of the command.

    Raises:
        ValueError: The recording or the options cannot be used.
        OSError: A file cannot be read or written.
    """
    source, out = options.source, options.out
    if not source.exists():
        raise RecordingError(f'{source}: no such file or bag')
    from_bag = check_kind(source, options, _OF_FILES, _OF_BAGS)
    if not out.parent.is_dir():
        raise RecordingError(f'--out {out}: no folder {out.parent}: make it first')
    check_link(out)
    if out.exists() and out.samefile(source):
        raise RecordingError(f'--out {out}: is the recording itself: choose another name')
    if (out.exists() or out.is_symlink()) and not options.overwrite:
        raise RecordingError(f'--out {out}: exists: choose another name, or add --overwrite')
    (_to_raw_file if from_bag else _to_bag)(options)


def _to_bag(options: ConvertOptions) -> None:
    recordings = _recordings(options)
    rate_hz = _rate(options, recordings)
    if is_bag(options.out) and options.overwrite and options.out.exists():
        check_replaceable(options.out)
    elif options.out.exists() or options.out.suffix:
        raise RecordingError(f'--out {options.out}: expected a folder for the bag, without suffix')
    rig = _rig(options, *recordings) if len(recordings) > 1 else None
    cameras = list(_cameras(options, recordings, rate_hz, rig))
    topics = {name: kind for one in cameras for name, kind in one.topics.items()}
    room = _room(options.out, sum(one.nbytes for one in cameras))
    planes = sum(one.planes for one in cameras)
    with room as unfinished, progress('planes', planes) as advance:
        messages = (one.messages(advance) for one in cameras)
        write_messages(unfinished, options.storage or 'mcap', topics, *messages)
        placed = place_result(unfinished, options.out, options.overwrite)
    texts = [one.describe() for one in cameras]
    if rig is not None:
        texts.append(f'baseline {rig.baseline_m:g} m, focal length {rig.fx_px:g} pixels')
    print(f'{printable(str(placed))}: {"; ".join(texts)}')


def _cameras(
    options: ConvertOptions,
    recordings: Sequence[Recording],
    rate_hz: float,
    rig: StereoRig | None,
) -> Iterator[CameraMessages]:
    """Yield the messages of each recording; given depth is of the first one."""
    per_packet = options.planes_per_packet or PLANES_PER_PACKET
    left = recordings[0]
    calibration = recorded_calibration(options, left) if rig is None else rig.left
    depth = _depth(options, left, calibration)
    if rig is None:
        yield CameraMessages(left, rate_hz, calibration, depth, per_packet)
        return
    yield CameraMessages(left, rate_hz, calibration, depth, per_packet, 'left')
    right = recordings[1]
    yield CameraMessages(right, rate_hz, rig.right, right.truth, per_packet, 'right')


def _depth(
    options: ConvertOptions, recording: Recording, calibration: Calibration
) -> DepthFolder | TrueDepth | None:
    """Return the depth of the first camera."""
    if options.depth is None:
        if options.depth_along is not None:
            raise RecordingError('--depth-along is of --depth: leave it out, or give --depth')
        return recording.truth
    rays = None
    if options.depth_along == 'ray':
        try:
            rays = ray_lengths(calibration)
        except CalibrationError as error:
            raise CalibrationError(
                f'--depth-along ray: {error}: give --fx or --camera-info of this camera'
            ) from error
    return DepthFolder(options.depth, recording.geometry, len(recording.planes), rays)


def _recordings(options: ConvertOptions) -> list[Recording]:
    """Return the recording of the only camera, or those of the left and the right one."""

    def opened(path: Path, eye: Eye = 'left') -> Recording:
        recording = open_recording(path, eye=eye, **recording_layout(options))
        if problem := raw_file_problem(path, recording):
            print(f'warning: {printable(problem)}', file=sys.stderr)
        return recording

    source, right = options.source, options.right
    left = opened(source)
    if right is None and left.baseline_m is not None:
        return [left, opened(source, 'right')]
    if right is None:
        if given := [name for name in _OF_PAIRS if vars(options)[name] is not None]:
            raise RecordingError(
                f'--{given[0].replace("_", "-")} is of two cameras: leave it out, or give the '
                'recording of the right one with --right'
            )
        return [left]
    if right.exists() and right.samefile(source):
        raise RecordingError(f'--right {right}: is the left recording itself: choose another')
    found = [left, opened(right)]
    for path, one in zip((source, right), found, strict=True):
        if one.baseline_m is not None:
            raise RecordingError(f'{path}: holds both cameras: convert it alone, without --right')
    sizes = [(one.geometry.width, one.geometry.height) for one in found]
    if sizes[0] != sizes[1]:
        raise RecordingError(
            f'{right}: its planes are {"x".join(map(str, sizes[1]))}; expected '
            f'{"x".join(map(str, sizes[0]))} as of {source}: choose the recordings of one pair'
        )
    return found


def _rate(options: ConvertOptions, recordings: Sequence[Recording]) -> float:
    """Return the plane rate, planes a second."""
    if options.rate:
        return float(options.rate)
    rates: list[float] = []
    for path, recording in zip((options.source, options.right), recordings, strict=False):
        if recording.rate_hz is None:
            raise RecordingError(
                f'{path}: the plane rate is not in the recording; give it, for example '
                '--rate 20000'
            )
        rates.append(recording.rate_hz)
    if rates[0] != rates[-1]:
        raise RecordingError(
            f'{options.right}: {rates[-1]:g} planes/s; expected {rates[0]:g} as of '
            f'{options.source}: give the rate of both with --rate'
        )
    return rates[0]


def _rig(options: ConvertOptions, left: Recording, right: Recording) -> StereoRig:
    """Return the calibrations of both cameras."""
    matrices = [one.camera_matrix for one in (left, right)]
    known = [float(one[0, 0]) for one in matrices if one is not None]
    rig = given_rig(options, known, left.geometry.width, left.geometry.height)
    if rig is None and left.baseline_m is not None:
        return recorded_rig(left, right)
    if rig is None:
        raise not_calibrated()
    return rig


def _to_raw_file(options: ConvertOptions) -> None:
    out = options.out
    if out.is_dir() or is_bag(out):
        raise RecordingError(f'--out {out}: expected a raw file, for example my.dat')
    check_new_file(out, options.overwrite)
    if out.suffix in ('.npy', '.npz'):
        raise RecordingError(f'--out {out}: would be read as another format: expected .dat')
    bit_order: BitOrder = options.bit_order or 'little'
    row_order: RowOrder = options.row_order or 'bottom_up'
    gaps = _gaps_file(out)
    if gaps.exists() and not options.overwrite:
        raise RecordingError(f'{gaps}: exists: choose another name, or add --overwrite')
    bag = Bag(options.source)
    topics = bag.known.camera(options.topic, truth=NONE)
    raw = RawFile(bag, topics, options.size, options.rate)
    with _room(out, raw.nbytes) as unfinished, progress('planes', None) as advance:
        raw.write(unfinished, bit_order, row_order, options.allow_gaps, advance)
        listed = _gaps_file(unfinished)
        if options.allow_gaps:
            raw.write_gaps(listed)  # before anything is in its place: the disk may be full
        placed = place_result(unfinished, out, options.overwrite)
        if options.allow_gaps:
            listed.replace(_gaps_file(placed))
        else:
            gaps.unlink(missing_ok=True)  # of the file that was replaced
    for text in raw.warnings():
        print(f'warning: {text}', file=sys.stderr)
    layout = [f'--size {raw.geometry.width}x{raw.geometry.height}', f'--rate {raw.rate_hz:.7g}']
    if bit_order != 'little':
        layout.append(f'--bit-order {bit_order}')
    if row_order != 'bottom_up':
        layout.append(f'--row-order {row_order}')
    seconds = raw.planes / raw.rate_hz
    print(
        f'{printable(str(placed))}: {raw.planes} planes ({seconds:.2f} s); its layout is not in '
        f'the file: {" ".join(layout)}; its frame was {printable(raw.frame_id) or "not named"}'
    )


def _gaps_file(out: Path) -> Path:
    """Return the file beside a raw file that lists its gaps."""
    return out.with_name(f'{out.name}.gaps.json')


@contextlib.contextmanager
def _room(out: Path, nbytes: float) -> Iterator[Path]:
    """Yield the path of the unfinished result in a temporary folder beside the place."""
    free = shutil.disk_usage(out.parent).free
    if free < nbytes + SPARE_BYTES:
        raise OSError(
            f'--out {out}: {free / 1e6:.0f} MB are free, expected '
            f'{(nbytes + SPARE_BYTES) / 1e6:.0f} MB or more: free space there'
        )
    try:
        with UnfinishedFolder(out.parent) as folder:
            yield Path(folder) / out.name
    except (WriterError, sqlite3.Error) as error:
        raise BagError(
            f'--out {out}: cannot be written ({error}): free space or choose another folder'
        ) from error
    except OSError as error:
        if error.filename is not None or error.strerror is None:
            raise
        raise OSError(f'--out {out}: {error.strerror}: free space there') from error
