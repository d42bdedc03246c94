# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import contextlib
import dataclasses
import functools
import math

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kit import cameras
from kit.cameras import write_calibration
from spike_depth_ros.geometry.calibration import CalibrationError, read_calibration
from spike_depth_ros.geometry.rig import StereoRig

RIG = StereoRig.from_baseline(0.12, 430.0, 400, 250)
WIDE = (-0.28, 0.07, 0.0002, 0.00002, 0.0)


def replaced(values, **at):
    """Numbers of which some are replaced, as ``n3=5.0``."""
    found = list(values)
    for name, value in at.items():
        found[int(name[1:])] = value
    return tuple(found)


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


def with_centre_at(column):
    k, p = (replaced(values, n2=column) for values in (RIG.right.k, RIG.right.p))
    return StereoRig(RIG.left, dataclasses.replace(RIG.right, k=k, p=p))


def test_depth_that_cannot_be_searched_is_refused(refusals):
    small = StereoRig.from_baseline(0.1, 60.0, 16, 16)
    large = StereoRig.from_baseline(10.0, 3000.0, 4000, 40)
    rows = {
        'wider than the picture': ('of 0.14 m or more', RIG, 0.1),
        'wider than OpenCV has it': ('at most 2047', large, 8.0),
        'depth 0': ('nearest depth 0 m', RIG, 0.0),
        'few columns': ('16 columns', small, 1.0),
        'a principal point to the right': ('2047 either way', with_centre_at(5000.0), 1.0),
        'a principal point to the left': ('2047 either way', with_centre_at(-1e300), 1.0),
    }
    rows = {
        name: (named, functools.partial(rig.search_range, nearest))
        for name, (named, rig, nearest) in rows.items()
    }
    refusals('stereo_search', rows, ValueError)
    assert RIG.search_range(0.14) == (0, 384)  # as it says


def test_small_pictures_are_searched_as_wide_as_they_allow():
    assert StereoRig.from_baseline(0.1, 60.0, 64, 48).search_range(1000.0) == (0, 48)


def test_pictures_that_are_rectified_stay_as_they_are():
    assert RIG.rectifications == (None, None)
    picture = np.arange(250 * 400, dtype=np.uint8).reshape(250, 400)
    left, right = RIG.rectify(picture, picture)
    assert left is picture
    assert right is picture
    assert RIG.seen_by_left.all()


def test_one_eye_may_be_turned_or_wide():
    rig = StereoRig(
        cameras.turned(RIG.left, 0.02),
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


P = RIG.right.p
NO_PAIR = {
    'another size': ('640x250', {}, {'width': 640}),
    'left not calibrated': ('left camera', {'k': (0.0,) * 9}, {}),
    'right not calibrated': ('right camera', {}, {'p': (0.0,) * 12}),
    'exchanged, by the right one': ('exchange', {}, {'p': replaced(P, n3=51.6)}),
    'exchanged, by the left one': ('exchange', {'p': replaced(RIG.left.p, n3=-5.0)}, {}),
    'no baseline': ('baseline of 0 m', {}, {'p': replaced(P, n3=0.0)}),
    'a huge baseline': ('baseline', {}, {'p': replaced(P, n3=-1e308)}),
    'a tiny baseline': ('baseline of 1e-09 m', {}, {'p': replaced(P, n3=-430e-9)}),
    'a baseline of centimetres': ('baseline of 12 m', {}, {'p': replaced(P, n3=-430.0 * 12)}),
    'one above the other': ('side by side', {}, {'p': replaced(P, n3=0.0, n7=-51.6)}),
    'a baseline that is no number': ('right camera', {}, {'p': replaced(P, n3=math.nan)}),
    'a tiny focal length': ('P of the right camera', {}, {'p': replaced(P, n0=1e-300)}),
    'another focal length': ('expected equal ones', {}, {'p': replaced(P, n0=500.0)}),
    'another row of the centre': ('expected equal ones', {}, {'p': replaced(P, n6=130.0)}),
    'another model': ('left camera', {'d': WIDE, 'distortion_model': 'other'}, {}),
    'few coefficients': ('left camera: D', {'d': (0.1,), 'distortion_model': 'plumb_bob'}, {}),
}  # fmt: skip
"""What the text names, and changes of the left and of the right camera."""


def test_cameras_that_are_no_pair_are_refused(tmp_path, refusals):
    def rig_of(left, right):
        return StereoRig(
            dataclasses.replace(RIG.left, **left), dataclasses.replace(RIG.right, **right)
        )

    rows = {
        name: (named, functools.partial(rig_of, left, right))
        for name, (named, left, right) in NO_PAIR.items()
    }
    write_calibration(tmp_path / 'left.yaml', RIG.left)
    write_calibration(tmp_path / 'right.yaml', RIG.right)
    files = tmp_path / 'right.yaml', tmp_path / 'left.yaml'
    rows['files exchanged'] = (
        'exchange', functools.partial(StereoRig.from_files, *files, 400, 250),
    )  # fmt: skip
    refusals('stereo_rig', rows, CalibrationError)


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


OF_ANOTHER_TYPE = ('x', None, -1, [1, 2], {}, math.nan, {'data': 'x'}, {'data': [[]]})


def test_each_value_of_a_calibration_file_is_checked(tmp_path):
    """One that is missing or of another type is refused in one line, or not needed."""
    path = tmp_path / 'camera.yaml'
    write_calibration(path, RIG.left)
    whole = yaml.safe_load(path.read_text())
    needed = {'image_width', 'image_height', 'camera_matrix'}

    def refusal(content):
        path.write_text(yaml.safe_dump(content))
        text = f'{path}: '
        with contextlib.suppress(CalibrationError):
            read_calibration(path, 400, 250)
            return ''
        with pytest.raises(CalibrationError) as caught:
            read_calibration(path, 400, 250)
        assert str(caught.value).isprintable()
        assert str(caught.value).startswith(text)
        return str(caught.value).removeprefix(text)

    assert refusal(whole) == ''
    assert needed < {*whole}
    for key in whole:
        missing = {name: value for name, value in whole.items() if name != key}
        assert (key in refusal(missing)) is (key in needed)
        for value in OF_ANOTHER_TYPE:
            found = refusal({**whole, key: value})
            assert (found != '') >= (key in needed)
        if isinstance(whole[key], dict):
            numbers = [math.nan] * len(whole[key]['data'])
            assert key in refusal({**whole, key: {'data': numbers}})
        if key.endswith('matrix'):
            assert key in refusal({**whole, key: {'data': [1.0]}})
