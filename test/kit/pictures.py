# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of images, depth maps and texts, as data sets have them."""

import io

import cv2
import numpy as np
from PIL import Image

HEIGHT, WIDTH = 24, 40

METRES = np.linspace(2.0, 9.0, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)


def picture(path, number=0, size=(HEIGHT, WIDTH)):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.zeros((*size, 3), np.uint8)
    image[..., 0] = number
    image[0] = 255  # the top row is white
    Image.fromarray(image).save(path)


def turned_png(pixels, orientation=6):
    """Bytes of a picture with a mark (EXIF) by which viewers turn it."""
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(file, 'PNG', exif=exif)
    return file.getvalue()


def depth_png(path, per_metre, metres=METRES, holes=()):
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = np.rint(metres * per_metre).astype(np.uint16)
    for (row, column), value in dict(holes).items():
        stored[row, column] = value
    Image.fromarray(stored).save(path)


def texts(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(lines) + '\n')


def write_pfm(path, metres, order='<'):
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = metres.shape
    header = f'Pf\n{width} {height}\n{-1.0 if order == "<" else 1.0}\n'.encode()
    path.write_bytes(header + metres[::-1].astype(f'{order}f4').tobytes())


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
