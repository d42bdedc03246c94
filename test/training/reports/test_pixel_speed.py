# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The speed of pixels is that of the pictures, also where smaller ones are compared."""

import cv2
import pytest

from kit.clips import FRAME_S, STEP, Sliding
from spike_training.reports.pixel_speed import pixel_speed


class Larger(Sliding):
    """The same pictures, magnified."""

    def __init__(self, factor):
        super().__init__(frames=3)
        self.factor = factor

    def image(self, index):
        return cv2.resize(super().image(index), None, fx=self.factor, fy=self.factor)


@pytest.mark.parametrize('factor', [1, 12])
def test_speed_is_in_pixels_of_the_pictures(factor):
    assert pixel_speed(Larger(factor)) == pytest.approx(factor * STEP / FRAME_S, rel=0.1)


def test_what_stands_still_or_alone_has_none():
    still, alone = Sliding(frames=3), Sliding(frames=1)
    still.image = lambda index: Sliding().image(0)
    assert pixel_speed(still) == 0
    assert pixel_speed(alone) is None
