# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Readers of recorded spikes, and the samples made of them."""

import re
from importlib import resources

import numpy as np
import pytest
import torch
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from kit import bags, cameras, streams
from spike_depth_ros.rectification import Rectification
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.recording import open_recording
from spike_training.datasets import readers
from spike_training.errors import DataSetError, FrameError
from spike_training.sampling.spike_source import SpikeSource

RNG = np.random.default_rng(5)
HEIGHT, WIDTH = 20, 40
METRES = np.linspace(2.0, 9.0, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)


def spikes(planes, height=HEIGHT, width=WIDTH):
    """Random planes; the top rows fire more often than those below."""
    share = np.linspace(0.9, 0.05, height)[:, None]
    return RNG.random((planes, height, width)) < share


def write_dat(path, planes):
    """Vidar's order: bottom row first, least significant bit leftmost."""
    path.parent.mkdir(parents=True, exist_ok=True)
    packing.pack(planes, 'little')[:, ::-1].tofile(path)


def write_pfm(path, metres):
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = metres.shape
    path.write_bytes(f'Pf\n{width} {height}\n-1.0\n'.encode() + metres[::-1].tobytes())


def seen(clip, start, stop):
    planes = clip.load(start, stop)
    return packing.unpack(planes, clip.geometry.width, clip.geometry.bit_order).astype(bool)


class TestRespike:
    METRES = np.linspace(1, 4, 250 * 400, dtype=np.float32).reshape(250, 400)

    @pytest.fixture
    def root(self, tmp_path):
        self.planes = spikes(140, 250, 400)
        where = tmp_path / 'indoor/spike/train/desk/left'
        write_dat(where / 'a.dat', self.planes)
        # As somebody unpacked them who knew neither order: most significant bit first, as stored.
        raw = np.fromfile(where / 'a.dat', np.uint8)
        np.save(where / 'b.npy', np.unpackbits(raw).reshape(-1, 250, 400))
        for name in 'ab':
            write_pfm(tmp_path / f'indoor/depth_trans/train/desk/{name}.pfm', self.METRES)
        return tmp_path

    def test_both_forms_are_the_same_recording(self, root):
        clips = readers.read('respike', f'{root},fx=600')
        assert [clip.name for clip in clips] == [
            'respike/indoor/train/desk/a',
            'respike/indoor/train/desk/b',
        ]
        for clip in clips:
            assert clip.planes == 140
            assert clip.depth_planes == (64,)
            np.testing.assert_array_equal(seen(clip, 0, 140), self.planes)
            np.testing.assert_array_equal(seen(clip, 7, 9), self.planes[7:9])
            np.testing.assert_array_equal(clip.depths[0](), self.METRES)
            assert clip.camera[0].tolist() == [600, 0, 199.5]

    def test_without_a_focal_length_there_is_no_camera(self, root):
        assert readers.read('respike', str(root))[0].camera is None

    def test_a_file_that_is_cut_short_later_is_refused(self, root):
        dat, npy = readers.read('respike', str(root))
        for clip, path in ((dat, 'a.dat'), (npy, 'b.npy')):
            (root / 'indoor/spike/train/desk/left' / path).write_bytes(b'short')
            with pytest.raises(FrameError, match='cannot be read'):
                clip.load(0, 10)

    def test_half_a_set_says_which_half(self, root):
        for path in root.rglob('*.pfm'):
            path.unlink()
        with pytest.raises(DataSetError, match=r'depth_trans/train/desk/a\.pfm is missing'):
            readers.read('respike', str(root))

    def test_another_sensor_is_refused(self, root):
        path = root / 'indoor/spike/train/desk/left/b.npy'
        np.save(path, np.zeros((3, 240, 320), np.uint8))
        with pytest.raises(DataSetError, match=r'\[3, 240, 320\], expected \[planes, 250, 400\]'):
            readers.read('respike', str(root))

    def test_a_wrong_unit_is_noticed(self, root):
        for path in root.rglob('*.pfm'):
            write_pfm(path, self.METRES * 1000)
        with pytest.raises(DataSetError, match='is the unit right'):
            readers.read('respike', str(root))


