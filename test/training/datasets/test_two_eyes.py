# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of two eyes: Middlebury's pairs of pictures, and archives of spikes."""

import numpy as np
import pytest
from PIL import Image

from spike_depth_ros.stream import packing
from spike_training.datasets import readers
from spike_training.datasets.splits import Splits, select_split
from spike_training.errors import DataSetError, FrameError
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

    @pytest.mark.parametrize(
        ('file', 'content', 'message'),
        [
            ('view5.png', None, 'view5.png missing, expected view1.png, view5.png, disp1.png'),
            ('dmin.txt', 'far', 'dmin.txt: expected one number of pixels'),
            ('dmin.txt', '-3', 'dmin.txt: -3, expected a number of pixels, 0 or more'),
            ('dmin.txt', 'nan', 'dmin.txt: nan, expected'),
            ('view1.png', 'no picture', 'view1.png cannot be read'),
            ('view1.png', 1390, 'view1.png is 1390 pixels wide, expected at most 500: take the'),
        ],
    )
    def test_a_pair_that_cannot_be_used_is_named(self, middlebury, file, content, message):
        path = middlebury / 'Art' / file
        path.unlink()
        if isinstance(content, int):
            Image.fromarray(np.zeros((4, content, 3), np.uint8)).save(path)
        elif content is not None:
            path.write_text(content)
        (cones,) = readers.read('middlebury', str(middlebury))
        ((reason, names),) = cones.skipped.items()
        assert message in reason
        assert names == ['Art']
        with pytest.raises(DataSetError, match=message) as caught:
            readers.read('middlebury', str(middlebury / 'Art'))
        assert '\n' not in str(caught.value)

    def test_too_many_of_them_are_refused(self, middlebury):
        for path in middlebury.glob('*/*.png'):
            if path.name in ('view5.png', 'im6.png'):
                path.unlink()
        with pytest.raises(DataSetError, match='2 of 2 frames cannot be used'):
            readers.read('middlebury', str(middlebury))

    def test_disparity_of_another_kind_is_refused(self, middlebury):
        path = middlebury / 'Cones' / 'disp2.png'
        clip = readers.read('middlebury', str(middlebury))[1]
        for wrong in (
            np.zeros((HEIGHT, WIDTH), np.uint16),
            np.zeros((HEIGHT, WIDTH, 3), np.uint8),
        ):
            Image.fromarray(wrong).save(path)
            with pytest.raises(FrameError, match=r'disp2.png: .*, expected grey bytes'):
                clip.right.disparity(0)
        path.write_bytes(path.read_bytes()[:40])
        with pytest.raises(FrameError, match=r'disp2.png: cannot be read'):
            clip.right.disparity(0)

    def test_metres_that_cannot_be_are_refused(self, middlebury):
        (middlebury / 'Art' / 'dmin.txt').write_text('1e5')
        with pytest.raises(DataSetError, match=r'median depth is 0.00598 m, expected 0.2 to 20 m'):
            readers.read('middlebury', str(middlebury))

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


def archive(path, **changed):
    """An archive of two eyes, planes numbered by their first byte."""
    planes = np.zeros((100, 4, 2), np.uint8)
    planes[:, 0, 0] = range(100)
    camera = np.array([[30.0, 0, 7.5], [0, 30, 1.5], [0, 0, 1]])
    given = {
        'packed': planes, 'packed_right': planes[::-1], 'width': 16, 'rate_hz': 1000.0,
        'K': camera, 'K_right': camera, 'baseline_m': 0.2,
        'depth': np.full((3, 4, 16), 2.0, np.float32), 'depth_planes': [10, 50, 90],
    }  # fmt: skip
    np.savez(path, **given | changed)
    return path


CALIB = """cam0=[100.5 0 40.25; 0 100.5 30.5; 0 0 1]
cam1=[100.5 0 45.75; 0 100.5 30.5; 0 0 1]
doffs=5.5
baseline=193.001
width=96
height=64
ndisp=32
isint=0
vmin=8
vmax=20
dyavg=0
dymax=0
"""
MASK = np.full((HEIGHT, WIDTH), 255, np.uint8)
MASK[5] = 128  # seen by the left eye alone
MASK[6] = 0


def write_float_pair(folder, name='disp0GT.pfm', calib=CALIB, scale=1.0, order='<'):
    """A pair of Middlebury 2014: a wall at 8.25 pixels, a square at 14.5, an unknown column.

    Rows of a .pfm begin at the bottom; written here without the package.
    """
    folder.mkdir(parents=True)
    texture = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    for view in ('im0.png', 'im1.png'):
        Image.fromarray(texture).save(folder / view)
    disparity = np.full((HEIGHT, WIDTH), 8.25, np.float32)
    disparity[20:40, 30:60] = 14.5
    disparity[:, 0] = np.inf
    disparity *= scale
    header = f'Pf\n{WIDTH} {HEIGHT}\n{"-" if order == "<" else ""}0.003922\n'.encode()
    (folder / name).write_bytes(header + disparity[::-1].astype(f'{order}f4').tobytes())
    if calib is not None:
        (folder / 'calib.txt').write_text(calib)
    return folder


