# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matching of true depth images with windows.

Windows are at least a hop apart, so that a truth has at most one window within half a hop. A
window is matched with the nearest truth within half a hop; each truth is used once.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from spike_depth_ros.geometry.depth_values import FloatImage, unit_problem
from spike_depth_ros.geometry.rectification import Rectification
from spike_depth_ros.stream.decode import ImageMessage, truth_from_msg
from spike_depth_ros.stream.stamps import RESTART_AFTER_NS

Mask = npt.NDArray[np.bool_]

LATER = 2
"""Truths behind a window after which no further one is expected for it."""


@dataclasses.dataclass
class TruthAccounting:
    """Accounting of truth images.

    Attributes:
        received: Received images.
        used: Images matched with a window.
        unmatched: Images without a window within half a hop.
        superseded: Images with another one nearer to the same window.
        unusable: Images that are damaged, in another unit, or of a size that cannot be compared.
        nearest_ns: Least distance of an unmatched image to a window, nanoseconds; None: no such
            image.
    """

    received: int = 0
    used: int = 0
    unmatched: int = 0
    superseded: int = 0
    unusable: int = 0
    nearest_ns: int | None = None


@dataclasses.dataclass(frozen=True)
class Truth:
    """True depth image.

    Attributes:
        stamp_ns: Its time, nanoseconds.
        image: The image, or the message that holds it.
    """

    stamp_ns: int
    image: Any

    @property
    def nbytes(self) -> int:
        """Memory of its pixels, bytes."""
        return len(getattr(self.image, 'data', ()))


class TruthBuffer:
    """Buffer of truths that wait for their window; each is counted once when it leaves.

    Args:
        within_ns: Half a hop, nanoseconds: largest distance of a truth from its window.
        most: Largest number of waiting truths; 0: no limit.
        most_bytes: Largest memory of waiting truths, bytes; the newest one may have more.

    Attributes:
        accounting: Accounting of the truths.
    """

    def __init__(self, within_ns: int, most: int = 0, most_bytes: float = math.inf) -> None:
        self.within_ns = within_ns
        self._most, self._most_bytes = most, most_bytes
        self.accounting = TruthAccounting()
        self._waiting: list[Truth] = []  # by stamp
        self._last_window_ns: int | None = None

    def add(self, truth: Truth) -> None:
        """Add a truth."""
        self.accounting.received += 1
        bisect.insort(self._waiting, truth, key=lambda waiting: waiting.stamp_ns)
        while (self._most and len(self._waiting) > self._most) or (
            sum(one.nbytes for one in self._waiting) > self._most_bytes and len(self._waiting) > 1
        ):
            self._give_up(self._waiting.pop(0), None)

    def decided(self, reference_ns: int) -> bool:
        """Return True if no later truth, in the order of stamps, can belong to this window.

        :data:`LATER` truths behind it tell so: a single one may have a wrong stamp.
        """
        if len(self._waiting) < LATER:
            return False
        return self._waiting[-LATER].stamp_ns > reference_ns + self.within_ns

    def begin(self, reference_ns: int) -> bool:
        """Discard the truths of a time that was set back; call it before the next window.

        Args:
            reference_ns: Time of the window's depth, nanoseconds.

        Returns:
            True if time was set back since the last window.
        """
        last = self._last_window_ns
        if last is None or last - reference_ns <= RESTART_AFTER_NS:
            return False
        while self._waiting and self._waiting[-1].stamp_ns - reference_ns > RESTART_AFTER_NS:
            self._give_up(self._waiting.pop(), None)
        self._last_window_ns = None
        return True

    def count_anew(self) -> None:
        """Begin the accounting anew, with the waiting truths."""
        self.accounting = TruthAccounting(received=len(self._waiting))

    def expire(self, reference_ns: int) -> None:
        """Discard truths that are too old for the next window, and so for all later ones."""
        while self._waiting and self._waiting[0].stamp_ns < reference_ns - self.within_ns:
            self._give_up(self._waiting.pop(0), reference_ns)

    def take(self, reference_ns: int) -> Truth | None:
        """Return the truth of the next window, or None; discard older ones.

        Args:
            reference_ns: Time of the window's depth, nanoseconds; windows are in order.
        """
        self.expire(reference_ns)
        near = []
        while self._waiting and self._waiting[0].stamp_ns <= reference_ns + self.within_ns:
            near.append(self._waiting.pop(0))
        self._last_window_ns = reference_ns
        if not near:
            return None
        self.accounting.used += 1
        self.accounting.superseded += len(near) - 1
        return min(near, key=lambda truth: abs(truth.stamp_ns - reference_ns))

    def flush(self) -> None:
        """Discard all waiting truths after the last window."""
        while self._waiting:
            self._give_up(self._waiting.pop(0), None)

    def reject(self) -> None:
        """Count the truth of the last :meth:`take` as unusable instead of used."""
        self.accounting.used -= 1
        self.accounting.unusable += 1

    def _give_up(self, truth: Truth, next_window_ns: int | None) -> None:
        self.accounting.unmatched += 1
        for window_ns in (self._last_window_ns, next_window_ns):
            if window_ns is not None:
                distance = abs(truth.stamp_ns - window_ns)
                nearest = self.accounting.nearest_ns
                self.accounting.nearest_ns = (
                    distance if nearest is None else min(nearest, distance)
                )


def truth_image(
    message: ImageMessage,
    size: tuple[int, int],
    binning: int,
    mask: Mask | None = None,
    rectification: Rectification | None = None,
) -> FloatImage:
    """Read the true depth of a message for comparison with a depth image.

    Args:
        message: 32FC1 metres or 16UC1 millimetres.
        size: Height and width of the depth image.
        binning: Sensor pixels per pixel of the depth image along each axis.
        mask: Pixels of the message's image that count, ``[H, W]``; None: all.
        rectification: Rectification of the depth image; the true depth, of the sensor's pixels, is
            rectified alike. None: none.

    Returns:
        Metres; of the depth image's size, or ``binning`` times as large; NaN: unknown, +Inf: sky,
        or beyond the range.

    Raises:
        ValueError: The message has no depth, its unit seems to be another one, or sizes do not
            fit.
    """
    truth = truth_from_msg(message)
    if problem := unit_problem(truth):
        raise ValueError(f'true depth: {problem}: record 32FC1 in metres, or 16UC1 in millimetres')
    if mask is not None:
        if mask.shape != truth.shape:
            raise ValueError(
                f'the mask is {mask.shape[1]}x{mask.shape[0]}, true depth '
                f'{truth.shape[1]}x{truth.shape[0]}: expected the same size'
            )
        truth[~mask] = np.nan
    height, width = size
    if rectification is not None:
        given = rectification.calibration
        if truth.shape in ((given.height, given.width), size):
            truth = rectification.remap_depth(truth)
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
    """Enlarge a depth image to the size of its truth by repeating binned pixels."""
    times = truth.shape[0] // image.shape[0]
    return image if times == 1 else image.repeat(times, axis=0).repeat(times, axis=1)
