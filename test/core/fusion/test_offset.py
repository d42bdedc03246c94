# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from spike_depth_ros.fusion import offset
from spike_depth_ros.fusion.offset import FEWEST, LAST_PAIRS, YOUNGEST, OffsetCheck

ROWS, COLUMNS = 125, 190


def scene(seed=0):
    """A textured picture, 0 to 1."""
    noise = np.random.default_rng(seed).random((ROWS, COLUMNS), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


def pair(right, down, seed=0):
    """A frame of another exposure and shading that is this much off, and noisy spikes."""
    spikes = scene(seed)
    places = np.float32([[1, 0, right], [0, 1, down]])
    frame = cv2.warpAffine(spikes, places, (COLUMNS, ROWS), borderMode=cv2.BORDER_REFLECT)
    frame = (0.4 * frame + np.linspace(0, 0.5, COLUMNS, dtype=np.float32)) ** 0.8
    noise = np.random.default_rng(seed + 1).normal(0, 0.05, spikes.shape).astype(np.float32)
    return frame, spikes + noise


def add(check, frame, spikes, age_s):
    if check.wants(age_s):
        check.add(frame, spikes, age_s)


@pytest.fixture
def measured(monkeypatch):
    """Ages of the pairs that are measured, each of which is off by its frame, a tuple."""
    monkeypatch.setattr(offset, '_offset', lambda frame, spikes: frame)


@pytest.mark.parametrize(('right', 'down'), [(0, 0), (3.4, -1.6), (-8, 5), (0.5, 12)])
def test_the_median_is_the_shift(right, down):
    check = OffsetCheck()
    for seed in range(FEWEST):
        assert check.median is None
        add(check, *pair(right, down, seed), 0.01)
    assert check.median == pytest.approx((right, down), abs=0.3)
    assert bool(check.problem) == (np.hypot(right, down) > 2)


def test_the_problem_names_the_vector():
    check = OffsetCheck(most_px=4.0)
    for _ in range(FEWEST):
        add(check, *pair(-8, 5), 0.0)
    assert '-8.0 pixels to the right of the spikes and +5.0 below' in check.problem
    assert 'expected at most 4 pixels' in check.problem


def test_large_pictures_are_measured_in_their_own_pixels():
    large = [cv2.resize(one, (3 * COLUMNS, 3 * ROWS)) for one in pair(2, -1)]
    assert offset._offset(*large) == pytest.approx((6, -3), abs=0.5)


@pytest.mark.parametrize('right', [0, 6])
def test_what_is_not_covered_does_not_count(right):
    frame, spikes = pair(right, 0)
    frame, spikes = 0.9 + 0.05 * frame, 0.8 + 0.1 * spikes  # pale
    outside = np.ones(frame.shape, np.uint8)
    corners = np.array([[20, 10], [170, 25], [160, 115], [15, 100]])
    cv2.fillPoly(outside, [corners], 0)
    frame[outside == 1] = np.nan
    assert offset._offset(frame, spikes) == pytest.approx((right, 0), abs=0.3)


@pytest.mark.filterwarnings('error')
def test_pairs_without_a_clear_peak_have_no_offset():
    frame, spikes = pair(0, 0)
    flat = np.full_like(frame, 0.3)
    narrow = frame.copy()
    narrow[:, 31:] = np.nan
    sparse, large = (np.tile(one, 2) for one in (frame, spikes))  # two pixels are one
    sparse[:, ::2] = np.nan
    for one, other in (
        (pair(0, 0, seed=5)[0], spikes),  # of something else
        (flat, spikes),
        (frame, flat),
        (flat, flat),
        (narrow, spikes),
        (sparse, large),
        (np.full_like(frame, np.nan), spikes),
    ):
        assert offset._offset(one, other) is None
    check = OffsetCheck()
    for _ in range(FEWEST):
        add(check, flat, spikes, 0.0)
    assert check.median is None
    assert check.problem == ''


def test_frames_of_little_age_count_where_the_camera_turns():
    check = OffsetCheck()
    ages = np.random.default_rng(0).uniform(0, 0.03, 60)
    for seed, age in enumerate(ages):
        add(check, *pair(200 * age, 0, seed), age)  # a mean of 3 pixels
    assert check.problem == ''
    youngest = np.sort(ages)[:YOUNGEST]
    assert check.median == pytest.approx((200 * np.median(youngest), 0), abs=0.3)


def test_few_pairs_are_measured(measured):
    """The youngest of random ages; of equal ages as many as count."""
    for ages, most in (
        (np.random.default_rng(0).uniform(0, 0.03, 10 * LAST_PAIRS), 0.2),
        (np.full(10 * LAST_PAIRS, 0.01), 0.1),
        (np.tile(np.arange(0.0, 0.033, 0.011), 1000), 0.1),
    ):
        check = OffsetCheck()
        for number, age in enumerate(ages):
            add(check, (1000 * age, float(number)), None, age)
            assert len(check._pairs) <= LAST_PAIRS
        last = sorted(ages[-LAST_PAIRS:])[:YOUNGEST]
        assert check.median[0] == pytest.approx(1000 * np.median(last), rel=0.1)
        assert len(check._pairs) <= most * LAST_PAIRS


def test_offsets_of_long_ago_are_forgotten(measured):
    check = OffsetCheck()
    for _ in range(YOUNGEST):
        add(check, (9.0, 9.0), None, 0.0)
    assert check.problem
    for _ in range(LAST_PAIRS):
        add(check, (1.0, -1.0), None, 0.02)
    assert check.median == (1.0, -1.0)
    assert check.problem == ''
