# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Readers of pairs: KITTI and Cityscapes, files of two spike cameras, bags of two streams."""

import dataclasses

import cv2
import numpy as np
import pytest

from kit import bags, cameras, readable
from kit.pictures import HEIGHT, WIDTH, picture, texts
from kit.readable import DRIVE, LEFT, OTHER_DRIVE, RIGHT, bag_pair, numbered, of_eye
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.stereo import alignment
from spike_depth_ros.stereo.alignment import EVERY_NS, PAIRS, AlignmentCheck
from spike_depth_ros.stream import packing
from spike_training.datasets import readers
from spike_training.datasets.readers import pairs
from spike_training.datasets.splits import Splits, place_id, select_split
from spike_training.errors import DataSetError
from spike_training.sampling.clip_source import ClipSource


def by_time(clips, split):
    places = dict.fromkeys(('train', 'calibration', 'test'), tuple(one.name for one in clips))
    return select_split(clips, Splits('time', places), split, 0.01)


class TestKitti:
    @pytest.fixture
    def root(self, tmp_path):
        readable.kitti(tmp_path)
        return tmp_path

    def test_the_right_eye_has_pictures_and_a_rig(self, root):
        clip, _ = readers.read('kitti', f'{root},right=image_03')
        assert clip.labelled == (1, 2)
        assert clip.right.frames == (0, 1, 2, 3)
        assert clip.image(3)[5, 5].tolist() == [3, 0, 0]
        assert clip.right.image(3)[5, 5].tolist() == [103, 0, 0]
        rig = clip.right.rig
        assert (rig.baseline_m, rig.fx_px, rig.offset_px) == (0.5, 50, 0)  # (4 + 21) / 50
        disparity = clip.right.disparity(1)
        assert disparity.dtype == np.float32
        assert np.isnan(disparity[2, 2])
        np.testing.assert_allclose(disparity[5, 5], 50 * 0.5 / clip.depth(1)[5, 5], rtol=1e-6)
        assert np.isnan(clip.right.disparity(0)).all()  # no depth there
        assert clip.right.disparity(0).shape == (HEIGHT, WIDTH)

    def test_pairs_need_no_depth(self, root):
        assert [clip.name for clip in readers.read('kitti', str(root))] == [f'kitti/{DRIVE}']
        other = readers.read('kitti', f'{root},right=image_03')[1]
        assert (other.name, other.labelled) == (f'kitti/{OTHER_DRIVE}', ())
        assert other.right.frames == (0, 1, 2, 3)
        (root / 'train').rename(root / 'elsewhere')
        assert len(readers.read('kitti', f'{root},right=image_03')) == 2

    def test_one_eye_has_none(self, root):
        assert readers.read('kitti', str(root))[0].right is None

    def test_a_split_chooses_the_pairs(self, root):
        names = [f'2011_09_26/{OTHER_DRIVE} {k} l' for k in (1, 3)]
        texts(root / 'eigen.txt', *names, f'2011_09_26/{DRIVE} 0 r')
        (clip,) = readers.read('kitti', f'{root},split={root / "eigen.txt"},right=image_03')
        assert clip.name == f'kitti/{OTHER_DRIVE}'
        assert clip.right.frames == (1, 3)

    def test_one_recording(self, tmp_path):
        readable.one_kitti(tmp_path, ('image_02', 'image_03'), depth=False)
        (clip,) = readers.read('kitti', f'{tmp_path},right=image_03')
        assert (clip.labelled, clip.right.frames) == ((), (0, 1, 2))

    def test_another_centre_is_the_offset_of_the_rig(self, root):
        shifted = RIGHT.replace('19.5', '22.5')
        texts(root / '2011_09_26/calib_cam_to_cam.txt', LEFT, shifted)
        clip = readers.read('kitti', f'{root},right=image_03')[0]
        assert clip.right.rig.offset_px == -3
        expected = 50 * 0.5 / clip.depth(1)[5, 5] - 3
        np.testing.assert_allclose(clip.right.disparity(1)[5, 5], expected, rtol=1e-5)

    def test_a_missing_right_picture_is_named(self, root):
        path = root / f'2011_09_26/{OTHER_DRIVE}/image_03/data/0000000002.png'
        path.unlink()
        other = readers.read('kitti', f'{root},right=image_03')[1]
        assert other.right.frames == (0, 1, 3)
        assert other.skipped == {'no picture of image_03': ['0000000002.png']}

    def test_a_split_in_time_cuts_pairs_alike(self, root):
        (_, other) = readers.read('kitti', f'{root},right=image_03')
        (train,), (test,) = (by_time([other], split) for split in ('train', 'test'))
        assert (train.right.frames, test.right.frames) == ((0, 1, 2), (3,))
        assert other.right.frames == (0, 1, 2, 3)

    def test_the_real_cameras_lie_side_by_side(self, real_data):
        root = real_data / 'rgbd/kitti_0926'
        if not (root / 'image_03').is_dir():
            pytest.skip('this KITTI has no image_03')
        (clip,) = readers.read('kitti', f'{root},right=image_03')
        assert clip.right.rig.baseline_m == pytest.approx(0.5327, abs=1e-3)
        check = AlignmentCheck()
        for k, frame in enumerate(np.linspace(0, len(clip) - 1, PAIRS).astype(int)):
            pair = (
                cv2.cvtColor(eye.image(frame), cv2.COLOR_RGB2GRAY) for eye in (clip, clip.right)
            )
            check.update(*pair, clip.right.rig.offset_px, k * EVERY_NS)
        assert check.vertical_offset_px is not None
        assert check.notes == ()


