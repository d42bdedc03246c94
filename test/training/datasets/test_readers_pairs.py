# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Readers of pairs: KITTI and Cityscapes, files of two spike cameras, bags of two streams."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

from kit import bags, cameras
from kit.pictures import HEIGHT, METRES, WIDTH, depth_png, picture, texts
from spike_depth_ros.stereo.alignment import EVERY_NS, PAIRS, AlignmentCheck
from spike_depth_ros.stereo.rig import StereoRig
from spike_depth_ros.stream import packing
from spike_training.datasets import readers
from spike_training.datasets.readers import pairs
from spike_training.datasets.splits import Splits, place_id, select_split
from spike_training.errors import DataSetError, FrameError


def refused(name, where, match):
    with pytest.raises(DataSetError, match=match) as caught:
        readers.read(name, where)
    assert '\n' not in str(caught.value)


def by_time(clips, split):
    places = dict.fromkeys(('train', 'calibration', 'test'), tuple(one.name for one in clips))
    return select_split(clips, Splits('time', places), split, 0.01)


class TestKitti:
    DRIVE, OTHER = '2011_09_26_drive_0002_sync', '2011_09_26_drive_0009_sync'
    LEFT = 'P_rect_02: 50 0 19.5 4 0 51 11.5 0 0 0 1 0'
    RIGHT = 'P_rect_03: 50 0 19.5 -21 0 51 11.5 0 0 0 1 0'

    @pytest.fixture
    def root(self, tmp_path):
        """Two drives, one of them without depth; right pictures are 100 greater."""
        for drive in (self.DRIVE, self.OTHER):
            for k in range(4):
                where = tmp_path / f'2011_09_26/{drive}'
                picture(where / f'image_02/data/{k:010d}.png', k)
                picture(where / f'image_03/data/{k:010d}.png', 100 + k)
        for k in (1, 2):
            where = f'train/{self.DRIVE}/proj_depth/groundtruth/image_02/{k:010d}.png'
            depth_png(tmp_path / where, 256, METRES * 5, {(2, 2): 0})
        texts(tmp_path / '2011_09_26/calib_cam_to_cam.txt', self.LEFT, self.RIGHT)
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
        assert [clip.name for clip in readers.read('kitti', str(root))] == [f'kitti/{self.DRIVE}']
        other = readers.read('kitti', f'{root},right=image_03')[1]
        assert (other.name, other.labelled) == (f'kitti/{self.OTHER}', ())
        assert other.right.frames == (0, 1, 2, 3)
        (root / 'train').rename(root / 'elsewhere')
        assert len(readers.read('kitti', f'{root},right=image_03')) == 2

    def test_one_eye_has_none(self, root):
        assert readers.read('kitti', str(root))[0].right is None

    def test_a_split_chooses_the_pairs(self, root):
        names = [f'2011_09_26/{self.OTHER} {k} l' for k in (1, 3)]
        texts(root / 'eigen.txt', *names, f'2011_09_26/{self.DRIVE} 0 r')
        (clip,) = readers.read('kitti', f'{root},split={root / "eigen.txt"},right=image_03')
        assert clip.name == f'kitti/{self.OTHER}'
        assert clip.right.frames == (1, 3)
        texts(root / 'eigen.txt', '2011_09_28/2011_09_28_drive_0001_sync 5 l')
        with pytest.raises(DataSetError, match=r'no image of this list lies below [^ ]+; exp'):
            readers.read('kitti', f'{root},split={root / "eigen.txt"},right=image_03')

    def test_one_recording(self, tmp_path):
        for k in range(3):
            picture(tmp_path / f'image_02/data/{k:010d}.png')
            picture(tmp_path / f'image_03/data/{k:010d}.png')
        texts(tmp_path / 'calib.txt', self.LEFT, self.RIGHT)
        (clip,) = readers.read('kitti', f'{tmp_path},right=image_03')
        assert (clip.labelled, clip.right.frames) == ((), (0, 1, 2))

    def test_another_centre_is_the_offset_of_the_rig(self, root):
        shifted = self.RIGHT.replace('19.5', '22.5')
        texts(root / '2011_09_26/calib_cam_to_cam.txt', self.LEFT, shifted)
        clip = readers.read('kitti', f'{root},right=image_03')[0]
        assert clip.right.rig.offset_px == -3
        expected = 50 * 0.5 / clip.depth(1)[5, 5] - 3
        np.testing.assert_allclose(clip.right.disparity(1)[5, 5], expected, rtol=1e-5)

    def test_a_missing_right_picture_is_named(self, root):
        path = root / f'2011_09_26/{self.OTHER}/image_03/data/0000000002.png'
        path.unlink()
        other = readers.read('kitti', f'{root},right=image_03')[1]
        assert other.right.frames == (0, 1, 3)
        assert other.skipped == {'no picture of image_03': ['0000000002.png']}
        with pytest.raises(FrameError, match=f'kitti/{self.OTHER}, frame 2: has no right picture'):
            other.right.image(2)
        path.with_name('0000000001.png').unlink()
        refused('kitti', f'{root},right=image_03', '2 of 4 frames cannot be used')

    def test_what_is_no_pair_is_one_line(self, root):
        calibration = root / '2011_09_26/calib_cam_to_cam.txt'
        exchanged = f'{root},camera=image_03,right=image_02'
        for k in range(4):
            where = f'train/{self.DRIVE}/proj_depth/groundtruth/image_03/{k:010d}.png'
            depth_png(root / where, 256)
        refused('kitti', exchanged, r'baseline is -0.5 m, expected .*: exchange the eyes')
        refused('kitti', f'{root},right=image_02', 'the baseline is 0 m, expected 0.001 to 10 m')
        texts(calibration, self.LEFT)
        refused('kitti', f'{root},right=image_03', 'expected a line "P_rect_03:" with twelve numb')
        texts(calibration, self.LEFT, self.RIGHT.replace('11.5', '12.5'))
        refused('kitti', f'{root},right=image_03', r'expected equal ones: calibrate both toge')
        texts(calibration, self.LEFT, self.RIGHT)
        for k in range(4):
            path = root / f'2011_09_26/{self.DRIVE}/image_03/data/{k:010d}.png'
            picture(path, size=(HEIGHT, WIDTH + 2))
        refused(
            'kitti', f'{root},right=image_03', 'left pictures of 40x24 pixels, right ones of 4'
        )

    def test_without_right_pictures_the_tree_is_told(self, root):
        (root / f'2011_09_26/{self.OTHER}/image_03').rename(root / 'elsewhere')
        with pytest.raises(DataSetError, match=r'image_03/data is missing; expected\n  ROOT'):
            readers.read('kitti', f'{root},right=image_03')

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


