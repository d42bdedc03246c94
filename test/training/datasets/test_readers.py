# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Readers of frames with depth, each on a small tree of the real layout and encodings."""

import os
import signal
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from PIL import Image

from kit import large_files
from kit.pictures import HEIGHT, METRES, WIDTH, depth_png, picture, texts, write_pfm
from spike_training.datasets import readers
from spike_training.datasets.readers import files, nyuv2_raw, sevenscenes
from spike_training.datasets.readers.drivingstereo import seconds
from spike_training.datasets.readers.kitti import read_split
from spike_training.datasets.readers.tum import associate
from spike_training.errors import DataSetError, FrameError


class TestDepthFiles:
    ENCODING = files.DepthEncoding(1000.0)

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

    @pytest.mark.parametrize('name', [*large_files.DEPTHS, *large_files.PICTURES])
    def test_the_size_in_the_header_is_refused(self, tmp_path, name):
        content = (large_files.DEPTHS | large_files.PICTURES)[name]
        path = large_files.write(tmp_path / name, content)
        given = (self.ENCODING,) if name in large_files.DEPTHS else ()
        read = files.read_depth if given else files.read_rgb
        with pytest.raises(FrameError, match='expected at most 100 million') as caught:
            read(path, *given)
        assert '\n' not in str(caught.value)

    @pytest.mark.parametrize(
        ('content', 'words'),
        [
            (
                large_files.exr((0, 0, 9, 9), tiles=(60_000, 60_000)),
                'expected at most 100 million',
            ),
            (large_files.exr()[:60], 'header is damaged'),
            (b'', 'header is damaged'),
        ],
    )
    def test_headers_of_exr_files(self, tmp_path, content, words):
        (tmp_path / 'd.exr').write_bytes(content)
        with pytest.raises(FrameError, match=words):
            files.read_depth(tmp_path / 'd.exr', self.ENCODING)

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

    def test_what_is_no_depth_is_refused(self, tmp_path):
        picture(tmp_path / 'colour.png')
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / 'grey.png')
        (tmp_path / 'text.png').write_text('not a picture')
        (tmp_path / 'short.pfm').write_bytes(b'Pf\n40 24\n-1.0\n' + bytes(100))
        (tmp_path / 'd.tif').write_bytes(b'')
        for name, message in (
            ('colour.png', r'shape \[24, 40, 3\], expected one channel'),
            ('grey.png', 'uint8 is a picture of depth, expected 16-bit integers'),
            ('text.png', 'cannot be read'),
            ('short.pfm', '100 bytes of 40 x 24 floats, expected 3840'),
            ('missing.png', 'cannot be read'),
            ('d.tif', 'expected depth as .png'),
        ):
            with pytest.raises(FrameError, match=message) as caught:
                files.read_depth(tmp_path / name, self.ENCODING)
            assert name in str(caught.value)

    @pytest.mark.parametrize('suffix', ['.png', '.jpg'])
    def test_a_truncated_picture_is_refused(self, tmp_path, suffix):
        path = tmp_path / f'i{suffix}'
        noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
        Image.fromarray(noise).save(path)
        assert files.read_rgb(path).shape == (64, 64, 3)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(FrameError, match='cannot be read'):
            files.read_rgb(path)


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
    def test_unknown_names_are_refused(self, tmp_path):
        for name, where, message in (
            ('moon', str(tmp_path), "data set 'moon': expected one of cityscapes, dat, "),
            ('tum', f'{tmp_path},per_meter=5', 'option per_meter is unknown, expected per_metre'),
            ('tum', f'{tmp_path},fx=wide', "option fx is 'wide', expected float"),
        ):
            with pytest.raises(DataSetError, match=message):
                readers.read(name, where)

    @pytest.mark.parametrize(
        ('name', 'zero'),
        [
            ('folder', '; 0: K.txt'),
            ('drivingstereo', '; 0: the calibration'),
            ('tum', '; 0: as published'),
            ('sevenscenes', ''),
        ],
    )
    @pytest.mark.parametrize('fx', ['0.8', '-500', 'nan', '2e6'])
    def test_no_focal_length_in_pixels_is_refused(self, tmp_path, name, zero, fx):
        expected = f'option fx is {fx.replace("e6", "e+06")}, expected pixels, above 1'
        with pytest.raises(DataSetError) as caught:
            readers.read(name, f'{tmp_path},fx={fx}')
        assert str(caught.value).startswith(expected)
        assert str(caught.value).endswith(zero)

    def test_every_set_has_a_licence_to_carry_along(self):
        modules = {path.stem for path in Path(readers.__file__).parent.glob('*.py')}
        assert modules - {'__init__', 'files', 'pairs', 'recordings'} == readers.LICENCES.keys()
        assert all(readers.LICENCES.values())

    @pytest.mark.parametrize('name', readers.READERS)
    def test_a_wrong_path_shows_what_is_expected(self, tmp_path, name):
        for root in (tmp_path / 'nowhere', tmp_path):
            with pytest.raises(DataSetError, match='ROOT') as caught:
                readers.read(name, str(root))
            assert str(root) in str(caught.value)


