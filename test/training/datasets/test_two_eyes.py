# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of two eyes: Middlebury's pairs of pictures, and archives of spikes."""

import numpy as np
import pytest
from PIL import Image

from kit import readable
from kit.readable import CALIB
from spike_depth_ros.stream import packing
from spike_training.datasets import readers
from spike_training.datasets.splits import Splits, select_split
from spike_training.errors import FrameError
from spike_training.sampling.clip_source import ClipSource

HEIGHT, WIDTH = 64, 96


def by_name(clips):
    return {clip.name: clip for clip in clips}


class TestMiddlebury:
    def test_disparity_is_that_of_the_pictures(self, middlebury):
        clips = by_name(readers.read('middlebury', str(middlebury)))
        assert list(clips) == ['middlebury/Art', 'middlebury/Cones']
        for clip in clips.values():
            disparity = clip.right.disparity(0)
            assert np.isnan(disparity[0, 0])
            assert np.isnan(disparity).sum() == 1
            assert {*disparity[np.isfinite(disparity)]} == {8, 14}
            left, right = clip.image(0), clip.right.image(0)
            rows, columns = np.nonzero(disparity == 14)
            np.testing.assert_array_equal(left[rows, columns], right[rows, columns - 14])
            assert len(clip) == 1

    def test_a_calibrated_pair_has_metres(self, middlebury):
        art = readers.read('middlebury', str(middlebury))[0]
        assert art.labelled == (0,)
        depth = art.depth(0)
        # dmin of 200 pixels at full size is cut from the disparity, 3 times that of the file.
        np.testing.assert_allclose(depth[30, 50], 3740 * 0.160 / (3 * 14 + 200), rtol=1e-6)
        assert np.isnan(depth[0, 0])
        rig = art.right.rig
        assert (rig.baseline_m, rig.fx_px) == (0.160, pytest.approx(3740 / 3))
        assert rig.offset_px == pytest.approx(-200 / 3)
        assert art.camera[0, 0] == rig.fx_px
        assert art.camera[0, 2] == (WIDTH - 1) / 2

    def test_a_pair_without_calibration_has_disparity_alone(self, middlebury):
        cones = readers.read('middlebury', str(middlebury))[1]
        assert cones.labelled == ()
        assert (cones.camera, cones.right.rig, cones.depth(0)) == (None, None, None)

    def test_the_folder_of_one_pair_is_read(self, middlebury):
        (cones,) = readers.read('middlebury', str(middlebury / 'Cones'))
        assert cones.name == 'middlebury/Cones'

    def test_samples_are_made_of_the_calibrated_ones(self, middlebury):
        source = ClipSource(readers.read('middlebury', str(middlebury)), 32, 48, (16,))
        assert [source.recording(k) for k in range(len(source))] == ['middlebury/Art']
        assert source.samples([0]).fx == pytest.approx(3740 / 3 / 2)

    def test_a_pair_that_cannot_be_used_is_left_out(self, middlebury):
        (middlebury / 'Art/dmin.txt').write_text('far')
        (cones,) = readers.read('middlebury', str(middlebury))
        ((reason, names),) = cones.skipped.items()
        assert reason.startswith('dmin.txt: expected one number of pixels')
        assert names == ['Art']

    def test_the_real_pairs_are_as_their_owners_say(self, real_data):
        clips = by_name(readers.read('middlebury', str(real_data / 'middlebury_third')))
        assert sorted(clips) == [
            f'middlebury/{name}'
            for name in ('Art', 'Books', 'Cones', 'Dolls', 'Laundry', 'Moebius', 'Reindeer',
                         'Teddy')
        ]  # fmt: skip
        for name, clip in clips.items():
            calibrated = name.rpartition('/')[2] not in ('Cones', 'Teddy')
            assert bool(clip.labelled) == calibrated
            disparity = clip.right.disparity(0)
            assert 0.95 < np.isfinite(disparity).mean() < 1
            assert 45 < np.nanmax(disparity) < 80
            assert clip.image(0).shape == clip.right.image(0).shape == (*disparity.shape, 3)
            if calibrated:
                assert 1 < np.nanmin(clip.depth(0)) < np.nanmax(clip.depth(0)) < 3


MASK = np.full((HEIGHT, WIDTH), 255, np.uint8)
MASK[5] = 128  # seen by the left eye alone
MASK[6] = 0


