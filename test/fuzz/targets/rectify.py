# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lenses: messages of calibrations with distortion of any numbers, and what is made of them."""

from __future__ import annotations

import math
import time
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
from judging import ContractError, Target

from spike_depth_ros.geometry.calibration import CalibrationError
from spike_depth_ros.geometry.rectification import COEFFICIENTS, CountRemap, NewestLens

MOST_S = 2.0
"""Seconds of CPU time in which a calibration is used or refused."""

SIZES = ((400, 250), (64, 48), (16, 16), (1, 1), (1000, 8), (0, 250), (400, 2**32 - 1))
SPECIAL = (
    0.0, -0.0, 1.0, -1.0, 5e-324, 1e-30, 1e30, 1e308, -1e308, math.nan, math.inf, -math.inf,
    math.pi, 2.0**31, 2.0**63, 1e6, -1e6,
)  # fmt: skip


def _centre(random: Random, size: int) -> float:
    return (size - 1) / 2 + random.gauss(0, 0.1) * size


def _matrix(random: Random, width: int, height: int, columns: int) -> list[float]:
    fx, fy = (random.choice((1, 0.5, 2, 0.1)) * max(width, 1) for _ in range(2))
    rows = [[fx, 0, _centre(random, width)], [0, fy, _centre(random, height)], [0, 0, 1]]
    return [float(v) for row in rows for v in row + [0] * (columns - 3)]


def make(random: Random) -> dict[str, Any]:
    """Fields of a message; some of its numbers are of any kind."""
    width, height = random.choice(SIZES[:5] if random.random() < 0.9 else SIZES)
    model = random.choice([*COEFFICIENTS, 'plumb_bob', '', 'ds', '\n\x00' * 9, 'x' * 5000])
    count = COEFFICIENTS.get(model, (5,))[-1]
    if random.random() < 0.1:
        count = random.choice((0, 1, 3, 4, 5, 8, 12, 14, 200))
    strength = random.choice((0.01, 0.1, 1.0, 10.0, 1e3))
    fields: dict[str, Any] = {
        'd': [random.gauss(0, strength) for _ in range(count)],
        'k': _matrix(random, width, height, 3),
        'r': [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        'p': _matrix(random, width, height, 4) if random.random() < 0.5 else [0.0] * 12,
    }
    if random.random() < 0.2:  # a rotation about the axis across
        angle = random.uniform(-math.pi, math.pi)
        c, s = math.cos(angle), math.sin(angle)
        fields['r'] = random.choice(([c, 0, s, 0, 1, 0, -s, 0, c], [0.0] * 9))
    while random.random() < 0.3:
        values = fields[random.choice('dkrp')]
        if values:
            values[random.randrange(len(values))] = random.choice(SPECIAL)
    return {'width': width, 'height': height, 'distortion_model': model, **fields}


def use(case: dict[str, Any], folder: Path) -> None:
    """Make all that a window needs; every place lies on the sensor."""
    start = time.process_time()
    lens = NewestLens().update(SimpleNamespace(**case))
    if lens is not None:
        width, height = case['width'], case['height']
        if not (0 < lens.fx_px < math.inf and all(map(math.isfinite, lens.rectified.p))):
            raise ContractError(f'focal length {lens.fx_px} of {lens.rectified}')
        remap = CountRemap(lens, (height + 3, width + 5), (height, width), 1)
        for places, most in ((remap.x, width), (remap.y, height)):
            if not (places.min() >= 0 and places.max() <= most - 1):
                raise ContractError(f'places from {places.min()} to {places.max()} of {most}')
        remap.apply(np.full((3, height + 3, width + 5), 7, np.uint16), 1000)
        lens.remap_picture(np.full((height, width), 9, np.uint8))
        depth = lens.remap_depth(np.ones((height, width), np.float32))
        if not np.array_equal(np.isfinite(depth), lens.known(height, width)):
            raise ContractError('depth is not where the sensor has it')
    if time.process_time() - start > MOST_S:
        raise ContractError(f'{time.process_time() - start:.1f} s, expected {MOST_S} at most')


def prepare() -> None:
    """Import OpenCV before memory is limited."""
    import cv2  # noqa: F401


RECTIFY = Target(make, use, (CalibrationError,), prepare=prepare)
