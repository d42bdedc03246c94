# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The batched spike camera: luminance in, packed planes or counts out, on any device.

The arithmetic of :mod:`spike_training.sensor.simulator`, in whole quanta of charge, with all a
:class:`spike_training.sensor.parameters.Sensor` has. What is switched off costs nothing.

A recording is a function of its key: neither the batch it is simulated in nor the device nor the
calls it is cut into change it (the device: but for rounding, see :mod:`.sensor`).

Tensors on the CPU are worked on through numpy, which shares their memory: its comparisons are six
times as fast as torch's, and it packs bits.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spike_depth_ros.stream.chunk import BitOrder
from spike_training.sensor import exposure
from spike_training.sensor.parameters import IDEAL, NORMAL_STD, Pixels, Sensor, hashes, normals
from spike_training.sensor.simulator import QUANTA

_Part = tuple[slice, slice]
"""Recordings and rows."""
Array = Any
"""A numpy array or a tensor: both understand what is done with them here."""

_NOISE, _SHOT, _READ = 16, 17, 18
_STEP = 16
_PATTERN = 1 << 20
_TILE = 1 << 16
# A product with these brings the lowest bits of eight bytes together in the highest byte.
_GATHER: dict[BitOrder, int] = {
    'little': 0x0102040810204080,
    'big': 0x8040201008040201 - (1 << 64),
}


def _pack_numpy(spikes: Array, out: Array, bit_order: BitOrder) -> None:
    flat = spikes.reshape(-1)  # rows are whole bytes
    out[...] = np.packbits(flat, bitorder=bit_order).reshape(out.shape)


def _pack_torch(spikes: Array, out: Array, bit_order: BitOrder) -> None:
    out[...] = (spikes.view(torch.int64) * _GATHER[bit_order]) >> 56


@dataclass(frozen=True)
class _Library:
    """The functions of numpy or torch that the camera writes into given arrays with."""

    at_least: Callable[..., Array]
    add: Callable[..., Array]
    multiply: Callable[..., Array]
    shared: Callable[[Tensor], Array]
    number: Callable[[int], Any]
    pack: Callable[[Array, Array, BitOrder], None]


NUMPY = _Library(np.greater_equal, np.add, np.multiply, Tensor.numpy, np.int32, _pack_numpy)
TORCH = _Library(torch.ge, torch.add, torch.mul, lambda tensor: tensor, int, _pack_torch)