class TestDat:
    @pytest.fixture
    def root(self, tmp_path):
        self.planes = spikes(100)
        write_dat(tmp_path / 'car.dat', self.planes)
        (tmp_path / 'depth').mkdir()
        np.save(tmp_path / 'depth/car_00030.npy', METRES)
        np.save(tmp_path / 'depth/car_00090.npy', METRES * 2)
        (tmp_path / 'K.txt').write_text('70 0 19 0 71 9 0 0 1')
        return tmp_path

    def test_depth_by_plane(self, root):
        (clip,) = readers.read('dat', f'{root},size=40x20,rate_hz=10000')
        assert clip.name == 'dat/car'
        assert (clip.planes, clip.rate_hz) == (100, 10_000)
        assert clip.depth_planes == (30, 90)
        np.testing.assert_array_equal(clip.depths[1](), METRES * 2)
        np.testing.assert_array_equal(seen(clip, 20, 50), self.planes[20:50])
        assert clip.camera[1].tolist() == [0, 71, 9]

    def test_a_camera_of_another_size_is_refused(self, root):
        (root / 'K.txt').write_text('140 0 39 0 142 19 0 0 1')  # of twice the size
        with pytest.raises(DataSetError, match=r'K has its principal point .* option fx'):
            readers.read('dat', f'{root},size=40x20')
        (clip,) = readers.read('dat', f'{root},size=40x20,fx=70')
        assert clip.camera[0].tolist() == [70, 0, 19.5]

    def test_one_file_is_a_recording_too(self, root):
        write_dat(root / 'bus.dat', self.planes[:50])
        (bus,) = readers.read('dat', f'{root / "bus.dat"},size=40x20')
        assert (bus.name, bus.planes, bus.depth_planes) == ('dat/bus', 50, ())
        (car,) = readers.read('dat', f'{root / "car.dat"},size=40x20')
        assert car.depth_planes == (30, 90)
        assert car.camera[1].tolist() == [0, 71, 9]

    def test_a_map_of_another_recording_is_not_this_ones(self, root):
        for number, name in enumerate(('walk', 'walk_20')):
            write_dat(root / f'{name}.dat', self.planes)
            np.save(root / f'depth/{name}.npy', METRES * (number + 1))
        clips = {clip.name: clip for clip in readers.read('dat', f'{root},size=40x20')}
        (alone,) = readers.read('dat', f'{root / "walk_20.dat"},size=40x20')
        for clip, metres in (
            (clips['dat/walk'], METRES), (clips['dat/walk_20'], METRES * 2), (alone, METRES * 2),
        ):  # fmt: skip
            (plane,) = clip.depth_planes
            assert plane in (49, 50)
            np.testing.assert_array_equal(clip.depths[0](), metres)

    def test_a_file_of_another_kind_is_refused(self, root):
        with pytest.raises(DataSetError, match=r'K\.txt: expected a \.dat file'):
            readers.read('dat', f'{root}/K.txt,size=40x20')

    def test_one_map_belongs_to_the_middle(self, root):
        for path in (root / 'depth').iterdir():
            path.unlink()
        np.save(root / 'depth/car.npy', METRES)
        (clip,) = readers.read('dat', f'{root},size=40x20,fx=80')
        assert clip.depth_planes == (50,)
        assert clip.camera[0, 0] == 80

    @pytest.mark.parametrize('per_metre', [-5, 'nan', 'inf'])
    def test_a_unit_that_is_none_is_refused(self, root, per_metre):
        with pytest.raises(DataSetError, match='option per_metre is'):
            readers.read('dat', f'{root},size=40x20,per_metre={per_metre}')

    @pytest.mark.parametrize('size', ['0x16', '40x0', '40', '40xx', '4²x3', '-4x3'])
    def test_a_size_of_nothing_is_refused(self, root, size):
        with pytest.raises(DataSetError, match='size is'):
            readers.read('dat', f'{root},size={size}')

    def test_what_does_not_fit_is_refused(self, root):
        with pytest.raises(DataSetError, match=r'10000 bytes are 0 planes of 400x250 and 10000'):
            readers.read('dat', str(root))
        with pytest.raises(DataSetError, match="size is 'big': expected WIDTHxHEIGHT"):
            readers.read('dat', f'{root},size=big')
        np.save(root / 'depth/car_00030.npy', METRES[:5])
        (clip,) = readers.read('dat', f'{root},size=40x20')
        with pytest.raises(FrameError, match=r'depth \[5, 40\], expected the sensor size \[20, 4'):
            clip.depths[0]()
        for plane in (200, 300):
            np.save(root / f'depth/car_{plane:05d}.npy', METRES)
        with pytest.raises(DataSetError, match=r'2 of 4 frames.*no plane of a recording'):
            readers.read('dat', f'{root},size=40x20')


