# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Motion of pictures in pixels a second, by which a wrong time base is seen."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spike_depth_ros.stream import preview
from spike_depth_ros.stream.window import Window, reference_index
from spike_training.datasets.clip import Clip, SpikeClip
from spike_training.errors import FrameError

Picture = npt.NDArray[np.uint8]
"""Grey levels, ``[H, W]``."""

PAIRS = 12
"""Pairs of pictures of a recording that are compared, spread over it."""

MOST_PLANES = 256
"""Planes of a picture of spikes, at most."""

_CHANGE, _MOVING = 12, 0.005  # levels that count, and the least share of pixels that change so
_WIDEST = 640  # columns of compared pictures
_BLUR_PX = 1.5
_EVEN = 1.5  # times the usual time between frames; across a gap the motion is not found


def pixel_speed(clip: Clip | SpikeClip) -> float | None:
    """Return the usual speed of what moves, pixels a second.

    The speed of a pair of pictures is the median optical flow of the pixels that change.

    Returns:
        The median of the pairs in which something moves; 0 if nothing does, None if there is no
        pair.
    """
    pairs = _of_spikes(clip) if isinstance(clip, SpikeClip) else _of_frames(clip)
    found = [_motion(before, after) / seconds for before, after, seconds in pairs]
    moving = [speed for speed in found if speed > 0]
    return statistics.median(moving or found) if found else None


def _of_frames(clip: Clip) -> Iterator[tuple[Picture, Picture, float]]:
    """Yield neighbouring frames with the time between them."""
    if not clip.video or len(clip) < 2:
        return
    gaps = np.diff(clip.times_s)
    near = np.flatnonzero(gaps <= _EVEN * np.median(gaps))
    for k in np.unique(np.linspace(0, len(near) - 1, PAIRS).round().astype(int)):
        index = int(near[k])
        try:
            before, after = (
                cv2.cvtColor(clip.image(one), cv2.COLOR_RGB2GRAY) for one in (index, index + 1)
            )
        except FrameError:
            continue
        if before.shape == after.shape:
            yield np.asarray(before, np.uint8), np.asarray(after, np.uint8), float(gaps[index])


def _of_spikes(clip: SpikeClip) -> Iterator[tuple[Picture, Picture, float]]:
    """Yield firing rates of neighbouring windows with the time between them."""
    planes = min(MOST_PLANES, clip.planes // 2)
    if not planes:
        return
    period_ns, middle = max(1, round(1e9 / clip.rate_hz)), reference_index('middle', planes)
    for start in np.unique(np.linspace(0, clip.planes - 2 * planes, PAIRS).round().astype(int)):
        try:
            before, after = (
                preview.render(
                    Window(
                        np.ascontiguousarray(clip.load(first, first + planes)),
                        clip.geometry, 0, period_ns, middle, middle * period_ns,
                    ),
                    'rate',
                )
                for first in (int(start), int(start) + planes)
            )  # fmt: skip
        except FrameError:
            continue
        yield before, after, planes / clip.rate_hz


def _motion(before: Picture, after: Picture) -> float:
    """Return the median motion of the pixels that change, pixels; 0: hardly any change."""
    scale = min(1.0, _WIDEST / before.shape[1])
    size = [max(16, round(side * scale)) for side in before.shape[::-1]]
    first, second = (
        cv2.GaussianBlur(cv2.resize(one, size, interpolation=cv2.INTER_AREA), (0, 0), _BLUR_PX)
        for one in (before, after)
    )
    changed = np.asarray(cv2.absdiff(first, second)) > _CHANGE
    if changed.mean() < _MOVING:
        return 0.0
    dis: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = dis.calc(first, second, None)
    return float(np.median(np.hypot(flow[..., 0], flow[..., 1])[changed])) / scale
