# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Readers of recorded spikes, and the samples made of them."""

from importlib import resources

import numpy as np
import pytest
import torch

from kit import bags, cameras, readable, streams
from kit.readable import COLUMNS as WIDTH
from kit.readable import MAP as METRES
from kit.readable import RESPIKE_METRES, packets, record, small_camera, spikes, write_planes
from kit.readable import ROWS as HEIGHT
from spike_depth_ros.geometry.rectification import Rectification
from spike_depth_ros.io.recording import open_recording
from spike_depth_ros.stream import packing
from spike_training.datasets import readers
from spike_training.errors import DataSetError
from spike_training.sampling.spike_source import SpikeSource


def seen(clip, start, stop):
    planes = clip.load(start, stop)
    return packing.unpack(planes, clip.geometry.width, clip.geometry.bit_order).astype(bool)


class TestRespike:
    @pytest.fixture
    def root(self, tmp_path):
        readable.respike(tmp_path)
        return tmp_path

    def test_both_forms_are_the_same_recording(self, root):
        planes, clips = spikes(140, 250, 400), readers.read('respike', f'{root},fx=600')
        assert [clip.name for clip in clips] == [
            'respike/indoor/train/desk/a',
            'respike/indoor/train/desk/b',
        ]
        for clip in clips:
            assert clip.planes == 140
            assert clip.depth_planes == (64,)
            np.testing.assert_array_equal(seen(clip, 0, 140), planes)
            np.testing.assert_array_equal(seen(clip, 7, 9), planes[7:9])
            np.testing.assert_array_equal(clip.depths[0](), RESPIKE_METRES)
            assert clip.camera[0].tolist() == [600, 0, 199.5]

    def test_without_a_focal_length_there_is_no_camera(self, root):
        assert readers.read('respike', str(root))[0].camera is None


class TestDat:
    @pytest.fixture
    def root(self, tmp_path):
        readable.dat(tmp_path)
        self.planes = spikes(100)
        return tmp_path

    def test_depth_by_plane(self, root):
        (clip,) = readers.read('dat', f'{root},size=40x20,rate_hz=10000')
        assert clip.name == 'dat/car'
        assert (clip.planes, clip.rate_hz) == (100, 10_000)
        assert clip.depth_planes == (30, 90)
        np.testing.assert_array_equal(clip.depths[1](), METRES * 2)
        np.testing.assert_array_equal(seen(clip, 20, 50), self.planes[20:50])
        assert clip.camera[1].tolist() == [0, 71, 9]

    def test_a_focal_length_in_place_of_another_matrix(self, root):
        (root / 'K.txt').write_text('140 0 39 0 142 19 0 0 1')  # of twice the size
        (clip,) = readers.read('dat', f'{root},size=40x20,fx=70')
        assert clip.camera[0].tolist() == [70, 0, 19.5]

    def test_one_file_is_a_recording_too(self, root):
        write_planes(root / 'bus.dat', self.planes[:50])
        (bus,) = readers.read('dat', f'{root / "bus.dat"},size=40x20')
        assert (bus.name, bus.planes, bus.depth_planes) == ('dat/bus', 50, ())
        (car,) = readers.read('dat', f'{root / "car.dat"},size=40x20')
        assert car.depth_planes == (30, 90)
        assert car.camera[1].tolist() == [0, 71, 9]

    def test_a_map_of_another_recording_is_not_this_ones(self, root):
        for number, name in enumerate(('walk', 'walk_20')):
            write_planes(root / f'{name}.dat', self.planes)
            np.save(root / f'depth/{name}.npy', METRES * (number + 1))
        clips = {clip.name: clip for clip in readers.read('dat', f'{root},size=40x20')}
        (alone,) = readers.read('dat', f'{root / "walk_20.dat"},size=40x20')
        for clip, metres in (
            (clips['dat/walk'], METRES), (clips['dat/walk_20'], METRES * 2), (alone, METRES * 2),
        ):  # fmt: skip
            (plane,) = clip.depth_planes
            assert plane in (49, 50)
            np.testing.assert_array_equal(clip.depths[0](), metres)

    def test_one_map_belongs_to_the_middle(self, root):
        for path in (root / 'depth').iterdir():
            path.unlink()
        np.save(root / 'depth/car.npy', METRES)
        (clip,) = readers.read('dat', f'{root},size=40x20,fx=80')
        assert clip.depth_planes == (50,)
        assert clip.camera[0, 0] == 80


