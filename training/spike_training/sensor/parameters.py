# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of real sensors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from spike_depth_ros.base.schema import refuse
from spike_depth_ros.base.values import Check, Fraction, within
from spike_depth_ros.io.video.spiking import Mode
from spike_training.errors import ConfigError

Amount = Annotated[float, within(0, 1e9)]
MANY = Check(lambda value: value >= 10, '10 or more', 10, infinite=True)


@dataclass(frozen=True)
class Sensor:
    """Parameters of a sensor; the default is the ideal one.

    A unit of charge is what luminance 1 gives an ideal pixel in one plane.
    """

    mode: Mode = 'keep'
    """``keep`` what exceeds the threshold (Chen et al., "Self-Supervised Mutual Learning for
    Dynamic Scene Reconstruction of Spiking Camera", Eq. 1: charge modulo threshold) or ``reset``
    to zero (Liu et al., "Unsupervised Spike Depth Estimation via Cross-modality Cross-domain
    Knowledge Transfer", Eq. 1)."""
    threshold: Annotated[float, within(1e-6, 1e6)] = 1.0
    """Charge at which a pixel fires, above 0."""
    gain: Amount = 1.0
    """Factor on luminance, at least 0."""
    rate_hz: Annotated[float, within(1e-3, 1e9)] = 20_000.0
    """Planes per second; converts dark and hot currents to charge per plane."""
    dark_current: Amount = 0.0
    """Thresholds per second that a pixel gathers in the dark, mean of all pixels."""
    dark_spread: Annotated[float, within(0, 5)] = 0.0
    """Standard deviation of the logarithm of the dark current between pixels."""
    response_mismatch: Annotated[float, within(0, 0.999)] = 0.0
    """Relative standard deviation of the pixels' response, below 1."""
    # Draws reach almost five standard deviations, and thresholds stay above half.
    threshold_mismatch: Annotated[float, within(0, 0.25)] = 0.0
    """Relative standard deviation of the pixels' thresholds, below 0.25."""
    electrons: Annotated[float, MANY] = math.inf
    """Electrons in one threshold: shot noise adds a variance of ``charge / electrons`` to a charge
    in thresholds. Infinite: no shot noise."""
    read_noise: Fraction = 0.0
    """Standard deviation of what a comparison adds to the charge, thresholds; drawn anew in each
    plane and not kept."""
    hot_pixels: Fraction = 0.0
    """Share of hot pixels."""
    hot_current: Amount = 20_000.0
    """Largest additional dark current of hot pixels, thresholds per second; theirs are uniform up
    to it. The default reaches saturation at 20 kHz."""
    dead_pixels: Fraction = 0.0
    """Share of pixels that never fire."""
    row_mismatch: Annotated[float, within(0, 0.999)] = 0.0
    """Relative standard deviation of the rows' response, below 1."""

    def __post_init__(self) -> None:
        """Raise ConfigError, a ValueError, for parameters out of range."""
        refuse(self, ConfigError)

    @property
    def has_noise(self) -> bool:
        """True where two exposures to the same light differ."""
        return self.read_noise > 0 or math.isfinite(self.electrons)

    @property
    def has_maps(self) -> bool:
        """True where pixels do not gather the luminance itself."""
        mismatches = (self.response_mismatch, self.threshold_mismatch, self.row_mismatch)
        defects = (self.dark_current, self.hot_pixels, self.dead_pixels)
        return self.gain != self.threshold or max(*mismatches, *defects) > 0


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
