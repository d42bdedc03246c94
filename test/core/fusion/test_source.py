# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Windows of a stream with their frames: what waits, and for how long."""

import numpy as np
import pytest

from kit import bags
from kit.bags import PERIOD, START
from spike_depth_ros.fusion.frames import Frames, FrameSettings
from spike_depth_ros.fusion.pairing import FAR_IN_A_ROW
from spike_depth_ros.fusion.source import FusedSource
from spike_depth_ros.stream.ingest import Ingest, StreamSettings

MS = 1_000_000
WINDOW = 40
MAX_AGE_S = 0.005


def stream(policy='every', planes=800):
    """An ingest that holds planes, and the frames beside it."""
    settings = StreamSettings(
        WINDOW, policy=policy, ring_planes=2 * planes, spike_rate_hz=20_000.0
    )
    ingest = Ingest(settings, lambda kind, text: None)
    ingest.on_camera_info(bags.camera())
    spikes = bags.moving_bars(planes)
    for first in range(0, planes, WINDOW):
        ingest.on_spikes(bags.packet(START + first * PERIOD, spikes[first : first + WINDOW]))
    frames = Frames(FrameSettings(max_offset_px=0.0), MAX_AGE_S)
    frames.on_camera_info(bags.camera())
    return ingest, frames


def show(frames, after_ns):
    grey = np.full((bags.HEIGHT, bags.WIDTH), 99, np.uint8)
    frames.on_image(bags.image(START + after_ns, grey, 'mono8'))


def test_behind_a_backlog_no_window_waits_for_a_silent_camera(monkeypatch):
    ingest, frames = stream()
    source = FusedSource(ingest, lambda: frames)
    monkeypatch.setattr(frames.store, 'wait', lambda *given: pytest.fail('it waits'))
    for _ in range(17):  # the spikes are the largest age ahead of these
        assert source.take(timeout_s=5.0).image is None


def test_behind_a_backlog_frames_are_of_the_same_clock():
    ingest, frames = stream(planes=2000)
    frames.store._far_ns = 20 * MS  # of 100 ms of spikes
    source = FusedSource(ingest, lambda: frames)
    for k in range(2 * FAR_IN_A_ROW):
        show(frames, (99 + k) * MS)
        assert source.take(timeout_s=0.0) is not None
    assert frames.store.problem == ''


def test_the_newest_windows_wait_for_a_later_frame():
    ingest, frames = stream(planes=WINDOW)
    source = FusedSource(ingest, lambda: frames)
    show(frames, MS // 2)
    assert source.take(timeout_s=0.001) is None  # a frame up to 1 ms may still come
    show(frames, 9 * MS // 10)
    assert source.take(timeout_s=0.001) is None
    show(frames, 2 * MS)
    assert source.take(timeout_s=0.001).image.age_s == pytest.approx(0.0001)


def test_without_frames_nothing_waits_nor_with_policy_latest():
    ingest, _ = stream(planes=WINDOW)
    assert FusedSource(ingest).take(timeout_s=0.0).image is None
    ingest, frames = stream('latest', planes=WINDOW)
    show(frames, MS // 2)
    found = FusedSource(ingest, lambda: frames).take(timeout_s=0.0)
    assert found.image.age_s == pytest.approx(0.0005)


def test_frames_are_forgotten_while_nobody_asks():
    ingest, frames = stream(planes=WINDOW)
    show(frames, MS // 2)
    FusedSource(ingest, lambda: frames).discard()
    assert frames.store.find(START + MS) is None
