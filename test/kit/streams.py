# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spikes: packets as messages, the sensor as a naive loop, files as other writers have them."""

import dataclasses
import itertools
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np

from spike_depth_ros.stream.decode import PACKED
from spike_depth_ros.stream.ingest import StreamSettings

SETTINGS = StreamSettings(window=8, policy='every', ring_planes=64, spike_rate_hz=20_000.0)
SIZED = dataclasses.replace(SETTINGS, sensor_width=13, sensor_height=5)


RATE_UNKNOWN = dataclasses.replace(SIZED, spike_rate_hz=0.0)


def packet(first, planes=4, bit_order='little', frame='frame'):
    """Planes without a spike of a sensor of 13x5 pixels, as sensor_msgs/Image has them."""
    sec, nanosec = divmod(10**18 + round(first * 50_000), 10**9)
    return SimpleNamespace(
        header=SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec), frame_id=frame),
        height=5 * planes,
        width=2,
        step=2,
        encoding=PACKED,
        is_bigendian=int(bit_order == 'big'),
        data=bytes(10 * planes),
    )


def camera_info(height=5, width=13, fx=0.0):
    """A camera as sensor_msgs/CameraInfo has it; of zeros where it is not calibrated."""
    k = [fx, 0, (width - 1) / 2, 0, fx, (height - 1) / 2, 0, 0, bool(fx)]
    zeros = {'d': [], 'r': [0.0] * 9, 'p': [0.0] * 12}
    return SimpleNamespace(height=height, width=width, k=k, distortion_model='', **zeros)


QUANTA = 1 << 24


def plane_quanta(light: np.ndarray, knots: Sequence[int]) -> np.ndarray:
    """Return what each plane adds, ``[planes, H, W]`` quanta, of light ``[K, H, W]`` at knots."""
    planes = []
    for k, (first, end) in enumerate(itertools.pairwise(knots)):
        slope = ((light[k + 1] - light[k]) * np.float32(QUANTA / (end - first))).astype(int)
        planes += [quanta_of(light[k]) + j * slope for j in range(end - first)]
    return np.stack(planes)


def quanta_of(light: np.ndarray) -> np.ndarray:
    """Return light in whole quanta, rounded to the nearest."""
    return np.rint(light.astype(float) * QUANTA).astype(int)


def naive_spikes(quanta: np.ndarray, charge: np.ndarray, mode: str = 'keep') -> np.ndarray:
    """Return spikes ``[planes, H, W]`` of 0 and 1, one pixel and one plane at a time."""
    spikes = np.zeros(quanta.shape, np.uint8)
    for place in np.ndindex(charge.shape):
        held = int(charge[place])
        for plane in range(len(quanta)):
            held += int(quanta[(plane, *place)])
            if held >= QUANTA:
                held = held - QUANTA if mode == 'keep' else 0
                spikes[(plane, *place)] = 1
    return spikes


WIDTH, HEIGHT, PLANES = 346, 260, 120


def scene(planes=PLANES, height=HEIGHT, width=WIDTH, brightness=0.25, speed=0.05, noise=0.0):
    """Spikes of a textured scene that moves to the left, ``[planes, height, width]`` bool."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:height, : width + 64]
    picture = 0.5 + 0.2 * np.sin(x / 19 + y / 31) + 0.15 * np.sin(y / 13)
    for _ in range(40):
        top, left = rng.integers(0, height), rng.integers(0, width + 64)
        tall, wide = rng.integers(10, 60, 2)
        picture[top : top + tall, left : left + wide] = rng.random()
    charge = rng.random((height, width))
    spikes = np.empty((planes, height, width), bool)
    for k in range(planes):
        shift = int(k * speed) % 64
        charge += brightness * picture[:, shift : shift + width]
        if noise:
            charge += noise * rng.standard_normal((height, width))
        spikes[k] = charge >= 1
        charge[spikes[k]] -= 1
    return spikes


def fired(charges):
    """Spikes of pixels by their charge before the first plane and at each, ``[planes, h, w]``."""
    reached = map(np.floor, charges)
    return np.array([after > before for before, after in itertools.pairwise(reached)])


def integrated(rate, planes, start=0.0):
    """Spikes of pixels that fire when their charge is full, ``[planes, height, width]``.

    Args:
        rate: Charge that each plane adds, ``[height, width]``.
        planes: How many.
        start: Charge before the first one; a number: the seed of one by chance.
    """
    if isinstance(start, int):
        start = np.random.default_rng(start).random(rate.shape, np.float32)
    return fired(start + rate * k for k in range(planes + 1))


def by_rows(spikes, order='little'):
    """Bytes of a Vidar file: the bottom row first, each row padded to whole bytes."""
    return np.packbits(spikes[:, ::-1], axis=2, bitorder=order).tobytes()


def whole(spikes, order='little'):
    """Bytes of planes of which each is packed as a whole: rows are not padded."""
    flat = spikes[:, ::-1].reshape(len(spikes), -1)
    return np.packbits(flat, axis=1, bitorder=order).tobytes()


def with_head(spikes, columns=16):
    """Bytes of rows with columns at their left that count planes."""
    bits = np.arange(len(spikes))[:, None, None] >> np.arange(columns) & 1
    head = np.broadcast_to(bits == 1, (*spikes.shape[:2], columns))
    return by_rows(np.concatenate([head, spikes], axis=2))


def pixel_by_pixel(spikes):
    """Bytes of an array ``[height, width, planes]``, the bottom row first."""
    return np.packbits(spikes[:, ::-1].transpose(1, 2, 0).ravel(), bitorder='little').tobytes()
