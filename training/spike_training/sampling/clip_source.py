# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Samples of real scenes: labelled frames of clips, recorded by a simulated spike camera."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from spike_depth_ros.io.video.light import Light, luminance
from spike_depth_ros.io.video.placement import Placement
from spike_depth_ros.stream.window import reference_index
from spike_training.choices import MEAN_RATE, Transform
from spike_training.datasets.clip import Clip, Depth, Matrix, Rgb, RightFrames
from spike_training.datasets.readers.pairs import pairs_of
from spike_training.errors import DataSetError, FrameError
from spike_training.events.settings import EventWindow
from spike_training.events.voxels import normalised, voxel_grid
from spike_training.sampling.labelled import LabelledSource, PlaneWindow, relative_label
from spike_training.sampling.procedural import exposure_gain
from spike_training.sampling.sample import Batch, View
from spike_training.sampling.transforms import TRANSFORMS
from spike_training.sensor.camera import SpikeCamera
from spike_training.sensor.exposure import count_spikes, initial_charge
from spike_training.sensor.interpolation import FlowInterpolator, Interpolator, VideoLight

_SEGMENTS = 4
"""Segments of a window, at least; light is linear within each."""
_SUB_FRAMES = 16
"""Segments between two frames, at most; nothing moves more than about a pixel in one."""
_CHARGE = 8
_OTHER_EYE = 0x2545F491  # equal initial charges would match at a disparity of 0