class TestPairsOfFloats:
    """Layout of Middlebury 2014 and later, its evaluation 3, and ETH3D."""

    @pytest.mark.parametrize(
        ('name', 'order'), [('disp0GT.pfm', '<'), ('disp0.pfm', '<'), ('disp0.pfm', '>')]
    )
    def test_metres_are_those_of_the_published_formula(self, tmp_path, name, order):
        write_float_pair(tmp_path / 'pairs' / 'Adirondack', name, order=order)
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
        write_float_pair(tmp_path / 'scene', calib=f'\ufeff{lines}\r\n# by hand\r\n')
        (clip,) = readers.read('middlebury', str(tmp_path / 'scene'))
        assert clip.depth(0)[30, 45] == pytest.approx(0.96983, abs=1e-5)

    def test_doffs_may_be_left_out_as_the_cameras_have_it(self, tmp_path):
        write_float_pair(tmp_path / 'scene', calib=CALIB.replace('doffs=5.5\n', ''))
        (clip,) = readers.read('middlebury', str(tmp_path / 'scene'))
        assert clip.depth(0)[30, 45] == pytest.approx(0.96983, abs=1e-5)

    def test_what_the_mask_leaves_out_is_unknown(self, tmp_path):
        folder = write_float_pair(tmp_path / 'scene')
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
        write_float_pair(tmp_path / 'scene', calib=calib)
        (clip,) = readers.read('middlebury', str(tmp_path / 'scene'))
        assert (clip.labelled, clip.depth(0), clip.right.rig) == ((), None, None)
        assert clip.right.disparity(0)[30, 45] == 14.5
        assert (clip.camera is None) == (calib is None)

    @pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf, 0.0, -1.0])
    def test_unknown_disparity_is_unknown_depth(self, tmp_path, value):
        folder = write_float_pair(tmp_path / 'scene')
        file = folder / 'disp0GT.pfm'
        file.write_bytes(file.read_bytes()[:-4] + np.float32(value).tobytes())  # top right
        (clip,) = readers.read('middlebury', str(folder))
        assert np.isnan(clip.depth(0)[0, -1])
        assert np.isnan(clip.right.disparity(0)[0, -1])

    @pytest.mark.parametrize(
        ('old', 'new', 'words'),
        [
            ('width=96\nheight=64', 'width=192\nheight=128', '192 x 128, the picture is 96 x 64'),
            ('width=96\n', '', 'width and height are not told, the picture is 96 x 64'),
            ('doffs=5.5', 'doffs=11', 'doffs=11, but the columns of .* differ by 5.5'),
            ('baseline=193.001', 'baseline=0.193', r'baseline=0.193, expected millimetres, 1 to'),
            (
                'baseline=193.001',
                'baseline=1.93',
                r'median depth is 0.0\S* m, expected 0.2 to 300',
            ),
            ('baseline=193.001', 'baseline=-193', 'baseline=-193, expected millimetres'),
            ('baseline=193.001', 'baseline=', 'baseline=, expected one number'),
            ('baseline=193.001', 'baseline=nan', 'baseline=nan, expected one number'),
            ('cam1=[100.5 0', 'cam1=[101.5 0', 'expected equal ones'),
            ('45.75; 0 100.5 30.5', '45.75; 0 100.5 33', 'expected equal ones'),
            ('cam0=[100.5 0', 'cam0=[100.5 2', r'cam0 is 100.5 2 .*; expected fx 0 cx'),
            ('cam0=[100.5 0', 'cam0=[0.5 0', 'cam0 has focal lengths 0.5 and 100.5'),
            ('cam0=[100.5 0', 'cam0=[100.5', 'cam0=.*, expected nine numbers'),
            ('cam1=', 'cam2=', 'baseline= without cam1='),
            ('cam0=', 'K=', 'no line cam0='),
            ('isint=0', 'baseline=160', 'two lines baseline='),
            (
                'ndisp=32',
                'ndisp=8',
                r'disparities of 8.25 to 14.5 pixels, .* at most 12, by ndisp',
            ),
        ],
    )
    def test_a_calibration_that_does_not_fit_is_refused(self, tmp_path, old, new, words):
        assert old in CALIB
        write_float_pair(tmp_path / 'scene', calib=CALIB.replace(old, new))
        with pytest.raises(DataSetError, match=words) as caught:
            readers.read('middlebury', str(tmp_path / 'scene'))
        assert '\n' not in str(caught.value)

    def test_a_disparity_wider_than_the_picture_is_refused(self, tmp_path):
        """Without ndisp, too: codes of others and another size are no near surfaces."""
        write_float_pair(tmp_path / 'scene', scale=10, calib=CALIB.replace('ndisp=32\n', ''))
        with pytest.raises(DataSetError, match=r'to 145 pixels, .* at most 96, by ndisp .* width'):
            readers.read('middlebury', str(tmp_path / 'scene'))

    def test_one_of_several_that_cannot_be_used_is_named(self, tmp_path):
        write_float_pair(tmp_path / 'a')
        write_float_pair(tmp_path / 'b', calib=CALIB.replace('doffs=5.5', 'doffs=1'))
        (clip,) = readers.read('middlebury', str(tmp_path))
        ((reason, names),) = clip.skipped.items()
        assert 'doffs=1, but' in reason
        assert names == ['b']

    def test_disparity_of_another_size_is_refused(self, tmp_path):
        write_float_pair(tmp_path / 'scene')
        for view in ('im0.png', 'im1.png'):
            Image.fromarray(np.zeros((32, 48, 3), np.uint8)).save(tmp_path / 'scene' / view)
        half = CALIB.replace('width=96\nheight=64', 'width=48\nheight=32')
        (tmp_path / 'scene/calib.txt').write_text(half)
        with pytest.raises(DataSetError, match=r'disp0GT.pfm: \[64, 96\], expected \[32, 48\]'):
            readers.read('middlebury', str(tmp_path / 'scene'))

    def test_disparity_that_is_not_there_is_named(self, tmp_path):
        write_float_pair(tmp_path / 'scene')
        (tmp_path / 'scene/disp0GT.pfm').unlink()
        with pytest.raises(DataSetError, match=r'disp0GT.pfm missing, expected im0.png, im1.png'):
            readers.read('middlebury', str(tmp_path / 'scene'))

    def test_a_negative_disparity_is_refused(self, tmp_path):
        write_float_pair(tmp_path / 'scene', scale=-2.0)
        with pytest.raises(
            DataSetError, match=r'disparities of -29 to -16.5 pixels, expected above'
        ):
            readers.read('middlebury', str(tmp_path / 'scene'))

    def test_damaged_disparity_is_one_line(self, tmp_path):
        write_float_pair(tmp_path / 'scene')
        file = tmp_path / 'scene/disp0GT.pfm'
        file.write_bytes(file.read_bytes()[:-3])
        with pytest.raises(DataSetError, match=r'disp0GT.pfm: cannot be read: 24573 bytes'):
            readers.read('middlebury', str(tmp_path / 'scene'))

    def test_samples_are_made_of_them(self, tmp_path):
        write_float_pair(tmp_path / 'scene')
        source = ClipSource(readers.read('middlebury', str(tmp_path / 'scene')), 64, 96, (16,))
        batch = source.samples([0])
        assert batch.fx == pytest.approx(100.5)
        assert batch.depth[0, 0, 30, 45].item() == pytest.approx(0.96983, abs=1e-4)


