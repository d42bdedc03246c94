# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Unlabelled recordings to adapt to: opened, checked, and split in time."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spike_depth_ros.base.errors import OneLineError, check_utf8
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import BitOrder, Geometry
from spike_depth_ros.stream.health import bit_order_fits, bit_order_misfit
from spike_depth_ros.tools.arguments import parse_size
from spike_training.adaptation.second_eye import (
    SecondEye,
    add_right_file,
    common_rig,
    right_files,
)
from spike_training.datasets.clip import SpikeClip
from spike_training.datasets.readers import dat, rosbag
from spike_training.datasets.readers.pairs import check_alignment, right_of
from spike_training.datasets.row_length import check_row_bytes, measure_row_bytes
from spike_training.datasets.suitability import check_camera, check_suitable
from spike_training.errors import ConfigError, DataSetError, FrameError, one_line

HELD_BACK_SHARE = 0.3
"""Share of each recording, its end, that candidates are tested on."""

GAP_SHARE = 0.05
"""Share of each recording before its end that is left out, so that both parts differ."""

BAG_SUFFIXES = ('.db3', '.mcap')

BLOCKS = 256
"""Blocks of a file that its fingerprint is of."""

BLOCK_BYTES = 1 << 16

_ORDER_WINDOWS = 20
_ORDER_PLANES = 128


class Parts(NamedTuple):
    """Recordings split in time.

    Attributes:
        adaptation: Parts that networks learn from.
        held_back: Parts that networks are tested on.
    """

    adaptation: list[SpikeClip]
    held_back: list[SpikeClip]


class Opened(NamedTuple):
    """Recordings of one camera, or of the two of a rig, and what their planes told about it.

    Attributes:
        recordings: The parts without gaps of each recording, with the bit order that their
            planes have.
        duration_s: Duration of all of them, seconds.
        corrected_bit_order: True if the planes have another bit order than stated.
        padded_row_bytes: Bytes from row to row of .dat files whose rows are padded; 0: they are
            not.
        rig: Calibrations of both eyes; None: one eye.
        right_paths: Right .dat files, or folders of these; none of bags.
    """

    recordings: list[list[SpikeClip]]
    duration_s: float
    corrected_bit_order: bool
    padded_row_bytes: int
    rig: StereoRig | None = None
    right_paths: tuple[Path, ...] = ()

    @property
    def clips(self) -> list[SpikeClip]:
        """Parts without gaps of all recordings."""
        return [clip for own in self.recordings for clip in own]


def open_recordings(
    paths: Sequence[Path],
    size: str,
    rate_hz: float,
    topic: str = 'spikes',
    eye: SecondEye | None = None,
) -> Opened:
    """Open recordings of one camera, or of a rig of two.

    Args:
        paths: Bags (folders with metadata.yaml, .mcap or .db3 files), .dat files, or folders of
            these.
        size: Width and height of the sensor, such as 400x250, of .dat files and of bags without
            camera_info.
        rate_hz: Plane rate of .dat files.
        topic: Topic of spikes in bags, its full name or the end of it.
        eye: Second eye; None: there is none.

    Raises:
        ConfigError: The options of the second eye do not fit the recordings.
        DataSetError: A recording cannot be read, its rows have another length than stated, they
            are of different cameras, shorter than :data:`MIN_DURATION_S` in all, too dark,
            saturated or still; or the eyes are no calibrated pair.
    """
    found = {path: find_recordings(path) for path in paths}
    # Of a recording that is given twice, a part to learn from would be tested on.
    files = [*{file.resolve(): file for own in found.values() for file in own}.values()]
    raw = [file for file in files if not _is_bag(file)]
    right = {} if eye is None else _right_files(found, raw, eye)
    padded = _padded_row_bytes([*raw, *right.values()], size)
    read = []
    for file in files:
        own = _read_file(file, size, rate_hz, topic, padded, eye)
        if eye is not None and file in raw:
            own = [add_right_file(clip, right[file.resolve()], padded, eye) for clip in own]
        read.append((file, own))
    clips = [clip for _, found in read for clip in found]
    duration = check_camera(clips)
    if bags := [clip for file, found in read if _is_bag(file) for clip in found]:
        check_row_bytes(bags)
    check_suitable(clips)
    rig = common_rig(clips)
    fits = _bit_order_fits(clips)
    if rig is not None:
        _check_right(clips, fits)
    wrong = fits is False
    if wrong:
        other: BitOrder = 'big' if clips[0].geometry.bit_order == 'little' else 'little'
        geometry = dataclasses.replace(clips[0].geometry, bit_order=other)
        read = [
            (file, [dataclasses.replace(clip, geometry=geometry) for clip in own])
            for file, own in read
        ]
    if raw and rig is not None:  # those of bags have been checked
        check_alignment([clip for _, own in read for clip in own])
    paths_right = tuple(map(Path, eye.right)) if raw and eye is not None else ()
    return Opened([own for _, own in read], duration, wrong, padded, rig, paths_right)