class ClipSource(LabelledSource):
    """Source of samples of the labelled frames of clips.

    A window of spikes lies around its labelled frame, which is its reference plane. Frames are
    converted to linear light and resized before spikes are simulated. Binary planes are never
    resampled; depth takes the nearest pixel. The right eye of pairs is shifted so that what is
    infinitely far has a disparity of 0; its exposure is that of the left one.

    Args:
        clips: Recordings with labelled frames.
        height: Rows.
        width: Columns.
        planes: Window lengths; every batch has one of them.
        rate_hz: Planes per second.
        bins: Bins of the counts.
        mean_rate: Target mean firing rate of each image whose clip has none of its own; saturation
            lowers it.
        with_rgb: Whether batches have colour images.
        with_spikes: Whether spikes are simulated; else batches have one bin without a spike, as
            for RGB networks.
        labels: Whether depth is read; else no depth file is opened, and depth is NaN.
        transform: Crop and size of the frames, see :data:`.transforms.TRANSFORMS`.
        interpolator: Interpolator between frames; along optical flow by default.
        device: Device of the simulation.
        seed: Of the order of batches, and of the pixels' initial charge.
        flip: See :class:`LabelledSource`.
        random_crop: See :class:`LabelledSource`.
        workers: See :class:`LabelledSource`.
        with_right: Whether samples are pairs: the frames with a right eye, whose depth may be
            unknown, in place of the labelled ones.
        events: What samples have in place of spikes: the events before the frame; None: spikes.
        mixed_pairs: Whether the right camera may see something else than the left one, such as
            near infrared.

    Raises:
        DataSetError: No frame of the clips has depth, or a right eye, or its cameras are of two
            kinds.
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
        with_spikes: bool = True,
        labels: bool = True,
        transform: Transform = 'aspect',
        interpolator: Interpolator | None = None,
        device: torch.device | str = 'cpu',
        seed: int = 0,
        flip: bool = False,
        random_crop: bool = False,
        workers: int = 0,
        with_right: bool = False,
        mixed_pairs: bool = False,
        events: EventWindow | None = None,
    ) -> None:
        if min(height, width, bins, *planes) < 1 or not (rate_hz > 0 and 0 < mean_rate < 1):
            raise ValueError(
                f'image {height} x {width}, windows of {list(planes)} planes at {rate_hz:g} Hz in '
                f'{bins} bins, firing rate {mean_rate:g}: expected positive numbers, the last '
                'below 1'
            )
        super().__init__(planes, seed, flip, random_crop, workers)
        self.with_right = with_right
        for clip in clips if with_right and not mixed_pairs else ():
            if clip.right is not None and clip.right.modality:
                raise DataSetError(
                    f'{clip.name}: the right camera is of another kind, {clip.right.modality}: '
                    'expected translate of a stage of kind photometric, which gives both pictures '
                    'one look, or translate: none'
                )
        self.events = events
        for clip in clips if events is not None else ():
            if clip.events is None:
                raise DataSetError(
                    f'{clip.name}: has no events, expected recordings with them, such as of mvsec'
                )
        self._frames = [
            (clip, index)
            for clip in (pairs_of(clips) if with_right else clips)
            for index in (clip.right.frames if with_right and clip.right else clip.labelled)
        ]
        if not self._frames:
            names = ', '.join(clip.name for clip in clips) or 'no clips'
            what = 'a right eye' if with_right else 'depth'
            raise DataSetError(f'{names}: no frame has {what}, expected one or more')
        self.height, self.width, self.bins = height, width, bins
        self.rate_hz, self.mean_rate = rate_hz, mean_rate
        self.with_rgb, self.with_spikes, self.labels = with_rgb, with_spikes, labels
        self.device = torch.device(device)
        self.transform = transform
        self._interpolator = FlowInterpolator() if interpolator is None else interpolator

    def __len__(self) -> int:
        return len(self._frames)

    def recording(self, number: int) -> str:
        """Return the name of the clip of a sample."""
        return self._frames[number][0].name

    def frame(self, number: int) -> int:
        """Return the number of a sample's frame in its clip."""
        return self._frames[number][1]

    def sample(self, number: int, planes: int, place: float = 0.5) -> Batch:
        """Implement :meth:`LabelledSource.sample`."""
        clip, index = self._frames[number]
        eyes = self._eyes(number)
        images = [eye.read(index) for eye in eyes]
        try:
            placement = self._placement(images[0])
            if place != 0.5:
                placement = shift_placement(placement, place)
            spikes = (
                self._spikes(eyes, images, placement, planes)
                if self.events is None
                else [self._events(clip, index, placement, self.events)]
            )
            rgbs = [self._rgb(placement.image(image)) for image in images]
        except ValueError as error:  # of another size than the frames beside it, or too small
            raise FrameError(str(error)) from error
        counts, lengths = spikes[0]
        depth = torch.from_numpy(self._depth(clip, index, placement))[None, None]
        batch = Batch(
            counts=counts,
            planes_per_bin=lengths,
            rgb=rgbs[0],
            depth=depth,
            fx=torch.tensor([self._camera(clip, placement)[0, 0]], dtype=torch.float32),
            index=torch.tensor([number]),
            relative=relative_label(clip),
        )
        if self.with_right:
            assert clip.right is not None  # checked with the frames
            assert clip.right.rig is not None
            batch = dataclasses.replace(
                batch,
                right=View(spikes[1][0], rgbs[1], torch.full_like(depth, torch.nan)),
                baseline_m=torch.tensor([clip.right.rig.baseline_m], dtype=torch.float32),
            )
        return batch.to(self.device)

    def window(self, number: int) -> PlaneWindow:
        """Implement :meth:`LabelledSource.window`."""
        clip, index = self._frames[number]
        image = clip.image(index)
        try:
            placement = self._placement(image)
            metered = placement.image(luminance(image))
            eye = self._eyes(number)[0]
            exposed, knots = self._exposed(eye, metered, metered, placement, self.planes[0])
        except ValueError as error:
            raise FrameError(str(error)) from error
        planes = SpikeCamera(self.height, self.width, self._seed(eye)).expose(exposed, knots)
        return PlaneWindow(planes[0].cpu().numpy(), self._camera(clip, placement))

    def _placement(self, image: Rgb) -> Placement:
        height, width, _ = image.shape
        return TRANSFORMS[self.transform]((height, width), self.height, self.width)

    def _camera(self, clip: Clip, placement: Placement) -> Matrix:
        assert clip.camera is not None  # that of a labelled frame is known
        return placement.camera(clip.camera)

    def _depth(self, clip: Clip, index: int, placement: Placement) -> Depth:
        if not self.labels or index not in clip.labelled:
            return np.full((self.height, self.width), np.nan, np.float32)
        depth = clip.depth(index)
        assert depth is not None  # a labelled frame has depth
        if depth.shape != placement.source:
            raise FrameError(
                f'image {list(placement.source)} and depth {list(depth.shape)} differ in size'
            )
        return placement.depth(depth)

    def _eyes(self, number: int) -> list[_Eye]:
        """Return the left eye of a sample, and the right one of a pair."""
        clip, index = self._frames[number]
        seed = self.seed * 0x1000003 + _CHARGE + number
        eyes = [_Eye(clip, index, clip.image, seed)]
        if self.with_right:
            assert clip.right is not None  # checked with the frames
            eyes.append(_Eye(clip, index, aligned(clip.right), seed ^ _OTHER_EYE))
        return eyes

    def _rgb(self, image: Rgb) -> Tensor | None:
        """Return a placed image as a batch of one; None unless batches have colours."""
        if not self.with_rgb:
            return None
        colour = torch.from_numpy(image).to(self.device)
        return (colour.permute(2, 0, 1).float() / 255)[None]

    def _spikes(
        self, eyes: Sequence[_Eye], images: Sequence[Rgb], placement: Placement, planes: int
    ) -> list[tuple[Tensor, Tensor]]:
        """Return counts and lengths of the bins of each eye; the left one's light is metered."""
        if not self.with_spikes:
            shape = (1, 1, self.height, self.width)
            one = torch.ones(1, dtype=torch.int32, device=self.device)
            empty = torch.zeros(shape, dtype=torch.uint8, device=self.device)
            return [(empty, one)] * len(eyes)
        shown = [placement.image(luminance(image)) for image in images]
        found = []
        for eye, light in zip(eyes, shown, strict=True):
            exposed, knots = self._exposed(eye, light, shown[0], placement, planes)
            charge = initial_charge(self._seed(eye), self.height, self.width)
            found.append(count_spikes(exposed, knots, charge, self.bins))
        return found

    def _events(
        self, clip: Clip, index: int, placement: Placement, window: EventWindow
    ) -> tuple[Tensor, Tensor]:
        """Return the voxel grid of the events before a frame, resized, and ones for its bins."""
        assert clip.events is not None  # checked with the clips
        stop_s = float(clip.times_s[index])
        start_s = stop_s - window.window_s
        grid = voxel_grid(clip.events(start_s, stop_s), window.bins, (start_s, stop_s))
        placed = placement.image(np.ascontiguousarray(grid.permute(1, 2, 0).numpy()))
        seen = torch.from_numpy(placed.reshape(self.height, self.width, window.bins))
        ones = torch.ones(window.bins, dtype=torch.int32)
        return normalised(seen.permute(2, 0, 1))[None], ones

    def _seed(self, eye: _Eye) -> Tensor:
        return torch.tensor([eye.seed], device=self.device)

    def _exposed(
        self, eye: _Eye, shown: Light, metered: Light, placement: Placement, planes: int
    ) -> tuple[Tensor, list[int]]:
        """Return light at the knots of a window, ``[1, K, H, W]``, and the knots.

        Args:
            eye: Eye of the sample.
            shown: Light of its frame, ``[H, W]``.
            metered: Light that the exposure is metered on.
            placement: Placement of its frames.
            planes: Window length.
        """
        light, knots = self._moving(eye, shown, placement, planes)
        exposed = torch.from_numpy(light).to(self.device)
        # Metered at the reference plane, as an exposure control does.
        gain = exposure_gain(
            torch.from_numpy(metered)[None].to(self.device),
            np.array([eye.clip.mean_rate or self.mean_rate], np.float32),
        )
        return (exposed * gain).clamp_(0, 1)[None], knots

    def _moving(
        self, eye: _Eye, shown: Light, placement: Placement, planes: int
    ) -> tuple[Light, list[int]]:
        """Return light at a few instants of a window, ``[K, H, W]``, and their planes.

        ``shown`` is the light of the eye's frame, ``[H, W]``.
        """
        clip, index = eye.clip, eye.frame
        times = clip.times_s
        start = times[index] - reference_index('middle', planes) / self.rate_hz
        end = start + planes / self.rate_hz
        first = last = index
        if clip.video:
            first = max(int(np.searchsorted(times, start, 'right')) - 1, 0)
            last = min(int(np.searchsorted(times, end, 'left')), len(times) - 1)
        frames, times_s = [], []
        for k in range(first, last + 1):
            # A damaged neighbour is skipped here; it is reported as a sample of its own.
            with contextlib.suppress(FrameError):
                frames.append(shown if k == index else placement.image(luminance(eye.read(k))))
                times_s.append(float(times[k]))
        video = VideoLight(frames, times_s, self._interpolator, clip.goes_on)
        segments = max(_SEGMENTS, video.steps(float(start), float(end), _SUB_FRAMES))
        knots = sorted({round(k * planes / segments) for k in range(segments + 1)})
        light = video.at([float(start + knot / self.rate_hz) for knot in knots])
        return light, knots