class TestNpz:
    @pytest.fixture
    def root(self, tmp_path):
        """Three windows as simulate writes them, the planes of each a third of all."""
        readable.npz(tmp_path)
        self.planes = spikes(96)
        return tmp_path

    def test_windows_of_simulate(self, root):
        clips = readers.read('npz', f'{root},rate_hz=20000,fx=5')
        assert [clip.name for clip in clips] == [f'npz/room/seq-01/00000{k}' for k in range(3)]
        for k, clip in enumerate(clips):
            assert (clip.planes, clip.rate_hz, clip.depth_planes) == (32, 40e3, (16,))
            assert clip.camera[0, 0] == 70
            np.testing.assert_array_equal(seen(clip, 3, 9), self.planes[32 * k + 3 : 32 * k + 9])
            np.testing.assert_array_equal(clip.depths[0](), METRES)

    def test_unpacked_planes_without_anything_else(self, tmp_path):
        planes = spikes(30)
        np.savez(tmp_path / 'a.npz', spk=planes.astype(np.uint8), label=3)
        np.save(tmp_path / 'b.npy', planes)
        for clip in readers.read('npz', f'{tmp_path},rate_hz=10000,fx=80'):
            assert (clip.rate_hz, clip.depth_planes, clip.camera[0, 0]) == (10e3, (), 80)
            np.testing.assert_array_equal(seen(clip, 0, 30), planes)
        (alone,) = readers.read('npz', str(tmp_path / 'b.npy'))
        assert (alone.name, alone.rate_hz, alone.camera) == ('npz/b', 20e3, None)

    def test_windows_are_in_the_order_of_time(self, tmp_path):
        for plane in (100_000, 999_000, 1_000_000):
            np.save(tmp_path / f'{plane:06}.npy', spikes(30))
        names = [clip.name for clip in readers.read('npz', str(tmp_path))]
        assert names == ['npz/100000', 'npz/999000', 'npz/1000000']

    def test_those_without_depth_are_left_out_where_others_have_some(self, root):
        np.save(root / 'unpacked.npy', spikes(30))
        assert len(readers.read('npz', str(root))) == 3

    def test_a_damaged_one_is_left_out_by_name(self, root):
        (root / 'room/seq-01/000001.npz').write_bytes(b'PK no archive')
        clips = readers.read('npz', str(root))
        assert [clip.name[-1] for clip in clips] == ['0', '2']
        assert clips[0].skipped == {'damaged': ['000001.npz']}


