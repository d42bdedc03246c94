# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of depth from two cameras, on pairs of pictures and of recorded spikes."""

import dataclasses

import numpy as np
import pytest

from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.stereo.sgbm import SgbmMatcher, SgbmSettings
from spike_depth_ros.stream import packing, preview
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.window import Window
from spike_training.datasets import readers
from spike_training.datasets.readers import files
from spike_training.errors import DataSetError
from spike_training.evaluation.stereo import score, score_pairs, table
from spike_training.evaluation.stereo_pairs import PairsOf, StereoPair
from spike_training.sensor.parameters import IDEAL, SENSORS
from spike_training.simulation.still_pairs import PairCamera

pytestmark = pytest.mark.usefixtures('one_thread')

RATES = (0.2, 0.05)
CAMERA = PairCamera(64, 20_000.0, SENSORS['vidar_car'], 1)
NAN = np.float32(np.nan)


@pytest.fixture(scope='module')
def mono():
    return DepthEstimator.from_checkpoint(threads=1)


def truth(disparity, rig=None):
    return StereoPair('p', {}, np.array(disparity, np.float32), rig)


def answer(values):
    return np.array(values, np.float32)


class TestScore:
    def test_a_missing_answer_is_wrong(self):
        pair = truth([[10, 10, 10, NAN]])
        scores = score(pair, answer([[11.9, 12.1, NAN, 10]]))
        assert scores == {
            'bad2': pytest.approx(2 / 3),
            'bad2_answered': pytest.approx(1 / 2),
            'coverage': pytest.approx(2 / 3),
            'ratio': None,
        }

    def test_no_answer_at_all(self):
        rig = StereoRig.from_baseline(0.1, 100.0, 2, 1)
        scores = score(truth([[10, 10]], rig), answer([[NAN, NAN]]))
        assert scores == {'bad2': 1, 'bad2_answered': None, 'coverage': 0, 'ratio': None}

    def test_metres_are_those_of_the_calibration(self):
        left, right = (files.camera_matrix(100, 100, x, 0) for x in (1, 31))
        rig = files.parallel_rig(left, right, 0.1, (1, 3))
        # Infinity is at -30 pixels: 10 and 20 are 40 and 50 away from it.
        assert score(truth([[10, 10, 10]], rig), answer([[20] * 3]))['ratio'] == pytest.approx(0.8)

    def test_metres_may_be_other_ones_than_those_of_the_disparities(self):
        rig = StereoRig.from_baseline(0.1, 100.0, 2, 1)
        scores = score(truth([[10, 10]], rig), answer([[10, 10]]), answer([[3, 3]]))
        assert (scores['bad2'], scores['ratio']) == (0, pytest.approx(3))


