# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Batched spike camera: luminance in, packed planes or counts out, on any device.

Integrate and fire (:mod:`spike_depth_ros.io.video.spiking`) for batches, with all that a
:class:`spike_training.sensor.parameters.Sensor` has. Defects that are switched off cost nothing.

A recording is a function of its seed: batch, device and division into calls do not change it (the
device: except for rounding, see :mod:`.parameters`).

On the CPU numpy works on the tensors' memory: its comparisons are six times as fast as torch's,
and it packs bits.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spike_depth_ros.io.video.spiking import (
    QUANTA,
    Array,
    LinearLight,
    integrate_and_fire,
    linear_light,
    to_quanta,
)
from spike_depth_ros.stream.chunk import BitOrder
from spike_training.sensor import exposure
from spike_training.sensor.parameters import IDEAL, Sensor
from spike_training.sensor.pixels import NORMAL_STD, Pixels, hashes, normals, pixels_of

_Part = tuple[slice, slice]
"""Recordings and rows."""

_NOISE, _SHOT, _READ = 16, 17, 18
_STEP = 16
_PATTERN = 1 << 20
_TILE = 1 << 16
# A product with these brings the lowest bits of eight bytes together in the highest byte.
_GATHER: dict[BitOrder, int] = {
    'little': 0x0102040810204080,
    'big': 0x8040201008040201 - (1 << 64),
}


def _shared(xp: Any, tensor: Tensor) -> Array:
    """Return the array of the namespace that shares a tensor's memory."""
    return tensor.numpy() if xp is np else tensor


def _pack(xp: Any, spikes: Array, out: Array, bit_order: BitOrder) -> None:
    """Pack spikes whose rows are whole bytes."""
    if xp is np:
        out[...] = np.packbits(spikes.reshape(-1), bitorder=bit_order).reshape(out.shape)
    else:
        out[...] = (spikes.view(torch.int64) * _GATHER[bit_order]) >> 56


