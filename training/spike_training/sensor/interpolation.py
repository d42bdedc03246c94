# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frame interpolation: light at any instant between the frames of a video.

An :class:`Interpolator` estimates the motion between two frames once, and then returns the light
at any instant between them. This is done at a few instants, between which nothing moves more than
about a pixel; planes in between blend the light.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from spike_depth_ros.io.video.light import Light

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
    """Motion between two frames."""

    @property
    def pixels(self) -> float:
        """Largest motion from the first frame to the second, in pixels; 0: blend them."""
        ...

    def at(self, share: float) -> Light:
        """Return the light at an instant.

        Args:
            share: The instant, from 0, which is the first frame, to 1, the second; below 0 and
                above 1 the motion goes on.

        Returns:
            ``[H, W]`` float32, 0 and more.
        """
        ...


class Interpolator(Protocol):
    """Interpolator between frames, for example by optical flow or a network."""

    def between(self, before: Light, after: Light) -> Motion:
        """Estimate the motion of two frames of one size, linear light ``[H, W]`` float32."""
        ...


class Blend:
    """Mean of two frames, weighted by time; moving objects cross-fade."""

    pixels = 0.0

    def __init__(self, before: Light, after: Light) -> None:
        self._before, self._after = before, after

    def at(self, share: float) -> Light:
        """Return the light at an instant, ``[H, W]``."""
        # In this form two equal frames give that frame, to the last bit.
        light: Light = self._before + np.float32(share) * (self._after - self._before)
        return self._before if share < 0 else light if share < 1 else self._after


class LinearInterpolator:
    """Interpolator that blends frames."""

    def between(self, before: Light, after: Light) -> Motion:
        """Return the blend of two frames."""
        return Blend(before, after)


class FlowInterpolator:
    """Interpolator along optical flow (OpenCV's DIS), forwards and backwards.

    Frames are blended instead where the flow is unreliable, for instance after a cut: when more
    than half of the pixels fail the forward-backward consistency check, or when warping does not
    bring the frames closer.
    """

    def between(self, before: Light, after: Light) -> Motion:
        """Estimate the flow of two frames of at least 16 x 16 pixels; blend smaller ones."""
        if np.array_equal(before, after) or min(before.shape) < 16:
            return Blend(before, after)
        # DIS takes eight bits; gamma distributes them over dark and bright areas.
        peak = max(float(before.max()), float(after.max()))
        first, second = (
            np.rint(255 * (light / peak) ** _GAMMA).astype(np.uint8) for light in (before, after)
        )
        # A new one each time: its state would change later results slightly.
        # OpenCV's type stubs do not allow None as the initial flow.
        dis: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        forward = dis.calc(first, second, None)
        backward = dis.calc(second, first, None)
        return flow_motion(before, after, forward, backward)


def flow_motion(before: Light, after: Light, forward: Vectors, backward: Vectors) -> Motion:
    """Return the motion between two frames, given the flow.

    Args:
        before: The first frame, ``[H, W]``.
        after: The second frame, ``[H, W]``.
        forward: Motion of the first frame's pixels to the second frame.
        backward: Motion of the second frame's pixels to the first frame.

    Returns:
        Motion along the flow, or a :class:`Blend` where the flow is unreliable.
    """
    seen_later = _is_consistent(forward, backward)
    seen_before = _is_consistent(backward, forward)
    if seen_later.mean() < 1 - _MOST_LOST or seen_before.mean() < 1 - _MOST_LOST:
        return Blend(before, after)
    difference = np.abs(_warp(after, forward) - before)
    if difference[seen_later].sum() >= np.abs(after - before)[seen_later].sum():
        return Blend(before, after)
    return _Flow(before, after, forward, backward, seen_later, seen_before)


