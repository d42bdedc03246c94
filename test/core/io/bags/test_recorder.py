# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorder of messages: its limits, and what a full disk leaves."""

import errno
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import Reader

from kit.programs import largest_file
from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.io.bags import recorder
from spike_depth_ros.io.bags.bag import CAMERA_INFO, IMAGE, Bag, typestore
from spike_depth_ros.io.bags.recorder import BagRecorder
from spike_depth_ros.io.bags.writing import make_camera_info, make_header, make_image

USAGE = shutil.disk_usage('/')


def packet(number, rows=400):
    pixels = np.full((rows, 1000), number % 256, np.uint8)
    message = make_image(pixels, 'mono8', make_header(number, 'camera'))
    return bytes(typestore().serialize_cdr(message, IMAGE))


def read(path):
    bag = Bag(path)
    return [message.data for message in bag.messages(['/spikes'])], bag.damage


def disk(monkeypatch, *free):
    """Let a disk have some free space at each check."""
    left = list(free)
    monkeypatch.setattr(recorder.shutil, 'disk_usage', lambda _: USAGE._replace(free=left.pop(0)))


def test_messages_are_recorded_up_to_the_largest_size(tmp_path):
    data = [packet(number) for number in range(5)]
    bag = BagRecorder(tmp_path / 'new' / 'bag', 4.5 * len(data[0]))
    written = [bag.write('/spikes', IMAGE, time, one) for time, one in enumerate(data)]
    bag.close()
    assert written == [True, True, True, True, False]
    assert 'GB are recorded, the limit' in bag.ended
    assert not bag.disk_failed
    assert read(tmp_path / 'new' / 'bag') == (data[:4], [])


def test_a_message_that_no_reader_takes_ends_the_recording(tmp_path, monkeypatch):
    data = [packet(0), packet(1, rows=401)]
    monkeypatch.setattr(recorder, 'MAX_MESSAGE_BYTES', len(data[0]))
    bag = BagRecorder(tmp_path / 'bag', 1e9)
    assert [bag.write('/spikes', IMAGE, time, one) for time, one in enumerate(data)] == [
        True,
        False,
    ]
    bag.close()
    assert bag.ended.startswith(f'/spikes: a message of {len(data[1])} bytes, expected at most')
    assert read(tmp_path / 'bag') == (data[:1], [])


def test_the_free_space_is_checked_before_and_during_the_recording(tmp_path, monkeypatch):
    disk(monkeypatch, 2e8)
    with pytest.raises(OSError, match='has 200 MB free, expected 532 MB or more'):
        BagRecorder(tmp_path / 'bag', 1e9)
    assert not (tmp_path / 'bag').exists()
    disk(monkeypatch, 1e10, 2e8)
    monkeypatch.setattr(recorder, 'CHECK_BYTES', 10**6)
    bag = BagRecorder(tmp_path / 'bag', 1e9)
    data = [packet(number) for number in range(9)]
    written = sum(bag.write('/spikes', IMAGE, time, one) for time, one in enumerate(data))
    bag.close()
    assert bag.disk_failed
    assert read(tmp_path / 'bag') == (data[:written], [])
    assert written == 3


def test_what_a_full_disk_leaves_can_be_read(tmp_path):
    bag = BagRecorder(tmp_path / 'bag', 1e9)
    data = [packet(number) for number in range(40)]
    with largest_file(7_000_000):
        written = [bag.write('/spikes', IMAGE, time, one) for time, one in enumerate(data)]
        bag.close()
    assert not written[-1]
    assert bag.ended.endswith('File too large: free space there')
    found, damage = read(tmp_path / 'bag')
    assert len(found) >= 12
    assert found == data[: len(found)]
    assert damage


@pytest.mark.parametrize('umask', [0o077, 0o002, 0o022])
def test_a_recording_has_the_umask_of_the_user(tmp_path, umask):
    before = os.umask(umask)
    try:
        bag = BagRecorder(tmp_path / 'bag', 1e9)
        bag.write('/spikes', IMAGE, 0, packet(0))
        bag.close()
    finally:
        os.umask(before)
    files = list((tmp_path / 'bag').iterdir())
    assert {path.name for path in files} == {'bag_0.mcap', 'metadata.yaml'}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o666 & ~umask}
    assert stat.S_IMODE((tmp_path / 'bag').stat().st_mode) == 0o777 & ~umask


def test_an_existing_folder_is_refused(tmp_path):
    with pytest.raises(FileExistsError, match='exists: choose another folder'):
        BagRecorder(tmp_path, 1e9)


def info(number):
    message = make_camera_info(Calibration(1000, 400), make_header(number, 'camera'))
    return bytes(typestore().serialize_cdr(message, CAMERA_INFO))


def write_all(bag, data, infos=()):
    """Write packets a second apart, and a camera_info before some of them."""
    for number, one in enumerate(data):
        if number in infos:
            bag.write('/camera_info', CAMERA_INFO, number * 10**9, info(number + 1))
        bag.write('/spikes', IMAGE, number * 10**9, one)
    bag.close()


def test_metadata_is_that_of_the_whole_bag_from_the_first_moment_on(tmp_path, monkeypatch):
    """Else a reader of a bag that ends would take its last file for all of it."""
    seen, read_yaml = [], recorder.read_yaml

    def reading(path):
        seen.append((tmp_path / 'bag' / 'metadata.yaml').exists())
        return read_yaml(path)

    monkeypatch.setattr(recorder, 'read_yaml', reading)
    write_all(BagRecorder(tmp_path / 'bag', 1e9, file_ns=1e9), [packet(0), packet(1)])
    assert seen == [False, False]
    assert {one.name for one in (tmp_path / 'bag').iterdir()} == {
        'bag_0.mcap', 'bag_1.mcap', 'metadata.yaml',
    }  # fmt: skip


