# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from kit.pictures import levels, write_maps
from spike_training.datasets.depth_maps import SCENES, factors_of, open_maps, read_maps
from spike_training.errors import DataSetError

FACTORS = (2, 4, 8, 16)


@pytest.fixture
def folder(tmp_path):
    return write_maps(tmp_path / 'maps')


def refused(folder, factors=FACTORS):
    """Return the error of a folder without the folder's path; it is one line."""
    with pytest.raises(DataSetError) as caught:
        read_maps(folder, factors)
    text = str(caught.value)
    assert '\n' not in text
    return text.replace(f'{folder}', 'PATH')


def save(image, path, mode=None):
    Image.fromarray(image, mode).save(path)


def test_maps_have_their_small_ones_in_the_order_of_numbers(tmp_path):
    folder = write_maps(tmp_path, names=('10', '9', 'b'), factors=(2, 4, 16))
    (folder / 'test_gt' / '._9.png').write_bytes(b'of a file manager')
    (folder / 'testx3').mkdir()
    found = read_maps(folder, FACTORS)
    assert [one.name for one in found] == ['9', '10', 'b']
    assert factors_of(folder) == [2, 3, 4, 16]
    for one in found:
        assert [*one.small] == [2, 4, 16]
        assert one.truth.dtype == np.uint8
        assert [one.small[factor].shape for factor in one.small] == [(24, 32), (12, 16), (3, 4)]
    np.testing.assert_array_equal(found[1].truth, levels(0))


def test_the_six_published_maps_have_the_names_of_their_scenes(tmp_path):
    folder = write_maps(tmp_path, names=[str(k) for k in range(1, 7)], factors=(8,))
    assert tuple(one.name for one in read_maps(folder, FACTORS)) == SCENES


def test_factors_of_network_and_folder_are_read(folder):
    assert [*read_maps(folder, (4, 8))[0].small] == [4]
    assert refused(folder, (8, 16)) == (
        'PATH has small maps of x2, x4: expected one or more of x8, x16, by which the network '
        'enlarges'
    )


def test_a_hash_is_of_names_and_content(folder, tmp_path):
    first = open_maps(folder)
    assert first.root.is_absolute()
    moved = shutil.copytree(folder, tmp_path / 'moved')
    assert open_maps(moved).sha256 == first.sha256
    save(levels(7), moved / 'test_gt' / '1.png')
    assert open_maps(moved).sha256 != first.sha256
    shutil.rmtree(moved / 'testx4')
    assert open_maps(moved).sha256 != first.sha256


LAYOUT = 'expected test_gt/NAME.png and, for a factor of 8, testx8/NAME.png (docs/data_sets.md)'


def test_missing_folders_and_maps(folder, tmp_path):
    assert refused(tmp_path / 'none') == f'PATH is no folder: {LAYOUT}'.replace(
        'expected', 'expected one with', 1
    )
    (folder / 'testx4' / '2.png').unlink()
    same = 'expected the same names in test_gt and testx4'
    assert refused(folder) == f'PATH/testx4/2.png is missing: {same}'
    (folder / 'testx4' / '1.png').unlink()
    assert refused(folder) == f'PATH/testx4 has no .png file: {LAYOUT}'
    shutil.rmtree(folder / 'testx4')
    (folder / 'test_gt' / '1.png').unlink()
    assert refused(folder).startswith('PATH/test_gt/1.png is missing: expected the same names in')
    shutil.rmtree(folder / 'test_gt')
    assert refused(folder) == f'PATH/test_gt is no folder: {LAYOUT}'
    shutil.rmtree(folder / 'testx2')
    assert refused(folder) == f'PATH has no small maps: {LAYOUT}'


@pytest.mark.parametrize('make', [os.mkfifo, os.mkdir, lambda path: os.symlink('1.png', path)])
def test_what_is_no_file_is_missing(folder, make):
    path = folder / 'testx4' / '1.png'
    path.unlink()
    make(path)
    assert refused(folder).startswith('PATH/testx4/1.png is missing: ')


def test_names_that_are_no_text(tmp_path):
    folder = write_maps(tmp_path, names=('\udcff',))
    assert read_maps(folder, FACTORS)[0].name == '\udcff'
    assert len(open_maps(folder).sha256) == 64


GREY = 'expected a PNG of 8 bits and one channel'


def test_damaged_maps(folder):
    path = folder / 'test_gt' / '2.png'
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b'', b'no picture'):
        path.write_bytes(content)
        found = refused(folder)
        assert found.startswith('PATH/test_gt/2.png: cannot be read (')
        assert found.endswith(f'): {GREY}, copy it again')


@pytest.mark.parametrize(
    ('image', 'suffix', 'seen'),
    [
        (np.full((48, 64), 300, np.uint16), 'png', 'PNG of mode I;16'),
        (np.full((48, 64, 3), 9, np.uint8), 'png', 'PNG of mode RGB'),
        (np.full((48, 64, 4), 9, np.uint8), 'png', 'PNG of mode RGBA'),
        (np.ones((48, 64), bool), 'png', 'PNG of mode 1'),
        (np.full((48, 64), 9, np.uint8), 'jpeg', 'JPEG of mode L'),
    ],
)
def test_maps_of_another_form(folder, image, suffix, seen):
    with (folder / 'test_gt' / '1.png').open('wb') as file:
        Image.fromarray(image).save(file, suffix)
    assert refused(folder) == (
        f'PATH/test_gt/1.png: {seen}: {GREY}, mode L, of inverse depth or disparity'
    )


def test_maps_of_another_size_or_without_depth(folder):
    save(levels(0, 12, 17), folder / 'testx4' / '1.png')
    assert refused(folder) == (
        'PATH/testx4/1.png: 17 x 12 pixels, PATH/test_gt/1.png 64 x 48: expected 4 times as many '
        'rows and columns, 68 x 48'
    )
    save(np.ones((2, 4), np.uint8), folder / 'testx4' / '1.png')
    assert refused(folder).startswith('PATH/testx4/1.png: 4 x 2 pixels: expected at least 3 x 3, ')
    save(np.zeros((12, 16), np.uint8), folder / 'testx4' / '1.png')
    assert refused(folder) == (
        'PATH/testx4/1.png: all pixels are 0, unknown: expected some above 0'
    )


def test_maps_that_are_too_large_are_not_decoded(folder, monkeypatch):
    monkeypatch.setattr('spike_training.datasets.depth_maps.MAX_PIXELS', 3000)
    assert refused(folder).endswith('64 x 48 pixels: expected at least 3 x 3, 3000 in all at most')


def test_the_published_maps_of_middlebury(real_data):
    maps = read_maps(real_data / 'middlebury_full', FACTORS)
    assert tuple(one.name for one in maps) == SCENES
    assert {one.truth.shape for one in maps} == {(1088, 1344), (1088, 1280)}
    assert all([*one.small] == [*FACTORS] for one in maps)