class _Flow:
    """Frames warped along the flow to an instant between them.

    The steps are those of the interpolation in Baker et al., "A Database and Evaluation
    Methodology for Optical Flow", IJCV 2011, section 3.3.3: flow is splatted to the instant, its
    holes are filled, and each pixel samples both frames, or the one where it is not occluded.
    Unlike there, flow of both directions is splatted: disoccluded areas are known from the second
    frame's. Where several pixels meet, one that is visible in both frames wins.
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
        self._forward = _ForwardSplat(forward, seen_later)
        self._backward = _ForwardSplat(backward, seen_before)
        # Light and mask are sampled at the same positions.
        self._old = np.dstack([before, seen_later]).astype(np.float32)
        self._new = np.dstack([after, seen_before]).astype(np.float32)
        lengths = np.hypot(forward[..., 0], forward[..., 1])
        self.pixels = float(np.percentile(lengths[seen_later], _PERCENTILE))

    def at(self, share: float) -> Light:
        """Return the light at an instant, ``[H, W]``."""
        if share in (0, 1):
            return self._after if share else self._before
        flow = self._flow_at(share)
        to_before, to_after = flow * np.float32(-share), flow * np.float32(1 - share)
        old, seen_later = np.moveaxis(_warp(self._old, to_before), -1, 0)
        new, seen_before = np.moveaxis(_warp(self._new, to_after), -1, 0)
        # Weights: by time where a point is visible in both frames, else the frame that shows it.
        hidden_later = (seen_later < 0.5) | _outside(to_after)
        hidden_before = (seen_before < 0.5) | _outside(to_before)
        weight = np.full(flow.shape[:2], min(max(share, 0), 1), np.float32)
        weight[hidden_later & ~hidden_before] = 0
        weight[hidden_before & ~hidden_later] = 1
        light: Light = old + weight * (new - old)
        return light

    def _flow_at(self, share: float) -> Vectors:
        """Return the motion from the first frame to the second at the pixels of an instant."""
        height, width = self._before.shape
        flow = np.full(height * width + 1, _UNKNOWN, np.complex64)
        # The nearer frame is written last and wins.
        turns = [(self._forward, share, 1), (self._backward, 1 - share, -1)]
        for moving, part, sign in turns if share > 0.5 else turns[::-1]:
            moving.write(flow, part, sign)
        flow = flow[:-1]
        unknown = np.isnan(flow.real)
        if unknown.any():
            _fill(flow, unknown.reshape(height, width))
        return flow.view(np.float32).reshape(height, width, 2)


class _ForwardSplat:
    """Forward splatting of one frame's flow."""

    def __init__(self, vectors: Vectors, seen: Mask) -> None:
        # Pixels visible in both frames are written last and win.
        order = np.concatenate([np.flatnonzero(~seen), np.flatnonzero(seen)])
        row, column = np.divmod(order.astype(np.int32), np.int32(seen.shape[1]))
        self._shape = seen.shape
        self._x, self._y = column.astype(np.float32), row.astype(np.float32)
        ordered = np.ascontiguousarray(vectors).reshape(-1, 2)[order]
        self._right, self._down = ordered[:, 0].copy(), ordered[:, 1].copy()
        self._vectors = ordered.view(np.complex64)[:, 0]

    def write(self, flow: npt.NDArray[np.complex64], part: float, sign: int) -> None:
        """Write each vector at its pixel's position, a part of the way along.

        Args:
            flow: One complex number (right, down) a pixel, and one for all that is outside.
            part: Share of the way.
            sign: 1, or -1 to reverse the vectors.
        """
        place, inside = _nearest_pixels(
            self._x + np.float32(part) * self._right,
            self._y + np.float32(part) * self._down,
            self._shape,
        )
        place[~inside] = -1
        flow[place] = self._vectors if sign > 0 else -self._vectors


def _fill(flow: npt.NDArray[np.complex64], unknown: Mask) -> None:
    """Fill unknown pixels with the motion of the nearest known one."""
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


