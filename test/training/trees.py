# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small data sets that tests make up, laid out as the real ones are."""

from __future__ import annotations

import cv2
import numpy as np
from clips import Sliding

HEIGHT, WIDTH = 60, 90


def write_vkitti(root, scenes=5, frames=4, variations=('clone', 'fog'), depth=None):
    """Virtual KITTI 1.3.1; each scene is a part of a texture, brighter in fog.

    Args:
        root: The folder.
        scenes: How many.
        frames: Of each.
        variations: Of each scene.
        depth: Metres of all maps; unless given it is a ramp, another one in each scene.
    """
    clip = Sliding(frames)
    for number in range(1, scenes + 1):
        for variation in variations:
            places = [root / f'vkitti_1.3.1_{part}/{number:04d}/{variation}'
                      for part in ('rgb', 'depthgt')]  # fmt: skip
            for place in places:
                place.mkdir(parents=True)
            for index in range(frames):
                image = np.roll(clip.image(index), 17 * number, axis=1)
                if variation == 'fog':
                    image = 128 + image // 2
                cv2.imwrite(str(places[0] / f'{index:05d}.png'), image[..., ::-1])
                metres = 4 * clip.depth(index) + number if depth is None else depth
                stored = np.nan_to_num(np.broadcast_to(metres, image.shape[:2]) * 100)
                cv2.imwrite(str(places[1] / f'{index:05d}.png'), stored.astype(np.uint16))
    return root


def write_dat(root, clips=3, planes=160, height=32, width=64, depth=None):
    """Vidar recordings of noise, brighter from one to the next.

    Args:
        root: The folder.
        clips: How many recordings.
        planes: Of each.
        height: Of the sensor.
        width: Of the sensor.
        depth: Metres of a map in the middle of each; None: no truth.
    """
    root.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for clip in range(clips):
        spikes = rng.random((planes, height, width)) < 0.1 + 0.1 * clip
        np.packbits(spikes[:, ::-1], axis=2, bitorder='little').tofile(root / f'{clip}.dat')
        if depth is not None:
            (root / 'depth').mkdir(exist_ok=True)
            np.save(root / 'depth' / f'{clip}.npy', np.full((height, width), depth, np.float32))
    return root
