# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Light between the frames of a video: a spike camera looks a thousand times as often.

An :class:`Interpolator` finds out once what moves between two frames, and then gives the light at
any instant between them. Planes are not interpolated one by one: that is done at a few instants,
so close that nothing moves more than about a pixel, and in between light is blended.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from spike_depth_ros.video.light import Light

Vectors = npt.NDArray[np.float32]
"""Motion of each pixel, ``[height, width, 2]``: pixels to the right and down."""
Mask = npt.NDArray[np.bool_]

MOST_SUB_FRAMES = 32
"""Images between two frames at most."""

_STEP_PX = 1.0
_PERCENTILE = 99.0
_GAMMA = 1 / 2.2
_MOST_LOST = 0.5
_UNKNOWN = np.complex64(complex(math.nan, math.nan))


class Motion(Protocol):
    """What happens between two frames."""

    @property
    def pixels(self) -> float:
        """How far things move from the first frame to the second, in pixels; 0: blend them."""
        ...

    def at(self, share: float) -> Light:
        """The light at an instant.

        Args:
            share: The instant, from 0, which is the first frame, to 1, the second.

        Returns:
            ``[H, W]`` float32, 0 and more.
        """
        ...


class Interpolator(Protocol):
    """Something that knows how to go from one frame to the next, a network for instance."""

    def between(self, before: Light, after: Light) -> Motion:
        """Looks at two frames of one size, linear light ``[H, W]`` float32."""
        ...


class Blend:
    """The mean of two frames, weighted by time; what moves fades out here and in there."""

    pixels = 0.0

    def __init__(self, before: Light, after: Light) -> None:
        self._before, self._after = before, after

    def at(self, share: float) -> Light:
        """The light at an instant, ``[H, W]``."""
        # In this form two equal frames give that frame, to the last bit.
        light: Light = self._before + np.float32(share) * (self._after - self._before)
        return light if share < 1 else self._after


class LinearInterpolator:
    """Blends frames."""

    def between(self, before: Light, after: Light) -> Motion:
        """Two frames to blend."""
        return Blend(before, after)


class FlowInterpolator:
    """Moves pixels along the optical flow (OpenCV's DIS), forwards and backwards.

    Where flow is of no use, after a cut for instance, frames are blended: when more than half of
    the pixels have flow that does not lead back, or when frames moved along it are no more alike
    than as they are.
    """

    def between(self, before: Light, after: Light) -> Motion:
        """Flow between two frames of at least 16 x 16 pixels; smaller ones are blended."""
        if np.array_equal(before, after) or min(before.shape) < 16:
            return Blend(before, after)
        # Eight bits are what DIS takes; gamma spends them on dark and bright alike.
        peak = max(float(before.max()), float(after.max()))
        first, second = (
            np.rint(255 * (light / peak) ** _GAMMA).astype(np.uint8) for light in (before, after)
        )
        # A new one each time: what it has looked at before changes what it finds, by a little.
        # OpenCV's types do not know that the flow to begin with may be None.
        dis: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        forward = dis.calc(first, second, None)
        backward = dis.calc(second, first, None)
        return flow_motion(before, after, forward, backward)


def flow_motion(before: Light, after: Light, forward: Vectors, backward: Vectors) -> Motion:
    """What happens between two frames, given the flow.

    Args:
        before: The first frame, ``[H, W]``.
        after: The second frame, ``[H, W]``.
        forward: Motion of the first frame's pixels to the second frame.
        backward: Motion of the second frame's pixels to the first frame.

    Returns:
        Motion along the flow, or a :class:`Blend` if the flow is of no use.
    """
    seen_later = _leads_back(forward, backward)
    seen_before = _leads_back(backward, forward)
    if seen_later.mean() < 1 - _MOST_LOST or seen_before.mean() < 1 - _MOST_LOST:
        return Blend(before, after)
    difference = np.abs(_shifted(after, forward) - before)
    if difference[seen_later].sum() >= np.abs(after - before)[seen_later].sum():
        return Blend(before, after)
    return _Flow(before, after, forward, backward, seen_later, seen_before)


