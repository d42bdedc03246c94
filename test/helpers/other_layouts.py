# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A moving scene seen by an ideal spike camera, and the files that other writers make of it."""

import numpy as np

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
