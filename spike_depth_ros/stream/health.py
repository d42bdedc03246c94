# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of a stream by its planes: their size, row length, bit order, and exposure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from spike_depth_ros.stream.packing import Counts

DARK_RATE = 0.01
"""Mean firing rate, spikes per pixel and plane, below which a window is too dark."""

SATURATED_SHARE = 0.2
"""Share of pixels that fire in every plane above which a window is saturated."""

STRIPE_RATIO = 1.15
"""Ratio of the misfits of both bit orders from which one is considered right."""

LAYOUT_BYTES = 1 << 20
"""Bytes of a raw stream to estimate its layout from: 84 planes of 400x250."""

MAX_ROW_BYTES = 512
"""Longest row that :func:`plane_layout` finds, bytes."""

CLEAR_PEAK = 0.1
"""Least height of a peak of the autocorrelation above its minimum."""

ROW_PEAK_SHARE = 0.9
PLANE_PEAK_SHARE = 0.75
"""Height of the peak of one row or plane, as a share of the highest peak."""


ROW_MARGIN = 0.02
"""Least gain in the correlation of neighbouring rows by another row length than the stated one.

In 1 MB of generated scenes of every style, ideal, noisy, blurred and dark, another row length
gains at most 0.006 where the stated one is right, and nothing on real recordings. Where these are
padded or cut by 2 bytes, or their width is stated wrong by 8 pixels, it gains 0.04 to 0.28.
"""

PLANE_SHARE = 0.6
"""Correlation of bytes a plane apart, as a share of that of neighbouring rows, of whole planes.

It is 0.88 or more on real recordings, below 0.5 where the stated plane is of another length.
"""

_LEAST_STEPS = 256  # across boundaries of bytes; in fewer, noise reaches STRIPE_RATIO
_ROW_SAMPLE = 1 << 19  # bytes; in the dark, noise reaches ROW_MARGIN in a seventh of it
_FOLDED_PLANES = 128  # consecutive planes; in more, the picture moves
_MIN_ROWS = 8  # of a plane
_HIGHEST = 8  # times its width, of a sensor; a texture may repeat more often within its rows
_BITS_SET = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(
    axis=1, dtype=np.float32
)


@dataclasses.dataclass(frozen=True)
class Exposure:
    """Exposure of a window.

    Attributes:
        mean_rate: Spikes per pixel and plane, 0 to 1.
        always: Share of pixels that fired in every plane.
        never: Share of pixels that never fired.
    """

    mean_rate: float
    always: float
    never: float

    @property
    def too_dark(self) -> bool:
        """True if there are too few spikes."""
        return self.mean_rate < DARK_RATE

    @property
    def saturated(self) -> bool:
        """True if too many pixels fire in every plane."""
        return self.always > SATURATED_SHARE


def measure_exposure(counts: Counts, planes: int) -> Exposure:
    """Measure the exposure of a window.

    Args:
        counts: Spikes of each pixel, ``[height, width]``.
        planes: Number of planes of the window.
    """
    return Exposure(
        mean_rate=float(counts.mean() / planes),
        always=float((counts == planes).mean()),
        never=float((counts == 0).mean()),
    )


def bit_order_misfit(counts: Counts) -> float:
    """Compute the misfit of the assumed bit order over that of the other one.

    With the wrong order each group of eight pixels is mirrored, which shows as stripes: neighbours
    across a byte boundary are then 15 pixels apart. Steps inside a byte are the same either way,
    so the steps across boundaries, read both ways, are compared.

    Args:
        counts: Spikes of each pixel as unpacked with the assumed order, ``[height, width]``.

    Returns:
        The ratio: below 1 the assumed order fits better, above 1 the other; 1 if it cannot be
        determined (a small picture, or one without structure).
    """
    whole = counts.shape[1] // 8 * 8
    columns = counts[:, :whole].astype(np.float64)
    assumed = np.abs(columns[:, 7:-1:8] - columns[:, 8::8])
    mirrored = np.abs(columns[:, 0:-8:8] - columns[:, 15::8])
    if assumed.size < _LEAST_STEPS or (assumed.sum() == 0 and mirrored.sum() == 0):
        return 1.0
    return float((assumed.sum() + 1e-9) / (mirrored.sum() + 1e-9))


def bit_order_fits(misfit: float) -> bool | None:
    """Evaluate a result of :func:`bit_order_misfit`.

    Returns:
        True: the assumed order is right; False: it is wrong; None: undetermined.
    """
    if misfit > STRIPE_RATIO:
        return False
    return True if misfit * STRIPE_RATIO < 1 else None


