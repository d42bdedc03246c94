# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Samples of real scenes: labelled frames of recordings, seen by a simulated spike camera."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from spike_depth_ros.light import Light, luminance
from spike_depth_ros.window import reference_index
from spike_training.data.clip import Clip, Depth, Matrix, Rgb
from spike_training.data.exposure import count_spikes, phases
from spike_training.data.interpolation import FlowInterpolator, Interpolator, interpolate
from spike_training.data.labelled import LabelledSource, joined
from spike_training.data.procedural import exposure_gain
from spike_training.data.sample import Batch
from spike_training.errors import DataSetError, FrameError

MEAN_RATE = 0.2
"""Share of the planes in which a pixel fires, on average over an image."""

_SEGMENTS = 4
"""Parts of a window, at least, between which light is found; it is blended within them."""
_SUB_FRAMES = 16
"""Parts of the time between two frames, at least, likewise."""
_LENGTHS, _PHASES, _ORDER = 7, 8, 9


class ClipSource(LabelledSource):
    """Batches of the labelled frames of clips, as :class:`ProceduralSource` gives of scenes.

    A window of spikes lies around its labelled frame, which is its reference plane. Frames are
    turned to linear light and brought to size before spikes are simulated; binary planes are never
    resampled. The shorter side is brought to size and the middle cut out; depth takes the nearest
    pixel and is never interpolated.

    Args:
        clips: Recordings with labelled frames.
        height: Rows.
        width: Columns.
        planes: Window lengths; every batch has one of them.
        rate_hz: Planes per second.
        bins: Bins of the counts.
        mean_rate: Firing rate that each image is exposed to; what saturates lowers it.
        with_rgb: Whether batches have colour images.
        interpolator: How to go from frame to frame; along optical flow unless given.
        device: Where to simulate.
        seed: Of the order of training batches and of the charge that pixels begin with.

    Raises:
        DataSetError: No frame of the clips has depth.
        ValueError: A number that is not positive.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        height: int,
        width: int,
        planes: tuple[int, ...] = (128,),
        rate_hz: float = 20_000.0,
        bins: int = 32,
        mean_rate: float = MEAN_RATE,
        with_rgb: bool = False,
        interpolator: Interpolator | None = None,
        device: torch.device | str = 'cpu',
        seed: int = 0,
    ) -> None:
        if min(height, width, bins, *planes) < 1 or not (rate_hz > 0 and 0 < mean_rate < 1):
            raise ValueError(
                f'image {height} x {width}, windows of {list(planes)} planes at {rate_hz:g} Hz in '
                f'{bins} bins, firing rate {mean_rate:g}: expected positive numbers, the last '
                'below 1'
            )
        super().__init__(planes)
        self._frames = [(clip, index) for clip in clips for index in clip.labelled]
        if not self._frames:
            names = ', '.join(clip.name for clip in clips) or 'no clips'
            raise DataSetError(f'{names}: no frame has depth, expected one or more')
        self.height, self.width, self.bins = height, width, bins
        self.rate_hz, self.mean_rate = rate_hz, mean_rate
        self.with_rgb, self.device, self.seed = with_rgb, torch.device(device), seed
        self._interpolator = FlowInterpolator() if interpolator is None else interpolator

    def __len__(self) -> int:
        return len(self._frames)

    def recording(self, number: int) -> str:
        """The name of the clip that a sample is of."""
        return self._frames[number][0].name

    def frame(self, number: int) -> int:
        """The number of a sample's frame in its clip."""
        return self._frames[number][1]

    def batch(self, step: int, batch_size: int, rank: int = 0, world_size: int = 1) -> Batch:
        """The batch of a step on one of several processes, in an order drawn for each epoch.

        A frame that cannot be used gives its place to the one after it.

        Args:
            step: Number of the step, 0 or more.
            batch_size: Samples on each process.
            rank: This process.
            world_size: Number of processes.

        Raises:
            DataSetError: Too many of the frames cannot be used.
        """
        choice = np.random.default_rng([self.seed, _LENGTHS, step]).integers(len(self.planes))
        length = self.planes[int(choice)]
        first = (step * world_size + rank) * batch_size
        samples = [self._sound(self._shuffled(first + k), length) for k in range(batch_size)]
        return joined(samples)

    def _sound(self, number: int, planes: int) -> Batch:
        """A sample, or the nearest one after it that can be used."""
        while True:
            try:
                return self.sample(number, planes)
            except FrameError as error:
                self.skip(number, error)
                number = (number + 1) % len(self)

    def _shuffled(self, place: int) -> int:
        epoch, offset = divmod(place, len(self))
        order = np.random.default_rng([self.seed, _ORDER, epoch]).permutation(len(self))
        return int(order[offset])

    def sample(self, number: int, planes: int) -> Batch:
        """See :meth:`LabelledSource.sample`."""
        clip, index = self._frames[number]
        image, depth = clip.image(index), clip.depth(index)
        assert depth is not None
        if image.shape[:2] != depth.shape:
            raise FrameError(
                f'image {list(image.shape[:2])} and depth {list(depth.shape)} differ in size'
            )
        view = View.aspect((image.shape[0], image.shape[1]), (self.height, self.width))
        light, knots = self._moving(clip, index, view, planes)
        exposed = torch.from_numpy(light).to(self.device)
        # Metered at the reference plane, as an exposure control would.
        gain = exposure_gain(
            torch.from_numpy(view.light(luminance(image)))[None].to(self.device),
            np.array([self.mean_rate], np.float32),
        )
        exposed = (exposed * gain).clamp_(0, 1)
        key = torch.tensor([self.seed * 0x1000003 + _PHASES + number], device=self.device)
        phase = phases(key, self.height, self.width)
        counts, lengths = count_spikes(exposed[None], knots, phase, self.bins)
        rgb = None
        if self.with_rgb:
            colour = torch.from_numpy(view.rgb(image)).to(self.device)
            rgb = (colour.permute(2, 0, 1).float() / 255)[None]
        camera = view.camera(clip.camera)
        return Batch(
            counts=counts,
            planes_per_bin=lengths,
            rgb=rgb,
            depth=torch.from_numpy(view.depth(depth))[None, None].to(self.device),
            fx=torch.tensor([camera[0, 0]], dtype=torch.float32, device=self.device),
            index=torch.tensor([number], device=self.device),
        )

    def _moving(
        self, clip: Clip, index: int, view: View, planes: int
    ) -> tuple[npt.NDArray[np.float32], list[int]]:
        """Light at a few instants of a window, ``[K, H, W]``, and their planes."""
        times = clip.times_s
        start = times[index] - reference_index('middle', planes) / self.rate_hz
        end = start + planes / self.rate_hz
        first = max(int(np.searchsorted(times, start, 'right')) - 1, 0)
        last = min(int(np.searchsorted(times, end, 'left')), len(times) - 1)
        frames = [view.light(luminance(clip.image(k))) for k in range(first, last + 1)]
        gap = float(np.diff(times[first : last + 1]).min()) if last > first else math.inf
        segments = max(_SEGMENTS, math.ceil(_SUB_FRAMES * planes / self.rate_hz / gap))
        knots = sorted({round(k * planes / segments) for k in range(segments + 1)})
        instants = [float(start + knot / self.rate_hz) for knot in knots]
        times_s = [float(time) for time in times[first : last + 1]]
        return interpolate(frames, times_s, instants, self._interpolator), knots


