# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0

from importlib import resources

import numpy as np
import pytest

from spike_depth_ros.io import layout_check as layout
from spike_depth_ros.io.recording import open_recording
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry

SAMPLE = resources.files('spike_depth_ros') / 'assets' / 'office.npz'


@pytest.fixture(scope='module')
def stored():
    """60 planes of 400x250, as a Vidar camera stores them: rows from the bottom."""
    return np.ascontiguousarray(open_recording(SAMPLE).planes[:60, ::-1])


@pytest.fixture
def dat(stored, tmp_path):
    path = tmp_path / 'some.dat'
    path.write_bytes(stored[:36].tobytes())
    return path


def problem_of(path, **options):
    return layout.raw_file_problem(path, open_recording(path, allow_partial=True, **options))


@pytest.mark.parametrize(
    ('size', 'row_order'),
    [
        ((392, 250), 'bottom_up'),
        ((408, 250), 'top_down'),
        ((400, 240), 'bottom_up'),
        ((400, 125), 'top_down'),
        ((800, 125), 'bottom_up'),
        ((640, 480), 'bottom_up'),
        ((640, 480), 'top_down'),
    ],
)
def test_a_wrong_size_of_a_raw_file_is_found(dat, size, row_order):
    width, height = size
    assert problem_of(dat, size=size, row_order=row_order) == (
        f'{dat}: its bytes repeat as in planes of 400x250 pixels, not {width}x{height}: '
        'try --size 400x250'
    )


@pytest.mark.parametrize('row_order', ['bottom_up', 'top_down'])
@pytest.mark.parametrize('size', [(400, 250), (393, 250)])
def test_the_right_size_is_no_problem(dat, size, row_order):
    assert problem_of(dat, size=size, row_order=row_order) == ''


def test_the_bit_order_of_a_raw_file_is_looked_at(dat):
    found = problem_of(dat, size=(400, 250), bit_order='big')
    assert found.startswith(f'{dat}: the picture has 8-pixel stripes (')
    assert found.endswith('): try --bit-order little')


def test_planes_beside_their_size_are_not_doubted():
    sample = open_recording(SAMPLE)
    assert layout.raw_file_problem(SAMPLE, sample) == ''


@pytest.mark.parametrize(
    ('size', 'rows'),
    [
        ((392, 250), slice(None)),
        ((400, 240), slice(None, None, -1)),
        ((640, 480), slice(None)),
        ((640, 480), slice(None, None, -1)),
    ],
)
def test_a_wrong_size_of_messages_is_found(stored, size, rows):
    geometry = Geometry(size[1], size[0])
    whole = stored.size // geometry.plane_bytes
    data = stored.reshape(-1)[: whole * geometry.plane_bytes]
    planes = data.reshape(whole, geometry.height, geometry.row_bytes)[:, rows]
    found = layout.message_problem(planes, geometry)
    assert found.startswith(
        f'spikes: their bytes repeat as in planes of 400x250 pixels, not {size[0]}x{size[1]} as '
    )


def test_the_bit_order_of_messages_is_looked_at(stored):
    assert layout.message_problem(stored, Geometry(250, 400)) == ''
    found = layout.message_problem(stored, Geometry(250, 400, 'big'))
    assert found.startswith('spikes: the picture has 8-pixel stripes (')
    assert found.endswith(f'): {layout.FLIP}')


@pytest.mark.parametrize('rate', [0.0, 0.003, 0.3, 1.0])
@pytest.mark.parametrize('size', [(64, 96), (12, 21)])
def test_planes_without_a_picture_are_not_doubted(size, rate):
    spikes = np.random.default_rng(0).random((210, *size)) < rate
    for order in ('little', 'big'):
        geometry = Geometry(*size, order)
        assert layout.message_problem(packing.pack(spikes, order), geometry) == ''
