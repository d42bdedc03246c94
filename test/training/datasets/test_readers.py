# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Readers of frames with depth, each on a small tree of the real layout and encodings."""

import functools
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from kit import large_files, readable
from kit.clips import walk, write_poses
from kit.pictures import HEIGHT, METRES, WIDTH, depth_png, picture, texts, write_pfm
from kit.readable import DRIVE, SEQUENCE, SEQUENCE_LEFT, driving_frame
from spike_training.datasets import readers
from spike_training.datasets.readers import files, nyuv2_raw, sevenscenes
from spike_training.datasets.readers.drivingstereo import seconds
from spike_training.datasets.readers.tum import associate
from spike_training.errors import DataSetError, FrameError


class TestDepthFiles:
    ENCODING = files.DepthEncoding(1000.0)
    BAD = large_files.DEPTHS | large_files.PICTURES | {  # what is too large by its header
        'd.exr, in tiles': large_files.exr((0, 0, 9, 9), tiles=(60_000, 60_000)),
        'd.exr, cut short': large_files.exr()[:60],
        'd.exr, empty': b'',
        'd.png, in colour': np.zeros((HEIGHT, WIDTH, 3), np.uint8),
        'd.png, of 8 bits': np.zeros((4, 4), np.uint8),
        'd.png, turned': np.full((HEIGHT, WIDTH), 2000, np.uint16),
        'd.png, a text': b'not a picture',
        'd.pfm, cut short': b'Pf\n40 24\n-1.0\n' + bytes(100),
        'd.png, missing': None,
        'd.tif, empty': b'',
        'p.png, cut short': 'half',
        'p.jpg, cut short': 'half',
        'p.jpg, turned': np.zeros((8, 8, 3), np.uint8),
    }  # fmt: skip
    """Maps and pictures by their names; their bytes, their pixels, or what is made of them."""

    def test_integers_are_metres_and_what_is_unknown_is_nan(self, tmp_path):
        path = tmp_path / 'd.png'
        depth_png(path, 1000, holes={(0, 0): 0, (1, 2): 65535})
        depth = files.read_depth(path, self.ENCODING)
        assert depth.dtype == np.float32
        assert {*map(tuple, np.argwhere(np.isnan(depth)))} == {(0, 0), (1, 2)}
        known = np.isfinite(depth)
        np.testing.assert_allclose(depth[known], METRES[known], atol=6e-4)

    def test_sky_is_infinite(self, tmp_path):
        depth_png(tmp_path / 'd.png', 100, holes={(3, 3): 65535})
        depth = files.read_depth(tmp_path / 'd.png', files.DepthEncoding(100.0, sky=65535))
        assert np.isposinf(depth[3, 3])
        assert np.isinf(depth).sum() == 1

    def test_npy(self, tmp_path):
        np.save(tmp_path / 'd.npy', METRES[..., None])
        depth = files.read_depth(tmp_path / 'd.npy', files.DepthEncoding())
        np.testing.assert_array_equal(depth, METRES)

    def test_exr(self, tmp_path):
        os.environ.setdefault('OPENCV_IO_ENABLE_OPENEXR', '1')
        if not cv2.haveImageWriter('d.exr'):
            pytest.skip('this OpenCV was built without OpenEXR')
        assert cv2.imwrite(str(tmp_path / 'd.exr'), METRES)
        depth = files.read_depth(tmp_path / 'd.exr', files.DepthEncoding())
        np.testing.assert_array_equal(depth, METRES)

    def test_a_pgm_as_text_may_have_comments(self, tmp_path):
        text = '# made by hand\n' * 1000
        (tmp_path / 'd.pgm').write_text(f'P2\n{text}3 2\n65535\n1 2000 3000\n4 5000 60000\n')
        depth = files.read_depth(tmp_path / 'd.pgm', self.ENCODING)
        assert np.rint(depth * 1000).astype(int).tolist() == [[1, 2000, 3000], [4, 5000, 60000]]

    @pytest.mark.parametrize('order', ['<', '>'])
    def test_a_pfm_begins_with_its_bottom_row(self, tmp_path, order):
        write_pfm(tmp_path / 'd.pfm', METRES, order)
        depth = files.read_depth(tmp_path / 'd.pfm', files.DepthEncoding())
        np.testing.assert_array_equal(depth, METRES)

    def test_bad_pictures_and_maps_are_refused(self, tmp_path, refusals):
        noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
        rows = {}
        for number, (name, content) in enumerate(self.BAD.items()):
            path = tmp_path / str(number) / name.partition(', ')[0]
            path.parent.mkdir()
            if isinstance(content, bytes):
                write = large_files.write if ',' not in name else type(path).write_bytes
                write(path, content)
            elif isinstance(content, str):
                Image.fromarray(noise).save(path)
                assert files.read_rgb(path).shape == (64, 64, 3)
                os.truncate(path, path.stat().st_size // 2)
            elif content is not None:
                image = Image.fromarray(content)
                if name.endswith('turned'):
                    image.getexif()[0x0112] = 6
                image.save(path, exif=image.getexif())
            depth = (files.read_depth, path, self.ENCODING)
            read = (files.read_rgb, path) if path.name[0] == 'p' else depth
            rows[name] = path.name, functools.partial(*read)
        library = {r'(cannot be read: )(image file|unrecognized|broken|OpenCV).*': r'\1<library>'}
        refusals('frame_files', rows, FrameError, library)


def test_whatever_is_wrong_with_a_file_is_told_in_one_way(tmp_path):
    rng = np.random.default_rng(1)
    write_pfm(tmp_path / 'd.pfm', METRES)
    np.save(tmp_path / 'd.npy', METRES)
    depth_png(tmp_path / 'd.png', 1000)
    picture(tmp_path / 'i.png')
    told = []
    for path in sorted(tmp_path.iterdir()):
        sound = path.read_bytes()
        for _ in range(60):
            damaged = bytearray(sound[: rng.integers(1, len(sound))])
            damaged[rng.integers(min(len(damaged), 100))] ^= 1 << rng.integers(8)
            path.write_bytes(damaged)
            try:
                if path.name == 'i.png':
                    files.read_rgb(path)
                else:
                    files.read_depth(path, files.DepthEncoding())
            except FrameError as error:
                told.append(str(error))
    assert len(told) > 200
    assert all('d.' in text or 'i.png' in text for text in told)
    assert not any('\n' in text for text in told)


class TestPairs:
    def test_what_has_no_partner_is_named(self):
        images = {k: Path(f'i{k}') for k in range(100)}
        depths = {k: Path(f'd{k}') for k in range(1, 101)}
        pairs, skipped = files.pair(images, depths, 'set')
        assert list(pairs) == list(range(1, 100))
        assert skipped == {'no depth for the image': ['i0'], 'no image for the depth': ['d100']}

    def test_too_many_are_refused(self):
        images = {k: Path(f'i{k}') for k in range(100)}
        depths = {k: Path(f'd{k}') for k in range(90)}
        with pytest.raises(DataSetError, match=r'10 of 100 frames cannot be used.*at most 5%'):
            files.pair(images, depths, 'set')

    def test_too_few_are_refused(self):
        with pytest.raises(DataSetError, match='set: 1 images with depth, expected 2'):
            files.pair({1: Path('i')}, {1: Path('d')}, 'set')


class TestChoice:
    def test_every_set_has_a_licence_to_carry_along(self):
        modules = {path.stem for path in Path(readers.__file__).parent.glob('*.py')}
        shared = {'__init__', 'files', 'options', 'pairs', 'poses', 'recordings'}
        assert modules - shared == readers.LICENCES.keys()
        assert all(readers.LICENCES.values())


class TestFolder:
    def test_images_depth_and_camera(self, tmp_path):
        (clip,) = readers.read('folder', f'{readable.folder(tmp_path)},frame_hz=10')
        assert clip.name == f'folder/{tmp_path.name}'
        assert len(clip) == 4
        assert clip.labelled == (0, 1, 2, 3)
        np.testing.assert_array_equal(clip.times_s, [0, 0.1, 0.2, 0.3])
        np.testing.assert_array_equal(clip.camera, [[30, 0, 19.5], [0, 31, 11.5], [0, 0, 1]])
        assert clip.image(2)[5, 5].tolist() == [2, 0, 0]
        assert (clip.image(0)[0] == 255).all()
        np.testing.assert_allclose(clip.depth(3), METRES, atol=6e-4)

    def test_depth_along_the_ray(self, tmp_path):
        readable.folder(tmp_path)
        for path in (tmp_path / 'depth').iterdir():
            path.unlink()
        v, u = np.mgrid[:24, :40]
        # A wall 3 m away, by its distance from the camera of K.txt.
        stored = (3 * np.sqrt(1 + ((u - 19.5) / 30) ** 2 + ((v - 11.5) / 31) ** 2)).astype('f4')
        stored[0, 0] = np.nan
        for k in range(4):
            np.save(tmp_path / f'depth/{k:05d}.npy', stored)
        (clip,) = readers.read('folder', f'{tmp_path},depth_along=ray')
        depth = clip.depth(1)
        assert np.isnan(depth[0, 0])
        np.testing.assert_allclose(depth[1:], 3.0, rtol=2e-7)
        (asis,) = readers.read('folder', f'{tmp_path},depth_along=axis')
        np.testing.assert_array_equal(asis.depth(1), stored)
        (given,) = readers.read('folder', f'{tmp_path},depth_along=ray,fx=60')
        expected = stored / np.sqrt(1 + ((u - 19.5) / 60) ** 2 + ((v - 11.5) / 60) ** 2)
        np.testing.assert_allclose(given.depth(1), expected, rtol=2e-7)

    def test_missing_frames_take_their_time(self, tmp_path):
        readable.folder(tmp_path, 30)
        (tmp_path / 'images/00002.png').unlink()
        (tmp_path / 'depth/00002.png').unlink()
        (clip,) = readers.read('folder', f'{tmp_path},frame_hz=10')
        np.testing.assert_allclose(clip.times_s[:3], [0, 0.1, 0.3])

    @pytest.mark.parametrize('per_metre', [1000, 256, 5000])
    def test_units(self, tmp_path, per_metre):
        readable.folder(tmp_path, per_metre=per_metre)
        (clip,) = readers.read('folder', f'{tmp_path},per_metre={per_metre}')
        np.testing.assert_allclose(clip.depth(0), METRES, atol=1 / per_metre)

    def test_what_archives_leave_behind_is_passed_over(self, tmp_path):
        readable.folder(tmp_path)
        (tmp_path / 'images/._00000.png').write_bytes(b'Mac OS X')
        (tmp_path / 'images/Thumbs.db').write_bytes(b'')
        (clip,) = readers.read('folder', str(tmp_path))
        assert len(clip) == 4
        assert clip.skipped == {}

    def test_a_focal_length_in_place_of_the_matrix(self, tmp_path):
        readable.folder(tmp_path)
        (tmp_path / 'K.txt').unlink()
        (clip,) = readers.read('folder', f'{tmp_path},fx=33')
        np.testing.assert_array_equal(clip.camera, [[33, 0, 19.5], [0, 33, 11.5], [0, 0, 1]])

    def test_poses_are_those_of_the_images_by_their_names(self, tmp_path):
        """In the order of all images, though one has no depth."""
        readable.folder(tmp_path, 30)
        write_poses(tmp_path, walk(30))
        (tmp_path / 'depth/00002.png').unlink()
        (clip,) = readers.read('folder', f'{tmp_path},frame_hz=10')
        found = [0, 1, *range(3, 30)]
        np.testing.assert_array_equal(clip.poses.times_s, clip.times_s)
        np.testing.assert_allclose(clip.poses.times_s, 0.1 * np.array(found))
        np.testing.assert_allclose(clip.poses.matrices, walk(30)[found], atol=1e-15)

    def test_poses_are_in_the_order_of_time(self, tmp_path):
        readable.folder(tmp_path)
        write_poses(tmp_path, walk(4))
        for number, time in enumerate(('0', '25', '5', '75')):  # as numbers, 5 is before 25
            for path in tmp_path.glob(f'*/0000{number}.png'):
                path.rename(path.with_name(f'1305031102.{time}.png'))
        (clip,) = readers.read('folder', str(tmp_path))
        assert [clip.image(k)[5, 5, 0] for k in range(4)] == [0, 1, 2, 3]
        np.testing.assert_allclose(clip.poses.matrices, walk(4), atol=1e-15)

    def test_without_poses_there_are_none(self, tmp_path):
        (clip,) = readers.read('folder', str(readable.folder(tmp_path)))
        assert clip.poses is None


class TestSevenScenes:
    @pytest.fixture
    def root(self, tmp_path):
        readable.sevenscenes(tmp_path)
        return tmp_path

    def test_a_sequence(self, root):
        (clip,) = readers.read('sevenscenes', str(root))
        # Whatever is read, the scene is the place.
        for where in (root, root / 'chess', root / 'chess/seq-01'):
            (clip,) = readers.read('sevenscenes', str(where))
            assert clip.name == 'sevenscenes/chess/seq-01'
        np.testing.assert_allclose(clip.times_s, [0, 1 / 30, 3 / 30])
        np.testing.assert_array_equal(clip.camera, [[525, 0, 320], [0, 525, 240], [0, 0, 1]])
        known = np.isfinite(clip.depth(0))
        # The colour camera sees more than the depth camera: 525 / 585 of each side is known.
        assert known.mean() == pytest.approx((525 / 585) ** 2, abs=0.01)
        np.testing.assert_allclose(clip.depth(0)[known], 1.5, atol=1e-3)

    def test_depth_moves_to_where_the_colour_camera_sees_it(self):
        depth = np.full((480, 640), np.nan, np.float32)
        depth[140, 520] = 1.25
        rows, columns = np.nonzero(np.isfinite(sevenscenes.registered(depth, 525.0)))
        assert rows.tolist() == [round(240 - 100 * 525 / 585)]
        assert columns.tolist() == [round(320 + 200 * 525 / 585 - 525 * 0.025 / 1.25)]

    def test_poses_are_of_the_colour_camera(self, root):
        """Where a point is by depth of the depth camera, it is by registered depth."""
        for k, pose in zip((0, 1, 3), walk(3), strict=True):
            np.savetxt(root / f'chess/seq-01/frame-{k:06d}.pose.txt', pose)
        (clip,) = readers.read('sevenscenes', str(root))
        np.testing.assert_array_equal(clip.poses.times_s, clip.times_s)
        depth = np.full((480, 640), np.nan, np.float32)
        depth[140, 520] = 1.25
        registered = sevenscenes.registered(depth, 525.0)
        ((row, column),) = np.argwhere(np.isfinite(registered))
        for k, pose in enumerate(walk(3)):
            before = pose @ [200 / 585 * 1.25, -100 / 585 * 1.25, 1.25, 1]
            at = np.array([(column - 320) / 525, (row - 240) / 525, 1]) * registered[row, column]
            # The nearest pixel is at most half a one away.
            np.testing.assert_allclose(
                clip.poses.matrices[k] @ [*at, 1], before, atol=0.71 * 1.25 / 525
            )
            moved = np.linalg.norm((clip.poses.matrices[k] - pose)[:3, 3])
            assert moved == pytest.approx(0.025)

    @pytest.mark.parametrize('damage', ['', '1 2 3', 'nan ' * 16, '-1.#IND ' * 16, '2 ' * 16])
    def test_a_pose_that_cannot_be_used_is_left_out(self, root, damage):
        for k, pose in zip((0, 1, 3), walk(3), strict=True):
            np.savetxt(root / f'chess/seq-01/frame-{k:06d}.pose.txt', pose)
        (root / 'chess/seq-01/frame-000001.pose.txt').write_text(damage)
        (clip,) = readers.read('sevenscenes', str(root))
        assert len(clip) == 3
        np.testing.assert_allclose(clip.poses.times_s, [0, 0.1])
        np.testing.assert_allclose(clip.poses.matrices[1, :3, :3], walk(3)[2, :3, :3], atol=1e-15)

    def test_without_poses_there_are_none(self, root):
        (clip,) = readers.read('sevenscenes', str(root))
        assert clip.poses is None

    def test_depth_beside_an_edge_is_left_out(self):
        depth = np.full((20, 40), 1.0, np.float32)
        depth[:, 20:] = 2.0
        kept = sevenscenes.without_edges(depth)
        assert np.flatnonzero(np.isnan(kept[10])).tolist() == list(range(16, 24))
        smooth = np.tile(np.linspace(1, 2, 40, dtype=np.float32), (20, 1))
        np.testing.assert_array_equal(sevenscenes.without_edges(smooth), smooth)


class TestTum:
    @pytest.fixture
    def root(self, tmp_path):
        readable.tum(tmp_path / 'rgbd_dataset_freiburg2_desk')
        return tmp_path / 'rgbd_dataset_freiburg2_desk'

    def test_pairs_by_time(self, root):
        for path in (root, root.parent):
            (clip,) = readers.read('tum', str(path))
            assert clip.name == 'tum/rgbd_dataset_freiburg2_desk'
            assert len(clip) == 3
            assert clip.labelled == (0, 1)
            assert clip.depth(2) is None
            np.testing.assert_allclose(clip.depth(0), METRES, atol=2e-4)
            assert clip.camera[0, 0] == 520.9
            assert clip.skipped == {'no depth within 0.02 s': ['10.500000.png']}

    def test_the_camera_does_not_depend_on_how_the_folder_is_named(self, root, monkeypatch):
        monkeypatch.chdir(root / 'rgb')
        for path in ('..', '../../rgbd_dataset_freiburg2_desk/.'):
            (clip,) = readers.read('tum', path)
            assert (clip.name, clip.camera[0, 0]) == ('tum/rgbd_dataset_freiburg2_desk', 520.9)

    def test_comments_of_another_encoding_are_passed_over(self, root):
        listed = root / 'rgb.txt'
        listed.write_bytes('# Gerät 2\n'.encode('latin-1') + listed.read_bytes())
        (clip,) = readers.read('tum', str(root))
        assert len(clip) == 3

    def test_each_depth_goes_to_the_nearest_image_once(self):
        times, others = np.array([0.0, 0.018, 1.0]), np.array([0.019, 0.99])
        assert associate(times, others, 0.02) == [-1, 0, 1]
        assert associate(times, others[:1], 0.02) == [-1, 0, -1]


class TestKitti:
    @pytest.fixture
    def root(self, tmp_path):
        readable.kitti(tmp_path)
        return tmp_path

    def test_raw_data_with_annotated_depth(self, root):
        (clip,) = readers.read('kitti', str(root))
        assert clip.name == f'kitti/{DRIVE}'
        assert len(clip) == 4
        assert clip.labelled == (1, 2)
        np.testing.assert_array_equal(clip.camera, [[50, 0, 19.5], [0, 51, 11.5], [0, 0, 1]])
        np.testing.assert_allclose(clip.times_s, [0, 0.1, 0.2, 0.3])
        depth = clip.depth(1)
        assert np.isnan(depth[2, 2])
        assert np.isnan(depth).sum() == 1
        assert np.nanmax(np.abs(depth - METRES * 5)) < 1 / 256

    @pytest.mark.parametrize(
        'line',
        [
            '2011_09_26/{drive}/image_02/data/0000000002.png {drive}/proj_depth/x.png 721.5',
            '2011_09_26/{drive} 0000000002 l',
            '2011_09_26/{drive} 2 l',
        ],
    )
    def test_a_split_chooses_the_labelled_frames(self, root, line):
        other = '2011_09_26/2011_09_26_drive_0009_sync/image_02/data/0000000001.png'
        right = f'2011_09_26/{DRIVE}/image_03/data/0000000001.png'
        texts(root / 'eigen.txt', line.format(drive=DRIVE), other, right, '')
        (clip,) = readers.read('kitti', f'{root},split={root / "eigen.txt"}')
        assert len(clip) == 4
        assert clip.labelled == (2,)

    def test_one_recording(self, tmp_path):
        readable.one_kitti(tmp_path)
        (clip,) = readers.read('kitti', str(tmp_path))
        assert clip.labelled == (0, 1, 2)


class TestVirtualKitti:
    SKY = {(0, 5): 65535}  # noqa: RUF012

    def test_version_1(self, tmp_path):
        for variation in ('clone', 'fog'):
            for k in range(2):
                where = f'0001/{variation}/{k:05d}.png'
                picture(tmp_path / 'vkitti_1.3.1_rgb' / where, k)
                depth_png(tmp_path / 'vkitti_1.3.1_depthgt' / where, 100, METRES, self.SKY)
        clips = readers.read('vkitti', str(tmp_path))
        assert [clip.name for clip in clips] == [
            'vkitti/1.3.1/0001/clone',
            'vkitti/1.3.1/0001/fog',
        ]
        np.testing.assert_array_equal(clips[0].camera, [[725, 0, 620.5], [0, 725, 187], [0, 0, 1]])
        depth = clips[0].depth(1)
        assert np.isposinf(depth[0, 5])
        known = np.isfinite(depth)
        np.testing.assert_allclose(depth[known], METRES[known], atol=6e-3)

    @pytest.mark.parametrize('archives', [True, False])
    def test_version_2(self, tmp_path, archives):
        readable.vkitti(tmp_path, archives)
        (clip,) = readers.read('vkitti', f'{tmp_path},variation=rain')
        assert clip.name == 'vkitti/2.0.3/Scene20/rain'
        assert clip.camera[0, 0] == pytest.approx(725.0087)
        np.testing.assert_allclose(clip.times_s, [0, 0.1])


class TestDrivingStereo:
    def test_stamps(self):
        assert seconds('2018-10-25-07-38-00-250') - seconds('2018-10-25-07-37-59-750') == 0.5

    def test_sequences_are_cut_where_frames_are_missing(self, tmp_path):
        images, depths = (tmp_path / f'train-{name}' for name in ('left-image', 'depth-map'))
        for stamp in ('07-37-59-500', '07-37-59-600', '07-38-20-000'):
            driving_frame(images / SEQUENCE, depths / SEQUENCE, f'2018-10-25-{stamp}')
        texts(tmp_path / f'calib/half-image-calib/{SEQUENCE}.txt', 'K_101: 1', SEQUENCE_LEFT)
        first, second = readers.read('drivingstereo', str(tmp_path))
        assert first.name == f'drivingstereo/train/{SEQUENCE}/0'
        np.testing.assert_allclose(first.times_s, [0, 0.1], atol=1e-6)
        assert len(second) == 1
        np.testing.assert_array_equal(first.camera, [[1000, 0, 440], [0, 1001, 200], [0, 0, 1]])
        np.testing.assert_allclose(first.depth(0), METRES * 3, atol=1 / 256)

    def test_weather(self, tmp_path):
        readable.drivingstereo(tmp_path)
        shutil.rmtree(tmp_path / 'calib')
        (clip,) = readers.read('drivingstereo', f'{tmp_path},weather=foggy,fx=1003')
        assert clip.name == f'drivingstereo/foggy/{SEQUENCE}'
        assert clip.camera[0].tolist() == [1003, 0, 19.5]
        texts(tmp_path / f'calib/half-image-calib/{SEQUENCE}.txt', SEQUENCE_LEFT)
        assert len(readers.read('drivingstereo', str(tmp_path))) == 2


class TestNyu:
    def test_rooms_of_single_pictures(self, tmp_path):
        readable.nyuv2(tmp_path)
        kitchen, bath = readers.read('nyuv2', str(tmp_path))
        assert (kitchen.name, bath.name) == ('nyuv2/kitchen_0001', 'nyuv2/bath_0002')
        assert (len(kitchen), len(bath)) == (2, 1)
        assert not kitchen.video
        image = bath.image(0)
        assert image.shape == (HEIGHT, WIDTH, 3)
        assert (image[0] == 255).all()
        assert image[5, 5].tolist() == [2, 0, 0]
        depth = kitchen.depth(1)
        assert np.argwhere(np.isnan(depth)).tolist() == [[2, 3]]
        filled, *_ = readers.read('nyuv2', f'{tmp_path / "nyu_depth_v2_labeled.mat"},field=depths')
        np.testing.assert_array_equal(filled.depth(0), METRES)

    @pytest.fixture
    def raw(self, tmp_path):
        readable.nyuv2_raw(tmp_path)
        return tmp_path

    def test_raw_recordings(self, raw):
        (clip,) = readers.read('nyuv2_raw', str(raw))
        assert clip.name == 'nyuv2_raw/kitchen_0001a'
        np.testing.assert_allclose(clip.times_s, [0, 0.04], atol=1e-6)
        assert clip.image(0).shape == (480, 640, 3)
        depth = clip.depth(0)
        known = np.isfinite(depth)
        assert 0.7 < known.mean() < 0.9
        np.testing.assert_allclose(depth[known], 2.0, rtol=0.01)
        rows, columns = np.nonzero(~known[150:300, 200:450])
        # The hole, smaller by the focal lengths and moved by the distance of the cameras.
        assert columns.mean() + 200 == pytest.approx(325 + (319.5 - 312) * 0.89 - 6.5 - 2.3, abs=3)
        assert rows.mean() + 150 == pytest.approx(253 + (219.5 - 237) * 0.89, abs=4)

    def test_the_centre_of_the_view_stays_where_the_cameras_say(self):
        depth = np.full((480, 640), np.nan, np.float32)
        depth[237, 312] = 2.0
        ((row, column),) = np.argwhere(np.isfinite(nyuv2_raw.registered(depth)))
        # Straight ahead of one camera is 25 mm to the left of the other, which is turned too.
        assert column == pytest.approx(324.6 - 518.9 * (0.025 / 2 + 0.0043), abs=1)
        assert row == pytest.approx(252.7 + 519.5 * (0.0003 / 2 + 0.0037), abs=1)


@pytest.mark.parametrize(
    ('name', 'where', 'frames', 'median', 'known'),
    [
        ('sevenscenes', 'rgbd/sevenscenes_kitchen', 300, 1.9, 0.66),
        ('kitti', 'rgbd/kitti_0926', 58, 8.5, 0.034),
        ('folder', 'rgbd/hololens_000', 150, 2.2, 0.65),
    ],
)
def test_real_recordings(real_data, name, where, frames, median, known):
    (clip,) = readers.read(name, str(real_data / where))
    assert len(clip) == len(clip.labelled) == frames
    assert clip.skipped == {}
    depths = np.stack([clip.depth(k) for k in range(0, frames, frames // 6)])
    assert np.nanmedian(depths) == pytest.approx(median, rel=0.2)
    assert np.isfinite(depths).mean() == pytest.approx(known, rel=0.15)


@pytest.mark.parametrize(
    ('name', 'where', 'further'),
    [('sevenscenes', 'rgbd/sevenscenes_kitchen', 45), ('folder', 'rgbd/hololens_000', 10)],
)
def test_real_poses_carry_depth_from_frame_to_frame(real_data, name, where, further):
    (clip,) = readers.read(name, str(real_data / where))
    np.testing.assert_array_equal(clip.poses.times_s, clip.times_s)
    first, second = clip.poses.matrices[[0, further]]
    moved = np.linalg.inv(second) @ first
    assert np.linalg.norm(moved[:3, 3]) > 0.05
    # Depth of one frame, as the other sees it.
    seen = files.reproject(clip.depth(0), clip.camera, clip.camera, moved[:3, :3], moved[:3, 3])
    ratio = seen / clip.depth(further)
    assert np.isfinite(ratio).mean() > 0.2
    assert np.nanmedian(np.abs(ratio - 1)) < 0.01
