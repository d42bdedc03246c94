# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The reader of rendered rooms, on sets written without Blender."""

import json
import re

import numpy as np
import pytest

from kit.rooms import HEIGHT, WIDTH, write_rooms
from spike_training.datasets.readers import read
from spike_training.datasets.splits import assign_splits, select_split
from spike_training.errors import DataSetError
from spike_training.sampling.clip_source import ClipSource
from spike_worlds import rendered_set


def test_twenty_views_are_clips_of_two_frames_whose_first_has_depth(tmp_path) -> None:
    clips = read('rendered', str(write_rooms(tmp_path)))
    assert len(clips) == 20
    clip = clips[7]  # room 1, view 2: a wall at 2.2 m
    assert clip.name == 'rendered/room_00001/view_02'
    assert clip.labelled == (0,)
    assert np.diff(clip.times_s) == pytest.approx([0.01])
    assert clip.image(1).shape == (HEIGHT, WIDTH, 3)
    depth = clip.depth(0)
    assert np.allclose(depth[4:], 2.2)
    assert np.isposinf(depth[:4]).all()
    assert clip.depth(1) is None
    assert clip.mean_rate == 0.2


def test_views_of_a_room_are_in_one_split(tmp_path) -> None:
    clips = read('rendered', str(write_rooms(tmp_path, rooms=10, views=2)))
    splits = assign_splits([clip.name for clip in clips], with_test=True)
    sides = {
        name: {clip.name.split('/')[1] for clip in select_split(clips, splits, name, 0.01)}
        for name in ('train', 'calibration', 'test')
    }
    assert [len(sides[name]) for name in ('train', 'calibration', 'test')] == [7, 1, 2]
    assert not sides['train'] & (sides['calibration'] | sides['test'])


def test_spikes_fire_at_the_rate_of_the_view(tmp_path) -> None:
    clips = read('rendered', str(write_rooms(tmp_path)))
    batch = ClipSource(clips, HEIGHT, WIDTH, mean_rate=0.5).samples([0])
    assert batch.counts.float().sum() / (HEIGHT * WIDTH * 128) == pytest.approx(0.2, rel=0.05)


def test_the_first_views_alone(tmp_path) -> None:
    root = write_rooms(tmp_path)
    assert len(read('rendered', f'{root},views=7')) == 7


def test_a_damaged_view_is_left_out_and_named(tmp_path) -> None:
    root = write_rooms(tmp_path)
    image = root / 'room_00002' / 'view_01' / rendered_set.FRAMES[1]
    image.write_bytes(image.read_bytes()[:-10])
    clips = read('rendered', str(root))
    assert len(clips) == 19
    ((reason, names),) = clips[0].skipped.items()
    assert names == ['room_00002/view_01']
    assert 'frame_1.jpg' in reason


@pytest.mark.parametrize('name', [rendered_set.MANIFEST, rendered_set.VIEW])
def test_each_field_that_is_missing_or_of_another_type_is_refused(tmp_path, name) -> None:
    root = write_rooms(tmp_path, rooms=1, views=1)
    (path,) = root.rglob(name)
    sound = json.loads(path.read_text())
    told = rf'{re.escape(name)}|frame_0\.jpg is missing, or not of the size'
    for field in sound:
        for bad in (None, 'text', {}, [[]], 'absent', float('nan')):
            content = sound | {field: bad}
            if bad == 'absent':
                del content[field]
            path.write_text(json.dumps(content))
            with pytest.raises(DataSetError, match=told) as caught:
                read('rendered', str(root))
            assert '\n' not in str(caught.value)
    path.write_text(json.dumps(sound))
    assert len(read('rendered', str(root))) == 1
