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
from spike_training.datasets.readers import files
from spike_training.errors import DataSetError, FrameError


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


@pytest.mark.parametrize(
    ('orientation', 'size', 'options', 'message'),
    [
        (3, (24, 40), '', 'depth may be of the stored or the shown ones'),
        (2, (24, 40), ',fx=30', 'depth may be of the stored or the shown ones'),
        (6, (24, 24), ',fx=30', 'depth may be of the stored or the shown ones'),
        (3, (24, 40), ',depth=none', r'K\.txt may be of the stored .* give fx in its place'),
        (6, (24, 24), ',depth=none', r'K\.txt may be of the stored .* give fx in its place'),
    ],
)
def test_what_may_be_of_either_is_refused(tmp_path, orientation, size, options, message):
    write(tmp_path, orientation, size=size)
    with pytest.raises(DataSetError, match=message) as caught:
        readers.read('folder', f'{tmp_path}{options}')
    assert f'EXIF orientation {orientation}' in str(caught.value)
    assert '\n' not in str(caught.value)


def test_a_principal_point_between_both_is_refused(tmp_path):
    write(tmp_path, 6)
    texts(tmp_path / 'K.txt', '30 0 15.5', '0 30 15.5', '0 0 1')
    with pytest.raises(DataSetError, match=r'K\.txt may be of the stored or the shown'):
        readers.read('folder', str(tmp_path))


def test_one_picture_of_another_orientation_is_left_out(tmp_path):
    write(tmp_path, 6)
    other = tmp_path / 'other'
    write(other, 8)
    (other / 'images/2.png').replace(tmp_path / 'images/2.png')
    (clip,) = readers.read('folder', str(tmp_path))
    with pytest.raises(FrameError, match=r'2\.png: viewers turn it \(EXIF orientation 8\)'):
        clip.image(2)


def test_sets_that_never_turn_refuse_it(tmp_path):
    path = tmp_path / 'a.jpg'
    image = Image.fromarray(np.zeros((8, 8, 3), np.uint8))
    image.getexif()[0x0112] = 6
    image.save(path, exif=image.getexif())
    with pytest.raises(FrameError, match=r'EXIF orientation 6\), expected orientation 1: turn'):
        files.read_rgb(path)


def test_depth_with_a_mark_is_refused(tmp_path):
    image = Image.fromarray(np.full((24, 40), 2000, np.uint16))
    image.getexif()[0x0112] = 6
    image.save(tmp_path / 'd.png', exif=image.getexif())
    with pytest.raises(FrameError, match=r'viewers turn it \(EXIF orientation 6\)'):
        files.read_depth(tmp_path / 'd.png', files.DepthEncoding(1000.0))
