# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of full-size and small depth maps, in the layout of the published ones."""

import cv2
import numpy as np
from PIL import Image


def levels(seed, height=48, width=64):
    """Return a map of boxes of grey levels above 0."""
    rng = np.random.default_rng(seed)
    found = np.full((height, width), 40, np.uint8)
    for _ in range(6):
        top, left = rng.integers(0, height - 8), rng.integers(0, width - 8)
        found[top : top + 20, left : left + 24] = rng.integers(1, 256)
    return found


def write_maps(root, names=('1', '2'), factors=(2, 4), size=(48, 64)):
    """Write maps and the small ones of OpenCV; return the folder."""
    for seed, name in enumerate(names):
        truth = levels(seed, *size)
        small = {
            f'testx{factor}': cv2.resize(
                truth, (size[1] // factor, size[0] // factor), interpolation=cv2.INTER_CUBIC
            )
            for factor in factors
        }
        for folder, image in {'test_gt': truth, **small}.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(root / folder / f'{name}.png')
    return root