class TestNpz:
    @pytest.fixture
    def root(self, tmp_path):
        """Three windows as simulate writes them, the planes of each a third of all."""
        self.planes = spikes(96)
        for k in range(3):
            self.write(tmp_path / f'room/seq-01/{k:06d}.npz', self.planes[32 * k : 32 * (k + 1)])
        return tmp_path

    @staticmethod
    def write(path, planes, **other):
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {
            'packed': packing.pack(planes),
            'width': np.array(WIDTH),
            'rate_hz': np.array(40e3),
            'K': np.array([[70, 0, 19], [0, 71, 9], [0, 0, 1.0]]),
            'depth': METRES[None],
            'depth_planes': np.array([16]),
        }
        np.savez(path, **(arrays | other))

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
        (root / 'room/seq-01/000002.npz').write_bytes(b'PK no archive')
        with pytest.raises(DataSetError, match=r'2 of 3 frames cannot be used'):
            readers.read('npz', str(root))
        with pytest.raises(DataSetError, match=r'000002\.npz: .*damaged'):
            readers.read('npz', str(root / 'room/seq-01/000002.npz'))

    def test_what_is_damaged_later_is_a_matter_of_its_frame(self, root):
        clip = readers.read('npz', str(root))[1]
        (root / 'room/seq-01/000001.npz').unlink()
        with pytest.raises(FrameError, match='no such file'):
            clip.load(0, 3)
        with pytest.raises(FrameError, match='no such file'):
            clip.depths[0]()
        self.write(root / 'room/seq-01/000001.npz', spikes(32), depth=METRES[None][:0],
                   depth_planes=np.zeros(0, int))  # fmt: skip
        with pytest.raises(FrameError):
            clip.depths[0]()

    def test_bad_places_and_units_are_refused(self, root, tmp_path):
        (tmp_path / 'empty').mkdir()
        with pytest.raises(DataSetError, match=r'000000\.npz is missing; expected\n  ROOT/REC'):
            readers.read('npz', str(tmp_path / 'empty'))
        with pytest.raises(DataSetError, match='option rate_hz is 0'):
            readers.read('npz', f'{root},rate_hz=0')
        (root / 'notes.txt').write_text('x')
        with pytest.raises(DataSetError, match=r'notes\.txt: expected a \.npz or \.npy file'):
            readers.read('npz', str(root / 'notes.txt'))
        for path in root.rglob('*.npz'):
            self.write(path, spikes(32), depth=METRES[None] * 1000)
        with pytest.raises(DataSetError, match='is the unit right'):
            readers.read('npz', str(root))