class TestCityscapes:
    @pytest.fixture
    def root(self, tmp_path):
        """Three pairs in Aachen of two calibrations, two in Bonn."""
        for city, number, fx in (
            ('train/aachen', 0, 50), ('train/aachen', 1, 60), ('train/aachen', 2, 50),
            ('val/bonn', 0, 50), ('val/bonn', 1, 50),
        ):  # fmt: skip
            self.pair(tmp_path, city, number, fx)
        return tmp_path

    @staticmethod
    def pair(root, city, number, fx=50, baseline=0.2):
        stem = f'{city}/{city.split("/")[1]}_000000_{number:06d}'
        picture(root / f'leftImg8bit/{stem}_leftImg8bit.png', number)
        picture(root / f'rightImg8bit/{stem}_rightImg8bit.png', 100 + number)
        inside = {'fx': fx, 'fy': fx + 1, 'u0': 20.5, 'v0': 10.5}
        about = {'extrinsic': {'baseline': baseline, 'pitch': 0.04}, 'intrinsic': inside}
        texts(root / f'camera/{stem}_camera.json', json.dumps(about))

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
        with pytest.raises(DataSetError, match=r'leftImg8bit/night is missing; expected\n  ROOT'):
            readers.read('cityscapes', f'{root},part=night')

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
        damage(root, 'val/bonn/bonn_000000_000000')
        refused('cityscapes', str(root), '2 of 5 frames cannot be used')

    def test_what_is_no_pair_is_one_line(self, root):
        for baseline, told in ((0.0, 'is 0 m, expected'), (-0.2, r'is -0.2 m.*exchange the eyes')):
            self.pair(root, 'val/bonn', 1, baseline=baseline)
            refused('cityscapes', str(root), f'bonn/1: the baseline {told}')
        self.pair(root, 'val/bonn', 1)
        for number in (0, 1):
            path = root / f'rightImg8bit/val/bonn/bonn_000000_{number:06d}_rightImg8bit.png'
            picture(path, size=(HEIGHT - 1, WIDTH))
        refused('cityscapes', str(root), 'left pictures of 40x24 pixels, right ones of 40x23')


