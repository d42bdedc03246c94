# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs of windows with true disparity, of recordings whose clips have a right eye."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes
from spike_depth_ros.stream.window import Window, reference_index
from spike_training.datasets.clip import Clip, Disparity, SpikeClip
from spike_training.datasets.readers.files import check_share, note_skipped
from spike_training.errors import DataSetError, FrameError
from spike_training.simulation.still_pairs import PairCamera, Picture, grey

Windows = tuple[Window, Window]


@dataclasses.dataclass(frozen=True)
class StereoPair:
    """Pair of one instant.

    Attributes:
        name: Name for reports.
        windows: Left and right window at each mean firing rate; None: as recorded.
        disparity: Truth, left less right column, ``[H, W]`` float32 pixels; NaN unknown.
        rig: Calibrations of both eyes; None: unknown.
        pictures: True grey picture of either eye, ``[H, W]`` uint8; None: there are none.
    """

    name: str
    windows: Mapping[float | None, Windows]
    disparity: Disparity
    rig: StereoRig | None
    pictures: tuple[Picture, Picture] | None = None

    @property
    def geometry(self) -> StereoRig:
        """The rig; where it is unknown, one in whose metres depth is right but for a factor."""
        height, width = self.disparity.shape
        return self.rig or StereoRig.from_baseline(1.0, float(width), width, height)


@dataclasses.dataclass
class PairsOf:
    """Pairs of a data set, evenly spread over its recordings; unusable ones are left out.

    Attributes:
        clips: Recordings with a right eye; others are left out.
        camera: Simulated camera of frames, and the length of the windows of recorded spikes.
        mean_rates: Mean firing rates at which it records frames.
        most: Number of pairs, at most.
        skipped: Names of the pairs that could not be used so far, by reason.

    Raises:
        DataSetError: There is no pair.
    """

    clips: Sequence[Clip] | Sequence[SpikeClip]
    camera: PairCamera
    mean_rates: Sequence[float]
    most: int
    skipped: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if all(clip.right is None for clip in self.clips):
            raise DataSetError(
                f'{self.clips[0].name}: has one eye, expected recordings of two, as those of '
                'middlebury'
            )
        for clip in self.clips:
            if isinstance(clip, SpikeClip) and clip.right and any(clip.right.rig.rectifications):
                raise DataSetError(
                    f'{clip.name}: the calibration rectifies its pictures: expected rectified '
                    'recordings here; evaluate_bag --stereo rectifies those of a bag'
                )
        found = [(clip, place) for clip in self.clips for place in self._places(clip)]
        if not found:
            raise DataSetError(
                f'{self.clips[0].name}: no window of {self.camera.planes} planes has depth in its '
                'middle; choose shorter windows'
            )
        number = min(self.most, len(found))
        self._chosen = [found[k * len(found) // number] for k in range(number)]

    def __iter__(self) -> Iterator[StereoPair]:
        """Yield the pairs.

        Raises:
            DataSetError: Too many of them cannot be used.
        """
        for clip, place in self._chosen:
            name = _name(clip, place)
            try:
                if isinstance(clip, Clip):
                    pair = self._of_frames(name, clip, place)
                else:
                    pair = self._of_spikes(name, clip, place)
                if not np.isfinite(pair.disparity).any():
                    raise FrameError('no pixel has a known disparity, expected some')
            except FrameError as error:
                note_skipped(self.skipped, str(error), name)
                check_share(self.skipped, len(self._chosen), self.clips[0].name)
                continue
            yield pair

    def _places(self, clip: Clip | SpikeClip) -> Sequence[int]:
        """Return the frames, or the numbers of the depth maps, that a pair can be made of."""
        if clip.right is None:
            return ()
        if isinstance(clip, Clip):
            return range(len(clip))
        before = reference_index('middle', self.camera.planes)
        after = self.camera.planes - before
        planes = enumerate(clip.depth_planes)
        return [k for k, plane in planes if before <= plane <= clip.planes - after]

    def _of_frames(self, name: str, clip: Clip, index: int) -> StereoPair:
        assert clip.right is not None
        pictures = grey(clip.image(index)), grey(clip.right.image(index))
        disparity = clip.right.disparity(index)
        sizes = [one.shape for one in (*pictures, disparity)]
        if len({*sizes}) > 1:
            raise FrameError(
                f'left picture {list(sizes[0])}, right one {list(sizes[1])}, disparity '
                f'{list(sizes[2])}: expected one size'
            )
        height, width = disparity.shape
        geometry = Geometry(height, width)
        windows: dict[float | None, Windows] = {
            rate: self._windows(self.camera.record(name, pictures, rate), geometry)
            for rate in self.mean_rates
        }
        return StereoPair(name, windows, disparity, clip.right.rig, pictures)

    def _of_spikes(self, name: str, clip: SpikeClip, number: int) -> StereoPair:
        assert clip.right is not None
        first = clip.depth_planes[number] - reference_index('middle', self.camera.planes)
        stop = first + self.camera.planes
        left, right = (eye.load(first, stop) for eye in (clip, clip.right))
        depth, rig = clip.depths[number](), clip.right.rig
        disparity = np.full(depth.shape, np.nan, np.float32)
        known = np.isfinite(depth)
        disparity[known] = rig.disparity_of(depth[known])
        windows = self._windows((left, right), clip.geometry, clip.rate_hz)
        return StereoPair(name, {None: windows}, disparity, rig)

    def _windows(
        self,
        eyes: tuple[PackedPlanes, PackedPlanes],
        geometry: Geometry,
        rate_hz: float | None = None,
    ) -> Windows:
        period_ns = round(1e9 / (rate_hz or self.camera.rate_hz))
        reference = reference_index('middle', self.camera.planes)
        left, right = (
            Window(planes, geometry, 0, period_ns, reference, reference * period_ns)
            for planes in map(np.ascontiguousarray, eyes)
        )
        return left, right


def _name(clip: Clip | SpikeClip, place: int) -> str:
    """Return the name of a pair: that of its recording, which may have several."""
    if isinstance(clip, SpikeClip):
        return f'{clip.name}, plane {clip.depth_planes[place]}'
    return clip.name if len(clip) == 1 else f'{clip.name}, frame {place}'
