# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Windows of recordings with sparse depth from the motion of the camera, as evidence."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from spike_depth_ros.motion.sequence import STEPS, SequencePoints, triangulate_sequence
from spike_depth_ros.motion.tracks import Picture, draw_picture
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.adaptation.correction import CountCorrector
from spike_training.datasets.clip import SpikeClip
from spike_training.sampling.sample import Batch
from spike_training.sampling.spike_source import SpikeSource

STEP_S = 0.025
"""Time from one tracked picture to the next, seconds."""

LEAST_MOVING = 5
"""Windows with depth from motion from which on it is evidence."""


def picture_of(batch: Batch) -> Picture:
    """Draw a window as a picture to track points in, ``[H, W]``: its first sample."""
    rate = batch.counts[0].sum(0).float() / batch.planes_per_bin.sum()
    return draw_picture(rate.cpu().numpy())


def label_points(window: Batch, points: SequencePoints, info: DepthInfo) -> Batch:
    """Return a window of one sample with the depth of its points, in arbitrary units.

    Args:
        window: The window of the first picture.
        points: Its points.
        info: Metadata of the networks that are scored on it, whose range the depth lies in.
    """
    depth = torch.full_like(window.depth, torch.nan)
    columns, rows = torch.from_numpy(points.places.round().astype(np.int64)).T
    middle = math.sqrt(info.min_depth * info.max_depth)
    scaled = torch.from_numpy(points.depth / np.median(points.depth) * middle)
    depth[0, 0, rows, columns] = scaled.to(depth)
    return Batch(
        window.counts, window.planes_per_bin, None, depth,
        torch.full_like(window.fx, info.canonical_fx), window.index,
    )  # fmt: skip


def label_by_motion(
    clips: Sequence[SpikeClip],
    info: DepthInfo,
    size: tuple[int, int],
    number: int,
    corrector: CountCorrector | None,
    device: torch.device,
) -> list[Batch]:
    """Return windows of recordings with sparse depth from motion.

    Args:
        clips: The recordings; without a focal length there is no depth.
        info: Metadata of the networks that are scored on the windows.
        size: Rows and columns of the windows, at most, see :class:`SpikeSource`.
        number: Windows that are tried.
        corrector: Correction of the sensor, for tracking alone; None: none.
        device: Device of the windows.
    """
    known = [clip for clip in clips if clip.camera is not None]
    if not known:
        return []
    stride = max(1, round(known[0].rate_hz * STEP_S))
    windows, pictures = (
        SpikeSource(
            known, info.planes, bins, info.multiple, size=size, labels=False, stride=stride,
            raw_pixels=True,
        )
        for bins in (info.bins, 1)
    )  # fmt: skip
    camera = np.array(known[0].camera, np.float64)
    rows, columns = windows.crop()
    camera[:2, 2] -= columns.start, rows.start

    @functools.lru_cache(maxsize=STEPS + 1)  # what follows one window mostly follows the next
    def picture(number: int) -> Picture | None:
        batch = pictures.usable([number])
        if batch is None:
            return None
        return picture_of(batch if corrector is None else corrector.correct(batch))

    found = []
    for first in windows.spread(number):
        points = triangulate_sequence(_pictures(picture, pictures, first), camera)
        window = None if points is None else windows.usable([first])
        if points is not None and window is not None:
            found.append(label_points(window, points, info).to(device))
    return found


def _pictures(
    picture: Callable[[int], Picture | None], source: SpikeSource, first: int
) -> Iterator[Picture]:
    """Yield the pictures of a recording from a window on, until one cannot be read."""
    clip = source.recording(first)
    for later in range(first, min(first + STEPS + 1, len(source))):
        found = picture(later) if source.recording(later) == clip else None
        if found is None:
            return
        yield found
