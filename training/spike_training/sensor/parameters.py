# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of real sensors, and the response maps of their pixels.

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
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from spike_depth_ros.video.spiking import Array, Mode
from spike_training.errors import ConfigError

NORMAL_STD = math.sqrt(8 * (256**2 - 1) / 12)
"""Standard deviation of the whole numbers that :func:`normals` draws."""

_NUMPY_DEVICE = 'cpu'
_LOW = 0xFFFFFFFF
_SPREAD = 0x3504F333
_RESPONSE, _THRESHOLD, _DARK, _DEFECTS = range(1, 5)


@dataclass(frozen=True)
class Sensor:
    """Parameters of a sensor; the default is the ideal one.

    A unit of charge is what luminance 1 gives an ideal pixel in one plane.

    Attributes:
        mode: ``keep`` what exceeds the threshold (Chen et al., "Self-Supervised Mutual Learning
            for Dynamic Scene Reconstruction of Spiking Camera", Eq. 1: charge modulo threshold)
            or ``reset`` to zero (Liu et al., "Unsupervised Spike Depth Estimation via
            Cross-modality Cross-domain Knowledge Transfer", Eq. 1).
        threshold: Charge at which a pixel fires, above 0.
        gain: Factor on luminance, at least 0.
        rate_hz: Planes per second; converts dark and hot currents to charge per plane.
        dark_current: Thresholds per second that a pixel gathers in the dark, mean of all pixels.
        dark_spread: Standard deviation of the logarithm of the dark current between pixels.
        response_mismatch: Relative standard deviation of the pixels' response, below 1.
        threshold_mismatch: Relative standard deviation of the pixels' thresholds, below 0.25.
        electrons: Electrons in one threshold: shot noise adds a variance of ``charge / electrons``
            to a charge in thresholds. Infinite: no shot noise.
        read_noise: Standard deviation of what a comparison adds to the charge, thresholds; drawn
            anew in each plane and not kept.
        hot_pixels: Share of hot pixels.
        hot_current: Largest additional dark current of hot pixels, thresholds per second; theirs
            are uniform up to it. The default reaches saturation at 20 kHz.
        dead_pixels: Share of pixels that never fire.
    """

    mode: Mode = 'keep'
    threshold: float = 1.0
    gain: float = 1.0
    rate_hz: float = 20_000.0
    dark_current: float = 0.0
    dark_spread: float = 0.0
    response_mismatch: float = 0.0
    threshold_mismatch: float = 0.0
    electrons: float = math.inf
    read_noise: float = 0.0
    hot_pixels: float = 0.0
    hot_current: float = 20_000.0
    dead_pixels: float = 0.0

    def __post_init__(self) -> None:
        """Raise ConfigError, a ValueError, for parameters out of range."""
        if self.mode not in ('keep', 'reset'):
            raise ConfigError(f"mode {self.mode!r}: expected 'keep' or 'reset'")
        ranges: dict[str, tuple[float, float, str]] = {
            'threshold': (1e-6, 1e6, 'above 0'),
            'rate_hz': (1e-3, 1e9, 'above 0'),
            'response_mismatch': (0, 0.999, '0 to below 1'),
            # Draws reach almost five standard deviations, and thresholds stay above half.
            'threshold_mismatch': (0, 0.25, '0 to 0.25'),
            'dark_spread': (0, 5, '0 to 5'),
            'read_noise': (0, 1, '0 to 1 threshold'),
            'electrons': (10, math.inf, 'at least 10'),
            'hot_pixels': (0, 1, '0 to 1'),
            'dead_pixels': (0, 1, '0 to 1'),
        }
        for field in fields(self):
            if field.name == 'mode':
                continue
            value = getattr(self, field.name)
            low, high, words = ranges.get(field.name, (0, 1e9, '0 or more'))
            if not low <= value <= high:
                raise ConfigError(f'{field.name} {value}: expected {words}')

    @property
    def has_noise(self) -> bool:
        """True where two exposures to the same light differ."""
        return self.read_noise > 0 or math.isfinite(self.electrons)

    @property
    def has_maps(self) -> bool:
        """True where pixels do not gather the luminance itself."""
        mismatches = (self.response_mismatch, self.threshold_mismatch)
        defects = (self.dark_current, self.hot_pixels, self.dead_pixels)
        return self.gain != self.threshold or max(*mismatches, *defects) > 0

    def pixels(self, sensor_ids: Tensor, height: int, width: int) -> Pixels:
        """Return the pixels of some sensors of this kind.

        Args:
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
        slope = torch.full(shape, self.gain / self.threshold, device=sensor_ids.device)
        dark = self.dark_current / self.rate_hz
        offset = torch.full(shape, dark, device=sensor_ids.device)
        if self.response_mismatch:
            slope *= (1 + self.response_mismatch * normal(_RESPONSE)).clamp_(min=0)
        if dark and self.dark_spread:
            # The mean of exp(spread * normal) is exp(spread**2 / 2).
            offset *= (self.dark_spread * normal(_DARK) - self.dark_spread**2 / 2).exp()
        defects, level = uniforms(sensor_ids, height * width, _DEFECTS)
        if self.hot_pixels:
            added = level * (self.hot_current / self.rate_hz)
            offset += torch.where(defects < self.hot_pixels, added, 0.0).view(shape)
        if self.threshold_mismatch:
            threshold = (1 + self.threshold_mismatch * normal(_THRESHOLD)).clamp_(min=0.5)
            slope /= threshold
            offset /= threshold
        if self.dead_pixels:
            alive = (defects < 1 - self.dead_pixels).view(shape)
            slope *= alive
            offset *= alive
        return Pixels(slope, offset)


IDEAL = Sensor()
"""No noise, no mismatch: luminance 1 fires in every plane."""


SENSORS: dict[str, Sensor] = {
    'ideal': IDEAL,
    'vidar_car': Sensor(
        dark_current=200, dark_spread=0.43, response_mismatch=0.02, hot_pixels=0.003
    ),
    'uhsr': Sensor(dark_current=150, dark_spread=0.43, response_mismatch=0.05, read_noise=0.002),
    'noise_maps': Sensor(
        dark_current=99,
        dark_spread=0.43,
        response_mismatch=0.027,
        hot_pixels=0.00014,
        hot_current=1146,
    ),
}
"""Sensors by name: those other than ``ideal`` were fitted to the recordings that they are named
after (``python -m benchmarks.sensor_fit``)."""


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