class TestPairs:
    def test_every_pair_and_eye_has_other_pixels_and_each_run_the_same(self, middlebury):
        clips = readers.read('middlebury', str(middlebury))
        first, again = ([*PairsOf(clips, CAMERA, (0.2,), 9)] for _ in range(2))
        names = [pair.name for pair in first]
        assert names == ['middlebury/Art', 'middlebury/Cones']
        for one, other in zip(first, again, strict=True):
            for eye, same in zip(one.windows[0.2], other.windows[0.2], strict=True):
                np.testing.assert_array_equal(eye.data, same.data)
        still = np.full((64, 96), 120, np.uint8)
        planes = [eye for name in names for eye in CAMERA.record(name, (still, still), 0.2)]
        different = {one.tobytes() for one in planes}
        assert len(different) == 4

    @pytest.mark.parametrize('rate', RATES)
    def test_the_left_eye_fires_at_the_mean_rate_and_the_right_has_its_exposure(self, rate):
        left = np.random.default_rng(0).integers(40, 140, (64, 96)).astype(np.uint8)
        ideal = dataclasses.replace(CAMERA, sensor=IDEAL)
        right = left // 2
        found = [packing.unpack(one, 96).mean() for one in ideal.record('p', (left, right), rate)]
        assert found[0] == pytest.approx(rate, rel=0.03)
        light = [np.mean((one / 255) ** preview.GAMMA) for one in (left, right)]
        assert found[1] / found[0] == pytest.approx(light[1] / light[0], rel=0.03)

    def test_a_preview_shows_the_picture_but_for_its_exposure(self, middlebury):
        clips = readers.read('middlebury', str(middlebury))
        long = dataclasses.replace(CAMERA, sensor=IDEAL, planes=1024)
        (pair,) = PairsOf(clips, long, (0.2,), 1)
        shown = preview.render(pair.windows[0.2][0], 'rate').astype(float)
        ratio = shown / pair.pictures[0]
        assert ratio.std() < 0.02 * ratio.mean()

    def test_they_are_spread_over_the_recordings(self, middlebury):
        clips = readers.read('middlebury', str(middlebury))
        assert [pair.name for pair in PairsOf(clips, CAMERA, (0.2,), 1)] == ['middlebury/Art']

    def test_a_right_picture_of_another_size_is_left_out(self, middlebury):
        from PIL import Image

        Image.fromarray(np.zeros((60, 96, 3), np.uint8)).save(middlebury / 'Art' / 'view5.png')
        pairs = PairsOf(readers.read('middlebury', str(middlebury)), CAMERA, (0.2,), 9)
        assert [pair.name for pair in pairs] == ['middlebury/Cones']
        ((reason, names),) = pairs.skipped.items()
        assert 'left picture [64, 96], right one [60, 96], disparity [64, 96]' in reason
        assert names == ['middlebury/Art']

    def test_a_pair_without_known_disparity_is_left_out(self, middlebury):
        from PIL import Image

        Image.fromarray(np.zeros((64, 96), np.uint8)).save(middlebury / 'Cones' / 'disp2.png')
        pairs = PairsOf(readers.read('middlebury', str(middlebury)), CAMERA, (0.2,), 9)
        assert [pair.name for pair in pairs] == ['middlebury/Art']
        assert [*pairs.skipped] == ['no pixel has a known disparity, expected some']

    def test_recordings_of_one_eye_are_refused(self, tmp_path):
        planes = packing.pack(np.ones((90, 4, 16), np.uint8))
        np.savez(tmp_path / 'a.npz', packed=planes, width=16)
        clips = readers.read('npz', str(tmp_path / 'a.npz'))
        with pytest.raises(DataSetError, match='npz/a: has one eye, expected recordings of two'):
            PairsOf(clips, CAMERA, (0.2,), 9)


def recorded(path, planes=100, at=(10, 40, 90)):
    """An archive of two eyes whose planes fire more and more often from top to bottom."""
    rows = np.linspace(0.1, 0.9, 48)[:, None]
    spikes = np.random.default_rng(0).random((2, planes, 48, 64)) < rows
    camera = np.array([[50.0, 0, 31.5], [0, 50, 23.5], [0, 0, 1]])
    depth = np.full((len(at), 48, 64), 2.0, np.float32)
    depth[:, 0] = np.nan
    np.savez(
        path, packed=packing.pack(spikes[0]), packed_right=packing.pack(spikes[1]), width=64,
        rate_hz=1000.0, K=camera, K_right=camera, baseline_m=0.2, depth=depth, depth_planes=at,
    )  # fmt: skip
    return spikes


def test_recorded_spikes_are_pairs_around_their_depth(tmp_path):
    spikes = recorded(tmp_path / 'a.npz')
    clips = readers.read('npz', str(tmp_path / 'a.npz'))
    (pair,) = PairsOf(clips, CAMERA, RATES, 9)  # the other maps are too near to an end
    assert pair.name == 'npz/a, plane 40'
    assert pair.pictures is None
    for eye, window in enumerate(pair.windows[None]):
        found = packing.unpack(window.data, 64)
        np.testing.assert_array_equal(found, spikes[eye, 8:72])
        assert (window.reference_plane, window.period_ns) == (32, 1_000_000)
    assert np.isnan(pair.disparity[0]).all()
    np.testing.assert_allclose(pair.disparity[1:], 50 * 0.2 / 2)
    with pytest.raises(DataSetError, match='no window of 200 planes has depth in its middle'):
        PairsOf(clips, dataclasses.replace(CAMERA, planes=200), RATES, 9)