class TestPittsStereo:
    @pytest.fixture
    def root(self, tmp_path):
        readable.pittsstereo(tmp_path)
        return tmp_path

    def test_pairs_of_colours_and_near_infrared(self, root):
        train, test = readers.read('pittsstereo', f'{root},fx=560,baseline=0.05')
        assert (train.name, test.name) == (
            'pittsstereo/20170221_1357',
            'pittsstereo/20170222_0951',
        )
        assert (train.labelled, test.labelled) == ((), (1,))
        assert (train.right.frames, train.right.modality) == ((0, 1), 'nir')
        assert train.image(1)[5, 5].tolist() == [1, 0, 0]
        assert train.right.image(1)[5, 5].tolist() == [101, 0, 0]
        assert (train.right.rig.baseline_m, train.right.rig.fx_px) == (0.05, 560)
        assert not train.video

    def test_depth_is_that_of_the_key_points(self, root):
        (test,) = readers.read('pittsstereo', f'{root},fx=560,baseline=0.05,part=test')
        depth = test.depth(1)
        (row,), (column,) = np.nonzero(np.isfinite(depth))  # the other one has no disparity
        assert (row, column) == (round(0.25 * 429) - 1, round(0.5 * 582) - 1)
        assert depth[row, column] == pytest.approx(560 * 0.05 / (0.01 * 582))
        assert test.right.disparity(1)[row, column] == pytest.approx(5.82)

    def test_parts_are_those_of_the_authors(self, root):
        for part, drive in (('train', '20170221_1357'), ('test', '20170222_0951')):
            (clip,) = readers.read('pittsstereo', f'{root},fx=560,baseline=0.05,part={part}')
            assert clip.name == f'pittsstereo/{drive}'

    def test_metres_are_asked_for(self, root):
        with pytest.raises(DataSetError, match=r'fx is 560 and baseline 0: expected the focal'):
            readers.read('pittsstereo', f'{root},fx=560')

    def test_a_damaged_list_of_points_is_named(self, root):
        texts(root / 'data/20170222_0951/Keypoint/211357_000001_Keypoint.txt', '300 200 5 0')
        with pytest.raises(
            DataSetError, match=r'Keypoint.txt: expected x, y and disparity over the size'
        ):
            readers.read('pittsstereo', f'{root},fx=560,baseline=0.05,part=test')

    def test_a_missing_picture_is_counted(self, root):
        (root / 'data/20170221_1357/NIRResize/211357_000000_NIRResize.png').unlink()
        clips = readers.read('pittsstereo', f'{root},fx=560,baseline=0.05')
        assert clips[0].skipped == {'no near-infrared picture': ['211357_000000_RGBResize.png']}
        assert clips[0].right.frames == (0,)