def _warp(image: Light, vectors: Vectors) -> Light:
    """Sample an image at the end of each pixel's vector, ``[H, W]`` or ``[H, W, C]``."""
    x, y = _grid(image.shape)
    found = cv2.remap(
        image,
        x + vectors[..., 0],
        y + vectors[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(found, np.float32)


def _nearest_pixels(
    x: Light, y: Light, shape: tuple[int, ...]
) -> tuple[npt.NDArray[np.int32], Mask]:
    """Return the number of the pixel nearest to each point, and the mask of those inside."""
    height, width = shape
    column, row = np.rint(x).astype(np.int32), np.rint(y).astype(np.int32)
    inside: Mask = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return row * np.int32(width) + column, inside


def _outside(vectors: Vectors) -> Mask:
    """Return the mask of vectors that end more than half a pixel outside the image."""
    x, y = _grid(vectors.shape)
    return ~_nearest_pixels(x + vectors[..., 0], y + vectors[..., 1], vectors.shape[:2])[1]


def _is_consistent(forward: Vectors, backward: Vectors) -> Mask:
    """Return the mask of pixels whose forward and backward flow are consistent.

    The bound is that of Sundaram et al., "Dense Point Trajectories by GPU-Accelerated Large
    Displacement Optical Flow", ECCV 2010, Eq. 5: a hundredth of the squared lengths and half a
    squared pixel.
    """
    returned = _warp(backward, forward)
    error = ((forward + returned) ** 2).sum(-1)
    lengths = (forward**2).sum(-1) + (returned**2).sum(-1)
    close: Mask = error < 0.01 * lengths + 0.5
    return close & ~_outside(forward)


def sub_frames(motion: Motion) -> int:
    """Return the number of steps between two frames: about a pixel each, 1 to 32."""
    return max(1, min(MOST_SUB_FRAMES, math.ceil(motion.pixels / _STEP_PX)))


class VideoLight:
    """Light of a video at any instant.

    Before the first frame the light is that frame's, after the last one the last one's, unless
    the motion goes on. The motion of a pair of frames is estimated once, and only if needed.

    Args:
        frames: Linear light ``[H, W]`` of at least one frame.
        times_s: When each was taken, seconds, increasing.
        interpolator: Interpolator between frames.
        goes_on: True if the motion of the first and of the last pair of frames goes on before and
            after them.

    Raises:
        ValueError: No frame, not one time for each, or times that do not increase.
    """

    def __init__(
        self,
        frames: Sequence[Light],
        times_s: Sequence[float],
        interpolator: Interpolator,
        goes_on: bool = False,
    ) -> None:
        if not frames or len(frames) != len(times_s) or not np.all(np.diff(times_s) > 0):
            raise ValueError(
                f'{len(frames)} frames at {list(times_s)} s: expected at least one, and a time '
                'for each, increasing'
            )
        self._frames, self._times, self._interpolator = frames, times_s, interpolator
        self._goes_on = goes_on and len(frames) > 1
        self._motions: dict[int, Motion] = {}

    def at(self, instants_s: Sequence[float]) -> Light:
        """Return the light at some instants, seconds: ``[N, H, W]`` float32."""
        light = np.empty((len(instants_s), *self._frames[0].shape), np.float32)
        times = self._times
        for out, at in zip(light, instants_s, strict=True):
            after = int(np.searchsorted(times, at))
            if after < len(times) and times[after] == at:
                out[:] = self._frames[after]
            elif after in (0, len(times)) and not self._goes_on:
                out[:] = self._frames[0 if after == 0 else -1]
            else:
                before = min(max(after, 1), len(times) - 1) - 1
                share = (at - times[before]) / (times[before + 1] - times[before])
                out[:] = self._motion(before).at(share)
        return light

    def steps(self, start_s: float, end_s: float, blended: int) -> int:
        """Return the number of equal steps of about a pixel each, at most, between two instants.

        Args:
            start_s: The first instant, seconds.
            end_s: The last one.
            blended: Steps between two frames that are blended, and the most between any.
        """
        times, most = self._times, 0.0
        for before in range(len(times) - 1):
            first = before == 0 and self._goes_on
            last = before == len(times) - 2 and self._goes_on
            if (last or start_s < times[before + 1]) and (first or end_s > times[before]):
                motion = self._motion(before)
                steps = min(sub_frames(motion), blended) if motion.pixels else blended
                most = max(most, steps / (times[before + 1] - times[before]))
        return max(1, math.ceil(most * (end_s - start_s)))

    def _motion(self, before: int) -> Motion:
        """Return the motion from a frame to the next one."""
        if before not in self._motions:
            self._motions[before] = self._interpolator.between(
                self._frames[before], self._frames[before + 1]
            )
        return self._motions[before]
