# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures with an EXIF orientation, 24 rows and 40 columns as stored, read as viewers show them.

What is expected is Pillow's: ImageOps.exif_transpose.
"""

import numpy as np
import pytest
from PIL import Image, ImageOps

from kit.pictures import HEIGHT, WIDTH, texts
from spike_training.datasets import readers


def write(root, orientation, depth_as='stored', size=(HEIGHT, WIDTH), matrix=True):
    random = np.random.default_rng(0)
    stored = random.integers(0, 255, (*size, 3), np.uint8)
    metres = np.linspace(2, 9, size[0] * size[1], dtype=np.float32).reshape(size)
    shown = shown_depth = None
    for number in range(3):
        image, depth = Image.fromarray(stored), Image.fromarray(metres)
        for one in (image, depth):
            one.getexif()[0x0112] = orientation
        path = root / f'images/{number}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, exif=image.getexif())
        shown, shown_depth = (np.asarray(ImageOps.exif_transpose(one)) for one in (image, depth))
        (root / 'depth').mkdir(exist_ok=True)
        if depth_as:
            np.save(root / f'depth/{number}.npy', metres if depth_as == 'stored' else shown_depth)
    if matrix:
        texts(root / 'K.txt', '30 0 19.5', '0 31 11.5', '0 0 1')
    return shown, shown_depth


@pytest.mark.parametrize('depth_as', ['stored', 'shown'])
@pytest.mark.parametrize('orientation', [5, 6, 7, 8])
def test_a_quarter_turn_takes_depth_and_camera_along(tmp_path, orientation, depth_as):
    shown, shown_depth = write(tmp_path, orientation, depth_as)
    (clip,) = readers.read('folder', str(tmp_path))
    np.testing.assert_array_equal(clip.image(1), shown)
    np.testing.assert_array_equal(clip.depth(1), shown_depth)
    np.testing.assert_allclose(clip.camera, [[31, 0, 11.5], [0, 30, 19.5], [0, 0, 1]])


@pytest.mark.parametrize('orientation', [5, 6, 7, 8])
def test_a_point_lies_where_the_camera_says(tmp_path, orientation):
    """The stored camera is off its centre; a pixel is followed through the turn."""
    write(tmp_path, orientation)
    texts(tmp_path / 'K.txt', '30 0 21', '0 31 10', '0 0 1')
    (clip,) = readers.read('folder', str(tmp_path))
    marked = np.zeros((HEIGHT, WIDTH), np.uint8)
    marked[10, 21] = 255  # the principal point
    image = Image.fromarray(marked)
    image.getexif()[0x0112] = orientation
    ((row, column),) = np.argwhere(np.asarray(ImageOps.exif_transpose(image)))
    np.testing.assert_allclose(clip.camera, [[31, 0, column], [0, 30, row], [0, 0, 1]])


def test_a_matrix_of_the_shown_pictures_stays(tmp_path):
    write(tmp_path, 6)
    texts(tmp_path / 'K.txt', '31 0 11', '0 30 20', '0 0 1')
    (clip,) = readers.read('folder', str(tmp_path))
    np.testing.assert_allclose(clip.camera, [[31, 0, 11], [0, 30, 20], [0, 0, 1]])


@pytest.mark.parametrize('orientation', range(1, 9))
def test_pictures_alone_are_as_shown(tmp_path, orientation):
    shown, _ = write(tmp_path, orientation, '')
    (clip,) = readers.read('folder', f'{tmp_path},depth=none,fx=30')
    np.testing.assert_array_equal(clip.image(2), shown)
    height, width = shown.shape[:2]
    assert clip.camera[:2, 2].tolist() == [(width - 1) / 2, (height - 1) / 2]