def sensor_size(paths: Sequence[Path], size: str, topic: str = 'spikes') -> Geometry:
    """Return the sensor size of recordings, without reading their planes.

    Args:
        paths: As for :func:`open_recordings`.
        size: As there.
        topic: As there.

    Raises:
        DataSetError: There is no recording, or nothing tells the size of the first one.
    """
    first = next(file for path in paths for file in find_recordings(path))
    if _is_bag(first):
        return rosbag.sensor_size(first, topic, size)
    width, height = parse_size(size, DataSetError)
    return Geometry(height, width)


def _right_files(
    found: Mapping[Path, Sequence[Path]], raw: Sequence[Path], eye: SecondEye
) -> dict[Path, Path]:
    """Return the right file of each left .dat file, by its resolved path; none of bags."""
    if not raw:
        return {}
    if len(raw) < len({file.resolve() for own in found.values() for file in own}):
        raise ConfigError('recordings are bags and .dat files: expected one kind with right')
    return right_files(found, eye.right)


def _check_right(clips: Sequence[SpikeClip], order_fits: bool | None) -> None:
    """Check planes of the right eye as those of the left one."""
    right = [right_of(clip) for clip in clips]
    check_suitable(right)
    fits = _bit_order_fits(right)
    if fits is not None and order_fits is not None and fits != order_fits:
        raise DataSetError(
            f'{clips[0].name}: the bit orders of left and right planes differ; expected one: '
            'correct the driver of one camera'
        )


def read_clips(
    path: Path, size: str, rate_hz: float, topic: str = 'spikes', row_bytes: int = 0
) -> list[SpikeClip]:
    """Read a recording, or those of a folder.

    Args:
        path: As for :func:`open_recordings`.
        size: As there.
        rate_hz: As there.
        topic: As there.
        row_bytes: Bytes from row to row of .dat files, where rows are padded; 0: those of the
            width.

    Raises:
        DataSetError: There is none, or one cannot be read.
    """
    files = find_recordings(path)
    return [
        clip for file in files for clip in _read_file(file, size, rate_hz, topic, row_bytes, None)
    ]


def find_recordings(path: Path) -> list[Path]:
    """Find the bags and .dat files of a folder, and of folders in it; or the one that it is.

    A link to a folder above it is not followed, and a file that several names lead to is found
    once.

    Raises:
        DataSetError: There is none, one cannot be opened, or a name is not valid UTF-8.
    """
    found: dict[Path, Path] = {}
    try:
        for one in _recordings_in(path):
            found.setdefault(one.resolve(), one)
        check_utf8(*map(str, found.values()))
    except (OSError, RuntimeError, OneLineError) as error:  # RuntimeError: a link to itself
        raise DataSetError(one_line(error)) from error
    if not found:
        raise DataSetError(
            f'{path}: expected a bag, a .dat file, or a folder of bags or .dat files'
        )
    return [*found.values()]


def fingerprint(path: Path) -> str:
    """Return a fingerprint of a recording, or of those of a folder, in a time without its size.

    Hashed are names and sizes of its files and, of each, :data:`BLOCKS` evenly spaced blocks, the
    first and the last among them: all bytes of files up to 16 MiB. Times of files do not count.

    Raises:
        DataSetError: There is none, or one cannot be read.
    """
    digest = hashlib.sha256()
    for recording in find_recordings(path):
        files = [recording]
        if recording.is_dir():
            files = [one for one in sorted(recording.iterdir()) if one.is_file()]
        for file in files:
            _hash_blocks(digest, file)
    return digest.hexdigest()


def fingerprint_beside(path: Path) -> str:
    """Return a fingerprint of camera matrices and depth maps beside .dat files.

    Raises:
        DataSetError: There is no recording, or a file cannot be read.
    """
    digest = hashlib.sha256()
    for folder in sorted({one.parent for one in find_recordings(path) if not _is_bag(one)}):
        for file in (folder / 'K.txt', *sorted((folder / 'depth').glob('*'))):
            if file.is_file():
                _hash_blocks(digest, file)
    return digest.hexdigest()


def _hash_blocks(digest: hashlib._Hash, path: Path) -> None:
    try:
        _read_blocks(digest, path)
    except OSError as error:
        raise DataSetError(f'{path}: cannot be read: {error.strerror}') from error