class TestArchives:
    def test_the_right_eye_has_planes_and_rig(self, tmp_path):
        (clip,) = readers.read('npz', str(archive(tmp_path / 'a.npz')))
        assert clip.load(3, 5)[:, 0, 0].tolist() == [3, 4]
        assert clip.right.load(3, 5)[:, 0, 0].tolist() == [96, 95]
        assert (clip.right.rig.baseline_m, clip.right.rig.fx_px) == (0.2, 30)
        np.testing.assert_array_equal(clip.depths[1](), 2.0)

    def test_one_eye_has_none(self, tmp_path):
        np.savez(tmp_path / 'a.npz', packed=packing.pack(np.ones((3, 4, 8), np.uint8)), width=8)
        assert readers.read('npz', str(tmp_path / 'a.npz'))[0].right is None

    def test_eyes_of_other_rows_are_refused(self, tmp_path):
        lower = np.array([[30.0, 0, 7.5], [0, 30, 2.5], [0, 0, 1]])
        path = archive(tmp_path / 'a.npz', K_right=lower)
        with pytest.raises(DataSetError, match=r'a.npz: P has fx, fy, cy of .*expected equal'):
            readers.read('npz', str(path))

    def test_a_split_in_time_cuts_both_eyes_alike(self, tmp_path):
        (clip,) = readers.read('npz', str(archive(tmp_path / 'a.npz')))
        places = dict.fromkeys(('train', 'calibration', 'test'), (clip.name,))
        (test,) = select_split([clip], Splits('time', places), 'test', 0.01)
        assert test.planes == 20
        assert test.load(0, 2)[:, 0, 0].tolist() == [80, 81]
        assert test.right.load(0, 2)[:, 0, 0].tolist() == [19, 18]