class SpikeCamera:
    """Some recordings at once; charge stays from call to call, so that they come in pieces.

    Args:
        height: Rows.
        width: Columns.
        keys: One key per recording, ``[B]`` int64: its first charge and its noise. The camera
            works on their device.
        sensor: Parameters of the sensor.
        chips: Keys of the sensors that see them, ``[B]``, or ``[1]`` for one that sees them all;
            the recordings' keys by default.
        bit_order: Which bit of a byte is its leftmost pixel.

    Raises:
        ValueError: Another number of chips.
    """

    def __init__(
        self,
        height: int,
        width: int,
        keys: Tensor,
        sensor: Sensor = IDEAL,
        chips: Tensor | None = None,
        bit_order: BitOrder = 'little',
    ) -> None:
        chips = keys if chips is None else chips
        if len(chips) not in (1, len(keys)):
            raise ValueError(f'{len(chips)} chips for {len(keys)} recordings: expected 1 or each')
        self.sensor, self.bit_order = sensor, bit_order
        self._keys = keys
        self._charge = exposure.phases(keys, height, width)
        self._pixels: Pixels | None = None
        if sensor.has_maps:
            self._pixels = sensor.pixels(chips, height, width)
        self._library = NUMPY if keys.device.type == 'cpu' else TORCH
        self._plane = 0

    @property
    def charge(self) -> Tensor:
        """Charge of the pixels, ``[B, H, W]`` int32, quanta of their own threshold."""
        return self._charge.clone()

    def expose(self, luminance: Tensor, knots: Sequence[int]) -> Tensor:
        """Exposes the sensors to light that changes linearly from knot to knot.

        Args:
            luminance: At the knots, ``[B, K, H, W]`` float32, 0 or more; 1 fires an ideal pixel
                in every plane. The last knot lies one past the last plane.
            knots: Plane of each knot, increasing from 0.

        Returns:
            Packed planes ``[B, planes, H, ceil(W / 8)]`` uint8; padding bits are 0.

        Raises:
            ValueError: Knots or luminance that do not fit.
        """
        exposure.check_knots(luminance, knots)
        return self._packed(luminance, knots)

    def step(self, luminance: Tensor) -> Tensor:
        """Exposes the sensors for as many planes as there are images.

        Args:
            luminance: ``[B, planes, H, W]`` float32, 0 or more.

        Returns:
            Packed planes ``[B, planes, H, ceil(W / 8)]`` uint8; padding bits are 0.

        Raises:
            ValueError: Luminance that does not fit.
        """
        return self._packed(luminance, None)

    def count(
        self, luminance: Tensor, knots: Sequence[int], bins: int = 32
    ) -> tuple[Tensor, Tensor]:
        """As :meth:`expose`, but counts the spikes of each bin instead of packing planes.

        Args:
            luminance: As for :meth:`expose`.
            knots: As for :meth:`expose`.
            bins: Number of bins, see :func:`spike_depth_ros.stream.packing.bin_edges`.

        Returns:
            Counts ``[B, bins, H, W]`` uint8, and the planes of each bin, ``[bins]`` int32.

        Raises:
            ValueError: Knots or luminance that do not fit, or bins of more than 255 planes.
        """
        exposure.check_knots(luminance, knots)
        window = exposure.Bins(knots[-1], bins, np.iinfo(np.uint8).max)
        cell_of_plane = np.repeat(np.arange(len(window.cells)), np.diff(window.cells)[:, 0])
        batch, height, width = self._charge.shape
        device = self._charge.device
        counts = torch.zeros(
            (batch, len(window.cells), height, width), dtype=torch.uint8, device=device
        )
        spikes = torch.empty((batch, height, width), dtype=torch.bool, device=device)
        fired, binned = self._library.shared(spikes), self._library.shared(counts)
        for (some, rows), run in self._integrate(luminance, knots, spikes):
            for plane in run:
                binned[some, cell_of_plane[plane], rows] += fired[some, rows]
        return window.spread(counts)

    def gathered(self, luminance: Tensor) -> Tensor:
        """What the pixels gather: luminance through their response, without noise.

        Args:
            luminance: ``[B, images, H, W]`` float32, 0 or more.

        Returns:
            Thresholds per plane, ``[B, images, H, W]`` float32 from 0 to 1.

        Raises:
            ValueError: Another size, or luminance below 0 or not a number.
        """
        self._check(luminance)
        return self._respond(luminance, slice(None), slice(None))

    def _check(self, luminance: Tensor) -> None:
        batch, height, width = self._charge.shape
        expected = [batch, *luminance.shape[1:2], height, width]
        if list(luminance.shape) != expected:
            raise ValueError(
                f'luminance {list(luminance.shape)}: expected [{batch}, images, {height}, {width}]'
            )
        # Written so that NaN fails too.
        if luminance.numel() and not bool(luminance.min() >= 0):
            raise ValueError('luminance below 0 or not a number: expected 0 or more')

    def _respond(self, luminance: Tensor, some: slice, rows: slice) -> Tensor:
        if self._pixels is None:
            return luminance.clamp(max=1)
        return self._pixels.of(some, rows).respond(luminance)

    def _exposures(
        self, luminance: Tensor, knots: Sequence[int] | None, part: _Part
    ) -> Iterator[_Exposure]:
        """A part's light from knot to knot, or for each plane; made when its turn comes."""
        some, rows = part
        if knots is None:
            for plane in range(luminance.shape[1]):
                image = luminance[some, plane : plane + 1, rows]
                gathered = self._respond(image, some, rows)[:, 0]
                yield _Exposure(1, (gathered * QUANTA).round_().to(torch.int32), None)
            return
        for k, ends in enumerate(itertools.pairwise(knots)):
            gathered = self._respond(luminance[some, k : k + 2, rows], some, rows)
            start, slope = exposure.knot_quanta(gathered, ends)
            yield _Exposure(ends[1] - ends[0], start[:, 0], slope[:, 0])

    def _packed(self, luminance: Tensor, knots: Sequence[int] | None) -> Tensor:
        batch, height, width = self._charge.shape
        device = self._charge.device
        planes = luminance.shape[1] if knots is None else knots[-1]
        row = (width + 7) // 8
        out = torch.empty((batch, planes, height, row), dtype=torch.uint8, device=device)
        padded = torch.zeros((batch, height, row * 8), dtype=torch.bool, device=device)
        bits, packed = self._library.shared(padded), self._library.shared(out)
        for (some, rows), run in self._integrate(luminance, knots, padded[..., :width]):
            fired, target = bits[some, rows], packed[some, :, rows]
            for plane in run:
                self._library.pack(fired, target[:, plane], self.bit_order)
        return out

    def _integrate(
        self, luminance: Tensor, knots: Sequence[int] | None, spikes: Tensor
    ) -> Iterator[tuple[_Part, Iterator[int]]]:
        """Parts of the batch, each with its planes: what fired in one is in ``spikes[part]``."""
        self._check(luminance)
        planes = luminance.shape[1] if knots is None else knots[-1]
        for part in self._parts():
            light = self._exposures(luminance, knots, part)
            yield part, self._run(light, planes, part, spikes[part])
        self._plane += planes

    def _parts(self) -> list[_Part]:
        """What is run at once: on the CPU what a core's cache holds, on a GPU everything.

        Noise reads more than a cache holds anyway, and is faster with fewer, longer operations.
        """
        batch, height, width = self._charge.shape
        if self._library is not NUMPY:
            return [(slice(0, batch), slice(0, height))]
        tiles = 1 if self.sensor.has_noise else min(-(-height * width // _TILE), height)
        bounds = [height * k // tiles for k in range(tiles + 1)]
        rows = [slice(first, end) for first, end in itertools.pairwise(bounds)]
        return [(slice(k, k + 1), some) for k in range(batch) for some in rows]

    def _run(
        self, exposures: Iterable[_Exposure], planes: int, part: _Part, spikes: Tensor
    ) -> Iterator[int]:
        library = self._library
        charge, fired = library.shared(self._charge[part]), library.shared(spikes)
        keep = self.sensor.mode == 'keep'
        noise = None
        if self.sensor.has_noise:
            drawn = (self._keys[part[0]], self._plane, planes)
            noise = _Noise(self.sensor, self._charge[part], library, *drawn)
        plane = 0
        for light in exposures:
            if noise is not None:
                noise.set_light(light.middle())
            gather = library.shared(light.quanta)
            slope = None if light.slope is None else library.shared(light.slope)
            for _ in range(light.planes):
                charge += gather
                if noise is None:
                    library.at_least(charge, QUANTA, out=fired)
                else:
                    noise.add_shot(plane)
                    library.at_least(noise.read(plane), QUANTA, out=fired)
                if not keep:
                    charge *= ~fired
                elif noise is None:
                    charge &= QUANTA - 1  # all that is above the threshold is one threshold
                else:
                    charge -= noise.thresholds(fired)
                yield plane
                plane += 1
                if slope is not None:
                    gather += slope


@dataclass(frozen=True)
class _Exposure:
    """Planes of light that changes linearly.

    Attributes:
        planes: Their number.
        quanta: What the first one gathers, ``[B, H, W]`` int32; overwritten by the next ones'.
        slope: What each one gathers more than the one before, ``[B, H, W]`` int32.
    """

    planes: int
    quanta: Tensor
    slope: Tensor | None

    def middle(self) -> Tensor:
        """Quanta half-way, ``[B, H, W]`` int32."""
        if self.slope is None:
            return self.quanta
        return self.quanta + self.slope * (self.planes // 2)


class _Noise:
    """Shot and read-out noise of a part of the batch, from one long pattern of normal numbers.

    The noise of a plane is a stretch of the pattern, from a place that key and plane hash to: it
    costs little more than reading it, and is the same in every batch and on every device.

    Args:
        sensor: Parameters.
        charge: Charge of the part, ``[B, H, W]`` int32 quanta, which shot noise is added to.
        library: The functions for its device.
        keys: Keys of the recordings, ``[B]``.
        first: Number of the first plane.
        planes: Number of planes.
    """

    def __init__(
        self,
        sensor: Sensor,
        charge: Tensor,
        library: _Library,
        keys: Tensor,
        first: int,
        planes: int,
    ) -> None:
        self._charge, self._library = charge, library
        self._electrons = sensor.electrons
        pixels = charge[0].numel()
        length = max(_PATTERN, 1 << (4 * pixels - 1).bit_length())
        read_scale = round(sensor.read_noise * QUANTA / NORMAL_STD)
        self._shot_pattern, self._read_pattern = (
            library.shared(_pattern(length, scale, str(keys.device))) if scale else None
            for scale in (int(math.isfinite(sensor.electrons)), read_scale)
        )
        places = (length - pixels) // _STEP
        self._shot_places, self._read_places = (
            (hashes(keys, planes, stream, first) % places * _STEP).tolist()
            for stream in (_SHOT, _READ)
        )
        self._held = library.shared(charge)
        self._drawn = library.shared(torch.empty_like(charge))
        self._scratch = library.shared(torch.empty_like(charge))
        self._amplitude: Array | None = None

    def set_light(self, quanta: Tensor) -> None:
        """Sets what a plane gathers, ``[B, H, W]`` int32 quanta: shot noise depends on it."""
        if self._shot_pattern is None:
            return
        deviation = (quanta.float() / QUANTA / self._electrons).sqrt_()
        # A pixel that light saturates is full in every plane.
        deviation *= quanta < QUANTA
        amplitude = (deviation * (QUANTA / NORMAL_STD)).round_().to(torch.int32)
        self._amplitude = self._library.shared(amplitude)

    def add_shot(self, plane: int) -> None:
        """Adds the shot noise of a plane to the charge."""
        if self._amplitude is not None:
            drawn = self._stretch(self._shot_pattern, self._shot_places, plane)
            self._held += self._library.multiply(drawn, self._amplitude, out=self._scratch)
            self._charge.clamp_(max=2 * QUANTA - 1)  # no noise fills a pixel beyond saturation

    def read(self, plane: int) -> Array:
        """The charge as the comparison of a plane sees it."""
        if self._read_pattern is None:
            return self._held
        drawn = self._stretch(self._read_pattern, self._read_places, plane)
        return self._library.add(drawn, self._held, out=self._scratch)

    def thresholds(self, fired: Array) -> Array:
        """Quanta of one threshold where a pixel fired, 0 elsewhere."""
        number = self._library.number(QUANTA)
        return self._library.multiply(fired, number, out=self._scratch)

    def _stretch(self, pattern: Array, places: list[list[int]], plane: int) -> Array:
        """The pattern from each recording's place for a plane on, ``[B, H, W]``."""
        pixels = self._charge[0].shape
        length = math.prod(pixels)
        if len(places) == 1:
            place = places[0][plane]
            return pattern[place : place + length].reshape(self._held.shape)
        for drawn, row in zip(self._drawn, places, strict=True):
            place = row[plane]
            drawn[:] = pattern[place : place + length].reshape(pixels)
        return self._drawn


@functools.lru_cache(maxsize=4)
def _pattern(length: int, scale: int, device: str) -> Tensor:
    """Normal numbers, ``[length]`` int32, of standard deviation ``scale * NORMAL_STD``."""
    key = torch.zeros(1, dtype=torch.int64, device=device)
    return normals(key, length, _NOISE)[0] * scale


def simulate_counts(
    luminance: Tensor,
    knots: Sequence[int],
    keys: Tensor,
    sensor: Sensor = IDEAL,
    chips: Tensor | None = None,
    bins: int = 32,
) -> tuple[Tensor, Tensor]:
    """Counts of fresh cameras: what a network trains on.

    Without noise from plane to plane they follow in closed form, and no planes are made; the ideal
    sensor's are those of :func:`spike_training.sensor.exposure.count_spikes`.

    Args:
        luminance: At the knots, ``[B, K, H, W]`` float32, 0 or more. The last knot lies one past
            the last plane.
        knots: Plane of each knot, increasing from 0.
        keys: One key per recording, ``[B]`` int64.
        sensor: Parameters of the sensor.
        chips: As for :class:`SpikeCamera`.
        bins: Number of bins.

    Returns:
        Counts ``[B, bins, H, W]`` uint8, and the planes of each bin, ``[bins]`` int32.

    Raises:
        ValueError: Knots, luminance or chips that do not fit, or bins of more than 126 planes.
    """
    height, width = luminance.shape[-2:]
    camera = SpikeCamera(height, width, keys, sensor, chips)
    if sensor.has_noise or sensor.mode == 'reset':
        return camera.count(luminance, knots, bins)
    return exposure.count_spikes(camera.gathered(luminance), knots, camera.charge, bins)