class _Flow:
    """Frames moved along the flow to an instant between them.

    The steps are those of the interpolation in Baker et al., "A Database and Evaluation
    Methodology for Optical Flow", IJCV 2011, section 3.3.3: flow is moved to the instant, holes
    in it are filled, and there each pixel looks up its colour in both frames, or in the one where
    it is not hidden. Unlike there, flow of both directions is moved: what comes into sight is
    known from the second frame's. Where several pixels meet, one that is seen in both frames wins.
    """

    def __init__(
        self,
        before: Light,
        after: Light,
        forward: Vectors,
        backward: Vectors,
        seen_later: Mask,
        seen_before: Mask,
    ) -> None:
        self._before, self._after = before, after
        self._forward = _Moving(forward, seen_later)
        self._backward = _Moving(backward, seen_before)
        # Light and mask are looked up at the same places.
        self._old = np.dstack([before, seen_later]).astype(np.float32)
        self._new = np.dstack([after, seen_before]).astype(np.float32)
        lengths = np.hypot(forward[..., 0], forward[..., 1])
        self.pixels = float(np.percentile(lengths[seen_later], _PERCENTILE))

    def at(self, share: float) -> Light:
        """The light at an instant, ``[H, W]``."""
        if share <= 0 or share >= 1:
            return self._before if share <= 0 else self._after
        flow = self._flow_at(share)
        to_before, to_after = flow * np.float32(-share), flow * np.float32(1 - share)
        old, seen_later = np.moveaxis(_shifted(self._old, to_before), -1, 0)
        new, seen_before = np.moveaxis(_shifted(self._new, to_after), -1, 0)
        # Weights: by time where a point is seen in both frames, else the frame that sees it. A
        # point of the first frame that the second does not see is hidden there, and vice versa.
        hidden_later = (seen_later < 0.5) | _outside(to_after)
        hidden_before = (seen_before < 0.5) | _outside(to_before)
        weight = np.full(flow.shape[:2], share, np.float32)
        weight[hidden_later & ~hidden_before] = 0
        weight[hidden_before & ~hidden_later] = 1
        light: Light = old + weight * (new - old)
        return light

    def _flow_at(self, share: float) -> Vectors:
        """Motion from the first frame to the second, of what is seen at an instant."""
        height, width = self._before.shape
        flow = np.full(height * width + 1, _UNKNOWN, np.complex64)
        # The nearer frame has the last word.
        turns = [(self._forward, share, 1), (self._backward, 1 - share, -1)]
        for moving, part, sign in turns if share > 0.5 else turns[::-1]:
            moving.write(flow, part, sign)
        flow = flow[:-1]
        unknown = np.isnan(flow.real)
        if unknown.any():
            _fill(flow, unknown.reshape(height, width))
        return flow.view(np.float32).reshape(height, width, 2)


class _Moving:
    """Pixels of one frame on their way to the other one."""

    def __init__(self, vectors: Vectors, seen: Mask) -> None:
        # What is written last wins: those seen in both frames.
        order = np.concatenate([np.flatnonzero(~seen), np.flatnonzero(seen)])
        row, column = np.divmod(order.astype(np.int32), np.int32(seen.shape[1]))
        self._shape = seen.shape
        self._x, self._y = column.astype(np.float32), row.astype(np.float32)
        ordered = np.ascontiguousarray(vectors).reshape(-1, 2)[order]
        self._right, self._down = ordered[:, 0].copy(), ordered[:, 1].copy()
        self._vectors = ordered.view(np.complex64)[:, 0]

    def write(self, flow: npt.NDArray[np.complex64], part: float, sign: int) -> None:
        """Writes each vector where its pixel is, a part of the way along.

        Args:
            flow: One complex number (right, down) a pixel, and one for all that is outside.
            part: How much of the way.
            sign: 1, or -1 to write vectors that point the other way.
        """
        place, inside = _places(
            self._x + np.float32(part) * self._right,
            self._y + np.float32(part) * self._down,
            self._shape,
        )
        place[~inside] = -1
        flow[place] = self._vectors if sign > 0 else -self._vectors


