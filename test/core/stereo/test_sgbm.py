# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import functools

import cv2
import numpy as np
import pytest

from spike_depth_ros.stereo.sgbm import SgbmMatcher, SgbmSettings

SETTINGS = SgbmSettings()
TEXTURE = cv2.GaussianBlur(
    np.random.default_rng(3).integers(0, 256, (120, 300), np.uint8), (0, 0), 1.2
)


def pair(disparity, columns=200, first=60):
    """Two pictures of a plane at one disparity."""
    return TEXTURE[:, first : first + columns], TEXTURE[:, first + disparity :][:, :columns]


@pytest.mark.parametrize(('lowest', 'disparity'), [(0, 0), (0, 3), (0, 29), (-16, -5), (5, 20)])
def test_a_shifted_picture_has_its_shift(lowest, disparity):
    found = SgbmMatcher(lowest, 32, SETTINGS).match(*pair(disparity))
    inside = found[:, max(disparity, 0) : 200 + min(disparity, 0)]
    assert np.isfinite(inside).mean() > 0.95
    assert np.nanmedian(np.abs(inside - disparity)) < 0.1


def test_places_at_the_left_edge_that_both_pictures_show_have_answers():
    found = SgbmMatcher(0, 64, SETTINGS).match(*pair(6))
    assert np.isfinite(found[:, 8:64]).mean() > 0.95


def test_places_that_the_right_picture_does_not_show_have_none():
    found = SgbmMatcher(0, 64, SETTINGS).match(*pair(40))
    assert np.isnan(found[:, :36]).mean() > 0.95


def test_what_is_hidden_behind_something_near_has_none():
    left, right = (one.copy() for one in pair(4))
    near = np.random.default_rng(1).integers(0, 256, (120, 40), np.uint8)
    near = cv2.GaussianBlur(near, (0, 0), 1.2)
    left[:, 100:140], right[:, 76:116] = near, near  # a disparity of 24
    found = SgbmMatcher(0, 48, SETTINGS).match(left, right)
    assert np.nanmedian(found[:, 102:138]) == pytest.approx(24, abs=0.1)
    assert np.nanmedian(found[:, 150:]) == pytest.approx(4, abs=0.1)
    assert np.isnan(found[:, 82:98]).mean() > 0.8  # the right eye sees the near thing there


def test_answers_that_the_right_picture_does_not_give_too_are_dropped():
    noise = np.random.default_rng(0).integers(82, 99, (2, 120, 200)).astype(np.uint8)
    eager = dataclasses.replace(SETTINGS, uniqueness_ratio=0, speckle_size=0, disp12_max_diff=1)
    checked = SgbmMatcher(0, 64, eager).match(*noise)
    unchecked = SgbmMatcher(0, 64, dataclasses.replace(eager, disp12_max_diff=-1)).match(*noise)
    known = np.isfinite(checked)
    np.testing.assert_array_equal(checked[known], unchecked[known])
    assert np.isfinite(unchecked).mean() > 1.3 * known.mean()


def test_each_setting_out_of_its_range_is_named(refusals):
    rows = {}
    for field in dataclasses.fields(SETTINGS):
        if field.type in ('int', int):
            for value in (-5, 10**9):
                call = functools.partial(dataclasses.replace, SETTINGS, **{field.name: value})
                rows[f'{field.name} {value}'] = field.name, call
    for changes in (
        {'correlation_window_size': 4}, {'P1': 900, 'P2': 800}, {'P1': 0}, {'prefilter_cap': 64},
        {'uniqueness_ratio': 100}, {'disp12_max_diff': -2}, {'smooth_range': 256},
    ):  # fmt: skip
        call = functools.partial(dataclasses.replace, SETTINGS, **changes)
        rows[str(changes)] = next(iter(changes)), call
    refusals('sgbm_settings', rows, ValueError)
