# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Points of pictures that are shifted by known amounts."""

import cv2
import numpy as np
import pytest

from kit import moving
from spike_depth_ros.motion import tracks
from spike_depth_ros.motion.tracks import Tracker, draw_picture, find_corners

STEP_NS = 50_000_000
HEIGHT, WIDTH = 120, 160


def shifted(columns=0.0, rows=0.0, height=HEIGHT, width=WIDTH):
    """A picture whose content is farther right and lower than that of another one."""
    matrix = np.array([[1, 0, 300.0 - columns], [0, 1, 300.0 - rows]])
    found = cv2.warpAffine(
        moving.TEXTURE, matrix, (width, height), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    )
    return found.round().clip(0, 255).astype(np.uint8)


def shown(sight, number):
    return sight.places[np.flatnonzero(sight.numbers == number)[0]]


def test_rates_are_drawn_by_their_square_root_between_dark_and_bright():
    rate = np.repeat(np.float32([[0, 1, 4]]), 40, axis=1).repeat(60, axis=0)
    picture = draw_picture(rate)
    assert picture.dtype == np.uint8
    assert picture[30, [5, 60, 115]].tolist() == [0, 127, 255]
    np.testing.assert_array_equal(draw_picture(9 * rate), picture)


def test_what_a_rectified_image_does_not_show_is_dark_and_does_not_set_the_contrast():
    rate = 100 + np.random.default_rng(0).uniform(0, 10, (60, 120)).astype(np.float32)
    rate[:, 90:] = np.nan
    picture = draw_picture(rate)
    assert picture[:, 94:].max() == 0
    assert picture[:, :80].min() == 0
    assert picture[:, :80].max() == 255
    assert 50 < picture[:, :80].std() < 80


@pytest.mark.parametrize('value', [0.3, np.nan])
def test_a_picture_of_nothing_has_no_corners(value):
    with np.errstate(all='raise'):
        picture = draw_picture(np.full((60, 80), value, np.float32))
    assert find_corners(picture, 10).shape == (0, 2)


def test_corners_are_as_many_as_wanted_and_inside_the_mask():
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:, 100:] = 255
    corners = find_corners(shifted(), 20, mask)
    assert corners.shape == (20, 2)
    assert corners[:, 0].min() >= 100


@pytest.mark.parametrize('shift', [(0.0, 0.0), (3.5, -2.25), (-11.0, 7.5)])
def test_points_are_found_where_the_picture_went(shift):
    corners = find_corners(shifted(), 150)
    inside = ((corners > 25) & (corners < (WIDTH - 26, HEIGHT - 26))).all(axis=1)
    moved, found = tracks.track(shifted(), shifted(*shift), corners)
    assert found[inside].mean() > 0.95
    assert np.abs(moved - corners - shift)[found & inside].max() < 0.15


def test_points_that_leave_the_picture_are_lost():
    corners = find_corners(shifted(), 300)
    _, found = tracks.track(shifted(), shifted(-8), corners)
    leave = corners[:, 0] < 7.5
    assert leave.sum() > 10
    assert found[leave].mean() < 0.1
    assert found[~leave].mean() > 0.8


def test_points_are_not_found_in_another_picture():
    corners = find_corners(shifted(), 300)
    _, found = tracks.track(shifted(), shifted(400, 250), corners)
    assert found.mean() < 0.1


def test_no_points_are_tracked_without_a_search():
    moved, found = tracks.track(shifted(), shifted(), np.empty((0, 2), np.float32))
    assert (len(moved), len(found)) == (0, 0)


def test_numbers_stay_with_their_points():
    tracker = Tracker()
    sights = [tracker.update(shifted(2.5 * k, -1.5 * k), k * STEP_NS) for k in range(5)]
    first, last = sights[0], sights[-1]
    both = np.intersect1d(first.numbers, last.numbers)
    assert len(both) > 150
    moved = np.array([shown(last, number) - shown(first, number) for number in both])
    assert np.median(np.abs(moved - (10, -6)).max(axis=1)) < 0.05
    assert np.quantile(np.abs(moved - (10, -6)).max(axis=1), 0.95) < 0.5
    for sight in sights:
        assert (np.diff(sight.numbers) > 0).all()


def test_corners_are_added_only_where_there_are_few_and_apart_from_the_others():
    tracker = Tracker()
    first = tracker.update(shifted(height=240, width=320), 0)
    assert len(first.numbers) == tracks.CORNERS
    second = tracker.update(shifted(2, height=240, width=320), STEP_NS)
    assert tracks.LEAST_CORNERS <= len(second.numbers) < tracks.CORNERS
    assert set(second.numbers) < set(first.numbers)
    third = tracker.update(shifted(120, height=240, width=320), 2 * STEP_NS)  # most are lost
    old = np.isin(third.numbers, second.numbers)
    assert 0 < old.sum() < tracks.LEAST_CORNERS
    added = third.numbers[~old]
    assert len(third.numbers) == tracks.CORNERS
    assert added.min() > first.numbers.max()
    apart = np.linalg.norm(third.places[~old][:, None] - third.places[old], axis=2)
    assert apart.min() > 4  # pixels; their places are between pixels


def test_pictures_of_one_second_are_remembered():
    tracker = Tracker()
    for k in range(31):
        tracker.update(shifted(), 7 + k * STEP_NS)
    times = [sight.time_ns for sight in tracker.sights]
    assert times == [7 + k * STEP_NS for k in range(10, 31)]


@pytest.mark.parametrize(
    ('elapsed_ns', 'width'),
    [
        (tracks.LARGEST_GAP_NS + 1, WIDTH), (0, WIDTH), (-STEP_NS, WIDTH), (STEP_NS, WIDTH + 8),
    ],
    ids=['gap', 'same time', 'time back', 'other size'],
)  # fmt: skip
def test_what_is_not_continued_begins_anew_with_other_numbers(elapsed_ns, width):
    tracker = Tracker()
    tracker.update(shifted(), 0)
    before = tracker.update(shifted(1), STEP_NS)
    after = tracker.update(shifted(2, width=width), STEP_NS + elapsed_ns)
    assert list(tracker.sights) == [after]
    assert len(after.numbers) > 100
    assert after.numbers.min() > before.numbers.max()


def test_the_longest_gap_is_tracked_through():
    tracker = Tracker()
    first = tracker.update(shifted(), 0)
    second = tracker.update(shifted(1), tracks.LARGEST_GAP_NS)
    assert len(tracker.sights) == 2
    assert np.isin(first.numbers, second.numbers).mean() > 0.8
