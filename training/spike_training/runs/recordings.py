# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The recordings that a run's settings name, as batches for training and evaluation."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from spike_training.datasets import readers
from spike_training.datasets.clip import Clip, SpikeClip
from spike_training.datasets.splits import Parted, Split, part, side_of
from spike_training.errors import DataSetError, FrameError
from spike_training.evaluation.predictors import Scenes
from spike_training.sampling.clip_source import ClipSource
from spike_training.sampling.labelled import LabelledSource
from spike_training.sampling.sample import Batch
from spike_training.sampling.spike_source import SpikeSource, choose_binning
from spike_training.sampling.transforms import TRANSFORMS
from spike_training.settings.config import DataConfig

STRIDES = 4
"""Windows without labels that begin within one of them."""

_RATE_TOLERANCE = 0.01
_LOOKED_AT = 20
"""Recordings of which one frame tells the size, to find the range of focal lengths."""

Clips = Sequence[Clip] | Sequence[SpikeClip]


@dataclasses.dataclass(frozen=True)
class Recorded:
    """One data set of a run, and how it is shared out.

    Attributes:
        name: Of its reader.
        clips: All of its recordings, those for tests too.
        parted: The sides of those for training.
        tests: Recordings that are there for tests alone; None: a side of the others.
    """

    name: str
    clips: Clips
    parted: Parted
    tests: Clips | None

    def side(self, split: Split, window_s: float) -> Clips:
        """The recordings of one side, or parts of them; none for tests of what has no depth."""
        if split == 'test':
            if self.tests is not None:
                return self.tests
            if 'test' not in self.parted.places:
                return []
        return side_of([*self.clips], self.parted, split, window_s)


def look_up(data: DataConfig) -> list[Recorded]:
    """The data sets that settings name.

    Raises:
        DataSetError: One of them cannot be used.
    """
    found = []
    for name, where in data.recordings.items():
        clips = _read(name, where)
        with_test = not data.test_recordings and has_depth(clips)
        parted = part([clip.name for clip in clips], with_test)
        found.append(Recorded(name, clips, parted, [] if data.test_recordings else None))
    for name, where in data.test_recordings.items():
        clips = _read(name, where)
        own = next((k for k, one in enumerate(found) if one.name == name), None)
        if own is None:
            found.append(
                Recorded(name, [], Parted('place', {'train': (), 'calibration': ()}), clips)
            )
        else:
            found[own] = dataclasses.replace(found[own], tests=clips)
    return found


def check_places(source: DataConfig, target: DataConfig) -> None:
    """Refuses a source that learns the depth of places that the target is tested at.

    Places are shared out by their names, so that the sides of both domains are the same if their
    places are. They are not where one domain has other places, or recordings for tests alone.
    Which of these there are is the matter of whoever names them.

    Args:
        source: Recordings with labels; none of procedural scenes.
        target: Recordings of the target; likewise.

    Raises:
        DataSetError: There are such places, or a data set cannot be used.
    """
    if not source.recordings or not target.recordings:
        return
    learnt = {place: one.parted for one in look_up(source) for place in one.parted.places['train']}
    for one in look_up(target):
        tested = () if one.tests is not None else one.parted.places.get('test', ())
        shared = [
            place
            for place in tested
            if place in learnt and not _same_times(learnt[place], one.parted)
        ]
        if shared:
            raise DataSetError(
                f'target.recordings.{one.name}: tests at places that data.recordings trains at '
                f'({", ".join(shared)}): expected the same places in both, which are then shared '
                'out alike; or name test_recordings of the target'
            )


def has_depth(clips: Clips) -> bool:
    """Whether any of some recordings has true depth."""
    return any(clip.labelled if isinstance(clip, Clip) else clip.depths for clip in clips)