def textured(height=96, width=160, shift=8, planes=400):
    """Planes of both eyes of a still wall, which is ``shift`` pixels apart."""
    noise = np.random.default_rng(0).random((height, width + shift), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.2)
    rate = 0.02 + 0.3 * (smooth - smooth.min()) / np.ptp(smooth)
    eyes = []
    for one in (rate[:, :width], rate[:, shift:]):
        begun = np.random.default_rng(len(eyes) + 1).random(one.shape, np.float32)
        charge = begun + one * np.arange(planes + 1, dtype=np.float32)[:, None, None]
        eyes.append(np.diff(np.floor(charge), axis=0).clip(0, 1).astype(np.uint8))
    return eyes


def write_dat(path, planes):
    path.parent.mkdir(parents=True, exist_ok=True)
    packing.pack(planes)[:, ::-1].tofile(path)


class TestDat:
    SIZE = 'size=160x96,rate_hz=20000'

    @pytest.fixture
    def root(self, tmp_path):
        self.eyes = textured()
        for eye, planes in zip(('left', 'right'), self.eyes, strict=True):
            write_dat(tmp_path / eye / 'car.dat', planes)
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
        write_dat(root / 'other.dat', self.eyes[1][:300])
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
        write_dat(root / 'right/car.dat', self.eyes[1][:300])
        (clip,) = readers.read('dat', self.where(root))
        assert clip.depth_planes == (100,)
        assert clip.skipped == {'no plane of a recording for the depth': ['car_00350.npy']}

    def test_the_camera_may_be_a_file(self, root):
        texts(root / 'left/K.txt', '70 0 80 0 70 48 0 0 1')
        (clip,) = readers.read('dat', self.where(root, 'right={root}/right,baseline=0.1'))
        assert (clip.right.rig.fx_px, clip.right.rig.left.p[2]) == (70, 80)

    @pytest.mark.parametrize(
        ('more', 'message'),
        [
            ('right={root}/right,fx=80', 'option baseline: the baseline is 0 m, expected 0.001'),
            ('right={root}/right,fx=80,baseline=-1', r'is -1 m, expected .*: exchange the eyes'),
            ('right={root}/right,fx=80,baseline=nan', 'the baseline is nan m, expected'),
            ('fx=80,baseline=0.1', 'option baseline is of two eyes: give the right recordings'),
            (
                'right={root}/right,baseline=0.1',
                'two eyes need a focal length: give the option fx',
            ),
            ('right={root}/left,baseline=0.1,fx=80', 'car.dat: is the left recording; expected'),
            (
                'right={root},baseline=0.1,fx=80',
                'car.dat is missing; expected the right recordin',
            ),
        ],
    )
    def test_options_that_do_not_fit_are_one_line(self, root, more, message):
        refused('dat', self.where(root, more), message)

    def test_one_file_is_not_the_right_eye_of_several(self, root):
        write_dat(root / 'left/bus.dat', self.eyes[0])
        more = 'right={root}/right/car.dat,baseline=0.1,fx=80'
        refused('dat', self.where(root, more), 'is one file for 2 recordings, expected the folder')

    def test_another_sensor_is_refused(self, root):
        write_dat(root / 'right/car.dat', self.eyes[1][:99, :, :152])
        refused('dat', self.where(root), r'right/car.dat: \d+ bytes are .* is that the sensor si')

    def test_exchanged_eyes_are_refused(self, root):
        more = 'right={root}/left,baseline=0.12,fx=80'
        refused(
            'dat', f'{root}/right,{self.SIZE},{more.format(root=root)}',
            'dat/car: disparities are negative, as if .* were exchanged: exchange them',
        )  # fmt: skip

    def test_eyes_of_other_rows_are_refused(self, root):
        write_dat(root / 'right/car.dat', np.roll(self.eyes[1], 3, axis=1))
        refused('dat', self.where(root), r'the left picture is -3\.\d pixels lower than the right')

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
    RIG = StereoRig.from_baseline(0.1, 80.0, 96, 48)

    @pytest.fixture(autouse=True)
    def few_windows(self, monkeypatch):
        """Compare rows of two windows: these planes show nothing, and each opens the bag."""
        monkeypatch.setattr(pairs, 'WINDOWS', 2)

    @staticmethod
    def numbered(planes):
        """Planes that tell their numbers by their first pixels."""
        found = np.zeros((planes, 48, 96), np.uint8)
        found[:, 0, :16] = np.arange(planes)[:, None] >> np.arange(16) & 1
        return found

    @staticmethod
    def numbers(planes):
        bits = packing.unpack(planes, 96)[:, 0, :16].astype(int)
        return (bits << np.arange(16)).sum(axis=1).tolist()

    def stream(self, eye, planes, period_ns=bags.PERIOD, offset_ns=0, leave_out=(), info=None):
        """Messages of one eye in packets of 40 planes."""
        info = getattr(self.RIG, eye) if info is None else info
        messages = [(f'/{eye}/camera_info', bags.START, bags.lens_camera(info))]
        for first in range(0, len(planes), 40):
            stamp = bags.START + offset_ns + first * period_ns
            if first not in leave_out:
                packet = bags.packet(stamp, planes[first : first + 40])
                messages.append((f'/{eye}/spikes', stamp + 40 * period_ns, packet))
        return messages

    def record(self, path, *streams):
        bags.write(path, sorted((one for s in streams for one in s), key=lambda one: one[1]))
        return f'{path},spikes=/left/spikes,right=/right/spikes'

    def test_planes_of_one_time_are_paired(self, tmp_path):
        planes = self.numbered(400)
        # The right camera began 43.4 planes later.
        late = round(43.4 * bags.PERIOD)
        where = self.record(
            tmp_path / 'bag', self.stream('left', planes),
            self.stream('right', planes, offset_ns=late),
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
        planes = self.numbered(600)
        where = self.record(
            tmp_path / 'bag', self.stream('left', planes, leave_out=[200]),
            self.stream('right', planes, leave_out=[400], offset_ns=10 * bags.PERIOD),
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
        planes, period = self.numbered(4000), round(factor * bags.PERIOD)
        where = self.record(
            tmp_path / 'bag', self.stream('left', planes),
            self.stream('right', planes[:number], period_ns=period),
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
        planes = self.numbered(800)
        left = self.stream('left', planes)
        for number, (topic, at, packet) in enumerate(left[1:]):
            # Later and later up to 1.6 planes, and back; never by half a plane at once.
            late = round(0.4 * bags.PERIOD) * min(number, 19 - number, 4)
            packet.header = bags.header(bags.START + number * 40 * bags.PERIOD + late)
            left[number + 1] = (topic, at, packet)
        where = self.record(tmp_path / 'bag', left, self.stream('right', planes))
        (clip,) = readers.read('rosbag', where)
        assert clip.planes == 800
        assert self.numbers(clip.load(299, 302)) == [299, 300, 301]
        assert self.numbers(clip.right.load(299, 302)) == [301, 302, 303]
        assert self.numbers(clip.right.load(797, 800)) == [797, 798, 799]
        assert self.numbers(clip.right.load(0, 800)) == [*range(800)]

    def test_depth_moves_with_the_planes(self, tmp_path):
        planes = self.numbered(400)
        stamp = bags.START + 100 * bags.PERIOD
        metres = np.full((48, 96), 3.0, np.float32)
        truth = [('/left/depth/truth', stamp, bags.image(stamp, metres, '32FC1'))]
        right = self.stream('right', planes, offset_ns=40 * bags.PERIOD)
        where = self.record(tmp_path / 'bag', self.stream('left', planes), right, truth)
        (clip,) = readers.read('rosbag', where)
        assert clip.depth_planes == (60,)
        np.testing.assert_array_equal(clip.depths[0](), metres)

    def test_lenses_are_rectified_to_one_pair(self, tmp_path):
        lens = cameras.lens(
            'plumb_bob', (-0.2, 0.05, 0.0, 0.0), fx=80.0, target=70.0, width=96, height=48
        )
        p = lens.p
        right = dataclasses.replace(lens, p=(*p[:3], -7.0, *p[4:]))
        planes = self.numbered(200)
        where = self.record(
            tmp_path / 'bag', self.stream('left', planes, info=lens),
            self.stream('right', planes, info=right),
        )  # fmt: skip
        (clip,) = readers.read('rosbag', where)
        rig = clip.right.rig
        assert rig == StereoRig(lens, right)
        assert rig.baseline_m == pytest.approx(0.1)
        assert clip.rectification == rig.rectifications[0] is not None
        assert rig.rectifications[1] is not None
        assert clip.camera[0, 0] == 70

    def test_calibrations_have_topics_of_their_own(self, tmp_path):
        planes = self.numbered(80)
        other = StereoRig.from_baseline(0.2, 80.0, 96, 48).right
        info = [('/rig/info', bags.START, bags.lens_camera(other))]
        both = (self.stream(eye, planes) for eye in ('left', 'right'))
        where = self.record(tmp_path / 'bag', *both, info)
        (clip,) = readers.read('rosbag', f'{where},right_camera_info=/rig/info')
        assert clip.right.rig.baseline_m == pytest.approx(0.2)

    def test_what_is_no_pair_is_one_line(self, tmp_path):
        planes = self.numbered(400)
        left, right = self.stream('left', planes), self.stream('right', planes)
        size = StereoRig.from_baseline(0.1, 80.0, 48, 48).right
        big = self.stream('right', planes)
        for _, _, packet in big[1:]:
            packet.is_bigendian = 1
        for name, streams, message in (
            ('clock', (left, self.stream('right', planes, offset_ns=-(10**9))),
             'stamps do not overlap: those of /right/spikes end 1 s before those of /left/spikes'),
            ('rate', (left, self.stream('right', planes, period_ns=40_000)),
             '/left/spikes has 20000 planes a second, /right/spikes 25000; expected one rate'),
            ('size', (left, self.stream('right', planes[:, :, :48], info=size)),
             'left camera of 96x48 pixels, right one of 48x48; expected one size'),
            ('alone', (left, self.stream('right', planes, info=self.RIG.left)),
             'P.3. of the right camera is 0, a baseline of 0 m'),
            ('exchanged', (self.stream('left', planes, info=self.RIG.right),
                           self.stream('right', planes, info=self.RIG.left)),
             'expected 0 and a number below 0: exchange the cameras'),
            ('order', (left, big), 'bit orders little and big, expected one'),
            ('missing', (left,), 'no topic /right/spikes of sensor_msgs/msg/Image'),
            ('uncalibrated', (left, right[1:]), 'no camera_info, which tells the size'),
        ):  # fmt: skip
            where = self.record(tmp_path / name, *streams)
            if name == 'missing':
                with pytest.raises(DataSetError, match=message):
                    readers.read('rosbag', where)
            else:
                refused('rosbag', where, message)
        where = str(tmp_path / 'uncalibrated')
        refused('rosbag', f'{where},spikes=/left/spikes,right=/right/spikes,size=96x48',
                '/right/spikes has no camera_info; expected those of both eyes')  # fmt: skip
        where = str(tmp_path / 'rate')
        refused('rosbag', f'{where},spikes=/left/spikes,right=/left/spikes',
                'spikes and right are both /left/spikes; expected two streams')  # fmt: skip
        refused('rosbag', f'{where},spikes=/left/spikes,right=/right/spikes,fx=80',
                'option fx is of one eye; expected camera_info of both')  # fmt: skip

    def test_exchanged_topics_are_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr(pairs, 'WINDOWS', 3 * PAIRS // 2)
        rig, eyes = StereoRig.from_baseline(0.1, 80.0, 160, 96), textured()
        for name, (left, right) in (('good', eyes), ('bad', eyes[::-1])):
            where = self.record(
                tmp_path / name, self.stream('left', left, info=rig.left),
                self.stream('right', right, info=rig.right),
            )  # fmt: skip
            if name == 'good':
                assert readers.read('rosbag', where)[0].planes == 400
        refused(
            'rosbag', where, 'disparities are negative, as if .* were exchanged: exchange them'
        )