class TestFolder:
    @pytest.fixture
    def root(self, tmp_path):
        readable.folder(tmp_path)
        for k in range(4):
            picture(tmp_path / f'nir/{k:05d}.png', 100 + k)
        return tmp_path

    RIGHT = 'right=nir,right_modality=nir,baseline=0.1'

    def test_a_camera_of_another_kind_on_the_right(self, root):
        (clip,) = readers.read('folder', f'{root},{self.RIGHT}')
        assert clip.labelled == clip.right.frames == (0, 1, 2, 3)
        assert clip.right.modality == 'nir'
        assert clip.right.image(2)[5, 5].tolist() == [102, 0, 0]
        assert (clip.right.rig.baseline_m, clip.right.rig.offset_px) == (0.1, 0)
        expected = clip.camera[0, 0] * 0.1 / clip.depth(1)
        np.testing.assert_allclose(clip.right.disparity(1), expected, rtol=1e-5)

    def test_its_own_matrix_is_read(self, root):
        texts(root / 'K_nir.txt', '30 0 22.5', '0 31 11.5', '0 0 1')
        (clip,) = readers.read('folder', f'{root},{self.RIGHT}')
        assert clip.right.rig.offset_px == -3

    def test_pictures_of_one_camera_alone_are_counted(self, root):
        (root / 'nir/00002.png').unlink()
        (clip,) = readers.read('folder', f'{root},{self.RIGHT}')
        assert clip.right.frames == (0, 1, 3)
        assert clip.skipped == {'a picture of one camera alone': ['00002.png']}

    @pytest.mark.parametrize(
        ('options', 'message'),
        [
            ('right=nir', r"right is 'nir', .* baseline 0: expected the folder of the right"),
            ('baseline=0.1', 'expected the folder of the right camera'),
            ('right_modality=nir', 'expected the folder of the right camera'),
            ('right=other,baseline=0.1', 'other is missing'),
            ('right=nir,baseline=0.1,right_modality=x', 'option right_modality is'),
        ],
    )
    def test_half_a_pair_is_refused(self, root, options, message):
        with pytest.raises(DataSetError, match=message):
            readers.read('folder', f'{root},{options}')

    def test_pictures_named_otherwise_are_refused(self, root):
        for k in range(4):
            (root / f'nir/{k:05d}.png').rename(root / f'nir/right_{k:05d}.png')
        with pytest.raises(DataSetError, match='no picture of nir is named as one of the left'):
            readers.read('folder', f'{root},{self.RIGHT}')

    def test_samples_of_two_kinds_of_cameras_are_asked_for(self, root):
        clips = readers.read('folder', f'{root},{self.RIGHT}')
        given = {'with_rgb': True, 'with_spikes': False, 'with_right': True}
        with pytest.raises(DataSetError, match=r'another kind, nir: expected translate'):
            ClipSource(clips, 16, 32, (16,), **given)
        sample = ClipSource(clips, 16, 32, (16,), mixed_pairs=True, **given).samples([1])
        assert sample.right.rgb[0, 0, 5, 5] == pytest.approx(101 / 255)


