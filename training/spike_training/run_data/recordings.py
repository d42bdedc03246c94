# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of a run's settings, as batches for training and evaluation."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spike_training.choices import Split
from spike_training.datasets import readers
from spike_training.datasets.clip import Clip, SpikeClip
from spike_training.datasets.labels import Labels
from spike_training.datasets.readers.pairs import pairs_of, right_of
from spike_training.datasets.splits import Splits, assign_splits, select_split
from spike_training.datasets.suitability import check_light, check_suitable
from spike_training.errors import DataSetError, FrameError
from spike_training.evaluation.predictors import Scenes
from spike_training.sampling.clip_source import ClipSource
from spike_training.sampling.labelled import LabelledSource
from spike_training.sampling.sample import Batch
from spike_training.sampling.spike_source import SpikeSource, choose_binning
from spike_training.sampling.transforms import TRANSFORMS
from spike_training.settings.config import BatchSpec, DataConfig

STRIDES = 4
"""Number of unlabelled windows that begin within the length of one."""

_RATE_TOLERANCE = 0.01
_SAMPLED = 20
"""Number of recordings of which a frame is read to find the range of focal lengths."""

Clips = Sequence[Clip] | Sequence[SpikeClip]


@dataclasses.dataclass(frozen=True)
class RecordingSet:
    """Data set of a run with its splits.

    Attributes:
        name: Name of its reader.
        clips: Recordings that are split; all of them unless there are separate test recordings.
        splits: Splits of the recordings.
        tests: Separate test recordings; None: a split of the others.
    """

    name: str
    clips: Clips
    splits: Splits
    tests: Clips | None

    def side(self, split: Split, window_s: float) -> Clips:
        """Return the recordings of a split, or parts of them; none for tests without depth."""
        if split == 'test':
            if self.tests is not None:
                return self.tests
            if 'test' not in self.splits.places:
                return []
        return select_split([*self.clips], self.splits, split, window_s)


@dataclasses.dataclass(frozen=True)
class Recordings:
    """Data sets that settings name, opened and split once in each process.

    Attributes:
        sets: Each data set, in the order of the settings.
    """

    sets: tuple[RecordingSet, ...]

    @functools.cached_property
    def clips(self) -> list[Clip | SpikeClip]:
        """All recordings, separate test recordings included."""
        return [clip for one in self.sets for clip in (*one.clips, *(one.tests or ()))]

    @functools.cached_property
    def labels(self) -> list[Labels]:
        """Origins of labels that models have made."""
        return [*dict.fromkeys(clip.labels for clip in self.clips if clip.labels is not None)]

    @functools.cached_property
    def has_metres(self) -> bool:
        """True if any recordings that are trained on have depth in metres."""
        clips = (clip for one in self.sets for clip in one.clips)
        return has_depth(clip for clip in clips if clip.labels is None or not clip.labels.relative)


def open_recordings(data: DataConfig) -> Recordings:
    """Read the data sets that settings name, and split them.

    Raises:
        DataSetError: One of them cannot be used.
    """
    # Paths are relative to the folder, which is therefore part of the cache key.
    return _open(tuple(data.recordings.items()), tuple(data.test_recordings.items()), Path.cwd())


@functools.lru_cache(maxsize=64)
def _open(
    recordings: tuple[tuple[str, str], ...], tests: tuple[tuple[str, str], ...], folder: Path
) -> Recordings:
    found: dict[str, RecordingSet] = {}
    for name, where in recordings:
        clips = _read(name, where, folder)
        splits = assign_splits([clip.name for clip in clips], not tests and has_depth(clips))
        found[name] = RecordingSet(name, clips, splits, [] if tests else None)
    nothing = Splits('place', {'train': (), 'calibration': ()})
    for name, where in tests:
        own = found.get(name, RecordingSet(name, [], nothing, None))
        found[name] = dataclasses.replace(own, tests=_read(name, where, folder))
    return Recordings(tuple(found.values()))


@functools.lru_cache(maxsize=64)
def _read(name: str, where: str, folder: Path) -> Clips:
    """Read a data set, which may be listed as one to train on and one to test on."""
    return readers.read(name, where)


def mixed_alone(data: DataConfig) -> DataConfig:
    """Return the settings of the mixed data sets as those of recordings."""
    return dataclasses.replace(
        data, recordings=data.mixed_recordings, mixed_recordings={}, rates_hz=[], workers=0
    )


def check_recordings(source: DataConfig, target: DataConfig | None) -> None:
    """Refuse recordings that cannot be used, before anything is trained.

    Nor is a source trained on the depth of places where the target is tested.

    Places are split by their names, so that the splits of both domains agree if their places are
    the same. They may differ if one domain has other places or separate test recordings. Test
    recordings of the target are not checked.

    Args:
        source: Settings of the source.
        target: Settings of the target; None: there is none.

    Raises:
        DataSetError: There are such places, or a data set cannot be used.
    """
    sources = [*open_recordings(source).sets, *open_recordings(mixed_alone(source)).sets]
    learnt = {place: one.splits for one in sources for place in one.splits.places['train']}
    for one in () if target is None else open_recordings(target).sets:
        tested = () if one.tests is not None else one.splits.places.get('test', ())
        shared = [
            place
            for place in tested
            if place in learnt and not _same_times(learnt[place], one.splits)
        ]
        if shared:
            raise DataSetError(
                f'target.recordings.{one.name}: tests at places that the source trains at '
                f'({", ".join(shared)}): expected the same places in both, which are then shared '
                'out alike; or name test_recordings of the target'
            )


