# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Response maps of the pixels of real sensors.

A pixel's charge is measured in thresholds of that pixel. Mismatch of response and threshold, dark
current, hot and dead pixels and saturation are then one affine map of luminance, clipped at one
threshold per plane, before an ideal camera. All code that works on luminance in thresholds per
plane works for such a sensor too, at no further cost.

All randomness is an integer hash of seeds and pixel numbers: the same on every device and in every
batch. The exception is the exponential function of the dark current's spread. It differs by some
1e-7 of that current between a CPU and a GPU, which seldom moves a spike by a plane.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spike_depth_ros.io.video.spiking import Array
from spike_training.sensor.parameters import Sensor

NORMAL_STD = math.sqrt(8 * (256**2 - 1) / 12)
"""Standard deviation of the whole numbers that :func:`normals` draws."""

_NUMPY_DEVICE = 'cpu'
_LOW = 0xFFFFFFFF
_SPREAD = 0x3504F333
_RESPONSE, _THRESHOLD, _DARK, _DEFECTS, _ROWS = range(1, 6)


@dataclass(frozen=True)
class Pixels:
    """Response maps of the pixels of some sensors.

    Attributes:
        slope: Thresholds per plane for luminance 1, ``[B, H, W]`` float32; ``B`` may be 1 for one
            sensor that takes all images.
        offset: Thresholds per plane in the dark, ``[B, H, W]`` float32.
    """

    slope: Tensor
    offset: Tensor

    def of(self, images: slice, rows: slice) -> Pixels:
        """Return the pixels of some images and rows."""
        if len(self.slope) == 1:
            images = slice(None)
        return Pixels(self.slope[images, rows], self.offset[images, rows])

    def respond(self, luminance: Tensor) -> Tensor:
        """Return the charge that each pixel gathers.

        Args:
            luminance: ``[B, K, H, W]`` float32, 0 or more.

        Returns:
            ``[B, K, H, W]`` float32, thresholds per plane from 0 to 1: a saturated pixel fires in
            every plane, and charge beyond that is lost. Pass it to
            :func:`spike_training.sensor.exposure.count_spikes` for counts without planes.
        """
        # Two steps, each rounded: a fused one would make a GPU differ from a CPU.
        return (luminance * self.slope[:, None]).add_(self.offset[:, None]).clamp_(0, 1)


def pixels_of(sensor: Sensor, sensor_ids: Tensor, height: int, width: int) -> Pixels:
    """Return the pixels of some sensors of one kind.

    Args:
        sensor: Their parameters.
        sensor_ids: One number per sensor, ``[B]`` int64; equal numbers are the same sensor.
        height: Rows.
        width: Columns.

    Returns:
        Their maps, on the device of the numbers.
    """

    def normal(stream: int) -> Tensor:
        drawn = normals(sensor_ids, height * width, stream).view(-1, height, width)
        return drawn.float() / NORMAL_STD

    shape = (len(sensor_ids), height, width)
    slope = torch.full(shape, sensor.gain / sensor.threshold, device=sensor_ids.device)
    dark = sensor.dark_current / sensor.rate_hz
    offset = torch.full(shape, dark, device=sensor_ids.device)
    if sensor.response_mismatch:
        slope *= (1 + sensor.response_mismatch * normal(_RESPONSE)).clamp_(min=0)
    if sensor.row_mismatch:
        rows = normals(sensor_ids, height, _ROWS).float() / NORMAL_STD
        slope *= (1 + sensor.row_mismatch * rows).clamp_(min=0)[:, :, None]
    if dark and sensor.dark_spread:
        # The mean of exp(spread * normal) is exp(spread**2 / 2).
        offset *= (sensor.dark_spread * normal(_DARK) - sensor.dark_spread**2 / 2).exp()
    defects, level = uniforms(sensor_ids, height * width, _DEFECTS)
    if sensor.hot_pixels:
        added = level * (sensor.hot_current / sensor.rate_hz)
        offset += torch.where(defects < sensor.hot_pixels, added, 0.0).view(shape)
    if sensor.threshold_mismatch:
        threshold = (1 + sensor.threshold_mismatch * normal(_THRESHOLD)).clamp_(min=0.5)
        slope /= threshold
        offset /= threshold
    if sensor.dead_pixels:
        alive = (defects < 1 - sensor.dead_pixels).view(shape)
        slope *= alive
        offset *= alive
    return Pixels(slope, offset)


def hashes(seeds: Tensor, count: int, stream: int, first: int = 0) -> Tensor:
    """Return independent whole numbers, a function of seed, stream and position.

    Args:
        seeds: ``[B]`` int64; their low 32 bits count.
        count: Numbers per seed.
        stream: Number of the stream; two streams are independent.
        first: Position of the first number, below 2**32.

    Returns:
        ``[B, count]`` int64, uniform from 0 to below 2**32.
    """
    return _to_tensor(_hash(seeds, count, stream, first)).to(torch.int64) & _LOW


def uniforms(seeds: Tensor, count: int, stream: int) -> tuple[Tensor, Tensor]:
    """Return two independent sets of uniform numbers in [0, 1), each ``[B, count]`` float32."""
    drawn = _to_tensor(_hash(seeds, 2 * count, stream) >> 8)  # 24 bits are exact in float32
    first, second = (drawn.float() / (1 << 24)).chunk(2, dim=1)
    return first, second


def normals(seeds: Tensor, count: int, stream: int) -> Tensor:
    """Return whole numbers of a normal distribution: sums of eight uniform ones.

    Args:
        seeds: As for :func:`hashes`.
        count: Numbers per seed.
        stream: As for :func:`hashes`.

    Returns:
        ``[B, count]`` int32 of mean 0 and standard deviation :data:`NORMAL_STD`, at most 4.9
        standard deviations from 0.
    """
    drawn = _hash(seeds, 2 * count, stream)
    # The four bytes of each number, two sums of two at once.
    pairs = (drawn & 0xFF00FF) + (drawn >> 8 & 0xFF00FF)
    pairs = pairs[:, :count] + pairs[:, count:]
    return _to_tensor((pairs & 0xFFFF) + (pairs >> 16)).to(torch.int32) - 8 * 255 // 2


def _hash(seeds: Tensor, count: int, stream: int, first: int = 0) -> Array:
    """Return the numbers of :func:`hashes`: on the CPU uint32 of numpy, which is far faster."""
    seed = _mix((_mix(seeds & _LOW) + stream * 0x3C6EF372) & _LOW)[:, None]
    if seeds.device.type == _NUMPY_DEVICE:
        place = np.arange(first, first + count, dtype=np.uint32)
        return _mix(place * np.uint32(_SPREAD) + seed.numpy().astype(np.uint32))
    return _mix((torch.arange(first, first + count, device=seeds.device) * _SPREAD + seed) & _LOW)


def _mix(number: Array) -> Array:
    """Permute the numbers below 2**32 without a visible pattern."""
    number = number ^ (number >> 16)
    for factor, shift in ((0x7FEB352D, 15), (0x5F356495, 16), (0x297A2D39, 16)):
        number *= factor  # below 2**63
        number &= _LOW
        number ^= number >> shift
    return number


def _to_tensor(numbers: Array) -> Tensor:
    """Return numbers as a tensor; those of numpy from 2**31 on wrap around."""
    return torch.from_numpy(numbers.view(np.int32)) if isinstance(numbers, np.ndarray) else numbers