class Recorder:
    """Writes the topics of docs/wire_format.md."""

    def __init__(self, path, plugin):
        self.types = get_typestore(Stores.ROS2_JAZZY)
        self.writer = Writer(path, version=8, storage_plugin=plugin)
        self.connections = {}

    def __enter__(self):
        self.writer.open()
        return self

    def __exit__(self, *_):
        self.writer.close()

    def write(self, topic, stamp, kind, frame='camera', **fields):
        types = self.types.types
        header = types['std_msgs/msg/Header'](
            types['builtin_interfaces/msg/Time'](stamp // 10**9, stamp % 10**9), frame
        )
        if topic not in self.connections:
            self.connections[topic] = self.writer.add_connection(topic, kind, typestore=self.types)
        message = types[kind](header=header, **fields)
        data = self.types.serialize_cdr(message, kind)
        self.writer.write(self.connections[topic], stamp + 1000, data)

    def image(
        self, topic, stamp, encoding, height, step, pixels, width=None, big=0, frame='camera'
    ):
        self.write(
            topic, stamp, 'sensor_msgs/msg/Image', frame, height=height, width=width or step,
            encoding=encoding, is_bigendian=big, step=step,
            data=np.ascontiguousarray(pixels).reshape(-1).view(np.uint8),
        )  # fmt: skip

    def camera_info(self, stamp, fx=70.0, topic='/camera/camera_info', lens=None):
        if lens is not None:
            types = ('d', 'k', 'r', 'p')
            matrices = {name: np.array(getattr(lens, name), np.float64) for name in types}
            model = lens.distortion_model
        else:
            k = np.array([fx, 0, 19, 0, fx, 9, 0, 0, 1.0])
            model, matrices = '', {
                'd': np.zeros(0), 'k': k, 'r': np.eye(3).ravel(), 'p': np.zeros(12),
            }  # fmt: skip
        region = self.types.types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
        self.write(
            topic, stamp, 'sensor_msgs/msg/CameraInfo', height=HEIGHT, width=WIDTH,
            distortion_model=model, **matrices, binning_x=0, binning_y=0, roi=region,
        )  # fmt: skip


START, PERIOD = 5_000_000_000, 50_000


def record(path, planes, plugin=StoragePlugin.SQLITE3, order='little', depth=(), skip=(), fx=70.0,
           lens=None):  # fmt: skip
    """Packets of 10 planes; some may be left out."""
    packed = packing.pack(planes, order)
    with Recorder(path, plugin) as bag:
        bag.camera_info(START, fx, lens=lens)
        for first in range(0, len(planes), 10):
            stamp = START + first * PERIOD
            if first not in skip:
                part = packed[first : first + 10]
                bag.image(
                    '/camera/spikes', stamp, '8UC1', len(part) * HEIGHT, part.shape[2], part,
                    big=int(order == 'big'),
                )  # fmt: skip
            for plane, encoding, values in depth:
                if first <= plane < first + 10:
                    step = WIDTH * values.itemsize
                    bag.image(
                        '/camera/depth/truth', round(START + plane * PERIOD), encoding, HEIGHT,
                        step, values, width=WIDTH,
                    )  # fmt: skip


class TestBag:
    def test_a_clock_that_was_set_back_is_told(self, tmp_path):
        """Planes of both runs would have one stamp, and those of the second were taken."""
        block, step_ns = bags.moving_bars(40), 100_000_000
        messages = [('/camera_info', bags.START, bags.camera(bags.START, bags.FX))]
        for number in range(60):
            stamp_ns = bags.START + number % 30 * step_ns
            recorded_ns = bags.START + number * step_ns
            messages.append(('/spikes', recorded_ns, bags.packet(stamp_ns, block)))
        with pytest.raises(DataSetError, match=r'set back by 2\.\d s within the bag') as error:
            readers.read('rosbag', str(bags.write(tmp_path / 'bag', messages)))
        assert '\n' not in str(error.value)

    @pytest.mark.parametrize('plugin', [StoragePlugin.SQLITE3, StoragePlugin.MCAP])
    @pytest.mark.parametrize('order', ['little', 'big'])
    def test_planes_and_depth(self, tmp_path, plugin, order):
        planes = spikes(100)
        millimetres = np.rint(METRES * 1000).astype(np.uint16)
        depth = [(24.6, '32FC1', METRES), (60, '16UC1', millimetres)]
        record(tmp_path / 'bag', planes, plugin, order, depth)
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

    def test_depth_that_cannot_be_used_is_a_matter_of_its_own(self, tmp_path):
        # A step that does not hold a row, and another size: each map, not the bag, is at fault.
        half = METRES[:, : WIDTH // 2].copy()
        record(tmp_path / 'bag', spikes(60), depth=[(20, '32FC1', METRES), (41, '16UC1', half)])
        (clip,) = readers.read('rosbag', str(tmp_path / 'bag'))
        np.testing.assert_array_equal(clip.depths[0](), METRES)
        with pytest.raises(FrameError, match='data holds 1600 bytes'):
            clip.depths[1]()

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

    def test_a_lens_that_cannot_be_used_is_one_line(self, tmp_path):
        lens = cameras.lens('ds', (0.1,), width=WIDTH, height=HEIGHT)
        record(tmp_path / 'bag', spikes(40), lens=lens)
        with pytest.raises(DataSetError, match="camera_info: distortion model 'ds'; expected"):
            readers.read('rosbag', str(tmp_path / 'bag'))

    def test_a_normalised_focal_length_is_refused(self, tmp_path):
        record(tmp_path / 'bag', spikes(40), fx=0.8)
        with pytest.raises(DataSetError, match=r'K has focal lengths 0\.8 and 0\.8; expected'):
            readers.read('rosbag', str(tmp_path / 'bag'))

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
        with pytest.raises(DataSetError, match=r'no topic left/spikes .*/camera/spikes \(sensor'):
            readers.read('rosbag', f'{where},spikes=left/spikes')
        with pytest.raises(DataSetError, match='no camera_info'):
            readers.read('rosbag', f'{where},camera_info=left/camera_info')
        told = f'{where},camera_info=left/camera_info,size=40x20'
        assert readers.read('rosbag', told)[0].planes == 40
        with pytest.raises(DataSetError, match=r'4 of 4 frames .*not a packet of planes'):
            readers.read('rosbag', told.replace('40x20', '40x30'))

    @staticmethod
    def record_two(path, shift_ns, frames, length=10):
        """Two cameras in one topic, the second one later by a shift."""
        with Recorder(path, StoragePlugin.SQLITE3) as bag:
            bag.camera_info(START)
            for first in range(0, 60 * length, length):
                for late, frame in zip((0, shift_ns), frames, strict=True):
                    bag.image(
                        '/camera/spikes', START + first * PERIOD + late, '8UC1',
                        length * HEIGHT, WIDTH // 8, packing.pack(spikes(length)), frame=frame,
                    )  # fmt: skip

    @pytest.mark.parametrize('shift', [0, 1000, 3 * PERIOD + 7, 9 * PERIOD])
    def test_two_cameras_in_one_topic_are_refused(self, tmp_path, shift):
        self.record_two(tmp_path / 'bag', shift, ('camera', 'camera'))
        with pytest.raises(DataSetError, match=r'/camera/spikes: packets of two streams in turn'):
            readers.read('rosbag', str(tmp_path / 'bag'))

    def test_packets_of_two_frames_are_refused(self, tmp_path):
        self.record_two(tmp_path / 'bag', 5 * PERIOD, ('left', 'right'))
        with pytest.raises(DataSetError, match=r"the frames 'left', 'right': expected one camera"):
            readers.read('rosbag', str(tmp_path / 'bag'))

    def test_packets_of_two_lengths_are_one_stream(self, tmp_path):
        planes = spikes(200)
        with Recorder(tmp_path / 'bag', StoragePlugin.SQLITE3) as bag:
            bag.camera_info(START)
            for first in range(0, 200, 40):
                for start, stop in ((first, first + 10), (first + 10, first + 40)):
                    bag.image(
                        '/camera/spikes', START + start * PERIOD, '8UC1', (stop - start) * HEIGHT,
                        WIDTH // 8, packing.pack(planes[start:stop]),
                    )  # fmt: skip
        (clip,) = readers.read('rosbag', str(tmp_path / 'bag'))
        np.testing.assert_array_equal(seen(clip, 0, 200), planes)

    def test_of_two_cameras_one_is_chosen_by_its_full_name(self, tmp_path):
        cameras = {'/left': (spikes(20), 70.0), '/the_right': (spikes(20), 90.0)}
        with Recorder(tmp_path / 'bag', StoragePlugin.SQLITE3) as bag:
            for name, (planes, fx) in cameras.items():
                bag.camera_info(START, fx, f'{name}/camera_info')
                packed = packing.pack(planes)
                for first in (0, 10):
                    bag.image(
                        f'{name}/spikes', START + first * PERIOD, '8UC1', 10 * HEIGHT, WIDTH // 8,
                        packed[first : first + 10],
                    )  # fmt: skip
        where = str(tmp_path / 'bag')
        with pytest.raises(
            DataSetError, match=r'topics /left/spikes and /the_right/spikes: expec'
        ):
            readers.read('rosbag', where)
        for name, (planes, fx) in cameras.items():
            (clip,) = readers.read('rosbag', f'{where},spikes={name}/spikes')
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
        with Recorder(tmp_path / 'bag', StoragePlugin.SQLITE3) as bag:
            bag.camera_info(START, 70.0, '/left/camera_info')
            for name in ('/left/spikes', '/right/camera/spikes'):
                for first in (0, 10):
                    bag.image(
                        name, START + first * PERIOD, '8UC1', 10 * HEIGHT, WIDTH // 8,
                        packing.pack(spikes(10)),
                    )  # fmt: skip
        where = f'{tmp_path / "bag"},spikes=/right/camera/spikes'
        with pytest.raises(DataSetError, match='no camera_info'):
            readers.read('rosbag', where)
        (clip,) = readers.read('rosbag', f'{where},camera_info=/left/camera_info')
        assert clip.camera[0, 0] == 70

    def test_a_damaged_bag_is_one_line(self, tmp_path):
        record(tmp_path / 'bag', spikes(40))
        (file,) = (tmp_path / 'bag').glob('*.db3')
        file.write_bytes(file.read_bytes()[:1000])
        with pytest.raises(DataSetError, match=r'cannot be read.* spike_convert') as caught:
            readers.read('rosbag', str(tmp_path / 'bag'))
        # Bags of both kinds of storage have this error.
        assert all(part not in str(caught.value) for part in ('\n', 'mcap'))


class TestSamples:
    @pytest.fixture
    def clip(self, tmp_path):
        self.planes = spikes(100)
        write_dat(tmp_path / 'car.dat', self.planes)
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
        write_dat(tmp_path / 'a.dat', spikes(100))
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
def test_raw_files_of_other_writers_are_told_and_read(tmp_path, option):
    scene = streams.scene(160, 90, 122)
    (tmp_path / 'a.dat').write_bytes(WRITERS[option](scene))
    where = f'{tmp_path},size=122x90'
    kept = 'packing, skip_columns and axes are taken as they are given'
    with pytest.raises(DataSetError, match=f': try {option}; {kept}$'):
        readers.read('dat', where)
    (clip,) = readers.read('dat', f'{where},{option}')
    assert clip.planes == len(scene)
    np.testing.assert_array_equal(packing.unpack(clip.load(5, 70), 122), scene[5:70])


@pytest.mark.parametrize(
    ('option', 'words'),
    [
        ('packing=none', "option packing is 'none', expected rows or whole"),
        ('axes=wht', "option axes is 'wht', expected thw or hwt"),
        ('skip_columns=-1', 'option skip_columns: -1 skipped columns: expected 0 to 4096'),
        ('skip_columns=16,row_bytes=60', 'option row_bytes is 60: expected none with packing or'),
    ],
)
def test_layouts_that_are_none_are_refused(tmp_path, option, words):
    (tmp_path / 'a.dat').write_bytes(bytes(12500))
    with pytest.raises(DataSetError, match=words):
        readers.read('dat', f'{tmp_path},{option}')


def test_a_raw_file_with_a_head_is_told_where_to_cut(tmp_path):
    data = streams.by_rows(streams.scene())
    (tmp_path / 'a.dat').write_bytes(bytes(100) + data)
    with pytest.raises(DataSetError, match=r'behind a head of 100 bytes: cut it off, .* \+101 '):
        readers.read('dat', f'{tmp_path},size=346x260')


def test_arrays_of_other_axes_are_told_and_read(tmp_path):
    scene = streams.scene(160, 90, 120)
    np.save(tmp_path / 'a.npy', scene.transpose(1, 2, 0))
    with pytest.raises(DataSetError, match='try the option axes=hwt'):
        readers.read('npz', str(tmp_path))
    (clip,) = readers.read('npz', f'{tmp_path},axes=hwt,skip_columns=16')
    assert clip.planes == len(scene)
    np.testing.assert_array_equal(packing.unpack(clip.load(5, 70), 104), scene[5:70, :, 16:])
    with pytest.raises(DataSetError, match="option axes is 'x', expected thw or hwt"):
        readers.read('npz', f'{tmp_path},axes=x')


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

    @pytest.mark.parametrize(
        ('k', 'words'),
        [
            ([80.0, 0, 47.5, 0, 80, 31.5, 0, 0, 1], 'principal point at (47.5, 31.5), far from'),
            ([np.nan, 0, 23.5, 0, 40, 15.5, 0, 0, 1], 'focal lengths nan and 40 in K'),
            ([-40.0, 0, 23.5, 0, 40, 15.5, 0, 0, 1], 'focal lengths -40 and 40 in K'),
        ],
    )
    def test_a_matrix_of_another_size_or_none_is_refused(self, tmp_path, k, words):
        bags.bag(tmp_path / 'bag', cameras.camera_info(k=np.array(k)))
        with pytest.raises(DataSetError, match=re.escape(words)):
            readers.read('rosbag', str(tmp_path / 'bag'))

    @pytest.mark.parametrize('name', cameras.DOES_NOT_FIT)
    def test_what_does_not_fit_is_refused_by_name(self, tmp_path, name):
        fields, words = cameras.DOES_NOT_FIT[name]
        bags.bag(tmp_path / 'bag', cameras.camera_info(**fields))
        with pytest.raises(DataSetError, match=re.escape(words)) as caught:
            readers.read('rosbag', str(tmp_path / 'bag'))
        assert '\n' not in str(caught.value)

    @pytest.mark.parametrize('name', cameras.LENSES)
    def test_lenses_of_other_numbers_of_coefficients_are_read(self, tmp_path, name):
        lens = cameras.LENSES[name]
        record(tmp_path / 'bag', spikes(40), lens=cameras.lens(
            lens.distortion_model, lens.d, fx=30.0, target=24.0, width=WIDTH, height=HEIGHT,
        ))  # fmt: skip
        (clip,) = readers.read('rosbag', str(tmp_path / 'bag'))
        assert clip.camera[0, 0] == 24.0