class _Eye(NamedTuple):
    """Eye of a sample: frames of a clip, the number of one of them, and the seed of its pixels."""

    clip: Clip
    frame: int
    read: Callable[[int], Rgb]
    seed: int


def aligned(right: RightFrames) -> Callable[[int], Rgb]:
    """Return the function that reads right frames as if their principal point were the left one.

    What is infinitely far then has a disparity of 0. Columns that the right frame does not have
    repeat its border.

    Args:
        right: Right eye with a rig.
    """
    assert right.rig is not None
    offset = right.rig.offset_px
    if offset == 0:
        return right.image
    shift = np.array([[1.0, 0.0, offset], [0.0, 1.0, 0.0]])

    def read(index: int) -> Rgb:
        image = right.image(index)
        size = image.shape[1::-1]
        return np.asarray(cv2.warpAffine(image, shift, size, borderMode=cv2.BORDER_REPLICATE))

    return read


def shift_placement(placement: Placement, place: float) -> Placement:
    """Return a placement whose crop lies elsewhere in the image.

    Args:
        placement: Placement of the same size.
        place: Position of the crop, from 0 (top or left) to 1 (bottom or right).
    """
    rows, columns = placement.source
    return dataclasses.replace(
        placement,
        top=round(place * (rows - placement.rows)),
        left=round(place * (columns - placement.columns)),
    )
