# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Samples of real spikes: windows of recordings around the planes with depth."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from spike_depth_ros.geometry.rectification import Rectification
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import PackedPlanes
from spike_depth_ros.stream.window import reference_index
from spike_training.datasets.clip import SpikeClip
from spike_training.datasets.readers.pairs import pairs_of
from spike_training.errors import DataSetError, FrameError
from spike_training.sampling.labelled import LabelledSource, PlaneWindow, relative_label
from spike_training.sampling.sample import Batch, View

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.intp]

COLUMN_FACTOR = 65_537
"""Odd factor from the row's place of a random crop to its column's."""


class SpikeSource(LabelledSource):
    """Windows of recordings of one spike camera.

    Planes are never resampled. A sample is the middle of the sensor: the largest multiple of some
    pixels, or a given size. Where that size is at most half of the sensor's, the spikes of 2x2,
    4x4, ... pixels are binned first, as if pixels were larger. Depth belongs to the window's
    reference plane; a map too near to an end of its recording is left out. Recordings without
    depth are cut into windows with NaN for depth. The focal length of a sample is NaN where it is
    unknown. Counts and depth of a distorted lens are rectified, by nearest pixels. The right eye
    of pairs is rectified so that what is infinitely far has a disparity of 0.

    Args:
        clips: Recordings of one sensor size.
        planes: Lengths of the windows; shorter ones lie in the middle of the longest.
        bins: Bins of the counts.
        multiple: Height and width are multiples of it, for the network.
        size: Rows and columns, at most; None: those of the sensor.
        labels: Whether depth is read; else the windows lie all over the recordings, and depth is
            NaN.
        stride: Planes from one window without depth to the next; 0: the longest window.
        device: Where batches are.
        seed: Of the order of batches.
        flip: See :class:`LabelledSource`.
        workers: See :class:`LabelledSource`.
        raw_pixels: Whether spikes of pixels are never binned.
        random_crop: See :class:`LabelledSource`; in both directions.
        with_right: Whether samples have a right eye; recordings without one are left out.

    Raises:
        DataSetError: No window of that length has depth, the sensors differ, or no recording has a
            right eye.
        ValueError: The counts of larger pixels do not fit into a byte.

    Attributes:
        height: Rows of a sample.
        width: Columns of a sample.
        binning: Pixels per side of the squares whose spikes are summed.
    """

    def __init__(
        self,
        clips: Sequence[SpikeClip],
        planes: int | tuple[int, ...] = 128,
        bins: int = 32,
        multiple: int = 16,
        size: tuple[int, int] | None = None,
        labels: bool = True,
        stride: int = 0,
        device: torch.device | str = 'cpu',
        seed: int = 0,
        flip: bool = False,
        workers: int = 0,
        raw_pixels: bool = False,
        random_crop: bool = False,
        with_right: bool = False,
    ) -> None:
        lengths = (planes,) if isinstance(planes, int) else planes
        super().__init__(lengths, seed, flip, random_crop, workers)
        self.with_right = with_right
        if with_right:
            clips = pairs_of(clips)
        sizes = {(clip.geometry.height, clip.geometry.width) for clip in clips}
        if len(sizes) != 1:
            raise DataSetError(f'sensors of {sorted(sizes)} rows and columns: expected one size')
        ((height, width),) = sizes
        self.binning = 1 if raw_pixels else choose_binning((height, width), size)
        if self.binning > 1 and -(-max(lengths) // bins) * self.binning**2 > 255:
            raise DataSetError(
                f'windows of {max(lengths)} planes in {bins} bins, {self.binning}x{self.binning} '
                'pixels together: expected at most 255 spikes in a bin; take shorter windows'
            )
        height, width = height // self.binning, width // self.binning
        most = (height, width) if size is None else size
        self.height = min(height, most[0]) // multiple * multiple
        self.width = min(width, most[1]) // multiple * multiple
        self._beside = height - self.height, width - self.width
        self.bins, self.labels, self.device = bins, labels, torch.device(device)
        self._longest = max(lengths)
        self._lens: tuple[Rectification, Places, Places] | None = None
        self._right_lens: tuple[Rectification, Floats, Floats] | None = None
        self._windows = self._find(clips, stride or self._longest)

    def _find(
        self, clips: Sequence[SpikeClip], stride: int
    ) -> list[tuple[SpikeClip, int | None, int]]:
        """Return recording, number of the depth map and first plane of each longest window."""
        before, longest = reference_index('middle', self._longest), self._longest
        windows: list[tuple[SpikeClip, int | None, int]] = []
        for clip in clips:
            starts: list[tuple[int | None, int]]
            if self.labels and any(other.depths for other in clips):
                starts = [(k, plane - before) for k, plane in enumerate(clip.depth_planes)]
            else:
                starts = [(None, start) for start in range(0, clip.planes, stride)]
            windows += [
                (clip, k, start) for k, start in starts if 0 <= start <= clip.planes - longest
            ]
        if not windows:
            raise DataSetError(
                f'{clips[0].name}: no window of {longest} planes, or none with depth in its '
                'middle; choose shorter windows'
            )
        return windows

    def __len__(self) -> int:
        return len(self._windows)

    def recording(self, number: int) -> str:
        """Return the name of the clip of a sample."""
        return self._windows[number][0].name

    def frame(self, number: int) -> int:
        """Return the number of the plane that a sample's depth belongs to."""
        _, _, start = self._windows[number]
        return start + reference_index('middle', self._longest)

    def sample(self, number: int, planes: int, place: float = 0.5) -> Batch:
        """Implement :meth:`LabelledSource.sample`; ``planes`` can be no more than the longest.

        The row of the crop is at ``place``, its column at a fraction that follows from that.
        """
        clip, k, start = self._windows[number]
        start += reference_index('middle', self._longest) - reference_index('middle', planes)
        size = (clip.geometry.height, clip.geometry.width)
        depth = np.full(size, np.nan, np.float32) if k is None else clip.depths[k]()
        if depth.shape != size:
            raise FrameError(
                f'depth {list(depth.shape)} and sensor {clip.geometry} differ in size'
            )
        cut = (slice(None), *self.crop(place))
        counts, lengths = self._counts(clip, clip.load(start, start + planes))
        if clip.rectification is not None:
            row, column = self._nearest(clip)
            counts, depth = counts[:, row, column], clip.rectification.remap_depth(depth)
        counts, b = self._binned(counts), self.binning
        depth = depth[None, b // 2 :: b, b // 2 :: b]
        fx = math.nan if clip.camera is None else clip.camera[0, 0] / b
        batch = Batch(
            counts=torch.from_numpy(np.ascontiguousarray(counts[cut]))[None],
            planes_per_bin=torch.from_numpy(lengths * b**2),
            rgb=None,
            depth=torch.from_numpy(np.ascontiguousarray(depth[cut]))[None],
            fx=torch.tensor([fx], dtype=torch.float32),
            index=torch.tensor([number]),
            relative=relative_label(clip),
        )
        if self.with_right:
            right = clip.right
            assert right is not None  # other recordings are left out
            seen, _ = self._counts(clip, right.load(start, start + planes))
            if (lens := right.rig.aligned[1]) is not None:
                seen = self._interpolated(seen, lens)
            eye = torch.from_numpy(np.ascontiguousarray(self._binned(seen)[cut]))[None]
            batch = dataclasses.replace(
                batch,
                right=View(eye, None, torch.full_like(batch.depth, torch.nan)),
                baseline_m=torch.tensor([right.rig.baseline_m], dtype=torch.float32),
            )
        return batch.to(self.device)

    def _counts(
        self, clip: SpikeClip, window: PackedPlanes
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.int32]]:
        """Return the counts of a window of the sensor, and the planes of each bin."""
        return packing.bin_counts(
            np.ascontiguousarray(window), clip.geometry.width, clip.geometry.bit_order, self.bins
        )

    def _binned(self, counts: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return bin_pixels(counts, self.binning) if self.binning > 1 else counts

    def _nearest(self, clip: SpikeClip) -> tuple[Places, Places]:
        """Return the rows and columns of the sensor that a rectified sample takes, found once.

        Nearest pixels: between them the noise of a sensor, which is to be learnt, averages out.
        """
        lens = clip.rectification
        assert lens is not None
        if self._lens is None or self._lens[0] != lens:
            row, column, _ = lens.nearest(clip.geometry.height, clip.geometry.width)
            self._lens = lens, row, column
        return self._lens[1:]

    def _interpolated(self, counts: npt.NDArray[Any], lens: Rectification) -> npt.NDArray[Any]:
        """Rectify counts of the right eye between pixels.

        By the nearest ones, all disparities would be wrong by up to half a pixel.
        """
        if self._right_lens is None or self._right_lens[0] != lens:
            x, y = lens.sources(*counts.shape[1:])
            self._right_lens = lens, np.nan_to_num(x, nan=-1.0), np.nan_to_num(y, nan=-1.0)
        _, x, y = self._right_lens
        found = [
            cv2.remap(
                one.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            for one in counts
        ]
        return np.rint(found).astype(counts.dtype)

    def crop(self, place: float = 0.5) -> tuple[slice, slice]:
        """Return rows and columns of the crop at a place, see :meth:`sample`."""
        top = int(place * self._beside[0])
        left = int(place * COLUMN_FACTOR % 1 * self._beside[1])
        return slice(top, top + self.height), slice(left, left + self.width)

    def window(self, number: int) -> PlaneWindow:
        """Implement :meth:`LabelledSource.window`; pixels are not binned."""
        clip, _, start = self._windows[number]
        planes, b = self.planes[0], self.binning
        start += reference_index('middle', self._longest) - reference_index('middle', planes)
        geometry = clip.geometry
        spikes = packing.unpack(
            np.ascontiguousarray(clip.load(start, start + planes)),
            geometry.width,
            geometry.bit_order,
        )
        if clip.rectification is not None:
            row, column = self._nearest(clip)
            spikes = spikes[:, row, column]
        rows, columns = (slice(part.start * b, part.stop * b) for part in self.crop(0.5))
        camera = None if clip.camera is None else clip.camera.copy()
        if camera is not None:
            camera[:2, 2] -= columns.start, rows.start
        return PlaneWindow(packing.pack(spikes[:, rows, columns]), camera)


def bin_pixels(counts: npt.NDArray[Any], binning: int) -> npt.NDArray[np.uint8]:
    """Sum the spikes of squares of pixels; rows and columns that fill no square are left out.

    Args:
        counts: ``[C, H, W]``; their sum over a square is at most 255.
        binning: Pixels per side of a square.

    Returns:
        ``[C, H // binning, W // binning]``.
    """
    bins, height, width = counts.shape
    rows, columns = height // binning, width // binning
    squares = counts[:, : rows * binning, : columns * binning].reshape(
        bins, rows, binning, columns, binning
    )
    sums: npt.NDArray[np.uint8] = squares.sum(axis=(2, 4), dtype=np.uint8)
    return sums


def choose_binning(sensor: tuple[int, int], size: tuple[int, int] | None) -> int:
    """Return the pixels per side of a bin: the largest power of two that leaves the size."""
    binning = 1
    while size and all(s >= 2 * binning * n for s, n in zip(sensor, size, strict=True)):
        binning *= 2
    return binning