def _fill(flow: npt.NDArray[np.complex64], unknown: Mask) -> None:
    """Gives pixels that nothing reached the motion of the nearest one that has some."""
    _, labels = cv2.distanceTransformWithLabels(
        unknown.astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    numbers = np.ravel(labels)
    holes, known = np.flatnonzero(unknown), np.flatnonzero(~unknown)
    source = np.zeros(numbers.max() + 1, np.int64)
    source[numbers[known]] = known
    flow[holes] = flow[source[numbers[holes]]]


def _grid(shape: tuple[int, ...]) -> tuple[Light, Light]:
    x, y = np.meshgrid(
        np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32)
    )
    return x, y


def _shifted(image: Light, vectors: Vectors) -> Light:
    """What each pixel finds at the end of its vector, ``[H, W]`` or ``[H, W, C]``."""
    x, y = _grid(image.shape)
    found = cv2.remap(
        image,
        x + vectors[..., 0],
        y + vectors[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(found, np.float32)


def _places(x: Light, y: Light, shape: tuple[int, ...]) -> tuple[npt.NDArray[np.int32], Mask]:
    """Number of the pixel nearest to each point, and whether that is in the image."""
    height, width = shape
    column, row = np.rint(x).astype(np.int32), np.rint(y).astype(np.int32)
    inside: Mask = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return row * np.int32(width) + column, inside


def _outside(vectors: Vectors) -> Mask:
    """Whether a vector ends outside the image, by more than half a pixel."""
    x, y = _grid(vectors.shape)
    return ~_places(x + vectors[..., 0], y + vectors[..., 1], vectors.shape[:2])[1]


def _leads_back(there: Vectors, back: Vectors) -> Mask:
    """Whether the flow at the end of each vector leads back to its start.

    The bound is that of Sundaram et al., "Dense Point Trajectories by GPU-Accelerated Large
    Displacement Optical Flow", ECCV 2010, Eq. 5: a hundredth of the squared lengths and half a
    squared pixel.
    """
    returned = _shifted(back, there)
    error = ((there + returned) ** 2).sum(-1)
    lengths = (there**2).sum(-1) + (returned**2).sum(-1)
    close: Mask = error < 0.01 * lengths + 0.5
    return close & ~_outside(there)


def sub_frames(motion: Motion) -> int:
    """In how many steps to go from one frame to the next: about a pixel each, 1 to 32."""
    return max(1, min(MOST_SUB_FRAMES, math.ceil(motion.pixels / _STEP_PX)))


def interpolate(
    frames: Sequence[Light],
    times_s: Sequence[float],
    at_s: Sequence[float],
    interpolator: Interpolator,
) -> Light:
    """The light at some instants of a video.

    Args:
        frames: Linear light ``[H, W]`` of at least one frame.
        times_s: When each was taken, seconds, increasing.
        at_s: Instants, seconds; before the first frame the light is that frame's, after the last
            one the last one's.
        interpolator: How to go from frame to frame; only pairs that an instant lies between are
            looked at, once.

    Returns:
        ``[len(at_s), H, W]`` float32.

    Raises:
        ValueError: No frame, not one time for each, or times that do not increase.
    """
    if not frames or len(frames) != len(times_s) or not np.all(np.diff(times_s) > 0):
        raise ValueError(
            f'{len(frames)} frames at {list(times_s)} s: expected at least one, and a time for '
            'each, increasing'
        )
    motions: dict[int, Motion] = {}
    light = np.empty((len(at_s), *frames[0].shape), np.float32)
    for out, at in zip(light, at_s, strict=True):
        after = int(np.searchsorted(times_s, at))
        if after < len(frames) and times_s[after] == at:
            out[:] = frames[after]
        elif after == 0 or after == len(frames):
            out[:] = frames[0 if after == 0 else -1]
        else:
            before = after - 1
            if before not in motions:
                motions[before] = interpolator.between(frames[before], frames[after])
            share = (at - times_s[before]) / (times_s[after] - times_s[before])
            out[:] = motions[before].at(share)
    return light
