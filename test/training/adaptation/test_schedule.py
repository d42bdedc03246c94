# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from spike_training.adaptation.run import time_of_stages
from spike_training.adaptation.schedule import EXPORT_S, Schedule


def test_what_is_left_is_divided_among_the_stages_to_come(tmp_path):
    schedule = Schedule(tmp_path, minutes=100)
    seconds = time_of_stages(tmp_path / 'budget.json', schedule, stages=3, test_s=100.0)
    assert seconds(3) == pytest.approx((6000 - 5 * 100 - EXPORT_S / 2) / 3, abs=10)
    assert seconds(1) == pytest.approx(6000 - 3 * 100 - EXPORT_S / 2, abs=10)  # two took no time


def test_a_resumed_adaptation_gives_no_stage_more_than_planned(tmp_path):
    stored = tmp_path / 'budget.json'
    stored.write_text(json.dumps({'rung_s': 250.0}))
    seconds = time_of_stages(stored, Schedule(tmp_path, 100), stages=3, test_s=100.0)
    assert seconds(3) == seconds(1) == 250
    late = time_of_stages(stored, Schedule(tmp_path, 8), stages=3, test_s=100.0)
    assert late(1) == pytest.approx(480 - 3 * 100 - EXPORT_S / 2, abs=10)
    none = time_of_stages(stored, Schedule(tmp_path, 1), stages=3, test_s=100.0)
    assert none(3) == 0
