# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.cameras import write_calibration
from spike_depth_ros.calibration import CalibrationError
from spike_depth_ros.stereo.rig import StereoRig

RIG = StereoRig.from_baseline(0.12, 430.0, 400, 250)
WIDE = (-0.28, 0.07, 0.0002, 0.00002, 0.0)


def replaced(values, **at):
    """Numbers of which some are replaced, as ``n3=5.0``."""
    found = list(values)
    for name, value in at.items():
        found[int(name[1:])] = value
    return tuple(found)


def turned(camera, yaw):
    """A camera whose rectification turns it about the vertical axis."""
    c, s = math.cos(yaw), math.sin(yaw)
    return dataclasses.replace(camera, r=(c, 0.0, s, 0.0, 1.0, 0.0, -s, 0.0, c))


def test_depth_is_focal_length_times_baseline_over_disparity():
    assert RIG.baseline_m == pytest.approx(0.12)
    assert RIG.depth_of(3.0) == pytest.approx(430 * 0.12 / 3)
    depth = RIG.depth_of(np.array([[3.0, 0.0, -1.0, np.nan]], np.float32))
    assert depth.dtype == np.float32
    assert depth[0, 0] == pytest.approx(17.2)
    assert depth[0, 1] == math.inf
    assert depth[0, 2] < 0
    assert np.isnan(depth[0, 3])


def test_principal_points_of_different_columns():
    # The left one 31 pixels to the left of the right one, as in Middlebury's sets of 2014.
    left = dataclasses.replace(RIG.left, p=replaced(RIG.left.p, n2=180.0))
    right = dataclasses.replace(RIG.right, p=replaced(RIG.right.p, n2=211.0))
    rig = StereoRig(left, right)
    assert rig.offset_px == -31.0
    # A place 2 m away on the left axis is to the left of the right one.
    column = 211.0 - 430 * 0.12 / 2
    assert rig.depth_of(180.0 - column) == pytest.approx(2.0)
    assert rig.disparity_of(2.0) == pytest.approx(180.0 - column)
    lowest, number = rig.search_range(0.5)
    assert lowest == -31
    assert lowest + number >= rig.disparity_of(0.5)


@given(st.floats(0.2, 100), st.floats(0.02, 1.0), st.floats(100, 900))
def test_disparity_and_depth_are_inverse(depth, baseline, fx):
    rig = StereoRig.from_baseline(baseline, fx, 400, 250)
    assert rig.depth_of(rig.disparity_of(depth)) == pytest.approx(depth)


@pytest.mark.parametrize('nearest', [0.3, 0.5, 2.0, 1000.0])
def test_the_search_covers_the_nearest_depth_in_steps_of_16(nearest):
    lowest, number = RIG.search_range(nearest)
    assert lowest == 0
    assert number % 16 == 0
    assert RIG.disparity_of(nearest) <= number < max(RIG.disparity_of(nearest), 48) + 16.001


def test_a_search_that_is_wider_than_the_picture_is_refused():
    with pytest.raises(ValueError, match=r'516 pixels, expected at most 384.* of 0.14 m or more'):
        RIG.search_range(0.1)
    assert RIG.search_range(0.14) == (0, 384)  # as it says
    far = StereoRig.from_baseline(10.0, 3000.0, 4000, 40)
    with pytest.raises(ValueError, match='expected at most 2047'):
        far.search_range(8.0)
    with pytest.raises(ValueError, match='nearest depth 0 m: expected above 0'):
        RIG.search_range(0.0)


def test_small_pictures_are_searched_as_wide_as_they_allow():
    assert StereoRig.from_baseline(0.1, 60.0, 64, 48).search_range(1000.0) == (0, 48)
    with pytest.raises(ValueError, match='pictures of 16 columns: expected more than 16'):
        StereoRig.from_baseline(0.1, 60.0, 16, 16).search_range(1.0)


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({3: -1e308}, 'a baseline of 2.3'),
        ({3: -430e-9}, 'a baseline of 1e-09 m; expected 0.001 to 10 metres'),
        ({3: -430 * 12}, 'a baseline of 12 m; expected 0.001 to 10 metres'),  # of 12 cm
        ({0: 1e-300}, 'P of the right camera has focal lengths 1e-300'),
        ({3: 0.0, 7: -51.6}, 'side by side, not one above the other'),
    ],
)
def test_absurd_projections_are_refused(changes, reason):
    p = list(RIG.right.p)
    for index, value in changes.items():
        p[index] = value
    with pytest.raises(CalibrationError, match=reason):
        StereoRig(RIG.left, dataclasses.replace(RIG.right, p=tuple(p)))


