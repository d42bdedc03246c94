# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Windows of recordings: to learn from, to test on, and with depth where it was recorded."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.adaptation.matching import BATCH_SIZE, Windows
from spike_training.adaptation.pairs import LEAST_MEASURED as LEAST_MEASURED
from spike_training.adaptation.pairs import PairMatcher, Pairs
from spike_training.adaptation.recordings import Opened, Parts, open_recordings, split_in_time
from spike_training.adaptation.second_eye import SecondEye
from spike_training.datasets.clip import SpikeClip
from spike_training.errors import DataSetError
from spike_training.sampling.sample import Batch, Unlabelled
from spike_training.sampling.spike_source import SpikeSource

LARGEST = (256, 384)
"""Rows and columns of the windows, at most: of larger sensors the middle is used."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Numbers of windows and of generated scenes that an adaptation works with, at most.

    Attributes:
        matched: Windows of the recording that the simulation is matched to.
        match_scenes: Scenes that the match is searched with.
        corrected: Windows of the recording, and as many simulated ones, that corrections of the
            sensor are estimated from.
        compared: Windows of the recording, and scenes of each style, that are compared by looks.
        tested: Held-back windows that candidates are tested on.
        moving: Held-back windows whose depth from motion is tried.
        scenes: Labelled scenes that candidates are tested on, and as many to calibrate on.
        paired: Windows of the adaptation part whose depth by both eyes gives the scale.
    """

    matched: int = 48
    match_scenes: int = 18
    corrected: int = 48
    compared: int = 24
    tested: int = 36
    moving: int = 36
    scenes: int = 72
    paired: int = 144


class Recorded(NamedTuple):
    """Recordings as windows.

    Attributes:
        opened: The recordings.
        adaptation: Windows to learn from.
        tested: Held-back windows.
        held_back: The parts of the recordings that these are of.
        windows: Their size, length, plane rate and bins.
        whole: Windows to learn from, of the whole sensor, in one bin.
        known: Windows with depth and focal length of the adaptation part; may be none.
        measured: Held-back windows with depth; may be none. Of two eyes both are recorded depth
            if both parts have it, else what matches.
        sizes: Numbers of windows and scenes.
        pairs: Windows of both eyes with matched depth; None: one eye.
        flat: Recordings of a uniform bright picture.
        dark: Recordings with the lens covered.
    """

    opened: Opened
    adaptation: SpikeSource
    tested: list[Unlabelled]
    held_back: list[SpikeClip]
    windows: Windows
    whole: SpikeSource
    known: list[Batch]
    measured: list[Batch]
    sizes: Sizes
    pairs: Pairs | None = None
    flat: Sequence[SpikeClip] = ()
    dark: Sequence[SpikeClip] = ()

    @property
    def matched_decides(self) -> bool:
        """True if the depth that tells which network is better is what both eyes match."""
        return self.pairs is not None and self.measured is self.pairs.measured

    @property
    def fx(self) -> float:
        """Focal length of the recordings, pixels; NaN if unknown."""
        camera = self.opened.clips[0].camera
        return math.nan if camera is None else float(camera[0, 0])


def open_windows(
    recordings: Sequence[Path],
    size: str,
    rate_hz: float,
    topic: str,
    info: DepthInfo,
    device: torch.device,
    sizes: Sizes,
    eye: SecondEye | None = None,
) -> Recorded:
    """Open recordings as windows for a network.

    Args:
        recordings: As for :func:`~spike_training.adaptation.recordings.open_recordings`.
        size: As there.
        rate_hz: As there.
        topic: As there.
        info: Metadata of the network.
        device: Device of the windows.
        sizes: Numbers of windows and scenes.
        eye: Second eye; None: there is none.

    Raises:
        ConfigError: The options of the second eye do not fit the recordings.
        DataSetError: The recordings cannot be used.
    """
    opened = open_recordings(recordings, size, rate_hz, topic, eye)
    check_sensor(opened.clips[0].name, opened.clips[0].geometry, info)
    parts: Parts = split_in_time(opened.recordings, info.planes)
    sources = [
        SpikeSource(
            clips, info.planes, info.bins, info.multiple, size=LARGEST, labels=False,
            device=device, raw_pixels=True, with_right=opened.rig is not None,
        )
        for clips in parts
    ]  # fmt: skip
    held_back = spread_windows(sources[1], sizes.tested)
    tested = [batch.unlabelled() for batch in held_back]
    if sum(len(one.counts) for one in tested) < 2:
        name = opened.clips[0].name
        raise DataSetError(f'{name}: expected two held-back windows that can be read')
    windows = windows_of(opened.clips[0].geometry, opened.clips[0].rate_hz, info)
    whole = SpikeSource(
        parts.adaptation, info.planes, bins=1, multiple=1, labels=False, raw_pixels=True
    )
    clips = [clip for clip in parts.adaptation if clip.camera is not None]
    known = _with_depth(clips, info, device, sizes.tested)
    measured = _with_depth(parts.held_back, info, device, sizes.tested)
    pairs = None
    if opened.rig is not None:
        matcher = PairMatcher(opened.rig, sources[0].crop(), info)
        to_learn = spread_windows(sources[0], sizes.paired)
        pairs = matcher.match(opened.clips[0].name, to_learn, held_back)
        if not (known and measured):
            known, measured = pairs.known, pairs.measured
    return Recorded(
        opened, sources[0], tested, parts.held_back, windows, whole, known, measured, sizes, pairs
    )


def check_sensor(name: str, geometry: Geometry, info: DepthInfo) -> None:
    """Refuse a sensor that is too small for a network.

    Raises:
        DataSetError: It is.
    """
    if min(geometry.height, geometry.width) < info.multiple:
        raise DataSetError(f'{name}: {geometry}, expected {info.multiple} pixels or more per side')


def windows_of(geometry: Geometry, rate_hz: float, info: DepthInfo) -> Windows:
    """Return the windows of a sensor as a network sees them: the middle of large ones."""
    rows, columns = (
        min(side, largest) // info.multiple * info.multiple
        for side, largest in zip((geometry.height, geometry.width), LARGEST, strict=True)
    )
    return Windows(rows, columns, info.planes, rate_hz, info.bins)


def spread_windows(source: SpikeSource, number: int) -> list[Batch]:
    """Return up to a number of readable windows, spread over the recordings, in batches."""
    numbers = source.spread(number)
    batches = [
        source.usable(numbers[first : first + BATCH_SIZE])
        for first in range(0, len(numbers), BATCH_SIZE)
    ]
    return [batch for batch in batches if batch is not None]


def _with_depth(
    clips: Sequence[SpikeClip], info: DepthInfo, device: torch.device, number: int
) -> list[Batch]:
    """Return windows with depth of a part; none if they are too few to measure with."""
    # Relative depth measures nothing.
    clips = [clip for clip in clips if clip.depths and not (clip.labels and clip.labels.relative)]
    try:
        source = SpikeSource(
            clips, info.planes, info.bins, info.multiple, size=LARGEST, device=device,
            raw_pixels=True,
        )  # fmt: skip
    except DataSetError:  # no depth, or none with a whole window around it
        return []
    # Without a focal length the scale of depth is unknown, but not its shape.
    found = [
        dataclasses.replace(batch, fx=batch.fx.nan_to_num(info.canonical_fx))
        for batch in spread_windows(source, number)
    ]
    known = sum(int(batch.depth.isfinite().any(dim=(1, 2, 3)).sum()) for batch in found)
    return found if known >= LEAST_MEASURED else []
