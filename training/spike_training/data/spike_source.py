# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Samples of real spikes: windows of recordings around the planes that depth belongs to."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from spike_depth_ros import packing
from spike_depth_ros.window import reference_index
from spike_training.data.clip import SpikeClip
from spike_training.data.labelled import LabelledSource
from spike_training.data.sample import Batch
from spike_training.errors import DataSetError, FrameError


class SpikeSource(LabelledSource):
    """The labelled windows of recordings of one spike camera, as the camera saw them.

    Planes are never resampled: what is seen is the middle of the sensor, as many whole multiples
    of some pixels as it holds. Depth belongs to the window's reference plane; a map too near to an
    end of its recording is left out. Recordings that have no depth at all are seen window after
    window, with NaN for depth. The focal length of a sample is NaN where nothing tells it.

    Args:
        clips: Recordings of one sensor size.
        planes: Length of the windows.
        bins: Bins of the counts.
        multiple: What height and width are multiples of, for the network.

    Raises:
        DataSetError: No window of that length has depth, or the sensors differ.

    Attributes:
        height: Rows of a sample.
        width: Columns of a sample.
    """

    def __init__(
        self,
        clips: Sequence[SpikeClip],
        planes: int = 128,
        bins: int = 32,
        multiple: int = 16,
    ) -> None:
        super().__init__((planes,))
        sizes = {(clip.geometry.height, clip.geometry.width) for clip in clips}
        if len(sizes) != 1:
            raise DataSetError(f'sensors of {sorted(sizes)} rows and columns: expected one size')
        ((height, width),) = sizes
        self.height, self.width = height // multiple * multiple, width // multiple * multiple
        top, left = (height - self.height) // 2, (width - self.width) // 2
        self._part = slice(top, top + self.height), slice(left, left + self.width)
        self.bins = bins
        before = reference_index('middle', planes)
        self._windows: list[tuple[SpikeClip, int | None, int]] = []
        for clip in clips:
            starts: list[tuple[int | None, int]]
            if any(other.depths for other in clips):
                starts = [(k, plane - before) for k, plane in enumerate(clip.depth_planes)]
            else:
                starts = [(None, start) for start in range(0, clip.planes, planes)]
            self._windows += [
                (clip, k, start) for k, start in starts if 0 <= start <= clip.planes - planes
            ]
        if not self._windows:
            raise DataSetError(
                f'{clips[0].name}: no window of {planes} planes, or none with depth in its '
                'middle; choose shorter windows'
            )

    def __len__(self) -> int:
        return len(self._windows)

    def recording(self, number: int) -> str:
        """The name of the clip that a sample is of."""
        return self._windows[number][0].name

    def frame(self, number: int) -> int:
        """The number of the plane that a sample's depth belongs to."""
        _, _, start = self._windows[number]
        return start + reference_index('middle', self.planes[0])

    def sample(self, number: int, planes: int) -> Batch:
        """See :meth:`LabelledSource.sample`; ``planes`` can be no more than the source's."""
        clip, k, start = self._windows[number]
        start += reference_index('middle', self.planes[0]) - reference_index('middle', planes)
        size = (clip.geometry.height, clip.geometry.width)
        depth = np.full(size, np.nan, np.float32) if k is None else clip.depths[k]()
        if depth.shape != (clip.geometry.height, clip.geometry.width):
            raise FrameError(
                f'depth {list(depth.shape)} and sensor {clip.geometry} differ in size'
            )
        window = np.ascontiguousarray(clip.load(start, start + planes))
        counts, lengths = packing.bin_counts(
            window, clip.geometry.width, clip.geometry.bit_order, self.bins
        )
        rows, columns = self._part
        fx = math.nan if clip.camera is None else clip.camera[0, 0]
        return Batch(
            counts=torch.from_numpy(np.ascontiguousarray(counts[:, rows, columns]))[None],
            planes_per_bin=torch.from_numpy(lengths),
            rgb=None,
            depth=torch.from_numpy(np.ascontiguousarray(depth[rows, columns]))[None, None],
            fx=torch.tensor([fx], dtype=torch.float32),
            index=torch.tensor([number]),
        )
