# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorder of messages: its limits, and what a full disk leaves."""

import resource
import shutil

import numpy as np
import pytest

pytest.importorskip('rosbags')

from spike_depth_ros.bags import recorder
from spike_depth_ros.bags.bag import IMAGE, Bag, typestore
from spike_depth_ros.bags.recorder import BagRecorder
from spike_depth_ros.bags.writing import make_header, make_image

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
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (7_000_000, hard))
    try:
        written = [bag.write('/spikes', IMAGE, time, one) for time, one in enumerate(data)]
        bag.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not written[-1]
    assert bag.ended.endswith('File too large: free space there')
    found, damage = read(tmp_path / 'bag')
    assert len(found) >= 12
    assert found == data[: len(found)]
    assert damage


def test_an_existing_folder_is_refused(tmp_path):
    with pytest.raises(FileExistsError, match='exists: choose another folder'):
        BagRecorder(tmp_path, 1e9)