def _read_blocks(digest: hashlib._Hash, path: Path) -> None:
    size = path.stat().st_size
    digest.update(f'{path.name} {size}\n'.encode(errors='surrogateescape'))
    if size <= BLOCKS * BLOCK_BYTES:
        digest.update(path.read_bytes())
        return
    with path.open('rb') as file:
        for k in range(BLOCKS):
            file.seek(k * (size - BLOCK_BYTES) // (BLOCKS - 1))
            digest.update(file.read(BLOCK_BYTES))


def _recordings_in(path: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    if _is_bag(path) or (path.suffix == '.dat' and path.is_file()):
        yield path
    elif path.is_dir() and (place := path.resolve()) not in above:
        for one in sorted(path.iterdir()):
            if not one.name.startswith('.'):  # unfinished, or another program's
                yield from _recordings_in(one, above | {place})


def _is_bag(path: Path) -> bool:
    return path.suffix in BAG_SUFFIXES or (path / 'metadata.yaml').is_file()


def _read_file(
    path: Path, size: str, rate_hz: float, topic: str, row_bytes: int, eye: SecondEye | None
) -> list[SpikeClip]:
    """Read a recording; the right eye of bags alone."""
    if not _is_bag(path):
        # Those of all recordings together have been measured.
        width, _ = parse_size(size, DataSetError)
        return dat.read(path, size, rate_hz, row_bytes=row_bytes or -(-width // 8))
    if eye is None:
        return rosbag.read(path, spikes=topic, size=size)
    if not eye.is_calibrated:
        return rosbag.read(path, spikes=topic, size=size, right=eye.topic)
    left = rosbag.read(path, spikes=topic, size=size)[0]  # size and focal length
    known = [] if left.camera is None else [float(left.camera[0, 0])]
    return rosbag.read_pairs(path, topic, eye.topic, eye.rig(known, left.geometry))


def _padded_row_bytes(files: Sequence[Path], size: str) -> int:
    """Measure the row length of .dat files; return 0 if it is the width's."""
    if not files:
        return 0
    width, height = parse_size(size, DataSetError)
    geometry = Geometry(height, width)
    measured = measure_row_bytes(files, geometry)
    return measured if measured > geometry.row_bytes else 0


def _bit_order_fits(clips: Sequence[SpikeClip]) -> bool | None:
    """Return whether the planes of the recordings have the stated bit order; None: unknown."""
    misfits: list[float] = []
    ends = np.cumsum([clip.planes for clip in clips])
    for place in np.linspace(0, ends[-1] - 1, _ORDER_WINDOWS).astype(int).tolist():
        number = int(np.searchsorted(ends, place, 'right'))
        clip = clips[number]
        planes = min(_ORDER_PLANES, clip.planes)
        start = min(place - (int(ends[number]) - clip.planes), clip.planes - planes)
        try:
            window = np.ascontiguousarray(clip.load(start, start + planes))
        except FrameError:
            continue
        geometry = clip.geometry
        counts = packing.spike_counts(window, geometry.width, geometry.bit_order)
        misfits.append(bit_order_misfit(counts))
    return bit_order_fits(float(np.median(misfits))) if misfits else None


def split_in_time(recordings: Sequence[Sequence[SpikeClip]], planes: int) -> Parts:
    """Split each recording into adaptation and held-back parts, with a gap between them.

    Args:
        recordings: The parts without gaps of each recording.
        planes: Length of a window; the gap is no shorter, and shorter parts are left out.

    Raises:
        DataSetError: No recording has a window in each of its parts.
    """
    found = Parts([], [])
    for clips in recordings:
        total = sum(clip.planes for clip in clips)
        held = round((1 - HELD_BACK_SHARE) * total)
        early = _between(clips, 0, held - max(planes, round(GAP_SHARE * total)), planes)
        late = _between(clips, held, total, planes)
        if early and late:
            found.adaptation.extend(early)
            found.held_back.extend(late)
    if not found.held_back:
        longest = max(clip.planes for clips in recordings for clip in clips)
        raise DataSetError(
            f'{recordings[0][0].name}: parts without gaps of at most {longest} planes, expected '
            f'windows of {planes} planes in both parts of one: record without losses'
        )
    return found


def _between(clips: Sequence[SpikeClip], first: int, stop: int, planes: int) -> list[SpikeClip]:
    """Return what clips have between two planes of all of them, of a window or more each."""
    found, start = [], 0
    for clip in clips:
        own = max(first - start, 0), min(stop - start, clip.planes)
        if own[1] - own[0] >= planes:
            found.append(clip.between(*own))
        start += clip.planes
    return found
