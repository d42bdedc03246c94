# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Live scoring without ROS: windows and truths come in whatever order and number."""

import dataclasses
import errno
import time

import numpy as np
import pytest

from kit import bags
from kit.programs import wait_until
from spike_depth_ros.checkpoint import default_checkpoint, load_info
from spike_depth_ros.evaluation.live import (
    MAX_WAITING,
    Arrivals,
    LiveScores,
    LiveWindow,
    waiting_truths,
)
from spike_depth_ros.evaluation.results import WindowsFile
from spike_depth_ros.evaluation.scores import Scores
from spike_depth_ros.evaluation.truth import Truth

HOP = 6_400_000


@pytest.fixture
def live(tmp_path):
    scores = LiveScores(Scores, waiting_truths(0), tmp_path)
    scores.info = load_info(default_checkpoint())
    yield scores
    scores.finish()


def window(number, depth=2.0, fx=0.0):
    image = np.full((4, 6), depth, np.float32)
    return LiveWindow(number * HOP, image, 0.1 * image, None, fx)


def truth(number, depth=1.0, size=(4, 6)):
    at = round(number * HOP)
    return Truth(at, bags.image(at, np.full(size, depth, np.float32), '32FC1'))


def test_arrivals_have_a_rate_and_latencies_by_what_was_due():
    arrivals = Arrivals()
    assert (arrivals.per_s(), arrivals.latency_ms(lambda stamps: stamps)) == (None, None)
    start = 1_800_000_000_000_000_000
    for number, late_ms in enumerate((5, 7, 9)):
        stamp = start + number * 20_000_000
        arrivals.add(stamp, stamp + late_ms * 1_000_000)
    assert len(arrivals) == 3
    assert arrivals.per_s() == pytest.approx(2 / 0.044)
    assert arrivals.latency_ms(lambda stamps: stamps + 2_000_000) == pytest.approx((5, 6.96))


def test_a_window_waits_for_its_truth(live):
    live.start()
    live.add_window(window(0))
    live.add_window(window(1))
    time.sleep(0.05)
    assert live.windows == 0  # a truth may still come
    live.add_truth(truth(0.2))
    live.add_truth(truth(1.1))
    live.add_truth(truth(2.1))
    wait_until(lambda: live.windows == 1)  # the next truth might be nearer to the second one
    live.finish()
    assert live.windows == 2
    assert live.metrics()['abs_rel'] == pytest.approx(1.0)
    assert live.truths.accounting.used == 2


def test_the_shortest_step_says_how_near_a_truth_must_be(live):
    for number in (0, 3, 4):
        live.add_window(window(number))
    for number in (0.4, 3.6, 4.6):
        live.add_truth(truth(number))
    live.start()
    live.finish()
    accounting = live.truths.accounting
    assert live.truths.within_ns == HOP // 2
    assert (accounting.used, accounting.unmatched) == (2, 1)
    assert accounting.nearest_ns == pytest.approx(0.6 * HOP, rel=1e-6)


def test_without_truth_windows_do_not_wait_for_ever(live):
    live.start()
    for number in range(MAX_WAITING + 10):
        live.add_window(window(number))
    wait_until(lambda: live.windows == 10)
    live.finish()
    assert live.windows == MAX_WAITING + 10
    assert live.late == 0  # there was no truth to wait for


def test_what_cannot_be_scored_in_time_is_counted_and_memory_stays(live):
    live.info = None  # nothing is scored as long as the model is not known
    live.start()
    for number in range(3 * MAX_WAITING):
        live.add_window(window(number))
        live.add_truth(truth(number))
    assert live.left_out == MAX_WAITING
    assert live.truths.accounting.received - live.truths.accounting.unmatched == MAX_WAITING


def test_depth_is_scored_by_the_models_range_at_its_focal_length(live):
    info = live.info
    live.add_window(window(0, depth=np.inf, fx=2 * info.canonical_fx))
    live.add_truth(truth(0, depth=info.max_depth))
    live.start()
    live.finish()
    assert live.scores.depth_range == (2 * info.min_depth, 2 * info.max_depth)
    assert live.metrics()['abs_rel'] == pytest.approx(1.0)


