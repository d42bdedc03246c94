# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Splits of recordings for training, calibration and test, without a place in two of them.

The definition of a place depends on the data set: a scene of Virtual KITTI in all its weathers, a
drive of KITTI, a room. Places are assigned by a hash of their names. The assignment is the same in
every run, for source and target alike, so that a network that is tested on a scene in fog was not
trained on the scene's depth on a clear day. Where there are too few places, recordings are split
in time, and frames near a border are left out; many single windows are split in their order.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import re
from collections.abc import Sequence
from typing import Literal, TypeVar, cast

import numpy as np

from spike_training.choices import Split
from spike_training.datasets.clip import Clip, SpikeClip
from spike_training.datasets.readers import READERS

Recording = TypeVar('Recording', bound=Clip | SpikeClip)

CALIBRATION_SHARE = 0.1
TEST_SHARE = 0.2
"""Share of the places, or of the time."""

MANY = 10
"""Number of single windows from which on they are split in their order."""

SINGLE_PLACES = {
    'cityscapes': r'(cityscapes/[^/]+/[^/]+)',
    'drivingstereo': r'drivingstereo/[^/]+/([^/]+)',
    'nyuv2': r'nyuv2/(.+?)[a-z]?$',
    'nyuv2_raw': r'nyuv2_raw/(.+?)[a-z]?$',
    'rendered': r'(rendered/[^/]+)',
    'respike': r'(respike/[^/]+/[^/]+/[^/]+)',
    'rosbag': r'(rosbag/[^/]+)',
    'sevenscenes': r'(sevenscenes/[^/]+)',
    'vkitti': r'vkitti/[^/]+/(?:Scene)?0*(\d+)',
}
"""Pattern by data set of the part of a recording's name that names its place; else all of it."""


def place_id(name: str) -> str:
    """Return the name of the place of a recording.

    Args:
        name: Name of the recording, such as ``vkitti/2.0.3/Scene01/fog``.
    """
    kind, _, rest = name.partition('/')
    if kind == 'npz':  # windows that were simulated from a recording, in a folder of its name
        recording = rest.rpartition('/')[0]
        return place_id(recording) if recording else name
    if kind == 'folder':  # labels of frames of a data set, in folders of their recordings' names
        inner = rest.partition('/')[2]
        if '/' in inner and inner.partition('/')[0] in READERS:
            return place_id(inner)
    pattern = SINGLE_PLACES.get(kind)
    match = None if pattern is None else re.match(pattern, name)
    return name if match is None else match[1]


@dataclasses.dataclass(frozen=True)
class Splits:
    """Assignment of places to splits.

    Attributes:
        by: ``place``, or ``time`` where there are too few places.
        places: Names of the places of each split; by time all have the same.
    """

    by: Literal['place', 'time']
    places: dict[Split, tuple[str, ...]]


def assign_splits(names: Sequence[str], with_test: bool) -> Splits:
    """Assign the places of recordings to splits.

    Args:
        names: Names of the recordings.
        with_test: True to make a test split, too.
    """
    places = sorted({place_id(name) for name in names}, key=_hash)
    evaluated: list[Split] = ['test', 'calibration'] if with_test else ['calibration']
    if len(places) <= len(evaluated):
        return Splits('time', dict.fromkeys(['train', *evaluated], tuple(places)))
    shares = {'test': TEST_SHARE, 'calibration': CALIBRATION_SHARE}
    chosen: dict[Split, tuple[str, ...]] = {}
    for split in evaluated:
        number = max(1, round(shares[split] * len(places)))
        chosen[split] = tuple(places[:number])
        places = places[number:]
    return Splits('place', {'train': tuple(places), **chosen})


def select_split(
    clips: Sequence[Recording], splits: Splits, split: Split, window_s: float
) -> list[Recording]:
    """Select the recordings, or the parts of them, of one split.

    Args:
        clips: All recordings.
        splits: Assignment of their places to splits.
        split: Split to select.
        window_s: Longest duration of a window of spikes, seconds.
    """
    if splits.by == 'place':
        return [clip for clip in clips if place_id(clip.name) in splits.places[split]]
    start, stop = _times(split, 'test' in splits.places)
    if len(clips) >= MANY and all(_is_window(clip) for clip in clips):
        # In the order of their names, which for windows of one recording is that of time.
        return list(clips[round(start * len(clips)) : round(stop * len(clips))])
    parts = []
    for clip in clips:
        if isinstance(clip, Clip):
            frames = _of_frames(clip, start, stop, window_s)
            if frames.labelled or (frames.right is not None and frames.right.frames):
                parts.append(cast(Recording, frames))
        else:
            parts.append(cast(Recording, _of_spikes(clip, start, stop)))
    return parts


def _is_window(clip: Clip | SpikeClip) -> bool:
    """Return True if a recording is a single sample, which cannot be split in time."""
    return isinstance(clip, SpikeClip) and len(clip.depth_planes) < 2


def _times(split: Split, with_test: bool) -> tuple[float, float]:
    """Return begin and end of a split as shares of a recording's time."""
    tests = 1 - TEST_SHARE if with_test else 1.0
    trains = tests - CALIBRATION_SHARE
    return {'train': (0.0, trains), 'calibration': (trains, tests), 'test': (tests, 1.0)}[split]


def _of_frames(clip: Clip, start: float, stop: float, window_s: float) -> Clip:
    """Return a clip of the same frames; only those in a part of the time have depth or a pair."""
    first, whole = float(clip.times_s[0]), float(clip.times_s[-1] - clip.times_s[0])
    # A window reaches over a border by at most half of its length, from either side.
    low = -np.inf if start == 0 else first + start * whole + window_s / 2
    high = np.inf if stop == 1 else first + stop * whole - window_s / 2
    own = copy.copy(clip)

    def inside(numbers: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(k for k in numbers if low <= clip.times_s[k] <= high)

    own.labelled = inside(clip.labelled)
    if own.right is not None:
        own.right = dataclasses.replace(own.right, frames=inside(own.right.frames))
    return own


def _of_spikes(clip: SpikeClip, start: float, stop: float) -> SpikeClip:
    """Return a clip of the planes in a part of the time."""
    return clip.between(round(start * clip.planes), round(stop * clip.planes))


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