def test_recordings_whose_calibration_rectifies_are_refused(tmp_path):
    recorded(tmp_path / 'a.npz')
    (clip,) = readers.read('npz', str(tmp_path / 'a.npz'))
    rig = clip.right.rig
    left = dataclasses.replace(rig.left, d=(-0.2, 0.0, 0.0, 0.0, 0.0))
    right = dataclasses.replace(clip.right, rig=dataclasses.replace(rig, left=left))
    with pytest.raises(DataSetError, match='npz/a: the calibration rectifies its pictures'):
        PairsOf([dataclasses.replace(clip, right=right)], CAMERA, RATES, 9)


def test_each_row_is_scored_by_one_matcher(middlebury, mono):
    clips = readers.read('middlebury', str(middlebury))
    matcher = SgbmMatcher(0, 32, SgbmSettings())
    rows = score_pairs(PairsOf(clips, CAMERA, RATES, 9), mono, matcher)
    found = {(row['method'], row['seen'], row['mean_rate']): row for row in rows}
    assert [*found] == [
        ('sgbm', 'pictures', None),
        ('fused', 'pictures', None),
        *(
            row
            for rate in RATES
            for row in (
                *(('sgbm', method, rate) for method in preview.METHODS),
                ('mono', '', rate),
                ('fused', 'rate', rate),
            )
        ),
    ]
    pictures, filled = found['sgbm', 'pictures', None], found['fused', 'pictures', None]
    assert pictures['bad2_answered'] < 0.02
    assert 0.8 < pictures['coverage'] < 1
    assert pictures['bad2'] == pytest.approx(1 - pictures['coverage'], abs=0.02)
    assert pictures['ratio_low'] == pytest.approx(1, abs=0.003)
    assert filled['coverage'] == 1
    assert filled['bad2'] < 0.8 * pictures['bad2']
    for rate in RATES:
        mono_alone, fused = found['mono', '', rate], found['fused', 'rate', rate]
        assert mono_alone['coverage'] == fused['coverage'] == 1
        assert fused['bad2'] < mono_alone['bad2']
        # As predicted: its factor from the truth is for the disparities alone.
        assert abs(mono_alone['ratio_low'] - 1) > 0.1
    bright, dim = (found['sgbm', 'short', rate] for rate in RATES)
    assert bright['bad2'] < dim['bad2']
    for row in rows:
        assert [*row['pairs']] == ['middlebury/Art', 'middlebury/Cones']
        assert row['bad2'] == pytest.approx(
            np.mean([one['bad2'] for one in row['pairs'].values()])
        )
        # Cones is not calibrated.
        assert row['pairs']['middlebury/Cones']['ratio'] is None
        assert row['ratio_low'] == row['ratio_high'] == row['pairs']['middlebury/Art']['ratio']


def test_windows_that_the_network_does_not_take_are_named(mono):
    size = (12, 96)
    still = np.full(size, 120, np.uint8)
    planes = packing.pack(np.ones((64, *size), np.uint8))
    window = Window(planes, Geometry(*size), 0, 50_000, 32, 1_600_000)
    pair = StereoPair(
        'low', {0.2: (window, window)}, np.full(size, 8, np.float32), None, (still, still)
    )
    with pytest.raises(DataSetError, match='low: sensor of 96x12 pixels: expected at least 16'):
        score_pairs([pair], mono, SgbmMatcher(0, 32, SgbmSettings()))


def test_a_table_has_a_dash_for_what_there_is_not():
    row = {
        'method': 'sgbm', 'seen': 'pictures', 'mean_rate': None, 'bad2': 0.25,
        'bad2_answered': None, 'coverage': 0.5, 'ratio_low': None, 'ratio_high': None,
    }  # fmt: skip
    other = {**row, 'mean_rate': 0.2, 'bad2_answered': 0.1, 'ratio_low': 0.9, 'ratio_high': 1.1}
    header, rows = table([row, other])
    assert all(len(header) == len(cells) for cells in rows)
    assert rows == [
        ['sgbm, pictures', '-', '0.250', '-', '50%', '-'],
        ['sgbm, pictures', '0.2', '0.250', '0.100', '50%', '0.900 to 1.100'],
    ]
