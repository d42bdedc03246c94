# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of MVSEC, on trees laid out as its files are."""

import h5py
import numpy as np
import pytest

from kit import readable
from kit.readable import MVSEC_START
from spike_training.datasets import readers
from spike_training.errors import DataSetError, FrameError


@pytest.fixture
def root(tmp_path):
    readable.mvsec(tmp_path)
    return tmp_path


def changed(root, name, **fields):
    """Put other arrays in place of fields of the left camera; None: the field goes."""
    with h5py.File(root / f'outdoor_day1_{name}.hdf5', 'r+') as file:
        for field, value in fields.items():
            del file[f'davis/left/{field}']
            if value is not None:
                file[f'davis/left/{field}'] = value
    return str(root)


def test_frames_depth_and_events_of_one_time(root):
    (clip,) = readers.read('mvsec', str(root))
    assert (clip.name, clip.modality, len(clip)) == ('mvsec/outdoor_day1', 'grey', 3)
    np.testing.assert_allclose(clip.times_s, MVSEC_START + np.array([0.051, 0.101, 0.151]))
    assert clip.image(1)[5, 5].tolist() == [2, 2, 2]  # the frame 1 ms before
    depth = clip.depth(1)
    assert depth[5, 5] == pytest.approx(7.0)
    assert np.isnan(depth[0, 0])
    assert clip.camera[0].tolist() == [223.994, 0, 170.768]
    events = clip.events(clip.times_s[1] - 0.05, clip.times_s[1])
    assert len(events) == 50
    assert (events.times_s <= clip.times_s[1]).all()
    assert {*events.polarity.tolist()} == {-1, 1}
    assert (events.height, events.width) == (26, 35)


def test_depth_of_undistorted_pixels_is_asked_for(root):
    (clip,) = readers.read('mvsec', f'{root},depth=rect')
    assert clip.depth(1)[5, 5] == pytest.approx(17.0)


def test_a_map_without_a_frame_is_counted(root):
    with h5py.File(root / 'outdoor_day1_data.hdf5', 'r+') as file:
        stamps = file['davis/left/image_raw_ts']
        stamps[2] = stamps[2] + 0.03
    (clip,) = readers.read('mvsec', str(root))
    assert len(clip) == 2
    reason = 'no frame within 0.01 s of the depth map'
    assert clip.skipped == {reason: ['outdoor_day1, depth map 1']}
    assert len(readers.read('mvsec', f'{root},pair_s=0.1')[0]) == 3
    with pytest.raises(DataSetError, match=r'no frame within 0.0001 s .* any of 3: are both of'):
        readers.read('mvsec', f'{root},pair_s=0.0001')


def test_a_time_before_all_events_has_none(root):
    (clip,) = readers.read('mvsec', str(root))
    assert len(clip.events(0.0, 1.0)) == 0


EVENTS = np.array([[3.0, 4, 1, 1], [3.0, 4, 2, -1]])


@pytest.mark.parametrize(
    ('name', 'fields', 'message'),
    [
        ('data', {'events': None}, 'has no davis/left/events; expected a file of MVSEC'),
        ('data', {'events': EVENTS[:, :3]}, r'\[2, 3\], expected x, y, t and p of each event'),
        ('data', {'image_raw': np.zeros((2, 3))}, 'expected numbers of 3 axes'),
        ('data', {'image_raw': np.zeros((4, 26, 35))}, 'image_raw is float64, expected uint8'),
        ('data', {'image_raw_ts': np.arange(2.0)}, '2 times of 4 image_raw: expected one of each'),
        ('gt', {'depth_image_raw': np.ones((3, 5, 6))}, 'of 6x5 pixels, frames of 35x26'),
        ('gt', {'depth_image_raw_ts': np.array([3.0, 2, 1])}, 'are not increasing: expected'),
        ('gt', {'depth_image_raw': None}, 'has no davis/left/depth_image_raw'),
    ],
)
def test_other_layouts_are_refused(root, name, fields, message):
    with pytest.raises(DataSetError, match=message) as error:
        readers.read('mvsec', changed(root, name, **fields))
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('events', 'message'),
    [
        (EVENTS + [400, 0, 0, 0], 'x of event 0 is 403: expected whole numbers from 0 to 34'),
        (EVENTS[::-1] * [1, 1, 1, 1], 'sort them by t'),
        (EVENTS * [1, 1, 1, 3], 'polarities of events'),
    ],
)
def test_bad_events_are_named_when_they_are_read(root, events, message):
    (clip,) = readers.read('mvsec', changed(root, 'data', events=events))
    with pytest.raises(FrameError, match=message):
        clip.events(0.0, 10.0)


def test_a_cut_file_is_refused(root):
    path = root / 'outdoor_day1_data.hdf5'
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataSetError, match='is damaged, expected an HDF5 file'):
        readers.read('mvsec', str(root))
    (root / 'outdoor_day1_gt.hdf5').unlink()
    with pytest.raises(DataSetError, match=r'outdoor_day1_gt.hdf5 is missing'):
        readers.read('mvsec', str(root))


def test_a_file_is_never_read_whole(root, monkeypatch):
    """The events of a drive are gigabytes: times are searched, one part is read."""
    read = []
    original = h5py.Dataset.__getitem__

    def watched(self, key, *rest):
        found = original(self, key, *rest)
        read.append((self.name, np.size(found)))
        return found

    monkeypatch.setattr(h5py.Dataset, '__getitem__', watched)
    (clip,) = readers.read('mvsec', str(root))
    clip.events(clip.times_s[1] - 0.01, clip.times_s[1])
    sizes = [size for name, size in read if name == '/davis/left/events']
    assert max(sizes) == 10 * 4
    assert len(sizes) < 30
