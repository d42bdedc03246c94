# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from spike_depth_ros.stream import health as stream_health
from spike_depth_ros.stream import packing


def smooth_stream(width=80):
    """A scene with slopes and an edge, seen over 100 planes."""
    rng = np.random.default_rng(0)
    rate = 0.3 + 0.25 * np.sin(np.arange(width) / 9) * np.cos(np.arange(40) / 7)[:, None]
    rate[:, width // 2 :] *= 0.5
    return rng.random((100, 40, width)) < rate


@pytest.mark.parametrize('width', [80, 83])
def test_the_right_bit_order_fits_and_the_wrong_one_does_not(width):
    packed = packing.pack(smooth_stream(width), 'little')
    right = packing.spike_counts(packed, width, 'little')
    wrong = packing.spike_counts(packed, width, 'big')
    assert stream_health.bit_order_misfit(right) < 1 / stream_health.STRIPE_RATIO
    assert stream_health.bit_order_misfit(wrong) > stream_health.STRIPE_RATIO


@pytest.mark.parametrize('counts', [np.full((5, 64), 7), np.arange(50).reshape(5, 10)])
def test_a_picture_that_cannot_tell_gives_one(counts):
    assert stream_health.bit_order_misfit(counts.astype(np.uint8)) == 1.0


@pytest.mark.parametrize(('width', 'height'), [(80, 40), (72, 24), (203, 31)])
def test_the_size_of_planes_is_found_by_how_their_bytes_repeat(width, height):
    packed = packing.pack(smooth_stream(width)[:, :height])
    assert stream_health.plane_layout(packed.ravel()) == (packed.shape[2], height)


@pytest.mark.parametrize('order', ['whole', 'from within a plane'])
def test_the_size_of_a_real_recording_is_found(real_data, order):
    path = real_data / 'spikes' / 'vidar_car_400x250.dat'
    data = np.fromfile(path, np.uint8)[0 if order == 'whole' else 7777 :]
    assert stream_health.plane_layout(data[: stream_health.LAYOUT_BYTES]) == (50, 250)


@pytest.mark.parametrize(
    'data',
    [
        np.random.default_rng(0).integers(0, 256, 100_000, dtype=np.uint8),
        np.zeros(100_000, np.uint8),
        packing.pack(smooth_stream()).ravel()[:1500],
        np.zeros(0, np.uint8),
    ],
    ids=['noise', 'dark', 'short', 'empty'],
)
def test_a_stream_that_does_not_tell_its_size_gives_none(data):
    assert stream_health.plane_layout(data) is None


def raw_planes(width, padding=0, height=64, planes=500, texture=None):
    """Bytes of a noisy scene with slopes, an edge and rows that differ."""
    rng = np.random.default_rng(1)
    if texture is None:
        y, x = np.mgrid[:height, :width]
        texture = 0.25 + 0.1 * np.sin(x / 9 + y / 23) + 0.1 * np.sin(y / 7) * (x > width // 3)
    packed = packing.pack(rng.random((planes, height, width)) < texture)
    return np.pad(packed, ((0, 0), (0, 0), (0, padding))).ravel()


@pytest.mark.parametrize(
    ('width', 'padding'),
    [(160, 0), (160, 6), (200, 1), (203, 0), (203, 2), (400, 0), (400, 1), (400, 6)],
)
def test_another_row_length_is_found_wherever_the_bytes_begin(width, padding):
    data, row = raw_planes(width, padding), (width + 7) // 8
    for parts in ([data], [data[777:]], [data[: len(data) // 2], data[len(data) // 2 + 5 :]]):
        found = stream_health.find_row_bytes(parts, row, 64 * row)
        assert found == (row + padding if padding else None)
    assert stream_health.find_row_bytes([data], row + padding, 64 * (row + padding)) is None


@pytest.mark.parametrize('content', ['noise', 'dark', 'still', 'short', 'nothing'])
def test_bytes_without_rows_give_no_row_length(content):
    data = {
        'noise': np.random.default_rng(0).integers(0, 256, 600_000, dtype=np.uint8),
        'dark': raw_planes(200, texture=0.003),
        'still': np.zeros(600_000, np.uint8),
        'short': raw_planes(200, 2)[:100_000],
        'nothing': np.zeros(0, np.uint8),
    }[content]
    assert stream_health.find_row_bytes([data], 25, 25 * 64) is None


@pytest.mark.parametrize(
    ('tilt', 'thickness'),
    [(8, 1), (8, 6), (9, 2), (9, 3), (6, 1), (6, 6), (-12, 2), (-12, 6)],
)
def test_lines_near_the_horizontal_are_no_other_row_length(tilt, thickness):
    y, x = np.mgrid[:64, :400]
    lines = np.where((y - x / tilt) // thickness % 2 < 1, 0.1, 0.5)
    assert stream_health.find_row_bytes([raw_planes(400, texture=lines)], 50, 50 * 64) is None


def test_rows_that_alternate_are_no_rows_of_twice_the_length():
    y, x = np.mgrid[:64, :400]
    texture = (0.3 + 0.1 * np.sin(x / 23)) * np.where(y % 2, 1, 0.3)
    assert stream_health.find_row_bytes([raw_planes(400, texture=texture)], 50, 50 * 64) is None


def test_bytes_repeat_by_their_plane_alone():
    data = raw_planes(200)
    whole = stream_health.plane_correlation([data], 25 * 64)
    assert whole > 0.05
    assert abs(stream_health.plane_correlation([data], 25 * 64 + 100)) < whole / 2
    assert stream_health.plane_correlation([data[:100]], 25 * 64) == 0


def test_light_counts_pixels():
    counts = np.array([[0, 0, 5, 10], [10, 10, 5, 0]], np.uint8)
    light = stream_health.measure_exposure(counts, planes=10)
    assert (light.mean_rate, light.always, light.never) == (0.5, 3 / 8, 3 / 8)
    assert light.saturated
    assert not light.too_dark
    assert stream_health.measure_exposure(np.zeros((2, 2), np.uint8), 10).too_dark
