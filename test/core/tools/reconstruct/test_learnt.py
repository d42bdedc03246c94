# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped network of pictures: its size, and what it makes of dark, still and real streams."""

import numpy as np
import pytest

from kit import sreds, streams
from spike_depth_ros import Window
from spike_depth_ros.checkpoint import IMAGE_MODEL, find_checkpoint, load, onnx_path
from spike_depth_ros.estimator import ImageEstimator
from spike_depth_ros.stream import preview
from spike_depth_ros.tasks.image import ImageInfo


@pytest.fixture(scope='module')
def network():
    return ImageEstimator.from_checkpoint(device='cpu')


def firing(rate, planes, seed=0):
    """Integrate constant light, ``[height, width]`` spikes per plane, from random charges."""
    return streams.integrated(rate, planes, np.random.default_rng(seed).random(rate.shape))


def test_the_files_are_small():
    path = find_checkpoint(IMAGE_MODEL)
    info, tensors = load(path, ImageInfo)
    assert info.planes == info.bins == 41
    assert sum(value.size for value in tensors.values()) <= 240_000
    assert path.stat().st_size <= 500_000
    assert onnx_path(path).stat().st_size <= 500_000


def test_darkness_is_black(network):
    picture = network.predict(Window.from_planes(np.zeros((41, 32, 48)), 20_000))
    assert not preview.encode(picture.rate).any()


def test_a_still_scene_flickers_less_than_by_intervals(network, capsys):
    """Standard deviation over 100 windows, mean over pixels; ``-s`` prints it."""
    rows, columns = np.mgrid[:64, :96]
    rate = 0.25 + 0.2 * np.sin(columns / 9) * np.cos(rows / 7)
    rate[20:40, 30:60] = 0.5
    spikes = firing(rate, 128 + 99)
    windows = [Window.from_planes(spikes[k : k + 128], 20_000) for k in range(100)]
    shown = [preview.encode(network.predict(window).rate) for window in windows]
    intervals = [preview.render(window, 'interval') for window in windows]
    flicker, other = (np.std(images, axis=0).mean() for images in (shown, intervals))
    with capsys.disabled():
        print(f'\nflicker: learnt {flicker:.2f}, interval {other:.2f} grey levels')
    assert flicker <= 1.2
    assert flicker < 0.7 * other
    mean = np.mean(shown, axis=0)
    assert abs(mean - preview.encode(rate)).mean() < 2


def test_pictures_are_sharper_than_simple_estimates_on_each_clip_of_sreds(network, capsys):
    """PSNR and SSIM of three clips that no training saw; ``-s`` prints them."""
    learnt = sreds.scores(lambda window: network.predict(window).rate)
    with capsys.disabled():
        print('\nlearnt: {:.2f} dB, SSIM {:.3f}'.format(*learnt.mean(axis=0)))
    assert (learnt > [28.0, 0.85]).all()
    for method in ('short', 'rate'):
        assert (learnt > sreds.scores(sreds.previewed(method))).all()