class TestCityscapes:
    @pytest.fixture
    def root(self, tmp_path):
        readable.cityscapes(tmp_path)
        return tmp_path

    def test_pairs_of_a_city_by_their_calibration(self, root):
        clips = readers.read('cityscapes', str(root))
        assert [(one.name, len(one)) for one in clips] == [
            ('cityscapes/train/aachen/0', 2), ('cityscapes/train/aachen/1', 1),
            ('cityscapes/val/bonn', 2),
        ]  # fmt: skip
        first = clips[0]
        np.testing.assert_array_equal(first.camera, [[50, 0, 20.5], [0, 51, 10.5], [0, 0, 1]])
        assert (first.labelled, first.depth(0), first.video) == ((), None, False)
        assert first.image(1)[5, 5].tolist() == [2, 0, 0]
        assert first.right.frames == (0, 1)
        assert first.right.image(1)[5, 5].tolist() == [102, 0, 0]
        rig = first.right.rig
        assert (rig.baseline_m, rig.fx_px, rig.offset_px) == (pytest.approx(0.2), 50, 0)
        assert np.isnan(first.right.disparity(1)).all()
        assert clips[1].camera[0, 0] == 60

    def test_a_part_is_chosen(self, root):
        (clip,) = readers.read('cityscapes', f'{root},part=val')
        assert clip.name == 'cityscapes/val/bonn'

    def test_a_city_is_a_place(self, root):
        names = [clip.name for clip in readers.read('cityscapes', str(root))]
        assert {*map(place_id, names)} == {'cityscapes/train/aachen', 'cityscapes/val/bonn'}

    @pytest.mark.parametrize(
        ('damage', 'reason'),
        [
            (lambda root, stem: (root / f'rightImg8bit/{stem}_rightImg8bit.png').unlink(),
             'no right picture'),
            (lambda root, stem: (root / f'camera/{stem}_camera.json').unlink(),
             'no calibration beside the picture'),
            (lambda root, stem: texts(root / f'camera/{stem}_camera.json', '{"intrinsic": 3}'),
             'calibration cannot be read'),
            (lambda root, stem: texts(root / f'camera/{stem}_camera.json', '[' * 5000),
             'calibration cannot be read'),
        ],
    )  # fmt: skip
    def test_what_cannot_be_used_is_named(self, root, damage, reason):
        damage(root, 'val/bonn/bonn_000000_000001')
        clips = readers.read('cityscapes', str(root))
        assert len(clips[-1]) == 1
        ((told, names),) = clips[0].skipped.items()
        assert told.startswith(reason)
        assert names == ['bonn_000000_000001_leftImg8bit.png']


