# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of the colours of depth."""

import math
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from spike_depth_ros.pages.depth_colours import (
    BEYOND,
    DEPTH_COLOURS,
    MISSING,
    NARROWEST,
    TOO_NEAR,
    DepthColours,
)
from spike_depth_ros.pages.pictures import depth_bar, depth_panel

ROOT = Path(__file__).parents[2]


def places(image):
    """Positions of an image's colours among those of depth, from near, 0, to far, 1."""
    distances = np.abs(image.reshape(-1, 1, 3).astype(int) - DEPTH_COLOURS.astype(int)).sum(-1)
    assert (distances.min(1) == 0).all()
    return distances.argmin(1).reshape(image.shape[:2]) / 255


def test_a_fixed_range_is_logarithmic():
    image = DepthColours(1.0, 16.0).paint(np.float32([[0.5, 1.0, 2.0, 4.0, 16.0, 50.0]]))
    assert (image.dtype, image.shape) == (np.uint8, (1, 6, 3))
    np.testing.assert_allclose(places(image)[0], [0, 0, 0.25, 0.5, 1, 1], atol=0.003)
    assert image[0, 1].sum() > image[0, 4].sum()  # near is bright


def test_special_values_have_their_own_colours():
    for colours in (DepthColours(1.0, 2.0), DepthColours()):
        image = colours.paint(np.float32([[np.nan, np.inf, -np.inf]]))
        np.testing.assert_array_equal(image[0], [MISSING, BEYOND, TOO_NEAR])


def test_without_limits_the_range_is_that_of_most_pixels_and_moves_slowly():
    depth = np.tile(np.geomspace(2, 8, 400, dtype=np.float32), (40, 1))
    outlier = depth.copy()
    outlier[:, :2] = 70
    colours = DepthColours()
    shown = places(colours.paint(outlier))
    assert shown[0, 200] == pytest.approx(0.5, abs=0.03)
    assert (shown[:, 0] == 1).all()
    # Twice as far away: first like the range before, at last like the first picture.
    first = places(colours.paint(2 * depth))
    assert first.mean() > 0.85
    for _ in range(60):
        last = colours.paint(2 * depth)
    assert places(last)[0, 200] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(('near', 'far'), [(0.0, 0.0), (3.0, 0.0), (0.0, 3.0), (9.0, 0.0)])
def test_a_wall_is_not_shown_in_all_colours(near, far):
    depth = np.float32(3 + 0.01 * np.random.default_rng(0).standard_normal((40, 40)))
    shown = places(DepthColours(near, far).paint(depth))
    assert np.ptp(shown) < 0.2
    assert math.log(NARROWEST) > 0


def test_panels_and_topics_have_the_same_colours_of_the_same_metres():
    rng = np.random.default_rng(0)
    depth = np.exp(rng.uniform(-1, 3, (200, 300))).astype(np.float32)
    places = np.rint(np.clip(np.log(depth.astype(float) / 0.7) / np.log(9 / 0.7), 0, 1) * 255)
    magma = cv2.applyColorMap((255 - places).astype(np.uint8), cv2.COLORMAP_MAGMA)[..., ::-1]
    painted = DepthColours(0.7, 9.0).paint(depth)
    # Single precision may round to the neighbouring colour.
    assert (painted == magma).all(axis=2).mean() > 0.999
    assert np.abs(painted.astype(int) - magma).max() < 12
    panel = depth_panel(depth, 0.7, 9.0)
    np.testing.assert_array_equal(panel[:, :300], painted)
    np.testing.assert_array_equal(panel[:, 300:], depth_bar(200, 0.7, 9.0))


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
def test_what_is_not_positive_is_no_value(dtype):
    image = DepthColours(1.0, 4.0).paint(np.array([[0.0, -2.0, 1e-6, 2.0]], dtype))
    np.testing.assert_array_equal(image[0, :2], [MISSING, MISSING])
    np.testing.assert_allclose(places(image[:, 2:])[0], [0, 0.5], atol=0.003)


def test_the_metres_of_the_newest_colours_are_told():
    colours = DepthColours(0.0, 9.0)
    assert colours.newest_m is None
    colours.paint(np.full((8, 8), 3.0, np.float32))
    assert colours.newest_m == (pytest.approx(3.0), 9.0)


def test_depth_has_no_other_colour_map():
    """Colour maps by name: of uncertainty and errors, and for the pointer of the view."""
    found = {}
    for part in ('spike_depth_ros', 'training', 'benchmarks', 'scripts', 'launch'):
        for path in (ROOT / part).rglob('*.py'):
            text = path.read_text(encoding='utf-8')
            names = re.findall(r'(?:COLORMAP_|Colormap\.)(\w+)|applyColorMap|\bcmap\b', text)
            if names:
                found[str(path.relative_to(ROOT))] = sorted(names)
    assert found == {
        'spike_depth_ros/pages/depth_colours.py': ['', 'MAGMA'],
        'spike_depth_ros/pages/pictures.py': ['INFERNO', 'VIRIDIS'],
        'spike_depth_ros/tools/view/rerun_log.py': ['Magma', 'Viridis'],
    }