def folder(root, number=4, per_metre=1000):
    for k in range(number):
        picture(root / f'images/{k:05d}.png', k)
        depth_png(root / f'depth/{k:05d}.png', per_metre)
    texts(root / 'K.txt', '30 0 19.5', '0 31 11.5', '0 0 1')
    return root


def read_frame(root, index):
    (clip,) = readers.read('folder', str(root))
    return clip.image(index), clip.depth(index)


class TestFolder:
    def test_images_depth_and_camera(self, tmp_path):
        (clip,) = readers.read('folder', f'{folder(tmp_path)},frame_hz=10')
        assert clip.name == f'folder/{tmp_path.name}'
        assert len(clip) == 4
        assert clip.labelled == (0, 1, 2, 3)
        np.testing.assert_array_equal(clip.times_s, [0, 0.1, 0.2, 0.3])
        np.testing.assert_array_equal(clip.camera, [[30, 0, 19.5], [0, 31, 11.5], [0, 0, 1]])
        assert clip.image(2)[5, 5].tolist() == [2, 0, 0]
        assert (clip.image(0)[0] == 255).all()
        np.testing.assert_allclose(clip.depth(3), METRES, atol=6e-4)

    def test_depth_along_the_ray(self, tmp_path):
        folder(tmp_path)
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

    @pytest.mark.parametrize(
        ('options', 'words'),
        [
            ('depth_along=rays', "option depth_along is 'rays', expected axis, or ray with depth"),
            ('depth_along=ray,depth=none', "option depth_along is 'ray', expected axis, or ray"),
            (
                'depth_along=axis',
                r'K.txt: K has its principal point at \(39.5, 23.5\), far from .* option fx',
            ),
            ('depth=none', r'K has its principal point at \(39.5, 23.5\), far from'),
        ],
    )
    def test_a_camera_of_another_size_and_what_has_no_rays_are_refused(
        self, tmp_path, options, words
    ):
        texts(folder(tmp_path) / 'K.txt', '60 0 39.5', '0 62 23.5', '0 0 1')  # of twice the size
        with pytest.raises(DataSetError, match=words) as caught:
            readers.read('folder', f'{tmp_path},{options}')
        assert '\n' not in str(caught.value)

    @pytest.mark.parametrize('name', ['images/00002.png', 'depth/00002.png'])
    def test_a_pipe_is_not_opened(self, tmp_path, name):
        folder(tmp_path)
        (tmp_path / name).unlink()
        os.mkfifo(tmp_path / name)
        signal.alarm(20)
        try:
            with pytest.raises(DataSetError, match='is a pipe, a socket or a device') as error:
                read_frame(tmp_path, 2)
        finally:
            signal.alarm(0)
        assert '\n' not in str(error.value)

    def test_missing_frames_take_their_time(self, tmp_path):
        folder(tmp_path, 30)
        (tmp_path / 'images/00002.png').unlink()
        (tmp_path / 'depth/00002.png').unlink()
        (clip,) = readers.read('folder', f'{tmp_path},frame_hz=10')
        np.testing.assert_allclose(clip.times_s[:3], [0, 0.1, 0.3])

    @pytest.mark.parametrize(
        ('names', 'times'),
        [
            (('cam1_9', 'cam1_10', 'cam1_12'), [9, 10, 12]),
            (('run1_8', 'run1_9', 'run2_3'), [18, 19, 23]),
            (('m\u00b2_1', 'm\u00b2_2', 'm\u00b2_4'), [1, 2, 4]),
            (('left', 'middle', 'right'), [0, 1, 2]),
        ],
    )
    def test_times_are_the_numbers_of_frames(self, tmp_path, names, times):
        for name in names:
            picture(tmp_path / f'images/{name}.png')
        texts(tmp_path / 'K.txt', '30 0 19.5', '0 31 11.5', '0 0 1')
        (clip,) = readers.read('folder', f'{tmp_path},depth=none,frame_hz=1')
        np.testing.assert_array_equal(clip.times_s, times)

    def test_the_rate_of_frames_is_finite(self, tmp_path):
        with pytest.raises(DataSetError, match='frame_hz is inf, expected frames a second'):
            readers.read('folder', f'{folder(tmp_path)},frame_hz=inf')

    @pytest.mark.parametrize(
        ('matrix', 'message'),
        [
            ('0.8 0 0.5 0 0.9 0.5 0 0 1', 'focal lengths 0.8 and 0.9; expected pixels'),
            ('30 0 nan 0 31 11 0 0 1', 'a camera matrix of finite numbers'),
            ('30 0 19 0 31 11', 'a camera matrix, three rows of three'),
            ('30 0 0 0 31 0 19.5 11.5 1', 'K.txt is 30 0 0; .*: is it transposed'),
        ],
    )
    def test_no_camera_matrix_in_pixels_is_refused(self, tmp_path, matrix, message):
        (folder(tmp_path) / 'K.txt').write_text(matrix)
        with pytest.raises(DataSetError, match=message):
            readers.read('folder', str(tmp_path))

    @pytest.mark.parametrize('per_metre', [1000, 256, 5000])
    def test_units(self, tmp_path, per_metre):
        folder(tmp_path, per_metre=per_metre)
        (clip,) = readers.read('folder', f'{tmp_path},per_metre={per_metre}')
        np.testing.assert_allclose(clip.depth(0), METRES, atol=1 / per_metre)

    def test_what_archives_leave_behind_is_passed_over(self, tmp_path):
        folder(tmp_path)
        (tmp_path / 'images/._00000.png').write_bytes(b'Mac OS X')
        (tmp_path / 'images/Thumbs.db').write_bytes(b'')
        (clip,) = readers.read('folder', str(tmp_path))
        assert len(clip) == 4
        assert clip.skipped == {}

    def test_a_wrong_unit_is_noticed(self, tmp_path):
        with pytest.raises(DataSetError, match=r'median depth is 5.5e\+03 m.*is the unit right'):
            readers.read('folder', f'{folder(tmp_path)},per_metre=1')

    def test_half_a_set_says_which_half(self, tmp_path):
        folder(tmp_path)
        (tmp_path / 'K.txt').unlink()
        with pytest.raises(DataSetError, match=r'K\.txt is missing; expected\n'):
            readers.read('folder', str(tmp_path))
        (clip,) = readers.read('folder', f'{tmp_path},fx=33')
        np.testing.assert_array_equal(clip.camera, [[33, 0, 19.5], [0, 33, 11.5], [0, 0, 1]])
        for path in (tmp_path / 'depth').iterdir():
            path.unlink()
        with pytest.raises(DataSetError, match=r'depth/\*\.png is missing'):
            readers.read('folder', str(tmp_path))

    def test_depth_of_another_size_is_refused(self, tmp_path):
        folder(tmp_path)
        for k in range(4):
            depth_png(tmp_path / f'depth/{k:05d}.png', 1000, METRES[:12])
        with pytest.raises(DataSetError, match='images are 40 x 24 and depth maps 40 x 12'):
            readers.read('folder', str(tmp_path))