def recorded_source(
    data: DataConfig,
    split: Split,
    bins: int,
    multiple: int,
    device: torch.device,
    seed: int,
    names: Sequence[str] = (),
    rgb: bool = False,
    spikes: bool = True,
    labels: bool = True,
) -> LabelledSource:
    """Batches of one side of the recordings that settings name.

    Args:
        data: With recordings. In training its flips and crops are drawn.
        split: Which side.
        bins: Bins of the counts.
        multiple: What height and width of recorded spikes are multiples of.
        device: Where batches are.
        seed: Of their order.
        names: Data sets that are wanted; all if none are given.
        rgb: Whether batches have colour images.
        spikes: Whether spikes are needed; recorded ones are there in any case.
        labels: Whether depth may be read.

    Raises:
        DataSetError: A data set cannot be used, or nothing of it lies on that side.
    """
    window_s = max(data.planes) / data.rate_hz
    chosen = [one for one in look_up(data) if not names or one.name in names]
    clips = [clip for one in chosen for clip in one.side(split, window_s)]
    if not clips:
        named = ', '.join(one.name for one in chosen) or ', '.join(names)
        raise DataSetError(
            f'{named}: nothing for {split}, expected more recordings, or longer ones'
        )
    trains = split == 'train'
    frames = [clip for clip in clips if isinstance(clip, Clip)]
    recorded = [clip for clip in clips if isinstance(clip, SpikeClip)]
    if frames and recorded:
        raise DataSetError(
            f'{frames[0].name} holds frames and {recorded[0].name} spikes: expected one of them'
        )
    if frames:
        return ClipSource(
            frames,
            data.height,
            data.width,
            tuple(data.planes),
            data.rate_hz,
            bins,
            data.mean_rate,
            with_rgb=rgb,
            with_spikes=spikes,
            labels=labels,
            transform=data.transform,
            device=device,
            seed=seed,
            flip=trains and data.flip,
            random_crop=trains and data.random_crop,
            workers=data.workers,
        )
    if rgb:
        raise DataSetError(f'{recorded[0].name}: holds spikes, expected frames with colours')
    _check_rates(recorded, data.rate_hz)
    return SpikeSource(
        recorded,
        tuple(data.planes),
        bins,
        multiple,
        size=(data.height, data.width),
        labels=labels,
        stride=max(1, max(data.planes) // STRIDES),
        device=device,
        seed=seed,
        flip=trains and data.flip,
        workers=data.workers,
    )


def focal_lengths(data: DataConfig) -> tuple[float, float] | None:
    """Shortest and longest focal length, pixels, of recordings as they are seen; None: unknown.

    Raises:
        DataSetError: A data set cannot be used.
    """
    clips = [clip for one in look_up(data) for clip in (*one.clips, *(one.tests or ()))]
    step = max(1, len(clips) // _LOOKED_AT)
    found: list[float] = []
    for clip in clips[::step]:
        if isinstance(clip, SpikeClip):
            sensor = (clip.geometry.height, clip.geometry.width)
            larger = choose_binning(sensor, (data.height, data.width))
            found += [] if clip.camera is None else [float(clip.camera[0, 0]) / larger]
            continue
        try:
            height, width = clip.image(0).shape[:2]
            placement = TRANSFORMS[data.transform]((height, width), data.height, data.width)
        except FrameError:
            continue
        except ValueError as error:
            raise DataSetError(f'{clip.name}: {error}') from error
        found.append(float(placement.camera(clip.camera)[0, 0]))
    return (math.floor(min(found)), math.ceil(max(found))) if found else None


@dataclasses.dataclass
class Frames(Scenes):
    """Samples of recordings, evenly spread over them; what cannot be used is left out.

    Too much of that is a :class:`DataSetError`, at the end at the latest.

    Attributes:
        assumed_fx: Focal length, pixels, where nothing tells it.
    """

    source: LabelledSource
    assumed_fx: float = math.nan

    def __iter__(self) -> Iterator[Batch]:
        numbers = self.source.spread(self.number)
        parts = np.array_split(np.array(numbers), max(1, len(numbers) // self.batch_size))
        for chosen in parts:
            batch = self.source.usable(chosen.tolist())
            if batch is not None:
                known = batch.fx.nan_to_num(self.assumed_fx)
                yield dataclasses.replace(batch, fx=known)
        self.source.check()


def _same_times(one: Parted, other: Parted) -> bool:
    """Whether the sides of both are the same parts of the time."""
    return one.by == other.by == 'time' and ('test' in one.places) == ('test' in other.places)


def _read(name: str, where: str) -> Clips:
    """Once a process: a large set takes long to list."""
    return _read_once(name, where, Path.cwd())


@functools.lru_cache(maxsize=64)
def _read_once(name: str, where: str, folder: Path) -> Clips:
    # Places are relative to the folder, which must therefore be among what is remembered.
    return readers.read(name, where)


def _check_rates(clips: Sequence[SpikeClip], rate_hz: float) -> None:
    for clip in clips:
        if abs(clip.rate_hz - rate_hz) > _RATE_TOLERANCE * rate_hz:
            raise DataSetError(
                f'{clip.name}: {clip.rate_hz:g} planes a second, the settings say {rate_hz:g}: '
                "set rate_hz of data or target, or the reader's option rate_hz"
            )