class TestBag:
    @pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
    @pytest.mark.parametrize('order', ['little', 'big'])
    def test_planes_and_depth(self, tmp_path, storage, order):
        planes = spikes(100)
        millimetres = np.rint(METRES * 1000).astype(np.uint16)
        depth = [(24.6, '32FC1', METRES), (60, '16UC1', millimetres)]
        record(tmp_path / 'bag', planes, depth, storage, order=order)
        (clip,) = readers.read('rosbag', str(tmp_path / 'bag'))
        assert clip.name == 'rosbag/bag'
        assert clip.planes == 100
        assert clip.rate_hz == 20_000
        assert clip.geometry.bit_order == order
        for start, stop in ((0, 100), (33, 57), (40, 50), (99, 100)):
            np.testing.assert_array_equal(seen(clip, start, stop), planes[start:stop])
        assert clip.depth_planes == (25, 60)
        np.testing.assert_array_equal(clip.depths[0](), METRES)
        np.testing.assert_allclose(clip.depths[1](), METRES, atol=6e-4)
        assert clip.camera[0].tolist() == [70, 0, 19]

    def test_packets_and_depth_that_overtake_each_other_are_one_recording(self, tmp_path):
        messages = bags.overtaken(bags.stream(2000, truths=(24, 60, 1990)))
        (clip,) = readers.read('rosbag', str(bags.write(tmp_path / 'bag', messages)))
        planes = bags.moving_bars(2000)
        assert (clip.planes, clip.rate_hz, clip.depth_planes) == (2000, 20_000, (24, 60, 1990))
        for start, stop in ((0, 2000), (33, 57), (1000, 1100)):
            found = packing.unpack(clip.load(start, stop), bags.WIDTH)
            np.testing.assert_array_equal(found, planes[start:stop])

    @pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
    def test_one_that_ends_early_is_refused_with_a_remedy(self, tmp_path, storage):
        bags.write(tmp_path / 'bag', bags.stream(8000), storage)
        file = bags.storage_file(tmp_path / 'bag')
        with file.open('r+b') as middle:
            middle.seek(file.stat().st_size * 8 // 10)
            middle.write(b'\xff' * 100_000)
        with pytest.raises(DataSetError, match=r'cannot be read: .* spike_convert --allow-gaps'):
            readers.read('rosbag', str(tmp_path / 'bag'))

    def test_a_wide_lens_is_rectified_in_samples(self, tmp_path):
        lens = cameras.lens(
            'plumb_bob', (-0.3, 0.1, 0.0, 0.0), fx=30.0, target=24.0, width=WIDTH, height=HEIGHT
        )
        planes = np.random.default_rng(0).random((64, HEIGHT, WIDTH)) < 0.3
        record(tmp_path / 'bag', planes, depth=[(32, '32FC1', METRES)], lens=lens)
        (clip,) = readers.read('rosbag', str(tmp_path / 'bag'))
        assert clip.rectification == Rectification(lens)
        assert clip.camera[0].tolist() == [24.0, 0.0, (WIDTH - 1) / 2]
        np.testing.assert_array_equal(seen(clip, 0, 64), planes)  # planes stay as they are
        source = SpikeSource([clip], planes=64, bins=8, multiple=1)
        batch = source.sample(0, 64)
        row, column, known = clip.rectification.nearest(HEIGHT, WIDTH)
        expected = planes.reshape(8, 8, HEIGHT, WIDTH).sum(axis=1)[:, row, column]
        np.testing.assert_array_equal(batch.counts[0], expected)
        assert float(batch.fx) == 24.0
        depth = batch.depth[0, 0].numpy()
        np.testing.assert_array_equal(depth[known], METRES[row, column][known])
        assert np.isnan(depth[~known]).all()
        window = packing.unpack(source.window(0).planes, WIDTH)
        np.testing.assert_array_equal(window, planes[:, row, column])

    def test_a_gap_begins_another_clip(self, tmp_path):
        planes = spikes(100)
        record(tmp_path / 'bag', planes, skip=(50,), depth=[(55, '32FC1', METRES)] * 1)
        first, second = readers.read('rosbag', str(tmp_path / 'bag'))
        np.testing.assert_array_equal(seen(first, 0, 50), planes[:50])
        np.testing.assert_array_equal(seen(second, 0, 40), planes[60:])
        assert first.planes == 50
        # The plane that this depth belonged to is lost.
        assert first.depth_planes == second.depth_planes == ()

    def test_topics_and_calibration_can_be_told(self, tmp_path):
        record(tmp_path / 'bag', spikes(40), fx=0.0)
        where = str(tmp_path / 'bag')
        assert readers.read('rosbag', where)[0].camera is None
        assert readers.read('rosbag', f'{where},fx=90')[0].camera[0].tolist() == [90, 0, 19.5]
        told = f'{where},camera_info=left/camera_info,size=40x20'
        assert readers.read('rosbag', told)[0].planes == 40

    def test_packets_of_two_lengths_are_one_stream(self, tmp_path):
        planes, messages = spikes(200), [small_camera()]
        for first in range(0, 200, 40):
            for start, stop in ((first, first + 10), (first + 10, first + 40)):
                late = start * readable.PERIOD
                messages += packets(planes[start:stop], length=stop - start, late_ns=late)
        bags.write(tmp_path / 'bag', messages)
        (clip,) = readers.read('rosbag', str(tmp_path / 'bag'))
        np.testing.assert_array_equal(seen(clip, 0, 200), planes)

    def test_of_two_cameras_one_is_chosen_by_its_full_name(self, tmp_path):
        eyes = {'/left': (spikes(20), 70.0), '/the_right': (spikes(20, seed=1), 90.0)}
        messages = []
        for name, (planes, fx) in eyes.items():
            messages.append(small_camera(fx, topic=f'{name}/camera_info'))
            messages += packets(planes, f'{name}/spikes')
        bags.write(tmp_path / 'bag', messages)
        for name, (planes, fx) in eyes.items():
            (clip,) = readers.read('rosbag', f'{tmp_path / "bag"},spikes={name}/spikes')
            np.testing.assert_array_equal(seen(clip, 0, 20), planes)
            assert clip.camera[0, 0] == fx

    def test_losses_are_not_another_camera(self, tmp_path):
        # Few packets may be lost as regularly as those of two cameras lie.
        record(tmp_path / 'bag', spikes(200), skip=range(20, 200, 30))
        assert sum(clip.planes for clip in readers.read('rosbag', str(tmp_path / 'bag'))) == 140
        lost = {10 * number for number in np.random.default_rng(0).choice(300, 100, replace=False)}
        record(tmp_path / 'long', spikes(3000), skip=lost)
        clips = readers.read('rosbag', str(tmp_path / 'long'))
        assert sum(clip.planes for clip in clips) == 2000

    def test_a_calibration_of_another_camera_is_used_only_by_its_full_name(self, tmp_path):
        messages = [small_camera(topic='/left/camera_info')]
        for name in ('/left/spikes', '/right/camera/spikes'):
            messages += packets(spikes(20), name)
        where = f'{bags.write(tmp_path / "bag", messages)},spikes=/right/camera/spikes'
        (clip,) = readers.read('rosbag', f'{where},camera_info=/left/camera_info')
        assert clip.camera[0, 0] == 70


class TestSamples:
    @pytest.fixture
    def clip(self, tmp_path):
        self.planes = spikes(100)
        write_planes(tmp_path / 'car.dat', self.planes)
        (tmp_path / 'depth').mkdir()
        for plane in (5, 50, 60):
            np.save(tmp_path / f'depth/car_{plane:05d}.npy', METRES + plane)
        return readers.read('dat', f'{tmp_path},size=40x20,fx=70')[0]

    def test_windows_lie_around_their_plane(self, clip):
        source = SpikeSource([clip], planes=32)
        assert len(source) == 2  # plane 5 has not 16 planes before it
        assert (source.height, source.width) == (16, 32)
        batch = source.samples([1, 0])
        window = self.planes[60 - 16 : 60 + 16, 2:18, 4:36]
        np.testing.assert_array_equal(batch.counts[0].numpy(), window)
        np.testing.assert_array_equal(batch.depth[1, 0].numpy(), (METRES + 50)[2:18, 4:36])
        assert batch.fx.tolist() == [70, 70]
        assert [source.frame(k) for k in (0, 1)] == [50, 60]

    def test_without_depth_one_sees_window_after_window(self, tmp_path):
        write_planes(tmp_path / 'a.dat', spikes(100))
        source = SpikeSource(readers.read('dat', f'{tmp_path},size=40x20'), planes=32)
        assert len(source) == 3
        batch = source.samples([0, 1, 2])
        assert torch.isnan(batch.depth).all()
        assert torch.isnan(batch.fx).all()

    def test_windows_that_do_not_fit_are_refused(self, clip):
        with pytest.raises(DataSetError, match='no window of 120 planes'):
            SpikeSource([clip], planes=120)


def test_rows_of_raw_files_are_measured(tmp_path):
    sample = resources.files('spike_depth_ros') / 'assets' / 'office.npz'
    planes = np.ascontiguousarray(open_recording(sample).planes[:100])
    for name, padding in (('whole', 0), ('padded', 2)):
        (tmp_path / name).mkdir()
        stored = np.pad(planes[:, ::-1], ((0, 0), (0, 0), (0, padding)))
        stored.tofile(tmp_path / name / 'a.dat')
        (clip,) = readers.read('dat', str(tmp_path / name))
        np.testing.assert_array_equal(clip.load(0, 100), planes)
        with pytest.raises(DataSetError, match='pixels, not 392x250: try --size 4'):
            readers.read('dat', f'{tmp_path / name},size=392x250')


WRITERS = {
    'packing=whole': streams.whole,
    'skip_columns=16': streams.with_head,
    'axes=hwt': streams.pixel_by_pixel,
}


@pytest.mark.parametrize('option', WRITERS)
def test_raw_files_of_other_writers_are_read(tmp_path, option):
    scene = streams.scene(160, 90, 122)
    (tmp_path / 'a.dat').write_bytes(WRITERS[option](scene))
    where = f'{tmp_path},size=122x90'
    (clip,) = readers.read('dat', f'{where},{option}')
    assert clip.planes == len(scene)
    np.testing.assert_array_equal(packing.unpack(clip.load(5, 70), 122), scene[5:70])


def test_arrays_of_other_axes_are_read(tmp_path):
    scene = streams.scene(160, 90, 120)
    np.save(tmp_path / 'a.npy', scene.transpose(1, 2, 0))
    (clip,) = readers.read('npz', f'{tmp_path},axes=hwt,skip_columns=16')
    assert clip.planes == len(scene)
    np.testing.assert_array_equal(packing.unpack(clip.load(5, 70), 104), scene[5:70, :, 16:])


def test_a_real_recording_stands_upright(real_data):
    clips = readers.read('dat', str(real_data / 'spikes'))
    batch = SpikeSource(clips, planes=128).samples([0])
    rate = batch.counts[0].float().sum(0) / 128
    assert rate.shape == (240, 400)
    # The car is bright, at the bottom left; nothing is as bright above it.
    assert rate[150:, 100:250].mean() > 2 * rate[:80, 100:250].mean()


class TestCutCameras:
    """Bags whose pictures are cut out of a larger sensor."""

    @pytest.mark.parametrize('name', cameras.CUT)
    def test_the_camera_is_that_of_the_pictures(self, tmp_path, name):
        message = cameras.camera_info(**cameras.CUT[name])
        bags.bag(tmp_path / 'bag', message)
        (clip,) = readers.read('rosbag', str(tmp_path / 'bag'))
        k, _ = cameras.read(message)
        np.testing.assert_allclose(clip.camera, k, rtol=1e-12)
        assert (clip.geometry.width, clip.geometry.height) == cameras.SIZE

    @pytest.mark.parametrize('name', cameras.LENSES)
    def test_lenses_of_other_numbers_of_coefficients_are_read(self, tmp_path, name):
        lens = cameras.LENSES[name]
        record(tmp_path / 'bag', spikes(40), lens=cameras.lens(
            lens.distortion_model, lens.d, fx=30.0, target=24.0, width=WIDTH, height=HEIGHT,
        ))  # fmt: skip
        (clip,) = readers.read('rosbag', str(tmp_path / 'bag'))
        assert clip.camera[0, 0] == 24.0