class SpikeCamera:
    """Spike camera of a batch of recordings; charge is kept from call to call.

    Args:
        height: Rows.
        width: Columns.
        seeds: One per recording, ``[B]`` int64: of its initial charge and its noise. The camera
            works on their device.
        sensor: Parameters of the sensor.
        sensor_ids: Number of the sensor of each recording, ``[B]`` int64, or ``[1]`` for one of
            all; equal numbers are the same pixels. The seeds by default.
        bit_order: Bit of a byte that is its leftmost pixel.

    Raises:
        ValueError: Another number of sensors.
    """

    def __init__(
        self,
        height: int,
        width: int,
        seeds: Tensor,
        sensor: Sensor = IDEAL,
        sensor_ids: Tensor | None = None,
        bit_order: BitOrder = 'little',
    ) -> None:
        sensor_ids = seeds if sensor_ids is None else sensor_ids
        if len(sensor_ids) not in (1, len(seeds)):
            raise ValueError(
                f'{len(sensor_ids)} sensors for {len(seeds)} recordings: expected 1 or each'
            )
        self.sensor, self.bit_order = sensor, bit_order
        self._seeds = seeds
        self._charge = exposure.initial_charge(seeds, height, width)
        self._pixels: Pixels | None = None
        if sensor.has_maps:
            self._pixels = pixels_of(sensor, sensor_ids, height, width)
        self._xp: Any = np if seeds.device.type == 'cpu' else torch
        self._plane = 0

    @property
    def charge(self) -> Tensor:
        """Charge of the pixels, ``[B, H, W]`` int32, quanta of their own threshold."""
        return self._charge.clone()

    def expose(self, luminance: Tensor, knots: Sequence[int]) -> Tensor:
        """Expose the sensors to light that changes linearly from knot to knot.

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
        """Expose the sensors for as many planes as there are images.

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
        """Expose the sensors and count the spikes of each bin instead of packing planes.

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
        fired, binned = _shared(self._xp, spikes), _shared(self._xp, counts)
        for (some, rows), run in self._integrate(luminance, knots, spikes):
            for plane in run:
                binned[some, cell_of_plane[plane], rows] += fired[some, rows]
        return window.spread(counts)

    def response(self, luminance: Tensor) -> Tensor:
        """Return the charge that pixels gather per plane, without noise.

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

    def _lights(
        self, luminance: Tensor, knots: Sequence[int] | None, part: _Part
    ) -> Iterator[LinearLight]:
        """Yield a part's light from knot to knot, or of each plane."""
        some, rows = part
        xp = self._xp
        if knots is None:
            for plane in range(luminance.shape[1]):
                image = self._respond(luminance[some, plane : plane + 1, rows], some, rows)[:, 0]
                yield LinearLight(1, _shared(xp, to_quanta(torch, image)))
            return
        for k, (first, end) in enumerate(itertools.pairwise(knots)):
            images = self._respond(luminance[some, k : k + 2, rows], some, rows)
            light = linear_light(torch, images[:, 0], images[:, 1], end - first)
            yield LinearLight(end - first, _shared(xp, light.quanta), _shared(xp, light.slope))

    def _packed(self, luminance: Tensor, knots: Sequence[int] | None) -> Tensor:
        batch, height, width = self._charge.shape
        device = self._charge.device
        planes = luminance.shape[1] if knots is None else knots[-1]
        row = (width + 7) // 8
        out = torch.empty((batch, planes, height, row), dtype=torch.uint8, device=device)
        padded = torch.zeros((batch, height, row * 8), dtype=torch.bool, device=device)
        bits, packed = _shared(self._xp, padded), _shared(self._xp, out)
        for (some, rows), run in self._integrate(luminance, knots, padded[..., :width]):
            fired, target = bits[some, rows], packed[some, :, rows]
            for plane in run:
                _pack(self._xp, fired, target[:, plane], self.bit_order)
        return out

    def _integrate(
        self, luminance: Tensor, knots: Sequence[int] | None, spikes: Tensor
    ) -> Iterator[tuple[_Part, Iterator[int]]]:
        """Yield parts of the batch with their planes, whose spikes are in ``spikes[part]``."""
        self._check(luminance)
        planes = luminance.shape[1] if knots is None else knots[-1]
        xp, sensor = self._xp, self.sensor
        for part in self._parts():
            charge, fired = self._charge[part], _shared(xp, spikes[part])
            noise = None
            if sensor.has_noise:
                noise = _Noise(sensor, charge, xp, self._seeds[part[0]], self._plane, planes)
            light, held = self._lights(luminance, knots, part), _shared(xp, charge)
            yield part, integrate_and_fire(xp, held, light, fired, sensor.mode, noise)
        self._plane += planes

    def _parts(self) -> list[_Part]:
        """Divide the batch: on the CPU into what a core's cache holds, on a GPU not at all.

        Noise reads more than a cache holds anyway, and is faster with fewer, longer operations.
        """
        batch, height, width = self._charge.shape
        if self._xp is not np:
            return [(slice(0, batch), slice(0, height))]
        tiles = 1 if self.sensor.has_noise else min(-(-height * width // _TILE), height)
        bounds = [height * k // tiles for k in range(tiles + 1)]
        rows = [slice(first, end) for first, end in itertools.pairwise(bounds)]
        return [(slice(k, k + 1), some) for k in range(batch) for some in rows]


class _Noise:
    """Shot and read-out noise of a part of the batch, from one long pattern of normal numbers.

    The noise of a plane is a slice of the pattern at an offset that is a hash of seed and plane.
    It costs little more than reading it, and is the same in every batch and on every device.

    Args:
        sensor: Parameters.
        charge: Charge of the part, ``[B, H, W]`` int32 quanta, which shot noise is added to.
        xp: Array namespace for its device.
        seeds: Seeds of the recordings, ``[B]``.
        first: Number of the first plane.
        planes: Number of planes.
    """

    def __init__(
        self,
        sensor: Sensor,
        charge: Tensor,
        xp: Any,
        seeds: Tensor,
        first: int,
        planes: int,
    ) -> None:
        self._charge, self._xp = charge, xp
        self._electrons = sensor.electrons
        pixels = charge[0].numel()
        length = max(_PATTERN, 1 << (4 * pixels - 1).bit_length())
        read_scale = round(sensor.read_noise * QUANTA / NORMAL_STD)
        self._shot_pattern, self._read_pattern = (
            _shared(xp, _pattern(length, scale, str(seeds.device))) if scale else None
            for scale in (int(math.isfinite(sensor.electrons)), read_scale)
        )
        places = (length - pixels) // _STEP
        self._shot_places, self._read_places = (
            (hashes(seeds, planes, stream, first) % places * _STEP).tolist()
            for stream in (_SHOT, _READ)
        )
        self._held = _shared(xp, charge)
        self._drawn = xp.empty_like(self._held)
        self._scratch = xp.empty_like(self._held)
        self._amplitude: Array | None = None

    def set_light(self, light: LinearLight) -> None:
        """Set the light of the planes that follow: shot noise depends on that of the middle."""
        if self._shot_pattern is None:
            return
        quanta = light.quanta
        if light.slope is not None:
            quanta = quanta + light.slope * (light.planes // 2)
        middle = torch.as_tensor(quanta)
        deviation = (middle.float() / QUANTA / self._electrons).sqrt_()
        # A pixel that light saturates is full in every plane.
        deviation *= middle < QUANTA
        amplitude = (deviation * (QUANTA / NORMAL_STD)).round_().to(torch.int32)
        self._amplitude = _shared(self._xp, amplitude)

    def disturb(self, plane: int) -> Array:
        """Add shot noise to the charge, and return it with read-out noise, which is not kept."""
        xp, scratch = self._xp, self._scratch
        if self._amplitude is not None:
            drawn = self._stretch(self._shot_pattern, self._shot_places, plane)
            self._held += xp.multiply(drawn, self._amplitude, out=scratch)
            self._charge.clamp_(max=2 * QUANTA - 1)  # no noise fills a pixel beyond saturation
        if self._read_pattern is None:
            return self._held
        drawn = self._stretch(self._read_pattern, self._read_places, plane)
        return xp.add(drawn, self._held, out=scratch)

    def _stretch(self, pattern: Array, places: list[list[int]], plane: int) -> Array:
        """Return the pattern from each recording's place of a plane on, ``[B, H, W]``."""
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
    """Return normal numbers, ``[length]`` int32, of deviation ``scale * NORMAL_STD``."""
    seed = torch.zeros(1, dtype=torch.int64, device=device)
    return normals(seed, length, _NOISE)[0] * scale


def simulate_counts(
    luminance: Tensor,
    knots: Sequence[int],
    seeds: Tensor,
    sensor: Sensor = IDEAL,
    sensor_ids: Tensor | None = None,
    bins: int = 32,
) -> tuple[Tensor, Tensor]:
    """Return the counts of fresh cameras, the input that networks train on.

    Without noise from plane to plane they follow in closed form, and no planes are made; the ideal
    sensor's are those of :func:`spike_training.sensor.exposure.count_spikes`.

    Args:
        luminance: At the knots, ``[B, K, H, W]`` float32, 0 or more. The last knot lies one past
            the last plane.
        knots: Plane of each knot, increasing from 0.
        seeds: As for :class:`SpikeCamera`.
        sensor: Parameters of the sensor.
        sensor_ids: As for :class:`SpikeCamera`.
        bins: Number of bins.

    Returns:
        Counts ``[B, bins, H, W]`` uint8, and the planes of each bin, ``[bins]`` int32.

    Raises:
        ValueError: Arguments that do not fit each other, or bins of more than 126 planes.
    """
    height, width = luminance.shape[-2:]
    camera = SpikeCamera(height, width, seeds, sensor, sensor_ids)
    if sensor.has_noise or sensor.mode == 'reset':
        return camera.count(luminance, knots, bins)
    return exposure.count_spikes(camera.response(luminance), knots, camera.charge, bins)
