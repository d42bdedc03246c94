# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from spike_depth_ros.video.light import luminance


def pixel(*channels):
    return np.array([[channels]], np.uint8)


def test_it_is_linear_light():
    assert luminance(pixel(0, 0, 0)).item() == 0
    assert luminance(pixel(255, 255, 255)).item() == pytest.approx(1)
    # Half of the light is encoded as 188 (IEC 61966-2-1), not as 128.
    assert luminance(pixel(188, 188, 188)).item() == pytest.approx(0.5, abs=0.005)
    assert luminance(pixel(10, 10, 10)).item() == pytest.approx(10 / 255 / 12.92)


def test_colours_weigh_as_the_eye_does():
    weights = [luminance(pixel(*(255 * np.eye(3)[k]))).item() for k in range(3)]
    assert weights == pytest.approx([0.2126, 0.7152, 0.0722])
    assert luminance(pixel(255, 0, 0), 'bgr').item() == pytest.approx(0.0722)


@pytest.mark.parametrize(
    'image', [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3))]
)
def test_other_arrays_are_refused(image):
    with pytest.raises(ValueError, match=r'expected uint8 \[H, W, 3\]'):
        luminance(image)
