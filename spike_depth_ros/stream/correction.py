# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Correction of a sensor's faulty pixels, response and dark current.

The bits of faulty pixels are replaced in the packed planes. Response and dark current are
corrected in the counts that a network takes: single planes have nothing between 0 and 1.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spike_depth_ros.stream.chunk import BitOrder, PackedPlanes

PREFIX = 'sensor.'
"""Prefix of the names of a correction's tensors in a checkpoint."""

MAX_FAULTY = 0.1
"""Share of the pixels that may be faulty."""

MAX_DISTANCE = 8
"""Rows and columns from a faulty pixel to the one that replaces it, at most."""

GAINS = (0.1, 10.0)
"""Lowest and highest relative response."""

_TINY = 1e-6  # far below one spike; makes 0 / 0 a 0


class Measured(NamedTuple):
    """Origin of the maps: measured in recordings made for it, or else estimated."""

    gain: bool = False
    dark: bool = False


class SensorCorrection:
    """Correction of one sensor.

    Args:
        faulty: True for pixels that are replaced by the nearest good one, ``[H, W]`` bool.
        gain: Relative response of the pixels, about 1 in the mean, ``[H, W]``.
        dark: Dark current, spikes per second, 0 or more, ``[H, W]``. Gain and dark current of
            faulty pixels have no effect.
        measured: Origin of the two maps.

    Attributes:
        faulty: As given.
        gain: As given, float16.
        dark: As given, float16.
        measured: As given.
        sources: Number of the pixel that each pixel's spikes are taken from, row by row,
            ``[H, W]``.

    Raises:
        ValueError: The maps differ in size, are not of such numbers, or too many pixels are
            faulty.
    """

    def __init__(
        self,
        faulty: npt.NDArray[np.bool_],
        gain: npt.NDArray[Any],
        dark: npt.NDArray[Any],
        measured: Measured = Measured(),  # noqa: B008
    ) -> None:
        if faulty.ndim != 2 or faulty.dtype != bool or faulty.size == 0:
            raise ValueError(
                f'faulty is {faulty.dtype} {list(faulty.shape)}, expected bool [H, W]'
            )
        self.faulty, self.measured = faulty, measured
        with np.errstate(over='ignore'):
            self.gain, self.dark = (one.astype(np.float16) for one in (gain, dark))
        low, high = GAINS
        for name, one, least, most in (
            ('gain', self.gain, low, high),
            ('dark', self.dark, 0, np.finfo(np.float16).max),
        ):
            if one.shape != faulty.shape:
                raise ValueError(
                    f'{name} is {list(one.shape)}, expected {list(faulty.shape)} as faulty'
                )
            wrong = one[~((one >= np.float16(least)) & (one <= np.float16(most)))]
            if wrong.size:
                raise ValueError(
                    f'{name} has the value {wrong[0]:g}, expected {least:g} to {most:g}'
                )
        if faulty.mean() > MAX_FAULTY:
            raise ValueError(
                f'{faulty.mean():.0%} of the pixels are faulty, expected at most {MAX_FAULTY:.0%}'
            )
        self.sources = _nearest_good(faulty)
        self._moves: dict[BitOrder, list[_Move]] = {}

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the sensor, pixels."""
        height, width = self.faulty.shape
        return height, width

    @property
    def has_maps(self) -> bool:
        """True if a response differs from 1, or a dark current from 0."""
        return bool((self.gain != 1).any() or self.dark.any())

    @functools.cached_property
    def effective_maps(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Gain and dark current of the pixels whose bits are counted, each ``[H, W]`` float32."""
        gain, dark = (
            one.astype(np.float32).ravel()[self.sources] for one in (self.gain, self.dark)
        )
        return gain, dark

    def replace_faulty(
        self, packed: PackedPlanes, bit_order: BitOrder, out: PackedPlanes | None = None
    ) -> PackedPlanes:
        """Replace the bits of faulty pixels by those of the nearest good ones.

        Args:
            packed: ``[planes, H, ceil(W / 8)]`` uint8; not written to.
            bit_order: Leftmost pixel of a byte.
            out: Array for the result, contiguous, of the shape of ``packed``; None: a new one.

        Returns:
            Corrected copy; ``packed`` itself if no pixel is faulty.
        """
        if not self.faulty.any():
            return packed
        if bit_order not in self._moves:
            self._moves[bit_order] = _moves(self.faulty, self.sources, bit_order)
        found = np.empty(packed.shape, np.uint8) if out is None else out  # contiguous
        np.copyto(found, packed)
        planes = found.reshape(len(found), -1)
        for move in self._moves[bit_order]:
            spikes = np.take(planes, move.source_bytes, axis=1) & move.source_masks != 0
            others = planes[:, move.target_bytes] & ~move.target_masks
            planes[:, move.target_bytes] = others | spikes * move.target_masks
        return found

    def without_maps(self) -> SensorCorrection:
        """Return the correction of the faulty pixels alone."""
        gain, dark = np.ones_like(self.gain), np.zeros_like(self.dark)
        return SensorCorrection(self.faulty, gain, dark)

    def crop(self, rows: slice, columns: slice) -> SensorCorrection:
        """Return the correction of a part of the sensor."""
        part = rows, columns
        return SensorCorrection(self.faulty[part], self.gain[part], self.dark[part], self.measured)

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Return the tensors of a checkpoint, by name."""
        return {
            f'{PREFIX}faulty': self.faulty,
            f'{PREFIX}gain': self.gain,
            f'{PREFIX}dark': self.dark,
            f'{PREFIX}measured': np.array(self.measured),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, npt.NDArray[Any]]) -> SensorCorrection | None:
        """Read the output of :meth:`tensors` among other tensors; None if there is none of it.

        Raises:
            ValueError: A tensor is missing, unknown, or not as expected.
        """
        own = {
            name.removeprefix(PREFIX): value
            for name, value in tensors.items()
            if name.startswith(PREFIX)
        }
        if not own:
            return None
        names = {'faulty', 'gain', 'dark', 'measured'}
        for name in sorted(names ^ own.keys()):
            raise ValueError(
                f'{name} is {"missing" if name in names else "unknown"}, expected '
                f'{", ".join(sorted(names))}'
            )
        measured = own.pop('measured')
        if measured.dtype != bool or measured.shape != (2,):
            raise ValueError(f'measured is {measured.dtype} {list(measured.shape)}, expected bool '
                             '[2]')  # fmt: skip
        for name in ('gain', 'dark'):
            if own[name].dtype != np.float16:
                raise ValueError(f'{name} is {own[name].dtype}, expected float16')
        return cls(**own, measured=Measured(*measured.tolist()))


def count_factors(total: Any, dark: Any, gain: Any) -> Any:
    """Compute the factors on the counts of cells that correct response and dark current.

    A bin has few spikes, often fewer than its dark ones: subtracted in each bin, and limited to 0,
    dark current would be corrected too little. Of the whole window it is subtracted without bias,
    and bins keep their shares of the total.

    Args:
        total: Spikes of each cell in the window, array or tensor of floats.
        dark: Expected dark spikes, of the same or a smaller shape.
        gain: Relative response, as ``dark``.

    Returns:
        Factors, 0 or more, of the shape of ``total``.
    """
    return (total - dark).clip(min=0) / total.clip(min=_TINY) / gain


class _Move(NamedTuple):
    """Bits to be replaced, no two of them in one byte; bytes are numbered within a plane.

    Attributes:
        source_bytes: Byte that each bit is taken from, ``[N]``.
        source_masks: The bit in it, ``[N]`` uint8.
        target_bytes: Byte that it is written to, ``[N]``.
        target_masks: The bit in it, ``[N]`` uint8.
    """

    source_bytes: npt.NDArray[np.intp]
    source_masks: npt.NDArray[np.uint8]
    target_bytes: npt.NDArray[np.intp]
    target_masks: npt.NDArray[np.uint8]


def _moves(
    faulty: npt.NDArray[np.bool_], sources: npt.NDArray[np.intp], bit_order: BitOrder
) -> list[_Move]:
    """Return the replacements: those of the first faulty pixel of each byte, of the second, ..."""
    width = faulty.shape[1]

    def locate(pixels: npt.NDArray[np.intp]) -> tuple[Any, npt.NDArray[np.uint8]]:
        row, column = np.divmod(pixels, width)
        bit = column % 8 if bit_order == 'little' else 7 - column % 8
        return row * ((width + 7) // 8) + column // 8, (1 << bit).astype(np.uint8)

    # Pixels are in the order of their bytes.
    every = _Move(*locate(sources[faulty]), *locate(np.flatnonzero(faulty)))
    number = np.arange(len(every.target_bytes))
    _, first, inverse = np.unique(every.target_bytes, return_index=True, return_inverse=True)
    place = number - first[inverse]
    return [_Move(*(one[place == k] for one in every)) for k in range(int(place.max()) + 1)]


def _nearest_good(faulty: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Return the number of the nearest good pixel of each pixel, ``[H, W]``."""
    height, width = faulty.shape
    sources = np.arange(faulty.size).reshape(faulty.shape)
    rows, columns = np.nonzero(faulty)
    reach = range(-MAX_DISTANCE, MAX_DISTANCE + 1)
    for _, y, x in sorted((y * y + x * x, y, x) for y in reach for x in reach):
        r, c = rows + y, columns + x
        good = (r >= 0) & (r < height) & (c >= 0) & (c < width)
        good[good] = ~faulty[r[good], c[good]]
        sources[rows[good], columns[good]] = r[good] * width + c[good]
        rows, columns = rows[~good], columns[~good]
        if not len(rows):
            return sources
    raise ValueError(
        f'faulty pixel in row {rows[0]} and column {columns[0]}: expected a good one within '
        f'{MAX_DISTANCE} rows and columns'
    )
