# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera that moves through a corridor with texture, and what it sees."""

import dataclasses

import cv2
import numpy as np

from kit.streams import camera_info
from spike_depth_ros.stream.window import Camera, Window

HEIGHT, WIDTH, FOCAL = 108, 144, 120.0
CAMERA = np.array([[FOCAL, 0, (WIDTH - 1) / 2], [0, FOCAL, (HEIGHT - 1) / 2], [0, 0, 1.0]])

WALLS = ((1, 1, 0.8), (1, -1, 1.0), (0, -1, 1.2), (0, 1, 1.5), (2, 1, 5.0))
"""Axis, side and distance of floor, ceiling, left and right wall, and the end, metres."""

BACK_WALL = ((2, 1, 3.0),)
"""One plane alone."""

TEXEL_M = 0.02


def noise(height=1024, width=1024, seed=3):
    """A picture with corners of all sizes, ``[H, W]`` float32, 0 to 255."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width), np.float32)
    for size in (2, 4, 8, 16):
        coarse = rng.normal(size=(height // size, width // size)).astype(np.float32)
        picture += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX)


TEXTURE = noise()


def turn(yaw=0.0, pitch=0.0, roll=0.0):
    """Rotation about y, x and z, radians, ``[3, 3]``."""
    return (
        cv2.Rodrigues(np.array([0, yaw, 0.0]))[0]
        @ cv2.Rodrigues(np.array([pitch, 0, 0.0]))[0]
        @ cv2.Rodrigues(np.array([0, 0, roll]))[0]
    )


def pose(x=0.0, y=0.0, z=0.0, yaw=0.0, pitch=0.0, roll=0.0):
    """Camera to world, ``[4, 4]``; the axes are right, down and ahead."""
    found = np.eye(4)
    found[:3, :3] = turn(yaw, pitch, roll)
    found[:3, 3] = x, y, z
    return found


def look(at, walls=WALLS):
    """Return what a camera sees: its picture, ``[H, W]`` uint8, and depth, float32."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    seen = np.stack([(column - CAMERA[0, 2]) / FOCAL, (row - CAMERA[1, 2]) / FOCAL], -1)
    rays = np.concatenate([seen, np.ones((HEIGHT, WIDTH, 1))], -1) @ at[:3, :3].T
    depth, place = np.full((HEIGHT, WIDTH), np.inf), np.zeros((HEIGHT, WIDTH, 2))
    for number, (axis, side, distance) in enumerate(walls):
        with np.errstate(divide='ignore'):
            there = (side * distance - at[axis, 3]) / rays[..., axis]
        nearer = (there > 0) & (there < depth)
        depth[nearer] = there[nearer]
        hit = at[:3, 3] + there[nearer, None] * rays[nearer]
        place[nearer] = np.delete(hit, axis, 1) / TEXEL_M + 300 + 100 * number
    columns, rows = np.moveaxis(place.astype(np.float32), -1, 0)
    picture = cv2.remap(TEXTURE, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return picture.astype(np.uint8), depth.astype(np.float32)


def calibrated(fx=FOCAL):
    """The camera as a stream has it."""
    return Camera('camera', fx or None, camera_info(HEIGHT, WIDTH, fx))


def window(picture, time_ns, segment=0, camera=None, planes=64):
    """Planes of a picture, in which each pixel fires at even distances; no noise."""
    rate = 0.05 + 0.6 * picture.astype(np.float32) / 255
    fired = np.floor(np.arange(1, planes + 1)[:, None, None] * rate)
    spikes = np.diff(fired, axis=0, prepend=0) > 0
    made = Window.from_planes(spikes, 20_000.0, t0_ns=time_ns, reference='first')
    return dataclasses.replace(made, camera=camera or calibrated(), segment=segment)
