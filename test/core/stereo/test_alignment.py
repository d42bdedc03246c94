# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from spike_depth_ros.stereo.alignment import EVERY_NS, EXCHANGED, PAIRS, AlignmentCheck


def picture(seed=0):
    noise = np.random.default_rng(seed).random((140, 260), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0)
    span = smooth - smooth.min()
    return (255 * span / span.max()).astype(np.uint8)


def shifted(columns, rows=0):
    """Pictures of 120x200, of which the left one shows all this much farther right and lower."""
    whole = picture()
    places = (20, 10), (20 + columns, 10 + rows)
    return [whole[y : y + 120, x : x + 200] for x, y in places]


def checked(left, right, pairs=PAIRS, offset_px=0.0):
    check = AlignmentCheck()
    for step in range(pairs):
        check.update(left, right, offset_px, step * EVERY_NS)
    return check


@pytest.mark.parametrize(('columns', 'rows'), [(5, 0), (12, 3), (0, -2)])
def test_rows_and_columns_are_those_of_the_shift(columns, rows):
    check = checked(*shifted(columns, rows))
    assert check.vertical_offset_px == pytest.approx(rows, abs=0.3)
    assert check._columns[-1] == pytest.approx(columns, abs=0.3)
    assert not check.exchanged
    expected = [f'the left picture is {rows:+.1f} pixels lower'] if abs(rows) > 1 else []
    assert [note.split(' than')[0] for note in check.notes] == expected


def test_twenty_pairs_of_negative_disparities_are_exchanged_eyes():
    left, right = shifted(4)
    check = checked(right, left, PAIRS - 1)
    assert not check.exchanged
    check.update(right, left, 0.0, (PAIRS - 1) * EVERY_NS)
    assert check.notes == (EXCHANGED,)
    check.update(left, right, 0.0, PAIRS * EVERY_NS)
    assert not check.exchanged


def test_disparities_count_from_that_of_infinity():
    assert not checked(*shifted(-4), offset_px=-10.0).exchanged
    assert checked(*shifted(4), offset_px=10.0).exchanged


def test_pairs_shortly_after_each_other_count_once():
    left, right = shifted(-4)
    check = AlignmentCheck()
    for step in range(10 * PAIRS):
        check.update(left, right, 0.0, step * EVERY_NS // 20)
    assert not check.exchanged
    check.update(left, right, 0.0, -EVERY_NS)  # a clock that was set back
    assert len(check._rows) == 11


def test_pictures_without_points_or_of_other_scenes_count_nothing():
    flat = np.zeros((120, 200), np.uint8)
    assert checked(flat, flat).vertical_offset_px is None
    assert checked(flat, flat).notes == ()
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (120, 200)).astype(np.uint8) for _ in range(2)]
    assert checked(*noise).notes == ()
