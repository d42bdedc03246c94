# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""True depth images and the windows that they belong to.

Windows are at least a hop apart, so that a truth has at most one window within half a hop. Where
several truths are that near to a window, it takes the nearest; each truth is used once.
"""

from __future__ import annotations

import bisect
import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from spike_depth_ros.stream.decode import FloatImage, ImageMessage, depth_from_msg

Mask = npt.NDArray[np.bool_]


@dataclasses.dataclass
class TruthAccount:
    """Where every truth image went.

    Attributes:
        received: Images that came.
        used: Matched to a window.
        unmatched: No window within half a hop.
        superseded: Another one was nearer to the same window.
        unusable: Damaged, or of a size that cannot be compared.
        nearest_ns: Least distance to a window of those that were not matched; None if all were.
    """

    received: int = 0
    used: int = 0
    unmatched: int = 0
    superseded: int = 0
    unusable: int = 0
    nearest_ns: int | None = None


@dataclasses.dataclass(frozen=True)
class Truth:
    """A true depth image.

    Attributes:
        stamp_ns: Its time, nanoseconds.
        image: The message that holds it, or the image; whatever was put in.
    """

    stamp_ns: int
    image: Any


class TruthBuffer:
    """Truths that wait for their window; each leaves it once, and is counted where it does.

    Args:
        within_ns: Half a hop: a truth this far from a window is still its own.
        most: Truths that wait at most; 0: any number.

    Attributes:
        account: Where every truth went.
        newest_ns: Newest stamp that came; None before it.
    """

    def __init__(self, within_ns: int, most: int = 0) -> None:
        self.within_ns = within_ns
        self._most = most
        self.account = TruthAccount()
        self.newest_ns: int | None = None
        self._waiting: list[Truth] = []  # by stamp
        self._last_window_ns: int | None = None

    def add(self, truth: Truth) -> None:
        """Take a truth in."""
        self.account.received += 1
        self.newest_ns = max(truth.stamp_ns, self.newest_ns or truth.stamp_ns)
        bisect.insort(self._waiting, truth, key=lambda waiting: waiting.stamp_ns)
        if self._most and len(self._waiting) > self._most:
            self._give_up(self._waiting.pop(0), None)

    def decided(self, reference_ns: int) -> bool:
        """Whether later truths, in the order of their stamps, cannot be this window's."""
        return self.newest_ns is not None and self.newest_ns > reference_ns + self.within_ns

    def expire(self, reference_ns: int) -> None:
        """Give up truths that are too old for the next window, and so for all that follow."""
        while self._waiting and self._waiting[0].stamp_ns < reference_ns - self.within_ns:
            self._give_up(self._waiting.pop(0), reference_ns)

    def take(self, reference_ns: int) -> Truth | None:
        """The truth of the next window, or None; older ones are given up.

        Args:
            reference_ns: Time that the window's depth belongs to; windows come in order.
        """
        self.expire(reference_ns)
        near = []
        while self._waiting and self._waiting[0].stamp_ns <= reference_ns + self.within_ns:
            near.append(self._waiting.pop(0))
        self._last_window_ns = reference_ns
        if not near:
            return None
        self.account.used += 1
        self.account.superseded += len(near) - 1
        return min(near, key=lambda truth: abs(truth.stamp_ns - reference_ns))

    def flush(self) -> None:
        """Give up what still waits: there are no more windows."""
        while self._waiting:
            self._give_up(self._waiting.pop(0), None)

    def reject(self) -> None:
        """Count the truth that was taken last as unusable instead."""
        self.account.used -= 1
        self.account.unusable += 1

    def _give_up(self, truth: Truth, next_window_ns: int | None) -> None:
        self.account.unmatched += 1
        for window_ns in (self._last_window_ns, next_window_ns):
            if window_ns is not None:
                distance = abs(truth.stamp_ns - window_ns)
                nearest = self.account.nearest_ns
                self.account.nearest_ns = distance if nearest is None else min(nearest, distance)


def truth_image(
    message: ImageMessage, size: tuple[int, int], binning: int, mask: Mask | None = None
) -> FloatImage:
    """The true depth that a message holds, to be compared with a depth image.

    Args:
        message: 32FC1 metres or 16UC1 millimetres.
        size: Height and width of the depth image.
        binning: Sensor pixels per pixel of the depth image along each axis.
        mask: Pixels of the message's image that count, ``[H, W]``; None: all.

    Returns:
        Metres; of the depth image's size, or ``binning`` times as large, see :func:`enlarged`.

    Raises:
        ValueError: The message holds no depth, or sizes do not fit.
    """
    truth = depth_from_msg(message)
    if mask is not None:
        if mask.shape != truth.shape:
            raise ValueError(
                f'the mask is {mask.shape[1]}x{mask.shape[0]}, true depth '
                f'{truth.shape[1]}x{truth.shape[0]}: expected the same size'
            )
        truth[~mask] = np.nan
    height, width = size
    if truth.shape == size:
        return truth
    rows, columns = height * binning, width * binning
    # An odd last row or column of the sensor is left out by binning.
    if truth.shape[0] - rows in (0, 1) and truth.shape[1] - columns in (0, 1):
        return truth[:rows, :columns]
    raise ValueError(
        f'true depth is {truth.shape[1]}x{truth.shape[0]}, predicted depth {width}x{height}: '
        "register the truth to the spike camera's pixels first"
    )


def enlarged(image: FloatImage, truth: FloatImage) -> FloatImage:
    """A depth image at the size of its truth: each pixel repeated as often as it was binned."""
    times = truth.shape[0] // image.shape[0]
    return image if times == 1 else image.repeat(times, axis=0).repeat(times, axis=1)