def has_depth(clips: Iterable[Clip | SpikeClip]) -> bool:
    """Check for true depth in any of some recordings."""
    return any(clip.labelled if isinstance(clip, Clip) else clip.depths for clip in clips)


def recorded_source(
    data: DataConfig,
    split: Split,
    bins: int,
    multiple: int,
    device: torch.device,
    seed: int,
    names: Sequence[str] = (),
    spec: BatchSpec = BatchSpec(),  # noqa: B008 - frozen
    labels: bool = True,
) -> LabelledSource:
    """Return batches of one split of the recordings that settings name.

    Args:
        data: Settings with recordings. Flips and crops are drawn in the training split only.
        split: Split of the recordings.
        bins: Bins of the counts.
        multiple: Required factor of height and width of recorded spikes.
        device: Device of the batches.
        seed: Seed of their order.
        names: Names of data sets to include; all if none are given.
        spec: Required contents of the batches; recorded spikes are always included, and raw
            pixels are cropped at random positions in the training split.
        labels: True if depth may be read; that of pairs is not.

    Raises:
        DataSetError: A data set cannot be used, the split is empty, or recordings for
            training are too dark or saturated, or still where nothing else teaches.
    """
    window_s = max(data.planes) / data.rate_hz
    chosen = [one for one in open_recordings(data).sets if not names or one.name in names]
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
    common: dict[str, Any] = {
        'labels': labels and not spec.right, 'device': device, 'seed': seed,
        'flip': trains and data.flip, 'workers': data.workers,
    }  # fmt: skip
    if frames:
        return ClipSource(
            frames,
            data.height,
            data.width,
            tuple(data.planes),
            data.rate_hz,
            bins,
            data.mean_rate,
            with_rgb=spec.rgb,
            with_spikes=spec.spikes,
            with_right=spec.right,
            mixed_pairs=spec.mixed_pairs,
            events=data.events if spec.events else None,
            transform=data.transform,
            random_crop=trains and data.random_crop,
            **common,
        )
    if spec.rgb or spec.events:
        wanted = 'events' if spec.events else 'colours'
        raise DataSetError(f'{recorded[0].name}: holds spikes, expected frames with {wanted}')
    _check_rates(recorded, data.rate_hz)
    source = SpikeSource(
        recorded,
        tuple(data.planes),
        bins,
        multiple,
        size=(data.height, data.width),
        raw_pixels=spec.raw_pixels,
        random_crop=trains and spec.raw_pixels,
        stride=max(1, max(data.planes) // STRIDES),
        with_right=spec.right,
        **common,
    )
    if trains:
        _check_suitable(recorded, labels, spec)
    return source


def _check_suitable(clips: Sequence[SpikeClip], labels: bool, spec: BatchSpec) -> None:
    """Refuse recordings that there is nothing to learn from; see :func:`recorded_source`."""
    if spec.right:  # two eyes see depth without motion
        check_light(clips)
        check_light([right_of(clip) for clip in pairs_of(clips)])
    elif spec.raw_pixels:
        check_suitable(clips)
    elif labels:
        check_light(clips)
    else:
        check_suitable(clips, several_places=True)


def focal_lengths(data: DataConfig) -> tuple[float, float] | None:
    """Return the shortest and longest focal length of transformed recordings, pixels.

    None if no focal length is known.

    Raises:
        DataSetError: A data set cannot be used.
    """
    clips = open_recordings(data).clips
    step = max(1, len(clips) // _SAMPLED)
    found: list[float] = []
    for clip in clips[::step]:
        if isinstance(clip, SpikeClip):
            sensor = (clip.geometry.height, clip.geometry.width)
            larger = choose_binning(sensor, (data.height, data.width))
            found += [] if clip.camera is None else [float(clip.camera[0, 0]) / larger]
            continue
        if clip.camera is None:
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
    """Samples spread evenly over recordings; those that cannot be used are skipped.

    Too many skipped samples raise a :class:`DataSetError`, at the end at the latest.

    Attributes:
        assumed_fx: Focal length of samples without one, pixels.
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


def _same_times(one: Splits, other: Splits) -> bool:
    """Check that the splits of both are the same intervals of time."""
    return one.by == other.by == 'time' and ('test' in one.places) == ('test' in other.places)


def _check_rates(clips: Sequence[SpikeClip], rate_hz: float) -> None:
    for clip in clips:
        if abs(clip.rate_hz - rate_hz) > _RATE_TOLERANCE * rate_hz:
            raise DataSetError(
                f'{clip.name}: {clip.rate_hz:g} planes a second, the settings say {rate_hz:g}: '
                "set rate_hz of data or target, or the reader's option rate_hz"
            )