class TestSevenScenes:
    FLAT = np.full((480, 640), 1.5, np.float32)

    @pytest.fixture
    def root(self, tmp_path):
        for k in (0, 1, 3):
            stem = tmp_path / f'chess/seq-01/frame-{k:06d}'
            picture(stem.with_suffix('.color.png'), k, (480, 640))
            depth_png(stem.with_suffix('.depth.png'), 1000, self.FLAT, {(100, 100): 65535})
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

    def test_depth_beside_an_edge_is_left_out(self):
        depth = np.full((20, 40), 1.0, np.float32)
        depth[:, 20:] = 2.0
        kept = sevenscenes.without_edges(depth)
        assert np.flatnonzero(np.isnan(kept[10])).tolist() == list(range(16, 24))
        smooth = np.tile(np.linspace(1, 2, 40, dtype=np.float32), (20, 1))
        np.testing.assert_array_equal(sevenscenes.without_edges(smooth), smooth)

    def test_half_a_set_says_which_half(self, root):
        for path in root.rglob('*.depth.png'):
            path.unlink()
        with pytest.raises(DataSetError, match=r'frame-000000\.depth\.png is missing; expected'):
            readers.read('sevenscenes', str(root))


class TestTum:
    @pytest.fixture
    def root(self, tmp_path):
        where = tmp_path / 'rgbd_dataset_freiburg2_desk'
        for name, stamps in (('rgb', (10.00, 10.03, 10.50)), ('depth', (10.01, 10.035))):
            lines = ['# timestamp filename']
            for k, stamp in enumerate(stamps):
                file = f'{name}/{stamp:.6f}.png'
                lines.append(f'{stamp:.6f} {file}')
                if name == 'rgb':
                    picture(where / file, k)
                else:
                    depth_png(where / file, 5000)
            texts(where / f'{name}.txt', *lines)
        return where

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

    def test_lists_of_two_recordings_are_refused(self, root):
        texts(root / 'depth.txt', '99.0 depth/10.010000.png')
        with pytest.raises(DataSetError, match='belong to one recording'):
            readers.read('tum', str(root))
        texts(root / 'depth.txt', 'nonsense')
        with pytest.raises(DataSetError, match=r'depth.txt, line 1: expected "STAMP FILE"'):
            readers.read('tum', str(root))