@dataclasses.dataclass(frozen=True)
class View:
    """The part of an image that a network sees, and how large.

    Attributes:
        source: Rows and columns of the image as it is stored.
        resized: Rows and columns of the whole image at the new size.
        top: First row of the part, at the new size.
        left: First column of the part.
        size: Rows and columns of the part.
    """

    source: tuple[int, int]
    resized: tuple[int, int]
    top: int
    left: int
    size: tuple[int, int]

    @classmethod
    def aspect(cls, source: tuple[int, int], size: tuple[int, int]) -> View:
        """The middle of an image, as small as it can be without changing the aspect.

        Args:
            source: Rows and columns of the image.
            size: Rows and columns wanted.
        """
        scale = max(wanted / own for wanted, own in zip(size, source, strict=True))
        rows, columns = (
            max(round(own * scale), wanted) for own, wanted in zip(source, size, strict=True)
        )
        return cls(source, (rows, columns), (rows - size[0]) // 2, (columns - size[1]) // 2, size)

    def light(self, light: Light) -> Light:
        """Linear light of the part, averaged over the pixels that fall together."""
        resized: Light = self._cut(self._resized(light))
        return resized

    def rgb(self, image: Rgb) -> Rgb:
        """Colours of the part."""
        resized: Rgb = self._cut(self._resized(image))
        return resized

    def depth(self, depth: Depth) -> Depth:
        """Depth of the part: each pixel has that of the pixel it lies in, unblended."""
        rows = _nearest(self.top, self.size[0], self.source[0] / self.resized[0])
        columns = _nearest(self.left, self.size[1], self.source[1] / self.resized[1])
        chosen: Depth = depth[rows[:, None], columns]
        return chosen

    def camera(self, matrix: Matrix) -> Matrix:
        """The camera matrix of the part; pixel centres lie at whole numbers in both."""
        y, x = (new / old for new, old in zip(self.resized, self.source, strict=True))
        moved = np.array(
            [[x, 0, (x - 1) / 2 - self.left], [0, y, (y - 1) / 2 - self.top], [0, 0, 1]]
        )
        camera: Matrix = moved @ matrix
        return camera

    def _cut(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        rows = slice(self.top, self.top + self.size[0])
        return np.ascontiguousarray(image[rows, self.left : self.left + self.size[1]])

    def _resized(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        method = cv2.INTER_AREA if self.resized[0] < self.source[0] else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(image, self.resized[::-1], interpolation=method))


def _nearest(first: int, number: int, step: float) -> npt.NDArray[np.intp]:
    """Pixels of the source that the centres of pixels lie in."""
    return ((np.arange(first, first + number) + 0.5) * step).astype(np.intp)
