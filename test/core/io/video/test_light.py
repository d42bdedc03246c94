# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import functools

import numpy as np
import pytest

from spike_depth_ros.io.video.light import luminance
from spike_depth_ros.io.video.placement import Placement
from spike_depth_ros.io.video.spiking import IntegrateAndFire


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


def exposed(before=0.5, after=0.5, planes=3, size=(6, 13)):
    images = (np.full(size, value, np.float32) for value in (before, after))
    return IntegrateAndFire(np.zeros((6, 13), np.int32)).expose(*images, planes)


ARRAYS = {
    'a grey picture': ('[H, W, 3]', luminance, np.zeros((2, 2), np.uint8)),
    'four channels': ('[H, W, 3]', luminance, np.zeros((2, 2, 4), np.uint8)),
    'a picture of floats': ('uint8', luminance, np.zeros((2, 2, 3))),
    'light below 0': ('light', exposed, 0.5, -0.1),
    'light above 1': ('light', exposed, 0.5, 1.01),
    'light nan': ('light', exposed, 0.5, np.nan),
    'light of another size': ('[6, 13]', exposed, 0.5, 0.5, 5, (3, 13)),
    'no planes': ('0 planes', exposed, 0.5, 0.5, 0),
    'charge out of range': ('charge', IntegrateAndFire, np.full((2, 2), 1 << 24, np.int32)),
    'a picture of another size': (
        '60x39', Placement.aspect((40, 60), 20, 30).image, np.zeros((39, 60), np.float32),
    ),
    **{
        f'part {part}': ('60x40', Placement, (40, 60), *part, 10, 10)
        for part in ((0, 0, 41, 60), (-1, 0, 5, 5), (0, 0, 0, 5), (0, 56, 5, 5))
    },
}  # fmt: skip


def test_light_and_pictures_that_do_not_fit_are_refused(refusals):
    rows = {
        name: (named, functools.partial(call, *given))
        for name, (named, call, *given) in ARRAYS.items()
    }
    refusals('light_arrays', rows, ValueError)
