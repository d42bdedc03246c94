# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two textured walls, one nearer than the other, before a camera that moves to its right."""

import functools

import cv2
import numpy as np

HEIGHT, WIDTH, FX = 128, 192, 150.0
NEAR_M, FAR_M = 1.5, 3.0
SPEED_M_S = 0.5
RATE, PERIOD = 2_000, 500_000
MOUNTING = (0.0, 0.0, 0.0, -0.5, 0.5, -0.5, 0.5)
"""Pose of an optical frame that looks along x of a frame with x forward, y left (REP 103)."""


@functools.cache
def _texture(seed):
    noise = np.random.default_rng(seed).normal(size=(HEIGHT, 3 * WIDTH)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return 0.25 + 0.2 * np.clip(smooth / smooth.std(), -1.2, 1.2)


def camera():
    """Camera matrix."""
    return np.array([[FX, 0, (WIDTH - 1) / 2], [0, FX, (HEIGHT - 1) / 2], [0, 0, 1]])


def depth():
    """Depth of both walls, which fill a half each, [row, column], metres."""
    found = np.full((HEIGHT, WIDTH), FAR_M, np.float32)
    found[:, : WIDTH // 2] = NEAR_M
    return found


def rate(seconds, speed=SPEED_M_S):
    """Firing rate of the pixels."""
    picture = np.empty((HEIGHT, WIDTH), np.float32)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    for seed, wall_m, half in (
        (1, NEAR_M, slice(None, WIDTH // 2)),
        (2, FAR_M, slice(WIDTH // 2, None)),
    ):
        moved = np.float32(FX * speed * seconds / wall_m)
        shown = cv2.remap(_texture(seed), columns + WIDTH / 2 + moved, rows, cv2.INTER_LINEAR)
        picture[:, half] = shown[:, half]
    return picture


def planes(first, number=40, speed=SPEED_M_S):
    """Planes from a number on, [plane, row, column] of 0 and 1, noisy."""
    rng = np.random.default_rng(first)
    chance = rate((first + number / 2) / RATE, speed)
    return (rng.random((number, HEIGHT, WIDTH), np.float32) < chance).astype(np.uint8)


def pose(seconds, speed=SPEED_M_S):
    """Pose of the frame that odometry is of, x, y, z and a quaternion: to the right is -y."""
    return 0.0, -speed * seconds, 0.0, 0.0, 0.0, 0.0, 1.0
