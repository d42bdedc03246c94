# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from spike_depth_ros import preview
from spike_depth_ros.stream.window import Window


@pytest.mark.parametrize(('fired', 'shade'), [(0, 0), (3, 52), (50, 186), (100, 255)])
def test_the_shade_is_the_gamma_encoded_firing_rate(fired, shade):
    spikes = np.zeros((100, 2, 9), np.uint8)
    spikes[:fired, 1, 8] = 1
    image = preview.render(Window.from_planes(spikes, 20_000))
    assert (image.dtype, image.shape) == (np.uint8, (2, 9))
    assert image[1, 8] == shade
    assert image.sum() == shade


def test_a_window_of_many_planes_keeps_its_scale():
    image = preview.render(Window.from_planes(np.ones((700, 2, 9)), 20_000, 'big'))
    assert (image == 255).all()