def test_a_disk_that_fills_up_at_the_end_leaves_nothing_but_the_bag(tmp_path, monkeypatch):
    """Else the bag could not be replaced by --overwrite."""
    bag = BagRecorder(tmp_path / 'bag', 1e9)
    bag.write('/spikes', IMAGE, 0, packet(0))

    def full(path):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(recorder, 'read_yaml', full)
    bag.close()
    assert bag.disk_failed
    assert [one.name for one in (tmp_path / 'bag').iterdir()] == ['bag_0.mcap']


@pytest.mark.parametrize('limit', [{'file_bytes': 900_000}, {'file_ns': 2e9}])
def test_a_bag_of_several_files_has_each_message_once(tmp_path, limit):
    data = [packet(number) for number in range(25)]
    bag = BagRecorder(tmp_path / 'bag', 1e9, **limit)
    write_all(bag, data, infos=(0, 3))
    files = [f'bag_{number}.mcap' for number in range(13)]
    assert bag.files == 13
    assert {one.name for one in (tmp_path / 'bag').iterdir()} == {*files, 'metadata.yaml'}
    assert read(tmp_path / 'bag') == (data, [])
    for number, name in enumerate(files):
        part = Bag(tmp_path / 'bag' / name)
        found = [one.data for one in part.messages(['/camera_info', '/spikes'])]
        first = info(1 if number < 2 else 4)  # the newest one before the file
        assert found[0] == first
        assert [one for one in found if one in data] == data[2 * number : 2 * number + 2]
    with Reader(tmp_path / 'bag') as reader:
        assert reader.message_count == 25 + 2 + 12
        assert reader.duration == 24 * 10**9 + 1
        assert [bytes(one) for _, _, one in reader.messages()].count(data[24]) == 1
        assert [one['path'] for one in reader.storage.files] == files


def test_each_file_begins_with_the_newest_camera_info_of_each_camera(tmp_path):
    bag = BagRecorder(tmp_path / 'bag', 1e9, file_bytes=900_000)
    for number in range(4):
        for eye in ('left', 'right'):
            if number in (0, 3):
                bag.write(f'/{eye}/camera_info', CAMERA_INFO, number, info(len(eye) + number))
            bag.write(f'/{eye}/spikes', IMAGE, number, packet(number))
    bag.close()
    for number in range(4):
        part = Bag(tmp_path / 'bag' / f'bag_{number}.mcap')
        for eye in ('left', 'right'):
            first = next(part.messages([f'/{eye}/camera_info']))
            newest = 3 if (eye, number) == ('left', 3) else 0  # right's comes in that file
            assert first.data == info(len(eye) + newest)
            assert len([*part.messages([f'/{eye}/spikes'])]) == 1


def test_a_message_larger_than_a_file_has_one_of_its_own(tmp_path):
    data = [packet(number) for number in range(3)]
    write_all(BagRecorder(tmp_path / 'bag', 1e9, file_bytes=1000), data)
    assert read(tmp_path / 'bag') == (data, [])
    assert len(list((tmp_path / 'bag').glob('*.mcap'))) == 3


def test_the_number_of_files_has_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, 'MAX_FILES', 3)
    data = [packet(number) for number in range(5)]
    bag = BagRecorder(tmp_path / 'bag', 1e9, file_bytes=1000)
    write_all(bag, data)
    assert bag.ended == '3 files are recorded, the limit: split less often'
    assert not bag.disk_failed
    assert read(tmp_path / 'bag') == (data[:3], [])


@pytest.mark.parametrize('fails', ['mkdir', 'open', 'write'])
def test_files_before_a_full_disk_are_complete(tmp_path, monkeypatch, fails):
    data = [packet(number) for number in range(40)]
    bag = BagRecorder(tmp_path / 'bag', 1e9, file_bytes=3_300_000)
    full = OSError(errno.ENOSPC, 'No space left on device')
    if fails == 'write':  # in the third file
        append = bag._put
        written = []

        def put(*arguments):
            written.append(arguments)
            if len(written) == 20:
                raise full
            append(*arguments)

        monkeypatch.setattr(bag, '_put', put)
    else:
        make = Path.mkdir if fails == 'mkdir' else Path.open

        def refuse(path, *arguments, **options):
            if 'bag_2' in path.name:
                raise full
            return make(path, *arguments, **options)

        monkeypatch.setattr(Path, fails, refuse)
    write_all(bag, data)
    monkeypatch.undo()
    assert bag.disk_failed
    assert bag.ended.endswith('bag: No space left on device: free space there')
    found, damage = read(tmp_path / 'bag')
    assert found == data[: 19 if fails == 'write' else 16]
    assert damage == []
    left = {one.name for one in (tmp_path / 'bag').iterdir()}
    assert left - {'bag_2.mcap'} == {'bag_0.mcap', 'bag_1.mcap', 'metadata.yaml'}


def test_what_a_killed_recorder_leaves_of_several_files_is_read(tmp_path):
    data = [packet(number) for number in range(10)]
    bag = BagRecorder(tmp_path / 'bag', 1e9, file_bytes=1_700_000)
    for number, one in enumerate(data):
        bag.write('/spikes', IMAGE, number * 10**9, one)
    found, damage = read(tmp_path / 'bag')  # as it is on the disk now
    assert found == data[: len(found)]
    assert len(found) >= 8
    assert any('metadata.yaml is missing' in line for line in damage)
    bag.close()
    assert read(tmp_path / 'bag') == (data, [])