class TestKitti:
    DRIVE = '2011_09_26_drive_0002_sync'
    PROJECTION = 'P_rect_02: 50 0 19.5 4 0 51 11.5 0 0 0 1 0'

    @pytest.fixture
    def root(self, tmp_path):
        for k in range(4):
            picture(tmp_path / f'2011_09_26/{self.DRIVE}/image_02/data/{k:010d}.png', k)
        for k in (1, 2):
            where = f'train/{self.DRIVE}/proj_depth/groundtruth/image_02/{k:010d}.png'
            depth_png(tmp_path / where, 256, METRES * 5, {(2, 2): 0})
        texts(tmp_path / '2011_09_26/calib_cam_to_cam.txt', 'calib_time: today', self.PROJECTION)
        return tmp_path

    def test_raw_data_with_annotated_depth(self, root):
        (clip,) = readers.read('kitti', str(root))
        assert clip.name == f'kitti/{self.DRIVE}'
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
        right = f'2011_09_26/{self.DRIVE}/image_03/data/0000000001.png'
        texts(root / 'eigen.txt', line.format(drive=self.DRIVE), other, right, '')
        (clip,) = readers.read('kitti', f'{root},split={root / "eigen.txt"}')
        assert len(clip) == 4
        assert clip.labelled == (2,)

    def test_a_wrong_split_is_refused(self, root):
        texts(root / 'eigen.txt', '', 'kitchen/1.png')
        with pytest.raises(DataSetError, match=r'eigen.txt, line 2: expected the path of'):
            read_split(root / 'eigen.txt', 'image_02')
        texts(root / 'eigen.txt', '2011_09_28/2011_09_28_drive_0001_sync 5 l')
        with pytest.raises(DataSetError, match='no image of this list lies below'):
            readers.read('kitti', f'{root},split={root / "eigen.txt"}')

    def test_half_a_set_says_which_half(self, root):
        (root / '2011_09_26/calib_cam_to_cam.txt').unlink()
        with pytest.raises(DataSetError, match=r'calib_cam_to_cam.txt is missing; expected'):
            readers.read('kitti', str(root))
        (root / 'train').rename(root / 'elsewhere')
        with pytest.raises(DataSetError, match=r'groundtruth/image_02 is missing; expected'):
            readers.read('kitti', str(root))

    def test_one_recording(self, tmp_path):
        for k in range(3):
            picture(tmp_path / f'image_02/data/{k:010d}.png')
            depth_png(tmp_path / f'depth/{k:010d}.png', 256)
        texts(tmp_path / 'calib.txt', self.PROJECTION)
        (clip,) = readers.read('kitti', str(tmp_path))
        assert clip.labelled == (0, 1, 2)
        texts(tmp_path / 'calib.txt', 'P_rect_00: 1 2 3')
        with pytest.raises(DataSetError, match='expected a line "P_rect_02:"'):
            readers.read('kitti', str(tmp_path))
        for wrong, words in (
            (('50', 'nan'), 'expected a camera matrix of finite numbers'),
            (('50', '0.5'), 'P_rect_02 has focal lengths 0.5 and 51; expected pixels'),
            (('0 0 1 0', '19.5 11.5 1 0'), 'P_rect_02 is .*: is it transposed'),
        ):
            texts(tmp_path / 'calib.txt', self.PROJECTION.replace(*wrong))
            with pytest.raises(DataSetError, match=words):
                readers.read('kitti', str(tmp_path))


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
        images, depths = ('vkitti_2.0.3_rgb', 'vkitti_2.0.3_depth') if archives else ('.', '.')
        for k in range(2):
            frames = 'Scene20/rain/frames'
            picture(tmp_path / images / frames / f'rgb/Camera_0/rgb_{k:05d}.jpg')
            depth_png(tmp_path / depths / frames / f'depth/Camera_0/depth_{k:05d}.png', 100)
        (clip,) = readers.read('vkitti', f'{tmp_path},variation=rain')
        assert clip.name == 'vkitti/2.0.3/Scene20/rain'
        assert clip.camera[0, 0] == pytest.approx(725.0087)
        np.testing.assert_allclose(clip.times_s, [0, 0.1])
        with pytest.raises(DataSetError, match=r"no variation 'snow', expected one of rain"):
            readers.read('vkitti', f'{tmp_path},variation=snow')

    def test_half_a_set_says_which_half(self, tmp_path):
        picture(tmp_path / 'vkitti_1.3.1_rgb/0001/clone/00000.png')
        with pytest.raises(DataSetError, match=r'depthgt/0001/clone is missing; expected'):
            readers.read('vkitti', str(tmp_path))


