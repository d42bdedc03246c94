# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The builders that no other test looks at closely."""

import pytest

from kit import checkpoints
from spike_depth_ros.checkpoint import load
from spike_depth_ros.tasks.base import TASKS


@pytest.mark.parametrize('task', TASKS)
def test_each_task_has_a_small_checkpoint(task, tmp_path):
    path = checkpoints.checkpoint(tmp_path / 'small.safetensors', task, stage='other')
    info, weights = load(path, TASKS[task].info)
    assert (info.stage, info.task) == ('other', task)
    assert weights