def test_a_principal_point_far_away_cannot_be_searched():
    for away in (5000.0, -1e300):
        k, p = (replaced(values, n2=away) for values in (RIG.right.k, RIG.right.p))
        rig = StereoRig(RIG.left, dataclasses.replace(RIG.right, k=k, p=p))
        with pytest.raises(ValueError, match='expected less than 2047 either way'):
            rig.search_range(1.0)


def test_pictures_that_are_rectified_stay_as_they_are():
    assert RIG.rectifications == (None, None)
    picture = np.arange(250 * 400, dtype=np.uint8).reshape(250, 400)
    left, right = RIG.rectify(picture, picture)
    assert left is picture
    assert right is picture
    assert RIG.seen_by_left.all()


def test_one_eye_may_be_turned_or_wide():
    rig = StereoRig(
        turned(RIG.left, 0.02),
        dataclasses.replace(RIG.right, d=WIDE, distortion_model='plumb_bob'),
    )
    assert all(rig.rectifications)
    assert not rig.seen_by_left.all()
    # A place straight ahead of the turned camera is beside the middle of its rectified picture.
    picture = np.zeros((250, 400), np.uint8)
    picture[120:130, 195:205] = 255
    left, _ = rig.rectify(picture, picture)
    column = np.average(np.arange(400), weights=left.sum(0, dtype=float))
    assert column - 199.5 == pytest.approx(430 * math.tan(0.02), abs=0.2)


@pytest.mark.parametrize(
    ('left', 'right', 'reason'),
    [
        ({}, {'width': 640}, 'right one of 640x250; expected one size'),
        ({'k': (0.0,) * 9}, {}, 'left camera is not calibrated'),
        ({}, {'p': (0.0,) * 12}, 'right camera is not calibrated'),
        ({}, {'p': replaced(RIG.right.p, n3=51.6)}, 'exchange the cameras'),
        ({'p': replaced(RIG.left.p, n3=-5.0)}, {}, 'exchange the cameras'),
        ({}, {'p': replaced(RIG.right.p, n3=0.0)}, 'a baseline of 0 m'),
        ({}, {'p': replaced(RIG.right.p, n3=math.nan)}, 'right camera: expected finite numbers'),
        ({}, {'p': replaced(RIG.right.p, n0=500.0)}, 'expected equal ones'),
        ({}, {'p': replaced(RIG.right.p, n6=130.0)}, 'expected equal ones'),
        ({'d': WIDE, 'distortion_model': 'other'}, {}, 'left camera: distortion model'),
        ({'d': (0.1,), 'distortion_model': 'plumb_bob'}, {}, 'left camera: D has 1 coefficients'),
    ],
)  # fmt: skip
def test_cameras_that_are_no_pair_are_refused_in_one_line(left, right, reason):
    with pytest.raises(CalibrationError, match=reason) as caught:
        StereoRig(dataclasses.replace(RIG.left, **left), dataclasses.replace(RIG.right, **right))
    assert '\n' not in str(caught.value)


def test_an_eye_cut_from_the_edge_of_a_picture_is_aligned_by_whole_columns():
    k, p = (replaced(values, n2=20.5) for values in (RIG.right.k, RIG.right.p))
    rig = StereoRig(RIG.left, dataclasses.replace(RIG.right, k=k, p=p))
    assert rig.rectifications == (None, None)
    left, right = rig.aligned
    assert left is None
    x, y = right.sources(250, 400)
    np.testing.assert_allclose(x, np.tile(np.arange(400) - rig.offset_px, (250, 1)), atol=1e-3)
    np.testing.assert_allclose(y, np.tile(np.arange(250)[:, None], 400), atol=1e-3)


def test_an_eye_with_distortion_is_aligned_to_one_that_is_cut_from_the_edge():
    k, p = (replaced(values, n2=20.5) for values in (RIG.left.k, RIG.left.p))
    wide = dataclasses.replace(RIG.right, d=WIDE, distortion_model='plumb_bob')
    rig = StereoRig(dataclasses.replace(RIG.left, k=k, p=p), wide)
    aligned, usual = (one[1].sources(250, 400)[0] for one in (rig.aligned, rig.rectifications))
    np.testing.assert_allclose(aligned[:, :221], usual[:, 179:], atol=1e-3)


def test_calibrations_are_read_from_files(tmp_path):
    paths = []
    for name, camera in (('left', RIG.left), ('right', RIG.right)):
        paths.append(tmp_path / f'{name}.yaml')
        write_calibration(paths[-1], camera)
    rig = StereoRig.from_files(*paths, 400, 250)
    assert rig == RIG
    with pytest.raises(CalibrationError, match='exchange the cameras'):
        StereoRig.from_files(*paths[::-1], 400, 250)