class TestDrivingStereo:
    SEQUENCE = '2018-10-25-07-37-26'
    LEFT = 'P_rect_101: 1000 0 440 0 0 1001 200 0 0 0 1 0'

    def frame(self, images, depths, stamp):
        picture(images / f'{self.SEQUENCE}_{stamp}.jpg')
        depth_png(depths / f'{self.SEQUENCE}_{stamp}.png', 256, METRES * 3)

    def test_stamps(self):
        assert seconds('2018-10-25-07-38-00-250') - seconds('2018-10-25-07-37-59-750') == 0.5
        for stamp in ('noon', '2018-13-25-07-38-00-250', '2018-10-25-07-38-00'):
            with pytest.raises(DataSetError, match=f"stamp '{stamp}': expected year-month"):
                seconds(stamp)

    def test_sequences_are_cut_where_frames_are_missing(self, tmp_path):
        images, depths = (tmp_path / f'train-{name}' for name in ('left-image', 'depth-map'))
        for stamp in ('07-37-59-500', '07-37-59-600', '07-38-20-000'):
            self.frame(images / self.SEQUENCE, depths / self.SEQUENCE, f'2018-10-25-{stamp}')
        texts(tmp_path / f'calib/half-image-calib/{self.SEQUENCE}.txt', 'K_101: 1', self.LEFT)
        first, second = readers.read('drivingstereo', str(tmp_path))
        assert first.name == f'drivingstereo/train/{self.SEQUENCE}/0'
        np.testing.assert_allclose(first.times_s, [0, 0.1], atol=1e-6)
        assert len(second) == 1
        np.testing.assert_array_equal(first.camera, [[1000, 0, 440], [0, 1001, 200], [0, 0, 1]])
        np.testing.assert_allclose(first.depth(0), METRES * 3, atol=1 / 256)

    def test_weather(self, tmp_path):
        for weather in ('foggy', 'rainy'):
            for k in range(2):
                where = tmp_path / weather
                self.frame(
                    where / 'left-image-half-size',
                    where / 'depth-map-half-size',
                    f'2018-10-25-07-38-0{k}-000',
                )
        with pytest.raises(DataSetError, match=rf'{self.SEQUENCE}\.txt is missing; expected'):
            readers.read('drivingstereo', f'{tmp_path},weather=foggy')
        (clip,) = readers.read('drivingstereo', f'{tmp_path},weather=foggy,fx=1003')
        assert clip.name == f'drivingstereo/foggy/{self.SEQUENCE}'
        assert clip.camera[0].tolist() == [1003, 0, 19.5]
        texts(tmp_path / f'calib/half-image-calib/{self.SEQUENCE}.txt', self.LEFT)
        assert len(readers.read('drivingstereo', str(tmp_path))) == 2
        with pytest.raises(DataSetError, match="option size is 'large', expected half"):
            readers.read('drivingstereo', f'{tmp_path},size=large')


