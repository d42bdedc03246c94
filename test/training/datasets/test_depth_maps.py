# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import functools
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


def test_a_hash_is_of_names_and_content(folder, tmp_path):
    first = open_maps(folder)
    assert first.root.is_absolute()
    moved = shutil.copytree(folder, tmp_path / 'moved')
    assert open_maps(moved).sha256 == first.sha256
    Image.fromarray(levels(7)).save(moved / 'test_gt' / '1.png')
    assert open_maps(moved).sha256 != first.sha256
    shutil.rmtree(moved / 'testx4')
    assert open_maps(moved).sha256 != first.sha256


def test_names_that_are_no_text(tmp_path):
    folder = write_maps(tmp_path, names=('\udcff',))
    assert read_maps(folder, FACTORS)[0].name == '\udcff'
    assert len(open_maps(folder).sha256) == 64


def put(name, content):
    """Return a function that puts bytes, an image, or nothing in place of a file of maps."""

    def change(root):
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content is not None:
            form = 'jpeg' if content is JPEG else 'png'
            Image.fromarray(content).save(path, form)

    return change


TRUTH, SMALL = 'test_gt/1.png', 'testx4/1.png'
JPEG = np.full((48, 64), 9, np.uint8)
BAD = {
    'of no factor of the network': ('x2, x4', None),
    'no folder': ('maps', shutil.rmtree),
    'no map of a factor': ('testx4/2.png', put('testx4/2.png', None)),
    'no maps of a factor': ('testx4', put(SMALL, None), put('testx4/2.png', None)),
    'no true map': (TRUTH, put(TRUTH, None)),
    'no true maps': ('test_gt', put('test_gt', None)),
    'no small maps': ('maps', put('testx2', None), put('testx4', None)),
    'a pipe': (SMALL, put(SMALL, None), lambda root: os.mkfifo(root / SMALL)),
    'a folder': (SMALL, put(SMALL, None), lambda root: (root / SMALL).mkdir()),
    'a link to itself': (SMALL, put(SMALL, None), lambda root: (root / SMALL).symlink_to('1.png')),
    'cut short': (TRUTH, lambda root: os.truncate(root / TRUTH, 100)),
    'empty': (TRUTH, put(TRUTH, b'')),
    'no picture': (TRUTH, put(TRUTH, b'no picture')),
    'of 16 bits': (TRUTH, put(TRUTH, np.full((48, 64), 300, np.uint16))),
    'of three channels': (TRUTH, put(TRUTH, np.full((48, 64, 3), 9, np.uint8))),
    'of four channels': (TRUTH, put(TRUTH, np.full((48, 64, 4), 9, np.uint8))),
    'of one bit': (TRUTH, put(TRUTH, np.ones((48, 64), bool))),
    'of another format': (TRUTH, put(TRUTH, JPEG)),
    'of another size': (SMALL, put(SMALL, levels(0, 12, 17))),
    'of few pixels': (SMALL, put(SMALL, np.ones((2, 4), np.uint8))),
    'of no depth': (SMALL, put(SMALL, np.zeros((12, 16), np.uint8))),
}
"""What must be named, and what changes two maps of two factors."""


def test_bad_maps_are_refused(tmp_path, refusals):
    rows = {}

    def call(number, changes, factors):
        root = write_maps(tmp_path / number / 'maps')
        for change in changes:
            change(root)
        read_maps(root, factors)

    for name, (named, *changes) in BAD.items():
        factors = (8, 16) if changes == [None] else FACTORS
        given = (str(len(rows)), filter(None, changes), factors)
        rows[name] = named, functools.partial(call, *given)
    library = {r'(cannot be read: ).*(: exp)': r'\1<library>\2'}
    refusals('depth_maps', rows, DataSetError, library)


def test_maps_that_are_too_large_are_not_decoded(folder, monkeypatch):
    monkeypatch.setattr('spike_training.datasets.depth_maps.MAX_PIXELS', 3000)
    with pytest.raises(DataSetError, match=r'64 x 48 pixels: .* 3 x 3, 3000 in all at mo'):
        read_maps(folder, FACTORS)


def test_the_published_maps_of_middlebury(real_data):
    maps = read_maps(real_data / 'middlebury_full', FACTORS)
    assert tuple(one.name for one in maps) == SCENES
    assert {one.truth.shape for one in maps} == {(1088, 1344), (1088, 1280)}
    assert all([*one.small] == [*FACTORS] for one in maps)