def plane_layout(data: npt.NDArray[np.uint8]) -> tuple[int, int] | None:
    """Estimate the size of the planes of a raw stream from the period of its bytes.

    Spikes counted by byte are alike in neighbouring rows and in consecutive planes: the
    autocorrelation of the stream has peaks at multiples of a row, and those are highest around
    multiples of a plane.

    Args:
        data: Bytes of consecutive planes as they are stored; :data:`LAYOUT_BYTES` are enough.

    Returns:
        Bytes of a row and rows of a plane; None: undetermined.
    """
    if len(data) < 4 * MAX_ROW_BYTES:
        return None
    repeats = _autocorrelation(_spikes_of_bytes(data), len(data) // 2)
    if repeats is None:
        return None
    row = _first_peak(repeats[: MAX_ROW_BYTES + 2], 2, ROW_PEAK_SHARE)
    if row is None:
        return None
    by_row = repeats[row::row]
    if len(by_row) < 12:
        return None
    # A pixel does not fire in consecutive planes, which lowers the values at whole planes: they
    # are interpolated from both sides.
    sides = (2 * by_row[1:-3] - by_row[:-4], 2 * by_row[3:-1] - by_row[4:])
    filled = np.maximum(by_row[2:-2], np.minimum(*sides))
    first = _first_peak(filled, 2, PLANE_PEAK_SHARE)
    if first is None:
        return None
    return row, first + int(filled[first : first + 4].argmax()) + 3


def find_row_bytes(
    parts: Sequence[npt.NDArray[np.uint8]], row_bytes: int, plane_bytes: int
) -> int | None:
    """Find the row length of raw planes where it is clearly another one than stated.

    Neighbouring rows are alike: the correlation of bytes is highest a row apart. Near-horizontal
    lines may raise it at another distance, too; there, the bytes still repeat by the stated plane.
    A multiple of the stated length is never found, as rows of some sensors alternate; nor is one
    by which the sensor is much higher than wide, as textures repeat within rows.

    Args:
        parts: Consecutive bytes as they are stored, of one or more places of a recording.
        row_bytes: Stated bytes of a row.
        plane_bytes: Stated bytes of a plane.

    Returns:
        Bytes of a row; None: the stated length fits, or there is too little structure to know.
    """
    longest = min(MAX_ROW_BYTES, plane_bytes // _MIN_ROWS)
    parts = [part for part in parts if len(part) > 2 * MAX_ROW_BYTES]
    if row_bytes > longest or sum(map(len, parts)) < _ROW_SAMPLE:
        return None
    every = [_autocorrelation(_spikes_of_bytes(part), longest + 2) for part in parts]
    lit = [one for one in every if one is not None]
    if not lit:
        return None
    repeats = np.mean(lit, axis=0)
    inner = repeats[2:-1]
    peaks = np.flatnonzero((inner > repeats[1:-2]) & (inner >= repeats[3:])) + 2
    if not peaks.size:
        return None
    highest = int(peaks[repeats[peaks].argmax()])
    # Every second row is nearly as like as the next one.
    found = min(
        int(peak)
        for peak in peaks
        if highest % peak == 0 and repeats[peak] >= repeats[highest] - ROW_MARGIN
    )
    if found % row_bytes == 0 or repeats[found] - repeats[row_bytes] < ROW_MARGIN:
        return None
    if plane_bytes > _HIGHEST * 8 * found * found:
        return None
    whole = plane_correlation(parts, plane_bytes) >= PLANE_SHARE * repeats[found]
    return None if whole and plane_bytes % found else found


def plane_correlation(parts: Sequence[npt.NDArray[np.uint8]], plane_bytes: int) -> float:
    """Compute the correlation of bytes a plane apart, between the means of alternate planes.

    Args:
        parts: Consecutive bytes as they are stored.
        plane_bytes: Bytes of a plane.

    Returns:
        Their covariance over the variance of all bytes: the share of the picture, without noise;
        0 without a part of four planes.
    """
    found = []
    for part in parts:
        planes = min(len(part) // plane_bytes, _FOLDED_PLANES)
        if planes < 4:
            continue
        spikes = _spikes_of_bytes(part[: planes * plane_bytes]).reshape(planes, plane_bytes)
        spikes -= spikes.mean(axis=1, keepdims=True)
        even, odd = spikes[0::2].mean(axis=0), spikes[1::2].mean(axis=0)
        found.append(float((even * odd).mean() / max(float(spikes.var()), 1e-9)))
    return float(np.mean(found)) if found else 0.0


def _spikes_of_bytes(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    spikes: npt.NDArray[np.float32] = _BITS_SET[data]
    return spikes


def _autocorrelation(values: npt.NDArray[np.float32], lags: int) -> npt.NDArray[np.float64] | None:
    """Return the correlation with itself at lags from 0 on; None if the values do not vary."""
    length = len(values)
    # Sums over blocks whose transforms stay in the cache: several times as fast as a long one.
    size = 1 << (4 * lags - 1).bit_length()
    step = size - lags
    whole = np.zeros(-(-length // step) * step + lags, np.float32)
    whole[:length] = values - values.mean()
    blocks = np.lib.stride_tricks.sliding_window_view(whole, size)[::step]
    power = np.zeros(size // 2 + 1, np.complex128)
    for block in blocks:
        power += np.conj(np.fft.rfft(block[:step], size)) * np.fft.rfft(block)
    repeats = np.fft.irfft(power)[:lags]
    if repeats[0] <= 0:
        return None
    found: npt.NDArray[np.float64] = repeats / repeats[0] * (length / (length - np.arange(lags)))
    return found


def _first_peak(values: npt.NDArray[np.float64], start: int, share: float) -> int | None:
    """Find the first local maximum from ``start`` on that is nearly as high as the highest one.

    Returns:
        Its index; None without a clear maximum.
    """
    inner = values[start:-1]
    peaks = (
        np.flatnonzero((inner > values[start - 1 : -2]) & (inner >= values[start + 1 :])) + start
    )
    if not peaks.size:
        return None
    low, high = values[start:].min(), values[peaks].max()
    if high < CLEAR_PEAK or high - low < CLEAR_PEAK:
        return None
    return int(peaks[values[peaks] - low >= share * (high - low)][0])