def test_another_camera_begins_anew(live):
    fx = live.info.canonical_fx
    for number, focal in enumerate((fx, fx, 2 * fx)):
        live.add_window(window(number, fx=focal))
        live.add_truth(truth(number))
    live.start()
    live.finish()
    assert live.windows == 1
    assert live.scores.errors.images == 1


def test_another_model_begins_anew(live, tmp_path):
    live.start()
    for number in range(2):
        live.add_window(window(number))
        live.add_truth(truth(number))
    for number in (2, 3):
        live.add_truth(truth(number))
    wait_until(lambda: live.windows == 2)
    live.info = dataclasses.replace(live.info, weights_sha256='0' * 64)
    live.add_window(window(2))
    live.finish()
    assert live.windows == 1
    accounting = live.truths.accounting
    assert (accounting.received, accounting.used, accounting.unmatched) == (2, 1, 1)
    _, line = (tmp_path / 'windows.csv').read_text().splitlines()
    assert line.startswith('0,0,')


def test_lines_that_were_buffered_when_the_disk_filled_are_told(tmp_path):
    (tmp_path / 'windows.csv').symlink_to('/dev/full')
    live = LiveScores(Scores, waiting_truths(0), tmp_path)
    live.info = load_info(default_checkpoint())
    live.add_window(window(0))
    live.start()
    live.finish()
    assert live.windows == 1
    assert live.problem == 'windows.csv ends early: [Errno 28] No space left on device'


def test_a_full_disk_ends_the_file_and_not_the_scores(live, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(WindowsFile, 'add', full)
    for number in range(3):
        live.add_window(window(number))
    live.start()
    live.finish()
    assert (live.windows, live.left_out) == (3, 0)
    assert live.problem == 'windows.csv ends early: [Errno 28] No space left on device'


def test_another_size_begins_anew(live):
    for number in range(3):
        image = np.full((4, 6) if number < 2 else (3, 5), 2.0, np.float32)
        live.add_window(LiveWindow(number * HOP, image, 0.1 * image, None, 0.0))
    live.start()
    live.finish()
    assert (live.windows, live.left_out) == (1, 0)


def test_the_first_window_has_the_tolerance_of_the_others(live):
    live.start()
    for number in range(4):
        live.add_truth(truth(number + 0.1))
        live.add_window(window(number))
    live.finish()
    accounting = live.truths.accounting
    assert (accounting.used, accounting.unmatched) == (4, 0)


def test_a_truth_of_another_size_is_told(live):
    live.add_window(window(0))
    live.add_truth(truth(0, size=(9, 9)))
    live.start()
    live.finish()
    assert 'true depth is 9x9, predicted depth 6x4' in live.problem
    assert live.truths.accounting.unusable == 1


def test_windows_are_written_as_they_are_scored(live, tmp_path):
    live.add_window(window(0))
    live.add_truth(truth(0))
    live.start()
    live.finish()
    lines = (tmp_path / 'windows.csv').read_text().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith('0,0,0,24,24,1,')


def test_the_limits_follow_the_factor_of_the_window(live):
    live.start()
    far = live.info.max_depth
    live.add_window(dataclasses.replace(window(0, depth=np.inf), factor=0.5))
    live.add_window(dataclasses.replace(window(1, depth=np.inf), factor=2.0))
    for number in (0, 1):
        live.add_truth(truth(number, depth=far))
    live.finish()
    assert live.metrics()['abs_rel'] == pytest.approx((0.5 + 1) / 2)


def test_what_waits_is_bounded_in_bytes(live):
    live.info = None  # no window can be scored
    large = np.broadcast_to(np.float32(2), (5000, 5000))  # 100 MB, without their memory
    for number in range(20):
        live.add_window(LiveWindow(number * HOP, large, large, None, 0.0))
        late = truth(number)
        late.image.data = np.broadcast_to(np.uint8(0), 48_000_000)
        live.add_truth(late)
    # 512 MiB are 2 windows of 200 MB, and 11 truths of 48 MB.
    assert live.left_out == 20 - 2
    assert live.truths.accounting.unmatched == 20 - 11
