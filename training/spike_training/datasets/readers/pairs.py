# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shared functions of the readers of two eyes: rigs, right pictures, and checks of both."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from spike_depth_ros.geometry.calibration import MAX_BASELINE_M, MIN_BASELINE_M, CalibrationError
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.io.arrays import picture_size
from spike_depth_ros.stereo.alignment import EVERY_NS, PAIRS, AlignmentCheck
from spike_depth_ros.stream.preview import render
from spike_depth_ros.stream.window import Window, reference_index
from spike_training.datasets.clip import Clip, Disparity, Matrix, Rgb, RightFrames, SpikeClip
from spike_training.datasets.readers import files
from spike_training.errors import DataSetError, FrameError

WINDOWS = 3 * PAIRS // 2
"""Windows of recordings of spikes that are compared; some may show too little to count."""

WINDOW_PLANES = 128
"""Planes of such a window, at most."""

AnyClip = TypeVar('AnyClip', Clip, SpikeClip)

TRIES = 3
"""Pairs of pictures that are tried for their size."""


def rectified_rig(
    name: str, left: Matrix, right: Matrix, baseline_m: float, size: Sequence[int]
) -> StereoRig:
    """Return the rig of two rectified cameras.

    Args:
        name: Name of the recording, for messages.
        left: Matrix of the left camera, ``[3, 3]`` pixels.
        right: Matrix of the right camera.
        baseline_m: Distance from the left to the right camera, metres.
        size: Rows and columns of the images.

    Raises:
        DataSetError: There is no baseline, the eyes are exchanged, or their rows differ.
    """
    if not MIN_BASELINE_M <= baseline_m <= MAX_BASELINE_M:
        told = ': exchange the eyes' if baseline_m < 0 else ''
        raise DataSetError(
            f'{name}: the baseline is {baseline_m:g} m, expected {MIN_BASELINE_M:g} to '
            f'{MAX_BASELINE_M:g} m from the left to the right camera{told}'
        )
    try:
        return files.parallel_rig(left, right, baseline_m, size)
    except CalibrationError as error:
        raise DataSetError(f'{name}: {error}') from error


def right_frames(
    clip: Clip,
    pictures: Mapping[int, tuple[Path, Path]],
    right: Matrix,
    baseline_m: float,
    modality: str = '',
) -> RightFrames:
    """Return the right eye of a clip, whose true disparities are those of its depth.

    Args:
        clip: The left eye, whose camera is known.
        pictures: Left and right picture by the number of the frame, one or more.
        right: Matrix of the right camera, ``[3, 3]`` pixels.
        baseline_m: Distance from the left to the right camera, metres.
        modality: What the right camera sees; empty: the same as the left one.

    Raises:
        DataSetError: The sizes of the eyes differ, no pair of a few can be read, or the cameras
            are no pair.
    """
    assert clip.camera is not None
    size = _common_size(clip.name, [*pictures.values()][:TRIES])
    rig = rectified_rig(clip.name, clip.camera, right, baseline_m, size)

    def image(index: int) -> Rgb:
        if index not in pictures:
            raise FrameError(f'{clip.name}, frame {index}: has no right picture')
        return files.read_rgb(pictures[index][1])

    def disparity(index: int) -> Disparity:
        depth = clip.depth(index)
        if depth is None:
            return np.full(size, np.nan, np.float32)
        return rig.disparity_of(depth).astype(np.float32)

    return RightFrames(tuple(sorted(pictures)), image, disparity, rig, modality)


def right_of(clip: SpikeClip) -> SpikeClip:
    """Return the right eye of a recording as one of its own, for checks of its planes."""
    assert clip.right is not None
    return dataclasses.replace(clip, name=f'{clip.name}, right eye', load=clip.right.load)


def pairs_of(clips: Sequence[AnyClip]) -> list[AnyClip]:
    """Return the recordings that have a calibrated right eye.

    Raises:
        DataSetError: None has.
    """
    found = [clip for clip in clips if clip.right is not None and clip.right.rig is not None]
    if not found:
        names = ', '.join(clip.name for clip in clips) or 'no clips'
        raise DataSetError(
            f'{names}: no recording has a calibrated right eye; expected pairs, such as by the '
            "reader's options right and baseline"
        )
    return found


def check_alignment(clips: Iterable[SpikeClip]) -> None:
    """Refuse recordings of one rig whose eyes are exchanged, or whose rows differ.

    Points of some windows are matched, see :class:`AlignmentCheck`; where windows show too little,
    nothing is refused.

    Args:
        clips: Recordings with a right eye, one or more.

    Raises:
        DataSetError: The eyes are exchanged, or the rows differ.
    """
    check, clips = AlignmentCheck(), [*clips]
    for number in range(WINDOWS):
        clip = clips[number * len(clips) // WINDOWS]
        place = number * len(clips) / WINDOWS % 1
        assert clip.right is not None
        rig = clip.right.rig
        try:
            left, right = (render(one, 'rate') for one in _windows(clip, place))
        except FrameError:
            continue
        check.update(*rig.rectify(left, right), rig.offset_px, number * EVERY_NS)
    if check.exchanged:
        raise DataSetError(
            f'{clips[0].name}: disparities are negative, as if left and right were exchanged: '
            'exchange them'
        )
    for note in check.notes:
        raise DataSetError(f'{clips[0].name}: {note}')


def _windows(clip: SpikeClip, place: float) -> tuple[Window, Window]:
    """Return windows of both eyes at a place from 0 to 1 of a recording."""
    assert clip.right is not None
    planes = min(WINDOW_PLANES, clip.planes)
    first = round(place * (clip.planes - planes))
    period_ns, reference = round(1e9 / clip.rate_hz), reference_index('middle', planes)
    left, right = (
        Window(
            np.ascontiguousarray(eye.load(first, first + planes)),
            clip.geometry, 0, period_ns, reference, reference * period_ns,
        )
        for eye in (clip, clip.right)
    )  # fmt: skip
    return left, right


def _common_size(name: str, pictures: Sequence[tuple[Path, Path]]) -> tuple[int, int]:
    """Return rows and columns of the first pair that can be read."""
    problem = ''
    for pair in pictures:
        try:
            with files.frame_errors():
                left, right = map(picture_size, pair)
        except FrameError as error:
            problem = str(error)
            continue
        if left != right:
            raise DataSetError(
                f'{name}: left pictures of {left[1]}x{left[0]} pixels, right ones of '
                f'{right[1]}x{right[0]}; expected one size'
            )
        return left
    raise DataSetError(problem)
