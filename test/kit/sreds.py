# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clips of SREDS, real recordings with a sharp frame of each."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from spike_depth_ros.evaluation.image_metrics import psnr, ssim
from spike_depth_ros.io.recording import open_recording
from spike_depth_ros.stream import preview
from spike_depth_ros.stream.window import Window

WHITE = 0.6
"""Firing rate of white."""


def scores(rate_of):
    """PSNR and SSIM of each clip, ``[3, 2]``: of a window's firing rate against the sharp frame.

    Args:
        rate_of: Gives the firing rate of the 128 planes around the frame.
    """
    folder = os.environ.get('SPIKE_DEPTH_DATA')
    if folder is None:
        pytest.skip('SPIKE_DEPTH_DATA is not set: no real recordings here')
    found = []
    for path in sorted(Path(folder, 'spikes/sreds').glob('*.dat')):
        spikes = open_recording(path, (400, 250))
        window = Window(
            data=np.ascontiguousarray(spikes.planes[150 - 64 : 150 + 64]),
            geometry=spikes.geometry, t0_ns=0, period_ns=50_000, reference_plane=64,
            reference_ns=64 * 50_000,
        )  # fmt: skip
        reference = cv2.imread(str(path.with_suffix('.png')), cv2.IMREAD_GRAYSCALE) / 255
        image = np.clip(rate_of(window) / WHITE, 0, 1)
        found.append((psnr(image, reference), ssim(image, reference)))
    assert len(found) == 3
    return np.array(found)


def previewed(method):
    """The function that gives the firing rate of a preview."""
    return lambda window: (preview.render(window, method) / 255) ** preview.GAMMA
