# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import threading
import time
from types import SimpleNamespace

import pytest

from kit.streams import SETTINGS, SIZED, camera_info, packet
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.stereo import source as module
from spike_depth_ros.stereo.source import PairSource
from spike_depth_ros.stream.ingest import Ingest

RIG = StereoRig.from_baseline(0.1, 20.0, 13, 5)
SETTINGS = dataclasses.replace(SETTINGS, rectify=False)
SIZED = dataclasses.replace(SIZED, rectify=False)


def info(camera, width=13, height=5):
    """A camera of the rig as sensor_msgs/CameraInfo has it."""
    names = ('distortion_model', 'd', 'k', 'r', 'p')
    fields = {name: getattr(camera, name) for name in names}
    return SimpleNamespace(width=width, height=height, **fields)


def eyes(settings=SETTINGS, **options):
    changed = threading.Condition()
    left, right = (Ingest(settings, {}.setdefault, changed=changed) for _ in range(2))
    return left, right, PairSource(left, right, **options)


def arrive(left, right, packets=4, first=0):
    for n in range(packets):
        for ingest in (left, right):
            ingest.on_spikes(packet(first + 4 * n))


def test_a_pair_comes_with_the_rig_of_both_cameras():
    left, right, source = eyes()
    left.on_camera_info(info(RIG.left))
    right.on_camera_info(info(RIG.right))
    assert not source.is_ready()
    assert source.take(0.0) is None
    arrive(left, right)
    assert source.is_ready()
    first, second = source.take(0.1), source.take(0.1)
    assert first.rig == RIG
    assert second.rig is first.rig  # made once for calibrations alike
    assert first.right.reference_ns == first.window.reference_ns
    assert source.has_depth(first)
    assert (source.pairs, source.alone, source.problem, source.problem_of_rig) == (2, 0, '', '')
    assert source.take(0.01) is None


def test_another_calibration_makes_another_rig():
    left, right, source = eyes()
    left.on_camera_info(info(RIG.left))
    right.on_camera_info(info(RIG.right))
    arrive(left, right)
    assert source.take(0.1).rig.baseline_m == pytest.approx(0.1)
    wide = StereoRig.from_baseline(0.3, 20.0, 13, 5)
    right.on_camera_info(info(wide.right))
    arrive(left, right, first=16)
    assert source.take(0.1).rig.baseline_m == pytest.approx(0.1)  # planes from before
    assert source.take(0.1).rig.baseline_m == pytest.approx(0.3)


def test_without_a_rig_pairs_come_and_the_reason_is_kept():
    left, right, source = eyes(SIZED)
    arrive(left, right)
    found = source.take(0.1)
    assert found.right is not None
    assert not source.has_depth(found)
    assert source.problem_of_rig == 'no left and no right camera_info: publish it'
    left.on_camera_info(info(RIG.left))
    right.on_camera_info(info(RIG.left))
    arrive(left, right, first=16)
    source.take(0.1)
    source.take(0.1)
    assert 'a baseline of 0 m' in source.problem_of_rig
    right.on_camera_info(info(RIG.right))
    arrive(left, right, first=32)
    source.take(0.1)
    source.take(0.1)
    assert source.problem_of_rig == ''


def test_a_rig_that_cannot_be_searched_is_a_problem():
    def refuse(rig):
        raise ValueError('too near')

    left, right, source = eyes(check=refuse)
    left.on_camera_info(info(RIG.left))
    right.on_camera_info(info(RIG.right))
    arrive(left, right)
    assert source.take(0.1).rig is None
    assert source.problem_of_rig == 'too near'


def test_both_calibrations_are_known_before_a_pair():
    left, right, source = eyes(pair_wait_s=0.001)
    left.on_camera_info(info(RIG.left))
    right.on_camera_info(info(RIG.right))
    for n in range(20):
        left.on_spikes(packet(4 * n + 100))
    right.on_spikes(packet(0))
    found = source.take(0.1)
    assert found.right is None
    assert found.rig == RIG


@pytest.mark.parametrize('fills', [False, True])
def test_left_windows_come_alone_once_right_has_stopped(fills):
    left, right, source = eyes(fills=fills, pair_wait_s=0.001)
    left.on_camera_info(info(RIG.left))
    right.on_camera_info(info(RIG.right))
    arrive(left, right)
    assert source.take(0.1).right is not None
    assert source.take(0.1).right is not None
    for n in range(4, 14):
        left.on_spikes(packet(4 * n))
    found = source.take(0.1)
    assert found.right is None
    assert found.rig == RIG
    assert source.has_depth(found) is fills
    assert source.alone == 1


def test_streams_of_other_sizes_or_rates_are_no_pair():
    left, right, source = eyes()
    left.on_camera_info(camera_info())
    right.on_camera_info(camera_info(height=10))
    arrive(left, right)
    assert not source.is_ready()
    assert 'left stream of 13x5 pixels, right one of 13x10' in source.problem
    left, right, source = eyes(dataclasses.replace(SIZED, spike_rate_hz=0.0))
    for n in range(8):
        left.on_spikes(packet(4 * n))
        right.on_spikes(packet(8 * n))
    assert not source.is_ready()
    assert source.problem.startswith('left stream of 20000 planes/s, right one of 10000')


def test_planes_of_the_first_stream_wait_a_little_for_the_other(monkeypatch):
    left, right, source = eyes(SIZED)
    left.on_spikes(packet(0, 8))
    source.discard()
    source.discard()
    right.on_spikes(packet(0, 8))
    assert source.is_ready()
    assert source.take(0.1).right is not None
    left, right, source = eyes(SIZED)
    monkeypatch.setattr(module, 'PAIR_WAIT_S', 0.01)
    left.on_spikes(packet(0, 8))
    source.discard()
    time.sleep(0.02)
    source.discard()
    assert left.accounting().skipped_by_policy == 8


def test_a_ring_that_is_made_anew_pairs_again():
    left, right, source = eyes()
    for ingest in (left, right):
        ingest.on_camera_info(camera_info(height=10))
    left.on_spikes(packet(0, 8))
    right.on_spikes(packet(0, 8))
    assert source.is_ready()
    for ingest in (left, right):
        ingest.on_camera_info(camera_info())
    assert source.take(0.1).window.geometry.height == 5