class TestDat:
    SIZE = 'size=160x96,rate_hz=20000'

    @pytest.fixture
    def root(self, tmp_path):
        self.eyes = readable.textured()
        readable.dat_pair(tmp_path, self.eyes)
        return tmp_path

    def where(self, root, more='right={root}/right,baseline=0.12,fx=80'):
        return f'{root}/left,{self.SIZE},{more.format(root=root)}'

    def test_planes_are_paired_by_their_number(self, root):
        (clip,) = readers.read('dat', self.where(root))
        assert clip.planes == 400
        for eye, planes in zip((clip, clip.right), self.eyes, strict=True):
            np.testing.assert_array_equal(packing.unpack(eye.load(7, 30), 160), planes[7:30])
        rig = clip.right.rig
        assert (rig.fx_px, rig.offset_px) == (80, 0)
        assert rig.baseline_m == pytest.approx(0.12)
        assert rig.rectifications == (None, None)

    def test_files_are_a_pair_too_and_the_longer_one_is_cut(self, root):
        readable.write_planes(root / 'other.dat', self.eyes[1][:300])
        more = f'right={root}/other.dat,baseline=0.12,fx=80'
        (clip,) = readers.read('dat', f'{root}/left/car.dat,{self.SIZE},{more}')
        assert clip.planes == 300
        np.testing.assert_array_equal(
            packing.unpack(clip.right.load(298, 300), 160), self.eyes[1][298:300]
        )

    def test_depth_after_the_end_of_the_right_file_belongs_to_no_plane(self, root):
        (root / 'left/depth').mkdir()
        for plane in (100, 350):
            metres = np.full((48, 160), 3.0, np.float32)
            np.save(root / f'left/depth/car_{plane:05d}.npy', metres)
        readable.write_planes(root / 'right/car.dat', self.eyes[1][:300])
        (clip,) = readers.read('dat', self.where(root))
        assert clip.depth_planes == (100,)
        assert clip.skipped == {'no plane of a recording for the depth': ['car_00350.npy']}

    def test_the_camera_may_be_a_file(self, root):
        texts(root / 'left/K.txt', '70 0 80 0 70 48 0 0 1')
        (clip,) = readers.read('dat', self.where(root, 'right={root}/right,baseline=0.1'))
        assert (clip.right.rig.fx_px, clip.right.rig.left.p[2]) == (70, 80)

    def test_a_split_in_time_cuts_both_eyes_and_true_pictures_alike(self, root):
        (root / 'left/image').mkdir()
        for plane in (50, 350):
            picture(root / f'left/image/car_{plane:05d}.png', plane // 2, (96, 160))
        clips = readers.read('dat', self.where(root))
        (test,) = by_time(clips, 'test')
        assert test.planes == 80
        np.testing.assert_array_equal(
            packing.unpack(test.right.load(0, 2), 160), self.eyes[1][320:322]
        )
        assert test.image_planes == (30,)
        assert test.images[0]()[5, 5] == pytest.approx(175 / 3 / 255)


class TestBag:
    @pytest.fixture(autouse=True)
    def few_windows(self, monkeypatch):
        """Compare rows of two windows: these planes show nothing, and each opens the bag."""
        monkeypatch.setattr(pairs, 'WINDOWS', 2)

    @staticmethod
    def numbers(planes):
        bits = packing.unpack(planes, 96)[:, 0, :16].astype(int)
        return (bits << np.arange(16)).sum(axis=1).tolist()

    def test_planes_of_one_time_are_paired(self, tmp_path):
        planes = numbered(400)
        # The right camera began 43.4 planes later.
        late = round(43.4 * bags.PERIOD)
        where = bag_pair(
            tmp_path / 'bag', of_eye('left', planes),
            of_eye('right', planes, offset_ns=late),
        )  # fmt: skip
        (clip,) = readers.read('rosbag', where)
        assert (clip.name, clip.planes, clip.rate_hz) == ('rosbag/bag', 357, 20_000)
        assert self.numbers(clip.load(0, 3)) == [43, 44, 45]
        assert self.numbers(clip.right.load(0, 3)) == [0, 1, 2]
        assert self.numbers(clip.load(100, 357)) == [*range(143, 400)]
        assert self.numbers(clip.right.load(100, 357)) == [*range(100, 357)]
        rig = clip.right.rig
        assert (rig.baseline_m, rig.fx_px) == (pytest.approx(0.1), 80)
        assert clip.camera[0].tolist() == [80, 0, 47.5]
        assert clip.rectification is None

    def test_a_gap_of_either_eye_begins_another_clip(self, tmp_path):
        planes = numbered(600)
        where = bag_pair(
            tmp_path / 'bag', of_eye('left', planes, leave_out=[200]),
            of_eye('right', planes, leave_out=[400], offset_ns=10 * bags.PERIOD),
        )  # fmt: skip
        clips = readers.read('rosbag', where)
        assert [clip.name for clip in clips] == [f'rosbag/bag/{k}' for k in range(3)]
        spans = [
            tuple(self.numbers(eye.load(0, clip.planes))[k] for k in (0, -1))
            for clip in clips for eye in (clip, clip.right)
        ]  # fmt: skip
        assert spans == [(10, 199), (0, 189), (240, 409), (230, 399), (450, 599), (440, 589)]

    @pytest.mark.parametrize(('factor', 'number'), [(1.004, 4000), (1.004, 3960), (0.996, 4000)])
    def test_drifting_clocks_pair_the_middle_of_a_window(self, tmp_path, factor, number):
        planes, period = numbered(4000), round(factor * bags.PERIOD)
        where = bag_pair(
            tmp_path / 'bag', of_eye('left', planes),
            of_eye('right', planes[:number], period_ns=period),
        )  # fmt: skip
        (clip,) = readers.read('rosbag', where)
        expected = min(4000, number * factor) / max(factor, 1)
        assert clip.planes == pytest.approx(expected, abs=1)
        for start in (512, 1111, 2000, 3300):
            left, right = (
                self.numbers(eye.load(start, start + 512)) for eye in (clip, clip.right)
            )
            assert left == [*range(start, start + 512)]
            assert np.diff(right).tolist() == [1] * 511
            assert abs(left[256] * bags.PERIOD - right[256] * period) <= bags.PERIOD / 2 + 1
        # At an end it is the first or the last window.
        assert self.numbers(clip.right.load(0, 512))[0] in (0, 1)
        assert len(clip.right.load(clip.planes - 512, clip.planes)) == 512
        assert len(clip.right.load(0, clip.planes)) == clip.planes

    def test_stamps_that_wander_are_followed(self, tmp_path):
        planes = numbered(800)
        left = of_eye('left', planes)
        for number, (topic, at, packet) in enumerate(left[1:]):
            # Later and later up to 1.6 planes, and back; never by half a plane at once.
            late = round(0.4 * bags.PERIOD) * min(number, 19 - number, 4)
            packet.header = bags.header(bags.START + number * 40 * bags.PERIOD + late)
            left[number + 1] = (topic, at, packet)
        where = bag_pair(tmp_path / 'bag', left, of_eye('right', planes))
        (clip,) = readers.read('rosbag', where)
        assert clip.planes == 800
        assert self.numbers(clip.load(299, 302)) == [299, 300, 301]
        assert self.numbers(clip.right.load(299, 302)) == [301, 302, 303]
        assert self.numbers(clip.right.load(797, 800)) == [797, 798, 799]
        assert self.numbers(clip.right.load(0, 800)) == [*range(800)]

    def test_depth_moves_with_the_planes(self, tmp_path):
        planes = numbered(400)
        stamp = bags.START + 100 * bags.PERIOD
        metres = np.full((48, 96), 3.0, np.float32)
        truth = [('/left/depth/truth', stamp, bags.image(stamp, metres, '32FC1'))]
        right = of_eye('right', planes, offset_ns=40 * bags.PERIOD)
        where = bag_pair(tmp_path / 'bag', of_eye('left', planes), right, truth)
        (clip,) = readers.read('rosbag', where)
        assert clip.depth_planes == (60,)
        np.testing.assert_array_equal(clip.depths[0](), metres)

    def test_lenses_are_rectified_to_one_pair(self, tmp_path):
        lens = cameras.lens(
            'plumb_bob', (-0.2, 0.05, 0.0, 0.0), fx=80.0, target=70.0, width=96, height=48
        )
        p = lens.p
        right = dataclasses.replace(lens, p=(*p[:3], -7.0, *p[4:]))
        planes = numbered(200)
        where = bag_pair(
            tmp_path / 'bag', of_eye('left', planes, info=lens),
            of_eye('right', planes, info=right),
        )  # fmt: skip
        (clip,) = readers.read('rosbag', where)
        rig = clip.right.rig
        assert rig == StereoRig(lens, right)
        assert rig.baseline_m == pytest.approx(0.1)
        assert clip.rectification == rig.rectifications[0] is not None
        assert rig.rectifications[1] is not None
        assert clip.camera[0, 0] == 70

    def test_calibrations_have_topics_of_their_own(self, tmp_path):
        planes = numbered(80)
        other = StereoRig.from_baseline(0.2, 80.0, 96, 48).right
        info = [('/rig/info', bags.START, bags.lens_camera(other))]
        both = (of_eye(eye, planes) for eye in ('left', 'right'))
        where = bag_pair(tmp_path / 'bag', *both, info)
        (clip,) = readers.read('rosbag', f'{where},right_camera_info=/rig/info')
        assert clip.right.rig.baseline_m == pytest.approx(0.2)

    def test_exchanged_topics_are_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr(pairs, 'WINDOWS', 6)
        monkeypatch.setattr(alignment, 'PAIRS', 4)
        rig, eyes = StereoRig.from_baseline(0.1, 80.0, 160, 96), readable.textured()
        for name, (left, right) in (('good', eyes), ('bad', eyes[::-1])):
            where = bag_pair(
                tmp_path / name, of_eye('left', left, info=rig.left),
                of_eye('right', right, info=rig.right),
            )  # fmt: skip
            if name == 'good':
                assert readers.read('rosbag', where)[0].planes == 400
        with pytest.raises(DataSetError, match=r'disparities are negative.*: exchange them$'):
            readers.read('rosbag', where)
