# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small clip of frames that tests make up, and the same as a folder that a reader reads."""

import cv2
import numpy as np

from spike_training.datasets.clip import Clip
from spike_training.errors import FrameError

HEIGHT, WIDTH, STEP = 60, 90, 4
FRAME_S = 0.1
CAMERA = np.array([[80.0, 0, 44.5], [0, 80.0, 29.5], [0, 0, 1]])


def scene():
    noise = np.random.default_rng(3).random((HEIGHT, 4 * WIDTH, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.rint(255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)


SCENE = scene()


class Sliding(Clip):
    """A texture that moves to the left, ``STEP`` pixels a frame; its depth is a ramp.

    Args:
        frames: How many, a tenth of a second apart.
        labelled: Which have depth; all of them unless given.
        damaged: Which cannot be read.
    """

    def __init__(self, frames=6, labelled=None, damaged=()):
        self.name = 'made/sliding'
        self.camera = CAMERA
        self.times_s = FRAME_S * np.arange(frames)
        self.labelled = tuple(range(frames)) if labelled is None else labelled
        self.skipped = {}
        self._damaged = damaged

    def image(self, index):
        if index in self._damaged:
            raise FrameError(f'{index}.png: cannot be read: truncated')
        return np.ascontiguousarray(SCENE[:, index * STEP : index * STEP + WIDTH])

    def depth(self, index):
        if index not in self.labelled:
            return None
        depth = np.tile(np.linspace(1, 4, WIDTH, dtype=np.float32), (HEIGHT, 1)) + index
        depth[0, :5] = np.nan
        return depth


def walk(frames):
    """Poses of a camera that goes and turns, ``[frames, 4, 4]``."""
    poses = np.tile(np.eye(4), (frames, 1, 1))
    for k, pose in enumerate(poses):
        pose[:3, :3] = cv2.Rodrigues(np.array([0.1, -0.2 * k, 1.5]))[0]
        pose[:3, 3] = 3 + 0.02 * k, -1.0, 0.01 * k * k
    return poses


def write_poses(root, poses):
    np.savetxt(root / 'poses.txt', poses.reshape(len(poses), 16))


def write_folder(root, clip):
    """The clip as images, depth and K.txt; a damaged frame is cut short."""
    for name in ('images', 'depth'):
        (root / name).mkdir(parents=True)
    np.savetxt(root / 'K.txt', clip.camera)
    for index in range(len(clip)):
        image = root / 'images' / f'{index:05d}.png'
        cv2.imwrite(str(image), Sliding(len(clip)).image(index)[..., ::-1])
        if index in clip._damaged:
            image.write_bytes(image.read_bytes()[:100])
        millimetres = np.nan_to_num(clip.depth(index) * 1000).astype(np.uint16)
        cv2.imwrite(str(root / 'depth' / f'{index:05d}.png'), millimetres)