def write_nyu(path, rooms=('kitchen_0001', 'kitchen_0001', 'bath_0002')):
    """As MATLAB 7.3 does: axes in reverse, texts as columns of codes behind references."""
    with h5py.File(path, 'w') as file:
        images = np.zeros((len(rooms), 3, WIDTH, HEIGHT), np.uint8)
        images[:, 0] = np.arange(len(rooms))[:, None, None]
        images[..., 0] = 255  # the top row is white
        file['images'] = images
        file['depths'] = np.repeat(METRES.T[None], len(rooms), 0)
        raw = np.repeat(METRES.T[None], len(rooms), 0)
        raw[:, 3, 2] = 0  # column 3, row 2
        file['rawDepths'] = raw
        cells = np.empty((1, len(rooms)), h5py.ref_dtype)
        for k, room in enumerate(rooms):
            text = np.array([[ord(letter)] for letter in room], np.uint16)
            cells[0, k] = file.create_dataset(f'#refs#/{k}', data=text).ref
        file.create_dataset('scenes', data=cells, dtype=h5py.ref_dtype)


class TestNyu:
    def test_rooms_of_single_pictures(self, tmp_path):
        write_nyu(tmp_path / 'nyu_depth_v2_labeled.mat')
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

    def test_another_file_is_refused(self, tmp_path):
        path = tmp_path / 'nyu_depth_v2_labeled.mat'
        path.write_bytes(b'MATLAB 5.0')
        with pytest.raises(DataSetError, match=r'expected a MATLAB 7\.3 file with images'):
            readers.read('nyuv2', str(path))
        write_nyu(path)
        with h5py.File(path, 'r+') as file:
            del file['images']
            file['images'] = np.zeros((3, HEIGHT, WIDTH, 3), np.uint8)
        with pytest.raises(DataSetError, match=r'expected \[N, 3, W, H\]'):
            readers.read('nyuv2', str(path))

    @pytest.mark.parametrize(
        ('shape', 'chunks', 'words'),
        [
            ((1, 3, 60_000, 60_000), (1, 1, 100, 100), '60000x60000 pixels, expected at most 100'),
            ((9000, 3, WIDTH, HEIGHT), (9000, 3, 100, 100), 'has parts of 270000000 bytes'),
            ((10**9, 3, 4, 4), (1, 3, 4, 4), '1000000000 pictures, expected at most 100000'),
        ],
    )
    def test_what_grows_is_not_expanded(self, tmp_path, shape, chunks, words):
        path = tmp_path / 'nyu_depth_v2_labeled.mat'
        write_nyu(path)
        with h5py.File(path, 'r+') as file:
            del file['images']
            chunks = tuple(map(min, chunks, shape)) if shape[0] != 9000 else chunks
            maximal = (None,) * 4 if shape[0] == 9000 else None
            file.create_dataset('images', shape, np.uint8, chunks=chunks, maxshape=maximal)
        with pytest.raises(DataSetError, match=words) as caught:
            readers.read('nyuv2', str(path))
        assert '\n' not in str(caught.value)

    @pytest.fixture
    def raw(self, tmp_path):
        """A wall 2 m away, as numbers of a Kinect with their bytes swapped."""
        room = tmp_path / 'kitchen_0001a'
        number = np.full((480, 640), round(1092.5 - 351.3 / 2), '>u2')
        number[200:240, 300:340] = 2047
        header = b'P5 640 480 65535\n'
        for stamp in ('12.010000', '12.050000'):
            room.mkdir(exist_ok=True)
            picture(room / f'r-{stamp}-111.ppm', 7, (480, 640))
            # A file of this format holds high bytes first; here the low ones are.
            content = header + number.byteswap().tobytes()
            (room / f'd-{float(stamp) + 0.01:.6f}-222.pgm').write_bytes(content)
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

    def test_depth_from_far_apart_does_not_pair(self, raw):
        for path in sorted((raw / 'kitchen_0001a').glob('d-*')):
            path.rename(path.with_name(path.name.replace('d-12', 'd-99')))
        with pytest.raises(DataSetError, match='2 of them without depth within'):
            readers.read('nyuv2_raw', str(raw))

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
