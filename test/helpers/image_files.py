# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of images, depth maps and texts, as data sets have them."""

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
