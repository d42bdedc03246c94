# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import sreds
from spike_depth_ros.stream import preview
from spike_depth_ros.stream.window import Window


@pytest.mark.parametrize(('fired', 'shade'), [(0, 0), (3, 52), (50, 186), (100, 255)])
def test_the_shade_is_the_gamma_encoded_firing_rate(fired, shade):
    spikes = np.zeros((100, 2, 9), np.uint8)
    spikes[:fired, 1, 8] = 1
    image = preview.render(Window.from_planes(spikes, 20_000), 'rate')
    assert (image.dtype, image.shape) == (np.uint8, (2, 9))
    assert image[1, 8] == shade
    assert image.sum() == shade


@pytest.mark.parametrize('method', preview.METHODS)
def test_a_window_of_many_planes_keeps_its_scale(method):
    image = preview.render(Window.from_planes(np.ones((700, 2, 9)), 20_000, 'big'), method)
    assert (image == 255).all()


@pytest.mark.parametrize('method', preview.METHODS)
@pytest.mark.parametrize('planes', [1, 2, 20, 21, 128])
def test_darkness_is_black_in_windows_of_any_length(method, planes):
    assert not preview.render(Window.from_planes(np.zeros((planes, 3, 9)), 20_000), method).any()


def test_the_short_preview_counts_the_planes_around_the_reference_plane():
    spikes = np.zeros((128, 1, 8), np.uint8)
    spikes[64 - 10 : 64 + 11, 0, 1] = 1
    spikes[:54, 0, 2] = spikes[75:, 0, 3] = 1
    image = preview.render(Window.from_planes(spikes, 20_000), 'short')
    assert image[0].tolist() == [0, 255] + 6 * [0]


def naive_interval(spikes, reference):
    """Return the rate of each pixel by a loop over its spikes."""
    rate = np.empty(spikes.shape[1:])
    first, last = max(reference - 4, 0), min(reference + 4, len(spikes) - 1)
    for row, column in np.ndindex(*rate.shape):
        fired = np.flatnonzero(spikes[:, row, column])
        before, after = fired[fired <= first], fired[fired >= last]
        rate[row, column] = spikes[:, row, column].mean()
        if len(before) and len(after) and before[-1] < after[0]:
            begin, end = before[-1], after[0]
            rate[row, column] = ((fired > begin) & (fired <= end)).sum() / (end - begin)
    return rate


@given(
    st.integers(1, 40),
    st.sampled_from(['little', 'big']),
    st.sampled_from(['first', 'middle', 'last']),
    st.sampled_from([0.03, 0.2, 0.7]),
    st.integers(0, 1000),
)
def test_the_interval_preview_is_that_of_a_loop(planes, bit_order, reference, rate, seed):
    spikes = np.random.default_rng(seed).random((planes, 3, 11)) < rate
    window = Window.from_planes(spikes, 20_000, bit_order, reference=reference)
    expected = np.rint(255 * naive_interval(spikes, window.reference_plane) ** (1 / 2.2))
    np.testing.assert_array_equal(preview.render(window, 'interval'), expected)


def test_far_spikes_of_a_long_window_count_in_its_mean_alone():
    spikes = np.zeros((1280, 4, 8), bool)
    spikes[640 - 100 :: 100, 0, 0] = True  # near the reference plane, 640, on both sides
    spikes[[100, 1000], 1, 1] = True
    found = preview.render(Window.from_planes(spikes, 20_000), 'interval')
    assert found[0, 0] == np.rint(255 * 0.01 ** (1 / 2.2))
    assert found[1, 1] == np.rint(255 * (2 / 1280) ** (1 / 2.2))
    assert found[2, 2] == 0


def test_rates_beyond_the_range_are_black_or_white():
    rates = np.array([[-0.1, 0.0, 0.5, 1.0, 1.3]], np.float32)
    np.testing.assert_array_equal(preview.encode(rates), [[0, 0, 186, 255, 255]])


@pytest.mark.parametrize(
    ('method', 'expected'),
    [('rate', (19.7, 0.42)), ('short', (25.7, 0.71)), ('interval', (29.3, 0.89))],
)
def test_previews_resemble_the_sharp_frames_of_sreds(method, expected, capsys):
    """PSNR and SSIM of 128 planes around the frame, means of three clips; ``-s`` prints them."""
    found = sreds.scores(sreds.previewed(method)).mean(axis=0)
    with capsys.disabled():
        print(f'\n{method}: {found[0]:.2f} dB, SSIM {found[1]:.3f}')
    assert found[0] == pytest.approx(expected[0], abs=0.06)
    assert found[1] == pytest.approx(expected[1], abs=0.01)
