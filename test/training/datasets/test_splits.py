# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""No place is on two sides."""

import numpy as np
import pytest

from kit.clips import FRAME_S, Sliding
from spike_depth_ros.stream.chunk import Geometry
from spike_training.datasets.clip import SpikeClip
from spike_training.datasets.splits import assign_splits, place_id, select_split

SIDES = ('train', 'calibration', 'test')


@pytest.mark.parametrize(
    ('name', 'place'),
    [
        ('vkitti/2.0.3/Scene01/fog', '1'),
        ('vkitti/1.3.1/0018/15-deg-left', '18'),
        ('drivingstereo/foggy/2018-10-31-06-55-01/120', '2018-10-31-06-55-01'),
        ('nyuv2/kitchen_0004b', 'kitchen_0004'),
        ('nyuv2_raw/kitchen_0004a', 'kitchen_0004'),
        ('respike/indoor/train/room/7', 'respike/indoor/train/room'),
        ('sevenscenes/chess/seq-03', 'sevenscenes/chess'),
        ('kitti/2011_09_26_drive_0001_sync', 'kitti/2011_09_26_drive_0001_sync'),
        ('tum/rgbd_dataset_freiburg1_desk', 'tum/rgbd_dataset_freiburg1_desk'),
        ('rosbag/walk', 'rosbag/walk'),
        ('rosbag/walk/3', 'rosbag/walk'),
        ('npz/rosbag/walk/3/000012', 'rosbag/walk'),
        ('npz/vkitti/2.0.3/Scene01/fog/000012', '1'),
        ('npz/kitti/kitti_0926/000012', 'kitti/kitti_0926'),
        ('npz/lab', 'npz/lab'),
        ('folder/labels/sevenscenes/chess/seq-03', 'sevenscenes/chess'),
        ('folder/labels/kitti/kitti_0926', 'kitti/kitti_0926'),
        ('folder/labels/lab', 'folder/labels/lab'),
        ('folder/dat/walk', 'folder/dat/walk'),
        ('folder/data/kitti', 'folder/data/kitti'),
    ],
)
def test_what_a_place_is(name, place):
    assert place_id(name) == place


def test_places_are_shared_out_and_all_of_a_place_is_on_one_side():
    names = [f'vkitti/1.3.1/{k:04d}/{v}' for k in range(20) for v in ('clone', 'fog')]
    splits = assign_splits(names, with_test=True)
    assert splits.by == 'place'
    assert [len(splits.places[side]) for side in SIDES] == [14, 2, 4]
    assert len({place for places in splits.places.values() for place in places}) == 20
    # Whatever variation is looked at, and in whatever order, the sides are the same.
    assert assign_splits(names[1::2][::-1], with_test=True) == splits
    # Those that test are others than those that calibrate where nothing is to be tested.
    assert len(assign_splits(names, with_test=False).places['train']) == 18


def test_of_few_places_some_still_train():
    names = [f'sevenscenes/{room}/seq-01' for room in ('chess', 'fire', 'heads')]
    assert [len(assign_splits(names, True).places[side]) for side in SIDES] == [1, 1, 1]
    assert assign_splits(names[:2], True).by == 'time'
    assert assign_splits(names[:2], False).by == 'place'


def test_one_recording_is_parted_in_time_and_its_borders_are_left_out():
    clip = Sliding(41)
    splits = assign_splits([clip.name], with_test=True)
    window = 3 * FRAME_S
    sides = [select_split([clip], splits, side, window) for side in SIDES]
    assert [len(clips) for clips in sides] == [1, 1, 1]
    labelled = [clips[0].labelled for clips in sides]
    assert labelled == [tuple(range(27)), tuple(range(30, 31)), tuple(range(34, 41))]
    assert clip.labelled == tuple(range(41))
    # The frames beside stay, for the light between frames.
    assert all(len(clips[0]) == 41 for clips in sides)
    assert select_split([Sliding(3)], splits, 'calibration', window) == []


def test_windows_of_one_place_are_shared_out_whole_and_in_order():
    def window(number):
        return SpikeClip(
            f'npz/kitti/drive/{number:06d}', Geometry(1, 8), 100, 1e3, None, lambda a, b: None,
            (50,), (lambda: 'depth',),
        )  # fmt: skip

    clips = [window(number) for number in range(20)]
    splits = assign_splits([clip.name for clip in clips], with_test=True)
    assert splits.by == 'time'
    sides = [select_split(clips, splits, side, 0.0) for side in SIDES]
    assert [clips.index(clip) for side in sides for clip in side] == list(range(20))
    assert [len(side) for side in sides] == [14, 2, 4]
    # Few of them are split like any recording.
    assert [len(select_split(clips[:2], splits, side, 0.0)) for side in SIDES] == [2, 2, 2]


def test_a_recording_of_spikes_is_parted_in_time():
    planes = np.arange(100, dtype=np.uint8)[:, None, None]
    clip = SpikeClip(
        'dat/a', Geometry(1, 8), 100, 1e3, None, lambda a, b: planes[a:b], (10, 75, 90),
        (lambda: 'ten', lambda: 'seventy-five', lambda: 'ninety'),
    )  # fmt: skip
    splits = assign_splits(['dat/a'], with_test=True)
    found = [select_split([clip], splits, side, 0.0)[0] for side in SIDES]
    assert [side.planes for side in found] == [70, 10, 20]
    assert [side.load(2, 4).ravel().tolist() for side in found] == [[2, 3], [72, 73], [82, 83]]
    assert [side.depth_planes for side in found] == [(10,), (5,), (10,)]
    assert [side.depths[0]() for side in found] == ['ten', 'seventy-five', 'ninety']