class TestPairsOfFloats:
    """Layout of Middlebury 2014 and later, its evaluation 3, and ETH3D."""

    @pytest.mark.parametrize(
        ('name', 'order'), [('disp0GT.pfm', '<'), ('disp0.pfm', '<'), ('disp0.pfm', '>')]
    )
    def test_metres_are_those_of_the_published_formula(self, tmp_path, name, order):
        readable.middlebury(tmp_path / 'pairs' / 'Adirondack', name, order=order)
        (clip,) = readers.read('middlebury', str(tmp_path / 'pairs'))
        assert (clip.name, clip.labelled) == ('middlebury/Adirondack', (0,))
        depth = clip.depth(0)
        # baseline * f / (d + doffs), millimetres to metres
        np.testing.assert_allclose(depth[30, 45], 193.001 * 100.5 / (14.5 + 5.5) / 1000, rtol=1e-6)
        np.testing.assert_allclose(depth[60, 45], 193.001 * 100.5 / 13.75 / 1000, rtol=1e-6)
        assert np.isnan(depth[:, 0]).all()
        assert np.isfinite(depth[:, 1:]).all()
        np.testing.assert_array_equal(
            clip.camera, [[100.5, 0, 40.25], [0, 100.5, 30.5], [0, 0, 1]]
        )
        rig = clip.right.rig
        assert (rig.baseline_m, rig.fx_px) == (pytest.approx(0.193001), 100.5)
        assert rig.offset_px == pytest.approx(-5.5)
        assert clip.right.disparity(0)[30, 45] == 14.5

    def test_lines_of_another_writer_are_the_same(self, tmp_path):
        lines = '\r\n'.join(
            reversed(CALIB.replace(' 0 ', ', 0, ').replace('=', ' = ').split('\n'))
        )
        readable.middlebury(tmp_path / 'scene', calib=f'\ufeff{lines}\r\n# by hand\r\n')
        (clip,) = readers.read('middlebury', str(tmp_path / 'scene'))
        assert clip.depth(0)[30, 45] == pytest.approx(0.96983, abs=1e-5)

    def test_doffs_may_be_left_out_as_the_cameras_have_it(self, tmp_path):
        readable.middlebury(tmp_path / 'scene', calib=CALIB.replace('doffs=5.5\n', ''))
        (clip,) = readers.read('middlebury', str(tmp_path / 'scene'))
        assert clip.depth(0)[30, 45] == pytest.approx(0.96983, abs=1e-5)

    def test_what_the_mask_leaves_out_is_unknown(self, tmp_path):
        folder = readable.middlebury(tmp_path / 'scene')
        Image.fromarray(MASK).save(folder / 'mask0nocc.png')
        (clip,) = readers.read('middlebury', str(folder))
        known = np.isfinite(clip.depth(0))
        assert known[:6, 1:].all()
        assert not known[6].any()
        Image.fromarray(MASK[:10]).save(folder / 'mask0nocc.png')
        with pytest.raises(FrameError, match=r'mask0nocc.png: \[10, 96\], expected \[64, 96\]'):
            clip.depth(0)

    @pytest.mark.parametrize('calib', [None, CALIB.replace('baseline', 'other')])
    def test_without_a_baseline_there_are_no_metres(self, tmp_path, calib):
        readable.middlebury(tmp_path / 'scene', calib=calib)
        (clip,) = readers.read('middlebury', str(tmp_path / 'scene'))
        assert (clip.labelled, clip.depth(0), clip.right.rig) == ((), None, None)
        assert clip.right.disparity(0)[30, 45] == 14.5
        assert (clip.camera is None) == (calib is None)

    @pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf, 0.0, -1.0])
    def test_unknown_disparity_is_unknown_depth(self, tmp_path, value):
        folder = readable.middlebury(tmp_path / 'scene')
        file = folder / 'disp0GT.pfm'
        file.write_bytes(file.read_bytes()[:-4] + np.float32(value).tobytes())  # top right
        (clip,) = readers.read('middlebury', str(folder))
        assert np.isnan(clip.depth(0)[0, -1])
        assert np.isnan(clip.right.disparity(0)[0, -1])

    def test_one_of_several_that_cannot_be_used_is_named(self, tmp_path):
        readable.middlebury(tmp_path / 'a')
        readable.middlebury(tmp_path / 'b', calib=CALIB.replace('doffs=5.5', 'doffs=1'))
        (clip,) = readers.read('middlebury', str(tmp_path))
        ((reason, names),) = clip.skipped.items()
        assert 'doffs=1, but' in reason
        assert names == ['b']

    def test_samples_are_made_of_them(self, tmp_path):
        readable.middlebury(tmp_path / 'scene')
        source = ClipSource(readers.read('middlebury', str(tmp_path / 'scene')), 64, 96, (16,))
        batch = source.samples([0])
        assert batch.fx == pytest.approx(100.5)
        assert batch.depth[0, 0, 30, 45].item() == pytest.approx(0.96983, abs=1e-4)


class TestArchives:
    def test_the_right_eye_has_planes_and_rig(self, tmp_path):
        (clip,) = readers.read('npz', str(readable.archive(tmp_path / 'a.npz')))
        assert clip.load(3, 5)[:, 0, 0].tolist() == [3, 4]
        assert clip.right.load(3, 5)[:, 0, 0].tolist() == [96, 95]
        assert (clip.right.rig.baseline_m, clip.right.rig.fx_px) == (0.2, 30)
        np.testing.assert_array_equal(clip.depths[1](), 2.0)

    def test_one_eye_has_none(self, tmp_path):
        np.savez(tmp_path / 'a.npz', packed=packing.pack(np.ones((3, 4, 8), np.uint8)), width=8)
        assert readers.read('npz', str(tmp_path / 'a.npz'))[0].right is None

    def test_a_split_in_time_cuts_both_eyes_alike(self, tmp_path):
        (clip,) = readers.read('npz', str(readable.archive(tmp_path / 'a.npz')))
        places = dict.fromkeys(('train', 'calibration', 'test'), (clip.name,))
        (test,) = select_split([clip], Splits('time', places), 'test', 0.01)
        assert test.planes == 20
        assert test.load(0, 2)[:, 0, 0].tolist() == [80, 81]
        assert test.right.load(0, 2)[:, 0, 0].tolist() == [19, 18]
